//! What informers keep of an object.

use crate::client::Encoded;
use crate::events::About;
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value, json};
use shared_types::kinds::Kind;
use shared_types::mask::Mask;
use shared_types::status::Status;
use shared_types::time::parse_time;
use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, LazyLock};

/// Namespace (`""` for cluster-scoped kinds) and name of an object of a kind that is known from the context.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl Key {
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Key {
        Key { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// An owner reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub api_version: Box<str>,
    pub kind: Box<str>,
    pub name: Arc<str>,
    pub uid: Arc<str>,
    pub controller: bool,
    pub block_owner_deletion: bool,
}

impl Owner {
    fn read(reference: &Value) -> Owner {
        Owner {
            api_version: reference.text("apiVersion").into(),
            kind: reference.text("kind").into(),
            name: reference.text("name").into(),
            uid: reference.text("uid").into(),
            controller: reference.flag("controller"),
            block_owner_deletion: reference.flag("blockOwnerDeletion"),
        }
    }
}

/// The metadata that controllers look at.
#[derive(Clone, Debug)]
pub struct Meta {
    pub kind: &'static Kind,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub uid: Arc<str>,
    pub resource_version: u64,
    pub created: Timestamp,
    pub terminating: bool,
    pub labels: Arc<Object>,
    pub owners: Arc<Vec<Owner>>,
    pub finalizers: Arc<Vec<String>>,
}

impl Meta {
    pub fn read(kind: &'static Kind, object: &Value, shared: &mut Interner) -> Meta {
        let finalizers = object.list("metadata.finalizers").iter().filter_map(|f| f.as_str().map(String::from));
        Meta {
            kind,
            namespace: shared.text(object.namespace()),
            name: object.name().into(),
            uid: object.uid().into(),
            resource_version: object.text("metadata.resourceVersion").parse().unwrap_or(0),
            created: parse_time(object.text("metadata.creationTimestamp")).unwrap_or(Timestamp::UNIX_EPOCH),
            terminating: object.is_terminating(),
            labels: shared.labels(object.map("metadata.labels")),
            owners: shared.owners(object.list("metadata.ownerReferences").iter().map(Owner::read).collect()),
            finalizers: shared.finalizers(finalizers.collect()),
        }
    }
    pub fn key(&self) -> Key {
        Key { namespace: self.namespace.clone(), name: self.name.clone() }
    }
    /// The owner that is marked as controller.
    pub fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.controller)
    }
    /// Whether `uid` is the object's controller.
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller().is_some_and(|owner| &*owner.uid == uid)
    }
    pub fn has_finalizer(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|f| f == finalizer)
    }
}

/// The fields of which [`Meta`] is made.
pub const META_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.resourceVersion",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
    "metadata.labels",
    "metadata.ownerReferences",
    "metadata.finalizers",
];

/// What an informer keeps of a kind's objects.
pub trait Cached: Send + Sync + Sized + 'static {
    /// Makes it of an object, or of those fields of it that are needed.
    fn read(kind: &'static Kind, object: Value, shared: &mut Interner) -> Self;
    /// Makes it of an object that came from the API, decoding no more of it than is needed.
    fn decode(kind: &'static Kind, object: &Encoded, shared: &mut Interner) -> Result<Self, Status> {
        Ok(Self::read(kind, object.object()?, shared))
    }
    fn meta(&self) -> &Meta;
}

impl Cached for Meta {
    fn read(kind: &'static Kind, object: Value, shared: &mut Interner) -> Meta {
        Meta::read(kind, &object, shared)
    }
    fn decode(kind: &'static Kind, object: &Encoded, shared: &mut Interner) -> Result<Meta, Status> {
        static FIELDS: LazyLock<Mask> = LazyLock::new(|| Mask::new(&META_FIELDS));
        Ok(Meta::read(kind, &object.part(&FIELDS)?, shared))
    }
    fn meta(&self) -> &Meta {
        self
    }
}

/// An object as it is, beside its metadata.
pub struct Full {
    pub meta: Meta,
    pub object: Value,
}

impl Cached for Full {
    fn read(kind: &'static Kind, object: Value, shared: &mut Interner) -> Full {
        Full { meta: Meta::read(kind, &object, shared), object }
    }
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

/// Keeps equal values once: the Pods of a ReplicaSet have the same labels, owners and ports.
#[derive(Default)]
pub struct Interner {
    texts: Shared<str>,
    labels: Shared<Object>,
    owners: Shared<Vec<Owner>>,
    lists: Shared<Vec<String>>,
    ports: Shared<Vec<super::ContainerPort>>,
}

struct Shared<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// The size at which values that nobody else holds are thrown out.
    limit: usize,
}

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Shared { values: HashSet::new(), limit: 64 }
    }
}

impl<T: ?Sized + Eq + Hash> Shared<T> {
    fn keep(&mut self, value: &T, own: impl FnOnce() -> Arc<T>) -> Arc<T> {
        if let Some(kept) = self.values.get(value) {
            return kept.clone();
        }
        if self.values.len() >= self.limit {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.limit = (self.values.len() * 2).max(64);
        }
        let value = own();
        self.values.insert(value.clone());
        value
    }
}

impl Interner {
    pub fn text(&mut self, text: &str) -> Arc<str> {
        self.texts.keep(text, || text.into())
    }
    fn labels(&mut self, labels: &Object) -> Arc<Object> {
        self.labels.keep(labels, || Arc::new(labels.clone()))
    }
    fn owners(&mut self, owners: Vec<Owner>) -> Arc<Vec<Owner>> {
        self.owners.keep(&owners, || Arc::new(owners.clone()))
    }
    fn finalizers(&mut self, finalizers: Vec<String>) -> Arc<Vec<String>> {
        self.lists.keep(&finalizers, || Arc::new(finalizers.clone()))
    }
    pub fn ports(&mut self, ports: Vec<super::ContainerPort>) -> Arc<Vec<super::ContainerPort>> {
        self.ports.keep(&ports, || Arc::new(ports.clone()))
    }
}

/// The owner reference by which `owner` controls another object.
pub fn owner_reference(owner: &Meta) -> Value {
    json!({
        "apiVersion": owner.kind.api_version(),
        "kind": owner.kind.kind,
        "name": &*owner.name,
        "uid": &*owner.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

impl From<&Meta> for About {
    fn from(meta: &Meta) -> About {
        let mut about = json!({
            "apiVersion": meta.kind.api_version(),
            "kind": meta.kind.kind,
            "name": &*meta.name,
            "uid": &*meta.uid,
            "resourceVersion": meta.resource_version.to_string(),
        });
        if !meta.namespace.is_empty() {
            about.set("namespace", &*meta.namespace);
        }
        About(about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::kinds;

    #[test]
    fn equal_parts_are_kept_once_and_let_go() {
        let pod = |name: &str| json!({"metadata": {"name": name, "namespace": "ns", "labels": {"app": "web"}}});
        let mut shared = Interner::default();
        let a = Meta::read(kinds::named("Pod"), &pod("a"), &mut shared);
        let b = Meta::read(kinds::named("Pod"), &pod("b"), &mut shared);
        assert!(Arc::ptr_eq(&a.labels, &b.labels) && Arc::ptr_eq(&a.namespace, &b.namespace));
        for n in 0..1000 {
            shared.text(&n.to_string());
        }
        assert!(shared.texts.values.len() <= 64 + 1);
    }
}
