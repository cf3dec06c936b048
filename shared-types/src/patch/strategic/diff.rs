//! Making a strategic merge patch from two or three states of an object.

use super::{
    DELETE_FROM_PRIMITIVE_LIST, Error, Member, PATCH, RETAIN_KEYS, SET_ELEMENT_ORDER, Shape, holds_objects, identity,
};
use crate::json::{CompactString, Object, Value, json};
use crate::schema::Struct;

/// Which differences a patch is to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Differences {
    All,
    Deletions,
    ChangesAndAdditions,
}

impl Differences {
    fn deletions(self) -> bool {
        self != Differences::ChangesAndAdditions
    }
    fn changes(self) -> bool {
        self != Differences::Deletions
    }
}

/// The patch that makes `modified` from `original`, both of type `ty`. Empty where they are equal.
///
/// # Errors
/// If an item of a merged list has no merge key, or a list holds what no list may.
pub fn two_way_diff(ty: &'static Struct, original: &Value, modified: &Value) -> Result<Value, Error> {
    diff(original, modified, Shape::Struct(ty), Differences::All)
}

/// The patch that takes `current` to `modified`, taking out of it only what `original` had: what `kubectl apply` sends,
/// where `original` is the configuration that was applied last (`Null` if there was none).
///
/// # Errors
/// As for [`two_way_diff`].
pub fn three_way_diff(
    ty: &'static Struct,
    original: &Value,
    modified: &Value,
    current: &Value,
) -> Result<Value, Error> {
    let shape = Shape::Struct(ty);
    let mut patch = diff(original, modified, shape, Differences::Deletions)?;
    let changes = diff(current, modified, shape, Differences::ChangesAndAdditions)?;
    if let (Value::Object(patch), Value::Object(changes)) = (&mut patch, changes) {
        combine(patch, changes, shape);
    }
    Ok(patch)
}

fn diff(original: &Value, modified: &Value, shape: Shape, differences: Differences) -> Result<Value, Error> {
    let none = Object::new();
    let [original, modified] = [original, modified].map(|value| value.as_object().unwrap_or(&none));
    Ok(Value::Object(diff_maps(original, modified, shape, differences, false)?))
}

fn diff_maps(
    original: &Object,
    modified: &Object,
    shape: Shape,
    differences: Differences,
    retain_keys: bool,
) -> Result<Object, Error> {
    let mut patch = Object::new();
    for (name, new) in modified {
        let member = shape.member(name);
        match (original.get(name), new) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                let inner = diff_maps(old, new, member.shape, differences, member.retains_keys())?;
                if !inner.is_empty() {
                    patch.insert(name.clone(), Value::Object(inner));
                }
            }
            (Some(Value::Array(old)), Value::Array(new)) if member.merges() => {
                diff_lists(name, old, new, member, differences, &mut patch)?;
            }
            (_, new) if differences.changes() => {
                patch.insert(name.clone(), new.clone());
            }
            _ => {}
        }
    }
    let gone: Vec<&CompactString> = original.keys().filter(|name| !modified.contains_key(name)).collect();
    if retain_keys && (!patch.is_empty() || !gone.is_empty()) {
        let keys: Vec<&CompactString> =
            modified.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name).collect();
        if !keys.is_empty() {
            patch.insert(RETAIN_KEYS, json!(keys));
        }
    }
    if differences.deletions() {
        patch.extend(gone.into_iter().map(|name| (name.clone(), Value::Null)));
    }
    Ok(patch)
}

