//! Runs commands.

use super::redirect::Streams;
use super::syntax::{Command, Connector, Execution, Node, Simple};
use super::{Becoming, DEPTH, Flavor, Flow, Shell, builtins};
use crate::node::runtime::process::Process;
use crate::node::runtime::signal::{Signal, Signals};
use crate::node::runtime::world::Start;
use futures_util::future::BoxFuture;
use std::io;
use std::sync::Arc;

impl Shell {
    /// Runs a command; its status is the shell's afterwards.
    pub(super) fn run<'a>(&'a mut self, node: &'a Node) -> BoxFuture<'a, Flow> {
        Box::pin(async move {
            let last = std::mem::take(&mut self.last);
            if self.depth >= DEPTH {
                return self.fatal("commands are nested too deep").await;
            }
            self.depth += 1;
            let flow = match &**node {
                Command::Simple(simple) => self.simple(simple, last).await,
                Command::List(commands) => self.list(commands, last).await,
                Command::AndOr(first, rest) => self.and_or(first, rest, last).await,
                Command::Pipeline(stages) => {
                    let flow = self.pipeline(stages).await;
                    self.after(flow)
                }
                Command::Not(inner) => {
                    let flow = self.condition(inner).await;
                    self.status = i32::from(self.status == 0);
                    flow
                }
                Command::Redirected(inner, redirects) => {
                    let streams = self.kept_streams(last);
                    let flow = match self.redirect(redirects).await {
                        Ok(()) => self.run(inner).await,
                        Err(message) => {
                            self.complain(&message).await;
                            self.status = if self.flavor == Flavor::Dash { 2 } else { 1 };
                            self.after(Flow::Next)
                        }
                    };
                    if let Some(streams) = streams {
                        self.streams = streams;
                    }
                    flow
                }
                Command::Subshell(inner) => {
                    let group = (!self.interactive).then_some(self.group);
                    match self.fork(inner.clone(), self.streams.clone(), group, Execution::Foreground) {
                        Ok(mut child) => {
                            let exit = self.wait_for(&mut child, group).await;
                            self.status = exit.code;
                            self.to_foreground();
                            match exit.signal {
                                Some(Signal::Int) => self.interrupted().await,
                                _ => self.after(Flow::Next),
                            }
                        }
                        Err(error) => self.cannot_fork(&error).await,
                    }
                }
                Command::Function(name, body) => {
                    Arc::make_mut(&mut self.functions).insert(name.clone(), body.clone());
                    self.status = 0;
                    Flow::Next
                }
                compound => self.compound(compound).await,
            };
            self.depth -= 1;
            flow
        })
    }

    /// The streams to go back to after a redirection. The last command of a shell leaves none that anybody would use: they are
    /// let go of, so that a pipe ends even while it runs.
    fn kept_streams(&self, last: bool) -> Option<Streams> {
        (!last || !self.traps.is_empty()).then(|| self.streams.clone())
    }

    /// Ends the shell where `set -e` says so.
    fn after(&self, flow: Flow) -> Flow {
        match flow {
            Flow::Next if self.status != 0 && self.options.exit_on_error && self.conditions == 0 => Flow::Exit,
            flow => flow,
        }
    }

    /// Runs a command whose failure is an answer.
    async fn condition(&mut self, node: &Node) -> Flow {
        self.conditions += 1;
        let flow = self.run(node).await;
        self.conditions -= 1;
        flow
    }

    async fn list(&mut self, commands: &[(Node, Execution)], last: bool) -> Flow {
        if commands.is_empty() {
            self.status = 0;
        }
        for (index, (command, execution)) in commands.iter().enumerate() {
            let flow = match execution {
                Execution::Background => self.background(command).await,
                Execution::Foreground => {
                    self.last = last && index + 1 == commands.len();
                    self.run(command).await
                }
            };
            match flow {
                Flow::Next => {}
                flow => return flow,
            }
        }
        Flow::Next
    }

    async fn and_or(&mut self, first: &Node, rest: &[(Connector, Node)], last: bool) -> Flow {
        let flow = self.condition(first).await;
        if !matches!(flow, Flow::Next) {
            return flow;
        }
        for (index, (connector, command)) in rest.iter().enumerate() {
            if (*connector == Connector::And) != (self.status == 0) {
                continue;
            }
            let is_last = index + 1 == rest.len();
            let flow = if is_last {
                self.last = last;
                self.run(command).await
            } else {
                self.condition(command).await
            };
            if !matches!(flow, Flow::Next) {
                return flow;
            }
        }
        Flow::Next
    }

