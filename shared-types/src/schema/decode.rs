//! Reading JSON against a type.

use super::scalar::{self, Fault};
use super::syntax::json_syntax_error;
use super::{Field, Struct, Type, encode};
use crate::go_quote::quote;
use crate::json::{self, CompactString, Object, Value};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

/// What reading an object gave.
#[derive(Debug)]
pub struct Decoded {
    /// The object, without the fields that its type does not have and without `null`s.
    pub object: Value,
    /// What strict decoding objects to, in document order: `unknown field "spec.nodeNam"`, `duplicate field "data.b"`.
    pub strict_errors: Vec<String>,
}

/// As many strict errors are reported at most.
const MAX_STRICT_ERRORS: usize = 100;

/// Reads an object of type `ty` from JSON text, as the API server's JSON decoder does: unknown fields are dropped (and
/// named in `strict_errors`), of duplicate fields the last one counts, field names match in their exact case only,
/// quantities and times become canonical, `null` is as if absent, and so is the zero value of a field that is not a
/// pointer: what [`encode`](super::encode) would write of it all the same is not in the object either way.
///
/// # Errors
/// The text after `Pod in version "v1" cannot be handled as a Pod: ` in the API server's answer, such as
/// `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`; of a text that is not
/// JSON, what [`json_syntax_error`] says.
pub fn decode(ty: &'static Struct, json: &[u8]) -> Result<Decoded, String> {
    if let Some(error) = json_syntax_error(json) {
        return Err(error);
    }
    // Go replaces what is not UTF-8, which valid JSON can have in strings only.
    let text = std::str::from_utf8(json).map_or_else(|_| String::from_utf8_lossy(json), Cow::Borrowed);
    let mut decoder = Decoder { text: &text, at: 0, strict_errors: Vec::new(), seen: HashSet::new(), type_error: None };
    let root = Type::Struct(ty);
    let object = decoder.value(&root, &root.go_name(), &Step::Root)?;
    if let Some(error) = decoder.type_error {
        return Err(error);
    }
    let object = object.unwrap_or_else(|| Value::Object(Object::new()));
    Ok(Decoded { object, strict_errors: decoder.strict_errors })
}

/// [`decode`] for an object that has been parsed already (a patched one, or one that came as YAML).
///
/// # Errors
/// As [`decode`].
pub fn decode_value(ty: &'static Struct, value: Value) -> Result<Decoded, String> {
    decode(ty, value.to_string().as_bytes())
}

/// The way from the root to a value, on the stack of the calls that lead there.
enum Step<'s> {
    Root,
    Field { above: &'s Step<'s>, of: &'static Struct, name: &'s str },
    Index { above: &'s Step<'s>, index: usize },
    Key { above: &'s Step<'s>, key: &'s str },
}

impl Step<'_> {
    /// `spec.containers[0].image`, as strict errors name it.
    fn path(&self, out: &mut String) {
        match self {
            Step::Root => {}
            Step::Field { above, name, .. } | Step::Key { above, key: name } => {
                above.path(out);
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Step::Index { above, index } => {
                above.path(out);
                // Writing to memory cannot fail.
                let _ = write!(out, "[{index}]");
            }
        }
    }

    /// `spec.containers.image`, as type errors name it: fields only.
    fn fields(&self, out: &mut String) {
        match self {
            Step::Root => {}
            Step::Field { above, name, .. } => {
                above.fields(out);
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Step::Index { above, .. } | Step::Key { above, .. } => above.fields(out),
        }
    }

    /// The innermost struct on the way.
    fn structure(&self) -> Option<&'static Struct> {
        match self {
            Step::Root => None,
            Step::Field { of, .. } => Some(of),
            Step::Index { above, .. } | Step::Key { above, .. } => above.structure(),
        }
    }

    /// Go's complaint about a value here: `what` was given where `go_type` is wanted.
    fn type_error(&self, what: &str, go_type: &str) -> String {
        match self.structure() {
            None => format!("json: cannot unmarshal {what} into Go value of type {go_type}"),
            Some(structure) => {
                let mut path = String::new();
                self.fields(&mut path);
                let name = structure.short_name();
                format!("json: cannot unmarshal {what} into Go struct field {name}.{path} of type {go_type}")
            }
        }
    }
}

