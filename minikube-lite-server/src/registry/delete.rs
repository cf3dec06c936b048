//! Deleting objects: preconditions, grace periods, finalizers and propagation.

use super::{
    DeleteOptions, Entry, Expect, ListOptions, Propagation, Registry, Strategy, WriteError, encode, event, failed,
    not_found, strategy_of,
};
use jiff::ToSpan;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::Kind;
use shared_types::status::Status;
use shared_types::time::{format_time, parse_time};
use std::sync::Arc;

/// How many objects of a collection are deleted at a time: enough to share commits, few enough to hold in memory.
const DELETE_TOGETHER: usize = 128;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// What a deletion came to.
#[derive(Debug)]
pub struct Deleted {
    /// The object as it was last, or as it is while it waits.
    pub entry: Arc<Entry>,
    /// It is gone; otherwise it waits for its grace period or finalizers.
    pub gone: bool,
}

impl Registry {
    /// Deletes an object, or marks it as terminating where something must happen first.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` (preconditions).
    pub async fn delete(
        &self,
        kind: &'static Kind,
        namespace: &str,
        name: &str,
        options: DeleteOptions,
    ) -> Result<Deleted, Status> {
        let kind = event::stored_kind(kind);
        let strategy = strategy_of(kind);
        strategy.admit_deletion(name)?;
        // What this deletion has marked, with its uid.
        let mut marked: Option<(Arc<Entry>, String)> = None;
        loop {
            let entry = self.store.get(kind.plural, &super::key(kind, namespace, name));
            let found = entry.map(|entry| entry.object().map(|object| (entry, object))).transpose()?;
            let (entry, mut object) = match (found, &marked) {
                (Some((entry, object)), None) => {
                    check_preconditions(kind, name, &object, &options)?;
                    (entry, object)
                }
                (Some((entry, object)), Some((_, uid))) if object.uid() == uid => (entry, object),
                // Whoever saw the mark was quicker to delete it.
                (_, Some((entry, _))) => return Ok(Deleted { entry: entry.clone(), gone: true }),
                (None, None) => return Err(not_found(kind, name)),
            };
            let outcome = self.mark(strategy, &mut object, &options);
            if matches!(outcome, Marked::Waits) {
                return Ok(Deleted { entry, gone: false });
            }
            let bytes = encode(kind, &object)?;
            match outcome {
                Marked::Waits | Marked::Deletes => {}
                Marked::Changed { deletes } if options.dry_run => {
                    let entry = Self::uncommitted(kind, &object, bytes, entry.revision);
                    return Ok(Deleted { entry, gone: deletes });
                }
                // Watchers see the mark before the end, even where nothing has to be waited for.
                Marked::Changed { deletes } => {
                    match self.commit(kind, &object, bytes, Expect::Revision(entry.revision), false).await {
                        Ok(entry) if !deletes => return Ok(Deleted { entry, gone: false }),
                        Ok(entry) => marked = Some((entry, object.uid().to_string())),
                        Err(WriteError::Conflict) => {}
                        Err(WriteError::Failed(why)) => return Err(failed(why)),
                    }
                    continue;
                }
            }
            if options.dry_run {
                return Ok(Deleted { entry, gone: true });
            }
            match self.commit(kind, &object, bytes, Expect::Revision(entry.revision), true).await {
                Ok(entry) => {
                    strategy.release(self, &object, None);
                    return Ok(Deleted { entry, gone: true });
                }
                Err(WriteError::Conflict) => {}
                Err(WriteError::Failed(why)) => return Err(failed(why)),
            }
        }
    }

    /// Deletes everything that the options select, and returns it.
    ///
    /// # Errors
    /// The first failure other than `NotFound`.
    pub async fn delete_collection(
        &self,
        kind: &'static Kind,
        namespace: &str,
        selected: &ListOptions,
        options: DeleteOptions,
    ) -> Result<Vec<Arc<Entry>>, Status> {
        let listing = self.list(kind, namespace, selected)?;
        for batch in listing.entries.chunks(DELETE_TOGETHER) {
            let deletions = batch.iter().map(|entry| async {
                match self.delete(kind, entry.namespace(), entry.name(), options.clone()).await {
                    Err(status) if !status.is_not_found() => Err(status),
                    _ => Ok(()),
                }
            });
            futures_util::future::try_join_all(deletions).await?;
        }
        Ok(listing.entries)
    }

