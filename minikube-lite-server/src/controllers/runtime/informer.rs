//! A local copy of all objects of a kind, kept up to date by a watch.

use super::meta::{Cached, Interner, Key, Meta};
use crate::client::{self, Client};
use shared_types::kinds::Kind;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use tokio::sync::watch;

/// How an object changed: `old` is missing when it is new, `new` when it is gone.
pub struct Change<'a, T> {
    pub old: Option<&'a Arc<T>>,
    pub new: Option<&'a Arc<T>>,
}

impl<'a, T: Cached> Change<'a, T> {
    /// The object as it is, or as it was last.
    pub fn object(&self) -> Option<&'a Arc<T>> {
        self.new.or(self.old)
    }
    /// Both states of its metadata.
    pub fn meta(&self) -> (Option<&'a Meta>, Option<&'a Meta>) {
        (self.old.map(|object| object.meta()), self.new.map(|object| object.meta()))
    }
}

type Handler<T> = Box<dyn Fn(&Change<'_, T>) + Send + Sync>;

/// The objects of one kind, and who wants to know when they change.
pub struct Informer<T> {
    kind: &'static Kind,
    objects: RwLock<Objects<T>>,
    handlers: RwLock<Vec<Handler<T>>>,
    synced: watch::Sender<bool>,
}

type Index<T> = HashMap<Arc<str>, BTreeMap<Key, Arc<T>>>;

struct Objects<T> {
    by_namespace: HashMap<Arc<str>, BTreeMap<Arc<str>, Arc<T>>>,
    /// By the uid of their controller.
    by_controller: Index<T>,
    /// Those without controller, by namespace.
    orphans: Index<T>,
    /// All changes up to here are in.
    revision: u64,
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Objects { by_namespace: HashMap::new(), by_controller: HashMap::new(), orphans: HashMap::new(), revision: 0 }
    }
}

impl<T: Cached> Objects<T> {
    fn put(&mut self, object: Arc<T>) -> Option<Arc<T>> {
        let meta = object.meta();
        let old = self.take(&meta.key());
        let (index, key) = self.index_of(meta);
        index.entry(key).or_default().insert(meta.key(), object.clone());
        self.by_namespace.entry(meta.namespace.clone()).or_default().insert(meta.name.clone(), object);
        old
    }

    fn take(&mut self, key: &Key) -> Option<Arc<T>> {
        let names = self.by_namespace.get_mut(&key.namespace)?;
        let old = names.remove(&key.name);
        if names.is_empty() {
            self.by_namespace.remove(&key.namespace);
        }
        let old = old?;
        let (index, entry) = self.index_of(old.meta());
        if let Some(owned) = index.get_mut(&entry) {
            owned.remove(key);
            if owned.is_empty() {
                index.remove(&entry);
            }
        }
        Some(old)
    }

    /// The index that an object is in, and where.
    fn index_of(&mut self, meta: &Meta) -> (&mut Index<T>, Arc<str>) {
        match meta.controller() {
            Some(owner) => (&mut self.by_controller, owner.uid.clone()),
            None => (&mut self.orphans, meta.namespace.clone()),
        }
    }
}