/// Reads a text that is known to be JSON. An error ends the reading; a value of the wrong type is only noted, as in Go.
struct Decoder<'t> {
    text: &'t str,
    at: usize,
    strict_errors: Vec<String>,
    seen: HashSet<String>,
    /// The first value of a wrong type.
    type_error: Option<String>,
}

impl<'t> Decoder<'t> {
    /// Reads a value. `None` for `null` and for a value of a wrong type.
    fn value(&mut self, ty: &Type, go_type: &str, step: &Step) -> Result<Option<Value>, String> {
        let first = self.token();
        if first == b'n' {
            self.skip();
            return Ok(None);
        }
        match (ty, first) {
            (Type::Struct(ty), b'{') => self.structure(ty, step).map(Some),
            (Type::Map(element), b'{') => self.map(element, &element_of(go_type, element), step).map(Some),
            (Type::List(element), b'[') => self.list(element, &element_of(go_type, element), step).map(Some),
            (Type::Struct(_) | Type::Map(_) | Type::List(_), _) => {
                let what = self.skip_described(first);
                self.note(|| step.type_error(&what, go_type));
                Ok(None)
            }
            (Type::Any, _) => {
                let raw = self.skip();
                json::parse(raw.as_bytes()).map(Some).map_err(|_| "exceeded max depth".to_owned())
            }
            (_, b'"') => {
                let raw = self.raw_string();
                let text = unescape(raw);
                self.scalar(scalar::from_string(ty, text), step, go_type)
            }
            _ => {
                let raw = self.skip();
                self.scalar(scalar::from_raw(ty, raw), step, go_type)
            }
        }
    }

