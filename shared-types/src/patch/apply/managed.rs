//! The bookkeeping of `metadata.managedFields`: who manages which fields, kept up with every write.

use super::compare::{Comparison, compare};
use super::field_set::FieldSet;
use crate::fields::Fields;
use crate::json::{CompactString, Object, Value, json};
use crate::schema::Struct;
use std::sync::LazyLock;

/// More managers that updated an object than this are counted as one per version.
const MAX_UPDATE_MANAGERS: usize = 10;
/// The manager of what the oldest of too many managers wrote.
const ANCIENT_CHANGES: &str = "ancient-changes";

/// A write, as far as the bookkeeping goes.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The field manager, or what stands for it (the first part of the user agent).
    pub manager: &'a str,
    /// The version in which the object is written: `apps/v1`.
    pub api_version: &'a str,
    /// The subresource that is written; `""` for the object itself.
    pub subresource: &'a str,
    /// What a write of this kind does not change, whatever the request says: `status` for the object itself of kinds with
    /// a status subresource. Nobody comes to manage these fields by such a write.
    pub reset: &'a FieldSet,
    /// The time of the write, as `metav1.Time`.
    pub time: &'a str,
}

/// Fields that nobody manages: the system sets them.
static UNMANAGED: LazyLock<FieldSet> = LazyLock::new(|| {
    FieldSet::of(&[
        "apiVersion",
        "kind",
        "metadata",
        "metadata.name",
        "metadata.namespace",
        "metadata.creationTimestamp",
        "metadata.selfLink",
        "metadata.uid",
        "metadata.clusterName",
        "metadata.generation",
        "metadata.managedFields",
        "metadata.resourceVersion",
    ])
});

/// How a manager came by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// An entry of `metadata.managedFields`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub manager: CompactString,
    pub operation: Operation,
    pub api_version: CompactString,
    pub time: Option<CompactString>,
    pub subresource: CompactString,
    pub fields: FieldSet,
}

impl Entry {
    pub(super) fn new(operation: Operation, write: &Write) -> Entry {
        Entry {
            manager: write.manager.into(),
            operation,
            api_version: write.api_version.into(),
            time: None,
            subresource: write.subresource.into(),
            fields: FieldSet::default(),
        }
    }

    fn read(entry: Value, canonical: bool) -> Option<Entry> {
        let Value::Object(mut entry) = entry else { return None };
        let mut text = |name: &str| match entry.get_mut(name).map(Value::take) {
            Some(Value::String(text)) => text,
            _ => CompactString::default(),
        };
        let (manager, operation, api_version) = (text("manager"), text("operation"), text("apiVersion"));
        let (time, subresource, fields_type) = (text("time"), text("subresource"), text("fieldsType"));
        let operation = match operation.as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        if api_version.is_empty() || fields_type != "FieldsV1" {
            return None;
        }
        let fields = match entry.remove("fieldsV1") {
            Some(Value::Object(fields)) if canonical => FieldSet::new(fields),
            Some(fields) => FieldSet::from_fields_v1(&fields).ok()?,
            None => FieldSet::default(),
        };
        let time = Some(time).filter(|time| !time.is_empty());
        Some(Entry { manager, operation, api_version, time, subresource, fields })
    }

    fn write(self) -> Value {
        let mut entry = Object::new();
        let mut put = |name: &str, value: Value| entry.insert(name, value);
        put("apiVersion", self.api_version.into());
        put("fieldsType", "FieldsV1".into());
        put("fieldsV1", self.fields.into_fields_v1());
        put("manager", self.manager.into());
        let operation = match self.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        };
        put("operation", operation.into());
        if let Some(time) = self.time {
            put("time", time.into());
        }
        if !self.subresource.is_empty() {
            put("subresource", self.subresource.into());
        }
        Value::Object(entry)
    }

    /// Whether this is the entry of `write` as `operation`. Whoever applies has one entry whatever the version.
    pub(super) fn is_of(&self, operation: Operation, write: &Write) -> bool {
        self.operation == operation
            && self.manager == write.manager
            && self.subresource == write.subresource
            && (operation == Operation::Apply || self.api_version == write.api_version)
    }

    /// How messages name the manager.
    pub(super) fn description(&self) -> String {
        let mut text = crate::go_quote::quote(&self.manager);
        if !self.subresource.is_empty() {
            text += &format!(" with subresource {:?}", self.subresource);
        }
        if self.operation == Operation::Update {
            text += &format!(" using {}", self.api_version);
        }
        text
    }
}

