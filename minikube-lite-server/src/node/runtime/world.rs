//! A container as its processes see it: its files, its network, its process table and its budget.

use super::budget::{Budget, Metered, Place};
use super::files::{self, Files};
use super::pipe::{Input, Output};
use super::process::{Process, Program};
use super::signal::{Delivery, Queue, Signal, Signals};
use super::terminal::Terminal;
use crate::environment::Environment;
use crate::node::network::PodNetwork;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Where programs are looked for when `PATH` is not set.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a container is made of.
pub struct WorldSettings {
    pub hostname: String,
    pub files: Files,
    pub network: PodNetwork,
    pub environment: Environment,
    /// Shared by the containers of a Pod.
    pub budget: Budget,
    /// Run in the place of programs that the files do not have: images that are not known.
    pub fallback: Option<Program>,
    /// The `containerPort`s of the container's spec.
    pub declared_ports: Vec<u16>,
    /// The user and the group that processes run as; 0: root.
    pub user: u32,
    pub group: u32,
}

/// One container, from its start to its end.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    settings: WorldSettings,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last: u32,
    processes: BTreeMap<u32, Entry>,
    /// The first process has ended, or the container was stopped: nothing starts any more.
    over: bool,
    /// How the first process has ended, to be told when the others are gone.
    first: Option<(oneshot::Sender<Exit>, Exit)>,
}

struct Entry {
    info: ProcessInfo,
    signals: Arc<Queue>,
    task: AbortHandle,
    /// What ended it, where it did not end by itself.
    killed: Option<Signal>,
    /// The streams of the first process, `/proc/1/fd/1` and `2`.
    streams: Option<[Output; 2]>,
}

/// A process, as `ps` shows it.
#[derive(Clone, Debug)]
pub struct ProcessInfo {
    pub pid: u32,
    /// The process that started it; 0: the runtime.
    pub parent: u32,
    /// Its process group: who gets `^C` together.
    pub group: u32,
    pub argv: Vec<String>,
    pub started: Timestamp,
}

/// How a process is to be started.
pub struct Start {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// The absolute path of its working directory.
    pub cwd: String,
    pub stdin: Input,
    pub stdout: Output,
    pub stderr: Output,
    pub terminal: Option<Terminal>,
    /// The process that starts it; 0: the runtime.
    pub parent: u32,
    /// The process group that it joins. `None`: one of its own.
    pub group: Option<u32>,
}

impl Default for Start {
    fn default() -> Start {
        Start {
            argv: Vec::new(),
            env: BTreeMap::new(),
            cwd: "/".into(),
            stdin: Input::empty(),
            stdout: Output::null(),
            stderr: Output::null(),
            terminal: None,
            parent: 0,
            group: None,
        }
    }
}

/// Why a process did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotStart {
    /// 126: the file cannot be run; 127: there is none; 128: the container or its budget of processes is at its end.
    pub code: i32,
    /// As a container runtime puts it: `exec: "foo": executable file not found in $PATH`.
    pub message: String,
    /// What the system said: `No such file or directory`, ...
    pub reason: String,
}

/// What is run for a name.
#[derive(Clone, Debug)]
pub struct Executable {
    /// The absolute path of the file.
    pub path: String,
    pub program: Program,
    /// Of a script, the words after `#!`.
    interpreter: Vec<String>,
}

impl Executable {
    /// The arguments that the program gets: a script's come after its interpreter and its path.
    pub fn arguments(&self, argv: Vec<String>) -> Vec<String> {
        if self.interpreter.is_empty() {
            return argv;
        }
        self.interpreter.iter().chain([&self.path]).chain(argv.iter().skip(1)).cloned().collect()
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code; 128 and the signal's number where a signal ended it.
    pub code: i32,
    pub signal: Option<Signal>,
}

/// A process that was started. It goes on when this is dropped.
pub struct Child {
    pub pid: u32,
    exit: oneshot::Receiver<Exit>,
    ended: Option<Exit>,
}

impl Child {
    /// Waits for its end. That of the first process comes when all others are gone too.
    pub async fn wait(&mut self) -> Exit {
        if let Some(exit) = self.ended {
            return exit;
        }
        let exit = (&mut self.exit).await.unwrap_or(KILLED);
        *self.ended.insert(exit)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = match self.exit.try_recv() {
                Ok(exit) => Some(exit),
                Err(oneshot::error::TryRecvError::Empty) => None,
                Err(oneshot::error::TryRecvError::Closed) => Some(KILLED),
            };
        }
        self.ended.is_some()
    }
}

/// The end of a process that nothing more is known of.
const KILLED: Exit = Exit { code: 137, signal: Some(Signal::Kill) };

