//! Sets of fields, in the form in which `managedFields` keeps them.

use crate::json::{Object, Value};
use std::cmp::Ordering;

/// Marks a node that has children as a member itself.
const SELF: &str = ".";

/// A set of fields: a tree whose edges are the path elements of `FieldsV1` (KEP-555) — `f:NAME` a field or map key,
/// `k:{...}` an item of a list by its keys, `v:VALUE` an item of a set, `i:N` an item by its place. A node is a member if
/// it has no children or a child `.`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldSet(Object);

impl FieldSet {
    /// The set of the given fields; each is a dotted path (`metadata.labels`).
    pub fn of(paths: &[&str]) -> FieldSet {
        let mut set = FieldSet::default();
        for path in paths {
            let fields = path
                .rsplit('.')
                .fold(Object::new(), |inner, name| Object::from_iter([(format!("f:{name}"), Value::Object(inner))]));
            set.insert_all(&FieldSet(fields));
        }
        set
    }

    /// Reads a `fieldsV1`, whose keys may be spelled in any way that means the same.
    ///
    /// # Errors
    /// If it is no set of fields.
    pub fn from_fields_v1(fields: &Value) -> Result<FieldSet, String> {
        Ok(FieldSet(canonical(fields)?))
    }

    /// The set as `fieldsV1`.
    pub fn into_fields_v1(self) -> Value {
        Value::Object(self.0)
    }

    pub(super) fn new(root: Object) -> FieldSet {
        FieldSet(root)
    }
    pub(super) fn root(&self) -> &Object {
        &self.0
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the members of `other`.
    pub fn insert_all(&mut self, other: &FieldSet) {
        insert_children(&mut self.0, &other.0);
    }

    /// [`FieldSet::insert_all`] of a set that is not needed any more.
    pub(super) fn take_in(&mut self, other: FieldSet) {
        if self.is_empty() {
            *self = other;
        } else {
            self.insert_all(&other);
        }
    }

    /// Takes out the members of `other`; what is below them stays.
    pub fn remove_all(&mut self, other: &FieldSet) {
        remove_members(&mut self.0, &other.0);
    }

    /// Takes out the members of `other` and everything below them.
    pub fn remove_below(&mut self, other: &FieldSet) {
        remove_trees(&mut self.0, &other.0);
    }

    /// The members that both have.
    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        FieldSet(common(&self.0, &other.0))
    }

    /// Whether the set has the field at `path`, a list of `FieldsV1` elements.
    pub fn contains(&self, path: &[&str]) -> bool {
        let node = path.iter().try_fold(&self.0, |node, element| node.get(element)?.as_object());
        node.is_some_and(is_member)
    }

    /// The members' paths, as conflicts print them (`.spec.ports[port=80,protocol="TCP"].name`): at each level first the
    /// members there, then those below.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        print_paths(&self.0, &mut String::new(), &mut paths);
        paths
    }
}

fn is_member(node: &Object) -> bool {
    node.is_empty() || node.contains_key(SELF)
}

/// The children of a node, without the mark.
pub(super) fn children(node: &Object) -> impl Iterator<Item = (&str, &Object)> {
    let children = node.iter().filter(|(element, _)| *element != SELF);
    children.filter_map(|(element, child)| Some((element.as_str(), child.as_object()?)))
}

/// Marks a node as a member.
pub(super) fn mark(node: &mut Object) {
    if !node.is_empty() {
        node.insert(SELF, Value::Object(Object::new()));
    }
}

fn insert_children(node: &mut Object, other: &Object) {
    for (element, theirs) in children(other) {
        match node.get_mut(element) {
            Some(Value::Object(ours)) => {
                let member = is_member(ours) || is_member(theirs);
                insert_children(ours, theirs);
                if member {
                    mark(ours);
                }
            }
            _ => {
                node.insert(element, Value::Object(theirs.clone()));
            }
        }
    }
}

