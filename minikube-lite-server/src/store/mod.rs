//! Revisions, compare-and-swap, history and watch over opaque values. Knows no kinds.
//!
//! The live state and its recent history are in memory, where all reads and watches are answered; an [`Engine`] below is
//! the durable log. One thread, the committer, takes writes in batches: it checks what each expects, gives each the next
//! revision, makes the batch durable with one flush (group commit), then publishes it and acknowledges. What a reader
//! sees is therefore always on disk.
//!
//! Values live in *buckets* (one for each resource) so that a reader of one is not held up by writes to another. The
//! revision is one for all, as etcd's is; the interface fits etcd's (mod revision, prefix range, compare-and-swap, watch).

mod bucket;
mod commit;
mod disk;
mod journal;
mod memory;
mod sled;
mod watch;

pub use bucket::Page;
pub use disk::DiskEngine;
pub use memory::MemoryEngine;
pub use watch::Watcher;

use bucket::Bucket;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot};

/// A value at one revision. `A` is what the layer above derives from every value to select by (labels, fields).
#[derive(Clone, Debug)]
pub struct Entry<A> {
    /// The key within its bucket.
    pub key: Arc<str>,
    /// The revision of the write that made this value.
    pub revision: u64,
    pub bytes: Bytes,
    pub attributes: A,
}

/// Attributes that can be told apart at a glance.
pub trait Sketched {
    /// A Bloom filter of whatever values are selected by: bits that are set for all values that a selection wants.
    fn sketch(&self) -> u64;
}

impl Sketched for () {
    fn sketch(&self) -> u64 {
        0
    }
}

/// A committed write.
#[derive(Debug)]
pub struct Event<A> {
    pub revision: u64,
    pub deleted: bool,
    /// The new value; for a deletion, the last one, as of the deletion's revision.
    pub entry: Arc<Entry<A>>,
    /// The value before; `None` for a creation.
    pub previous: Option<Arc<Entry<A>>>,
    /// The event as sent to watchers, encoded by the layer above once for all of them.
    pub encoded: Encoded,
}

/// What the layer above last made of an event to send it. It is kept while the event is new, and many watchers take it.
#[derive(Debug, Default)]
pub struct Encoded(Mutex<Option<Box<(&'static str, Bytes)>>>);

impl Encoded {
    /// The event in the form called `form`, made if it is not there.
    pub fn get(&self, form: &'static str, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(kept) if kept.0 == form => kept.1.clone(),
            _ => kept.insert(Box::new((form, make()))).1.clone(),
        }
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// An encoded value that lacks only its own revision, which is not known before it is committed.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    /// Where the digits of the revision go.
    hole: usize,
}

impl Template {
    /// A value with the revision's digits to be put in at byte `hole`.
    pub fn new(bytes: Vec<u8>, hole: usize) -> Template {
        debug_assert!(hole <= bytes.len());
        Template { bytes, hole }
    }
    fn fill(&self, revision: u64) -> Bytes {
        let digits = revision.to_string();
        let mut out = Vec::with_capacity(self.bytes.len() + digits.len());
        out.extend_from_slice(&self.bytes[..self.hole]);
        out.extend_from_slice(digits.as_bytes());
        out.extend_from_slice(&self.bytes[self.hole..]);
        out.into()
    }
}

/// What a write expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No value at the key.
    Absent,
    /// The value of exactly this revision.
    Revision(u64),
}

/// A write to one key.
pub struct Write<A> {
    pub bucket: &'static str,
    pub key: String,
    pub expect: Expect,
    pub deleted: bool,
    /// The new value; for a deletion, the last one.
    pub value: Template,
    pub attributes: A,
}

/// Why a write was not done.
#[derive(Debug)]
pub enum WriteError {
    /// The key was not as expected.
    Conflict,
    /// The engine failed, or the store is shut down.
    Failed(String),
}

/// The durable log below the store.
pub trait Engine: Send + 'static {
    /// Calls `each` with bucket, key, revision and bytes of every value, and returns the last revision.
    fn load(&mut self, each: &mut dyn FnMut(&str, &str, u64, Bytes)) -> Result<u64, String>;
    /// Makes the records durable, all or none, before it returns.
    fn write(&mut self, records: &[Record]) -> Result<(), String>;
}

/// What the engine keeps of a write. `bytes` is `None` for a deletion.
pub struct Record {
    pub bucket: &'static str,
    pub key: Arc<str>,
    pub revision: u64,
    pub bytes: Option<Bytes>,
}

/// A request at a revision that the kept history doesn't reach.
#[derive(Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The oldest revision that can still be asked for.
    pub oldest: u64,
}

struct Pending<A> {
    write: Write<A>,
    reply: oneshot::Sender<Result<Arc<Entry<A>>, WriteError>>,
}

/// Which part of a bucket a list looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan<'a> {
    /// What keys begin with.
    pub prefix: &'a str,
    /// The key after which the list begins.
    pub after: Option<&'a str>,
    /// At most this many; 0: all.
    pub limit: usize,
    /// As of this revision; `None`: now.
    pub at: Option<u64>,
    /// Values whose sketch lacks one of these bits are passed over.
    pub sketch: u64,
}

