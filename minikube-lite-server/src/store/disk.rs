//! The engine on disk: what is acknowledged is in a [`journal`], which is folded into [sled](super::sled) now and then.
//!
//! Appending to a file and flushing it once is the cheapest way to make a batch of writes durable. What an object has been
//! through between two foldings never reaches the database. A thread folds when the journal is long or nobody has written
//! for a moment, while writes go on to the next journal; a journal is deleted when all that is in it is in sled. After a
//! crash, journals that were left are folded before anything is read.

use super::journal::{self, Journal};
use super::sled::Tree;
use super::{Engine, Record};
use bytes::Bytes;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A journal of this many bytes is folded without waiting for a quiet moment ...
const LONG: u64 = 64 << 20;
/// ... and at this length, writes wait for it.
const TOO_LONG: u64 = 4 * LONG;
/// Without writes for this long, a journal is folded.
const QUIET: Duration = Duration::from_secs(1);

/// What has become of keys since the last folding: the revision, and the bytes unless it was deleted.
type Changes = HashMap<(&'static str, Arc<str>), (u64, Option<Bytes>)>;

/// The durable log in a folder.
pub struct DiskEngine {
    tree: Tree,
    shared: Arc<Shared>,
    folding: Option<JoinHandle<()>>,
}

struct Shared {
    folder: PathBuf,
    state: Mutex<State>,
    /// Something for the thread that folds: a long journal, or the end.
    wanted: Condvar,
    /// The thread has folded.
    folded: Condvar,
}

struct State {
    journal: Journal,
    /// The number of the next journal.
    next: u64,
    changes: Changes,
    /// The revision of the last write.
    last: u64,
    closing: bool,
    /// Folding failed; what has been acknowledged stays in the journals.
    failed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskEngine {
    /// Opens or makes the database and the journals in `folder`.
    ///
    /// # Errors
    /// One line for the user: the folder is in use, unreadable, or of another format.
    pub fn open(folder: &Path) -> Result<DiskEngine, String> {
        // Who has the database open, has the journals.
        let tree = Tree::open(&folder.join("db"))?;
        let folder = folder.join("journal");
        let failed = |problem: std::io::Error| format!("cannot use {}: {problem}", folder.display());
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let (left, next) = journal::files(&folder).map_err(failed)?;
        recover(&tree, &left).map_err(|problem| format!("cannot use {}: {problem}", folder.display()))?;
        let journal = Journal::create(&folder, next).map_err(failed)?;
        for path in left {
            std::fs::remove_file(path).map_err(failed)?;
        }
        let (changes, next) = (Changes::new(), next + 1);
        let state = State { journal, next, changes, last: 0, closing: false, failed: false };
        let shared = Arc::new(Shared { folder, state: state.into(), wanted: Condvar::new(), folded: Condvar::new() });
        let folding = std::thread::Builder::new()
            .name("folder".into())
            .spawn({
                let (shared, tree) = (shared.clone(), tree.clone());
                move || fold_on_demand(&shared, &tree)
            })
            .map_err(|problem| format!("cannot start a thread: {problem}"))?;
        Ok(DiskEngine { tree, shared, folding: Some(folding) })
    }
}

/// Folds what journals hold into the database.
fn recover(tree: &Tree, journals: &[PathBuf]) -> Result<(), String> {
    let mut changes = HashMap::new();
    let mut last = 0;
    for path in journals {
        let mut each = |recorded: journal::Recorded| {
            last = last.max(recorded.revision);
            changes.insert((recorded.bucket, recorded.key), (recorded.revision, recorded.bytes));
        };
        journal::read(path, &mut each).map_err(|problem| problem.to_string())?;
    }
    if changes.is_empty() {
        return Ok(());
    }
    let changes =
        changes.iter().map(|((b, k), (revision, bytes))| (b.as_str(), k.as_str(), *revision, bytes.as_deref()));
    tree.apply(changes, last)
}

/// The thread that folds, until the engine is closed; then it folds once more.
fn fold_on_demand(shared: &Shared, tree: &Tree) {
    loop {
        let mut state = shared.state();
        let mut seen = state.last;
        let closing = loop {
            if state.closing || state.journal.len() >= LONG {
                break state.closing;
            }
            let (woken, waited) = shared.wanted.wait_timeout(state, QUIET).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() && state.last == seen && !state.changes.is_empty() {
                break false;
            }
            seen = state.last;
        };
        if let Err(problem) = fold(shared, tree, state) {
            tracing::error!("cannot write to the database: {problem}");
            shared.state().failed = true;
            shared.folded.notify_all();
            return;
        }
        shared.folded.notify_all();
        if closing {
            return;
        }
    }
}

/// Moves what has changed into the database, while writes go on.
fn fold(shared: &Shared, tree: &Tree, mut state: MutexGuard<'_, State>) -> Result<(), String> {
    if state.changes.is_empty() {
        return Ok(());
    }
    let journal = Journal::create(&shared.folder, state.next).map_err(|problem| problem.to_string())?;
    state.next += 1;
    let old = std::mem::replace(&mut state.journal, journal);
    let (changes, last) = (std::mem::take(&mut state.changes), state.last);
    drop(state);
    let mut changes: Vec<_> = changes.into_iter().collect();
    // Neighbours share pages of the tree.
    changes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    tree.apply(changes.iter().map(|((b, k), (revision, bytes))| (*b, &**k, *revision, bytes.as_deref())), last)?;
    std::fs::remove_file(old.path()).map_err(|problem| problem.to_string())
}

impl Engine for DiskEngine {
    fn load(&mut self, each: &mut dyn FnMut(&str, &str, u64, Bytes)) -> Result<u64, String> {
        let last = self.tree.load(each)?;
        self.shared.state().last = last;
        Ok(last)
    }

    fn write(&mut self, records: &[Record]) -> Result<(), String> {
        let Some(newest) = records.last() else { return Ok(()) };
        let mut state = self.shared.state();
        while state.journal.len() >= TOO_LONG && !state.failed {
            state = self.shared.folded.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed {
            return Err("the database cannot be written to".into());
        }
        state.journal.append(records).map_err(|problem| problem.to_string())?;
        state.last = newest.revision;
        for record in records {
            state.changes.insert((record.bucket, record.key.clone()), (record.revision, record.bytes.clone()));
        }
        if state.journal.len() >= LONG {
            self.shared.wanted.notify_one();
        }
        Ok(())
    }
}

impl Drop for DiskEngine {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.wanted.notify_one();
        if self.folding.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that folds the journal panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, revision: u64, bytes: Option<&str>) -> Record {
        let bytes = bytes.map(|text| Bytes::copy_from_slice(text.as_bytes()));
        Record { bucket: "pods", key: key.into(), revision, bytes }
    }
    fn content(engine: &mut DiskEngine) -> (Vec<(String, u64, Bytes)>, u64) {
        let mut found = Vec::new();
        let last = engine.load(&mut |bucket, key, revision, bytes| {
            found.push((format!("{bucket}/{key}"), revision, bytes));
        });
        (found, last.unwrap())
    }

    #[test]
    fn what_was_written_is_there_after_an_orderly_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut engine = DiskEngine::open(folder.path()).unwrap();
        engine.write(&[record("a", 1, Some("one")), record("b", 2, Some("two"))]).unwrap();
        engine.write(&[record("a", 3, None)]).unwrap();
        drop(engine);
        let left = journal::files(&folder.path().join("journal")).unwrap().0;
        assert!(left.iter().all(|path| std::fs::metadata(path).unwrap().len() == 0), "all is folded");
        let mut engine = DiskEngine::open(folder.path()).unwrap();
        assert_eq!(content(&mut engine), (vec![("pods/b".into(), 2, "two".into())], 3));
    }

    #[test]
    fn journals_left_by_a_crash_are_folded() {
        let folder = tempfile::tempdir().unwrap();
        let journals = folder.path().join("journal");
        drop(DiskEngine::open(folder.path()).unwrap());
        let mut first = Journal::create(&journals, 100).unwrap();
        first.append(&[record("a", 5, Some("old")), record("gone", 6, Some("x"))]).unwrap();
        let mut second = Journal::create(&journals, 101).unwrap();
        second.append(&[record("a", 7, Some("new")), record("gone", 8, None)]).unwrap();
        let mut engine = DiskEngine::open(folder.path()).unwrap();
        assert_eq!(content(&mut engine), (vec![("pods/a".into(), 7, "new".into())], 8));
        engine.write(&[record("a", 9, Some("newer"))]).unwrap();
        drop(engine);
        let mut engine = DiskEngine::open(folder.path()).unwrap();
        assert_eq!(content(&mut engine), (vec![("pods/a".into(), 9, "newer".into())], 9));
    }

    #[test]
    fn a_long_journal_is_folded_while_writes_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut engine = DiskEngine::open(folder.path()).unwrap();
        let large = "x".repeat(1 << 20);
        let count = LONG / (1 << 20) + 8;
        for n in 1..=count {
            engine.write(&[record(&format!("{:02}", n % 10), n, Some(&large))]).unwrap();
        }
        drop(engine);
        let mut engine = DiskEngine::open(folder.path()).unwrap();
        let (found, last) = content(&mut engine);
        assert_eq!((found.len(), last), (10, count));
        assert!(found.iter().all(|(_, revision, _)| *revision > count - 10));
    }

    #[test]
    fn a_folder_is_used_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let _engine = DiskEngine::open(folder.path()).unwrap();
        let refused = DiskEngine::open(folder.path()).map(drop).unwrap_err();
        assert!(refused.ends_with("is in use by another server"), "{refused}");
    }
}
