//! Applying a strategic merge patch.

use super::{
    DELETE_FROM_PRIMITIVE_LIST, Error, Member, PATCH, RETAIN_KEYS, SET_ELEMENT_ORDER, Shape, go_format, holds_objects,
    identity,
};
use crate::json::{Object, Value};
use crate::schema::Struct;

/// Applies `patch` to `object`, which is of type `ty`. Directives are taken out of `patch` as they are obeyed; what is
/// left of it is what the API server shows when the patched object then turns out not to be valid.
///
/// # Errors
/// If the patch is malformed or a list item lacks its merge key; `object` is then partly patched.
pub fn apply(ty: &'static Struct, object: &mut Value, patch: &mut Value) -> Result<(), Error> {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => merge_map(object, patch, Shape::Struct(ty)),
        _ => Err(Error::BadFormat("strategic merge patch format is not supported")),
    }
}

fn merge_map(object: &mut Object, patch: &mut Object, shape: Shape) -> Result<(), Error> {
    match patch.get(PATCH).map(|directive| (directive.as_str().unwrap_or(""), directive)) {
        None => {}
        Some(("replace", _)) => {
            patch.remove(PATCH);
            object.clone_from(patch);
            return Ok(());
        }
        Some(("delete", _)) => {
            object.clear();
            return Ok(());
        }
        Some((_, directive)) => return Err(Error::unknown_directive(directive, patch)),
    }
    if let Some(keys) = patch.remove(RETAIN_KEYS) {
        retain_keys(object, patch, &keys)?;
    }
    let ordered: Vec<String> = patch.keys().filter_map(|k| k.strip_prefix(SET_ELEMENT_ORDER)).map(Into::into).collect();
    for name in ordered {
        merge_ordered_list(object, patch, &name, shape.member(&name))?;
    }
    for (name, value) in patch {
        let deletes = name.strip_prefix(DELETE_FROM_PRIMITIVE_LIST);
        let name = deletes.unwrap_or(name);
        let member = shape.member(name);
        match (object.get_mut(name), value) {
            (Some(Value::Array(list)), Value::Array(values)) if deletes.is_some() => {
                list.retain(|item| !values.contains(item));
            }
            (_, _) if deletes.is_some() => {}
            (_, Value::Null) => {
                object.remove(name);
            }
            (Some(Value::Object(object)), Value::Object(patch)) => merge_map(object, patch, member.shape)?,
            (Some(Value::Array(list)), Value::Array(patch)) => merge_list(list, patch, member)?,
            (_, value) => match new_content(value) {
                Some(value) => {
                    object.insert(name, value);
                }
                None => {
                    object.remove(name);
                }
            },
        }
    }
    Ok(())
}

/// Obeys `$retainKeys`: all other members go.
fn retain_keys(object: &mut Object, patch: &Object, keys: &Value) -> Result<(), Error> {
    let Value::Array(keys) = keys else { return Err(Error::BadFormat("invalid patch format of retainKeys")) };
    let retained = |name: &str| keys.iter().any(|key| key == name);
    let strange = patch.iter().any(|(name, value)| {
        let directive = name.starts_with(DELETE_FROM_PRIMITIVE_LIST) || name.starts_with(SET_ELEMENT_ORDER);
        !value.is_null() && !directive && !retained(name)
    });
    if strange {
        return Err(Error::Unprocessable("patch content doesn't match retainKeys list"));
    }
    object.retain(|name, _| retained(name));
    Ok(())
}

/// Merges the list `name` and then obeys its `$setElementOrder`. Both are taken out of the patch.
fn merge_ordered_list(object: &mut Object, patch: &mut Object, name: &str, member: Member) -> Result<(), Error> {
    let bad_format = Error::BadFormat("invalid patch format of setElementOrder list");
    let Some(order) = patch.remove(&format!("{SET_ELEMENT_ORDER}{name}")) else { return Ok(()) };
    let Value::Array(order) = order else { return Err(bad_format) };
    let changes = match patch.remove(name) {
        None => None,
        Some(Value::Array(changes)) => Some(changes),
        // Deleting or replacing the whole list needs no order.
        Some(other) => {
            patch.insert(name, other);
            return Ok(());
        }
    };
    let key = member.key();
    if let Some(changes) = &changes {
        check_order(changes, &order, key)?;
    }
    let list = match object.get_mut(name) {
        Some(Value::Array(list)) => list,
        _ => match changes {
            Some(changes) => {
                let mut list: Vec<Value> = changes.iter().filter_map(without_patches).collect();
                put_in_order(&mut list, &order, &[], key);
                object.insert(name, list.into());
                return Ok(());
            }
            None => return Ok(()),
        },
    };
    let before: Vec<Value> = list.iter().filter_map(|item| identity(item, key)).cloned().collect();
    if let Some(mut changes) = changes {
        merge_list(list, &mut changes, member)?;
    }
    put_in_order(list, &order, &before, key);
    Ok(())
}

