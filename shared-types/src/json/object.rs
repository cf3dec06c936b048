//! A JSON object: fields sorted by name.

use super::Value;
use compact_str::CompactString;
use std::cmp::Ordering;
use std::fmt;

/// The fields of a JSON object, sorted by name (byte by byte), each name once.
///
/// A list in one piece: an object has few fields as a rule, and is read more often than changed. Adding a field in the
/// middle moves those behind it; many fields in any order are best added at once ([`Extend`], [`FromIterator`]), which
/// sorts them once.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Object {
    fields: Vec<(CompactString, Value)>,
}

/// Up to so many fields are looked through one by one, which is quicker than halving them.
const FEW: usize = 24;

/// The order of two names. Most differ in their first byte.
fn compare(one: &str, other: &str) -> Ordering {
    match (one.as_bytes().first(), other.as_bytes().first()) {
        (Some(a), Some(b)) if a != b => a.cmp(b),
        _ => one.cmp(other),
    }
}

impl Object {
    /// An object without fields.
    pub const fn new() -> Object {
        Object { fields: Vec::new() }
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Where the field is.
    fn position(&self, name: &str) -> Option<usize> {
        if self.fields.len() > FEW {
            return self.place(name).ok();
        }
        // Most names differ in length already.
        self.fields.iter().position(|(field, _)| field.len() == name.len() && field.as_str() == name)
    }

    /// Where the field is, or where it would be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        // What is built in order is added at the end.
        match self.fields.last() {
            Some((last, _)) if compare(last, name).is_lt() => Err(self.fields.len()),
            _ => self.fields.binary_search_by(|(field, _)| compare(field, name)),
        }
    }

    /// The field `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|at| &self.fields[at].1)
    }

    /// The field `name`, for writing.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.position(name).map(|at| &mut self.fields[at].1)
    }

    /// Whether there is a field `name`.
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Sets a field, and gives the value that it had.
    pub fn insert(&mut self, name: impl Into<CompactString>, value: Value) -> Option<Value> {
        let name = name.into();
        match self.place(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.fields[at].1, value)),
            Err(at) => {
                self.fields.insert(at, (name, value));
                None
            }
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.position(name).map(|at| self.fields.remove(at).1)
    }

    /// The place of a field, there or not yet.
    pub fn entry<'o, 'n>(&'o mut self, name: &'n str) -> Entry<'o, 'n> {
        Entry { place: self.place(name), name, object: self }
    }

    /// Keeps the fields that `keep` is true of.
    pub fn retain(&mut self, mut keep: impl FnMut(&CompactString, &mut Value) -> bool) {
        self.fields.retain_mut(|(name, value)| keep(name, value));
    }

    /// Takes all fields out.
    pub fn clear(&mut self) {
        self.fields.clear();
    }

    /// The fields, in order.
    pub fn iter(&self) -> Iter<'_> {
        self.fields.iter().map(|(name, value)| (name, value))
    }

    /// The fields, in order, their values for writing.
    pub fn iter_mut(&mut self) -> IterMut<'_> {
        self.fields.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// The names, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &CompactString> + ExactSizeIterator + Clone {
        self.fields.iter().map(|(name, _)| name)
    }

    /// The values, in the order of their names.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator + Clone {
        self.fields.iter().map(|(_, value)| value)
    }

    /// The values, in the order of their names, for writing.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Value> + ExactSizeIterator {
        self.fields.iter_mut().map(|(_, value)| value)
    }

    /// The values, in the order of their names.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = Value> + ExactSizeIterator {
        self.fields.into_iter().map(|(_, value)| value)
    }

    /// An object of fields in any order; of those with one name the last counts.
    pub fn from_unsorted(fields: Vec<(CompactString, Value)>) -> Object {
        let mut object = Object { fields };
        object.sort();
        object
    }

    /// Puts fields in order that were added in any; of those with one name the last stays.
    fn sort(&mut self) {
        if self.fields.is_sorted_by(|(one, _), (next, _)| one < next) {
            return;
        }
        self.fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        // Each takes the place of an equal one before it.
        self.fields.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                std::mem::swap(next, kept);
            }
            same
        });
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl std::ops::Index<&str> for Object {
    type Output = Value;
    /// # Panics
    /// When there is no such field.
    fn index(&self, name: &str) -> &Value {
        self.get(name).expect("no such field")
    }
}