/// Adds to `patch` what differs between two states of the merged list `name`.
fn diff_lists(
    name: &str,
    original: &[Value],
    modified: &[Value],
    member: Member,
    differences: Differences,
    patch: &mut Object,
) -> Result<(), Error> {
    if original.is_empty() {
        if differences.changes() && !modified.is_empty() {
            patch.insert(name, modified.into());
        }
        return Ok(());
    }
    let (changes, deletions, order) = if holds_objects(original.iter().chain(modified))? {
        let key = member.key().ok_or_else(|| Error::Other("cannot merge lists without merge key".into()))?;
        let (changes, deletions) = diff_items(original, modified, member, key, differences)?;
        let same_order = original.iter().map(|item| item.get(key)).eq(modified.iter().map(|item| item.get(key)));
        let order = (!deletions.is_empty() || differences.changes() && (!changes.is_empty() || !same_order))
            .then(|| modified.iter().map(|item| json!({key: item.get(key)})).collect::<Value>());
        // Items are deleted in the list itself.
        ([changes, deletions].concat(), Vec::new(), order)
    } else {
        let missing = |from: &[Value], of: &[Value]| -> Vec<Value> {
            of.iter().filter(|item| !from.contains(item)).cloned().collect()
        };
        let changes = if differences.changes() { missing(original, modified) } else { Vec::new() };
        let deletions = if differences.deletions() { missing(modified, original) } else { Vec::new() };
        let order = (!deletions.is_empty() || differences.changes()).then(|| Value::from(modified));
        (changes, deletions, order)
    };
    if !changes.is_empty() {
        patch.insert(name, changes.into());
    }
    if !deletions.is_empty() {
        patch.insert(format!("{DELETE_FROM_PRIMITIVE_LIST}{name}"), deletions.into());
    }
    if let Some(order) = order.filter(|order| order.as_array().is_some_and(|order| !order.is_empty())) {
        patch.insert(format!("{SET_ELEMENT_ORDER}{name}"), order);
    }
    Ok(())
}

/// The changed and added items in their new order, and a `$patch: delete` for each that is gone.
fn diff_items(
    original: &[Value],
    modified: &[Value],
    member: Member,
    key: &str,
    differences: Differences,
) -> Result<(Vec<Value>, Vec<Value>), Error> {
    fn keyed<'v>(item: &'v Value, key: &str) -> Result<(&'v Object, &'v Value), Error> {
        let item = item.as_object().ok_or(Error::LISTS_OF_LISTS)?;
        item.get(key).map(|value| (item, value)).ok_or_else(|| Error::no_merge_key(item, key))
    }
    let mut changes = Vec::new();
    let mut deletions = Vec::new();
    for item in modified {
        let (new, value) = keyed(item, key)?;
        match original.iter().find(|item| identity(item, Some(key)) == Some(value)) {
            Some(Value::Object(old)) => {
                let mut inner = diff_maps(old, new, member.shape, differences, member.retains_keys())?;
                if !inner.is_empty() {
                    inner.insert(key, value.clone());
                    changes.push(Value::Object(inner));
                }
            }
            _ if differences.changes() => changes.push(item.clone()),
            _ => {}
        }
    }
    for item in original {
        let (_, value) = keyed(item, key)?;
        if differences.deletions() && !modified.iter().any(|item| identity(item, Some(key)) == Some(value)) {
            deletions.push(json!({PATCH: "delete", key: value}));
        }
    }
    Ok((changes, deletions))
}

/// Makes one patch of two: adds `other` to `patch`, and where both say something of a primitive `other` counts.
fn combine(patch: &mut Object, other: Object, shape: Shape) {
    for (name, value) in other {
        let member = shape.member(&name);
        // The order sorts before the list itself, so that it has been taken over already.
        let order = patch.get(&format!("{SET_ELEMENT_ORDER}{name}")).and_then(Value::as_array).cloned();
        match (patch.get_mut(&name), value) {
            (Some(Value::Object(ours)), Value::Object(theirs)) => combine(ours, theirs, member.shape),
            (Some(Value::Array(ours)), Value::Array(theirs)) if member.merges() => {
                let mut items = theirs;
                for ours in std::mem::take(ours) {
                    let same = items.iter_mut().find(|item| {
                        identity(item, member.key()).is_some_and(|id| identity(&ours, member.key()) == Some(id))
                    });
                    match (same, ours) {
                        (Some(Value::Object(theirs)), Value::Object(mut ours)) => {
                            combine(&mut ours, std::mem::take(theirs), member.shape);
                            *theirs = ours;
                        }
                        (Some(_), _) => {}
                        (None, ours) => items.push(ours),
                    }
                }
                items.sort_by_key(|item| {
                    let place = |order: &Vec<Value>| {
                        order.iter().position(|o| identity(o, member.key()) == identity(item, member.key()))
                    };
                    order.as_ref().and_then(place).unwrap_or(usize::MAX)
                });
                *ours = items;
            }
            (_, value) => {
                patch.insert(name, value);
            }
        }
    }
}
