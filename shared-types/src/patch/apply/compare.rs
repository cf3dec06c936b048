//! Which fields an object has, and which differ between two.

use super::field_set::{FieldSet, mark};
use super::shape::{Items, Shape, written};
use crate::json::{CompactString, Object, Value};
use crate::schema::{Field, Struct, Type};
use std::collections::BTreeMap;

/// How two states of an object differ.
#[derive(Debug, Default, PartialEq)]
pub struct Comparison {
    /// What was added or has another value.
    pub changed: FieldSet,
    /// What is gone.
    pub removed: FieldSet,
}

/// Compares two states of an object of type `ty`. Lists and maps that come or go with items count as fields themselves.
pub fn compare(ty: &'static Struct, old: &Value, new: &Value) -> Comparison {
    let (changed, removed) = compare_values(Some(old), Some(new), Shape::Struct(ty));
    let set = |root: Option<Object>| FieldSet::new(root.unwrap_or_default());
    Comparison { changed: set(changed), removed: set(removed) }
}

/// Nodes of the sets of changed and removed fields, where there is anything to say.
type Nodes = (Option<Object>, Option<Object>);

fn leaf(old: Option<&Value>, new: Option<&Value>) -> Nodes {
    match (old, new) {
        (_, Some(_)) => (Some(Object::new()), None),
        (Some(_), None) => (None, Some(Object::new())),
        (None, None) => (None, None),
    }
}

fn is_nothing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(members)) => members.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

fn compare_values(old: Option<&Value>, new: Option<&Value>, shape: Shape) -> Nodes {
    if old == new {
        return (None, None);
    }
    let mut nodes = (Object::new(), Object::new());
    match shape {
        Shape::Struct(ty) => compare_structs(old, new, ty, &mut nodes),
        // Empty is not the same as absent.
        _ if is_nothing(old) && is_nothing(new) => return leaf(old, new),
        Shape::Map(values) => compare_maps(old, new, values, &mut nodes),
        Shape::Items(items) => compare_items(old, new, items, &mut nodes),
        Shape::Leaf => return leaf(old, new),
    }
    let (mut changed, mut removed) = nodes;
    if old.is_none() {
        mark(&mut changed);
        return (Some(changed), None);
    }
    if new.is_none() {
        mark(&mut removed);
        return (None, Some(removed));
    }
    ((!changed.is_empty()).then_some(changed), (!removed.is_empty()).then_some(removed))
}

fn members(value: Option<&Value>) -> Option<&Object> {
    value.and_then(Value::as_object)
}

/// The element of a field or of a map's key.
fn field_element(name: &str) -> CompactString {
    let mut element = CompactString::with_capacity("f:".len() + name.len());
    element.push_str("f:");
    element.push_str(name);
    element
}

fn add(nodes: &mut (Object, Object), element: CompactString, differences: Nodes) {
    match differences {
        (Some(changed), None) => drop(nodes.0.insert(element, Value::Object(changed))),
        (None, Some(removed)) => drop(nodes.1.insert(element, Value::Object(removed))),
        (Some(changed), Some(removed)) => {
            nodes.0.insert(element.clone(), Value::Object(changed));
            nodes.1.insert(element, Value::Object(removed));
        }
        (None, None) => {}
    }
}

fn compare_structs(old: Option<&Value>, new: Option<&Value>, ty: &'static Struct, nodes: &mut (Object, Object)) {
    let (old, new) = (members(old), members(new));
    let mut compare_field = |field: &'static Field, before: Option<&Value>, after: Option<&Value>| {
        let before = old.and_then(|_| written(field, before));
        let after = new.and_then(|_| written(field, after));
        let differences = compare_values(before, after, Shape::of_field(field));
        if differences.0.is_some() || differences.1.is_some() {
            add(nodes, field_element(&field.name), differences);
        }
    };
    for_each_field(old, new, &mut |name, before, after| {
        if let Some(field) = ty.field(name) {
            compare_field(field, before, after);
        }
    });
    let absent = |object: Option<&Object>, name: &str| object.is_some_and(|object| !object.contains_key(name));
    // What neither has but one of them writes nevertheless: only where the other does not exist at all.
    if old.is_none() != new.is_none() {
        for field in ty.fields.iter().filter(|field| !field.omitempty) {
            if absent(old.or(new), &field.name) {
                compare_field(field, None, None);
            }
        }
    }
}