/// Tells of the end of a process, once all that it had is dropped.
struct Ending {
    world: World,
    pid: u32,
    code: Option<i32>,
    exit: Option<oneshot::Sender<Exit>>,
    _place: Place,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut table = self.world.table();
        let killed = table.processes.remove(&self.pid).and_then(|entry| entry.killed);
        let exit = match (self.code, killed.unwrap_or(Signal::Kill)) {
            (Some(code), _) => Exit { code, signal: None },
            (None, signal) => Exit { code: 128 + signal.number(), signal: Some(signal) },
        };
        if let Some(sender) = self.exit.take() {
            if self.pid == 1 {
                table.kill_all();
                table.first = Some((sender, exit));
            } else {
                // Nobody may be waiting.
                let _ = sender.send(exit);
            }
        }
        if table.processes.is_empty()
            && let Some((sender, exit)) = table.first.take()
        {
            let _ = sender.send(exit);
        }
    }
}

impl Table {
    fn kill_all(&mut self) {
        self.over = true;
        for entry in self.processes.values_mut() {
            entry.killed.get_or_insert(Signal::Kill);
            entry.task.abort();
        }
    }
}

/// A process with its end, in this order: the end is told when all that the process had is dropped.
struct Task {
    program: Metered<BoxFuture<'static, i32>>,
    ending: Ending,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.program).poll(context).map(|code| self.ending.code = Some(code))
    }
}

impl World {
    /// A container without processes.
    pub fn new(settings: WorldSettings) -> World {
        World(Arc::new(Inner { settings, table: Mutex::default() }))
    }

