//! The annotation in which `kubectl apply` keeps what it applied last.

use shared_types::fields::Fields;
use shared_types::json::{Value, parse, to_json};
use shared_types::schema;

/// The annotation's key.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The configuration as it is kept: without the annotation itself, keys sorted, in one line with its end.
pub fn configuration(object: &Value) -> String {
    let mut object = object.clone();
    let annotations = object.map_mut("metadata.annotations");
    annotations.remove(LAST_APPLIED);
    to_json(&object) + "\n"
}

/// The configuration as `apply set-last-applied` keeps it: of annotations only those that the manifest has.
pub fn configuration_as_is(object: &Value) -> String {
    let mut object = object.clone();
    if object.has("metadata.annotations") {
        object.map_mut("metadata.annotations").remove(LAST_APPLIED);
    }
    to_json(&object) + "\n"
}

/// Puts the object's own configuration into its annotation.
pub fn annotate(object: &mut Value) {
    let configuration = configuration(object);
    object.map_mut("metadata.annotations").insert(LAST_APPLIED, configuration.into());
}

/// What was applied last, if anything.
pub fn of(object: &Value) -> Option<Value> {
    parse(object.annotation(LAST_APPLIED)?.as_bytes()).ok()
}

/// The configuration of an object that was made here: its fields in the order that its type declares.
pub fn declared_configuration(object: &Value) -> String {
    match schema::of_kind(object.text("apiVersion"), object.text("kind")) {
        Some(ty) => String::from_utf8_lossy(&schema::encode(ty, object)).into_owned() + "\n",
        None => configuration(object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn the_annotation_is_not_part_of_itself() {
        let mut object = json!({"kind": "ConfigMap", "data": {"a": "<&>"}, "metadata": {"name": "x"}});
        let plain =
            r#"{"data":{"a":"\u003c\u0026\u003e"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"x"}}"#;
        for _ in 0..2 {
            annotate(&mut object);
            assert_eq!(object.annotation(LAST_APPLIED), Some(format!("{plain}\n").as_str()));
        }
        assert_eq!(of(&object).unwrap().name(), "x");
        assert_eq!(of(&json!({})), None);
    }
}