/// Visits the fields that either object has, in order, with what each has there.
fn for_each_field<'o>(
    old: Option<&'o Object>,
    new: Option<&'o Object>,
    visit: &mut impl FnMut(&'o str, Option<&'o Value>, Option<&'o Value>),
) {
    let mut old = old.into_iter().flatten().peekable();
    let mut new = new.into_iter().flatten().peekable();
    loop {
        let name = match (old.peek(), new.peek()) {
            (Some((a, _)), Some((b, _))) => (*a).min(*b),
            (Some((a, _)), None) => *a,
            (None, Some((b, _))) => *b,
            (None, None) => return,
        };
        let before = old.next_if(|(a, _)| *a == name).map(|(_, value)| value);
        let after = new.next_if(|(b, _)| *b == name).map(|(_, value)| value);
        visit(name, before, after);
    }
}

fn compare_maps(old: Option<&Value>, new: Option<&Value>, values: &'static Type, nodes: &mut (Object, Object)) {
    let (old, new) = (members(old), members(new));
    for_each_field(old, new, &mut |name, before, after| {
        let differences = compare_values(before, after, Shape::of(values, None));
        if differences.0.is_some() || differences.1.is_some() {
            add(nodes, field_element(name), differences);
        }
    });
}

fn compare_items(old: Option<&Value>, new: Option<&Value>, items: Items, nodes: &mut (Object, Object)) {
    let shape = items.item_shape();
    let mut old = group(old, items);
    for (element, after) in group(new, items) {
        let before = old.remove(&element).unwrap_or_default();
        let differences = match (before.as_slice(), after.as_slice()) {
            (before @ ([] | [_]), [after]) => compare_values(before.first().copied(), Some(after), shape),
            (before, after) if before == after => (None, None),
            _ => (Some(Object::new()), None),
        };
        add(nodes, element, differences);
    }
    for (element, before) in old {
        let differences = match before.as_slice() {
            [before] => compare_values(Some(before), None, shape),
            _ => (None, Some(Object::new())),
        };
        add(nodes, element, differences);
    }
}

/// The items by their path elements. Only lists that were never validated have more than one item for an element.
fn group(list: Option<&Value>, items: Items) -> BTreeMap<CompactString, Vec<&Value>> {
    let mut map: BTreeMap<CompactString, Vec<&Value>> = BTreeMap::new();
    for item in list.and_then(Value::as_array).into_iter().flatten() {
        map.entry(items.stored_element(item).into()).or_default().push(item);
    }
    map
}

/// The fields that a configuration names, which need not be a whole object.
///
/// # Errors
/// If an item of a list has no identity.
pub fn field_set(ty: &'static Struct, config: &Value) -> Result<FieldSet, String> {
    Ok(FieldSet::new(fields_of(config, Shape::Struct(ty))?.unwrap_or_default()))
}

/// The node of a value's fields; `None` where it has none (an empty list or map, of which the owner is told apart).
fn fields_of(value: &Value, shape: Shape) -> Result<Option<Object>, String> {
    let mut node = Object::new();
    match (shape, value) {
        (Shape::Leaf, _) => return Ok(Some(node)),
        (Shape::Struct(ty), Value::Object(members)) => {
            for (name, value) in members {
                let shape = ty.field(name).map_or(Shape::Leaf, Shape::of_field);
                if let Some(inner) = member_fields(value, shape)? {
                    node.insert(field_element(name), Value::Object(inner));
                }
            }
        }
        (Shape::Map(values), Value::Object(members)) => {
            for (name, value) in members {
                let mut inner = member_fields(value, Shape::of(values, None))?.unwrap_or_default();
                mark(&mut inner);
                node.insert(field_element(name), Value::Object(inner));
            }
        }
        (Shape::Items(items), Value::Array(list)) => {
            for item in list {
                let mut inner = fields_of(item, items.item_shape())?.unwrap_or_default();
                mark(&mut inner);
                node.insert(items.element(item)?, Value::Object(inner));
            }
        }
        _ => {}
    }
    Ok((!node.is_empty()).then_some(node))
}

fn member_fields(value: &Value, shape: Shape) -> Result<Option<Object>, String> {
    let fields = fields_of(value, shape)?;
    // `null` and the empty map are values that can be managed.
    let empty = value.is_null() || value.as_object().is_some_and(Object::is_empty);
    Ok(fields.or_else(|| empty.then(Object::new)))
}