    /// What reading a scalar gave.
    fn scalar(&mut self, read: Result<Value, Fault>, step: &Step, go_type: &str) -> Result<Option<Value>, String> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(Fault::Type(what)) => {
                self.note(|| step.type_error(&what, go_type));
                Ok(None)
            }
            Err(Fault::Noted(error)) => {
                self.note(|| error);
                Ok(None)
            }
            Err(Fault::Inner { what, go_type }) => Err(step.type_error(&what, go_type)),
            Err(Fault::Fatal(error)) => Err(error),
        }
    }

    fn structure(&mut self, ty: &'static Struct, step: &Step) -> Result<Value, String> {
        let mut object = Object::new();
        // The fields that have been there, a bit each.
        let mut seen = 0_u64;
        self.open();
        while let Some(key) = self.key() {
            let here = Step::Field { above: step, of: ty, name: &key };
            let Some(index) = ty.index(&key) else {
                self.strict("unknown", &here);
                self.skip();
                continue;
            };
            let field: &Field = &ty.fields[index];
            let again = seen >> index & 1 == 1;
            seen |= 1 << index;
            if again {
                self.strict("duplicate", &here);
            }
            let is_null = self.token() == b'n';
            let value = self.value(&field.ty, &field.go_type, &here)?;
            if again && let Some(earlier) = object.remove(&field.name) {
                match value {
                    Some(value) => insert(&mut object, field, overlay(&field.ty, earlier, value)),
                    // A null takes a pointer, list or map away, and leaves anything else as it was.
                    None if is_null && (field.pointer || matches!(field.ty, Type::List(_) | Type::Map(_))) => {}
                    None => insert(&mut object, field, earlier),
                }
            } else if let Some(value) = value {
                insert(&mut object, field, value);
            }
        }
        Ok(Value::Object(object))
    }

    fn map(&mut self, element: &Type, go_type: &str, step: &Step) -> Result<Value, String> {
        let mut entries: Vec<(CompactString, Value)> = Vec::new();
        // The keys, once they are out of order.
        let mut seen: Option<HashSet<CompactString>> = None;
        self.open();
        while let Some(key) = self.key() {
            let name = CompactString::from(&*key);
            let here = Step::Key { above: step, key: &key };
            if seen.is_some() || entries.last().is_some_and(|(last, _)| *last >= name) {
                let seen = seen.get_or_insert_with(|| entries.iter().map(|(name, _)| name.clone()).collect());
                if !seen.insert(name.clone()) {
                    self.strict("duplicate", &here);
                }
            }
            let value = self.value(element, go_type, &here)?;
            entries.push((name, value.unwrap_or_else(|| zero(element))));
        }
        Ok(Value::Object(Object::from_unsorted(entries)))
    }

    fn list(&mut self, element: &Type, go_type: &str, step: &Step) -> Result<Value, String> {
        let mut items = Vec::new();
        self.open();
        while self.token() != b']' {
            let here = Step::Index { above: step, index: items.len() };
            let value = self.value(element, go_type, &here)?;
            items.push(value.unwrap_or_else(|| zero(element)));
            self.separator();
        }
        self.at += 1;
        Ok(Value::Array(items))
    }

    /// Notes a value of a wrong type; the first one is what is reported.
    fn note(&mut self, error: impl FnOnce() -> String) {
        self.type_error.get_or_insert_with(error);
    }

    fn strict(&mut self, what: &str, step: &Step) {
        let mut path = String::new();
        step.path(&mut path);
        let error = format!("{what} field {}", quote(&path));
        if self.strict_errors.len() < MAX_STRICT_ERRORS && self.seen.insert(error.clone()) {
            self.strict_errors.push(error);
        }
    }

    // What follows moves over the text, which is valid JSON.

    /// The first byte of what comes next.
    fn token(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or_default()
    }

    fn open(&mut self) {
        self.token();
        self.at += 1;
    }

    /// Passes a comma, if there is one.
    fn separator(&mut self) {
        if self.token() == b',' {
            self.at += 1;
        }
    }

    /// The next key of an object, past its colon. `None` at the end of the object, which is passed.
    fn key(&mut self) -> Option<Cow<'t, str>> {
        self.separator();
        if self.token() != b'"' {
            self.at += 1;
            return None;
        }
        let key = unescape(self.raw_string());
        self.token();
        self.at += 1;
        Some(key)
    }

    /// Passes a string; gives what is between its quotes.
    fn raw_string(&mut self) -> &'t str {
        let bytes = self.text.as_bytes();
        let from = self.at + 1;
        self.at = from;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        let raw = self.text.get(from..self.at).unwrap_or_default();
        self.at += 1;
        raw
    }

    /// Passes a value of any kind and depth; gives its text.
    fn skip(&mut self) -> &'t str {
        self.token();
        let bytes = self.text.as_bytes();
        let from = self.at;
        let mut depth = 0;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.raw_string();
                    if depth == 0 {
                        break;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 1 => depth -= 1,
                b'}' | b']' => {
                    if depth == 1 {
                        self.at += 1;
                    }
                    break;
                }
                b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// [`Self::skip`]; gives what Go calls the value.
    fn skip_described(&mut self, first: u8) -> String {
        self.skip();
        scalar::describe(first).to_owned()
    }
}

/// Sets a field, unless its value is what an absent field has.
fn insert(object: &mut Object, field: &Field, value: Value) {
    if field.pointer && !matches!(field.ty, Type::List(_) | Type::Map(_)) || !encode::is_empty(&value, &field.ty) {
        object.insert(field.name.as_str(), value);
    }
}

/// What a field holds that was given twice: structs and maps fill up, of anything else the later value stays.
fn overlay(ty: &Type, earlier: Value, later: Value) -> Value {
    let (Type::Struct(_) | Type::Map(_), Value::Object(mut below), Value::Object(above)) = (ty, earlier, &later) else {
        return later;
    };
    for (key, value) in above {
        let value = match (ty, below.remove(key)) {
            (Type::Struct(ty), Some(before)) => match ty.field(key) {
                Some(field) => overlay(&field.ty, before, value.clone()),
                None => value.clone(),
            },
            _ => value.clone(),
        };
        below.insert(key.clone(), value);
    }
    Value::Object(below)
}

