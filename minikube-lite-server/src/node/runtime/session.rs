//! The streams between a client and a process: of a command that runs for it, or of a container that it is attached to.

use super::pipe::{Input, Output, Sink, pipe};
use super::terminal::{self, Terminal};
use futures_util::future::BoxFuture;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// Which streams of a command or container a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// A terminal: there is no stderr of its own.
    pub tty: bool,
}

/// A command that runs in a container, or an attached container.
pub struct Session {
    /// Shutting it down, or dropping it, is the end of the input.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    pub stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// The size of the terminal: columns, rows.
    pub resize: Option<watch::Sender<(u16, u16)>>,
    /// The exit code, or the runtime's words where there is none: `failed to exec in container: ...`. The streams hold what
    /// was written until then, and end. Dropping it ends a command with all that it started; it leaves an attached
    /// container alone.
    pub exit: BoxFuture<'static, Result<i32, String>>,
}

/// The other ends of a session: what its process gets.
pub(super) struct ProcessStreams {
    pub stdin: Input,
    pub stdout: Output,
    pub stderr: Output,
    pub terminal: Option<Terminal>,
}

impl Session {
    /// A session for a process that is going to start, what the process gets, and the gate to close when it has ended.
    pub(super) fn open(wanted: Wanted) -> (Session, ProcessStreams, Gate) {
        let mut session = Session::ended(Ok(0));
        if wanted.tty {
            let ends = terminal::open();
            let gate = Gate::to(ends.keyboard);
            session.stdin = wanted.stdin.then(|| gate.writer());
            session.stdout = wanted.stdout.then(|| Box::new(ends.screen.reader()) as _);
            session.resize = Some(ends.resize);
            let streams = ProcessStreams {
                stdin: ends.input,
                stdout: ends.output.clone(),
                stderr: ends.output,
                terminal: Some(ends.terminal),
            };
            return (session, streams, gate);
        }
        let mut streams =
            ProcessStreams { stdin: Input::empty(), stdout: Output::null(), stderr: Output::null(), terminal: None };
        let mut gate = Gate::default();
        if wanted.stdin {
            let (output, input) = pipe();
            gate = Gate::to(output);
            session.stdin = Some(gate.writer());
            streams.stdin = input;
        }
        if wanted.stdout {
            let (output, input) = pipe();
            streams.stdout = output;
            session.stdout = Some(Box::new(input.reader()));
        }
        if wanted.stderr {
            let (output, input) = pipe();
            streams.stderr = output;
            session.stderr = Some(Box::new(input.reader()));
        }
        (session, streams, gate)
    }

    /// A session without streams that has ended.
    pub(crate) fn ended(exit: Result<i32, String>) -> Session {
        Session { stdin: None, stdout: None, stderr: None, resize: None, exit: Box::pin(std::future::ready(exit)) }
    }
}

/// A way to an input that can be closed from the inside, whoever holds its writers.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<Mutex<Option<Output>>>);

impl Gate {
    pub fn to(output: Output) -> Gate {
        Gate(Arc::new(Mutex::new(Some(output))))
    }

    /// A writer; the input ends with it.
    pub fn writer(&self) -> Box<dyn AsyncWrite + Send + Unpin> {
        Box::new(Output::from_sink(Through { gate: self.clone(), closes: true }).writer())
    }

    /// A writer that others follow: the input does not end with it.
    pub fn one_of_many(&self) -> Box<dyn AsyncWrite + Send + Unpin> {
        Box::new(Output::from_sink(Through { gate: self.clone(), closes: false }).writer())
    }

    pub fn close(&self) {
        // Dropped outside of the lock.
        let _closed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

struct Through {
    gate: Gate,
    closes: bool,
}

impl Sink for Through {
    fn write<'a>(&'a self, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            let output = self.gate.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match output {
                Some(output) => output.write(data).await,
                None => Err(io::ErrorKind::BrokenPipe.into()),
            }
        })
    }
}

impl Drop for Through {
    fn drop(&mut self) {
        if self.closes {
            self.gate.close();
        }
    }
}
