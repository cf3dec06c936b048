//! One generic resource store and a [`Strategy`] for each kind.
//!
//! What every kind has in common lives here: metadata, defaulting and validation in Kubernetes' order, resourceVersion
//! preconditions, generation, finalizers, graceful deletion, propagation, dry runs and managed fields. The verbs are one
//! file each.

mod attributes;
pub mod check;
mod config_map;
mod create;
mod delete;
mod deployment;
mod endpoint_slice;
mod endpoints;
pub mod event;
mod horizontal_pod_autoscaler;
mod lease;
mod limit_range;
mod limit_ranger;
mod list;
mod managed_fields;
pub mod metadata;
mod namespace;
mod node;
mod options;
pub mod pod;
pub mod quota;
mod replica_set;
mod resource_quota;
mod role;
mod role_binding;
mod secret;
mod service;
mod service_account;
mod service_allocation;
mod service_ip;
mod service_node_port;
mod service_pool;
mod service_validation;
mod strategy;
mod update;
mod update_metadata;

pub use attributes::Attributes;
pub use delete::Deleted;
pub use list::{Listing, Selection, Watch};
pub use options::{DeleteOptions, ListOptions, Match, Preconditions, Propagation, WriteOptions};
pub use strategy::{Part, Strategy, of as strategy_of};
pub use update::uid_conflict;

use crate::environment::Environment;
use crate::store::{self, Expect, Template, Write, WriteError};
use shared_types::fields::Fields;
use shared_types::json::{self, Value};
use shared_types::kinds::{self, Kind};
use shared_types::mask::Mask;
use shared_types::schema;
use shared_types::status::Status;
use std::sync::Arc;

/// A stored object at one revision, encoded.
pub type Entry = store::Entry<Attributes>;
/// A committed write.
pub type Event = store::Event<Attributes>;
/// The store below the registry.
pub type Store = store::Store<Attributes>;

impl Entry {
    /// The object, decoded.
    ///
    /// # Errors
    /// When what is stored is not JSON, which only damage to the data folder explains.
    pub fn object(&self) -> Result<Value, Status> {
        json::parse(&self.bytes).map_err(|problem| self.unreadable(&problem))
    }
    /// Some fields of the object.
    ///
    /// # Errors
    /// As [`Entry::object`].
    pub fn part(&self, fields: &Mask) -> Result<Value, Status> {
        fields.read(&self.bytes).map_err(|problem| self.unreadable(&problem))
    }
    fn unreadable(&self, problem: &serde_json::Error) -> Status {
        Status::internal(format!("stored object {:?} cannot be read: {problem}", self.key))
    }
    /// The namespace; `""` for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.key.split_once('/').map_or("", |(namespace, _)| namespace)
    }
    pub fn name(&self) -> &str {
        self.key.split_once('/').map_or(&self.key, |(_, name)| name)
    }
}

/// What a write gave.
#[derive(Debug)]
pub struct Written {
    pub entry: Arc<Entry>,
    /// The object was made rather than changed.
    pub created: bool,
    /// Warnings for the client.
    pub warnings: Vec<String>,
}

impl Written {
    /// The object as it is now.
    pub fn object(&self) -> Result<Value, Status> {
        self.entry.object()
    }
}

/// What the cluster is configured with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The range from which Services take ClusterIPs, in CIDR form.
    pub service_cluster_ip_range: String,
}

/// The API's objects and their rules.
pub struct Registry {
    store: Store,
    environment: Environment,
    settings: Settings,
    service_allocations: service_allocation::Allocations,
}

/// Derives attributes of objects as the store loads them.
pub fn attributes_of_bytes(bucket: &str, bytes: &[u8]) -> Attributes {
    let kind = kinds::KINDS.iter().find(|kind| kind.plural == bucket);
    match (kind, json::parse(bytes)) {
        (Some(kind), Ok(object)) => Attributes::of(kind, &object),
        _ => Attributes::default(),
    }
}

/// The key of an object within its kind's bucket.
fn key(kind: &Kind, namespace: &str, name: &str) -> String {
    if kind.namespaced { format!("{namespace}/{name}") } else { name.to_string() }
}

/// The prefix of the keys of a namespace's objects; `""` covers all.
fn prefix(kind: &Kind, namespace: &str) -> String {
    if kind.namespaced && !namespace.is_empty() { format!("{namespace}/") } else { String::new() }
}