fn remove_members(node: &mut Object, other: &Object) {
    for (element, theirs) in children(other) {
        let Some(Value::Object(ours)) = node.get_mut(element) else { continue };
        // A leaf loses its one member or stays; with children, the mark and the children are looked at apart.
        let gone = if ours.is_empty() {
            is_member(theirs)
        } else {
            let stays = ours.contains_key(SELF) && !is_member(theirs);
            ours.remove(SELF);
            remove_members(ours, theirs);
            if stays {
                mark(ours);
            }
            !stays && ours.is_empty()
        };
        if gone {
            node.remove(element);
        }
    }
}

fn remove_trees(node: &mut Object, other: &Object) {
    for (element, theirs) in children(other) {
        let Some(Value::Object(ours)) = node.get_mut(element) else { continue };
        let gone = if is_member(theirs) {
            true
        } else if ours.is_empty() {
            false
        } else {
            let member = ours.remove(SELF).is_some();
            remove_trees(ours, theirs);
            if member {
                mark(ours);
            }
            !member && ours.is_empty()
        };
        if gone {
            node.remove(element);
        }
    }
}

fn common(node: &Object, other: &Object) -> Object {
    let mut result = Object::new();
    for (element, theirs) in children(other) {
        let Some(Value::Object(ours)) = node.get(element) else { continue };
        let mut inner = common(ours, theirs);
        let member = is_member(ours) && is_member(theirs);
        if member {
            mark(&mut inner);
        }
        if member || !inner.is_empty() {
            result.insert(element, Value::Object(inner));
        }
    }
    result
}

fn canonical(fields: &Value) -> Result<Object, String> {
    let Value::Object(fields) = fields else { return Err(format!("expected an object, got {fields}")) };
    let mut node = Object::new();
    for (element, child) in fields {
        let child = canonical(child)?;
        let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|e| format!("{element}: {e}"));
        let element = match element.split_once(':') {
            None if element == SELF => element.clone(),
            Some(("f", _)) => element.clone(),
            Some(("k", key)) => format!("k:{}", json(key)?).into(),
            Some(("v", value)) => format!("v:{}", json(value)?).into(),
            Some(("i", index)) => format!("i:{}", index.parse::<i64>().map_err(|e| format!("{element}: {e}"))?).into(),
            // Elements of later versions are left aside.
            _ => continue,
        };
        node.insert(element, Value::Object(child));
    }
    Ok(node)
}

/// Whether a path element is an item of a list.
pub(crate) fn is_item(element: &str) -> bool {
    element.starts_with("k:{") || element.starts_with("v:")
}

/// The order of path elements: names as text, keys and values as what they stand for.
pub(crate) fn compare_elements(a: &str, b: &str) -> Ordering {
    let parsed = |element: &str| -> Option<Value> { serde_json::from_str(element.get(2..)?).ok() };
    if !(is_item(a) && is_item(b)) {
        return a.cmp(b);
    }
    match (parsed(a), parsed(b)) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let by_value = a.values().zip(b.values()).map(|(a, b)| compare_values(a, b));
            by_value.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }
        (Some(a), Some(b)) => compare_values(&a, &b),
        _ => a.cmp(b),
    }
}

fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (a, b) => a.to_string().cmp(&b.to_string()),
    }
}

/// A path element as messages print it.
pub(super) fn print_element(element: &str) -> String {
    match element.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("k", key)) => {
            let key: Object = serde_json::from_str(key).unwrap_or_default();
            let parts: Vec<String> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", parts.join(","))
        }
        Some(("v", value)) => format!("[={value}]"),
        Some(("i", index)) => format!("[{index}]"),
        _ => element.to_string(),
    }
}

