//! What documents lack to be objects, in the words of kubectl's readers.

use super::files::Document;
use crate::client::failure::UNSTRUCTURED;
use crate::errors::CommandError;
use crate::go_format::cannot_unmarshal;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::schema;

/// What keeps a value from being an object, or a list of objects, that can be validated.
pub fn what_is_missing(value: &Value) -> Option<String> {
    let mut missing = Vec::new();
    find_missing(value, &mut missing);
    match missing.as_slice() {
        [] => None,
        [only] => Some((*only).to_string()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

/// Adds what is missing in a value, each thing once.
fn find_missing(value: &Value, missing: &mut Vec<&'static str>) {
    let mut add = |what| {
        if !missing.contains(&what) {
            missing.push(what);
        }
    };
    if !value.is_object() {
        return add("invalid object to validate");
    }
    for (field, unset, no_string) in [
        ("apiVersion", "apiVersion not set", "apiVersion isn't string type"),
        ("kind", "kind not set", "kind isn't string type"),
    ] {
        match value.at(field) {
            Value::String(text) if !text.is_empty() => {}
            Value::String(_) | Value::Null => add(unset),
            _ => add(no_string),
        }
    }
    if value.text("kind").ends_with("List") {
        match value.at("items") {
            Value::Array(items) => items.iter().for_each(|item| find_missing(item, missing)),
            _ => add("invalid object to validate"),
        }
    }
}

/// What strict readers of manifests want to see first.
pub(super) fn says_what_it_is(document: &Document) -> Result<(), CommandError> {
    let Some(why) = what_is_missing(&document.value) else { return Ok(()) };
    Err(CommandError::message(format!(
        "error validating {:?}: error validating data: {why}; if you choose to ignore these errors, turn validation off \
         with --validate=false",
        document.source
    )))
}

/// The error of a document that is no object.
pub(super) fn undecoded(source: &str, why: &str) -> CommandError {
    CommandError::message(format!("unable to decode {source:?}: {why}"))
}

/// What is wrong with a document that says too little to be an object, or is of no kind that there is a type for.
pub(super) fn undecodable(document: &Document, typed: bool) -> Option<String> {
    let value = &document.value;
    if value.is_null() {
        return None;
    }
    let (api_version, kind) = (value.text("apiVersion"), value.text("kind"));
    let missing = |field: &str| {
        let shown = document.json.clone().unwrap_or_else(|| value.to_string());
        Some(format!("Object '{field}' is missing in '{shown}'"))
    };
    if !value.is_object() {
        return Some(cannot_unmarshal(value, &format!("Go value of type {UNSTRUCTURED}")));
    }
    if value.has("items") {
        let items = "Go struct field decodeList.items of type []json.RawMessage";
        return Some(cannot_unmarshal(value.at("items"), items));
    }
    if kind.is_empty() {
        return missing("Kind");
    }
    if typed && api_version.is_empty() {
        return missing("apiVersion");
    }
    if !typed {
        return mistyped_metadata(value);
    }
    match schema::of_kind(api_version, kind) {
        Some(ty) => schema::decode_value(ty, value.clone()).err(),
        None => Some(format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/scheme/scheme.go:28\""
        )),
    }
}

/// What is wrong with the parts that are the same in all objects, in Go's words.
fn mistyped_metadata(value: &Value) -> Option<String> {
    // Any type will do that has them.
    let ty = schema::of_kind("v1", "ConfigMap")?;
    let common = json!({"apiVersion": value.at("apiVersion"), "metadata": value.at("metadata")});
    let why = schema::decode_value(ty, common).err()?;
    let why = why.replace("field ConfigMap.apiVersion ", "field metadataOnlyObject.TypeMeta.apiVersion ");
    Some(why.replace("field ConfigMap.metadata ", "field metadataOnlyObject.metadata "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: Value) -> Option<String> {
        undecodable(&Document { source: "a".into(), value, json: None }, false)
    }

    #[test]
    fn what_is_no_object_is_told_as_go_does() {
        let metadata = |metadata: Value| told(json!({"apiVersion": "v1", "kind": "Any", "metadata": metadata}));
        assert_eq!(metadata(json!({"name": "a", "labels": {"a": "b"}})), None);
        assert_eq!(metadata(Value::Null), None);
        for (value, why) in [
            (json!(5), "number into Go struct field metadataOnlyObject.metadata of type v1.ObjectMeta"),
            (json!({"name": 5}), "number into Go struct field ObjectMeta.metadata.name of type string"),
            (json!({"labels": []}), "array into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
        ] {
            assert_eq!(metadata(value), Some(format!("json: cannot unmarshal {why}")));
        }
        let why = "json: cannot unmarshal string into Go struct field decodeList.items of type []json.RawMessage";
        assert_eq!(told(json!({"kind": "List", "items": "a"})).as_deref(), Some(why));
    }

    #[test]
    fn all_items_of_a_list_are_looked_at() {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [{"kind": "A"}, 5, {"kind": "B"}]});
        assert_eq!(what_is_missing(&list).as_deref(), Some("[apiVersion not set, invalid object to validate]"));
        assert_eq!(what_is_missing(&json!({"apiVersion": "v1", "kind": "List", "items": []})), None);
    }
}