    async fn compound(&mut self, command: &Command) -> Flow {
        match command {
            Command::If { arms, otherwise } => {
                for (condition, body) in arms {
                    let flow = self.condition(condition).await;
                    if !matches!(flow, Flow::Next) {
                        return flow;
                    }
                    if self.status == 0 {
                        return self.run(body).await;
                    }
                }
                self.status = 0;
                match otherwise {
                    Some(body) => self.run(body).await,
                    None => Flow::Next,
                }
            }
            Command::While { condition, until, body } => {
                let mut status = 0;
                self.loops += 1;
                let flow = loop {
                    self.world.budget().clone().spend().await;
                    let flow = self.condition(condition).await;
                    let flow = match flow {
                        Flow::Next if (self.status == 0) == *until => {
                            self.status = status;
                            break Flow::Next;
                        }
                        Flow::Next => self.run(body).await,
                        flow => flow,
                    };
                    if let Some(flow) = leave_loop(flow) {
                        break flow;
                    }
                    status = self.status;
                };
                self.loops -= 1;
                flow
            }
            Command::For { variable, items, body } => {
                let items = match items {
                    Some(words) => match self.expand_words(words).await {
                        Ok(items) => items,
                        Err(message) => return self.fatal(&message).await,
                    },
                    None => self.arguments.to_vec(),
                };
                self.status = 0;
                self.loops += 1;
                let mut result = Flow::Next;
                for item in items {
                    self.world.budget().clone().spend().await;
                    if !self.variables.set(variable, &item) {
                        result = self.fatal(&format!("{variable}: is read only")).await;
                        break;
                    }
                    if let Some(flow) = leave_loop(self.run(body).await) {
                        result = flow;
                        break;
                    }
                }
                self.loops -= 1;
                result
            }
            Command::Case { word, arms } => {
                let text = match self.expand_text(word).await {
                    Ok(text) => text,
                    Err(message) => return self.fatal(&message).await,
                };
                self.status = 0;
                let mut found = false;
                for arm in arms {
                    for pattern in &arm.patterns {
                        if found {
                            break;
                        }
                        match self.expand_pattern(pattern).await {
                            Ok(pattern) => found = pattern.matches(&text),
                            Err(message) => return self.fatal(&message).await,
                        }
                    }
                    if found {
                        let flow = self.run(&arm.body).await;
                        if !arm.falls_through || !matches!(flow, Flow::Next) {
                            return flow;
                        }
                    }
                }
                Flow::Next
            }
            // All others are run by `run`.
            _ => Flow::Next,
        }
    }

    async fn simple(&mut self, simple: &Simple, last: bool) -> Flow {
        self.world.budget().clone().spend().await;
        match self.take_signals().await {
            Flow::Next => {}
            flow => return flow,
        }
        self.line = simple.line;
        self.substituted = None;
        let words = match self.expand_words(&simple.words).await {
            Ok(words) => words,
            Err(message) => return self.fatal(&message).await,
        };
        let mut assignments = Vec::with_capacity(simple.assignments.len());
        for (name, word) in &simple.assignments {
            match self.expand_text(word).await {
                Ok(value) if words.is_empty() => {
                    if !self.assign(name, &value) {
                        return self.fatal(&format!("{name}: is read only")).await;
                    }
                    assignments.push((name.clone(), value));
                }
                Ok(value) => assignments.push((name.clone(), value)),
                Err(message) => return self.fatal(&message).await,
            }
        }
        if self.options.trace {
            self.trace(&assignments, &words).await;
        }
        let streams = self.kept_streams(last);
        let flow = match self.redirect(&simple.redirects).await {
            Ok(()) if words.is_empty() => {
                self.status = self.substituted.unwrap_or(0);
                Flow::Next
            }
            Ok(()) => self.command(words, assignments, last && simple.redirects.is_empty()).await,
            Err(message) => {
                self.complain(&message).await;
                self.status = if self.flavor == Flavor::Dash { 2 } else { 1 };
                Flow::Next
            }
        };
        // `exec` with redirections alone changes the shell's own streams.
        let keeps = matches!(simple.words.as_slice(), [word] if matches!(word.as_slice(), [super::syntax::Part::Text(text)] if text == "exec"));
        if let Some(streams) = streams.filter(|_| !keeps) {
            self.streams = streams;
        }
        match self.take_signals().await {
            Flow::Next => self.after(flow),
            interrupted => interrupted,
        }
    }

    fn assign(&mut self, name: &str, value: &str) -> bool {
        let done = self.variables.set(name, value);
        if done && self.options.export_all {
            self.variables.export(name, true);
        }
        done
    }

    async fn trace(&self, assignments: &[(String, String)], words: &[String]) {
        let mut line = self.variables.get("PS4").map_or("+ ", |prompt| prompt).to_string();
        let assignments = assignments.iter().map(|(name, value)| format!("{name}={}", builtins::quote(value)));
        let words = words.iter().map(|word| builtins::quote(word));
        line += &assignments.chain(words).collect::<Vec<_>>().join(" ");
        line.push('\n');
        let _ = self.stderr().write(line.as_bytes()).await;
    }

    /// Runs a function, a builtin or a program.
    async fn command(&mut self, words: Vec<String>, assignments: Vec<(String, String)>, last: bool) -> Flow {
        let Some(name) = words.first() else { return Flow::Next };
        let function = self.functions.get(name).cloned();
        let builtin = builtins::find(name);
        if function.is_none() && builtin.is_none() {
            return self.program(words, assignments, last).await;
        }
        let mut before = Vec::with_capacity(assignments.len());
        for (name, value) in &assignments {
            before.push((name.clone(), self.variables.get(name).cloned()));
            if !self.variables.set(name, value) {
                return self.fatal(&format!("{name}: is read only")).await;
            }
        }
        let flow = match (function, builtin) {
            (Some(function), _) => self.call(function, words[1..].to_vec()).await,
            (None, Some(builtin)) => self.builtin(builtin, &words).await,
            (None, None) => Flow::Next,
        };
        for (name, value) in before.into_iter().rev() {
            match value {
                Some(value) => self.variables.set(&name, &value),
                None => self.variables.unset(&name),
            };
        }
        flow
    }

