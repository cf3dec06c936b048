//! Checking a configuration against its type before it is applied.

use super::field_set::print_element;
use super::shape::{Items, Shape};
use crate::json::{CompactString, Value};
use crate::patch::go_format;
use crate::schema::{Struct, Type};
use std::collections::HashSet;

/// What is wrong with a configuration, as `.spec.replica: field not declared in schema`.
pub(super) fn validate(ty: &'static Struct, config: &Value) -> Vec<String> {
    let mut walker = Walker { path: String::new(), errors: Vec::new() };
    walker.check_struct(config, ty);
    walker.errors
}

struct Walker {
    path: String,
    errors: Vec<String>,
}

impl Walker {
    fn error(&mut self, message: &str) {
        let separator = if self.path.is_empty() { "" } else { ": " };
        self.errors.push(format!("{}{separator}{message}", self.path));
    }

    fn below(&mut self, element: &str, check: impl FnOnce(&mut Walker)) {
        let length = self.path.len();
        self.path.push_str(element);
        check(self);
        self.path.truncate(length);
    }

    fn check(&mut self, value: &Value, ty: &'static Type, items: Option<Items>) {
        if value.is_null() {
            return;
        }
        match ty {
            Type::Any => {}
            Type::Struct(ty) => self.check_struct(value, ty),
            Type::Map(values) => match value {
                Value::Object(members) => {
                    for (name, value) in members {
                        self.below(&format!(".{name}"), |walker| walker.check(value, values, None));
                    }
                }
                other => self.error(&format!("expected map, got &{{{}}}", go_format(other))),
            },
            Type::List(item_type) => match value {
                Value::Array(list) => self.check_list(list, item_type, items),
                other => self.error(&format!("expected list, got &{{{}}}", go_format(other))),
            },
            Type::Int32 | Type::Int64 | Type::Float64 => {
                if !value.is_number() {
                    self.error(&format!("expected numeric (int or float), got {}", go_type(value)));
                }
            }
            Type::Bool => {
                if !value.is_boolean() {
                    self.error(&format!("expected boolean, got &{{{}}}", go_format(value)));
                }
            }
            Type::String | Type::Bytes => {
                if !value.is_string() {
                    self.error(&format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value)));
                }
            }
            Type::Quantity | Type::IntOrString | Type::Time | Type::MicroTime => {
                if value.is_object() || value.is_array() {
                    self.error(&format!("expected any scalar, got &{{{}}}", go_format(value)));
                }
            }
        }
    }

    fn check_struct(&mut self, value: &Value, ty: &'static Struct) {
        let Value::Object(members) = value else {
            self.error(&format!("expected map, got &{{{}}}", go_format(value)));
            return;
        };
        for (name, value) in members {
            self.below(&format!(".{name}"), |walker| match ty.field(name) {
                Some(field) => {
                    let items = match Shape::of_field(field) {
                        Shape::Items(items) => Some(items),
                        _ => None,
                    };
                    walker.check(value, &field.ty, items);
                }
                None => walker.error("field not declared in schema"),
            });
        }
    }

    fn check_list(&mut self, list: &[Value], item_type: &'static Type, items: Option<Items>) {
        let mut seen = HashSet::new();
        for (index, item) in list.iter().enumerate() {
            let element = match items.map(|items| items.element(item)).transpose() {
                Ok(element) => element.unwrap_or_else(|| format!("i:{index}")),
                // Without an identity, what is below cannot be named.
                Err(error) => return self.error(&format!("element {index}: {error}")),
            };
            let printed = print_element(&element);
            if !seen.insert(element) {
                self.error(&format!("duplicate entries for key {printed}"));
            }
            self.below(&printed, |walker| walker.check(item, item_type, None));
        }
    }
}

/// The Go type that a decoded value has (`%T`).
fn go_type(value: &Value) -> &'static str {
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

/// A decoded value in Go's syntax (`%#v`).
fn go_syntax(value: &Value) -> String {
    let inner = match value {
        Value::Null => return "interface {}(nil)".into(),
        Value::String(text) => return crate::go_quote::quote(text),
        Value::Array(items) => items.iter().map(go_syntax).collect::<Vec<_>>(),
        Value::Object(members) => {
            let member = |(name, value): (&CompactString, &Value)| format!("{name:?}:{}", go_syntax(value));
            members.iter().map(member).collect()
        }
        other => return other.to_string(),
    };
    format!("{}{{{}}}", go_type(value), inner.join(", "))
}
