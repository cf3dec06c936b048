//! Open files and devices.

use crate::environment::Environment;
use crate::node::runtime::pipe::{Input, Output, Sink, Source};
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much of a file is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// The bytes that the files of a volume hold, and may hold.
pub(super) struct Usage {
    used: AtomicU64,
    limit: u64,
}

impl Usage {
    pub fn new(limit: u64) -> Usage {
        Usage { used: AtomicU64::new(0), limit }
    }
    pub fn get(&self) -> (u64, u64) {
        (self.used.load(Ordering::Relaxed), self.limit)
    }
    fn take(&self, bytes: u64) -> io::Result<()> {
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(()),
            Err(_) => Err(ErrorKind::StorageFull.into()),
        }
    }
    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The content of a file that has been written to. It stays while somebody has the file open, also when it is removed.
pub(super) struct Inode {
    content: Mutex<(BytesMut, Timestamp)>,
    usage: Arc<Usage>,
}

impl Drop for Inode {
    fn drop(&mut self) {
        self.usage.give_back(self.len());
    }
}

impl Inode {
    pub fn new(content: &[u8], usage: Arc<Usage>, modified: Timestamp) -> io::Result<Inode> {
        usage.take(content.len() as u64)?;
        Ok(Inode { content: Mutex::new((BytesMut::from(content), modified)), usage })
    }
    fn content(&self) -> MutexGuard<'_, (BytesMut, Timestamp)> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn len(&self) -> u64 {
        self.content().0.len() as u64
    }
    pub fn modified(&self) -> Timestamp {
        self.content().1
    }
    pub fn set_modified(&self, modified: Timestamp) {
        self.content().1 = modified;
    }

    fn read(&self, position: u64, max: usize) -> Bytes {
        let content = self.content();
        let start = usize::try_from(position).map_or(content.0.len(), |start| start.min(content.0.len()));
        let end = content.0.len().min(start.saturating_add(max));
        Bytes::copy_from_slice(&content.0[start..end])
    }

    /// Writes at a position, or at the end, and gives the position after.
    fn write(&self, position: Option<u64>, data: &[u8], now: Timestamp) -> io::Result<u64> {
        let mut content = self.content();
        let length = content.0.len() as u64;
        let start = position.unwrap_or(length);
        let end = start + data.len() as u64;
        self.usage.take(end.saturating_sub(length))?;
        let (from, to) = (in_memory(start)?, in_memory(end)?);
        if content.0.len() < from {
            content.0.resize(from, 0);
        }
        let overwritten = (content.0.len() - from).min(data.len());
        content.0[from..from + overwritten].copy_from_slice(&data[..overwritten]);
        content.0.extend_from_slice(&data[overwritten..]);
        debug_assert!(content.0.len() >= to);
        content.1 = now;
        Ok(end)
    }

    fn truncate(&self, length: u64, now: Timestamp) -> io::Result<()> {
        let mut content = self.content();
        let before = content.0.len() as u64;
        self.usage.take(length.saturating_sub(before))?;
        self.usage.give_back(before.saturating_sub(length));
        if length == 0 {
            content.0 = BytesMut::new();
        } else {
            content.0.resize(in_memory(length)?, 0);
        }
        content.1 = now;
        Ok(())
    }
}

fn in_memory(length: u64) -> io::Result<usize> {
    usize::try_from(length).map_err(|_| ErrorKind::FileTooLarge.into())
}

/// What opening a path gives.
pub enum OpenFile {
    Regular(File),
    Device(Device),
}

/// An open regular file.
pub struct File {
    content: Content,
    append: bool,
    environment: Option<Environment>,
}

enum Content {
    Constant(Bytes),
    Inode(Arc<Inode>),
}

impl File {
    pub(super) fn constant(content: Bytes) -> File {
        File { content: Content::Constant(content), append: false, environment: None }
    }
    pub(super) fn reading(inode: Arc<Inode>) -> File {
        File { content: Content::Inode(inode), append: false, environment: None }
    }
    pub(super) fn writing(inode: Arc<Inode>, append: bool, environment: Environment) -> File {
        File { content: Content::Inode(inode), append, environment: Some(environment) }
    }

    /// All that is in it now.
    pub fn content(&self) -> Bytes {
        match &self.content {
            Content::Constant(content) => content.clone(),
            Content::Inode(inode) => inode.read(0, usize::MAX),
        }
    }

