//! The functions of templates: Go's own, and kubectl's `base64decode` and `exists`.

use super::printf::{print, printf, println};
use super::value::{Datum, Kind};
use base64::Engine as _;
use shared_types::json::Value;
use std::cmp::Ordering;

type Result<T> = std::result::Result<T, String>;

/// How many arguments a function takes.
pub(super) struct Arity {
    pub least: usize,
    /// `None` where there may be any number of them.
    pub most: Option<usize>,
}

const NAMES: [&str; 21] = [
    "and",
    "base64decode",
    "call",
    "eq",
    "exists",
    "ge",
    "gt",
    "html",
    "index",
    "js",
    "le",
    "len",
    "lt",
    "ne",
    "not",
    "or",
    "print",
    "printf",
    "println",
    "slice",
    "urlquery",
];

pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

pub(super) fn arity(name: &str) -> Arity {
    let (least, most) = match name {
        "not" | "len" | "base64decode" => (1, Some(1)),
        "ne" | "lt" | "le" | "gt" | "ge" => (2, Some(2)),
        "print" | "println" | "html" | "js" | "urlquery" => (0, None),
        _ => (1, None),
    };
    Arity { least, most }
}

/// Whether the argument at this place must be a string.
pub(super) fn takes_string(name: &str, number: usize) -> bool {
    number == 0 && matches!(name, "printf" | "base64decode")
}

pub(super) fn call<'d>(name: &str, mut arguments: Vec<Datum<'d>>) -> Result<Datum<'d>> {
    let first = arguments.first().cloned().unwrap_or(Datum::MISSING);
    let bool = |value: bool| Ok(Datum::owned(value));
    match name {
        "not" => bool(!first.is_true()),
        "len" => length(first).map(Datum::int),
        "index" => index(first, arguments.drain(1..)),
        "slice" => slice(first, &arguments[1..]),
        "exists" => bool(index(first, arguments.drain(1..)).is_ok_and(|value| !value.is_nothing())),
        "print" => Ok(Datum::owned(print(arguments))),
        "println" => Ok(Datum::owned(println(arguments))),
        "printf" => {
            let format = first.text().unwrap_or("").to_string();
            Ok(Datum::owned(printf(&format, arguments.drain(1..).map(Datum::argument).collect())))
        }
        "html" => Ok(Datum::owned(html(&joined(arguments)))),
        "js" => Ok(Datum::owned(js(&joined(arguments)))),
        "urlquery" => Ok(Datum::owned(url_query(&joined(arguments)))),
        "base64decode" => decode(first.text().unwrap_or("")).map(Datum::owned),
        "eq" => {
            if arguments.len() < 2 {
                return Err("missing argument for comparison".into());
            }
            for other in &arguments[1..] {
                if equal(&first, other)? {
                    return bool(true);
                }
            }
            bool(false)
        }
        "ne" => bool(!equal(&first, &arguments[1])?),
        "lt" => bool(less(&first, &arguments[1])?),
        "le" => bool(less(&first, &arguments[1])? || equal(&first, &arguments[1])?),
        "gt" => bool(!(less(&first, &arguments[1])? || equal(&first, &arguments[1])?)),
        "ge" => bool(!less(&first, &arguments[1])?),
        _ => Err(format!("{name} is no function")),
    }
}

fn length(value: Datum<'_>) -> Result<i64> {
    let length = match (&value.kind, value.json()) {
        (Kind::Missing, _) => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        (Kind::Nil, _) => return Err("len of nil pointer".into()),
        (_, Some(Value::String(text))) => text.len(),
        (_, Some(Value::Array(items))) => items.len(),
        (_, Some(Value::Object(map))) => map.len(),
        _ => return Err(format!("len of type {}", value.inner_type_name())),
    };
    Ok(length as i64)
}

fn position(index: &Datum<'_>, limit: usize) -> Result<usize> {
    let Some(at) = index.as_int() else {
        return Err(match index.is_nothing() {
            true => "cannot index slice/array with nil".into(),
            false => format!("cannot index slice/array with type {}", index.inner_type_name()),
        });
    };
    usize::try_from(at).ok().filter(|at| *at < limit).ok_or_else(|| format!("index out of range: {at}"))
}

