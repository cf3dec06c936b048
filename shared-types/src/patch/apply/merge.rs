//! Merging a configuration into an object, and taking fields out of one.

use super::field_set::{FieldSet, children, mark};
use super::shape::{Items, Shape};
use crate::json::{Object, Value};
use crate::schema::Struct;
use std::collections::HashMap;

/// The object with what `config` says: its leaves count, lists whose items have an identity are merged item by item.
pub(super) fn merge(ty: &'static Struct, live: &Value, config: &Value) -> Value {
    let mut merged = live.clone();
    merge_into(&mut merged, config, Shape::Struct(ty));
    merged
}

fn merge_into(live: &mut Value, config: &Value, shape: Shape) {
    match (shape, live, config) {
        (Shape::Struct(_) | Shape::Map(_), Value::Object(live), Value::Object(config)) => {
            for (name, value) in config {
                let shape = member_shape(shape, name);
                match live.get_mut(name) {
                    Some(live) => merge_into(live, value, shape),
                    None => {
                        live.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Shape::Items(items), Value::Array(live), Value::Array(config)) => merge_items(live, config, items),
        // `null` says nothing of what is in a map or a list of items.
        (Shape::Struct(_) | Shape::Map(_) | Shape::Items(_), Value::Object(_) | Value::Array(_), Value::Null) => {}
        (_, live, config) => live.clone_from(config),
    }
}

fn member_shape(shape: Shape, name: &str) -> Shape {
    match shape {
        Shape::Struct(ty) => ty.field(name).map_or(Shape::Leaf, Shape::of_field),
        Shape::Map(values) => Shape::of(values, None),
        _ => Shape::Leaf,
    }
}

/// Merges the items. Those of the configuration stand in its order; items that only the object has stay where they stand
/// relative to the first of the common ones that follows them in both.
fn merge_items(live: &mut Vec<Value>, config: &[Value], items: Items) {
    let wanted: Vec<String> = config.iter().map(|item| items.stored_element(item)).collect();
    let places: HashMap<&str, usize> =
        wanted.iter().enumerate().map(|(place, element)| (element.as_str(), place)).collect();
    // What the configuration adds to or changes in, and in between what only the object has.
    let mut common: HashMap<usize, Value> = HashMap::new();
    let mut theirs: Vec<(Option<usize>, Value)> = Vec::new();
    for item in live.drain(..) {
        match places.get(items.stored_element(&item).as_str()) {
            Some(&place) => {
                // Of items with the same identity the first counts.
                common.entry(place).or_insert(item);
                theirs.push((Some(place), Value::Null));
            }
            None => theirs.push((None, item)),
        }
    }
    let mut next_common: Vec<usize> = common.keys().copied().collect();
    next_common.sort_unstable_by(|a, b| b.cmp(a));
    let mut theirs = theirs.into_iter().peekable();
    for (place, item) in config.iter().enumerate() {
        while let Some((at, other)) = theirs.next_if(|(at, _)| at.is_none() || *at != next_common.last().copied()) {
            if at.is_none() {
                live.push(other);
            }
        }
        live.push(match common.remove(&place) {
            Some(mut ours) => {
                merge_into(&mut ours, item, items.item_shape());
                next_common.retain(|next| *next != place);
                ours
            }
            None => item.clone(),
        });
    }
    live.extend(theirs.filter(|(at, _)| at.is_none()).map(|(_, other)| other));
}

/// Takes the members of `fields` out of an object, with all that is below them.
pub(super) fn remove(ty: &'static Struct, object: &mut Value, fields: &FieldSet) {
    remove_fields(object, fields.root(), Shape::Struct(ty));
}

fn is_member(node: &Object) -> bool {
    node.is_empty() || node.contains_key(".")
}

/// Takes out what `node` names. What is left empty goes as a whole: true where nothing is left of `value`.
fn remove_fields(value: &mut Value, node: &Object, shape: Shape) -> bool {
    match (shape, value) {
        (Shape::Struct(_) | Shape::Map(_), Value::Object(members)) => {
            for (element, child) in children(node) {
                let Some(name) = element.strip_prefix("f:") else { continue };
                let gone = match members.get_mut(name) {
                    Some(_) if is_member(child) => true,
                    Some(value) => remove_fields(value, child, member_shape(shape, name)),
                    None => false,
                };
                if gone {
                    members.remove(name);
                }
            }
            members.is_empty()
        }
        (Shape::Items(items), Value::Array(list)) => {
            list.retain_mut(|item| match node.get(&items.stored_element(item)).and_then(Value::as_object) {
                Some(child) if is_member(child) => false,
                Some(child) => {
                    remove_fields(item, child, items.item_shape());
                    true
                }
                None => true,
            });
            list.is_empty()
        }
        _ => false,
    }
}

/// The set, with the fields of structs as members wherever something below them is: who manages a field of a struct is
/// taken to manage the struct.
pub(super) fn with_parents(ty: &'static Struct, fields: &FieldSet) -> FieldSet {
    let mut root = fields.root().clone();
    mark_parents(&mut root, Shape::Struct(ty));
    FieldSet::new(root)
}

fn mark_parents(node: &mut Object, shape: Shape) {
    for (element, child) in node.iter_mut().filter(|(element, _)| *element != ".") {
        let Value::Object(child) = child else { continue };
        let (field, shape) = match (shape, element.strip_prefix("f:")) {
            (Shape::Struct(ty), Some(name)) => (ty.field(name).is_some(), member_shape(shape, name)),
            (Shape::Map(_), Some(name)) => (false, member_shape(shape, name)),
            (Shape::Items(items), None) => (false, items.item_shape()),
            _ => (false, Shape::Leaf),
        };
        mark_parents(child, shape);
        if field {
            mark(child);
        }
    }
}