/// Reads the entries of a `managedFields` list; `None` if one of them is not valid. `canonical` says that the list is of
/// this module's own making.
pub(super) fn read_entries(list: Value, canonical: bool) -> Option<Vec<Entry>> {
    match list {
        Value::Array(entries) => entries.into_iter().map(|entry| Entry::read(entry, canonical)).collect(),
        _ => Some(Vec::new()),
    }
}

/// Writes the entries to the object, in their order: by operation, time, manager, version, subresource.
pub(super) fn write_entries(object: &mut Value, mut entries: Vec<Entry>) {
    entries.sort_by(|a, b| {
        let by_time = a.operation.cmp(&b.operation).then_with(|| a.time.cmp(&b.time));
        let by_name = || a.manager.cmp(&b.manager).then_with(|| a.api_version.cmp(&b.api_version));
        by_time.then_with(by_name).then_with(|| a.subresource.cmp(&b.subresource))
    });
    if entries.is_empty() {
        object.remove("metadata.managedFields");
    } else {
        object.set("metadata.managedFields", entries.into_iter().map(Entry::write).collect::<Value>());
    }
}

/// Brings `new`'s `metadata.managedFields` up to date with a create (`old` is `None`), update or patch that makes `new`
/// of `old`. What `new` says of its managed fields is taken over where the request may say so; a list with one empty
/// entry takes them away.
pub fn update_managed_fields(ty: &'static Struct, old: Option<&Value>, new: &mut Value, write: &Write) {
    let sent = new.remove("metadata.managedFields").unwrap_or_default();
    let Some(mut entries) = entries_before(old, sent, write.subresource) else { return };
    if entries.is_empty() && old.is_some() {
        // Whose fields are not tracked from the start is not tracked.
        return;
    }
    let comparison = changes(ty, old, new, write.reset);
    take_from_managers(&mut entries, &comparison, None);
    let mut changed = comparison.changed;
    strip(&mut changed);
    if !changed.is_empty() {
        let at = entries.iter().position(|entry| entry.is_of(Operation::Update, write)).unwrap_or_else(|| {
            entries.push(Entry::new(Operation::Update, write));
            entries.len() - 1
        });
        entries[at].fields.take_in(changed);
        entries[at].time = Some(write.time.into());
    }
    entries.retain(|entry| !entry.fields.is_empty());
    cap_update_managers(&mut entries);
    write_entries(new, entries);
}

/// The entries that a write starts from; `None` if the request takes them away.
fn entries_before(old: Option<&Value>, sent: Value, subresource: &str) -> Option<Vec<Entry>> {
    let kept = old.map_or(&Value::Null, |old| old.at("metadata.managedFields"));
    if sent == *kept {
        return Some(read_entries(sent, true).unwrap_or_default());
    }
    // Through a subresource nobody says who manages what.
    if subresource.is_empty() {
        if sent.as_array().is_some_and(|list| list.as_slice() == [json!({})]) {
            return if old.is_some() { None } else { Some(Vec::new()) };
        }
        if let Some(entries) = read_entries(sent, false).filter(|entries| !entries.is_empty()) {
            return Some(entries);
        }
    }
    Some(read_entries(kept.clone(), true).unwrap_or_default())
}

/// What differs between two states, as far as the write can change it.
pub(super) fn changes(ty: &'static Struct, old: Option<&Value>, new: &Value, reset: &FieldSet) -> Comparison {
    static NOTHING: LazyLock<Value> = LazyLock::new(|| Value::Object(Object::new()));
    let mut comparison = compare(ty, old.unwrap_or(&NOTHING), new);
    comparison.changed.remove_below(reset);
    comparison.removed.remove_below(reset);
    comparison
}