    fn target(&self) -> io::Result<(&Arc<Inode>, Timestamp)> {
        match (&self.content, &self.environment) {
            (Content::Inode(inode), Some(environment)) => Ok((inode, environment.now())),
            _ => Err(ErrorKind::PermissionDenied.into()),
        }
    }

    /// Writes at the end.
    ///
    /// # Errors
    /// `StorageFull`; `PermissionDenied` when it is open for reading only.
    pub fn write(&self, data: &[u8]) -> io::Result<()> {
        let (inode, now) = self.target()?;
        inode.write(None, data, now).map(drop)
    }

    /// Makes it this long.
    ///
    /// # Errors
    /// As [`File::write`].
    pub fn truncate(&self, length: u64) -> io::Result<()> {
        let (inode, now) = self.target()?;
        inode.truncate(length, now)
    }

    /// Reads it from the beginning. At its end, reading again gives what has been added.
    pub fn input(self) -> Input {
        match self.content {
            Content::Constant(content) => Input::from_bytes(content),
            Content::Inode(inode) => Input::from_source(FileSource { inode, position: 0 }),
        }
    }

    /// Writes to it from the beginning on, or always to its end when it is open for appending.
    pub fn output(self) -> Output {
        match (self.content, self.environment) {
            (Content::Inode(inode), Some(environment)) => {
                let position = (!self.append).then(|| Mutex::new(0));
                Output::from_sink(FileSink { inode, position, environment })
            }
            _ => Output::from_sink(Refuses(ErrorKind::PermissionDenied)),
        }
    }
}

struct FileSource {
    inode: Arc<Inode>,
    position: u64,
}

impl Source for FileSource {
    fn next(&mut self) -> BoxFuture<'_, io::Result<Bytes>> {
        Box::pin(async {
            tokio::task::coop::consume_budget().await;
            let chunk = self.inode.read(self.position, CHUNK);
            self.position += chunk.len() as u64;
            Ok(chunk)
        })
    }
}

struct FileSink {
    inode: Arc<Inode>,
    /// `None`: appends.
    position: Option<Mutex<u64>>,
    environment: Environment,
}

impl Sink for FileSink {
    fn write<'a>(&'a self, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async {
            tokio::task::coop::consume_budget().await;
            let now = self.environment.now();
            match &self.position {
                None => self.inode.write(None, data, now).map(drop),
                Some(position) => {
                    let mut position = position.lock().unwrap_or_else(PoisonError::into_inner);
                    *position = self.inode.write(Some(*position), data, now)?;
                    Ok(())
                }
            }
        })
    }
}

/// The devices that a container has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    Null,
    Zero,
    Full,
    Random,
    Stdin,
    Stdout,
    Stderr,
    /// Standard output and error of the container's first process.
    FirstStdout,
    FirstStderr,
}

impl Device {
    /// Reads from the device, for a process with this standard input.
    ///
    /// # Errors
    /// When it can only be written to.
    pub fn input(self, stdin: &Input) -> io::Result<Input> {
        match self {
            Device::Null => Ok(Input::empty()),
            Device::Zero | Device::Full => Ok(Input::from_source(Endless(None))),
            Device::Random => Ok(Input::from_source(Endless(Some(fastrand::Rng::new())))),
            Device::Stdin => Ok(stdin.clone()),
            _ => Err(ErrorKind::PermissionDenied.into()),
        }
    }

    /// Writes to the device, where it is no stream of a process.
    ///
    /// # Errors
    /// When it can only be read.
    pub fn output(self) -> io::Result<Output> {
        match self {
            Device::Null | Device::Zero | Device::Random => Ok(Output::null()),
            Device::Full => Ok(Output::from_sink(Refuses(ErrorKind::StorageFull))),
            _ => Err(ErrorKind::PermissionDenied.into()),
        }
    }
}

/// Zeros, or random bytes, without end.
struct Endless(Option<fastrand::Rng>);

impl Source for Endless {
    fn next(&mut self) -> BoxFuture<'_, io::Result<Bytes>> {
        Box::pin(async {
            tokio::task::coop::consume_budget().await;
            let mut chunk = vec![0; 4096];
            if let Some(rng) = &mut self.0 {
                rng.fill(&mut chunk);
            }
            Ok(chunk.into())
        })
    }
}

/// Takes nothing.
struct Refuses(ErrorKind);

impl Sink for Refuses {
    fn write<'a>(&'a self, _: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(std::future::ready(Err(self.0.into())))
    }
}
