//! The streams of a container's first process: they go to its log, and to whoever is attached.

use super::log::{Log, LogWriter};
use super::pipe::{Input, Output, Sink, pipe};
use super::session::{Gate, ProcessStreams, Session, Wanted};
use super::terminal;
use crate::environment::Environment;
use futures_util::future::BoxFuture;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long the last output of a terminal may take on its way to the log.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// The ways into a running container.
pub(super) struct Streams {
    attached: Mutex<Vec<Attached>>,
    /// Tells clients apart.
    number: AtomicU64,
    /// Where clients type, unless the container has no stdin.
    stdin: Option<Gate>,
    /// Whether the container's stdin is for clients, and ends with the first of them.
    is_open: bool,
    stdin_once: bool,
    resize: Option<watch::Sender<(u16, u16)>>,
    /// Moves what a terminal shows.
    screen: Mutex<Option<JoinHandle<()>>>,
}

/// Where a client reads one of the outputs.
#[derive(Clone)]
struct Attached {
    number: u64,
    stderr: bool,
    output: Output,
}

impl Streams {
    /// The streams of a container that starts, and what its first process gets of them.
    pub fn new(
        log: &Log,
        environment: &Environment,
        stdin: bool,
        stdin_once: bool,
        tty: bool,
    ) -> (Arc<Streams>, ProcessStreams) {
        let mut streams = Streams {
            attached: Mutex::default(),
            number: AtomicU64::new(0),
            stdin: None,
            is_open: stdin,
            stdin_once,
            resize: None,
            screen: Mutex::default(),
        };
        let sink = |streams: &Arc<Streams>, stderr| ToLog {
            writer: Mutex::new(log.writer(stderr)),
            environment: environment.clone(),
            streams: streams.clone(),
            stderr,
        };
        if tty {
            let ends = terminal::open();
            let gate = Gate::to(ends.keyboard);
            // Without stdin nobody can type, but the terminal is there all the same.
            streams.stdin = Some(gate);
            streams.resize = Some(ends.resize);
            let streams = Arc::new(streams);
            let (to_log, screen) = (sink(&streams, false), ends.screen);
            let moving = tokio::spawn(async move {
                while let Ok(shown) = screen.chunk().await {
                    if shown.is_empty() || to_log.write(&shown).await.is_err() {
                        break;
                    }
                }
            });
            *streams.screen() = Some(moving);
            let stdout = ends.output;
            let first =
                ProcessStreams { stdin: ends.input, stderr: stdout.clone(), stdout, terminal: Some(ends.terminal) };
            return (streams, first);
        }
        let mut input = Input::empty();
        if stdin {
            let (output, read) = pipe();
            streams.stdin = Some(Gate::to(output));
            input = read;
        }
        let streams = Arc::new(streams);
        let first = ProcessStreams {
            stdin: input,
            stdout: Output::from_sink(sink(&streams, false)),
            stderr: Output::from_sink(sink(&streams, true)),
            terminal: None,
        };
        (streams, first)
    }

    fn attached(&self) -> MutexGuard<'_, Vec<Attached>> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn screen(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches a client. Its session's exit is not known here.
    pub fn attach(&self, wanted: Wanted) -> Session {
        let mut session = Session::ended(Ok(0));
        let read = |stderr| {
            let (output, input) = pipe();
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            self.attached().push(Attached { number, stderr, output });
            Some(Box::new(input.reader()) as _)
        };
        if wanted.stdout {
            session.stdout = read(false);
        }
        if wanted.stderr && self.resize.is_none() {
            session.stderr = read(true);
        }
        if let (true, Some(gate)) = (wanted.stdin && self.is_open, &self.stdin) {
            session.stdin = Some(if self.stdin_once { gate.writer() } else { gate.one_of_many() });
        }
        session.resize.clone_from(&self.resize);
        session
    }

    /// The container has ended: so do the streams, when all has been logged.
    pub async fn end(&self) {
        if let Some(gate) = &self.stdin {
            gate.close();
        }
        let screen = self.screen().take();
        if let Some(screen) = screen {
            // What is still on its way after that is lost.
            let _ = tokio::time::timeout(LAST_OUTPUT, screen).await;
        }
        self.attached().clear();
    }
}

/// An output of the first process.
struct ToLog {
    writer: Mutex<LogWriter>,
    environment: Environment,
    streams: Arc<Streams>,
    stderr: bool,
}

impl Sink for ToLog {
    fn write<'a>(&'a self, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).write(data, self.environment.now());
        let clients: Vec<Attached> =
            self.streams.attached().iter().filter(|client| client.stderr == self.stderr).cloned().collect();
        Box::pin(async move {
            // A client that is slow holds the container up, as a terminal does.
            for client in clients {
                if client.output.write(data).await.is_err() {
                    self.streams.attached().retain(|other| other.number != client.number);
                }
            }
            Ok(())
        })
    }
}
