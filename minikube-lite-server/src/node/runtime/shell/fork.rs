//! Parts of a script that run beside it: each is a process with a copy of the shell.

use super::redirect::Streams;
use super::syntax::{Command, Execution, Node};
use super::{Flow, Shell};
use crate::node::runtime::pipe::{Input, pipe};
use crate::node::runtime::signal::{Signal, Signals};
use crate::node::runtime::world::{CannotStart, Child, Exit, Start};
use std::sync::Arc;

/// The most bytes that `$(...)` may give.
const LONGEST: usize = super::variables::LONGEST;
/// How many jobs are remembered after their end.
const JOBS: usize = 100;

impl Shell {
    /// A copy of the shell for another process, which has yet to get its signals and its pid.
    fn copy(&self, streams: Streams) -> Shell {
        Shell {
            world: self.world.clone(),
            pid: self.pid,
            script_pid: self.script_pid,
            group: self.group,
            signals: Signals::new().0,
            terminal: self.terminal.clone(),
            streams,
            cwd: self.cwd.clone(),
            flavor: self.flavor,
            options: self.options,
            name: self.name.clone(),
            arguments: self.arguments.clone(),
            variables: self.variables.clone(),
            functions: self.functions.clone(),
            // A copy does not have the traps, only what is ignored.
            traps: self.traps.iter().filter(|(_, action)| action.is_empty()).map(|(k, v)| (*k, v.clone())).collect(),
            status: self.status,
            substituted: None,
            last_background: self.last_background,
            jobs: Vec::new(),
            line: self.line,
            is_file: self.is_file,
            interactive: false,
            failed: false,
            loops: self.loops,
            calls: self.calls,
            depth: 0,
            conditions: self.conditions,
            last: false,
            umask: self.umask,
            started: self.started,
        }
    }

    /// Runs a command in a process of its own. `group` as in [`Start`].
    pub(super) fn fork(
        &self,
        node: Node,
        streams: Streams,
        group: Option<u32>,
        execution: Execution,
    ) -> Result<Child, CannotStart> {
        let mut shell = self.copy(streams);
        let argv = self.world.info(self.pid).map(|info| info.argv).unwrap_or_default();
        let start = Start {
            argv,
            terminal: self.terminal.clone(),
            parent: self.pid,
            group,
            cwd: "/".into(),
            ..Start::default()
        };
        let ignores = execution == Execution::Background && !self.interactive;
        self.world.run(start, move |process| {
            Box::pin(async move {
                shell.signals = process.signals;
                shell.pid = process.pid;
                shell.group = group.unwrap_or(process.pid);
                if ignores {
                    shell.signals.ignore(&[Signal::Int, Signal::Quit]);
                }
                shell.last = true;
                let flow = shell.run(&node).await;
                shell.conclude(flow).await
            })
        })
    }

    /// The exit code of a shell that is at its end, after its EXIT trap or the program that took its place.
    pub(super) async fn conclude(mut self, flow: Flow) -> i32 {
        if let Flow::Become(becoming) = flow {
            drop(self);
            return (becoming.program)(becoming.process).await;
        }
        if let Some(action) = self.traps.remove(&None) {
            let status = self.status;
            match self.run_text(&action).await {
                Flow::Become(becoming) => return (becoming.program)(becoming.process).await,
                Flow::Exit => {}
                _ => self.status = status,
            }
        }
        self.status & 0xff
    }

    /// The output of `$(...)`, without the line feeds at its end.
    pub(super) async fn substitute(&mut self, node: Node) -> Result<String, String> {
        if matches!(&*node, Command::List(commands) if commands.is_empty()) {
            return Ok(String::new());
        }
        let (output, input) = pipe();
        let mut streams = self.streams.clone();
        streams.set_output(1, output);
        let child = self.fork(node, streams, Some(self.group), Execution::Foreground);
        let mut child = child.map_err(|error| format!("can't fork: {}", error.reason))?;
        let output = input.read_to_end(LONGEST).await.map_err(|_| "out of memory".to_string())?;
        let code = child.wait().await.code;
        (self.status, self.substituted) = (code, Some(code));
        let text = String::from_utf8_lossy(&output);
        Ok(text.trim_end_matches('\n').replace('\0', ""))
    }

