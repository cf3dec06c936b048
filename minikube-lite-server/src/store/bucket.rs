//! The live values of one bucket and the events that led to them.

use super::{Compacted, Entry, Event, Scan, Sketched};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

/// How much history a bucket keeps: at most this many events ...
const MAX_EVENTS: usize = 10_000;
/// ... and this many bytes of superseded values.
const MAX_BYTES: usize = 6 << 20;
/// So many of the newest events stay encoded for watchers.
const ENCODED: usize = 256;

/// A part of a list, consistent as of `revision`.
#[derive(Debug)]
pub struct Page<A> {
    pub entries: Vec<Arc<Entry<A>>>,
    pub revision: u64,
    /// How many more there are after the last of `entries`.
    pub remaining: usize,
}

pub(super) struct Bucket<A> {
    state: RwLock<State<A>>,
    /// Tells watchers the revision of the last event.
    changed: watch::Sender<u64>,
}

/// A live value. Its sketch stands beside it, so that a list that selects few need not touch the others.
struct Live<A> {
    entry: Arc<Entry<A>>,
    sketch: u64,
}

impl<A: Sketched> From<Arc<Entry<A>>> for Live<A> {
    fn from(entry: Arc<Entry<A>>) -> Live<A> {
        Live { sketch: entry.attributes.sketch(), entry }
    }
}

struct State<A> {
    live: BTreeMap<Arc<str>, Live<A>>,
    history: VecDeque<Arc<Event<A>>>,
    history_bytes: usize,
    /// Events up to this revision are forgotten.
    compacted: u64,
    /// Watches may begin here or later.
    watchable: u64,
    /// The revision of the last event.
    last: u64,
}

/// The bytes that only history keeps because of an event.
fn superseded<A>(event: &Event<A>) -> usize {
    let last = if event.deleted { event.entry.bytes.len() } else { 0 };
    last + event.previous.as_ref().map_or(0, |previous| previous.bytes.len())
}

/// The first key after all that begin with `prefix`; `None` where there is none.
fn end_of(prefix: &str) -> Option<String> {
    let mut end = prefix.to_string();
    let last = end.pop()?;
    end.push(char::from_u32(u32::from(last) + 1)?);
    Some(end)
}

impl<A> Bucket<A> {
    pub(super) fn new(compacted: u64, watchable: u64) -> Bucket<A> {
        let state = State {
            live: BTreeMap::new(),
            history: VecDeque::new(),
            history_bytes: 0,
            compacted,
            watchable,
            last: compacted,
        };
        Bucket { state: RwLock::new(state), changed: watch::Sender::new(compacted) }
    }