/// The zero value, which is what `null` stands for in a list or map.
fn zero(ty: &Type) -> Value {
    match ty {
        Type::String | Type::Bytes => Value::from(""),
        Type::Bool => Value::Bool(false),
        Type::Int32 | Type::Int64 | Type::Float64 | Type::IntOrString => Value::from(0),
        Type::Quantity => Value::from("0"),
        Type::Time | Type::MicroTime | Type::Any => Value::Null,
        Type::Struct(_) | Type::Map(_) => Value::Object(Object::new()),
        Type::List(_) => Value::Array(Vec::new()),
    }
}

/// What Go calls the elements of the list or map type `go_type`.
fn element_of<'g>(go_type: &'g str, element: &'g Type) -> Cow<'g, str> {
    match go_type.strip_prefix("[]").or_else(|| go_type.strip_prefix("map[string]")) {
        Some(element) => Cow::Borrowed(element),
        // A named type, such as `v1.ExtraValue`.
        None => Cow::Owned(element.go_name()),
    }
}

/// The text of a JSON string. A half of a surrogate pair becomes U+FFFD, as in Go.
fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied().unwrap_or_default();
        rest = rest.get(at + 2..).unwrap_or_default();
        match escape {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let unit = hex(rest);
                rest = rest.get(4..).unwrap_or_default();
                let low = rest.strip_prefix("\\u").map(hex).filter(|low| (0xdc00..0xe000).contains(low));
                match (unit, low) {
                    (0xd800..0xdc00, Some(low)) => {
                        rest = rest.get(6..).unwrap_or_default();
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    _ => out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            other => out.push(char::from(other)),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The number that four hexadecimal digits give.
fn hex(text: &str) -> u32 {
    text.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0xfffd)
}

#[cfg(test)]
mod tests {
    use super::super::{encode, of_kind};
    use super::*;
    use crate::json::json;

    fn read(kind: &str, text: &str) -> Result<Decoded, String> {
        let api_version = match kind {
            "Deployment" => "apps/v1",
            _ => "v1",
        };
        decode(of_kind(api_version, kind).unwrap(), text.as_bytes())
    }

    #[test]
    fn unknown_fields_are_dropped_and_named_in_document_order() {
        let text = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"u","bogus":1},
            "spec":{"nodeNam":"x","containers":[{"name":"c","image":"i","imagee":[{"a":"]"}]}]}}"#;
        let decoded = read("Pod", text).unwrap();
        assert_eq!(
            decoded.strict_errors,
            [
                r#"unknown field "metadata.bogus""#,
                r#"unknown field "spec.nodeNam""#,
                r#"unknown field "spec.containers[0].imagee""#
            ]
        );
        assert_eq!(
            decoded.object,
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "u"},
                "spec": {"containers": [{"name": "c", "image": "i"}]}})
        );
    }

    #[test]
    fn duplicates_are_named_and_maps_fill_up() {
        let text = r#"{"metadata":{"name":"d"},"data":{"a":"1","c":"0"},"data":{"a":"2","b":"3","b":"4"}}"#;
        let decoded = read("ConfigMap", text).unwrap();
        assert_eq!(decoded.strict_errors, [r#"duplicate field "data""#, r#"duplicate field "data.b""#]);
        assert_eq!(decoded.object["data"], json!({"a": "2", "b": "4", "c": "0"}));
    }

    #[test]
    fn wrong_types_are_told_in_gos_words() {
        let quantity = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        for (kind, text, error) in [
            ("Deployment", r#"{"spec":{"replicas":"one"}}"#, "string|DeploymentSpec.spec.replicas of type int32"),
            ("Deployment", r#"{"spec":{"replicas":1.5}}"#, "number 1.5|DeploymentSpec.spec.replicas of type int32"),
            ("Deployment", r#"{"spec":{"replicas":3e9}}"#, "number 3e9|DeploymentSpec.spec.replicas of type int32"),
            ("ConfigMap", r#"{"data":{"b":true,"c":{"d":"e"}}}"#, "bool|ConfigMap.data of type string"),
            ("ConfigMap", r#"{"data":{"n":1}}"#, "number|ConfigMap.data of type string"),
            ("Pod", r#"{"spec":{"containers":{}}}"#, "object|PodSpec.spec.containers of type []v1.Container"),
            (
                "Pod",
                r#"{"spec":{"containers":[{"command":["a",{}]}]}}"#,
                "object|Container.spec.containers.command of type string",
            ),
            ("Pod", r#"{"metadata":{"labels":[]}}"#, "array|ObjectMeta.metadata.labels of type map[string]string"),
            ("Pod", r#"{"spec":"x"}"#, "string|Pod.spec of type v1.PodSpec"),
            ("Pod", "[]", "json: cannot unmarshal array into Go value of type v1.Pod"),
            (
                "Service",
                r#"{"spec":{"ports":[{"targetPort":true}]}}"#,
                "bool|ServicePort.spec.ports.targetPort of type int32",
            ),
            ("Pod", r#"{"spec":{"containers":[{"resources":{"limits":{"cpu":"lots"}}}]}}"#, quantity),
            ("Secret", r#"{"data":{"k":"not base64!"}}"#, "illegal base64 data at input byte 3"),
            ("Secret", r#"{"data":{"a":"***"}}"#, "illegal base64 data at input byte 0"),
            ("Pod", "{bad", "invalid character 'b' looking for beginning of object key string"),
        ] {
            let error = match error.split_once('|') {
                Some((what, wanted)) => format!("json: cannot unmarshal {what} into Go struct field {wanted}"),
                None => error.to_owned(),
            };
            assert_eq!(read(kind, text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn the_first_wrong_type_counts_unless_a_reader_gives_up() {
        let text = r#"{"spec":{"hostNetwork":"x","hostPID":1,"containers":[{"resources":{"limits":{"cpu":"lots"}}}]}}"#;
        assert!(read("Pod", text).unwrap_err().starts_with("quantities must"));
        let text = r#"{"spec":{"hostNetwork":"x","hostPID":1}}"#;
        assert!(read("Pod", text).unwrap_err().contains("PodSpec.spec.hostNetwork of type bool"));
    }

    #[test]
    fn nulls_and_zero_values_are_as_if_absent_but_for_pointers() {
        let text = r#"{"metadata":{"name":null,"creationTimestamp":null,"labels":{}},"status":{},
            "spec":{"hostNetwork":false,"priority":0,"automountServiceAccountToken":false,"securityContext":{},
            "containers":[{"name":"a","resources":{},"env":[{"name":"E","value":""}],"args":["",null],
            "securityContext":{"privileged":false}},null]}}"#;
        assert_eq!(
            read("Pod", text).unwrap().object,
            json!({"spec": {"priority": 0, "automountServiceAccountToken": false, "securityContext": {},
                "containers": [{"name": "a", "env": [{"name": "E"}], "args": ["", ""],
                    "securityContext": {"privileged": false}}, {}]}})
        );
    }

    #[test]
    fn strings_are_unescaped() {
        let text = r#"{"data":{"a":"\u00e9\ud83d\ude00\n\"\\\/\t","b":"\ud800x"}}"#;
        let decoded = read("ConfigMap", text).unwrap();
        assert_eq!(decoded.object["data"], json!({"a": "é😀\n\"\\/\t", "b": "\u{fffd}x"}));
    }

    #[test]
    fn deep_junk_is_passed_over() {
        let text = format!(r#"{{"junk":{}{},"data":{{"a":"b"}}}}"#, "[".repeat(9_000), "]".repeat(9_000));
        let decoded = read("ConfigMap", &text).unwrap();
        assert_eq!(decoded.object, json!({"data": {"a": "b"}}));
    }

    #[test]
    fn objects_are_written_in_kubernetes_order() {
        let object = json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a<b"},
            "spec": {"ports": [{"targetPort": "x", "port": 80, "protocol": "TCP"}]}});
        assert_eq!(
            String::from_utf8(encode(of_kind("v1", "Service").unwrap(), &object)).unwrap(),
            concat!(
                r#"{"kind":"Service","apiVersion":"v1","metadata":{"name":"a\u003cb"},"#,
                r#""spec":{"ports":[{"protocol":"TCP","port":80,"targetPort":"x"}]},"status":{"loadBalancer":{}}}"#
            )
        );
    }
}
