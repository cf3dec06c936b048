//! What a controller has done and its informer has yet to show.

use super::informer::Informer;
use super::meta::{Cached, Key};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Per key, the writes to wait for before the state in the informer may be acted on again. Without this a controller
/// would create Pods twice when it is faster than its informer.
#[derive(Default)]
pub struct Expectations {
    pending: Mutex<HashMap<Key, Expected>>,
}

#[derive(Default)]
struct Expected {
    /// The informer must have come this far.
    revision: u64,
    /// These objects (with their uid) must be gone or terminating.
    deletions: HashMap<Arc<str>, Key>,
}

impl Expectations {
    fn pending(&self) -> MutexGuard<'_, HashMap<Key, Expected>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// An object was created or changed for `key`, at `revision`.
    pub fn written(&self, key: &Key, revision: u64) {
        let mut pending = self.pending();
        let expected = pending.entry(key.clone()).or_default();
        expected.revision = expected.revision.max(revision);
    }
    /// An object was deleted for `key`.
    pub fn deleted(&self, key: &Key, object: Key, uid: Arc<str>) {
        self.pending().entry(key.clone()).or_default().deletions.insert(uid, object);
    }
    /// Forgets what was expected for a key.
    pub fn forget(&self, key: &Key) {
        self.pending().remove(key);
    }
    /// Whether the informer shows everything that was done for `key`.
    pub fn met<T: Cached>(&self, key: &Key, informer: &Informer<T>) -> bool {
        let mut pending = self.pending();
        let Some(expected) = pending.get_mut(key) else { return true };
        expected.deletions.retain(|uid, object| {
            let found = informer.get(object);
            found.is_some_and(|found| found.meta().uid == *uid && !found.meta().terminating)
        });
        let met = expected.deletions.is_empty() && informer.revision() >= expected.revision;
        if met {
            pending.remove(key);
        }
        met
    }
}
