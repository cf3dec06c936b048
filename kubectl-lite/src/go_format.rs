//! Values as Go's `fmt` prints them; templates and their error messages show them so.

use shared_types::go_quote::quote;
use shared_types::json::{Number, Value};
use shared_types::number::format_general;

/// What Go's decoder calls a value.
fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    }
}

/// What Go's decoder says of a value that stands where one of another type is wanted: `Go value of type version.Info`, or
/// `Go struct field .kind of type string`.
pub fn cannot_unmarshal(value: &Value, into: &str) -> String {
    format!("json: cannot unmarshal {} into {into}", json_type(value))
}

/// A number as `%v` prints it.
pub fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => format_general(float, false),
        _ => number.to_string(),
    }
}

/// A value as `%v` prints it: `map[a:1 b:[x y]]`, `<nil>`.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(n) => number(n),
        Value::String(text) => text.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", plain(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// A value as `%#v` prints it: `map[string]interface {}{"a":1}`.
pub fn syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(n) => number(n),
        Value::String(text) => quote(text),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{}:{}", quote(key), syntax(value))).collect();
            format!("map[string]interface {{}}{{{}}}", pairs.join(", "))
        }
    }
}

/// The type that messages give a value.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Reads a quoted string of Go's source form. In single quotes too it may be of any length.
///
/// # Errors
/// `invalid syntax`.
pub fn unquote(text: &str) -> Result<String, String> {
    let fail = || "invalid syntax".to_string();
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(fail)?;
    let inner = text[1..].strip_suffix(quote).ok_or_else(fail)?;
    let mut out: Vec<u8> = Vec::with_capacity(inner.len());
    let push = |c: char, out: &mut Vec<u8>| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == quote || c == '\n' {
            return Err(fail());
        }
        if c != '\\' {
            push(c, &mut out);
            continue;
        }
        let escape = chars.next().ok_or_else(fail)?;
        let mut number = |first: u32, digits: usize, radix: u32| -> Option<u32> {
            (0..digits).try_fold(first, |n, _| Some(n * radix + chars.next()?.to_digit(radix)?))
        };
        match escape {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' => out.push(b'\\'),
            '"' | '\'' if escape == quote => push(escape, &mut out),
            'x' => out.push(number(0, 2, 16).ok_or_else(fail)? as u8),
            'u' => push(number(0, 4, 16).and_then(char::from_u32).ok_or_else(fail)?, &mut out),
            'U' => push(number(0, 8, 16).and_then(char::from_u32).ok_or_else(fail)?, &mut out),
            '0'..='7' => {
                let first = escape.to_digit(8).ok_or_else(fail)?;
                out.push(number(first, 2, 8).and_then(|n| u8::try_from(n).ok()).ok_or_else(fail)?);
            }
            _ => return Err(fail()),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn values_look_as_in_go() {
        let value = json!({"b": [1, "x", null, 1.5, 1e6], "a": {}, "c": true});
        assert_eq!(plain(&value), "map[a:map[] b:[1 x <nil> 1.5 1e+06] c:true]");
        let expected = "map[string]interface {}{\"a\":map[string]interface {}{}, \
                        \"b\":[]interface {}{1, \"x\", interface {}(nil), 1.5, 1e+06}, \"c\":true}";
        assert_eq!(syntax(&value), expected);
    }

    #[test]
    fn quoted_strings_are_read_as_in_go() {
        assert_eq!(unquote(r#""a\n\t\x41\u00e9\101\"""#), Ok("a\n\tAéA\"".into()));
        assert_eq!(unquote(r"'it\'s'"), Ok("it's".into()));
        for text in [r#""\q""#, r#""\'""#, "'a", r#""\u12""#, r#""a"b""#] {
            assert_eq!(unquote(text), Err("invalid syntax".into()), "{text}");
        }
    }
}
