//! The files of a container, in memory: the content of its image, which it shares until it changes something, and volumes.
//!
//! Directories are shared between containers until one changes them, and copied then along the path, so that a container
//! that changes nothing costs next to nothing.

mod open;
mod paths;
mod tree;
mod volume;

#[cfg(test)]
mod tests;

pub use open::{Device, File, OpenFile};
pub use paths::{absolute, file_name, parent};
pub use tree::Tree;
pub use volume::Volume;

use super::process::Program;
use crate::environment::Environment;
use bytes::Bytes;
use jiff::Timestamp;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use tree::{Directory, Entry, Kind};

/// How many symbolic links a path may lead over, as in Linux.
const LINKS: usize = 40;
/// The longest path, in bytes, as in Linux.
const PATH_MAX: usize = 4096;

/// A volume at a place among the files of a container.
#[derive(Clone)]
pub struct Mount {
    /// Where it is, an absolute path.
    pub path: String,
    pub volume: Volume,
    /// The part of the volume that is mounted; empty for all of it.
    pub sub_path: String,
    pub read_only: bool,
}

/// The files that the processes of a container see. Clones are the same files.
#[derive(Clone)]
pub struct Files(Arc<Inner>);

struct Inner {
    /// The image's own first.
    mounts: Vec<Mount>,
    environment: Environment,
}

/// What kind of file something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Directory,
    /// With or without a program behind it.
    Regular,
    Link,
    Device,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub kind: FileKind,
    /// The permission bits, such as `0o644`.
    pub mode: u32,
    /// In bytes.
    pub size: u64,
    pub modified: Timestamp,
}

impl Stat {
    pub fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }
}

impl Files {
    /// The files of a container of an image.
    pub fn new(image: &Arc<Tree>, mounts: Vec<Mount>, environment: Environment) -> Files {
        let root = Mount { path: String::new(), volume: Volume::of(image), sub_path: String::new(), read_only: false };
        let mut files = Inner { mounts: vec![root], environment };
        for mut mount in mounts {
            mount.path = absolute("/", &mount.path);
            // Like the runtime, a missing mount point is made, and a link on the way to it is followed.
            let files = &mut files;
            if let Ok(path) = files.resolve(&mount.path, true) {
                mount.path = path;
            }
            mount.volume.prepare(&mount.sub_path, files.environment.now());
            if files.lookup(&mount.path).is_none() {
                let now = files.environment.now();
                let is_file = mount.entry("").is_some_and(|entry| !entry.is_directory());
                files.mounts[0].volume.prepare_mount(&mount.path, is_file, now);
            }
            files.mounts.push(mount);
        }
        Files(Arc::new(files))
    }

    /// The path without symbolic links, `.` and `..`. What it names need not be there, only its directory.
    ///
    /// # Errors
    /// When a directory on the way is not there.
    pub fn canonical(&self, path: &str) -> io::Result<String> {
        let path = self.0.resolve(path, true)?;
        Ok(if path.is_empty() { "/".into() } else { path })
    }

    fn entry(&self, path: &str, follow: bool) -> io::Result<Arc<Entry>> {
        if let Some(entry) = self.0.straight(path, follow) {
            return Ok(entry);
        }
        let resolved = self.0.resolve(path, follow)?;
        let entry = self.0.lookup(&resolved).ok_or(ErrorKind::NotFound)?;
        if path.ends_with('/') && !entry.is_directory() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(entry)
    }

