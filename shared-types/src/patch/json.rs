//! JSON patch (RFC 6902), with the readings of it that Kubernetes clients meet: `test` of an absent member passes for
//! `null`, negative list indexes count from the end, and `replace` needs the member to exist.

use crate::json::Value;

/// A JSON patch that has been read.
#[derive(Debug)]
pub struct Patch {
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    op: String,
    path: Option<String>,
    from: Option<String>,
    value: Value,
}

impl Patch {
    /// Reads a patch document. Members that no operation has are left aside.
    ///
    /// # Errors
    /// What follows `error decoding patch: ` in the API server's answer (a `BadRequest`), such as
    /// `json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp`.
    pub fn parse(document: &Value) -> Result<Patch, String> {
        let items = match document {
            Value::Array(items) => items.as_slice(),
            Value::Null => &[],
            other => {
                return Err(format!(
                    "json: cannot unmarshal {} into Go value of type []handlers.jsonPatchOp",
                    go_json_kind(other)
                ));
            }
        };
        let operations = items.iter().map(Operation::parse).collect::<Result<_, _>>()?;
        Ok(Patch { operations })
    }

    /// What strict decoding objects to: members that an operation does not have, as `json patch unknown field "[0].x"`.
    pub fn strict_errors(document: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        for (index, item) in document.as_array().into_iter().flatten().enumerate() {
            for name in item.as_object().into_iter().flat_map(|item| item.keys()) {
                if !matches!(name.as_str(), "op" | "path" | "from" | "value") {
                    errors.push(format!("json patch unknown field \"[{index}].{name}\""));
                }
            }
        }
        errors
    }

    /// The number of operations (the API server refuses more than 10000).
    pub fn len(&self) -> usize {
        self.operations.len()
    }
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Applies the operations to `document` in order.
    ///
    /// # Errors
    /// Why an operation does not apply (`testing value /spec/replicas failed: test failed`); `document` is then what the
    /// operations before it made of it. The API server answers such a patch with code 422.
    pub fn apply(&self, document: &mut Value) -> Result<(), String> {
        self.operations.iter().try_for_each(|operation| operation.apply(document))
    }
}

impl Operation {
    fn parse(item: &Value) -> Result<Operation, String> {
        let item = match item {
            Value::Object(item) => item,
            other => {
                return Err(format!(
                    "json: cannot unmarshal {} into Go value of type handlers.jsonPatchOp",
                    go_json_kind(other)
                ));
            }
        };
        let text = |name: &str| match item.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.to_string())),
            Some(other) => Err(format!(
                "json: cannot unmarshal {} into Go struct field jsonPatchOp.{name} of type string",
                go_json_kind(other)
            )),
        };
        Ok(Operation {
            op: text("op")?.unwrap_or_else(|| "unknown".into()),
            path: text("path")?,
            from: text("from")?,
            value: item.get("value").cloned().unwrap_or_default(),
        })
    }

    fn apply(&self, document: &mut Value) -> Result<(), String> {
        let op = self.op.as_str();
        if !matches!(op, "add" | "remove" | "replace" | "move" | "copy" | "test") {
            return Err(format!("Unexpected kind: {op}"));
        }
        let path =
            self.path.as_deref().ok_or_else(|| format!("{op} operation failed to decode path: missing value"))?;
        let from =
            || self.from.as_deref().ok_or_else(|| format!("{op} operation failed to decode from: missing value"));
        let no_way = |quoted: &str| format!("{op} operation does not apply: doc is missing {quoted}: missing value");
        match op {
            "test" => {
                let same = get(document, path).unwrap_or(&Value::Null) == &self.value;
                if same { Ok(()) } else { Err(format!("testing value {path} failed: test failed")) }
            }
            "replace" => {
                let missing = if parent_exists(document, path) { "key" } else { "path" };
                let value = get_mut(document, path).ok_or_else(|| no_way(&format!("{missing}: {path}")))?;
                value.clone_from(&self.value);
                Ok(())
            }
            "add" => add(document, path, self.value.clone()).unwrap_or_else(|| Err(no_way(&format!("path: {path:?}")))),
            "remove" => match remove(document, path) {
                Some(removed) => removed.map(|_| ()).map_err(|e| format!("error in remove for path: '{path}': {e}")),
                None => Err(no_way(&format!("path: {path:?}"))),
            },
            "move" => {
                let from = from()?;
                let value = match remove(document, from) {
                    Some(removed) => removed.map_err(|e| format!("error in move for path: '{path}': {e}"))?,
                    None => return Err(no_way(&format!("from path: {from}"))),
                };
                add(document, path, value).unwrap_or_else(|| Err(no_way(&format!("destination path: {path}"))))
            }
            _ => {
                let from = from()?;
                let value = get(document, from).cloned().ok_or_else(|| no_way(&format!("from path: {from}")))?;
                add(document, path, value).unwrap_or_else(|| Err(no_way(&format!("destination path: {path}"))))
            }
        }
    }
}

/// What Go's JSON decoder calls a value of the wrong type.
fn go_json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Undoes the escapes of RFC 6901.
fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// The place in a list of `len` items that `token` names. Negative indexes count from the end.
fn list_index(token: &str, len: usize) -> Result<usize, String> {
    let index: i64 = token.parse().map_err(|_| format!("strconv.Atoi: parsing {token:?}: invalid syntax"))?;
    let place = if index < 0 { index + len as i64 } else { index };
    usize::try_from(place).map_err(|_| format!("Unable to access invalid index: {index}: invalid index referenced"))
}

