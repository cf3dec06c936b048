//! JSON as Go's encoder writes it, which is how Kubernetes shows it: keys sorted, `<`, `>` and `&` escaped.

use crate::json::Value;
use crate::number::format_json;
use std::fmt::Write;

/// Writes a value without white space.
pub fn to_json(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, None, 0);
    out
}

/// Writes a value over several lines, each level `indent` deeper. There is no final newline.
pub fn to_json_indented(value: &Value, indent: &str) -> String {
    let mut out = String::new();
    write(&mut out, value, Some(indent), 0);
    out
}

fn write(out: &mut String, value: &Value, indent: Option<&str>, depth: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => out.push_str(&format_json(float)),
            // Writing to a String cannot fail.
            _ => {
                let _ = write!(out, "{number}");
            }
        },
        Value::String(text) => write_string(out, text),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Array(items) => {
            let mut separator = '[';
            for item in items {
                out.push(std::mem::replace(&mut separator, ','));
                new_line(out, indent, depth + 1);
                write(out, item, indent, depth + 1);
            }
            new_line(out, indent, depth);
            out.push(']');
        }
        Value::Object(map) => {
            let mut separator = '{';
            for (key, value) in map {
                out.push(std::mem::replace(&mut separator, ','));
                new_line(out, indent, depth + 1);
                write_string(out, key);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                write(out, value, indent, depth + 1);
            }
            new_line(out, indent, depth);
            out.push('}');
        }
    }
}

fn new_line(out: &mut String, indent: Option<&str>, depth: usize) {
    if let Some(indent) = indent {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str(indent));
    }
}

/// Writes a string in quotes.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..'\u{20}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn looks_as_from_go() {
        let value = json!({"b": [1, 1e21, {}], "a": "<é&\u{1}\n\u{2028}\">", "c": []});
        assert_eq!(to_json(&value), r#"{"a":"\u003cé\u0026\u0001\n\u2028\"\u003e","b":[1,1e+21,{}],"c":[]}"#);
        let indented = "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"c\": null\n}";
        assert_eq!(to_json_indented(&json!({"b": [1, {}], "c": null}), "  "), indented);
    }
}