impl std::ops::IndexMut<&str> for Object {
    fn index_mut(&mut self, name: &str) -> &mut Value {
        self.get_mut(name).expect("no such field")
    }
}

impl<K: Into<CompactString>, V: Into<Value>> Extend<(K, V)> for Object {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, fields: I) {
        self.fields.extend(fields.into_iter().map(|(name, value)| (name.into(), value.into())));
        self.sort();
    }
}

impl<K: Into<CompactString>, V: Into<Value>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(fields: I) -> Object {
        let mut object = Object::new();
        object.extend(fields);
        object
    }
}

impl<K: Into<CompactString>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Object {
    fn from(fields: [(K, V); N]) -> Object {
        fields.into_iter().collect()
    }
}

/// The fields of an object.
pub type Iter<'o> = std::iter::Map<
    std::slice::Iter<'o, (CompactString, Value)>,
    fn(&'o (CompactString, Value)) -> (&'o CompactString, &'o Value),
>;
/// The fields of an object, their values for writing.
pub type IterMut<'o> = std::iter::Map<
    std::slice::IterMut<'o, (CompactString, Value)>,
    fn(&'o mut (CompactString, Value)) -> (&'o CompactString, &'o mut Value),
>;

impl IntoIterator for Object {
    type Item = (CompactString, Value);
    type IntoIter = std::vec::IntoIter<(CompactString, Value)>;
    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

impl<'o> IntoIterator for &'o Object {
    type Item = (&'o CompactString, &'o Value);
    type IntoIter = Iter<'o>;
    fn into_iter(self) -> Iter<'o> {
        self.iter()
    }
}

impl<'o> IntoIterator for &'o mut Object {
    type Item = (&'o CompactString, &'o mut Value);
    type IntoIter = IterMut<'o>;
    fn into_iter(self) -> IterMut<'o> {
        self.iter_mut()
    }
}

/// The place of a field in an object.
pub struct Entry<'o, 'n> {
    object: &'o mut Object,
    name: &'n str,
    place: Result<usize, usize>,
}

impl<'o> Entry<'o, '_> {
    /// The field, made by `make` where it is not there.
    pub fn or_insert_with(self, make: impl FnOnce() -> Value) -> &'o mut Value {
        let at = match self.place {
            Ok(at) => at,
            Err(at) => {
                self.object.fields.insert(at, (self.name.into(), make()));
                at
            }
        };
        &mut self.object.fields[at].1
    }

    /// The field, set to `value` where it is not there.
    pub fn or_insert(self, value: Value) -> &'o mut Value {
        self.or_insert_with(|| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn fields() -> impl Strategy<Value = Vec<(String, i64)>> {
        prop::collection::vec(("[a-h]{0,2}", any::<i64>()), 0..60)
    }

    fn same(object: &Object, map: &BTreeMap<String, i64>) -> bool {
        object
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_i64()))
            .eq(map.iter().map(|(k, v)| (k.as_str(), Some(*v))))
    }

    proptest! {
        #[test]
        fn it_is_a_map(many in fields(), then in fields(), names in prop::collection::vec("[a-h]{0,2}", 0..30)) {
            let mut map: BTreeMap<String, i64> = many.iter().cloned().collect();
            let mut object: Object = many.into_iter().collect();
            prop_assert!(same(&object, &map));
            let (one_by_one, at_once) = then.split_at(then.len() / 2);
            for (name, value) in one_by_one {
                let before = map.insert(name.clone(), *value).map(Value::from);
                prop_assert_eq!(object.insert(name, (*value).into()), before);
            }
            map.extend(at_once.iter().cloned());
            object.extend(at_once.iter().cloned());
            prop_assert!(same(&object, &map));
            for name in &names {
                prop_assert_eq!(object.get(name).and_then(Value::as_i64), map.get(name).copied());
                prop_assert_eq!(object.contains_key(name), map.contains_key(name));
            }
            let (removed, entered) = names.split_at(names.len() / 2);
            for name in removed {
                prop_assert_eq!(object.remove(name).and_then(|value| value.as_i64()), map.remove(name));
            }
            for name in entered {
                prop_assert_eq!(object.entry(name).or_insert(7.into()).as_i64(), Some(*map.entry(name.clone()).or_insert(7)));
            }
            object.retain(|name, value| name.len() == 1 || value.as_i64() < Some(0));
            map.retain(|name, value| name.len() == 1 || *value < 0);
            prop_assert!(same(&object, &map));
        }
    }
}
