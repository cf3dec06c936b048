//! The content of an image or a volume.

use super::open::{Device, Inode, OpenFile};
use super::{File, FileKind, Stat};
use crate::node::runtime::process::Program;
use bytes::Bytes;
use jiff::Timestamp;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// When the files of images were made: 2026-01-01.
const BUILT: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Something in a directory.
#[derive(Clone)]
pub(super) struct Entry {
    pub kind: Kind,
    pub mode: u32,
    /// Of a file that has been written to, its [`Inode`] knows better.
    pub modified: Timestamp,
}

#[derive(Clone)]
pub(super) enum Kind {
    Directory(Directory),
    /// A file that has never been written to, shared by all containers of an image.
    File(Bytes),
    /// A file that has been.
    Inode(Arc<Inode>),
    Program(Program),
    Link(Arc<str>),
    Device(Device),
}

/// The entries of a directory, sorted by name.
#[derive(Clone, Default)]
pub(super) struct Directory(Vec<(Arc<str>, Arc<Entry>)>);

impl Directory {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_ref().cmp(name))
    }
    pub fn get(&self, name: &str) -> Option<&Arc<Entry>> {
        self.find(name).ok().map(|at| &self.0[at].1)
    }
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Arc<Entry>> {
        self.find(name).ok().map(|at| &mut self.0[at].1)
    }
    /// Gives what was there before.
    pub fn insert(&mut self, name: &str, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        match self.find(name) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, entry)),
            Err(at) => {
                // Most directories hold little and never change.
                self.0.reserve_exact(1 + self.0.len() / 4);
                self.0.insert(at, (name.into(), entry));
                None
            }
        }
    }
    pub fn remove(&mut self, name: &str) -> Option<Arc<Entry>> {
        self.find(name).ok().map(|at| self.0.remove(at).1)
    }
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().map(|(name, _)| name)
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Entry {
    pub fn directory(modified: Timestamp) -> Entry {
        Entry { kind: Kind::Directory(Directory::default()), mode: 0o755, modified }
    }
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }
    pub fn stat(&self) -> Stat {
        /// What a program's file is taken to be long.
        const PROGRAM: u64 = 1_131_168;
        let (kind, size, modified) = match &self.kind {
            Kind::Directory(_) => (FileKind::Directory, 4096, self.modified),
            Kind::File(bytes) => (FileKind::Regular, bytes.len() as u64, self.modified),
            Kind::Inode(inode) => (FileKind::Regular, inode.len(), inode.modified()),
            Kind::Program(_) => (FileKind::Regular, PROGRAM, self.modified),
            Kind::Link(target) => (FileKind::Link, target.len() as u64, self.modified),
            Kind::Device(_) => (FileKind::Device, 0, self.modified),
        };
        Stat { kind, mode: self.mode, size, modified }
    }
    pub fn set_modified(&mut self, modified: Timestamp) {
        self.modified = modified;
        if let Kind::Inode(inode) = &self.kind {
            inode.set_modified(modified);
        }
    }
    pub fn open(&self) -> io::Result<OpenFile> {
        match &self.kind {
            Kind::Directory(_) => Err(ErrorKind::IsADirectory.into()),
            Kind::File(bytes) => Ok(OpenFile::Regular(File::constant(bytes.clone()))),
            Kind::Inode(inode) => Ok(OpenFile::Regular(File::reading(inode.clone()))),
            // Its bytes are nothing that anybody could run.
            Kind::Program(_) => Ok(OpenFile::Regular(File::constant(Bytes::from_static(b"\x7fELF")))),
            Kind::Link(_) => Err(ErrorKind::NotFound.into()),
            Kind::Device(device) => Ok(OpenFile::Device(*device)),
        }
    }

    /// What is at a path below this one.
    pub fn descend(self: &Arc<Entry>, path: &str) -> Option<Arc<Entry>> {
        let mut entry = self;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let Kind::Directory(directory) = &entry.kind else { return None };
            entry = directory.get(part)?;
        }
        Some(entry.clone())
    }

    /// The directory at a path below this one, to be changed: copied as far as others share it.
    pub fn directory_mut<'a>(self: &'a mut Arc<Entry>, path: &str) -> io::Result<&'a mut Directory> {
        let mut entry = self;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            match &mut Arc::make_mut(entry).kind {
                Kind::Directory(directory) => entry = directory.get_mut(part).ok_or(ErrorKind::NotFound)?,
                _ => return Err(ErrorKind::NotADirectory.into()),
            }
        }
        match &mut Arc::make_mut(entry).kind {
            Kind::Directory(directory) => Ok(directory),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// Makes the directories on a path below this one that are not there.
    pub fn make_directories<'a>(
        self: &'a mut Arc<Entry>,
        path: &str,
        modified: Timestamp,
    ) -> io::Result<&'a mut Directory> {
        let mut entry = self;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let Kind::Directory(directory) = &mut Arc::make_mut(entry).kind else {
                return Err(ErrorKind::NotADirectory.into());
            };
            if directory.get(part).is_none() {
                directory.insert(part, Arc::new(Entry::directory(modified)));
            }
            entry = directory.get_mut(part).ok_or(ErrorKind::NotFound)?;
        }
        match &mut Arc::make_mut(entry).kind {
            Kind::Directory(directory) => Ok(directory),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }
}