/// The store. All methods may be called from any thread.
pub struct Store<A> {
    shared: Arc<Shared<A>>,
    writes: std::sync::Mutex<Option<mpsc::UnboundedSender<Pending<A>>>>,
    committer: std::sync::Mutex<Option<std::thread::JoinHandle<()>>>,
}

struct Shared<A> {
    buckets: RwLock<HashMap<String, Arc<Bucket<A>>>>,
    revision: AtomicU64,
    /// The revision at which the engine was read: what came before is not known.
    loaded: AtomicU64,
    /// Watches may begin at this revision or later.
    watchable: AtomicU64,
}

impl<A> Shared<A> {
    fn bucket(&self, name: &str) -> Arc<Bucket<A>> {
        if let Some(bucket) = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return bucket.clone();
        }
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        let (loaded, watchable) = (self.loaded.load(Ordering::Acquire), self.watchable.load(Ordering::Acquire));
        buckets.entry(name.to_string()).or_insert_with(|| Arc::new(Bucket::new(loaded, watchable))).clone()
    }
}

impl<A: Sketched + Clone + Send + Sync + 'static> Store<A> {
    /// Opens the store over an engine; `attributes` derives the attributes of a loaded value from its bucket and bytes.
    ///
    /// # Errors
    /// What the engine says when it cannot be read.
    pub fn open(mut engine: impl Engine, attributes: impl Fn(&str, &[u8]) -> A) -> Result<Store<A>, String> {
        let shared = Arc::new(Shared {
            buckets: RwLock::default(),
            revision: AtomicU64::new(0),
            loaded: AtomicU64::new(0),
            watchable: AtomicU64::new(0),
        });
        let mut loaded: HashMap<String, Vec<Arc<Entry<A>>>> = HashMap::new();
        let revision = engine.load(&mut |bucket, key, revision, bytes| {
            let attributes = attributes(bucket, &bytes);
            let entry = Arc::new(Entry { key: key.into(), revision, bytes, attributes });
            match loaded.get_mut(bucket) {
                Some(entries) => entries.push(entry),
                None => drop(loaded.insert(bucket.to_string(), vec![entry])),
            }
        })?;
        for field in [&shared.revision, &shared.loaded, &shared.watchable] {
            field.store(revision, Ordering::Release);
        }
        for (name, entries) in loaded {
            shared.bucket(&name).load(entries);
        }
        let (writes, queue) = mpsc::unbounded_channel();
        let committer = std::thread::Builder::new()
            .name("committer".into())
            .spawn({
                let shared = shared.clone();
                move || commit::run(shared, engine, queue)
            })
            .map_err(|e| format!("cannot start the committer thread: {e}"))?;
        Ok(Store { shared, writes: Some(writes).into(), committer: Some(committer).into() })
    }

    /// The revision of the last committed write.
    pub fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Acquire)
    }

    /// The revision up to which a bucket's readers have seen it: while a batch is being published, this can be ahead of
    /// [`Store::revision`].
    pub fn revision_of(&self, bucket: &str) -> u64 {
        self.shared.bucket(bucket).last().max(self.revision())
    }

    /// The value at a key.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Arc<Entry<A>>> {
        self.shared.bucket(bucket).get(key)
    }

    /// The values of a scan that `select` takes, in key order.
    ///
    /// # Errors
    /// [`Compacted`] when its revision is older than the history that is kept.
    pub fn list(&self, bucket: &str, scan: Scan<'_>, select: impl Fn(&Entry<A>) -> bool) -> Result<Page<A>, Compacted> {
        self.shared.bucket(bucket).list(scan, || self.revision(), select)
    }

    /// Writes of a bucket to keys that begin with `prefix`, after revision `after`.
    ///
    /// # Errors
    /// [`Compacted`] when history no longer reaches back to `after`.
    pub fn watch(&self, bucket: &str, prefix: &str, after: u64) -> Result<Watcher<A>, Compacted> {
        Watcher::new(self.shared.bucket(bucket), prefix, after)
    }

    /// How many values a bucket has.
    pub fn count(&self, bucket: &str) -> usize {
        self.shared.bucket(bucket).len()
    }

    /// Commits one write: durable and visible when this returns.
    pub async fn write(&self, write: Write<A>) -> Result<Arc<Entry<A>>, WriteError> {
        let closed = || WriteError::Failed("the server is shutting down".into());
        let (reply, answer) = oneshot::channel();
        {
            let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
            writes.as_ref().ok_or_else(closed)?.send(Pending { write, reply }).map_err(|_| closed())?;
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Lets watches begin with what is written from now on, though older revisions can still be listed: as a watch cache
    /// has it that starts over a store with history.
    pub fn begin_watch_window(&self) {
        let now = self.revision();
        self.shared.watchable.store(now, Ordering::Release);
        for bucket in self.shared.buckets.read().unwrap_or_else(PoisonError::into_inner).values() {
            bucket.begin_watch_window(now);
        }
    }

    /// Takes no more writes, finishes those under way and closes the engine.
    pub fn close(&self) {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if committer.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the committer thread panicked");
        }
    }
}

impl<A> Drop for Store<A> {
    fn drop(&mut self) {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