    /// Writes into `object` what the deletion means for it.
    fn mark(&self, strategy: &dyn Strategy, object: &mut Value, options: &DeleteOptions) -> Marked {
        let before = object.clone();
        let finalizers = object.map_mut("metadata").entry("finalizers").or_insert_with(|| Value::Array(Vec::new()));
        if let (Some(propagation), Value::Array(finalizers)) = (options.propagation, finalizers) {
            finalizers.retain(|f| f != ORPHAN && f != FOREGROUND);
            match propagation {
                Propagation::Orphan => finalizers.push(ORPHAN.into()),
                Propagation::Foreground => finalizers.push(FOREGROUND.into()),
                Propagation::Background => {}
            }
        }
        let has_finalizers = !object.list("metadata.finalizers").is_empty();
        let waits_for_finalizers = has_finalizers || strategy.is_held(object);
        if !has_finalizers {
            object.remove("metadata.finalizers");
        }
        let now = self.environment.now();
        let was_terminating = before.is_terminating();
        let held = before.int("metadata.deletionGracePeriodSeconds").unwrap_or(0);
        let grace = strategy.grace_period(&before, options.grace_period_seconds);
        if was_terminating && held > 0 {
            // A second deletion can only shorten the wait.
            match grace.filter(|grace| options.grace_period_seconds.is_some() && *grace < held) {
                Some(grace) => {
                    let end = parse_time(object.text("metadata.deletionTimestamp")).unwrap_or(now);
                    let end = end.saturating_sub((held - grace).seconds()).unwrap_or(now);
                    object.set("metadata.deletionTimestamp", format_time(end));
                    object.set("metadata.deletionGracePeriodSeconds", grace);
                    return Marked::Changed { deletes: grace == 0 && !waits_for_finalizers };
                }
                None if *object == before => return Marked::Waits,
                None => return Marked::Changed { deletes: false },
            }
        }
        if !was_terminating {
            let wait = match (grace, waits_for_finalizers) {
                (Some(grace), _) => grace,
                (None, true) => 0,
                (None, false) => return Marked::Deletes,
            };
            let end = now.saturating_add(wait.clamp(0, 1 << 40).seconds()).unwrap_or(now);
            object.set("metadata.deletionTimestamp", format_time(end));
            object.set("metadata.deletionGracePeriodSeconds", wait);
            if let Some(generation) = object.int("metadata.generation").filter(|g| *g > 0) {
                object.set("metadata.generation", generation + 1);
            }
            strategy.begin_deletion(object);
            return Marked::Changed { deletes: wait == 0 && !waits_for_finalizers };
        }
        match (waits_for_finalizers, *object == before) {
            (true, true) => Marked::Waits,
            (true, false) => Marked::Changed { deletes: false },
            (false, _) => Marked::Deletes,
        }
    }
}

enum Marked {
    /// Nothing to write: it waits already.
    Waits,
    /// It can go at once.
    Deletes,
    /// The mark is to be written, after which it can go or must wait.
    Changed { deletes: bool },
}

fn check_preconditions(kind: &Kind, name: &str, object: &Value, options: &DeleteOptions) -> Result<(), Status> {
    let wanted = &options.preconditions;
    // This message alone names the kind instead of the resource.
    let fail = |why: String| Err(Status::conflict(kind.kind, kind.group, name, &why));
    if let Some(uid) = wanted.uid.as_deref().filter(|uid| *uid != object.uid()) {
        let found = object.uid();
        return fail(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({found}). The object might have been \
             deleted and then recreated"
        ));
    }
    let version = object.text("metadata.resourceVersion");
    if let Some(wanted) = wanted.resource_version.as_deref().filter(|wanted| *wanted != version) {
        return fail(format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
             ({version}). The object might have been modified"
        ));
    }
    Ok(())
}