fn not_found(kind: &Kind, name: &str) -> Status {
    Status::not_found(kind.plural, kind.group, name)
}

impl Registry {
    /// A registry over an open store.
    ///
    /// # Errors
    /// One line for the user, when the settings make no sense.
    pub fn new(store: Store, environment: Environment, settings: Settings) -> Result<Registry, String> {
        let service_allocations = service_allocation::Allocations::new(&settings.service_cluster_ip_range)?;
        let registry = Registry { store, environment, settings, service_allocations };
        let services = registry.snapshot(kinds::named("Service"), "").0;
        registry.service_allocations.restore(services.iter().filter_map(|entry| entry.object().ok()));
        Ok(registry)
    }
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    /// The revision of the last write.
    pub fn revision(&self) -> u64 {
        self.store.revision()
    }
    /// The revision up to which a kind's readers have seen its objects, which the whole may be just about to reach.
    pub fn revision_of(&self, kind: &Kind) -> u64 {
        self.store.revision_of(kind.plural)
    }
    /// How many objects of a kind there are.
    pub fn count(&self, kind: &Kind) -> usize {
        self.store.count(kind.plural)
    }
    /// Lets watches begin with what happens from now on; older revisions can still be listed.
    pub fn begin_watch_window(&self) {
        self.store.begin_watch_window();
    }
    /// The address of the `kubernetes` Service: the first of the Services' range.
    pub fn first_service_ip(&self) -> String {
        "10.96.0.1".into()
    }
    /// Finishes writes under way and takes no more.
    pub fn close(&self) {
        self.store.close();
    }

    /// One object.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, kind: &'static Kind, namespace: &str, name: &str) -> Result<Arc<Entry>, Status> {
        self.store.get(kind.plural, &key(kind, namespace, name)).ok_or_else(|| not_found(kind, name))
    }

    /// The bytes of an object with room for its next resourceVersion in the place of the one that it has.
    fn template(object: &Value, mut bytes: Vec<u8>) -> Result<Template, WriteError> {
        // Names are validated, so nothing that precedes it in metadata can hold this text.
        let field = format!("\"resourceVersion\":\"{}\"", object.text("metadata.resourceVersion"));
        let start = memchr::memmem::find(&bytes, field.as_bytes())
            .ok_or_else(|| WriteError::Failed("an object was encoded without resourceVersion".into()))?;
        let hole = start + "\"resourceVersion\":\"".len();
        bytes.drain(hole..start + field.len() - 1);
        Ok(Template::new(bytes, hole))
    }

    /// Commits a new state of an object, which has been encoded with any resourceVersion.
    async fn commit(
        &self,
        kind: &'static Kind,
        object: &Value,
        bytes: Vec<u8>,
        expect: Expect,
        deleted: bool,
    ) -> Result<Arc<Entry>, WriteError> {
        self.commit_with(kind, object, bytes, expect, deleted, Attributes::of(kind, object)).await
    }

    /// [`Registry::commit`] of an object whose attributes are known. Of `object`, only the metadata is looked at.
    async fn commit_with(
        &self,
        kind: &'static Kind,
        object: &Value,
        bytes: Vec<u8>,
        expect: Expect,
        deleted: bool,
        attributes: Attributes,
    ) -> Result<Arc<Entry>, WriteError> {
        let value = Self::template(object, bytes)?;
        let write = Write {
            bucket: kind.plural,
            key: key(kind, object.namespace(), object.name()),
            expect,
            deleted,
            value,
            attributes,
        };
        self.store.write(write).await
    }

    /// What a dry run answers with: the object as it would be, with the revision that it has now, if any.
    fn uncommitted(kind: &'static Kind, object: &Value, bytes: Vec<u8>, revision: u64) -> Arc<Entry> {
        Arc::new(Entry {
            key: key(kind, object.namespace(), object.name()).into(),
            revision,
            bytes: bytes.into(),
            attributes: Attributes::of(kind, object),
        })
    }
}

/// An object's bytes as they are stored and sent.
fn encode(kind: &'static Kind, object: &Value) -> Result<Vec<u8>, Status> {
    let ty = schema::of_kind(&kind.api_version(), kind.kind)
        .ok_or_else(|| Status::internal(format!("kind {} has no schema", kind.kind)))?;
    Ok(schema::encode(ty, object))
}

fn failed(problem: String) -> Status {
    Status::internal(problem)
}
