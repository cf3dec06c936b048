//! The streams of a shell and their redirection.

use super::Shell;
use super::syntax::{Redirect, Target};
use crate::node::runtime::files::{self, OpenFile};
use crate::node::runtime::pipe::{Input, Output};
use crate::node::runtime::process;
use std::io;

/// How many file descriptors a shell has.
const DESCRIPTORS: usize = 10;

/// What a file descriptor leads to.
#[derive(Clone)]
pub enum Stream {
    Input(Input),
    Output(Output),
}

/// The file descriptors of a shell.
#[derive(Clone, Default)]
pub struct Streams([Option<Stream>; DESCRIPTORS]);

impl Streams {
    pub fn new(stdin: Input, stdout: Output, stderr: Output) -> Streams {
        let mut streams = Streams::default();
        streams.0[0] = Some(Stream::Input(stdin));
        streams.0[1] = Some(Stream::Output(stdout));
        streams.0[2] = Some(Stream::Output(stderr));
        streams
    }
    pub fn input(&self, fd: usize) -> Option<Input> {
        match self.0.get(fd) {
            Some(Some(Stream::Input(input))) => Some(input.clone()),
            _ => None,
        }
    }
    pub fn output(&self, fd: usize) -> Option<Output> {
        match self.0.get(fd) {
            Some(Some(Stream::Output(output))) => Some(output.clone()),
            _ => None,
        }
    }
    pub fn set_input(&mut self, fd: usize, input: Input) {
        self.0[fd] = Some(Stream::Input(input));
    }
    pub fn set_output(&mut self, fd: usize, output: Output) {
        self.0[fd] = Some(Stream::Output(output));
    }
}

impl Shell {
    /// Applies redirections to the shell's own streams; whoever asks puts them back.
    ///
    /// # Errors
    /// What went wrong, to be told to the user.
    pub(super) async fn redirect(&mut self, redirects: &[Redirect]) -> Result<(), String> {
        for redirect in redirects {
            let fd = redirect.fd;
            match &redirect.target {
                Target::Here(text) => {
                    let text = match text.get() {
                        Some(word) => self.expand_text(word).await?,
                        None => String::new(),
                    };
                    self.streams.set_input(fd, Input::from_bytes(text));
                }
                Target::Read(word) => {
                    let path = self.expand_path(word).await?;
                    let input = self.open(&path).map_err(|error| self.cannot("open", &path, &error))?;
                    self.streams.set_input(fd, input);
                }
                Target::Write(word) | Target::Append(word) | Target::Both(word, _) => {
                    let path = self.expand_path(word).await?;
                    let append = matches!(redirect.target, Target::Append(_) | Target::Both(_, true));
                    let output = self.create(&path, append).map_err(|error| self.cannot("create", &path, &error))?;
                    if matches!(redirect.target, Target::Both(..)) {
                        self.streams.set_output(2, output.clone());
                    }
                    self.streams.set_output(fd, output);
                }
                Target::Duplicate(word) => {
                    let source = self.expand_text(word).await?;
                    self.duplicate(fd, &source)?;
                }
            }
        }
        Ok(())
    }

    fn duplicate(&mut self, fd: usize, source: &str) -> Result<(), String> {
        if source == "-" {
            self.streams.0[fd] = None;
            return Ok(());
        }
        let stream = match source.parse::<usize>() {
            Ok(from) => {
                self.streams.0.get(from).cloned().flatten().ok_or_else(|| format!("{source}: Bad file descriptor"))?
            }
            // `>& file` is both streams.
            Err(_) if fd == 1 => {
                let output = self.create(source, false).map_err(|error| self.cannot("create", source, &error))?;
                self.streams.set_output(2, output.clone());
                Stream::Output(output)
            }
            Err(_) => return Err("bad fd number".into()),
        };
        self.streams.0[fd] = Some(stream);
        Ok(())
    }

    fn cannot(&self, what: &str, path: &str, error: &io::Error) -> String {
        let reason = match (what, error.kind()) {
            ("create", io::ErrorKind::NotFound) => "nonexistent directory".to_string(),
            ("open", io::ErrorKind::NotFound) => "no such file".to_string(),
            _ => files::strerror(error),
        };
        match (self.flavor, what) {
            (super::Flavor::Bash, _) => format!("{path}: {}", files::strerror(error)),
            (super::Flavor::Dash, "open") if error.kind() == io::ErrorKind::NotFound => {
                format!("cannot open {path}: No such file")
            }
            (super::Flavor::Dash, "create") if error.kind() == io::ErrorKind::NotFound => {
                format!("cannot create {path}: Directory nonexistent")
            }
            (super::Flavor::Dash, _) => format!("cannot {what} {path}: {reason}"),
            _ => format!("can't {what} {path}: {reason}"),
        }
    }

    fn open(&self, path: &str) -> io::Result<Input> {
        match self.world.files().open(&files::absolute(&self.cwd, path))? {
            OpenFile::Regular(file) => Ok(file.input()),
            OpenFile::Device(device) => device.input(&self.stdin()),
        }
    }

    fn create(&self, path: &str, append: bool) -> io::Result<Output> {
        let absolute = files::absolute(&self.cwd, path);
        if self.options.no_clobber && !append && self.world.files().exists(&absolute) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let is_new = self.umask & 0o666 != 0o022 && !self.world.files().exists(&absolute);
        let output = process::create(&self.world, &absolute, append, [&self.stdout(), &self.stderr()])?;
        if is_new {
            self.world.files().set_mode(&absolute, 0o666 & !self.umask)?;
        }
        Ok(output)
    }
}
