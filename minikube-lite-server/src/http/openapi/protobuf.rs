//! The OpenAPI 2.0 document as protobuf (`openapi.v2.Document` of google/gnostic), which is the form in which kubectl and
//! client-go ask for it. Only what our document contains is written.

use shared_types::json::{Object, Value};

/// A message in the making.
#[derive(Default)]
struct Message(Vec<u8>);

/// Field type of strings, bytes and messages.
const LENGTH_DELIMITED: u64 = 2;

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | LENGTH_DELIMITED);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u64, value: Option<&Value>) {
        if let Some(text) = value.and_then(Value::as_str).filter(|text| !text.is_empty()) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn texts(&mut self, field: u64, value: Option<&Value>) {
        for text in value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn flag(&mut self, field: u64, value: Option<&Value>) {
        if value.and_then(Value::as_bool) == Some(true) {
            self.varint(field << 3);
            self.varint(1);
        }
    }

    fn message(&mut self, field: u64, message: Message) {
        self.bytes(field, &message.0);
    }

    /// A map, as a list of names and values.
    fn named(&mut self, field: u64, map: Option<&Value>, value: fn(&Value) -> Message) {
        for (name, inner) in map.and_then(Value::as_object).into_iter().flatten() {
            self.message(field, named(name, value(inner)));
        }
    }

    /// The fields of a map that begin with `x-`.
    fn extensions(&mut self, field: u64, map: &Value) {
        for (name, value) in map.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-")) {
            self.message(field, named(name, any(value)));
        }
    }
}

fn named(name: &str, value: Message) -> Message {
    let mut message = Message::default();
    message.bytes(1, name.as_bytes());
    message.message(2, value);
    message
}

/// A message whose only field is `field`.
fn wrapped(field: u64, inner: Message) -> Message {
    let mut message = Message::default();
    message.message(field, inner);
    message
}

/// `Any`: YAML text, of which JSON is a part.
fn any(value: &Value) -> Message {
    let mut message = Message::default();
    message.bytes(2, value.to_string().as_bytes());
    message
}

/// Encodes an OpenAPI 2.0 document.
pub fn encode(document: &Value) -> Vec<u8> {
    let mut message = Message::default();
    message.text(1, document.get("swagger"));
    let mut info = Message::default();
    info.text(1, document["info"].get("title"));
    info.text(2, document["info"].get("version"));
    message.message(2, info);
    let mut paths = Message::default();
    paths.named(2, document.get("paths"), path_item);
    message.message(8, paths);
    let mut definitions = Message::default();
    definitions.named(1, document.get("definitions"), schema);
    message.message(9, definitions);
    let mut parameters = Message::default();
    parameters.named(1, document.get("parameters"), parameter);
    message.message(10, parameters);
    for requirement in document["security"].as_array().into_iter().flatten() {
        let mut security = Message::default();
        security.named(1, Some(requirement), |_| Message::default());
        message.message(12, security);
    }
    let mut security = Message::default();
    security.named(1, document.get("securityDefinitions"), |definition| {
        let mut key = Message::default();
        key.text(1, definition.get("type"));
        key.text(2, definition.get("name"));
        key.text(3, definition.get("in"));
        key.text(4, definition.get("description"));
        wrapped(2, key)
    });
    message.message(13, security);
    message.0
}

fn path_item(item: &Value) -> Message {
    let mut message = Message::default();
    for (field, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if let Some(value) = item.get(method) {
            message.message(field, operation(value));
        }
    }
    for value in item["parameters"].as_array().into_iter().flatten() {
        message.message(9, parameters_item(value));
    }
    message
}

fn operation(value: &Value) -> Message {
    let mut message = Message::default();
    message.text(3, value.get("description"));
    message.text(5, value.get("operationId"));
    message.texts(6, value.get("produces"));
    message.texts(7, value.get("consumes"));
    for parameter in value["parameters"].as_array().into_iter().flatten() {
        message.message(8, parameters_item(parameter));
    }
    let mut responses = Message::default();
    responses.named(1, value.get("responses"), |response| {
        let mut answer = Message::default();
        answer.text(1, response.get("description"));
        if let Some(inner) = response.get("schema") {
            answer.message(2, wrapped(1, schema(inner)));
        }
        wrapped(1, answer)
    });
    message.message(9, responses);
    message.texts(10, value.get("schemes"));
    message.extensions(13, value);
    message
}

fn parameters_item(value: &Value) -> Message {
    match value.get("$ref") {
        Some(_) => {
            let mut reference = Message::default();
            reference.text(1, value.get("$ref"));
            wrapped(2, reference)
        }
        None => wrapped(1, parameter(value)),
    }
}

fn parameter(value: &Value) -> Message {
    let mut message = Message::default();
    if value["in"] == "body" {
        message.text(1, value.get("description"));
        message.text(2, value.get("name"));
        message.text(3, value.get("in"));
        message.flag(4, value.get("required"));
        message.message(5, schema(&value["schema"]));
        return wrapped(1, message);
    }
    message.flag(1, value.get("required"));
    message.text(2, value.get("in"));
    message.text(3, value.get("description"));
    message.text(4, value.get("name"));
    // Parameters in the query have one more field before these than those in the path.
    let (kind, type_field, unique_field) = if value["in"] == "query" { (3, 6, 20) } else { (4, 5, 19) };
    message.text(type_field, value.get("type"));
    message.flag(unique_field, value.get("uniqueItems"));
    wrapped(2, wrapped(kind, message))
}

fn schema(value: &Value) -> Message {
    let mut message = Message::default();
    message.text(1, value.get("$ref"));
    message.text(2, value.get("format"));
    message.text(4, value.get("description"));
    message.texts(19, value.get("required"));
    for allowed in value["enum"].as_array().into_iter().flatten() {
        message.message(20, any(allowed));
    }
    if let Some(inner) = value.get("additionalProperties") {
        message.message(21, wrapped(1, schema(inner)));
    }
    if let Some(name) = value.get("type") {
        let mut types = Message::default();
        types.text(1, Some(name));
        message.message(22, types);
    }
    if let Some(inner) = value.get("items") {
        message.message(23, wrapped(1, schema(inner)));
    }
    if let Some(properties) = value.get("properties").filter(|p| !p.as_object().is_none_or(Object::is_empty)) {
        let mut inner = Message::default();
        inner.named(1, Some(properties), schema);
        message.message(25, inner);
    }
    message.extensions(31, value);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn messages_are_tagged_and_measured() {
        let mut expected = vec![1 << 3 | 2, 3];
        expected.extend(b"2.0");
        let document = encode(&json!({"swagger": "2.0", "info": {"title": "T"}}));
        assert_eq!(document[..5], expected);
        assert_eq!(document[5..10], [2 << 3 | 2, 3, 1 << 3 | 2, 1, b'T']);
        let long = schema(&json!({"description": "x".repeat(300)}));
        assert_eq!(long.0[..3], [4 << 3 | 2, 0xac, 0x02]);
        assert_eq!(
            schema(&json!({"type": "object"})).0,
            [0xb2, 0x01, 8, 1 << 3 | 2, 6, b'o', b'b', b'j', b'e', b'c', b't']
        );
    }
}
