//! The configuration that client-side apply keeps in an annotation, as far as server-side apply looks after it: an
//! object can go from the one to the other without conflicts, and back without surprises.

use super::Conflict;
use super::compare::{compare, field_set};
use crate::fields::Fields;
use crate::json::Value;
use crate::schema::Struct;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// All annotations together may be as long, in bytes.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// The conflicts without those over fields that were last applied by client-side apply and have not been changed since:
/// these are the same manager's.
pub(super) fn without_own(
    ty: &'static Struct,
    live: &Value,
    conflicts: Vec<Conflict>,
    api_version: &str,
) -> Vec<Conflict> {
    let Some(last) = live.annotation(ANNOTATION) else { return conflicts };
    let Ok(last) = serde_json::from_str::<Value>(last) else { return conflicts };
    if last.text("apiVersion") != api_version {
        return conflicts;
    }
    let Ok(mut own) = field_set(ty, &last) else { return conflicts };
    let since = compare(ty, &last, live);
    own.remove_all(&since.changed);
    own.remove_all(&since.removed);
    let own = own.paths();
    conflicts.into_iter().filter(|conflict| !own.contains(&conflict.field)).collect()
}

/// Writes the configuration to the annotation of an object that has it.
pub(super) fn keep_up(object: &mut Value, config: &Value) {
    if object.annotation(ANNOTATION).is_none_or(str::is_empty) {
        return;
    }
    let mut config = config.clone();
    config.remove("metadata.managedFields");
    if config.has("metadata.annotations") {
        config.map_mut("metadata.annotations").remove(ANNOTATION);
        if config.map("metadata.annotations").is_empty() {
            config.remove("metadata.annotations");
        }
    }
    let annotations = object.map_mut("metadata.annotations");
    annotations.insert(ANNOTATION, format!("{config}\n").into());
    let size: usize = annotations.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum();
    if size > MAX_ANNOTATIONS {
        annotations.remove(ANNOTATION);
    }
}
