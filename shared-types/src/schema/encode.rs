//! Writing objects in Kubernetes' field order.

use super::{Field, MAX_FIELDS, Struct, Type};
use crate::json::{CompactString, Object, Value};
use crate::patch::apply::{compare_elements, is_item};
use std::io::Write;

/// The object as compact JSON, `kind` and `apiVersion` first, then in the order of the type's fields; maps sorted by key.
/// Empty fields are left out or written as Kubernetes does (`"status":{}`, and `"ports":null` for an empty list as for an
/// absent one). Fields that the type does not have are left out. Escapes `<`, `>` and `&` as Go's encoder does.
pub fn encode(ty: &'static Struct, object: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    encode_into(ty, object, &mut out);
    out
}

/// [`encode`], appending to `out`.
pub fn encode_into(ty: &'static Struct, object: &Value, out: &mut Vec<u8>) {
    structure(ty, object.as_object(), out);
}

/// A struct's fields; none of them set if `object` is absent.
fn structure(ty: &Struct, object: Option<&Object>, out: &mut Vec<u8>) {
    let mut values: [Option<&Value>; MAX_FIELDS] = [None; MAX_FIELDS];
    for (name, value) in object.into_iter().flatten() {
        if let Some(index) = ty.index(name) {
            values[index] = Some(value).filter(|v| !v.is_null());
        }
    }
    out.push(b'{');
    let mut first = true;
    for (field, present) in ty.fields.iter().zip(values) {
        if field.omitempty && !present.is_some_and(|v| field.pointer || !is_empty(v, &field.ty)) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        // Names of fields have nothing to escape.
        out.push(b'"');
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b"\":");
        match present {
            Some(present) if !is_nothing(present, &field.ty) => value(&field.ty, present, out),
            _ => absent(field, out),
        }
    }
    out.push(b'}');
}

/// Whether Go's `omitempty` (for structs `omitzero`) leaves the value out.
pub(crate) fn is_empty(value: &Value, ty: &Type) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty() || (matches!(ty, Type::Quantity) && s == "0"),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
    }
}

/// Whether Kubernetes' storage, which does not tell empty lists and maps from absent ones, keeps nothing of the value.
fn is_nothing(value: &Value, ty: &Type) -> bool {
    match ty {
        Type::List(_) => value.as_array().is_some_and(Vec::is_empty),
        Type::Map(_) => value.as_object().is_some_and(Object::is_empty),
        _ => false,
    }
}

/// What an absent field looks like that is always written.
fn absent(field: &Field, out: &mut Vec<u8>) {
    let zero: &[u8] = match &field.ty {
        _ if field.pointer => b"null",
        Type::String => b"\"\"",
        Type::Bool => b"false",
        Type::Int32 | Type::Int64 | Type::Float64 | Type::IntOrString => b"0",
        Type::Quantity => b"\"0\"",
        Type::Time | Type::MicroTime | Type::Bytes | Type::Any | Type::List(_) | Type::Map(_) => b"null",
        Type::Struct(ty) => return structure(ty, None, out),
    };
    out.extend_from_slice(zero);
}

fn value(ty: &Type, value: &Value, out: &mut Vec<u8>) {
    match (ty, value) {
        (Type::Struct(ty), Value::Object(object)) => structure(ty, Some(object), out),
        (Type::List(element), Value::Array(items)) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                self::value(element, item, out);
            }
            out.push(b']');
        }
        (Type::Map(element), Value::Object(entries)) => map(entries, out, |item, out| self::value(element, item, out)),
        _ => any(value, out),
    }
}

/// A value of no particular type.
fn any(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            // Writing to memory cannot fail.
            let _ = write!(out, "{number}");
        }
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                any(item, out);
            }
            out.push(b']');
        }
        // The items of a list in a set of fields stand in the order of their keys, in which 80 comes before 443.
        Value::Object(entries) if entries.keys().next_back().is_some_and(|key| is_item(key)) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by(|(a, _), (b, _)| compare_elements(a, b));
            map(entries, out, any);
        }
        Value::Object(entries) => map(entries, out, any),
    }
}

fn map<'v>(
    entries: impl IntoIterator<Item = (&'v CompactString, &'v Value)>,
    out: &mut Vec<u8>,
    each: impl Fn(&Value, &mut Vec<u8>),
) {
    out.push(b'{');
    for (i, (key, item)) in entries.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(key, out);
        out.push(b':');
        each(item, out);
    }
    out.push(b'}');
}

/// Whether a byte of a string is written as it is, whatever follows.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    let special = [b'"', b'\\', b'<', b'>', b'&', SEPARATOR[0]];
    let mut i = 0;
    while i < special.len() {
        plain[special[i] as usize] = false;
        i += 1;
    }
    plain
};

/// U+2028 in UTF-8; U+2029 differs in the last bit.
const SEPARATOR: [u8; 3] = [0xe2, 0x80, 0xa8];

/// A string with the escapes of Go's encoder.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if PLAIN[usize::from(byte)] {
            continue;
        }
        if byte == SEPARATOR[0] {
            let [_, second, last] = SEPARATOR;
            if !matches!(bytes.get(i + 1..i + 3), Some(&[b, c]) if b == second && c | 1 == last | 1) {
                continue;
            }
        }
        out.extend_from_slice(&bytes[written..i]);
        written = i + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0xe2 => {
                written = i + SEPARATOR.len();
                out.extend_from_slice(if bytes[written - 1] == SEPARATOR[2] { b"\\u2028" } else { b"\\u2029" });
            }
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;
    use crate::schema::of_kind;

    #[test]
    fn empty_lists_are_as_if_absent() {
        let slice = of_kind("discovery.k8s.io/v1", "EndpointSlice").unwrap();
        let object = json!({"addressType": "IPv4", "endpoints": [], "metadata": {"labels": {}}});
        assert_eq!(
            String::from_utf8(encode(slice, &object)).unwrap(),
            r#"{"metadata":{},"addressType":"IPv4","endpoints":null,"ports":null}"#
        );
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        let mut out = Vec::new();
        string("a<b>&\"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}\u{2028}\u{2029}\u{2030}é😀", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\r\\t\\b\\f\\u0001\u{7f}\\u2028\\u2029\u{2030}é😀\""
        );
    }
}