/// The content of an image or a volume, made once: every method adds one thing at an absolute path, with the directories
/// that it needs. What is added later replaces what is there.
#[derive(Clone)]
pub struct Tree {
    pub(super) root: Arc<Entry>,
    modified: Timestamp,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

impl Tree {
    /// An empty directory.
    pub fn new() -> Tree {
        Tree::at(BUILT)
    }

    /// An empty directory, whose files were made at this moment.
    pub fn at(modified: Timestamp) -> Tree {
        Tree { root: Arc::new(Entry::directory(modified)), modified }
    }

    /// What every Linux has: the usual directories, `/dev`, and a few files in `/etc`.
    pub fn linux() -> Tree {
        let devices = [
            ("/dev/null", Device::Null),
            ("/dev/zero", Device::Zero),
            ("/dev/full", Device::Full),
            ("/dev/random", Device::Random),
            ("/dev/urandom", Device::Random),
            ("/dev/tty", Device::Stdin),
            ("/dev/stdin", Device::Stdin),
            ("/dev/stdout", Device::Stdout),
            ("/dev/stderr", Device::Stderr),
            ("/proc/1/fd/1", Device::FirstStdout),
            ("/proc/1/fd/2", Device::FirstStderr),
            ("/proc/self/fd/0", Device::Stdin),
            ("/proc/self/fd/1", Device::Stdout),
            ("/proc/self/fd/2", Device::Stderr),
        ];
        let mut tree = Tree::new();
        for directory in ["/bin", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/usr/bin", "/usr/sbin", "/var"] {
            tree = tree.directory(directory);
        }
        for directory in ["/tmp", "/var/tmp"] {
            tree = tree.directory_with_mode(directory, 0o1777);
        }
        for (path, device) in devices {
            tree = tree.put(path, Kind::Device(device), 0o666);
        }
        tree.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n")
            .file("/etc/group", "root:x:0:\nnobody:x:65534:\n")
            .link("/dev/fd", "/proc/self/fd")
    }

    pub fn directory(self, path: &str) -> Tree {
        self.directory_with_mode(path, 0o755)
    }
    pub fn directory_with_mode(mut self, path: &str, mode: u32) -> Tree {
        let modified = self.modified;
        // What is no directory yet becomes one.
        if self.root.make_directories(path, modified).is_err() {
            return self.put(path, Kind::Directory(Directory::default()), mode);
        }
        if mode != 0o755
            && let Ok(directory) = self.root.directory_mut(super::parent(path))
            && let Some(entry) = directory.get_mut(super::file_name(path))
        {
            Arc::make_mut(entry).mode = mode;
        }
        self
    }
    pub fn file(self, path: &str, content: impl Into<Bytes>) -> Tree {
        self.file_with_mode(path, content, 0o644)
    }
    pub fn file_with_mode(self, path: &str, content: impl Into<Bytes>, mode: u32) -> Tree {
        self.put(path, Kind::File(content.into()), mode)
    }
    pub fn program(self, path: &str, program: Program) -> Tree {
        self.put(path, Kind::Program(program), 0o755)
    }
    /// Adds a set of tools, such as [`crate::node::runtime::tools::busybox`].
    pub fn programs(self, programs: &[(&str, Program)]) -> Tree {
        programs.iter().fold(self, |tree, (path, program)| tree.program(path, *program))
    }
    /// Adds a symbolic link that leads to `target`.
    pub fn link(self, path: &str, target: &str) -> Tree {
        self.put(path, Kind::Link(target.into()), 0o777)
    }

    fn put(mut self, path: &str, kind: Kind, mode: u32) -> Tree {
        let entry = Entry { kind, mode, modified: self.modified };
        // A file in the place of a directory on the way is replaced by none: images are made by us.
        if let Ok(directory) = self.root.make_directories(super::parent(path), self.modified) {
            directory.insert(super::file_name(path), Arc::new(entry));
        }
        self
    }
}
