//! What all controllers share: informers, work queues, expectations and the recording of Events.
//!
//! A controller registers handlers on the [`Informer`]s that it reads, which put [`Key`]s into its [`Queue`];
//! [`work`] takes the keys out and calls the controller's `reconcile` for each. Reconciling looks at the present state
//! only, so that it can be killed anywhere and run again.

mod expectations;
mod informer;
mod informers;
mod meta;
mod pod;
mod queue;

pub use crate::events::{About, EventSink, Recorder};
pub use expectations::Expectations;
pub use informer::{Change, Informer};
pub use informers::{Informers, stored_kinds};
pub use meta::{Cached, Full, Interner, Key, META_FIELDS, Meta, Owner, owner_reference};
pub use pod::{ContainerPort, Phase, PodView, Resources, SCHEDULER};
pub use queue::{Queue, work};
