//! Reading the values that are not objects or lists.

use super::{Type, timestamp};
use crate::json::Value;
use crate::quantity::Quantity;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// Why a value could not be read.
pub(super) enum Fault {
    /// A value of a wrong type: what Go calls what was given.
    Type(String),
    /// Another complaint that does not end the reading.
    Noted(String),
    /// The type's own reader wanted another type, which ends the reading.
    Inner { what: String, go_type: &'static str },
    /// A complaint of the type's own reader, which ends the reading.
    Fatal(String),
}

/// What Go calls a JSON value, by its first byte.
pub(super) fn describe(first: u8) -> &'static str {
    match first {
        b'{' => "object",
        b'[' => "array",
        b'"' => "string",
        b't' | b'f' => "bool",
        _ => "number",
    }
}

/// Reads a JSON string.
pub(super) fn from_string(ty: &Type, text: Cow<str>) -> Result<Value, Fault> {
    match ty {
        Type::String | Type::IntOrString => Ok(Value::String(text.into_owned().into())),
        Type::Quantity => quantity(&text),
        Type::Time => time(&text),
        Type::MicroTime => micro_time(&text),
        Type::Bytes => bytes(text.into_owned()),
        _ => Err(Fault::Type("string".to_owned())),
    }
}

/// Reads any other JSON value from its text.
pub(super) fn from_raw(ty: &Type, raw: &str) -> Result<Value, Fault> {
    let first = raw.as_bytes().first().copied().unwrap_or_default();
    let what = describe(first);
    let is_number = what == "number";
    match ty {
        Type::Bool if first == b't' => Ok(Value::Bool(true)),
        Type::Bool if first == b'f' => Ok(Value::Bool(false)),
        Type::Int32 if is_number => match raw.parse::<i32>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err(Fault::Type(format!("number {raw}"))),
        },
        Type::Int64 if is_number => match raw.parse::<i64>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err(Fault::Type(format!("number {raw}"))),
        },
        Type::Float64 if is_number => match raw.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::from(number)),
            _ => Err(Fault::Type(format!("number {raw}"))),
        },
        Type::IntOrString => match raw.parse::<i32>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) if is_number => Err(Fault::Inner { what: format!("number {raw}"), go_type: "int32" }),
            Err(_) => Err(Fault::Inner { what: what.to_owned(), go_type: "int32" }),
        },
        Type::Quantity => quantity(raw),
        Type::Time | Type::MicroTime => Err(Fault::Inner { what: what.to_owned(), go_type: "string" }),
        _ => Err(Fault::Type(what.to_owned())),
    }
}

fn quantity(text: &str) -> Result<Value, Fault> {
    match Quantity::parse(text.trim()) {
        Ok(quantity) => Ok(quantity.to_string().into()),
        Err(error) => Err(Fault::Fatal(error)),
    }
}

fn time(text: &str) -> Result<Value, Fault> {
    let time = timestamp::parse_time(text).map_err(Fault::Fatal)?;
    Ok(Value::String(crate::time::format_time(time).into()))
}

fn micro_time(text: &str) -> Result<Value, Fault> {
    let time = timestamp::parse_micro_time(text).map_err(Fault::Fatal)?;
    Ok(Value::String(crate::time::format_micro_time(time).into()))
}

fn bytes(text: String) -> Result<Value, Fault> {
    // Go passes over line breaks, and writes none.
    let plain = if text.contains(['\r', '\n']) { text.replace(['\r', '\n'], "") } else { text };
    match STANDARD.decode(&plain) {
        Ok(_) => Ok(Value::String(plain.into())),
        Err(_) => Err(Fault::Noted(format!("illegal base64 data at input byte {}", corrupt_at(plain.as_bytes())))),
    }
}

/// Where Go's decoder stumbles over a text that is not padded base64.
fn corrupt_at(text: &[u8]) -> usize {
    let is_letter = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let letters = text.iter().take_while(|b| is_letter(b)).count();
    match (letters % 4, text.get(letters)) {
        // The text ends within a group of four, which is what is wrong.
        (read, None) => letters - read,
        (2, Some(b'=')) if text.get(letters + 1) == Some(&b'=') => letters + 2,
        (2 | 3, Some(b'=')) => letters + 1,
        _ => letters,
    }
}