impl<T: Cached> Informer<T> {
    pub fn new(kind: &'static Kind) -> Informer<T> {
        let (synced, _) = watch::channel(false);
        Informer { kind, objects: RwLock::default(), handlers: RwLock::default(), synced }
    }
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }
    fn objects(&self) -> RwLockReadGuard<'_, Objects<T>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `handler` called on each change, after it is in, from one task and therefore in order. To be registered before
    /// [`Informer::run`]; must not block.
    pub fn on_change(&self, handler: impl Fn(&Change<'_, T>) + Send + Sync + 'static) {
        self.handlers.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(handler));
    }

    pub fn get(&self, key: &Key) -> Option<Arc<T>> {
        self.objects().by_namespace.get(&key.namespace)?.get(&key.name).cloned()
    }
    /// All objects of a namespace, by name.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<T>> {
        self.objects().by_namespace.get(namespace).map_or_else(Vec::new, |names| names.values().cloned().collect())
    }
    /// The objects whose controller is `uid`, by name.
    pub fn controlled_by(&self, uid: &str) -> Vec<Arc<T>> {
        self.objects().by_controller.get(uid).map_or_else(Vec::new, |owned| owned.values().cloned().collect())
    }
    /// The objects of a namespace that have no controller, by name.
    pub fn orphans(&self, namespace: &str) -> Vec<Arc<T>> {
        self.objects().orphans.get(namespace).map_or_else(Vec::new, |orphans| orphans.values().cloned().collect())
    }
    pub fn all(&self) -> Vec<Arc<T>> {
        self.objects().by_namespace.values().flat_map(|names| names.values().cloned()).collect()
    }
    /// The revision up to which all changes are in.
    pub fn revision(&self) -> u64 {
        self.objects().revision
    }
    /// Waits until the first list is in.
    pub async fn synced(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Lists, then follows the watch; again from the start when the watch ends.
    pub async fn run(&self, client: Client) {
        let mut shared = Interner::default();
        loop {
            if let Err(status) = self.follow(&client, &mut shared).await {
                tracing::debug!(kind = self.kind.kind, error = %status, "lists again");
                if status.reason != "Expired" {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn follow(&self, client: &Client, shared: &mut Interner) -> Result<(), shared_types::status::Status> {
        let list = client.list_encoded(self.kind).await?;
        let items = list.items.iter().map(|item| T::decode(self.kind, item, shared)).collect::<Result<_, _>>()?;
        self.replace(items, list.revision);
        self.synced.send_replace(true);
        let mut watch = client.watch(self.kind, list.revision)?;
        loop {
            let (change, object, revision) = watch.next_encoded().await?;
            self.apply(change, T::decode(self.kind, &object, shared)?, revision);
        }
    }

    fn apply(&self, change: client::Change, object: T, revision: u64) {
        let object = Arc::new(object);
        let old = {
            let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
            objects.revision = revision;
            match change {
                client::Change::Deleted => objects.take(&object.meta().key()),
                _ => objects.put(object.clone()),
            }
        };
        match change {
            client::Change::Deleted => self.tell(Change { old: Some(&object), new: None }),
            _ => self.tell_put(old.as_ref(), &object),
        }
    }

    /// Makes the copy equal to a list, telling what differs.
    fn replace(&self, items: Vec<T>, revision: u64) {
        let items: Vec<Arc<T>> = items.into_iter().map(Arc::new).collect();
        let mut before = {
            let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
            let mut after = Objects { revision, ..Objects::default() };
            for item in &items {
                after.put(item.clone());
            }
            std::mem::replace(&mut *objects, after)
        };
        for item in &items {
            match before.take(&item.meta().key()) {
                Some(old) if old.meta().resource_version == item.meta().resource_version => {}
                old => self.tell_put(old.as_ref(), item),
            }
        }
        for gone in before.by_namespace.values().flat_map(|names| names.values()) {
            self.tell(Change { old: Some(gone), new: None });
        }
    }

    /// An object of the same name but another uid took the place of one whose end was missed.
    fn tell_put(&self, old: Option<&Arc<T>>, new: &Arc<T>) {
        match old {
            Some(other) if other.meta().uid != new.meta().uid => {
                self.tell(Change { old: Some(other), new: None });
                self.tell(Change { old: None, new: Some(new) });
            }
            old => self.tell(Change { old, new: Some(new) }),
        }
    }

    fn tell(&self, change: Change<'_, T>) {
        for handler in self.handlers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            handler(&change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;
    use shared_types::kinds;
    use std::sync::Mutex;

    fn object(name: &str, uid: &str, version: &str, owner: Option<&str>) -> Meta {
        let mut object = json!({"metadata": {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": version}});
        if let Some(owner) = owner {
            object["metadata"]["ownerReferences"] = json!([{"uid": owner, "controller": true}]);
        }
        Meta::read(kinds::named("ConfigMap"), &object, &mut Interner::default())
    }

    fn informer() -> (Informer<Meta>, Arc<Mutex<Vec<String>>>) {
        let informer = Informer::new(kinds::named("ConfigMap"));
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = told.clone();
        informer.on_change(move |change: &Change<'_, Meta>| {
            let show =
                |meta: Option<&Arc<Meta>>| meta.map_or("-".into(), |m| format!("{}@{}", m.name, m.resource_version));
            sink.lock().unwrap().push(format!("{} {}", show(change.old), show(change.new)));
        });
        (informer, told)
    }

    #[test]
    fn changes_are_told_and_indexed() {
        let (informer, told) = informer();
        informer.replace(vec![object("a", "1", "1", Some("o"))], 1);
        informer.apply(client::Change::Modified, object("a", "1", "2", None), 2);
        assert!(informer.controlled_by("o").is_empty());
        informer.apply(client::Change::Added, object("b", "2", "3", Some("o")), 3);
        assert_eq!(informer.controlled_by("o").len(), 1);
        informer.apply(client::Change::Deleted, object("b", "2", "4", Some("o")), 4);
        assert!(informer.controlled_by("o").is_empty() && informer.revision() == 4);
        assert_eq!(*told.lock().unwrap(), ["- a@1", "a@1 a@2", "- b@3", "b@4 -"]);
    }

    #[test]
    fn a_new_list_tells_only_differences() {
        let (informer, told) = informer();
        let first =
            vec![object("same", "1", "1", None), object("gone", "2", "2", None), object("other", "3", "3", None)];
        informer.replace(first, 3);
        told.lock().unwrap().clear();
        informer.replace(vec![object("same", "1", "1", None), object("other", "4", "9", None)], 9);
        assert_eq!(*told.lock().unwrap(), ["other@3 -", "- other@9", "gone@2 -"]);
        assert_eq!(informer.all().len(), 2);
    }
}