/// Takes what changed or is gone from all entries but the one at `except`. Entries may be left empty.
pub(super) fn take_from_managers(entries: &mut [Entry], comparison: &Comparison, except: Option<usize>) {
    for (index, entry) in entries.iter_mut().enumerate() {
        if Some(index) != except {
            entry.fields.remove_all(&comparison.changed);
            entry.fields.remove_all(&comparison.removed);
        }
    }
}

/// Takes out what nobody manages.
pub(super) fn strip(fields: &mut FieldSet) {
    fields.remove_all(&UNMANAGED);
}

/// Makes one entry per version of the oldest of too many that updated the object.
fn cap_update_managers(entries: &mut Vec<Entry>) {
    let is_update = |entry: &Entry| entry.operation == Operation::Update;
    let mut count = entries.iter().filter(|entry| is_update(entry)).count();
    if count <= MAX_UPDATE_MANAGERS {
        return;
    }
    entries.sort_by_key(|e| {
        (is_update(e), e.time.clone(), e.manager.clone(), e.api_version.clone(), e.subresource.clone())
    });
    let first = entries.iter().position(is_update).unwrap_or(entries.len());
    let mut buckets: Vec<Entry> = Vec::new();
    let mut rest = entries.split_off(first).into_iter();
    // Entries of the same version count as one, so that one more has to go than there are too many.
    while count > MAX_UPDATE_MANAGERS {
        let Some(entry) = rest.next() else { break };
        match buckets.iter_mut().find(|bucket| bucket.api_version == entry.api_version) {
            Some(bucket) => {
                bucket.manager = ANCIENT_CHANGES.into();
                bucket.subresource.clear();
                bucket.time = entry.time;
                bucket.fields.insert_all(&entry.fields);
                count -= 1;
            }
            None => buckets.push(entry),
        }
    }
    entries.extend(buckets);
    entries.extend(rest);
}

/// Gives the field at `path` (elements of `FieldsV1`) an entry of its own beside the entry of each manager that came by
/// it with an update: what is left of managed fields that have been through another kind of object and back, as a write
/// to the scale sends them.
pub fn set_field_apart(object: &mut Value, path: &[&str]) {
    let Some(mut entries) = read_entries(object.at("metadata.managedFields").clone(), true) else { return };
    let field = path
        .iter()
        .rev()
        .fold(Object::new(), |inner, element| Object::from_iter([(element.to_string(), Value::Object(inner))]));
    let field = FieldSet::new(field);
    let mut apart = Vec::new();
    for entry in entries.iter_mut().filter(|e| e.operation == Operation::Update && e.fields.contains(path)) {
        apart.push(Entry { fields: field.clone(), ..entry.clone() });
        entry.fields.remove_all(&field);
    }
    entries.retain(|entry| !entry.fields.is_empty());
    entries.extend(apart);
    write_entries(object, entries);
}

/// Keeps the times of `old`'s managed fields in `new` where nothing else differs, so that a write that changes nothing
/// is seen to change nothing.
pub fn keep_times_if_unchanged(old: &Value, new: &mut Value) {
    let (ours, theirs) = (old.list("metadata.managedFields"), new.list("metadata.managedFields"));
    fn timeless(entry: &Value) -> impl Iterator<Item = (&CompactString, &Value)> {
        entry.as_object().into_iter().flatten().filter(|(name, _)| *name != "time")
    }
    let differ = |(ours, theirs): (&Value, &Value)| !timeless(ours).eq(timeless(theirs));
    if ours.len() != theirs.len() || ours.iter().zip(theirs).any(differ) || ours == theirs {
        return;
    }
    let sent = std::mem::replace(new.at_mut("metadata.managedFields"), old.at("metadata.managedFields").clone());
    if new != old {
        new.set("metadata.managedFields", sent);
    }
}