    pub fn hostname(&self) -> &str {
        &self.0.settings.hostname
    }
    pub fn files(&self) -> &Files {
        &self.0.settings.files
    }
    pub fn network(&self) -> &PodNetwork {
        &self.0.settings.network
    }
    pub fn environment(&self) -> &Environment {
        &self.0.settings.environment
    }
    pub fn budget(&self) -> &Budget {
        &self.0.settings.budget
    }
    /// The `containerPort`s of the container's spec.
    pub fn declared_ports(&self) -> &[u16] {
        &self.0.settings.declared_ports
    }
    /// The user that processes run as; 0: root.
    pub fn user(&self) -> u32 {
        self.0.settings.user
    }
    pub fn group(&self) -> u32 {
        self.0.settings.group
    }
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.environment().now()
    }

    /// The processes, by pid.
    pub fn processes(&self) -> Vec<ProcessInfo> {
        self.table().processes.values().map(|entry| entry.info.clone()).collect()
    }

    /// One process.
    pub fn info(&self, pid: u32) -> Option<ProcessInfo> {
        self.table().processes.get(&pid).map(|entry| entry.info.clone())
    }

    /// Finds a program as `execvp` does: by the directories in `path` unless the name has a slash.
    ///
    /// # Errors
    /// When there is none, or it cannot be run.
    pub fn find(&self, name: &str, cwd: &str, path: Option<&str>) -> Result<Executable, CannotStart> {
        let error = if name.contains('/') {
            match self.executable(&files::absolute(cwd, name)) {
                Ok(executable) => return Ok(executable),
                Err(error) => error,
            }
        } else {
            let mut error = io::Error::from(io::ErrorKind::NotFound);
            for directory in path.unwrap_or(PATH).split(':').filter(|_| !name.is_empty()) {
                match self.executable(&files::absolute(&files::absolute(cwd, directory), name)) {
                    Ok(executable) => return Ok(executable),
                    Err(found) if found.kind() == io::ErrorKind::PermissionDenied => error = found,
                    Err(_) => {}
                }
            }
            error
        };
        let denied = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory);
        if let (false, Some(program)) = (denied, self.0.settings.fallback) {
            return Ok(Executable { path: name.to_string(), program, interpreter: Vec::new() });
        }
        let (code, message, reason) = if denied {
            let is_directory = error.kind() == io::ErrorKind::IsADirectory;
            let message = if is_directory { "is a directory" } else { "permission denied" };
            (126, message.to_string(), "Permission denied".to_string())
        } else if name.contains('/') {
            let reason = files::strerror(&error);
            (127, format!("stat {name}: {}", reason.to_lowercase()), reason)
        } else {
            (127, "executable file not found in $PATH".to_string(), files::strerror(&error))
        };
        Err(CannotStart { code, message: format!("exec: \"{name}\": {message}"), reason })
    }

    /// What running the file at an absolute path means: a program, or a script of one.
    fn executable(&self, path: &str) -> io::Result<Executable> {
        /// The longest first line of a script.
        const LINE: usize = 256;
        let files = self.files();
        match files.program(path) {
            Ok(program) => return Ok(Executable { path: path.into(), program, interpreter: Vec::new() }),
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            Err(error) if files.stat(path)?.mode & 0o111 == 0 => return Err(error),
            Err(_) => {}
        }
        let content = files.read(path)?;
        let line = content[..content.len().min(LINE)].split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        // A script without an interpreter is the shell's.
        let line = line.strip_prefix("#!").unwrap_or("/bin/sh").trim();
        let (interpreter, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let program = files.program(interpreter)?;
        let words = [interpreter, argument.trim()].into_iter().filter(|word| !word.is_empty());
        Ok(Executable { path: path.into(), program, interpreter: words.map(String::from).collect() })
    }

    /// Starts `argv[0]`, found by `PATH` in the files.
    ///
    /// # Errors
    /// When there is no such program, or nothing may start any more.
    pub fn spawn(&self, mut start: Start) -> Result<Child, CannotStart> {
        let name = start.argv.first().map_or("", String::as_str);
        let executable = self.find(name, &start.cwd, start.env.get("PATH").map(String::as_str))?;
        start.argv = executable.arguments(start.argv);
        self.run(start, executable.program)
    }

    /// Starts this program, which need not be one of the files': a part of a shell script that runs beside the others.
    ///
    /// # Errors
    /// When nothing may start any more.
    pub fn run<P>(&self, start: Start, program: P) -> Result<Child, CannotStart>
    where
        P: FnOnce(Process) -> BoxFuture<'static, i32> + Send + 'static,
    {
        let cannot = |reason: &str| CannotStart { code: 128, message: reason.to_lowercase(), reason: reason.into() };
        let place = self.budget().place().ok_or_else(|| cannot("Resource temporarily unavailable"))?;
        let (signals, queue) = Signals::new();
        let (sender, receiver) = oneshot::channel();
        let mut table = self.table();
        if table.over {
            return Err(cannot("The container is not running"));
        }
        table.last += 1;
        let pid = table.last;
        let group = start.group.unwrap_or(pid);
        if let (None, Some(terminal)) = (start.group, &start.terminal) {
            terminal.set_foreground(self, group);
        }
        let info = ProcessInfo {
            pid,
            parent: start.parent,
            group,
            argv: start.argv.clone(),
            started: self.environment().now(),
        };
        let streams = (pid == 1).then(|| [start.stdout.clone(), start.stderr.clone()]);
        let process = Process {
            argv: start.argv,
            env: start.env,
            cwd: start.cwd,
            stdin: start.stdin,
            stdout: start.stdout,
            stderr: start.stderr,
            world: self.clone(),
            pid,
            signals,
            terminal: start.terminal,
        };
        let ending = Ending { world: self.clone(), pid, code: None, exit: Some(sender), _place: place };
        // A program may do things before it gives its future; those count as its own.
        let program: BoxFuture<'static, i32> = Box::pin(async move { program(process).await });
        let task = tokio::spawn(Task { program: self.budget().metered(program), ending });
        let entry = Entry { info, signals: queue, task: task.abort_handle(), killed: None, streams };
        table.processes.insert(pid, entry);
        Ok(Child { pid, exit: receiver, ended: None })
    }

    /// Names the process anew, as `exec` does.
    pub fn rename(&self, pid: u32, argv: &[String]) {
        if let Some(entry) = self.table().processes.get_mut(&pid) {
            entry.info.argv = argv.to_vec();
        }
    }

    /// Sends a signal to a process. `false`: there is none. The first process of a container only gets signals that it
    /// handles; others leave it alone, except [`Signal::Kill`] from outside.
    pub fn signal(&self, pid: u32, signal: Signal) -> bool {
        let mut table = self.table();
        let Some(entry) = table.processes.get_mut(&pid) else { return false };
        if entry.signals.deliver(signal) == Delivery::Default
            && signal.is_fatal()
            && (pid != 1 || signal == Signal::Kill)
        {
            entry.killed = Some(signal);
            entry.task.abort();
        }
        true
    }

    /// Sends a signal to all processes of a group. `false`: there is none.
    pub fn signal_group(&self, group: u32, signal: Signal) -> bool {
        let members: Vec<u32> = self
            .table()
            .processes
            .values()
            .filter(|entry| entry.info.group == group)
            .map(|entry| entry.info.pid)
            .collect();
        members.iter().filter(|pid| self.signal(**pid, signal)).count() > 0
    }

    /// Ends the container: all processes are killed, and nothing starts any more.
    pub fn kill_all(&self) {
        self.table().kill_all();
    }

    /// Standard output and error of the first process.
    pub(super) fn first_streams(&self) -> io::Result<[Output; 2]> {
        let table = self.table();
        let streams = table.processes.get(&1).and_then(|entry| entry.streams.clone());
        streams.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests;