    pub(super) async fn builtin(&mut self, builtin: builtins::Builtin, words: &[String]) -> Flow {
        match builtin(self, words).await {
            Ok(flow) => flow,
            // What Unix does by SIGPIPE.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.status = 141;
                if self.interactive { Flow::Next } else { Flow::Exit }
            }
            Err(error) => {
                let message = format!("write error: {}", crate::node::runtime::files::strerror(&error));
                self.complain_in(&words[0], &message).await;
                self.status = 1;
                Flow::Next
            }
        }
    }

    /// Runs a program of the image.
    pub(super) async fn program(&mut self, words: Vec<String>, assignments: Vec<(String, String)>, last: bool) -> Flow {
        let mut env = self.variables.env();
        env.extend(assignments);
        let found = self.world.find(&words[0], &self.cwd, env.get("PATH").map(String::as_str));
        let executable = match found {
            Ok(executable) => executable,
            Err(error) => {
                let name = &words[0];
                let text = match (error.code, self.flavor) {
                    (126, _) => format!("{name}: {}", error.reason),
                    (_, Flavor::Bash) if name.contains('/') => format!("{name}: {}", error.reason),
                    (_, Flavor::Bash) => format!("{name}: command not found"),
                    _ => format!("{name}: not found"),
                };
                self.complain(&text).await;
                self.status = error.code;
                return Flow::Next;
            }
        };
        let argv = executable.arguments(words);
        if last && self.traps.is_empty() && !self.interactive {
            return self.become_program(executable.program, argv, env);
        }
        let group = (!self.interactive).then_some(self.group);
        let start = Start {
            argv,
            env,
            cwd: self.cwd.clone(),
            stdin: self.stdin(),
            stdout: self.stdout(),
            stderr: self.stderr(),
            terminal: self.terminal.clone(),
            parent: self.pid,
            group,
        };
        match self.world.run(start, executable.program) {
            Ok(mut child) => {
                let exit = self.wait_for(&mut child, group).await;
                self.status = exit.code;
                self.to_foreground();
                match exit.signal {
                    Some(Signal::Int) => return self.interrupted().await,
                    Some(_) if self.interactive => drop(self.stdout().write(b"\n").await),
                    _ => {}
                }
                Flow::Next
            }
            Err(error) => self.cannot_fork(&error).await,
        }
    }

    /// The program takes the place of the shell.
    pub(super) fn become_program(
        &mut self,
        program: crate::node::runtime::process::Program,
        argv: Vec<String>,
        env: std::collections::BTreeMap<String, String>,
    ) -> Flow {
        self.world.rename(self.pid, &argv);
        let mut signals = std::mem::replace(&mut self.signals, Signals::new().0);
        signals.handle(&[]);
        let process = Process {
            argv,
            env,
            cwd: self.cwd.clone(),
            stdin: self.stdin(),
            stdout: self.stdout(),
            stderr: self.stderr(),
            world: self.world.clone(),
            pid: self.pid,
            signals,
            terminal: self.terminal.clone(),
        };
        Flow::Become(Box::new(Becoming { program, process }))
    }

    /// Runs the traps of the signals that have arrived.
    pub(super) async fn take_signals(&mut self) -> Flow {
        while let Some(signal) = self.signals.try_next() {
            match self.trapped(signal).await {
                Flow::Next => {}
                flow => return flow,
            }
        }
        Flow::Next
    }

    /// What a signal leads to: its trap, or from `^C` back to the prompt.
    pub(super) async fn trapped(&mut self, signal: Signal) -> Flow {
        let Some(action) = self.traps.get(&Some(signal as u8)).cloned() else {
            return if signal == Signal::Int { self.interrupted().await } else { Flow::Next };
        };
        let status = self.status;
        let flow = self.trap_action(&action).await;
        if matches!(flow, Flow::Next) {
            self.status = status;
        }
        flow
    }

    /// Boxed, because what a trap runs may have traps.
    fn trap_action<'a>(&'a mut self, action: &'a str) -> BoxFuture<'a, Flow> {
        Box::pin(self.run_text(action))
    }
}

/// What leaving the body of a loop means for the loop: `None`: it goes on.
fn leave_loop(flow: Flow) -> Option<Flow> {
    match flow {
        Flow::Next => None,
        Flow::Break(levels) if levels <= 1 => Some(Flow::Next),
        Flow::Break(levels) => Some(Flow::Break(levels - 1)),
        Flow::Continue(levels) if levels <= 1 => None,
        Flow::Continue(levels) => Some(Flow::Continue(levels - 1)),
        flow => Some(flow),
    }
}