fn get<'v>(document: &'v Value, pointer: &str) -> Option<&'v Value> {
    if pointer.is_empty() {
        return Some(document);
    }
    let tokens = pointer.split('/').skip(1);
    tokens.into_iter().try_fold(document, |value, token| match value {
        Value::Object(map) => map.get(&unescape(token)),
        Value::Array(list) => list.get(list_index(token, list.len()).ok()?),
        _ => None,
    })
}

fn get_mut<'v>(document: &'v mut Value, pointer: &str) -> Option<&'v mut Value> {
    if pointer.is_empty() {
        return Some(document);
    }
    if !pointer.starts_with('/') {
        return None;
    }
    pointer.split('/').skip(1).try_fold(document, |value, token| match value {
        Value::Object(map) => map.get_mut(&unescape(token)),
        Value::Array(list) => {
            let index = list_index(token, list.len()).ok()?;
            list.get_mut(index)
        }
        _ => None,
    })
}

fn parent_exists(document: &Value, pointer: &str) -> bool {
    let parent = pointer.rsplit_once('/').and_then(|(parent, _)| get(document, parent));
    parent.is_some_and(|parent| parent.is_object() || parent.is_array())
}

/// Adds `value` at `pointer`; `None` where what should hold it is absent.
fn add(document: &mut Value, pointer: &str, value: Value) -> Option<Result<(), String>> {
    if pointer.is_empty() {
        *document = value;
        return Some(Ok(()));
    }
    let (parent, last) = pointer.rsplit_once('/')?;
    match get_mut(document, parent)? {
        Value::Object(map) => {
            map.insert(unescape(last), value);
        }
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            // Counting from the end, -1 is the place after the last item.
            let places = list.len() + 1;
            match list_index(last, places) {
                Ok(index) if index < places => list.insert(index, value),
                Ok(_) => return Some(Err(format!("Unable to access invalid index: {last}: invalid index referenced"))),
                Err(error) => return Some(Err(error)),
            }
        }
        _ => return None,
    }
    Some(Ok(()))
}

/// Takes out what is at `pointer`; `None` where what should hold it is absent.
fn remove(document: &mut Value, pointer: &str) -> Option<Result<Value, String>> {
    let (parent, last) = pointer.rsplit_once('/')?;
    Some(match get_mut(document, parent)? {
        Value::Object(map) => {
            let key = unescape(last);
            map.remove(&key).ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value"))
        }
        Value::Array(list) => match list_index(last, list.len()) {
            Ok(index) if index < list.len() => Ok(list.remove(index)),
            Ok(_) => Err(format!("Unable to access invalid index: {last}: invalid index referenced")),
            Err(error) => Err(error),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    fn patched(mut document: Value, patch: Value) -> Result<Value, String> {
        Patch::parse(&patch)?.apply(&mut document)?;
        Ok(document)
    }

    #[test]
    fn operations_change_the_document() {
        let document = json!({"a": [1, 2], "b": {"c/d": "x"}});
        let patch = json!([
            {"op": "test", "path": "/b/c~1d", "value": "x"},
            {"op": "test", "path": "/b/none", "value": null},
            {"op": "add", "path": "/a/-", "value": 3},
            {"op": "add", "path": "/a/0", "value": 0},
            {"op": "remove", "path": "/a/-1"},
            {"op": "copy", "from": "/a", "path": "/e"},
            {"op": "move", "from": "/b/c~1d", "path": "/b/f~0g"},
            {"op": "replace", "path": "/a/1", "value": 9},
        ]);
        assert_eq!(patched(document, patch), Ok(json!({"a": [0, 9, 2], "b": {"f~g": "x"}, "e": [0, 1, 2]})));
    }

    #[test]
    fn what_does_not_apply_is_named() {
        let fails = |operation: Value| patched(json!({"a": {"b": 1}, "l": []}), json!([operation])).unwrap_err();
        assert_eq!(fails(json!({"op": "test", "path": "/a/b", "value": 2})), "testing value /a/b failed: test failed");
        assert_eq!(
            fails(json!({"op": "remove", "path": "/a/c"})),
            "error in remove for path: '/a/c': Unable to remove nonexistent key: c: missing value"
        );
        assert_eq!(
            fails(json!({"op": "remove", "path": "/x/y"})),
            "remove operation does not apply: doc is missing path: \"/x/y\": missing value"
        );
        assert_eq!(
            fails(json!({"op": "replace", "path": "/a/c", "value": 1})),
            "replace operation does not apply: doc is missing key: /a/c: missing value"
        );
        assert_eq!(fails(json!({"op": "jump", "path": "/a"})), "Unexpected kind: jump");
        assert!(fails(json!({"op": "add", "path": "/l/3", "value": 1})).contains("invalid index"));
    }

    #[test]
    fn what_is_no_patch_is_named_as_go_names_it() {
        let error = |document: Value| Patch::parse(&document).unwrap_err();
        assert_eq!(
            error(json!({"op": "remove"})),
            "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        );
        assert_eq!(
            error(json!([{"op": 1}])),
            "json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"
        );
        let extra = json!([{"op": "remove", "path": "/a", "extra": 1}]);
        assert_eq!(Patch::strict_errors(&extra), ["json patch unknown field \"[0].extra\""]);
    }
}
