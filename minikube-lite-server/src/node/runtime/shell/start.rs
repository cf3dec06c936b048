//! How a shell starts: with a command, a script, or someone who types.

use super::parse::{Parser, Problem, SyntaxError};
use super::redirect::Streams;
use super::variables::Variables;
use super::{Flavor, Flow, Options, Shell};
use crate::node::runtime::files;
use crate::node::runtime::process::Process;
use crate::node::runtime::signal::Signal;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest script, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// busybox's shell.
pub fn ash(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(start(process, Flavor::Ash))
}

/// The `sh` of Debian.
pub fn dash(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(start(process, Flavor::Dash))
}

/// `bash`, as far as scripts use it that `sh` would run too.
pub fn bash(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(start(process, Flavor::Bash))
}

/// Where the commands come from.
enum Script {
    Text(String),
    Stdin,
}

async fn start(process: Process, flavor: Flavor) -> i32 {
    let arguments = process.args().to_vec();
    let mut shell = Shell::new(process, flavor);
    let mut rest = arguments.iter().peekable();
    let (mut command, mut interactive) = (false, false);
    while let Some(flags) = rest.next_if(|word| word.len() > 1 && word.starts_with(['-', '+'])) {
        match flags.as_str() {
            "--" => break,
            "--login" | "--norc" | "--noprofile" | "--posix" => continue,
            _ => {}
        }
        for flag in flags[1..].chars() {
            match flag {
                'c' => command = true,
                'i' => interactive = true,
                's' | 'l' => {}
                'o' => {
                    let name = rest.next().map_or("", String::as_str);
                    if !shell.set_long_option(name, flags.starts_with('-')) {
                        shell.complain(&format!("illegal option -o {name}")).await;
                        return 2;
                    }
                }
                flag if shell.set_option(flag, flags.starts_with('-')) => {}
                flag => {
                    shell.complain(&format!("illegal option -{flag}")).await;
                    return 2;
                }
            }
        }
    }
    let script = if command {
        let Some(text) = rest.next() else {
            shell.complain("-c requires an argument").await;
            return 2;
        };
        if let Some(name) = rest.next() {
            shell.name = name.clone();
        }
        Script::Text(text.clone())
    } else if let Some(path) = rest.next() {
        match shell.world.files().read(&files::absolute(&shell.cwd, path)) {
            Ok(content) => {
                shell.name = path.clone();
                shell.is_file = true;
                Script::Text(String::from_utf8_lossy(&content).into_owned())
            }
            Err(error) => {
                let text = match flavor {
                    Flavor::Ash => format!("can't open '{path}': {}", files::strerror(&error)),
                    Flavor::Dash => format!("cannot open {path}: {}", files::strerror(&error)),
                    Flavor::Bash => format!("{path}: {}", files::strerror(&error)),
                };
                shell.complain(&text).await;
                return if error.kind() == std::io::ErrorKind::NotFound && flavor == Flavor::Bash { 127 } else { 2 };
            }
        }
    } else {
        interactive |= shell.terminal.is_some();
        Script::Stdin
    };
    shell.arguments = rest.cloned().collect();
    let flow = match script {
        Script::Text(text) if text.len() > LONGEST => shell.fatal("the script is too long").await,
        Script::Text(text) => shell.run_script(&text).await,
        Script::Stdin => {
            shell.interactive = interactive;
            if interactive {
                shell.signals.handle(&[Signal::Int]);
                shell.signals.ignore(&[Signal::Quit, Signal::Term]);
            }
            shell.read_commands().await
        }
    };
    shell.conclude(flow).await
}

impl Shell {
    /// The shell of a process.
    pub(super) fn new(process: Process, flavor: Flavor) -> Shell {
        let mut variables = Variables::from_env(process.env);
        variables.set("PWD", &process.cwd);
        variables.export("PWD", true);
        for (name, value) in [("IFS", " \t\n"), ("OPTIND", "1"), ("PS4", "+ ")] {
            variables.set(name, value);
            variables.export(name, false);
        }
        if variables.get("PATH").is_none() {
            variables.set("PATH", crate::node::runtime::world::PATH);
        }
        Shell {
            group: process.world.info(process.pid).map_or(process.pid, |info| info.group),
            world: process.world,
            pid: process.pid,
            script_pid: process.pid,
            signals: process.signals,
            terminal: process.terminal,
            streams: Streams::new(process.stdin, process.stdout, process.stderr),
            cwd: process.cwd,
            flavor,
            options: Options::default(),
            name: process.argv.first().cloned().unwrap_or_else(|| "sh".into()),
            arguments: Arc::from([]),
            variables,
            functions: Arc::default(),
            traps: BTreeMap::new(),
            status: 0,
            substituted: None,
            last_background: None,
            jobs: Vec::new(),
            line: 1,
            is_file: false,
            interactive: false,
            failed: false,
            loops: 0,
            calls: 0,
            depth: 0,
            conditions: 0,
            last: false,
            umask: 0o022,
            started: tokio::time::Instant::now(),
        }
    }

    /// Runs a whole script; its last command may take the shell's place.
    async fn run_script(&mut self, text: &str) -> Flow {
        let mut parser = Parser::new(text);
        let mut next = parser.next();
        loop {
            let node = match next {
                Ok(Some(node)) => node,
                Ok(None) => return Flow::Next,
                Err(error) => return self.syntax_error(&error).await,
            };
            if self.options.no_run {
                next = parser.next();
                continue;
            }
            // A command is read when the one before has run, but whether there is any more can be seen before.
            let last = parser.is_at_end();
            self.last = last;
            match self.run(&node).await {
                Flow::Next => {}
                flow => return flow,
            }
            next = parser.next();
        }
    }

