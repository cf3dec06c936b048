//! Who owns whom, as far as the informers know.

use super::super::runtime::{Key, Meta};
use shared_types::kinds::Kind;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub(super) const ORPHAN: &str = "orphan";
pub(super) const FOREGROUND: &str = "foregroundDeletion";

/// An object of any kind.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub kind: &'static Kind,
    pub key: Key,
    pub uid: Arc<str>,
}

impl Item {
    pub fn of(meta: &Meta) -> Item {
        Item { kind: meta.kind, key: meta.key(), uid: meta.uid.clone() }
    }
    fn identity(&self) -> (&str, &str, &Key, &str) {
        (self.kind.group, self.kind.plural, &self.key, &self.uid)
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Item) -> bool {
        self.identity() == other.identity()
    }
}
impl Eq for Item {}
impl Hash for Item {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}
impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Item) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Item {
    fn cmp(&self, other: &Item) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

/// The objects that exist, the dependents of each owner, and the owners that wait for their dependents to go.
#[derive(Default)]
pub(super) struct Graph {
    exist: HashSet<u128>,
    /// By the uid of the owner; the value tells whether the dependent blocks the owner's deletion.
    dependents: HashMap<Arc<str>, HashMap<Item, bool>>,
    waiting: HashMap<Arc<str>, Item>,
}

/// A uid as a number, which takes less room. Those that are not UUIDs are hashed.
fn number(uid: &str) -> u128 {
    match uuid::Uuid::try_parse(uid) {
        Ok(uuid) => uuid.as_u128(),
        Err(_) => {
            let mut hasher = std::hash::DefaultHasher::new();
            uid.hash(&mut hasher);
            u128::from(hasher.finish())
        }
    }
}

impl Graph {
    /// Takes a change in; returns what has to be looked at because of it.
    pub fn change(&mut self, old: Option<&Meta>, new: Option<&Meta>) -> Vec<Item> {
        match (old, new) {
            (old, Some(new)) => self.put(old, new),
            (Some(gone), None) => self.remove(gone),
            (None, None) => Vec::new(),
        }
    }

    fn put(&mut self, old: Option<&Meta>, new: &Meta) -> Vec<Item> {
        let item = Item::of(new);
        let mut look_at = Vec::new();
        if old.is_none() {
            self.exist.insert(number(&new.uid));
        }
        let owners_changed = old.is_none_or(|old| old.owners != new.owners);
        if owners_changed {
            if let Some(old) = old {
                self.unlink(old, &item);
            }
            for owner in new.owners.iter() {
                let dependents = self.dependents.entry(owner.uid.clone()).or_default();
                dependents.insert(item.clone(), owner.block_owner_deletion);
            }
            if !self.is_settled(new) {
                look_at.push(item.clone());
            }
            // An owner that waits may no longer have to.
            let former = old.iter().flat_map(|old| old.owners.iter());
            look_at.extend(former.filter_map(|owner| self.waiting.get(&owner.uid).cloned()));
        }
        if new.terminating && new.has_finalizer(FOREGROUND) {
            if self.waiting.insert(new.uid.clone(), item.clone()).is_none() {
                look_at.extend(self.dependents(&new.uid).map(|(dependent, _)| dependent.clone()));
                look_at.push(item);
            }
        } else if new.terminating && new.has_finalizer(ORPHAN) {
            look_at.push(item);
        }
        look_at
    }

    fn remove(&mut self, gone: &Meta) -> Vec<Item> {
        let item = Item::of(gone);
        self.exist.remove(&number(&gone.uid));
        self.waiting.remove(&gone.uid);
        self.unlink(gone, &item);
        let mut look_at: Vec<Item> = self.dependents(&gone.uid).map(|(dependent, _)| dependent.clone()).collect();
        look_at.extend(gone.owners.iter().filter_map(|owner| self.waiting.get(&owner.uid).cloned()));
        look_at
    }

    fn unlink(&mut self, meta: &Meta, item: &Item) {
        for owner in meta.owners.iter() {
            if let Some(dependents) = self.dependents.get_mut(&owner.uid) {
                dependents.remove(item);
                if dependents.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
    }

    /// Whether all owners exist and none of them waits for its dependents to go.
    pub fn is_settled(&self, meta: &Meta) -> bool {
        self.owners_settled(meta.owners.iter().map(|owner| &*owner.uid))
    }
    pub fn owners_settled<'a>(&self, mut uids: impl Iterator<Item = &'a str>) -> bool {
        uids.all(|uid| self.exist.contains(&number(uid)) && !self.waiting.contains_key(uid))
    }
    /// The dependents of an owner, and whether each blocks its deletion.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = (&Item, bool)> {
        self.dependents.get(uid).into_iter().flatten().map(|(item, blocks)| (item, *blocks))
    }
    pub fn waits(&self, uid: &str) -> bool {
        self.waiting.contains_key(uid)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::runtime::Interner;
    use super::*;
    use shared_types::json::{Value, json};
    use shared_types::kinds;

    fn meta(name: &str, owner: Option<&str>, finalizer: Option<&str>) -> Meta {
        let owners: Vec<Value> = owner
            .map(|uid| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": uid, "uid": uid, "blockOwnerDeletion": true}))
            .into_iter()
            .collect();
        let mut object = json!({"metadata": {"name": name, "namespace": "ns", "uid": name, "ownerReferences": owners}});
        if let Some(finalizer) = finalizer {
            object["metadata"]["finalizers"] = json!([finalizer]);
            object["metadata"]["deletionTimestamp"] = json!("2024-01-01T00:00:00Z");
        }
        Meta::read(kinds::named("ConfigMap"), &object, &mut Interner::default())
    }
    fn names(items: Vec<Item>) -> Vec<String> {
        items.iter().map(|item| item.key.name.to_string()).collect()
    }

    #[test]
    fn dependents_of_what_is_gone_or_was_never_there_are_looked_at() {
        let mut graph = Graph::default();
        assert!(graph.change(None, Some(&meta("owner", None, None))).is_empty());
        assert!(graph.change(None, Some(&meta("child", Some("owner"), None))).is_empty());
        assert_eq!(names(graph.change(None, Some(&meta("stray", Some("ghost"), None)))), ["stray"]);
        assert_eq!(names(graph.change(Some(&meta("owner", None, None)), None)), ["child"]);
    }

    #[test]
    fn a_waiting_owner_is_looked_at_when_a_dependent_goes() {
        let mut graph = Graph::default();
        let (owner, child) = (meta("owner", None, None), meta("child", Some("owner"), None));
        graph.change(None, Some(&owner));
        graph.change(None, Some(&child));
        let waiting = meta("owner", None, Some(FOREGROUND));
        assert_eq!(names(graph.change(Some(&owner), Some(&waiting))), ["child", "owner"]);
        assert!(graph.waits("owner") && !graph.is_settled(&child));
        assert_eq!(names(graph.change(Some(&child), None)), ["owner"]);
        assert_eq!(graph.dependents("owner").count(), 0);
    }
}
