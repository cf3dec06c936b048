//! Writing objects in Kubernetes' field order.

use super::{Field, Struct, Type};
use serde_json::{Map, Value};
use std::io::Write;

/// The object as compact JSON, `kind` and `apiVersion` first, then in the order of the type's fields; maps sorted by key.
/// Empty fields are left out or written as Kubernetes does (`"status":{}`, `"ports":null`). Escapes `<`, `>` and `&` as
/// Go's encoder does.
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
fn structure(ty: &Struct, object: Option<&Map<String, Value>>, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for field in &ty.fields {
        let present = object.and_then(|o| o.get(&field.name)).filter(|v| !v.is_null());
        if field.omitempty && !present.is_some_and(|v| field.pointer || !is_empty(v, &field.ty)) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        string(&field.name, out);
        out.push(b':');
        match present {
            Some(present) => value(&field.ty, present, out),
            None => absent(field, out),
        }
    }
    out.push(b'}');
}

/// Whether Go's `omitempty` (for structs `omitzero`) leaves the value out.
pub(super) fn is_empty(value: &Value, ty: &Type) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty() || (matches!(ty, Type::Quantity) && s == "0"),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
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
        Value::Object(entries) => map(entries, out, any),
    }
}

fn map(entries: &Map<String, Value>, out: &mut Vec<u8>, each: impl Fn(&Value, &mut Vec<u8>)) {
    out.push(b'{');
    for (i, (key, item)) in entries.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(key, out);
        out.push(b':');
        each(item, out);
    }
    out.push(b'}');
}

/// A string with the escapes of Go's encoder.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        let plain = byte >= 0x20 && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2);
        // U+2028 and U+2029 are E2 80 A8 and E2 80 A9.
        let separator = byte == 0xe2 && matches!(bytes.get(i + 1..i + 3), Some([0x80, 0xa8 | 0xa9]));
        if plain || (byte == 0xe2 && !separator) {
            continue;
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
                out.extend_from_slice(if bytes[i + 2] == 0xa8 { b"\\u2028" } else { b"\\u2029" });
                written = i + 3;
            }
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}
