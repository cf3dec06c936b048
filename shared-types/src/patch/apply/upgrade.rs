//! Handing an object over from client-side to server-side apply: what one manager updated becomes what another applies.

use super::field_set::FieldSet;
use super::managed::{Entry, Operation, read_entries, write_entries};
use crate::fields::Fields;
use crate::json::Value;

/// The managers that own the field at `path` (elements of `FieldsV1`: `["f:metadata", "f:annotations"]`) of `object` by
/// updates of the object itself, in the order of the entries.
pub fn managers_of(object: &Value, path: &[&str]) -> Vec<String> {
    let entries = read_entries(object.at("metadata.managedFields").clone(), false).unwrap_or_default();
    let mut managers: Vec<String> = Vec::new();
    for entry in entries.into_iter().filter(|entry| is_client_side(entry) && entry.fields.contains(path)) {
        if !managers.iter().any(|manager| *manager == entry.manager) {
            managers.push(entry.manager.into());
        }
    }
    managers
}

/// Makes what `client_side` managers updated a part of what `manager` applies. False where there is nothing to do.
pub fn upgrade_managed_fields(object: &mut Value, client_side: &[&str], manager: &str) -> bool {
    let entries = object.at("metadata.managedFields").clone();
    let Some(entries) = read_entries(entries, false) else { return false };
    let (old, mut kept): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|entry| is_client_side(entry) && client_side.contains(&entry.manager.as_str()));
    let Some(latest) = old.iter().max_by(|a, b| a.time.cmp(&b.time)) else { return false };
    let applies =
        |entry: &Entry| entry.operation == Operation::Apply && entry.manager == manager && entry.subresource.is_empty();
    let at = kept.iter().position(applies).unwrap_or_else(|| {
        kept.push(Entry {
            manager: manager.into(),
            operation: Operation::Apply,
            fields: FieldSet::default(),
            ..latest.clone()
        });
        kept.len() - 1
    });
    let api_version = kept[at].api_version.clone();
    for entry in old.iter().filter(|entry| entry.api_version == api_version) {
        kept[at].fields.insert_all(&entry.fields);
    }
    write_entries(object, kept);
    true
}

fn is_client_side(entry: &Entry) -> bool {
    entry.operation == Operation::Update && entry.subresource.is_empty()
}
