//! How controllers and nodes reach the API: the verbs of a Kubernetes client, answered in process.
//!
//! Nothing here reveals that the registry is in the same process, so that a controller could run elsewhere.

use crate::environment::Environment;
use crate::registry::{Registry, Selection, WriteOptions};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::Kind;
use shared_types::mask::Mask;
use shared_types::selector::{FieldSelector, LabelSelector};
use shared_types::status::Status;
use std::sync::Arc;

pub use crate::registry::{DeleteOptions, Part, Preconditions, Propagation, Written};

/// A client of the API that acts as one component (`kube-controller-manager`, `kubelet`, ...), which is the field
/// manager of what it writes.
#[derive(Clone)]
pub struct Client {
    registry: Arc<Registry>,
    component: &'static str,
}

/// A list of objects as of `revision`.
pub struct List {
    pub items: Vec<Value>,
    pub revision: u64,
}

/// A list of objects as they were sent.
pub struct EncodedList {
    pub items: Vec<Encoded>,
    pub revision: u64,
}

/// An object as it was sent, to be decoded as far as it is needed.
#[derive(Clone)]
pub struct Encoded(Arc<crate::registry::Entry>);

impl Encoded {
    /// All of the object.
    pub fn object(&self) -> Result<Value, Status> {
        self.0.object()
    }
    /// Some fields of the object.
    pub fn part(&self, fields: &Mask) -> Result<Value, Status> {
        self.0.part(fields)
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Modified,
    /// The object is as it was last.
    Deleted,
}

impl Client {
    pub fn new(registry: Arc<Registry>, component: &'static str) -> Client {
        Client { registry, component }
    }
    /// The clock and randomness of this server.
    pub fn environment(&self) -> &Environment {
        self.registry.environment()
    }
    /// The component on whose behalf this client writes.
    pub fn component(&self) -> &'static str {
        self.component
    }
    fn options(&self) -> WriteOptions {
        WriteOptions { manager: self.component.to_string(), ..WriteOptions::default() }
    }

    pub async fn get(&self, kind: &'static Kind, namespace: &str, name: &str) -> Result<Value, Status> {
        self.registry.get(kind, namespace, name)?.object()
    }
    /// Objects of a namespace, or of all with `""`.
    pub async fn list(&self, kind: &'static Kind, namespace: &str, selector: &LabelSelector) -> Result<List, Status> {
        let (entries, revision) = self.registry.snapshot(kind, namespace);
        let selected = entries.iter().filter(|e| selector.matches(&e.attributes));
        Ok(List { items: selected.map(|e| e.object()).collect::<Result<_, _>>()?, revision })
    }
    /// All objects of a kind, not decoded yet.
    pub async fn list_encoded(&self, kind: &'static Kind) -> Result<EncodedList, Status> {
        let (entries, revision) = self.registry.snapshot(kind, "");
        Ok(EncodedList { items: entries.into_iter().map(Encoded).collect(), revision })
    }
    /// Changes of a kind in all namespaces after `revision`.
    ///
    /// # Errors
    /// `Expired` when the history no longer reaches back to `revision`: list again.
    pub fn watch(&self, kind: &'static Kind, revision: u64) -> Result<Watch, Status> {
        self.watch_selected(kind, &FieldSelector::default(), revision)
    }
    /// Changes of objects that `fields` select. An object that they no longer select is not told of.
    ///
    /// # Errors
    /// `Expired`, as for [`Client::watch`]; `BadRequest` for a field that the kind does not support.
    pub fn watch_selected(&self, kind: &'static Kind, fields: &FieldSelector, revision: u64) -> Result<Watch, Status> {
        let selection = Selection::new(kind, &LabelSelector::default(), fields)?;
        Ok(Watch { inner: self.registry.watch(kind, "", revision)?, selection, pending: Vec::new() })
    }
    /// Creates the object in its `metadata.namespace`.
    pub async fn create(&self, kind: &'static Kind, object: Value) -> Result<Written, Status> {
        let namespace = object.namespace().to_string();
        self.registry.create(kind, &namespace, object, self.options()).await
    }
    /// Replaces the object, or its status; a `metadata.resourceVersion` in it must be the current one.
    pub async fn update(&self, kind: &'static Kind, part: Part, object: Value) -> Result<Written, Status> {
        let (namespace, name) = (object.namespace().to_string(), object.name().to_string());
        self.registry.update(kind, part, &namespace, &name, &mut |_| Ok(object.clone()), self.options()).await
    }
    /// Reads the object, lets `change` alter it and writes it back, as often as others' writes come between. Writes
    /// nothing when nothing changed.
    pub async fn modify(
        &self,
        kind: &'static Kind,
        part: Part,
        namespace: &str,
        name: &str,
        mut change: impl FnMut(&mut Value) + Send,
    ) -> Result<Written, Status> {
        let mut apply = |current: &Value| {
            let mut object = current.clone();
            object.remove("metadata.resourceVersion");
            change(&mut object);
            Ok(object)
        };
        self.registry.update(kind, part, namespace, name, &mut apply, self.options()).await
    }
    pub async fn delete(
        &self,
        kind: &'static Kind,
        namespace: &str,
        name: &str,
        options: DeleteOptions,
    ) -> Result<(), Status> {
        self.registry.delete(kind, namespace, name, options).await.map(|_| ())
    }
}

/// A stream of changes.
pub struct Watch {
    inner: crate::registry::Watch,
    selection: Selection,
    pending: Vec<(Change, Encoded, u64)>,
}

impl Watch {
    /// The next change with the object (its last state, when deleted) and the revision at which it happened. Waits for it.
    ///
    /// # Errors
    /// `Expired` when this watch fell so far behind that history is gone: list again.
    pub async fn next(&mut self) -> Result<(Change, Value, u64), Status> {
        let (change, encoded, revision) = self.next_encoded().await?;
        Ok((change, encoded.object()?, revision))
    }

    /// [`Watch::next`] for those who need not all of the object.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub async fn next_encoded(&mut self) -> Result<(Change, Encoded, u64), Status> {
        loop {
            if let Some(next) = self.pending.pop() {
                return Ok(next);
            }
            let events = self.inner.next().await?.into_iter().rev();
            for event in events.filter(|event| self.selection.matches(&event.entry)) {
                let change = match (event.deleted, event.previous.is_some()) {
                    (true, _) => Change::Deleted,
                    (false, true) => Change::Modified,
                    (false, false) => Change::Added,
                };
                self.pending.push((change, Encoded(event.entry.clone()), event.revision));
            }
        }
    }
}
