//! Watching: a cursor over a bucket's history.
//!
//! A watcher keeps no buffer of its own. It reads events from the shared history, so that a slow one costs nobody else
//! anything; one that falls behind what is kept is told so and ends.

use super::bucket::Bucket;
use super::{Compacted, Event};
use std::sync::Arc;
use tokio::sync::watch;

/// How many events one call of [`Watcher::next`] returns at most.
const BATCH: usize = 256;

/// A cursor over the events of one bucket under one prefix.
pub struct Watcher<A> {
    bucket: Arc<Bucket<A>>,
    prefix: String,
    /// The revision up to which events have been handed out.
    seen: u64,
    changed: watch::Receiver<u64>,
}

impl<A> Watcher<A> {
    pub(super) fn new(bucket: Arc<Bucket<A>>, prefix: &str, after: u64) -> Result<Watcher<A>, Compacted> {
        let oldest = bucket.watchable();
        if after < oldest {
            return Err(Compacted { oldest });
        }
        let changed = bucket.subscribe();
        Ok(Watcher { bucket, prefix: prefix.to_string(), seen: after, changed })
    }

    /// The next events in order, at least one; waits for them. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Compacted`] when this watcher has fallen behind the kept history.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event<A>>>, Compacted> {
        loop {
            let events = self.poll()?;
            if !events.is_empty() {
                return Ok(events);
            }
            if self.changed.changed().await.is_err() {
                // The store is gone, and with it all further events.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Events that are there already; none where there are none.
    ///
    /// # Errors
    /// [`Compacted`] when this watcher has fallen behind the kept history.
    pub fn poll(&mut self) -> Result<Vec<Arc<Event<A>>>, Compacted> {
        self.changed.borrow_and_update();
        let (events, seen) = self.bucket.events(&self.prefix, self.seen, BATCH)?;
        self.seen = seen;
        Ok(events)
    }

    /// The revision up to which events have been handed out.
    pub fn seen(&self) -> u64 {
        self.seen
    }
}