    fn read(&self) -> RwLockReadGuard<'_, State<A>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
    fn write(&self) -> RwLockWriteGuard<'_, State<A>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn load(&self, entries: Vec<Arc<Entry<A>>>)
    where
        A: Sketched,
    {
        self.write().live.extend(entries.into_iter().map(|entry| (entry.key.clone(), entry.into())));
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<Entry<A>>> {
        self.read().live.get(key).map(|live| live.entry.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.read().live.len()
    }

    /// The revision of the last event.
    pub(super) fn last(&self) -> u64 {
        self.read().last
    }

    pub(super) fn begin_watch_window(&self, now: u64) {
        self.write().watchable = now;
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// See [`super::Store::list`]. `current` reads the revision of the whole store.
    pub(super) fn list(
        &self,
        scan: Scan<'_>,
        current: impl Fn() -> u64,
        select: impl Fn(&Entry<A>) -> bool,
    ) -> Result<Page<A>, Compacted> {
        let Scan { prefix, after, limit, at, sketch } = scan;
        let state = self.read();
        // Read under the lock: a batch may be published here before the store's revision tells of it.
        let now = current().max(state.last);
        let revision = at.unwrap_or(now).min(now);
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let end = end_of(prefix);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        // After a key that lies beyond the end, there is nothing.
        let beyond = matches!((start, end), (Bound::Excluded(after), Bound::Excluded(end)) if after >= end);
        let live = (!beyond).then(|| state.live.range::<str, _>((start, end))).into_iter().flatten();
        let limit = if limit == 0 { usize::MAX } else { limit };
        if revision >= state.last {
            let candidates = live.map(|(_, live)| live).filter(|live| live.sketch & sketch == sketch);
            let mut live = candidates.map(|live| &live.entry).filter(|entry| select(entry));
            let entries: Vec<_> = live.by_ref().take(limit).cloned().collect();
            return Ok(Page { entries, revision, remaining: live.count() });
        }
        if revision < state.compacted {
            return Err(Compacted { oldest: state.compacted });
        }
        // Undo what has happened since, newest first.
        let mut past: BTreeMap<&str, &Arc<Entry<A>>> = live.map(|(key, live)| (key.as_ref(), &live.entry)).collect();
        for event in state.history.iter().rev().take_while(|event| event.revision > revision) {
            let key = event.entry.key.as_ref();
            if !key.starts_with(prefix) || after.is_some_and(|after| key <= after) {
                continue;
            }
            match &event.previous {
                Some(previous) => past.insert(key, previous),
                None => past.remove(key),
            };
        }
        let mut past = past.into_values().filter(|entry| select(entry));
        let entries = past.by_ref().take(limit).cloned().collect();
        Ok(Page { entries, revision, remaining: past.count() })
    }

    /// Publishes events, whose revisions must ascend.
    pub(super) fn publish(&self, events: impl IntoIterator<Item = Arc<Event<A>>>)
    where
        A: Sketched,
    {
        let mut state = self.write();
        for event in events {
            let key = event.entry.key.clone();
            if event.deleted {
                state.live.remove(&key);
            } else {
                state.live.insert(key, event.entry.clone().into());
            }
            state.last = event.revision;
            state.history_bytes += superseded(&event);
            state.history.push_back(event);
            if let Some(older) = state.history.len().checked_sub(ENCODED + 1) {
                state.history[older].encoded.forget();
            }
        }
        while state.history.len() > MAX_EVENTS || state.history_bytes > MAX_BYTES {
            let Some(oldest) = state.history.pop_front() else { break };
            state.history_bytes -= superseded(&oldest);
            state.compacted = oldest.revision;
        }
        let last = state.last;
        drop(state);
        self.changed.send_replace(last);
    }

    /// The oldest revision from which a watch may begin.
    pub(super) fn watchable(&self) -> u64 {
        let state = self.read();
        state.compacted.max(state.watchable)
    }

    /// At most `max` events after revision `after` for keys under `prefix`, and the revision up to which this has looked.
    #[allow(clippy::type_complexity)]
    pub(super) fn events(&self, prefix: &str, after: u64, max: usize) -> Result<(Vec<Arc<Event<A>>>, u64), Compacted> {
        let state = self.read();
        if after < state.compacted {
            return Err(Compacted { oldest: state.compacted });
        }
        let first = state.history.partition_point(|event| event.revision <= after);
        let mut events = Vec::new();
        for event in state.history.range(first..) {
            if event.entry.key.starts_with(prefix) {
                events.push(event.clone());
                if events.len() == max {
                    return Ok((events, event.revision));
                }
            }
        }
        Ok((events, state.last.max(after)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn entry(key: &str, revision: u64) -> Arc<Entry<()>> {
        Arc::new(Entry { key: key.into(), revision, bytes: Bytes::from(revision.to_string()), attributes: () })
    }

    fn event(revision: u64, entry: Arc<Entry<()>>, previous: Option<Arc<Entry<()>>>, deleted: bool) -> Arc<Event<()>> {
        Arc::new(Event { revision, deleted, entry, previous, encoded: Default::default() })
    }

    /// a is made at 1 and changed at 3, b is made at 2 and deleted at 4, c is made at 5.
    fn bucket() -> Bucket<()> {
        let bucket = Bucket::new(0, 0);
        let (a1, b2, a3) = (entry("n/a", 1), entry("n/b", 2), entry("n/a", 3));
        bucket.publish([
            event(1, a1.clone(), None, false),
            event(2, b2.clone(), None, false),
            event(3, a3, Some(a1), false),
            event(4, entry("n/b", 4), Some(b2), true),
            event(5, entry("n/c", 5), None, false),
        ]);
        bucket
    }

    fn scan<'a>(prefix: &'a str, after: Option<&'a str>, limit: usize, at: Option<u64>) -> Scan<'a> {
        Scan { prefix, after, limit, at, sketch: 0 }
    }

    fn keys(page: &Page<()>) -> Vec<(&str, u64)> {
        page.entries.iter().map(|entry| (entry.key.as_ref(), entry.revision)).collect()
    }

    #[test]
    fn lists_the_present_and_the_past() {
        let bucket = bucket();
        let list = |at| bucket.list(scan("n/", None, 0, at), || 5, |_| true).unwrap();
        assert_eq!(keys(&list(None)), [("n/a", 3), ("n/c", 5)]);
        assert_eq!(keys(&list(Some(3))), [("n/a", 3), ("n/b", 2)]);
        assert_eq!(keys(&list(Some(2))), [("n/a", 1), ("n/b", 2)]);
        assert_eq!(keys(&list(Some(0))), []);
        assert_eq!(list(Some(9)).revision, 5, "the future is not told");
    }

    #[test]
    fn pages_are_of_one_revision() {
        let bucket = bucket();
        let page = bucket.list(scan("n/", None, 1, Some(3)), || 5, |_| true).unwrap();
        assert_eq!((keys(&page), page.remaining, page.revision), (vec![("n/a", 3)], 1, 3));
        let page = bucket.list(scan("n/", Some("n/a"), 1, Some(3)), || 5, |_| true).unwrap();
        assert_eq!((keys(&page), page.remaining), (vec![("n/b", 2)], 0));
        assert!(keys(&bucket.list(scan("m/", None, 0, None), || 5, |_| true).unwrap()).is_empty());
    }

    #[test]
    fn watches_begin_within_the_window() {
        let bucket = Arc::new(bucket());
        let revisions = |after| {
            bucket
                .events("n/", after, 10)
                .map(|(events, seen)| (events.iter().map(|e| e.revision).collect::<Vec<_>>(), seen))
        };
        assert_eq!(revisions(2).unwrap(), (vec![3, 4, 5], 5));
        assert_eq!(bucket.events("n/", 0, 2).unwrap().1, 2, "a full batch has looked no further");
        bucket.begin_watch_window(4);
        assert_eq!(bucket.watchable(), 4);
        assert_eq!(
            keys(&bucket.list(scan("n/", None, 0, Some(1)), || 5, |_| true).unwrap()),
            [("n/a", 1)],
            "lists go further back"
        );
    }

    #[test]
    fn old_history_is_forgotten() {
        let bucket = Bucket::new(0, 0);
        let last = MAX_EVENTS as u64 + 10;
        bucket.publish((1..=last).map(|revision| event(revision, entry("n/a", revision), None, false)));
        assert_eq!(bucket.events("n/", 5, 10).map(|_| ()), Err(Compacted { oldest: 10 }));
        assert_eq!(
            bucket.list(scan("n/", None, 0, Some(5)), || last, |_| true).map(|_| ()),
            Err(Compacted { oldest: 10 })
        );
        assert!(bucket.events("n/", 10, 10).is_ok());
    }
}
