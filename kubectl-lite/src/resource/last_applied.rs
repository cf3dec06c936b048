//! The annotation in which `kubectl apply` keeps what it applied last.

use serde_json::Value;
use shared_types::fields::Fields;

/// The annotation's key.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The configuration as it is kept: without the annotation itself, keys sorted, in one line with its end.
pub fn configuration(object: &Value) -> String {
    let mut object = object.clone();
    let annotations = object.map_mut("metadata.annotations");
    annotations.remove(LAST_APPLIED);
    compact(&object) + "\n"
}

/// Puts the object's own configuration into its annotation.
pub fn annotate(object: &mut Value) {
    let configuration = configuration(object);
    object.map_mut("metadata.annotations").insert(LAST_APPLIED.into(), configuration.into());
}

/// What was applied last, if anything.
pub fn of(object: &Value) -> Option<Value> {
    serde_json::from_str(object.annotation(LAST_APPLIED)?).ok()
}

/// JSON in one line, as Go writes it.
pub fn compact(value: &Value) -> String {
    // Outside of strings none of these occur in JSON.
    let mut text = value.to_string();
    for (plain, escaped) in
        [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
    {
        if text.contains(plain) {
            text = text.replace(plain, escaped);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_annotation_is_not_part_of_itself() {
        let mut object = json!({"kind": "ConfigMap", "data": {"a": "<&>"}, "metadata": {"name": "x"}});
        let plain = r#"{"data":{"a":"\u003c\u0026\u003e"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"x"}}"#;
        for _ in 0..2 {
            annotate(&mut object);
            assert_eq!(object.annotation(LAST_APPLIED), Some(format!("{plain}\n").as_str()));
        }
        assert_eq!(of(&object).unwrap().name(), "x");
        assert_eq!(of(&json!({})), None);
    }
}
