//! The shell: `sh` as a program of a container.
//!
//! [`parse`] and [`words`] read a script into the tree of [`syntax`], [`expand`] makes words into arguments, [`run`] runs
//! commands, [`builtins`] are those that the shell has itself. Parts of a script that run beside each other (pipes, `&`,
//! subshells) are processes of the container, each with a copy of the shell.

mod arithmetic;
mod builtins;
mod compound;
mod expand;
mod fork;
mod parse;
pub mod pattern;
mod redirect;
mod run;
mod start;
mod syntax;
mod variables;
mod words;

#[cfg(test)]
pub(super) mod tests;

pub use start::{ash, bash, dash};

use super::pipe::{Input, Output};
use super::process::{Process, Program};
use super::signal::{Signal, Signals};
use super::terminal::Terminal;
use super::world::{Child, World};
use redirect::Streams;
use std::collections::BTreeMap;
use std::sync::Arc;
use syntax::Node;
use variables::Variables;

/// How deep functions, scripts and commands may call each other: each takes a part of the real stack.
const DEPTH: usize = 64;

/// Whose messages and prompt a shell has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// busybox's.
    Ash,
    /// Debian's `sh`.
    Dash,
    Bash,
}

/// What comes after a command.
pub(crate) enum Flow {
    Next,
    /// Leaves so many loops.
    Break(usize),
    Continue(usize),
    Return,
    /// The shell ends, with its status.
    Exit,
    /// The shell becomes this program.
    Become(Box<Becoming>),
}

/// What `exec` leads to.
pub(crate) struct Becoming {
    program: Program,
    process: Process,
}

/// `set -e` and the like.
#[derive(Clone, Copy, Default)]
struct Options {
    /// `-e`
    exit_on_error: bool,
    /// `-x`
    trace: bool,
    /// `-u`
    unset_is_error: bool,
    /// `-f`
    no_glob: bool,
    /// `-n`
    no_run: bool,
    /// `-a`
    export_all: bool,
    /// `-o pipefail`
    pipe_fail: bool,
    /// `-C`
    no_clobber: bool,
}

/// The state of a shell.
struct Shell {
    world: World,
    /// Its own process.
    pid: u32,
    /// The process of the script, `$$`.
    script_pid: u32,
    /// Its process group.
    group: u32,
    signals: Signals,
    terminal: Option<Terminal>,
    streams: Streams,
    cwd: String,
    flavor: Flavor,
    options: Options,
    /// `$0`
    name: String,
    /// `$1`, ...
    arguments: Arc<[String]>,
    variables: Variables,
    functions: Arc<BTreeMap<String, Node>>,
    /// What to do on a signal; `None`: at the end.
    traps: BTreeMap<Option<u8>, String>,
    /// `$?`
    status: i32,
    /// The status of the last `$(...)` of the command that is being expanded.
    substituted: Option<i32>,
    /// `$!`
    last_background: Option<u32>,
    jobs: Vec<Child>,
    /// The line of the command that runs.
    line: usize,
    /// It reads a script from a file, whose lines its messages name.
    is_file: bool,
    interactive: bool,
    /// The shell ends because of an error, which one that is typed into survives.
    failed: bool,
    /// How many loops it is in.
    loops: usize,
    /// How many functions and sourced files it is in.
    calls: usize,
    depth: usize,
    /// Above zero where a failing command is a condition, so that `set -e` does not count.
    conditions: usize,
    /// Nothing comes after the next command, which may take the shell's place.
    last: bool,
    umask: u32,
    started: tokio::time::Instant,
}

impl Shell {
    fn stdin(&self) -> Input {
        self.streams.input(0).unwrap_or_else(Input::empty)
    }
    fn stdout(&self) -> Output {
        self.streams.output(1).unwrap_or_else(Output::null)
    }
    fn stderr(&self) -> Output {
        self.streams.output(2).unwrap_or_else(Output::null)
    }

    /// Says what is wrong, as this shell says it.
    async fn complain(&self, message: &str) {
        let (name, line) = (&self.name, self.line);
        let text = match self.flavor {
            Flavor::Ash if self.is_file => format!("{name}: line {line}: {message}\n"),
            Flavor::Ash => format!("{name}: {message}\n"),
            Flavor::Dash => format!("{name}: {line}: {message}\n"),
            Flavor::Bash if self.interactive => format!("{name}: {message}\n"),
            Flavor::Bash => format!("{name}: line {line}: {message}\n"),
        };
        // Nobody is left to be told that standard error is closed.
        let _ = self.stderr().write(text.as_bytes()).await;
    }

    /// Says what is wrong in a builtin.
    async fn complain_in(&self, builtin: &str, message: &str) {
        let text = match self.flavor {
            Flavor::Ash if !self.interactive && !self.is_file => format!("{builtin}: line {}: {message}", self.line),
            _ => format!("{builtin}: {message}"),
        };
        self.complain(&text).await;
    }

    /// An error that ends a shell which nobody types into.
    async fn fatal(&mut self, message: &str) -> Flow {
        self.complain(message).await;
        self.status = if self.flavor == Flavor::Bash { 1 } else { 2 };
        self.failed = true;
        Flow::Exit
    }
}

/// The signals that a shell can trap.
fn trappable(signal: Signal) -> bool {
    !matches!(signal, Signal::Kill | Signal::Stop)
}
