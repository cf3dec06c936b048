//! A volume: files that several containers may share.

use super::open::{Inode, Usage};
use super::tree::{Directory, Entry, Kind, Tree};
use super::{file_name, parent};
use jiff::Timestamp;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What files may hold where nothing else is said, in bytes: generous for a lesson, harmless for the machine.
const LIMIT: u64 = 256 * 1024 * 1024;
/// How many files and directories may be made in one volume.
const NODES: usize = 50_000;

/// A volume of a Pod. Clones are the same volume.
#[derive(Clone)]
pub struct Volume(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    usage: Arc<Usage>,
}

struct State {
    root: Arc<Entry>,
    /// How many entries were added since the beginning, less those that went.
    nodes: usize,
}

impl Volume {
    /// An `emptyDir`, of at most `limit` bytes.
    pub fn empty(limit: Option<u64>) -> Volume {
        let root = Entry { mode: 0o777, ..Entry::directory(Timestamp::UNIX_EPOCH) };
        Volume::with(Arc::new(root), limit.unwrap_or(LIMIT))
    }

    /// A volume with this content.
    pub fn of(tree: &Tree) -> Volume {
        Volume::with(tree.root.clone(), LIMIT)
    }

    fn with(root: Arc<Entry>, limit: u64) -> Volume {
        Volume(Arc::new(Inner { state: Mutex::new(State { root, nodes: 0 }), usage: Arc::new(Usage::new(limit)) }))
    }

    /// Replaces the whole content at once. Files that are open stay as they are.
    pub fn replace_all(&self, tree: &Tree) {
        self.state().root = tree.root.clone();
    }

    /// The bytes used and allowed.
    pub fn usage(&self) -> (u64, u64) {
        self.0.usage.get()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is(&self, other: &Volume) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn entry(&self, path: &str) -> Option<Arc<Entry>> {
        let root = self.state().root.clone();
        root.descend(path)
    }

    /// Makes the directory of a `subPath` where nothing is there.
    pub(super) fn prepare(&self, sub_path: &str, now: Timestamp) {
        if self.entry(sub_path).is_none() {
            // A file in the way is found out when the path is used.
            let _ = self.state().root.make_directories(sub_path, now).map(drop);
        }
    }

    /// Makes the place where something is going to be mounted.
    pub(super) fn prepare_mount(&self, path: &str, is_file: bool, now: Timestamp) {
        let mut state = self.state();
        if !is_file {
            let _ = state.root.make_directories(path, now).map(drop);
        } else if let Ok(directory) = state.root.make_directories(parent(path), now) {
            let entry = Entry { kind: Kind::File(bytes::Bytes::new()), mode: 0o644, modified: now };
            directory.insert(file_name(path), Arc::new(entry));
        }
    }

    fn directory<T>(
        &self,
        path: &str,
        change: impl FnOnce(&mut Directory, &mut usize) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let State { root, nodes } = &mut *state;
        change(root.directory_mut(parent(path))?, nodes)
    }

    pub(super) fn insert(&self, path: &str, entry: Entry) -> io::Result<()> {
        self.directory(path, |directory, nodes| {
            if *nodes >= NODES {
                return Err(ErrorKind::StorageFull.into());
            }
            *nodes += 1;
            directory.insert(file_name(path), Arc::new(entry));
            Ok(())
        })
    }

    pub(super) fn replace(&self, path: &str, entry: Arc<Entry>) -> io::Result<()> {
        self.directory(path, |directory, nodes| {
            if directory.insert(file_name(path), entry).is_none() {
                *nodes += 1;
            }
            Ok(())
        })
    }

    pub(super) fn remove(&self, path: &str) -> io::Result<Arc<Entry>> {
        self.directory(path, |directory, nodes| {
            let entry = directory.remove(file_name(path)).ok_or(ErrorKind::NotFound)?;
            *nodes = nodes.saturating_sub(1);
            Ok(entry)
        })
    }

    pub(super) fn update(&self, path: &str, change: impl FnOnce(&mut Entry)) -> io::Result<()> {
        self.directory(path, |directory, _| {
            change(Arc::make_mut(directory.get_mut(file_name(path)).ok_or(ErrorKind::NotFound)?));
            Ok(())
        })
    }

    /// The file at the path, which can be written to; a new one where nothing is there.
    pub(super) fn writable(&self, path: &str, now: Timestamp) -> io::Result<Arc<Inode>> {
        if let Some(entry) = self.entry(path) {
            if let Kind::Inode(inode) = &entry.kind {
                return Ok(inode.clone());
            }
            let content = match &entry.kind {
                Kind::File(content) => content.clone(),
                _ => bytes::Bytes::new(),
            };
            let inode = Arc::new(Inode::new(&content, self.0.usage.clone(), entry.modified)?);
            let kind = Kind::Inode(inode.clone());
            if path.is_empty() {
                self.state().root = Arc::new(Entry { kind, ..Entry::clone(&entry) });
            } else {
                self.update(path, |entry| entry.kind = kind)?;
            }
            return Ok(inode);
        }
        let inode = Arc::new(Inode::new(&[], self.0.usage.clone(), now)?);
        self.insert(path, Entry { kind: Kind::Inode(inode.clone()), mode: 0o644, modified: now })?;
        Ok(inode)
    }
}
