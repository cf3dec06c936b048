//! Events, which two groups serve: the core group's form is what is stored, and `events.k8s.io` shows another view of it.

use super::Entry;
use super::strategy::Strategy;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::{KINDS, Kind};
use shared_types::status::Status;
use shared_types::validation::{ErrorList, FieldError, Path};
use std::borrow::Cow;
use std::sync::Arc;

/// The same field in the core group and in `events.k8s.io`.
const FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// Whether objects of the kind are stored as another kind.
pub fn is_view(kind: &Kind) -> bool {
    kind.group == "events.k8s.io"
}

/// The kind as which objects of `kind` are stored: `kind` itself but for the view.
pub fn stored_kind(kind: &'static Kind) -> &'static Kind {
    let core = |other: &&Kind| other.group.is_empty() && other.kind == kind.kind;
    if is_view(kind) { KINDS.iter().find(core).unwrap_or(kind) } else { kind }
}

/// An object of `kind` in the form in which it is stored.
pub fn to_stored(kind: &Kind, object: Value) -> Value {
    if !is_view(kind) {
        return object;
    }
    converted(object, "v1", FIELDS.iter().map(|(core, events)| (*events, *core)))
}

/// A stored object in the form of `kind`.
pub fn from_stored(kind: &Kind, object: Value) -> Value {
    if !is_view(kind) || !object.is_object() {
        return object;
    }
    converted(object, "events.k8s.io/v1", FIELDS.iter().copied())
}

/// An entry with its bytes in the form of `kind`.
///
/// # Errors
/// When what is stored cannot be read.
pub fn entry_as<'a>(kind: &'static Kind, entry: &'a Entry) -> Result<Cow<'a, Entry>, Status> {
    if !is_view(kind) {
        return Ok(Cow::Borrowed(entry));
    }
    let bytes = super::encode(kind, &from_stored(kind, entry.object()?))?;
    Ok(Cow::Owned(Entry { bytes: bytes.into(), ..entry.clone() }))
}

fn converted<'a>(mut event: Value, api_version: &str, renames: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    for (from, to) in renames {
        if let Some(value) = event.remove(from) {
            event.set(to, value);
        }
    }
    event.set("apiVersion", api_version);
    event
}

/// Puts the bytes of all `entries` into the form of `kind`.
///
/// # Errors
/// When what is stored cannot be read.
pub fn entries_as(kind: &'static Kind, entries: &mut [Arc<Entry>]) -> Result<(), Status> {
    for entry in entries.iter_mut().filter(|_| is_view(kind)) {
        *entry = Arc::new(entry_as(kind, entry)?.into_owned());
    }
    Ok(())
}

/// The strategy of both kinds, which sees the stored form.
pub struct Event;

impl Strategy for Event {
    fn validate(&self, event: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (namespace, involved) = (event.namespace(), event.text("involvedObject.namespace"));
        // Events about cluster-scoped objects are kept in the default namespace.
        let fits = if involved.is_empty() { matches!(namespace, "" | "default") } else { namespace == involved };
        if !fits {
            let path = Path::new("involvedObject.namespace");
            errors.push(FieldError::invalid(&path, involved, "does not match event.namespace"));
        }
        errors
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]
    }

    fn field_value<'a>(&self, event: &'a Value, field: &str) -> Cow<'a, str> {
        match field {
            "source" if event.text("source.component").is_empty() => event.text("reportingComponent"),
            "source" => event.text("source.component"),
            other => event.text(other),
        }
        .into()
    }

    fn unknown_field_message(&self, _kind: &Kind, field: &str) -> String {
        format!("field label not supported: {field}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn both_views_are_one_event() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {"kind": "Pod"}, "message": "hi",
            "count": 2, "type": "Normal", "source": {"component": "kubelet"}});
        let kind = shared_types::kinds::by_kind("events.k8s.io/v1", "Event").unwrap();
        assert_eq!(stored_kind(kind).group, "");
        let view = from_stored(kind, core.clone());
        assert_eq!(view.text("note"), "hi");
        assert_eq!(view.text("regarding.kind"), "Pod");
        assert_eq!(view.int("deprecatedCount"), Some(2));
        assert_eq!(to_stored(kind, view), core);
    }

    #[test]
    fn events_live_with_their_object() {
        let event = |namespace: &str, involved: &str| {
            let event = json!({"metadata": {"namespace": namespace}, "involvedObject": {"namespace": involved}});
            Event.validate(&event).len()
        };
        assert_eq!((event("a", "a"), event("a", "b"), event("default", ""), event("a", "")), (0, 1, 0, 1));
    }
}
