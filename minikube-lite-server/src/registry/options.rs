//! Options of the verbs (`meta/v1` CreateOptions, UpdateOptions, PatchOptions, DeleteOptions, ListOptions).

use shared_types::selector::{FieldSelector, LabelSelector};

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// The field manager that the write is recorded under.
    pub manager: String,
    /// Do everything but store.
    pub dry_run: bool,
    /// Allow an update to create, even where the kind does not (server-side apply).
    pub create_on_update: bool,
    /// The write is a server-side apply, which has set `metadata.managedFields` itself.
    pub applied: bool,
    /// The write is a change of the object's metadata and nothing else.
    pub metadata_only: bool,
}

/// What becomes of an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Orphan,
    Background,
    Foreground,
}

/// What must hold for a deletion to go on.
#[derive(Clone, Debug, Default)]
pub struct Preconditions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

/// How to delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    pub grace_period_seconds: Option<i64>,
    pub propagation: Option<Propagation>,
    pub preconditions: Preconditions,
    pub dry_run: bool,
}

/// How `resourceVersion` of a list is meant (`resourceVersionMatch`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    Exact,
    NotOlderThan,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    pub labels: LabelSelector,
    pub fields: FieldSelector,
    /// At most this many; 0 for all.
    pub limit: usize,
    /// Where an earlier page ended.
    pub continue_token: Option<String>,
    pub resource_version: Option<(u64, Option<Match>)>,
}
