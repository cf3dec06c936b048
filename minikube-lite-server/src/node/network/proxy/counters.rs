//! What each endpoint of a Service has served.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one endpoint of a Service's port, since it was there.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    requests: AtomicU64,
}

impl Counters {
    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Where a server counts the requests that it serves on a connection. Those of connections that did not come through a
/// Service are not counted.
#[derive(Clone, Debug, Default)]
pub struct Requests(Option<Arc<Counters>>);

impl Requests {
    pub(in crate::node::network) fn to(counters: Arc<Counters>) -> Requests {
        Requests(Some(counters))
    }
    /// One more request.
    pub fn count(&self) {
        if let Some(counters) = &self.0 {
            counters.requests.fetch_add(1, Ordering::Relaxed);
        }
    }
}
