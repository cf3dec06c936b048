//! Changing objects: PUT, every kind of PATCH, and the subresources that write to the object.

use super::{
    Expect, Part, Registry, Strategy, WriteError, WriteOptions, Written, event, failed, key, metadata, not_found,
    strategy_of,
};
use shared_types::fields::Fields;
use shared_types::json::{CompactString, Value};
use shared_types::kinds::Kind;
use shared_types::patch::apply::keep_times_if_unchanged;
use shared_types::status::Status;

/// Makes the wanted object from the current one. Called again when another write came between.
pub type Change<'a> = &'a mut (dyn FnMut(&Value) -> Result<Value, Status> + Send);

impl Registry {
    /// Changes `part` of an object to what `change` makes of it. A resourceVersion in the result must be the current
    /// one; without it the change is tried on whatever is current. A change that makes no difference writes nothing.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`, and whatever `change` returns.
    pub async fn update(
        &self,
        kind: &'static Kind,
        part: Part,
        namespace: &str,
        name: &str,
        change: Change<'_>,
        options: WriteOptions,
    ) -> Result<Written, Status> {
        let asked = kind;
        let kind = event::stored_kind(kind);
        let strategy = strategy_of(kind);
        if options.metadata_only
            && part == Part::Main
            && let Some(written) = self.update_metadata(kind, namespace, name, change, &options).await
        {
            return Ok(written);
        }
        loop {
            let Some(entry) = self.store.get(kind.plural, &key(kind, namespace, name)) else {
                if !(options.create_on_update || strategy.allows_create_on_update()) || part != Part::Main {
                    return Err(not_found(kind, name));
                }
                let object = change(&Value::Null)?;
                if object.has("metadata.uid") && !object.uid().is_empty() {
                    return Err(uid_conflict(kind, namespace, name, object.uid(), ""));
                }
                return self.create(asked, namespace, object, options).await;
            };
            let old = entry.object()?;
            let mut new = if event::is_view(asked) {
                event::to_stored(asked, change(&event::from_stored(asked, old.clone()))?)
            } else {
                change(&old)?
            };
            new.set("apiVersion", kind.api_version());
            new.set("kind", kind.kind);
            if kind.namespaced && new.namespace().is_empty() {
                new.set("metadata.namespace", namespace);
            }
            let wanted_version = new.text("metadata.resourceVersion").to_string();
            if !wanted_version.is_empty()
                && wanted_version != "0"
                && wanted_version != old.text("metadata.resourceVersion")
            {
                return Err(Status::modified(kind.plural, kind.group, name));
            }
            let conditional = !wanted_version.is_empty() && wanted_version != "0";
            if !conditional && !strategy.allows_unconditional_update() && part == Part::Main && !options.applied {
                let path = shared_types::validation::Path::new("metadata.resourceVersion");
                let error = shared_types::validation::FieldError::invalid(&path, 0, "must be specified for an update");
                return Err(Status::invalid(kind.kind, kind.group, name, &[error]));
            }

            strategy.default(&mut new);
            keep_other_parts(kind, &mut new, &old, part);
            metadata::keep_system_fields(&mut new, &old);
            // Who manages a field goes by what was sent, not by what an update that leaves it out keeps. The node of a Pod is
            // nobody's choice of a field.
            if !options.applied && part != Part::Other("binding") {
                self.track_managed_fields(kind, Some(&old), &mut new, &options, part);
            }
            strategy.prepare_for_update(&mut new, &old, part);
            set_generation(strategy, &mut new, &old, part);
            // A real server validates metadata in its generic part and once more in the kind's, and reports both.
            let mut errors = metadata::validate_update(&new, &old);
            errors.extend(errors.clone());
            errors.extend(strategy.validate_update(&new, &old, part));
            if !errors.is_empty() {
                return Err(Status::invalid(kind.kind, kind.group, name, &errors));
            }
            let warnings = strategy.warnings(&new, Some(&old));
            new.set("metadata.resourceVersion", old.text("metadata.resourceVersion"));
            keep_times_if_unchanged(&old, &mut new);
            let removes = new.is_terminating()
                && new.list("metadata.finalizers").is_empty()
                && !strategy.is_held(&new)
                && new.int("metadata.deletionGracePeriodSeconds").unwrap_or(0) == 0;
            // Of what quotas limit, only a Service comes to take more by an update.
            if kind.kind == "Service" && part == Part::Main {
                self.charge_quotas(kind, &new, Some(&old), options.dry_run).await?;
            }
            strategy.allocate(self, &mut new, Some(&old))?;
            let bytes = super::encode(kind, &new)?;
            if !removes && bytes == entry.bytes {
                return Ok(Written { entry, created: false, warnings });
            }
            if options.dry_run {
                strategy.release(self, &new, Some(&old));
                let entry = Self::uncommitted(kind, &new, bytes, entry.revision);
                return Ok(Written { entry, created: false, warnings });
            }
            match self.commit(kind, &new, bytes, Expect::Revision(entry.revision), removes).await {
                Ok(written) => {
                    strategy.release(self, &old, (!removes).then_some(&new));
                    if removes {
                        strategy.release(self, &new, None);
                    }
                    return Ok(Written { entry: written, created: false, warnings });
                }
                Err(problem) => {
                    strategy.release(self, &new, Some(&old));
                    match problem {
                        WriteError::Conflict if conditional => {
                            return Err(Status::modified(kind.plural, kind.group, name));
                        }
                        WriteError::Conflict => {}
                        WriteError::Failed(why) => return Err(failed(why)),
                    }
                }
            }
        }
    }
}

/// Counts a change of what the object asks for.
pub(super) fn set_generation(strategy: &dyn Strategy, new: &mut Value, old: &Value, part: Part) {
    if strategy.has_generation() {
        let generation = old.int("metadata.generation").unwrap_or(0);
        let changed = part != Part::Status && strategy.changes_generation(new, old);
        new.set("metadata.generation", generation + i64::from(changed));
    }
}

/// The error of a PUT of an object with another UID than the one that is there.
pub fn uid_conflict(kind: &Kind, namespace: &str, name: &str, wanted: &str, found: &str) -> Status {
    let key = key(kind, namespace, name);
    let resource = storage_path(kind);
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{resource}/{key}, ResourceVersion: 0, \
         AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    );
    Status::conflict(kind.plural, kind.group, name, &why)
}

/// Where a real cluster keeps the kind in etcd, which some messages show.
pub(super) fn storage_path(kind: &Kind) -> &'static str {
    match kind.plural {
        "services" => "services/specs",
        "endpoints" => "services/endpoints",
        "nodes" => "minions",
        other => other,
    }
}

/// A write to the object leaves its status alone, a write to the status leaves all else alone.
fn keep_other_parts(kind: &Kind, new: &mut Value, old: &Value, part: Part) {
    let restore = |new: &mut Value, field: &str| match old.get(field) {
        Some(value) if new.get(field) == Some(value) => {}
        Some(value) => new.set(field, value.clone()),
        None => drop(new.remove(field)),
    };
    match part {
        Part::Main if kind.subresource("status").is_some() => restore(new, "status"),
        Part::Status => {
            let fields: Vec<CompactString> =
                [old, new].iter().filter_map(|v| v.as_object()).flat_map(|map| map.keys().cloned()).collect();
            for field in fields.iter().filter(|field| !["metadata", "status"].contains(&field.as_str())) {
                restore(new, field);
            }
        }
        _ => {}
    }
}