/// The items of a patch must stand in the order that `$setElementOrder` gives.
fn check_order(changes: &[Value], order: &[Value], key: Option<&str>) -> Result<(), Error> {
    let mut rest = order.iter();
    for item in changes.iter().filter(|item| item.get(PATCH).is_none()) {
        let wanted = match (item, key) {
            (Value::Object(item), Some(key)) => item.get(key).ok_or_else(|| Error::no_merge_key(item, key))?,
            (item, _) => item,
        };
        if !rest.any(|place| identity(place, key) == Some(wanted)) {
            let [changes, order] = [changes, order].map(|list| go_format(&Value::Array(list.to_vec())));
            return Err(Error::Other(format!(
                "The order in patch list:\n{changes}\n doesn't match $setElementOrder list:\n{order}\n"
            )));
        }
    }
    Ok(())
}

fn merge_list(list: &mut Vec<Value>, patch: &mut [Value], member: Member) -> Result<(), Error> {
    if !member.merges() {
        *list = patch.to_vec();
        return Ok(());
    }
    if !holds_objects(list.iter().chain(patch.iter()))? {
        let before = list.clone();
        for item in patch.iter() {
            if !list.contains(item) {
                list.push(item.clone());
            }
        }
        put_in_order(list, patch, &before, None);
        return Ok(());
    }
    let Some(key) = member.key() else {
        return Err(Error::Other("cannot merge lists without merge key".into()));
    };
    if obey_item_directives(list, patch, key)? {
        *list = patch.iter().filter(|item| item.get(PATCH).is_none()).cloned().collect();
        return Ok(());
    }
    let before: Vec<Value> = list.iter().filter_map(|item| identity(item, Some(key))).cloned().collect();
    for item in patch.iter_mut() {
        let Value::Object(changes) = item else { continue };
        if changes.contains_key(PATCH) {
            continue;
        }
        let wanted = changes.get(key).ok_or_else(|| Error::no_merge_key(changes, key))?;
        match list.iter_mut().find(|item| item.get(key) == Some(wanted)) {
            Some(Value::Object(found)) => merge_map(found, changes, member.shape)?,
            _ => list.push(item.clone()),
        }
    }
    put_in_order(list, patch, &before, Some(key));
    Ok(())
}

/// Obeys the `$patch` of list items: takes out those that are to be deleted. True where the list is to be replaced.
fn obey_item_directives(list: &mut Vec<Value>, patch: &[Value], key: &str) -> Result<bool, Error> {
    let mut replace = false;
    for item in patch.iter().filter_map(Value::as_object) {
        let Some(directive) = item.get(PATCH) else { continue };
        match directive.as_str() {
            Some("delete") => {
                let gone = item.get(key).ok_or_else(|| Error::no_merge_key(item, key))?;
                list.retain(|item| item.get(key) != Some(gone));
            }
            Some("replace") => replace = true,
            Some("merge") => return Err(Error::Other("merging lists cannot yet be specified in the patch".into())),
            _ => return Err(Error::unknown_directive(directive, item)),
        }
    }
    Ok(replace)
}

/// Puts the items that `order` names in its order, and the others among them where they stood in `before` (identities)
/// relative to them.
fn put_in_order(list: &mut Vec<Value>, order: &[Value], before: &[Value], key: Option<&str>) {
    let place = |item: &Value| {
        let item = identity(item, key)?;
        order.iter().position(|ordered| ordered.get(PATCH).is_none() && identity(ordered, key) == Some(item))
    };
    let was_at = |item: &Value| {
        let item = identity(item, key)?;
        before.iter().position(|place| place == item)
    };
    let mut ordered = Vec::with_capacity(list.len());
    let mut others = Vec::new();
    for item in list.drain(..) {
        match place(&item) {
            Some(place) => ordered.push((place, item)),
            None => others.push(item),
        }
    }
    ordered.sort_by_key(|(place, _)| *place);
    let mut others = others.into_iter().peekable();
    for (_, item) in ordered {
        let was = was_at(&item);
        while let Some(other) = others.next_if(|other| was_at(other).zip(was).is_some_and(|(other, was)| other < was)) {
            list.push(other);
        }
        list.push(item);
    }
    list.extend(others);
}

/// A value that a member did not have before: without `null`s, and without what has a `$patch`, since there is nothing
/// that it could change. Items that a list did not have are taken as they are, on the other hand.
fn new_content(value: &Value) -> Option<Value> {
    without_patches(&without_nulls(value))
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn without_patches(value: &Value) -> Option<Value> {
    match value {
        Value::Object(members) if members.contains_key(PATCH) => None,
        Value::Object(members) => {
            Some(members.iter().filter_map(|(name, value)| Some((name.clone(), without_patches(value)?))).collect())
        }
        Value::Array(items) => Some(items.iter().filter_map(without_patches).collect()),
        other => Some(other.clone()),
    }
}
