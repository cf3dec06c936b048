//! JSONPath: expressions that mostly lead somewhere, since their steps follow the object.

use crate::{chance, compare_templates, pick};
use fastrand::Rng;
use serde_json::Value;

/// How deep a path goes.
const DEPTH: usize = 6;

/// A step from `at`, and one of the values that it leads to.
fn step<'v>(rng: &mut Rng, at: &'v Value, path: &mut String) -> Option<&'v Value> {
    match at {
        Value::Object(map) if !map.is_empty() => {
            let keys: Vec<&String> = map.keys().collect();
            let key = pick(rng, &keys);
            match rng.u32(..20) {
                0 => path.push_str(".nosuch"),
                // Go gives the members of an object in any order.
                1 if map.len() == 1 => path.push_str(".*"),
                2 if map.len() == 1 => path.push_str("[*]"),
                3 => path.push_str(&format!("['{key}','{}']", pick(rng, &keys))),
                4 => path.push_str(&format!("..{}", escaped(key))),
                5 | 6 => path.push_str(&format!("['{key}']")),
                _ => path.push_str(&format!(".{}", escaped(key))),
            }
            map.get(key)
        }
        Value::Array(list) => {
            let length = list.len() as i64;
            // Few indexes lie outside, since such an error ends a call for all its expressions.
            let reach = i64::from(chance(rng, 2));
            if length + reach == 0 {
                path.push_str("[*]");
                return None;
            }
            let index = rng.i64(-length - reach..length + reach);
            match rng.u32(..12) {
                0..=2 => path.push_str("[*]"),
                3 => path.push_str(&slice(rng, length + reach)),
                4 => path.push_str(&format!("[{index},{}]", rng.i64(-length..length.max(1)))),
                5..=7 => path.push_str(&filter(rng, list)),
                8 => path.push_str(".*"),
                _ => path.push_str(&format!("[{index}]")),
            }
            if list.is_empty() { None } else { list.get(rng.usize(..list.len())) }
        }
        _ => None,
    }
}

fn escaped(key: &str) -> String {
    key.replace('.', "\\.")
}

fn slice(rng: &mut Rng, length: i64) -> String {
    let from = rng.i64(0..length);
    let to = rng.i64(from..=length);
    let from = if chance(rng, 40) { String::new() } else { from.to_string() };
    let to = if chance(rng, 40) { String::new() } else { to.to_string() };
    if rng.bool() { format!("[{from}:{to}]") } else { format!("[{from}:{to}:{}]", rng.i64(1..=3)) }
}

/// A filter over the elements of a list.
fn filter(rng: &mut Rng, list: &[Value]) -> String {
    let objects: Vec<&Value> = list.iter().filter(|element| element.is_object()).collect();
    let operator = pick(rng, &["==", "!=", "<", "<=", ">", ">="]);
    if objects.is_empty() {
        return format!("[?(@{operator}{})]", literal(rng, list.first().unwrap_or(&Value::Null)));
    }
    let fields: Vec<(&String, &Value)> = objects.iter().filter_map(|object| object.as_object()).flatten().collect();
    let (key, value) = pick(rng, &fields);
    let key = escaped(key);
    match value {
        _ if chance(rng, 20) => format!("[?(@.{key})]"),
        Value::Object(map) if !map.is_empty() => {
            let keys: Vec<(&String, &Value)> = map.iter().collect();
            let (inner, value) = pick(rng, &keys);
            format!("[?(@.{key}.{}{operator}{})]", escaped(inner), literal(rng, value))
        }
        Value::Array(_) => format!("[?(@.{key}[{}])]", rng.usize(..2)),
        Value::Object(_) => format!("[?(@.{key})]"),
        scalar => {
            let space = pick(rng, &["", " "]);
            format!("[?(@.{key}{space}{operator}{space}{})]", literal(rng, scalar))
        }
    }
}

/// A literal of the value's type, which often is the value.
fn literal(rng: &mut Rng, value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ') => {
            let quote = pick(rng, &["\"", "'"]);
            format!("{quote}{}{quote}", if chance(rng, 70) { text } else { "b" })
        }
        Value::Number(number) if chance(rng, 70) => number.to_string(),
        Value::Number(number) if number.is_f64() => "1.5".into(),
        Value::Number(_) => rng.i64(-2..25).to_string(),
        Value::Bool(flag) => (*flag ^ chance(rng, 30)).to_string(),
        _ => "\"x\"".into(),
    }
}

fn path(rng: &mut Rng, root: &str, from: &Value) -> String {
    let mut text = root.to_string();
    let mut at = Some(from);
    let steps = rng.usize(1..=DEPTH);
    for _ in 0..steps {
        let Some(value) = at else { break };
        at = step(rng, value, &mut text);
    }
    text
}

/// A template: text and expressions, some of them repeated over what a path finds.
fn template(rng: &mut Rng, object: &Value) -> String {
    match rng.u32(..10) {
        0 => {
            let item = &object["spec"]["items"][rng.usize(..3)];
            let inner = path(rng, "", item);
            format!("{{range .spec.items[*]}}{{{inner}}}{{\",\"}}{{end}}")
        }
        1 => {
            let outer = path(rng, "", object);
            format!("{{range {outer}}}[{{@}}]{{end}}")
        }
        2 => {
            let root = pick(rng, &["$", "@", ""]);
            format!("a{{{}}}b{{\"\\t\"}}{{{}}}", path(rng, root, object), path(rng, "", object))
        }
        _ => format!("{{{}}}", path(rng, "", object)),
    }
}

#[test]
fn jsonpath() {
    let text = std::fs::read_to_string(tests::fixture("differential/jsonpath.yaml")).expect("the fixture can be read");
    let object: Value = serde_yaml::from_str(&text).expect("the fixture is YAML");
    let mut rng = Rng::with_seed(1);
    let templates: Vec<String> = (0..1000).map(|_| template(&mut rng, &object)).collect();
    compare_templates("jsonpath", "{\"\\n\"}", &templates);
}
