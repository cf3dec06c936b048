//! The committer: checks, numbers, persists and publishes writes, a batch at a time.

use super::{Engine, Entry, Event, Expect, Pending, Record, Shared, Sketched, WriteError};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

/// How many writes share one flush at most.
const MAX_BATCH: usize = 1024;

/// Runs until the sending side is dropped and all queued writes are done.
pub(super) fn run<A: Sketched + Clone + Send + Sync>(
    shared: Arc<Shared<A>>,
    mut engine: impl Engine,
    mut queue: mpsc::UnboundedReceiver<Pending<A>>,
) {
    let mut batch = Vec::new();
    while queue.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        commit(&shared, &mut engine, batch.drain(..));
    }
}

fn commit<A: Sketched + Clone>(shared: &Shared<A>, engine: &mut impl Engine, batch: impl Iterator<Item = Pending<A>>) {
    let mut revision = shared.revision.load(Ordering::Acquire);
    let mut accepted = Vec::new();
    // What this batch has made of a key; `None` when it deleted it.
    let mut latest: HashMap<(&'static str, String), Option<Arc<Entry<A>>>> = HashMap::new();
    for Pending { write, reply } in batch {
        let place = (write.bucket, write.key);
        let current = match latest.get(&place) {
            Some(entry) => entry.clone(),
            None => shared.bucket(place.0).get(&place.1),
        };
        let as_expected = match write.expect {
            Expect::Absent => current.is_none(),
            Expect::Revision(revision) => current.as_ref().is_some_and(|entry| entry.revision == revision),
        };
        if !as_expected {
            // The receiver may have given up waiting; then nobody needs the answer.
            let _ = reply.send(Err(WriteError::Conflict));
            continue;
        }
        revision += 1;
        let key = current.as_ref().map_or_else(|| place.1.as_str().into(), |entry| entry.key.clone());
        let entry = Arc::new(Entry { key, revision, bytes: write.value.fill(revision), attributes: write.attributes });
        latest.insert(place, (!write.deleted).then(|| entry.clone()));
        let event = Event { revision, deleted: write.deleted, entry, previous: current, encoded: Default::default() };
        accepted.push((write.bucket, Arc::new(event), reply));
    }
    if accepted.is_empty() {
        return;
    }
    let record = |(bucket, event): (&'static str, &Arc<Event<A>>)| Record {
        bucket,
        key: event.entry.key.clone(),
        revision: event.revision,
        bytes: (!event.deleted).then(|| event.entry.bytes.clone()),
    };
    let records: Vec<Record> = accepted.iter().map(|(bucket, event, _)| record((bucket, event))).collect();
    if let Err(problem) = engine.write(&records) {
        tracing::error!("cannot write to the data folder: {problem}");
        for (_, _, reply) in accepted {
            let _ = reply.send(Err(WriteError::Failed(problem.clone())));
        }
        return;
    }
    let mut by_bucket: HashMap<&'static str, Vec<Arc<Event<A>>>> = HashMap::new();
    for (bucket, event, _) in &accepted {
        by_bucket.entry(bucket).or_default().push(event.clone());
    }
    for (bucket, events) in by_bucket {
        shared.bucket(bucket).publish(events);
    }
    shared.revision.store(revision, Ordering::Release);
    for (_, event, reply) in accepted {
        let _ = reply.send(Ok(event.entry.clone()));
    }
}