    /// Runs the stages of a pipeline beside each other.
    pub(super) async fn pipeline(&mut self, stages: &[Node]) -> Flow {
        let mut children: Vec<Child> = Vec::with_capacity(stages.len());
        let mut input: Option<Input> = None;
        let mut group = (!self.interactive).then_some(self.group);
        for (index, stage) in stages.iter().enumerate() {
            let mut streams = self.streams.clone();
            if let Some(input) = input.take() {
                streams.set_input(0, input);
            }
            if index + 1 < stages.len() {
                let (output, next) = pipe();
                streams.set_output(1, output);
                input = Some(next);
            }
            match self.fork(stage.clone(), streams, group, Execution::Foreground) {
                Ok(child) => {
                    group.get_or_insert(child.pid);
                    children.push(child);
                }
                Err(error) => return self.cannot_fork(&error).await,
            }
        }
        let (mut failed, mut interrupted) = (0, false);
        for child in &mut children {
            let exit = self.wait_for(child, group).await;
            self.status = exit.code;
            if self.status != 0 {
                failed = self.status;
            }
            interrupted |= exit.signal == Some(Signal::Int);
        }
        if self.options.pipe_fail {
            self.status = failed;
        }
        self.to_foreground();
        if interrupted { self.interrupted().await } else { Flow::Next }
    }

    /// Waits for a process of the job in the foreground. `^C` is for that job, even if it came when the job was about to start.
    pub(super) async fn wait_for(&mut self, child: &mut Child, group: Option<u32>) -> Exit {
        loop {
            tokio::select! {
                biased;
                exit = child.wait() => return exit,
                () = self.signals.take(Signal::Int), if self.interactive => {
                    self.world.signal_group(group.unwrap_or(child.pid), Signal::Int);
                }
            }
        }
    }

    /// What comes after `^C` has ended a job: a shell that is typed into goes back to its prompt.
    pub(super) async fn interrupted(&mut self) -> Flow {
        if !self.interactive {
            return Flow::Next;
        }
        let _ = self.stdout().write(b"\n").await;
        self.status = 128 + Signal::Int.number();
        self.failed = true;
        Flow::Exit
    }

    /// Runs a command and does not wait for it.
    pub(super) async fn background(&mut self, node: &Node) -> Flow {
        let mut streams = self.streams.clone();
        if !self.interactive {
            streams.set_input(0, Input::empty());
        }
        let group = (!self.interactive).then_some(self.group);
        match self.fork(node.clone(), streams, group, Execution::Background) {
            Ok(child) => {
                self.to_foreground();
                if self.interactive {
                    let line = format!("[{}] {}\n", self.jobs.len() + 1, child.pid);
                    let _ = self.stderr().write(line.as_bytes()).await;
                }
                self.last_background = Some(child.pid);
                // Those that have ended can still be asked for their status, but not for ever.
                if self.jobs.len() >= JOBS {
                    self.jobs.retain_mut(|job| !job.has_ended());
                }
                self.jobs.push(child);
                self.status = 0;
                Flow::Next
            }
            Err(error) => self.cannot_fork(&error).await,
        }
    }

    pub(super) async fn cannot_fork(&mut self, error: &CannotStart) -> Flow {
        let text = match self.flavor {
            super::Flavor::Ash => format!("can't fork: {}", error.reason),
            super::Flavor::Dash => "Cannot fork".into(),
            super::Flavor::Bash => format!("fork: {}", error.reason),
        };
        self.fatal(&text).await
    }

    /// Takes the keyboard's signals back from a job.
    pub(super) fn to_foreground(&self) {
        if let (true, Some(terminal)) = (self.interactive, &self.terminal) {
            terminal.set_foreground(&self.world, self.group);
        }
    }

    /// Reads commands and runs them in this shell.
    pub(super) async fn run_text(&mut self, text: &str) -> Flow {
        let mut parser = super::parse::Parser::new(text);
        loop {
            match parser.next() {
                Ok(Some(node)) => match self.run(&node).await {
                    Flow::Next => {}
                    flow => return flow,
                },
                Ok(None) => return Flow::Next,
                Err(error) => return self.syntax_error(&error).await,
            }
        }
    }

    /// A function that is called with these arguments.
    pub(super) async fn call(&mut self, function: Node, arguments: Vec<String>) -> Flow {
        let before = std::mem::replace(&mut self.arguments, Arc::from(arguments));
        let loops = std::mem::take(&mut self.loops);
        self.variables.enter();
        self.calls += 1;
        let flow = self.run(&function).await;
        self.calls -= 1;
        self.variables.leave();
        self.arguments = before;
        self.loops = loops;
        match flow {
            Flow::Return => Flow::Next,
            flow => flow,
        }
    }
}
