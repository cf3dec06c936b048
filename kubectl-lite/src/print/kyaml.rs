//! `-o kyaml`: YAML in flow style that no reader takes for something else (KEP-5295).

use super::{Order, Printer};
use crate::errors::CommandError;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use shared_types::fields::Fields;
use shared_types::json::{Number, Value};
use shared_types::{json::to_json, schema, yaml};
use std::fmt;
use std::io::Write;

/// Writes KYAML, each object with a `---` before it.
#[derive(Default)]
pub struct KyamlPrinter {
    pub order: Order,
}

impl Printer for KyamlPrinter {
    fn print(&mut self, object: &Value, out: &mut dyn Write) -> Result<(), CommandError> {
        let ty = schema::of_kind(object.text("apiVersion"), object.text("kind"));
        let compact = match ty.filter(|_| self.order == Order::Declared) {
            Some(ty) => schema::encode(ty, object),
            None => to_json(object).into_bytes(),
        };
        let node: Node = serde_json::from_slice(&compact).map_err(|error| CommandError::message(error.to_string()))?;
        let mut text = String::from("---\n");
        node.write(&mut text, 0);
        Ok(writeln!(out, "{text}")?)
    }
}

/// JSON with its members in the order in which they came.
enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Number(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
            }
            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Text(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Node::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
                let mut map = Vec::new();
                while let Some(member) = members.next_entry()? {
                    map.push(member);
                }
                Ok(Node::Map(map))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Node {
    fn holds_others(&self) -> bool {
        matches!(self, Node::List(_) | Node::Map(_))
    }

    fn write(&self, out: &mut String, indent: usize) {
        match self {
            Node::Null => out.push_str("null"),
            Node::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Node::Number(number) => out.push_str(&to_json(&Value::Number(number.clone()))),
            Node::Text(text) => write_text(out, text, indent),
            Node::List(items) if items.is_empty() => out.push_str("[]"),
            Node::Map(members) if members.is_empty() => out.push_str("{}"),
            // Brackets of lists and of what they hold stand together.
            Node::List(items) if items.iter().all(Node::holds_others) => {
                let mut separator = "[";
                for item in items {
                    out.push_str(std::mem::replace(&mut separator, ", "));
                    item.write(out, indent);
                }
                out.push(']');
            }
            Node::List(items) => {
                out.push_str("[\n");
                for item in items {
                    pad(out, indent + 2);
                    item.write(out, indent + 2);
                    out.push_str(",\n");
                }
                pad(out, indent);
                out.push(']');
            }
            Node::Map(members) => {
                out.push_str("{\n");
                for (key, value) in members {
                    pad(out, indent + 2);
                    if is_plain_key(key) {
                        out.push_str(key);
                    } else {
                        write_line(out, key);
                    }
                    out.push_str(": ");
                    value.write(out, indent + 2);
                    out.push_str(",\n");
                }
                pad(out, indent);
                out.push('}');
            }
        }
    }
}

fn pad(out: &mut String, width: usize) {
    out.extend(std::iter::repeat_n(' ', width));
}

/// Whether a key needs no quotes: no reader of any version of YAML takes it for a number, a truth value or a date.
fn is_plain_key(key: &str) -> bool {
    let word = |c: char| c == '_' || c.is_alphanumeric();
    let ambiguous = ["y", "n", "t", "f", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "~"];
    key.starts_with(word)
        && key.ends_with(word)
        && key.chars().all(|c| word(c) || "-./".contains(c))
        && !ambiguous.contains(&key.to_lowercase().as_str())
        && yaml::is_plain_text(key)
}

/// A string in quotes, without line ends of its own.
fn write_line(out: &mut String, text: &str) {
    out.push('"');
    escape(out, text);
    out.push('"');
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push(c),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{a0}' => out.push_str("\\_"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
}

/// A string; one of several lines gets a line for each.
fn write_text(out: &mut String, text: &str, indent: usize) {
    if !text.contains('\n') {
        return write_line(out, text);
    }
    out.push_str("\"\\\n");
    for line in text.split_inclusive('\n') {
        // White space at the start of a line would not count.
        let escaped = line.starts_with([' ', '\t']);
        pad(out, indent + 2);
        out.push(if escaped { '\\' } else { ' ' });
        escape(out, line);
        out.push_str("\\\n");
    }
    pad(out, indent + 2);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn print(value: Value) -> String {
        let mut out = Vec::new();
        KyamlPrinter::default().print(&value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn looks_as_from_kubectl() {
        let value = json!({
            "1a": 1, "1.5": 2, "no": 3, "a-b/c.d": [], "a b": {}, "e": [{"x": null}, {"y": 1e30}],
            "mix": [1, {"a": true}], "nest": [[[1]], []], "s": "\"é\"\\", "t2": "x\n  y\n\nz",
        });
        let expected = "---\n{\n  \"1.5\": 2,\n  1a: 1,\n  \"a b\": {},\n  a-b/c.d: [],\n  e: [{\n    x: null,\n  }, {\n    \"y\": 1e+30,\n  }],\n  \
                        mix: [\n    1,\n    {\n      a: true,\n    },\n  ],\n  nest: [[[\n    1,\n  ]], []],\n  \"no\": 3,\n  s: \"\\\"é\\\"\\\\\",\n  \
                        t2: \"\\\n     x\\n\\\n    \\  y\\n\\\n     \\n\\\n     z\\\n    \",\n}\n";
        assert_eq!(print(value), expected);
    }

    #[test]
    fn what_kubectl_made_keeps_its_order() {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}});
        let mut out = Vec::new();
        KyamlPrinter { order: Order::Declared }.print(&map, &mut out).unwrap();
        let expected = "---\n{\n  kind: \"ConfigMap\",\n  apiVersion: \"v1\",\n  metadata: {\n    name: \"x\",\n  },\n  data: {\n    a: \"b\",\n  },\n}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