fn index<'d>(item: Datum<'d>, indexes: impl Iterator<Item = Datum<'d>>) -> Result<Datum<'d>> {
    if item.is_nothing() {
        return Err("index of untyped nil".into());
    }
    let mut item = item;
    for index in indexes {
        item = match (&item.kind, item.json()) {
            (Kind::Missing | Kind::Nil, _) => return Err("index of nil pointer".into()),
            (_, Some(Value::Array(items))) => {
                let at = position(&index, items.len())?;
                item.child(|value| value.get(at)).unwrap_or(Datum::MISSING)
            }
            (_, Some(Value::String(text))) => {
                let at = position(&index, text.len())?;
                Datum { kind: Kind::Byte(text.as_bytes()[at]), boxed: false }
            }
            (_, Some(Value::Object(_))) => {
                let Some(key) = index.text() else {
                    return Err(match index.is_nothing() {
                        true => "value is nil; should be of type string".into(),
                        false => format!("value has type {}; should be string", index.inner_type_name()),
                    });
                };
                item.child(|value| value.get(key)).unwrap_or(Datum { kind: Kind::Nil, boxed: true })
            }
            _ => return Err(format!("can't index item of type {}", item.inner_type_name())),
        };
    }
    Ok(item)
}

fn slice<'d>(item: Datum<'d>, indexes: &[Datum<'d>]) -> Result<Datum<'d>> {
    if item.is_nothing() {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let limit = match item.json() {
        Some(Value::String(_)) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Some(Value::String(text)) => text.len(),
        Some(Value::Array(items)) => items.len(),
        _ => return Err(format!("can't slice item of type {}", item.inner_type_name())),
    };
    let mut bounds = [0, limit, limit];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, limit + 1)?;
    }
    for pair in bounds.windows(2) {
        if pair[0] > pair[1] {
            return Err(format!("invalid slice index: {} > {}", pair[0], pair[1]));
        }
    }
    let [start, end, _] = bounds;
    Ok(match item.json() {
        Some(Value::String(text)) => Datum::owned(String::from_utf8_lossy(&text.as_bytes()[start..end]).into_owned()),
        Some(Value::Array(items)) => Datum::owned(items[start..end].to_vec()),
        _ => Datum::MISSING,
    })
}

/// The order of two values of one basic type; `None` where they have none.
fn compare(left: &Datum<'_>, right: &Datum<'_>) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (left.as_int(), right.as_int()) {
        return Some(left.cmp(&right));
    }
    if let (Some(left), Some(right)) = (left.as_float(), right.as_float()) {
        return left.partial_cmp(&right);
    }
    Some(left.text()?.cmp(right.text()?))
}

fn equal(left: &Datum<'_>, right: &Datum<'_>) -> Result<bool> {
    if let Some(order) = compare(left, right) {
        return Ok(order.is_eq());
    }
    if left.is_nothing() || right.is_nothing() {
        return Ok(left.is_nothing() == right.is_nothing());
    }
    match (left.json(), right.json()) {
        (Some(Value::Bool(left)), Some(Value::Bool(right))) => Ok(left == right),
        (Some(Value::Array(_)), Some(Value::Array(_))) | (Some(Value::Object(_)), Some(Value::Object(_))) => {
            let shown = printf("%s", vec![right.clone()]);
            Err(format!("non-comparable type {shown}: {}", right.inner_type_name()))
        }
        _ => Err(incompatible(left, right)),
    }
}

fn incompatible(left: &Datum<'_>, right: &Datum<'_>) -> String {
    format!("incompatible types for comparison: {} and {}", left.inner_type_name(), right.inner_type_name())
}

fn less(left: &Datum<'_>, right: &Datum<'_>) -> Result<bool> {
    let basic = |value: &Datum<'_>| {
        !value.is_nothing() && !value.json().is_some_and(|json| json.is_array() || json.is_object())
    };
    let both_bool = left.json().is_some_and(Value::is_boolean) && right.json().is_some_and(Value::is_boolean);
    if !basic(left) || !basic(right) || both_bool {
        return Err("invalid type for comparison".into());
    }
    compare(left, right).map(Ordering::is_lt).ok_or_else(|| incompatible(left, right))
}

/// Arguments of an escaping function as one text.
fn joined(arguments: Vec<Datum<'_>>) -> String {
    if let [only] = arguments.as_slice()
        && let Some(text) = only.text()
    {
        return text.into();
    }
    // What is absent shows here as it does in the output.
    let shown = arguments.into_iter().map(|value| match value.kind {
        Kind::Missing => Datum::owned("<no value>"),
        _ => value,
    });
    print(shown.collect())
}

fn html(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => out.extend(['\\', c]),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

fn url_query(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn decode(text: &str) -> Result<String> {
    let plain: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    match base64::engine::general_purpose::STANDARD.decode(&plain) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => plain.len() / 4 * 4,
            };
            Err(format!("base64 decode failed: illegal base64 data at input byte {at}"))
        }
    }
}
