//! Server-side apply (KEP-555): applying a configuration, and the bookkeeping of who manages which fields that every
//! other write needs too.
//!
//! [`apply`] is what an apply patch does; [`update_managed_fields`] keeps `metadata.managedFields` up with every other
//! write. Which fields there are follows structured-merge-diff: the scalars, what is atomic, and what is empty.

mod compare;
mod field_set;
mod last_applied;
mod managed;
mod merge;
mod shape;
mod upgrade;
mod validate;

#[cfg(test)]
mod tests;

pub use compare::{Comparison, compare, field_set};
pub use field_set::FieldSet;
pub(crate) use field_set::{compare_elements, is_item};
pub use managed::{Write, keep_times_if_unchanged, set_field_apart, update_managed_fields};
pub use upgrade::{managers_of, upgrade_managed_fields};

use crate::fields::Fields;
use crate::json::Value;
use crate::kinds;
use crate::schema::Struct;
use crate::status::{Status, StatusCause, StatusDetails};
use managed::{Entry, Operation};

/// The manager of `kubectl apply --server-side`, whose applies also look after the configuration that client-side apply
/// keeps in an annotation.
const KUBECTL: &str = "kubectl";
/// The manager of an object's fields when it is applied to for the first time.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Why a configuration is not applied.
#[derive(Debug)]
pub enum Error {
    /// The request is wrong: `BadRequest`.
    BadRequest(String),
    /// The configuration does not fit the type: code 500 without a reason.
    Schema(String),
    /// Other managers have fields of the configuration with other values.
    Conflicts(Vec<Conflict>),
}

/// Another manager's field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The manager as messages name it: `"kubectl-create" using v1`.
    pub manager: String,
    /// The field: `.spec.replicas`.
    pub field: String,
}

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        match error {
            Error::BadRequest(message) => Status::failure(400, "BadRequest", message),
            Error::Schema(message) => Status::failure(500, "", message),
            Error::Conflicts(conflicts) => {
                let mut status = Status::failure(409, "Conflict", conflict_message(&conflicts));
                let causes = conflicts.into_iter().map(|conflict| StatusCause {
                    reason: "FieldManagerConflict".into(),
                    message: format!("conflict with {}", conflict.manager),
                    field: conflict.field,
                });
                status.details = Some(Box::new(StatusDetails { causes: causes.collect(), ..StatusDetails::default() }));
                status
            }
        }
    }
}

fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", only.manager, only.field);
    }
    let mut lines = Vec::new();
    for (index, conflict) in conflicts.iter().enumerate() {
        if index == 0 || conflicts[index - 1].manager != conflict.manager {
            lines.push(format!("conflicts with {}:", conflict.manager));
        }
        lines.push(format!("- {}", conflict.field));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// Applies `config`, an object of type `ty` with the fields that the manager has an opinion on, to `live` (`None` where
/// there is no such object yet). The result is the object with its `managedFields`, before defaulting and validation.
///
/// # Errors
/// [`Error`]; conflicts only without `force`.
pub fn apply(
    ty: &'static Struct,
    live: Option<&Value>,
    config: &Value,
    write: &Write,
    force: bool,
) -> Result<Value, Error> {
    check(ty, config, write)?;
    let mut object = live.cloned().unwrap_or_else(|| Value::Object(Default::default()));
    let entries = object.remove("metadata.managedFields").unwrap_or_default();
    let mut entries = managed::read_entries(entries, true).unwrap_or_default();
    if entries.is_empty() && live.is_some() {
        entries.extend(first_entry(ty, &object, write));
    }
    let applied = match apply_to(ty, &object, config, entries.clone(), write, force) {
        Err(Error::Conflicts(conflicts)) if write.manager == KUBECTL => {
            match last_applied::without_own(ty, &object, conflicts, write.api_version) {
                conflicts if conflicts.is_empty() => apply_to(ty, &object, config, entries, write, true),
                conflicts => Err(Error::Conflicts(conflicts)),
            }
        }
        applied => applied,
    };
    let (mut object, entries) = applied?;
    if write.manager == KUBECTL {
        last_applied::keep_up(&mut object, config);
    }
    managed::write_entries(&mut object, entries);
    Ok(object)
}

/// Checks the request and the configuration's types.
fn check(ty: &'static Struct, config: &Value, write: &Write) -> Result<(), Error> {
    let (group, version) = kinds::split_api_version(config.text("apiVersion"));
    let kind = config.text("kind");
    if config.text("apiVersion") != write.api_version {
        return Err(Error::BadRequest(format!(
            "Incorrect version specified in apply patch. Specified patch version: {}, expected: {}",
            config.text("apiVersion"),
            write.api_version
        )));
    }
    if config.has("metadata.managedFields") {
        return Err(Error::BadRequest("metadata.managedFields must be nil".into()));
    }
    let errors = validate::validate(ty, config);
    let errors = match errors.as_slice() {
        [] => return Ok(()),
        [only] => only.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    let (namespace, name) = (config.namespace(), config.name());
    Err(Error::Schema(format!(
        "failed to create typed patch object ({namespace}/{name}; {group}/{version}, Kind={kind}): {errors}"
    )))
}

/// The entry for what an object has before anybody applies to it.
fn first_entry(ty: &'static Struct, live: &Value, write: &Write) -> Option<Entry> {
    let write = Write { manager: BEFORE_FIRST_APPLY, ..*write };
    let mut fields = managed::changes(ty, None, live, write.reset).changed;
    managed::strip(&mut fields);
    let entry = Entry { fields, time: Some(write.time.into()), ..Entry::new(Operation::Update, &write) };
    (!entry.fields.is_empty()).then_some(entry)
}

/// Merges the configuration, takes out what the manager applied before and nobody wants any more, and settles who
/// manages what.
fn apply_to(
    ty: &'static Struct,
    live: &Value,
    config: &Value,
    mut entries: Vec<Entry>,
    write: &Write,
    force: bool,
) -> Result<(Value, Vec<Entry>), Error> {
    let mut fields = field_set(ty, config).map_err(|e| Error::Schema(format!("failed to get field set: {e}")))?;
    fields.remove_below(write.reset);
    let own = entries.iter().position(|entry| entry.is_of(Operation::Apply, write)).unwrap_or_else(|| {
        entries.push(Entry::new(Operation::Apply, write));
        entries.len() - 1
    });
    let mut before = std::mem::replace(&mut entries[own].fields, fields);
    before.remove_below(write.reset);

    let mut object = merge::merge(ty, live, config);
    if !before.is_empty() {
        let mut wanted = FieldSet::default();
        entries.iter().for_each(|entry| wanted.insert_all(&entry.fields));
        let mut abandoned = merge::with_parents(ty, &before);
        abandoned.remove_all(&merge::with_parents(ty, &wanted));
        merge::remove(ty, &mut object, &abandoned);
    }

    let comparison = managed::changes(ty, Some(live), &object, write.reset);
    if !force {
        let conflicts = conflicts(&entries, own, &comparison.changed);
        if !conflicts.is_empty() {
            return Err(Error::Conflicts(conflicts));
        }
    }
    managed::take_from_managers(&mut entries, &comparison, Some(own));
    managed::strip(&mut entries[own].fields);
    // The time is that of the manager's last change.
    if object != *live {
        entries[own].time = Some(write.time.into());
    }
    entries.retain(|entry| !entry.fields.is_empty());
    Ok((object, entries))
}

/// Which of the changed fields other managers have.
fn conflicts(entries: &[Entry], own: usize, changed: &FieldSet) -> Vec<Conflict> {
    let others = entries.iter().enumerate().filter(|(index, _)| *index != own).map(|(_, entry)| entry);
    let mut others: Vec<&Entry> = others.collect();
    others.sort_by(|a, b| a.manager.cmp(&b.manager).then(a.operation.cmp(&b.operation)));
    let of = |entry: &Entry| {
        let manager = entry.description();
        let fields = entry.fields.intersection(changed).paths();
        fields.into_iter().map(move |field| Conflict { manager: manager.clone(), field })
    };
    others.into_iter().flat_map(of).collect()
}
