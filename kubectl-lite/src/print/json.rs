//! `-o json`.

use super::{Order, Printer};
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, to_json, to_json_indented};
use shared_types::schema;
use std::io::Write;

/// Writes JSON, each level four spaces deeper.
#[derive(Default)]
pub struct JsonPrinter {
    pub order: Order,
}

impl Printer for JsonPrinter {
    fn print(&mut self, object: &Value, out: &mut dyn Write) -> Result<(), CommandError> {
        if self.order == Order::Declared
            && let Some(compact) = declared(object)
        {
            return Ok(writeln!(out, "{}", indented(&compact))?);
        }
        Ok(writeln!(out, "{}", to_json_indented(object, "    "))?)
    }
}

/// An object, or a list of objects, in the order in which its type declares the fields; `None` for unknown types.
fn declared(object: &Value) -> Option<Vec<u8>> {
    let (api_version, kind) = (object.text("apiVersion"), object.text("kind"));
    if let Some(ty) = schema::of_kind(api_version, kind) {
        return Some(schema::encode(ty, object));
    }
    let ty = schema::of_kind(api_version, kind.strip_suffix("List")?)?;
    let head = format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{},\"items\":[",
        object.at("kind"),
        object.at("apiVersion"),
        to_json(object.at("metadata"))
    );
    let items: Vec<Vec<u8>> = object.list("items").iter().map(|item| schema::encode(ty, item)).collect();
    Some([head.as_bytes(), &items.join(&b','), b"]}"].concat())
}

/// Compact JSON over several lines, members in the order in which they come.
pub fn indented(compact: &[u8]) -> String {
    let text = String::from_utf8_lossy(compact);
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0;
    let mut characters = text.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", depth));
    };
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                out.push(c);
                while let Some(c) = characters.next() {
                    out.push(c);
                    match c {
                        '\\' => out.extend(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(c);
                if let Some(close) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = usize::saturating_sub(depth, 1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::{json, parse};

    #[test]
    fn declared_order_begins_with_the_kind() {
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "x\":{,"}, "metadata": {"name": "m"}});
        let mut out = Vec::new();
        JsonPrinter { order: Order::Declared }.print(&object, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("{\n    \"kind\": \"ConfigMap\",\n    \"apiVersion\": \"v1\",\n"), "{text}");
        assert_eq!(parse(text.as_bytes()).unwrap(), object);
        assert_eq!(
            indented(b"{\"a\":{},\"b\":[1,[]]}"),
            "{\n    \"a\": {},\n    \"b\": [\n        1,\n        []\n    ]\n}"
        );
    }
}
