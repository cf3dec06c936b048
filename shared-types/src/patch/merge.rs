//! JSON merge patch (RFC 7386): applying one, and making one from two or three states of an object.

use crate::json::{Object, Value};

/// Applies `patch` to `target`: objects are merged, `null` takes a member out, anything else replaces.
pub fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Object::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(name);
            }
            value => apply(target.entry(name.as_str()).or_insert(Value::Null), value),
        }
    }
}

/// The patch that makes `modified` from `original`.
pub fn diff(original: &Value, modified: &Value) -> Value {
    let (Value::Object(original), Value::Object(modified)) = (original, modified) else { return modified.clone() };
    let mut patch = changes(original, modified);
    merge_patches(&mut patch, deletions(original, modified));
    Value::Object(patch)
}

/// The patch that takes `current` to `modified`, taking out of it only what `original` (the state that was applied last)
/// had: what `kubectl apply` sends for kinds whose types it does not know.
pub fn three_way_diff(original: &Value, modified: &Value, current: &Value) -> Value {
    let empty = Object::new();
    let members = |value: &'_ Value| value.as_object().cloned().unwrap_or_else(|| empty.clone());
    let (original, modified, current) = (members(original), members(modified), members(current));
    let mut patch = deletions(&original, &modified);
    merge_patches(&mut patch, changes(&current, &modified));
    Value::Object(patch)
}

/// What is new or different in `modified`.
fn changes(original: &Object, modified: &Object) -> Object {
    let mut patch = Object::new();
    for (name, new) in modified {
        match (original.get(name), new) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                let inner = changes(old, new);
                if !inner.is_empty() {
                    patch.insert(name.clone(), Value::Object(inner));
                }
            }
            (None, Value::Null) => {}
            (_, new) => {
                patch.insert(name.clone(), new.clone());
            }
        }
    }
    patch
}

/// A `null` for each member that is gone in `modified`.
fn deletions(original: &Object, modified: &Object) -> Object {
    let mut patch = Object::new();
    for (name, old) in original {
        match (old, modified.get(name)) {
            (_, None) => {
                patch.insert(name.clone(), Value::Null);
            }
            (Value::Object(old), Some(Value::Object(new))) => {
                let inner = deletions(old, new);
                if !inner.is_empty() {
                    patch.insert(name.clone(), Value::Object(inner));
                }
            }
            _ => {}
        }
    }
    patch
}

/// Adds the members of `other` to `patch`; where both have one, objects are merged and otherwise `other`'s counts.
fn merge_patches(patch: &mut Object, other: Object) {
    for (name, value) in other {
        match (patch.get_mut(&name), value) {
            (Some(Value::Object(ours)), Value::Object(theirs)) => merge_patches(ours, theirs),
            (_, value) => {
                patch.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut document = target;
            apply(&mut document, &patch);
            assert_eq!(document, result);
        }
    }

    #[test]
    fn three_ways_keep_what_others_added() {
        let patch = three_way_diff(
            &json!({"spec": {"old": 1, "kept": 1}}),
            &json!({"spec": {"kept": 2}}),
            &json!({"spec": {"old": 1, "kept": 1, "theirs": 3}}),
        );
        assert_eq!(patch, json!({"spec": {"old": null, "kept": 2}}));
    }

    /// Objects without `null`s, which a merge patch cannot express.
    fn object() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<i8>().prop_map(Value::from), "[a-c]".prop_map(Value::from)];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::btree_map("[a-d]", inner.clone(), 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
                prop::collection::vec(inner, 0..3).prop_map(Value::from),
            ]
        })
        .prop_filter("objects only", Value::is_object)
    }

    proptest! {
        #[test]
        fn applying_a_diff_gives_the_modified_object(original in object(), modified in object()) {
            let patch = diff(&original, &modified);
            let mut document = original;
            apply(&mut document, &patch);
            prop_assert_eq!(&document, &modified);
            apply(&mut document, &patch);
            prop_assert_eq!(&document, &modified);
        }
    }
}
