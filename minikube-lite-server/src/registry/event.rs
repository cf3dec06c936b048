//! Events, which two groups serve: the core group's form is what is stored, and `events.k8s.io` shows another view of it.

use super::strategy::Strategy;
use serde_json::Value;
use shared_types::fields::Fields;
use shared_types::validation::{ErrorList, FieldError, Path};
use std::borrow::Cow;

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

/// An event of `events.k8s.io/v1` in the core group's form.
pub fn to_core(event: Value) -> Value {
    converted(event, "v1", FIELDS.iter().map(|(core, events)| (*events, *core)))
}

/// An event of the core group in the form of `events.k8s.io/v1`.
pub fn from_core(event: Value) -> Value {
    converted(event, "events.k8s.io/v1", FIELDS.iter().copied())
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

    fn unknown_field_message(&self, _kind: &shared_types::kinds::Kind, field: &str) -> String {
        format!("field label not supported: {field}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_views_are_one_event() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {"kind": "Pod"}, "message": "hi",
            "count": 2, "type": "Normal", "source": {"component": "kubelet"}});
        let view = from_core(core.clone());
        assert_eq!(view.text("note"), "hi");
        assert_eq!(view.text("regarding.kind"), "Pod");
        assert_eq!(view.int("deprecatedCount"), Some(2));
        assert_eq!(to_core(view), core);
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