    /// What is at the path; at the end of a symbolic link where it is one.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn stat(&self, path: &str) -> io::Result<Stat> {
        Ok(self.entry(path, true)?.stat())
    }

    /// What is at the path itself, also where that is a symbolic link.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn link_stat(&self, path: &str) -> io::Result<Stat> {
        Ok(self.entry(path, false)?.stat())
    }

    pub fn exists(&self, path: &str) -> bool {
        self.entry(path, true).is_ok()
    }
    pub fn is_directory(&self, path: &str) -> bool {
        self.entry(path, true).is_ok_and(|entry| entry.is_directory())
    }

    /// Where a symbolic link leads.
    ///
    /// # Errors
    /// `InvalidInput` when it is none.
    pub fn read_link(&self, path: &str) -> io::Result<String> {
        match &self.entry(path, false)?.kind {
            Kind::Link(target) => Ok(target.to_string()),
            _ => Err(ErrorKind::InvalidInput.into()),
        }
    }

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// When it is not there or is no directory.
    pub fn list(&self, path: &str) -> io::Result<Vec<Arc<str>>> {
        match &self.entry(path, true)?.kind {
            Kind::Directory(directory) => Ok(directory.names().cloned().collect()),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// The program that is at the path.
    ///
    /// # Errors
    /// `PermissionDenied` when it is none.
    pub fn program(&self, path: &str) -> io::Result<Program> {
        match &self.entry(path, true)?.kind {
            Kind::Program(program) => Ok(*program),
            _ => Err(ErrorKind::PermissionDenied.into()),
        }
    }

    /// The whole content of a file.
    ///
    /// # Errors
    /// When it is not there, or is no regular file.
    pub fn read(&self, path: &str) -> io::Result<Bytes> {
        match self.open(path)? {
            OpenFile::Regular(file) => Ok(file.content()),
            OpenFile::Device(_) => Ok(Bytes::new()),
        }
    }

    /// Replaces the content of a file, or creates it.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        match self.create(path, false)? {
            OpenFile::Regular(file) => file.write(content),
            OpenFile::Device(_) => Ok(()),
        }
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// When it is not there, or is a directory.
    pub fn open(&self, path: &str) -> io::Result<OpenFile> {
        self.entry(path, true)?.open()
    }

    /// Opens a file for writing, and creates it where it is not there. What is in it stays with `append`.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn create(&self, path: &str, append: bool) -> io::Result<OpenFile> {
        let resolved = self.0.resolve(path, true)?;
        let existing = self.0.lookup(&resolved);
        match existing.as_deref().map(|entry| &entry.kind) {
            Some(Kind::Directory(_)) => return Err(ErrorKind::IsADirectory.into()),
            Some(Kind::Device(device)) => return Ok(OpenFile::Device(*device)),
            None if path.ends_with('/') => return Err(ErrorKind::IsADirectory.into()),
            _ => {}
        }
        let (mount, inside) = self.0.mount(&resolved);
        if mount.read_only {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        let inode = mount.volume.writable(&mount.inside(inside), self.0.environment.now())?;
        let file = File::writing(inode, append, self.0.environment.clone());
        if !append {
            file.truncate(0)?;
        }
        Ok(OpenFile::Regular(file))
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// `AlreadyExists`, and when its own directory is not there.
    pub fn make_directory(&self, path: &str) -> io::Result<()> {
        self.insert(path.trim_end_matches('/'), Kind::Directory(Directory::default()), 0o755)
    }

    /// Makes a directory and those above it that are not there.
    ///
    /// # Errors
    /// `NotADirectory` when something else is in the way.
    pub fn make_directories(&self, path: &str) -> io::Result<()> {
        for (at, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
            match self.make_directory(&path[..at]) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists || !self.is_directory(&path[..at]) => {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes a symbolic link at `path` that leads to `target`.
    ///
    /// # Errors
    /// `AlreadyExists`, and when its directory is not there.
    pub fn link(&self, target: &str, path: &str) -> io::Result<()> {
        self.insert(path, Kind::Link(target.into()), 0o777)
    }

    fn insert(&self, path: &str, kind: Kind, mode: u32) -> io::Result<()> {
        let resolved = self.0.resolve(path, false)?;
        if self.0.lookup(&resolved).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let now = self.0.environment.now();
        self.change(&resolved, |volume, inside| volume.insert(inside, Entry { kind, mode, modified: now }))
    }

    /// Makes the file at the path a program.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn put_program(&self, path: &str, program: Program) -> io::Result<()> {
        self.change(&self.0.resolve(path, true)?, |volume, inside| {
            volume.update(inside, |entry| entry.kind = Kind::Program(program))
        })
    }

    /// Makes `path` another name of the file at `from`.
    ///
    /// # Errors
    /// `CrossesDevices` between volumes, `PermissionDenied` for directories, `AlreadyExists`.
    pub fn hard_link(&self, from: &str, path: &str) -> io::Result<()> {
        let (source, target) = (self.0.resolve(from, false)?, self.0.resolve(path, false)?);
        if self.0.lookup(&target).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if !self.0.mount(&source).0.volume.is(&self.0.mount(&target).0.volume) {
            return Err(ErrorKind::CrossesDevices.into());
        }
        let entry = self.entry(from, false)?;
        match &entry.kind {
            Kind::Directory(_) => return Err(ErrorKind::PermissionDenied.into()),
            // From now on there is one content with two names.
            Kind::File(_) => drop(self.create(from, true)?),
            _ => {}
        }
        let entry = self.entry(from, false)?;
        self.change(&target, |volume, inside| volume.insert(inside, Entry::clone(&entry)))
    }

    /// Removes a file or a link.
    ///
    /// # Errors
    /// When it is not there, or is a directory.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        if self.entry(path, false)?.is_directory() {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.change(&self.0.resolve(path, false)?, |volume, inside| volume.remove(inside).map(drop))
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it is not there, is none, or is not empty.
    pub fn remove_directory(&self, path: &str) -> io::Result<()> {
        match &self.entry(path, false)?.kind {
            Kind::Directory(directory) if directory.is_empty() => {}
            Kind::Directory(_) => return Err(ErrorKind::DirectoryNotEmpty.into()),
            _ => return Err(ErrorKind::NotADirectory.into()),
        }
        self.change(&self.0.resolve(path, false)?, |volume, inside| volume.remove(inside).map(drop))
    }

    /// Moves a file or a directory; a file at `to` is replaced.
    ///
    /// # Errors
    /// `CrossesDevices` between volumes, and when either is not possible.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let entry = self.entry(from, false)?;
        let (from, to) = (self.0.resolve(from, false)?, self.0.resolve(to.trim_end_matches('/'), false)?);
        if from == to {
            return Ok(());
        }
        if to.starts_with(&format!("{from}/")) {
            return Err(ErrorKind::InvalidInput.into());
        }
        let (source, target) = (self.0.mount(&from).0, self.0.mount(&to).0);
        if !source.volume.is(&target.volume) {
            return Err(ErrorKind::CrossesDevices.into());
        }
        match self.0.lookup(&to).as_deref().map(|there| &there.kind) {
            Some(Kind::Directory(_)) if !entry.is_directory() => return Err(ErrorKind::IsADirectory.into()),
            Some(Kind::Directory(there)) if !there.is_empty() => return Err(ErrorKind::DirectoryNotEmpty.into()),
            Some(Kind::Directory(_)) | None => {}
            Some(_) if entry.is_directory() => return Err(ErrorKind::NotADirectory.into()),
            Some(_) => {}
        }
        if source.read_only || target.read_only {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        // The directory of the target is looked at first: nothing may be lost when it is not there.
        if !self.is_directory(parent(&to)) {
            return Err(ErrorKind::NotFound.into());
        }
        let moved = self.change(&from, |volume, inside| volume.remove(inside))?;
        self.change(&to, |volume, inside| volume.replace(inside, moved))
    }

    /// Sets the permission bits.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn set_mode(&self, path: &str, mode: u32) -> io::Result<()> {
        self.entry(path, true)?;
        self.change(&self.0.resolve(path, true)?, |volume, inside| {
            volume.update(inside, |entry| entry.mode = mode & 0o7777)
        })
    }

    /// Sets when it was last modified.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn set_modified(&self, path: &str, modified: Timestamp) -> io::Result<()> {
        self.entry(path, true)?;
        self.change(&self.0.resolve(path, true)?, |volume, inside| {
            volume.update(inside, |entry| entry.set_modified(modified))
        })
    }

    fn change<T>(&self, resolved: &str, change: impl FnOnce(&Volume, &str) -> io::Result<T>) -> io::Result<T> {
        let (mount, inside) = self.0.mount(resolved);
        if mount.read_only {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        if inside.is_empty() && (mount.sub_path.is_empty() || resolved.is_empty()) {
            return Err(ErrorKind::ResourceBusy.into());
        }
        change(&mount.volume, &mount.inside(inside))
    }

    /// Where something is mounted, with whether it is read-only and the bytes used and allowed in it.
    pub fn mounts(&self) -> impl Iterator<Item = (&str, bool, (u64, u64))> {
        self.0.mounts.iter().map(|mount| {
            let path = if mount.path.is_empty() { "/" } else { &mount.path };
            (path, mount.read_only, mount.volume.usage())
        })
    }
}

impl Mount {
    fn inside(&self, path: &str) -> String {
        format!("{}{path}", self.sub_path)
    }
    fn entry(&self, path: &str) -> Option<Arc<Entry>> {
        match self.sub_path.is_empty() {
            true => self.volume.entry(path),
            false => self.volume.entry(&self.inside(path)),
        }
    }
}

impl Inner {
    /// The mount that a path without links is in, and the rest of the path in it.
    fn mount<'a>(&self, path: &'a str) -> (&Mount, &'a str) {
        let within = |mount: &&Mount| {
            path.strip_prefix(mount.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // Later ones lie over earlier ones; the first holds every path.
        let mount = self.mounts.iter().filter(within).max_by_key(|mount| mount.path.len()).unwrap_or(&self.mounts[0]);
        (mount, &path[mount.path.len()..])
    }

    fn lookup(&self, path: &str) -> Option<Arc<Entry>> {
        let (mount, inside) = self.mount(path);
        mount.entry(inside)
    }

    /// What is at a path that is written in the shortest way and leads over no links, as most do. `None`: it may be there all
    /// the same.
    fn straight(&self, path: &str, follow: bool) -> Option<Arc<Entry>> {
        if path.len() > PATH_MAX || path.ends_with('/') || path.contains("//") || path.contains("/.") {
            return None;
        }
        self.lookup(path).filter(|entry| !follow || !matches!(entry.kind, Kind::Link(_)))
    }

    /// The path without links, `.` and `..`, where `/` is empty. The last part need not be there.
    fn resolve(&self, path: &str, follow: bool) -> io::Result<String> {
        if path.len() > PATH_MAX {
            return Err(ErrorKind::InvalidFilename.into());
        }
        let parts = |path: &str| {
            path.split('/').filter(|part| !part.is_empty() && *part != ".").rev().map(String::from).collect::<Vec<_>>()
        };
        let (mut todo, mut done, mut links) = (parts(path), String::new(), 0);
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            let length = done.len();
            done.push('/');
            done.push_str(&part);
            let Some(entry) = self.lookup(&done) else {
                if todo.is_empty() {
                    return Ok(done);
                }
                return Err(ErrorKind::NotFound.into());
            };
            match &entry.kind {
                Kind::Directory(_) => {}
                Kind::Link(target) if follow || !todo.is_empty() => {
                    links += 1;
                    if links > LINKS {
                        return Err(io::Error::other("Too many levels of symbolic links"));
                    }
                    done.truncate(if target.starts_with('/') { 0 } else { length });
                    todo.extend(parts(target));
                }
                _ if todo.is_empty() => {}
                _ => return Err(ErrorKind::NotADirectory.into()),
            }
        }
        Ok(done)
    }
}

/// What the C library calls an error.
pub fn strerror(error: &io::Error) -> String {
    let text = match error.kind() {
        ErrorKind::NotFound => "No such file or directory",
        ErrorKind::PermissionDenied => "Permission denied",
        ErrorKind::AlreadyExists => "File exists",
        ErrorKind::NotADirectory => "Not a directory",
        ErrorKind::IsADirectory => "Is a directory",
        ErrorKind::DirectoryNotEmpty => "Directory not empty",
        ErrorKind::ReadOnlyFilesystem => "Read-only file system",
        ErrorKind::StorageFull => "No space left on device",
        ErrorKind::FileTooLarge => "File too large",
        ErrorKind::ResourceBusy => "Resource busy",
        ErrorKind::CrossesDevices => "Cross-device link",
        ErrorKind::InvalidInput => "Invalid argument",
        ErrorKind::InvalidFilename => "File name too long",
        ErrorKind::OutOfMemory => "Out of memory",
        ErrorKind::BrokenPipe => "Broken pipe",
        ErrorKind::ConnectionRefused => "Connection refused",
        ErrorKind::ConnectionReset => "Connection reset by peer",
        ErrorKind::TimedOut => "Operation timed out",
        ErrorKind::AddrInUse => "Address in use",
        _ => return error.to_string(),
    };
    text.into()
}