fn print_paths(node: &Object, prefix: &mut String, paths: &mut Vec<String>) {
    let mut elements: Vec<_> = children(node).collect();
    elements.sort_by(|(a, _), (b, _)| compare_elements(a, b));
    for (element, child) in &elements {
        if is_member(child) {
            paths.push(format!("{prefix}{}", print_element(element)));
        }
    }
    for (element, child) in elements {
        let length = prefix.len();
        prefix.push_str(&print_element(element));
        print_paths(child, prefix, paths);
        prefix.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;
    use proptest::prelude::*;

    fn set(fields: Value) -> FieldSet {
        FieldSet::from_fields_v1(&fields).unwrap()
    }

    #[test]
    fn members_and_what_is_below_them_are_apart() {
        let mut labels = set(json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}, "f:b": {}}}}));
        labels.remove_all(&set(json!({"f:metadata": {"f:labels": {"f:a": {}}}})));
        assert_eq!(labels, set(json!({"f:metadata": {"f:labels": {".": {}, "f:b": {}}}})));
        let mut unmarked = labels.clone();
        unmarked.remove_all(&set(json!({"f:metadata": {"f:labels": {}}})));
        assert_eq!(unmarked, set(json!({"f:metadata": {"f:labels": {"f:b": {}}}})));
        labels.remove_all(&set(json!({"f:metadata": {"f:labels": {"f:b": {}}}})));
        assert_eq!(labels, set(json!({"f:metadata": {"f:labels": {}}})));
        labels.insert_all(&set(json!({"f:metadata": {"f:labels": {"f:c": {}}}})));
        assert_eq!(labels, set(json!({"f:metadata": {"f:labels": {".": {}, "f:c": {}}}})));
        labels.remove_below(&FieldSet::of(&["metadata.labels"]));
        assert!(labels.is_empty());
    }

    #[test]
    fn paths_print_members_before_what_is_below() {
        let ports = set(json!({"f:spec": {
            "f:ports": {"k:{\"protocol\": \"TCP\", \"port\":443}": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}},
            "f:type": {}, "f:finalizers": {"v:\"x\"": {}}}}));
        assert_eq!(
            ports.paths(),
            [
                ".spec.type",
                ".spec.finalizers[=\"x\"]",
                ".spec.ports[port=80,protocol=\"TCP\"]",
                ".spec.ports[port=443,protocol=\"TCP\"]",
                ".spec.ports[port=80,protocol=\"TCP\"].name",
            ]
        );
    }

    #[test]
    fn what_is_no_set_is_refused() {
        assert!(FieldSet::from_fields_v1(&json!([])).is_err());
        assert!(FieldSet::from_fields_v1(&json!({"k:{": {}})).is_err());
        assert!(FieldSet::from_fields_v1(&json!({"f:a": 1})).is_err());
    }

    fn sets() -> impl Strategy<Value = FieldSet> {
        let leaf = Just(json!({}));
        let tree = leaf.prop_recursive(3, 16, 3, |inner| {
            prop::collection::btree_map("\\.|f:[abc]|k:\\{\"n\":[12]\\}", inner, 0..4).prop_map(|map| json!(map))
        });
        // A mark has no children, and a root no mark.
        tree.prop_map(|tree| {
            fn tidy(node: &mut Value) {
                for (element, child) in node.as_object_mut().unwrap() {
                    if element == SELF {
                        *child = json!({})
                    } else {
                        tidy(child)
                    }
                    if child.as_object().unwrap().len() == 1 && child.get(SELF).is_some() {
                        *child = json!({});
                    }
                }
            }
            let mut tree = tree;
            tidy(&mut tree);
            tree.as_object_mut().unwrap().remove(SELF);
            set(tree)
        })
    }

    fn members(set: &FieldSet) -> std::collections::BTreeSet<String> {
        set.paths().into_iter().collect()
    }

    proptest! {
        #[test]
        fn sets_are_sets(a in sets(), b in sets()) {
            let (ours, theirs) = (members(&a), members(&b));
            let mut union = a.clone();
            union.insert_all(&b);
            prop_assert_eq!(members(&union), &ours | &theirs);
            let mut difference = a.clone();
            difference.remove_all(&b);
            prop_assert_eq!(members(&difference), &ours - &theirs);
            prop_assert_eq!(members(&a.intersection(&b)), &ours & &theirs);
            prop_assert_eq!(set(a.clone().into_fields_v1()), a);
        }
    }
}
