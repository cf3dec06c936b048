//! Nodes applied to data.

use super::{Node, Slice};
use crate::go_format;
use shared_types::json::Value;
use std::cmp::Ordering;

type Result<T> = std::result::Result<T, String>;

/// What a `range` over `null` hands on: no value at all, which prints in another way.
static NO_VALUE: Value = Value::Null;

/// A value as it stands in the output.
pub(super) fn print(value: &Value) -> String {
    match value {
        value if std::ptr::eq(value, &NO_VALUE) => "<no value>".into(),
        Value::Array(_) | Value::Object(_) => shared_types::json::to_json(value),
        Value::Null => "null".into(),
        other => go_format::plain(other),
    }
}

pub(super) struct Evaluator<'a> {
    nodes: &'a [Node],
    allow_missing: bool,
    /// A `range` has been met, whose results are to be walked through.
    begin: bool,
    /// How many ranges are open.
    open: usize,
    /// An `end` has been met.
    end: bool,
    /// Where the last `end` was.
    last_end: Option<usize>,
}

impl<'a> Evaluator<'a> {
    pub fn new(allow_missing: bool, nodes: &'a [Node]) -> Evaluator<'a> {
        Evaluator { nodes, allow_missing, begin: false, open: 0, end: false, last_end: None }
    }

    pub fn run(&mut self, data: &'a Value) -> Result<Vec<Vec<&'a Value>>> {
        self.run_from(0, data)
    }

    fn run_from(&mut self, start: usize, data: &'a Value) -> Result<Vec<Vec<&'a Value>>> {
        let nodes = self.nodes;
        let mut all = Vec::new();
        let mut at = start;
        while at < nodes.len() {
            let results = self.walk(vec![data], &nodes[at])?;
            if std::mem::take(&mut self.end) {
                self.last_end = Some(at);
                break;
            }
            if std::mem::take(&mut self.begin) {
                self.open += 1;
                for value in &results {
                    let value = if value.is_null() { &NO_VALUE } else { value };
                    all.extend(self.run_from(at + 1, value)?);
                }
                if results.is_empty() {
                    // Nothing to show, but the end of the range is to be found.
                    self.run_from(at + 1, &Value::Null)?;
                }
                self.open -= 1;
                at = self.last_end.filter(|end| *end > at).unwrap_or(at);
            } else {
                all.push(results);
            }
            at += 1;
        }
        Ok(all)
    }

    fn walk_all(&mut self, values: Vec<&'a Value>, nodes: &'a [Node]) -> Result<Vec<&'a Value>> {
        nodes.iter().try_fold(values, |values, node| self.walk(values, node))
    }

    fn walk(&mut self, values: Vec<&'a Value>, node: &'a Node) -> Result<Vec<&'a Value>> {
        match node {
            Node::Literal(value) => Ok(vec![value]),
            Node::Action(nodes) => self.walk_all(values, nodes),
            Node::Field(name) => {
                let found: Vec<&Value> = values.iter().filter_map(|value| value.as_object()?.get(name)).collect();
                if found.is_empty() && !values.is_empty() && !self.allow_missing {
                    return Err(format!("{name} is not found"));
                }
                Ok(found)
            }
            Node::Wildcard => Ok(values.into_iter().flat_map(children).collect()),
            Node::Recursive => {
                let mut found = Vec::new();
                values.into_iter().for_each(|value| descend(value, &mut found));
                Ok(found)
            }
            Node::Slice(slice) => {
                let mut found = Vec::new();
                for value in values.into_iter().filter(|value| !value.is_null()) {
                    let Value::Array(items) = value else {
                        return Err(format!("{} is not array or slice", go_format::type_name(value)));
                    };
                    let Some((start, end)) = bounds(slice, items.len())? else { return Ok(found) };
                    let step = match slice.step {
                        Some(step) if step <= 0 => return Err("step must be > 0".into()),
                        step => step.unwrap_or(1) as usize,
                    };
                    found.extend(items[start..end].iter().step_by(step));
                }
                Ok(found)
            }
            Node::Union(members) => {
                let mut found = Vec::new();
                for member in members {
                    found.extend(self.walk_all(values.clone(), member)?);
                }
                Ok(found)
            }
            Node::Exists(nodes) => {
                let mut found = Vec::new();
                for value in values {
                    for item in elements(value)? {
                        let exists = match self.walk_all(vec![item], nodes) {
                            Ok(results) => !results.is_empty(),
                            // An index that lies outside leaves the list, and so there is something.
                            Err(why) => !why.ends_with(" is not found"),
                        };
                        if exists {
                            found.push(item);
                        }
                    }
                }
                Ok(found)
            }
            Node::Filter { left, operator, right } => {
                let mut found = Vec::new();
                for value in values {
                    for item in elements(value)? {
                        let Some(left) = only(self.walk_all(vec![item], left)?)? else { continue };
                        let Some(right) = only(self.walk_all(vec![item], right)?)? else { continue };
                        if holds(left, operator, right)? {
                            found.push(item);
                        }
                    }
                }
                Ok(found)
            }
            Node::Word(word) => match word.as_str() {
                "range" => {
                    self.begin = true;
                    Ok(values)
                }
                "end" if self.open == 0 => Err("not in range, nothing to end".into()),
                "end" => {
                    self.end = true;
                    Ok(Vec::new())
                }
                _ => Err(format!("unrecognized identifier {word}")),
            },
        }
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(map) => Box::new(map.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// The value, if it is a string or holds other values, and all such inside of it.
fn descend<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    if value.is_string() {
        return found.push(value);
    }
    let mut inner = children(value).peekable();
    if inner.peek().is_some() {
        found.push(value);
        inner.for_each(|child| descend(child, found));
    }
}

/// Where a slice begins and ends in a list; `None` where it is empty by what it says.
fn bounds(slice: &Slice, length: usize) -> Result<Option<(usize, usize)>> {
    let length = length as i64;
    let mut start = slice.start.unwrap_or(0);
    if start < 0 {
        start += length;
    }
    let mut end = slice.end.unwrap_or(length);
    if end < 0 || (end == 0 && slice.single) {
        end += length;
    }
    let outside = |index: i64| Err(format!("array index out of bounds: index {index}, length {length}"));
    if start == end {
        return Ok(None);
    }
    if start >= length || start < 0 {
        return outside(start);
    }
    if end > length || end < 0 {
        return outside(end - 1);
    }
    if start > end {
        return Err(format!("starting index {start} is greater than ending index {end}"));
    }
    Ok(Some((start as usize, end as usize)))
}

fn elements(value: &Value) -> Result<&[Value]> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Null => Err("<nil> is not array or slice and cannot be filtered".into()),
        other => Err(format!("{} is not array or slice and cannot be filtered", go_format::plain(other))),
    }
}

fn only(values: Vec<&Value>) -> Result<Option<&Value>> {
    match values.as_slice() {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err("can only compare one element at a time".into()),
    }
}

/// Compares values of one type. Truth values are only equal or not.
fn holds(left: &Value, operator: &str, right: &Value) -> Result<bool> {
    let wrong_type = || "invalid type for comparison".to_string();
    let order = match (left, right) {
        (Value::Null | Value::Array(_) | Value::Object(_), _)
        | (_, Value::Null | Value::Array(_) | Value::Object(_)) => {
            return Err(wrong_type());
        }
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => match operator {
            "==" | "!=" => left.cmp(right),
            _ => return Err(wrong_type()),
        },
        (Value::Number(left), Value::Number(right)) if left.is_f64() == right.is_f64() => {
            match (left.as_i64(), right.as_i64()) {
                (Some(left), Some(right)) => left.cmp(&right),
                _ => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal),
            }
        }
        _ => return Err("incompatible types for comparison".into()),
    };
    match operator {
        "==" => Ok(order.is_eq()),
        "!=" => Ok(order.is_ne()),
        "<" => Ok(order.is_lt()),
        "<=" => Ok(order.is_le()),
        ">" => Ok(order.is_gt()),
        ">=" => Ok(order.is_ge()),
        _ => Err(format!("unrecognized filter operator {operator}")),
    }
}