    /// Runs what is read from standard input, line by line, so that commands can read from it too.
    async fn read_commands(&mut self) -> Flow {
        let (mut text, mut line) = (String::new(), 1);
        loop {
            if self.interactive {
                let prompt = if text.is_empty() { self.prompt() } else { "> ".into() };
                let output = if self.flavor == Flavor::Ash { self.stdout() } else { self.stderr() };
                if output.write(prompt.as_bytes()).await.is_err() {
                    return Flow::Exit;
                }
            }
            let input = self.stdin();
            let read = tokio::select! {
                read = input.read_line() => read,
                signal = self.signals.next(), if self.interactive || !self.traps.is_empty() => {
                    text.clear();
                    self.status = 128 + signal.number();
                    match self.trapped(signal).await {
                        Flow::Exit if self.interactive && self.failed => self.failed = false,
                        Flow::Next => {}
                        flow => return flow,
                    }
                    continue;
                }
            };
            let end = match read {
                Ok(Some(part)) => {
                    text += &String::from_utf8_lossy(&part);
                    false
                }
                Ok(None) | Err(_) => true,
            };
            if text.len() > LONGEST {
                return self.fatal("the command is too long").await;
            }
            let mut parser = if end { Parser::new(&text) } else { Parser::partial(&text, line) };
            let mut nodes = Vec::new();
            let problem = loop {
                match parser.next() {
                    Ok(Some(node)) => nodes.push(node),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            match problem {
                Some(error) if error.is_incomplete() && !end => continue,
                Some(error) => {
                    let flow = self.syntax_error(&error).await;
                    if !self.interactive {
                        return flow;
                    }
                    self.failed = false;
                }
                None => {
                    for node in &nodes {
                        match self.run(node).await {
                            Flow::Exit if self.interactive && self.failed => self.failed = false,
                            Flow::Next | Flow::Break(_) | Flow::Continue(_) => continue,
                            flow => return flow,
                        }
                        break;
                    }
                }
            }
            if end {
                if self.interactive && self.flavor != Flavor::Ash {
                    let _ = self.stderr().write(b"\n").await;
                }
                return Flow::Exit;
            }
            line += text.matches('\n').count();
            text.clear();
        }
    }

    fn prompt(&self) -> String {
        let sign = if self.world.user() == 0 { '#' } else { '$' };
        let home = self.variables.get("HOME").map(|home| home.to_string());
        let tilde = match home {
            Some(home) if home != "/" && self.cwd == home => "~".to_string(),
            _ => self.cwd.clone(),
        };
        match (self.variables.get("PS1"), self.flavor) {
            (Some(prompt), _) => {
                let user = if self.world.user() == 0 { "root" } else { "user" };
                let prompt = prompt.replace("\\w", &tilde).replace("\\h", self.world.hostname()).replace("\\u", user);
                prompt.replace("\\$", &sign.to_string())
            }
            (None, Flavor::Ash) => format!("{tilde} {sign} "),
            (None, Flavor::Dash) => format!("{sign} "),
            (None, Flavor::Bash) => {
                let user = if self.world.user() == 0 { "root" } else { "I have no name!" };
                format!("{user}@{}:{tilde}{sign} ", self.world.hostname())
            }
        }
    }

    /// Tells of a script that cannot be read.
    pub(super) async fn syntax_error(&mut self, error: &SyntaxError) -> Flow {
        self.line = error.line;
        let text = match (&error.problem, self.flavor) {
            (Problem::Unexpected { token, expecting }, Flavor::Ash) => {
                let token = if token == "newline" { token.clone() } else { format!("\"{token}\"") };
                format!("syntax error: unexpected {token}{}", expectation(*expecting))
            }
            (Problem::EndOfFile { expecting }, Flavor::Ash) => {
                format!("syntax error: unexpected end of file{}", expectation(*expecting))
            }
            (Problem::UnterminatedQuote, Flavor::Ash) => "syntax error: unterminated quoted string".into(),
            (Problem::BadSubstitution, Flavor::Ash) => "syntax error: bad substitution".into(),
            (Problem::TooDeep, Flavor::Ash) => "syntax error: nested too deep".into(),
            (Problem::Unexpected { token, expecting }, Flavor::Dash) => {
                let token = if token == "newline" { token.clone() } else { format!("\"{token}\"") };
                format!("Syntax error: {token} unexpected{}", expectation(*expecting))
            }
            (Problem::EndOfFile { expecting }, Flavor::Dash) => {
                format!("Syntax error: end of file unexpected{}", expectation(*expecting))
            }
            (Problem::UnterminatedQuote, Flavor::Dash) => "Syntax error: Unterminated quoted string".into(),
            (Problem::BadSubstitution, Flavor::Dash) => "Bad substitution".into(),
            (Problem::TooDeep, _) => "Syntax error: nested too deep".into(),
            (Problem::Unexpected { token, .. }, Flavor::Bash) => {
                format!("syntax error near unexpected token `{token}'")
            }
            (Problem::EndOfFile { .. }, Flavor::Bash) => "syntax error: unexpected end of file".into(),
            (Problem::UnterminatedQuote, Flavor::Bash) => "unexpected EOF while looking for matching `\"'".into(),
            (Problem::BadSubstitution, Flavor::Bash) => "bad substitution".into(),
        };
        self.fatal(&text).await;
        self.status = 2;
        Flow::Exit
    }
}

fn expectation(expecting: Option<&str>) -> String {
    expecting.map(|token| format!(" (expecting \"{token}\")")).unwrap_or_default()
}
