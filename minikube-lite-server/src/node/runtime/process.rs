//! What a program sees: its arguments, its environment, its streams and the container around it.

use super::files::{self, Device, OpenFile};
use super::pipe::{Input, Output};
use super::signal::Signals;
use super::terminal::Terminal;
use super::world::World;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::io;

/// A program of an image. What it gives is its exit code.
pub type Program = fn(Process) -> BoxFuture<'static, i32>;

/// A running process. All that it has ends when the program's future is dropped.
pub struct Process {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// The absolute path of its working directory.
    pub cwd: String,
    pub stdin: Input,
    pub stdout: Output,
    pub stderr: Output,
    pub world: World,
    pub pid: u32,
    pub signals: Signals,
    /// The terminal that its streams are connected to (`-t`).
    pub terminal: Option<Terminal>,
}

impl Process {
    /// The name that it was called by, without the directory.
    pub fn name(&self) -> &str {
        self.argv.first().map_or("", |name| name.rsplit('/').next().unwrap_or(name))
    }

    /// Its arguments without its name.
    pub fn args(&self) -> &[String] {
        self.argv.get(1..).unwrap_or_default()
    }

    /// A path as an absolute one, seen from its working directory.
    pub fn path(&self, path: &str) -> String {
        files::absolute(&self.cwd, path)
    }

    /// Writes text to standard output.
    ///
    /// # Errors
    /// See [`Output::write`].
    pub async fn print(&self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.stdout.write(text.as_ref()).await
    }

    /// Writes `NAME: message` and a line feed to standard error. Gives 1, the usual exit code.
    pub async fn fail(&self, message: impl std::fmt::Display) -> i32 {
        let line = format!("{}: {message}\n", self.name());
        // Nobody is left to be told that standard error is closed.
        let _ = self.stderr.write(line.as_bytes()).await;
        1
    }

    /// Opens a file for reading; `-` is standard input.
    ///
    /// # Errors
    /// What opening the file gives.
    pub fn open(&self, path: &str) -> io::Result<Input> {
        if path == "-" {
            return Ok(self.stdin.clone());
        }
        let streams = (&self.stdin, &self.stdout, &self.stderr);
        match self.world.files().open(&self.path(path))? {
            OpenFile::Regular(file) => Ok(file.input()),
            OpenFile::Device(device) => device.input(streams.0),
        }
    }

    /// Opens a file for writing and creates it where it is not there; what is in it stays with `append`, else it goes.
    ///
    /// # Errors
    /// What opening the file gives.
    pub fn create(&self, path: &str, append: bool) -> io::Result<Output> {
        let streams = [&self.stdout, &self.stderr];
        create(&self.world, &self.path(path), append, streams)
    }
}

/// Opens the file at an absolute path for writing, for a process whose standard output and error are `streams`.
pub(super) fn create(world: &World, path: &str, append: bool, streams: [&Output; 2]) -> io::Result<Output> {
    match world.files().create(path, append)? {
        OpenFile::Regular(file) => Ok(file.output()),
        OpenFile::Device(Device::Stdout) => Ok(streams[0].clone()),
        OpenFile::Device(Device::Stderr) => Ok(streams[1].clone()),
        OpenFile::Device(Device::FirstStdout) => world.first_streams().map(|[stdout, _]| stdout),
        OpenFile::Device(Device::FirstStderr) => world.first_streams().map(|[_, stderr]| stderr),
        OpenFile::Device(device) => device.output(),
    }
}
