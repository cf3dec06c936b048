//! A small shell that runs a container's command in virtual time: sleeping only moves its clock, so that all a command
//! does to files and when it ends is known at its start.

mod arithmetic;
mod commands;
mod parse;

use parse::{Command, Part, Redirect, Word};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a command does to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    Write(String, String),
    Remove(String),
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Exit(i32),
    /// It never ends by itself: a loop or an endless sleep.
    Sleeps,
    /// It runs a program that is not simulated, taken to be a server.
    Serves,
}

/// Why the commands that would come next do not run.
enum Flow {
    End(Ending),
    Break,
    Continue,
}

/// The number of commands after which a command is taken to run for ever.
const COMMANDS: usize = 2_000;
/// Output, words and files are cut after this many bytes, and all that is kept of files is no more.
const LONGEST: usize = 64 * 1024;
/// How deep scripts and commands may call each other.
const DEPTH: usize = 8;

/// The state of one shell.
pub struct Shell {
    variables: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    /// Files that are not known are taken to be there.
    presumes_files: bool,
    removed: Vec<String>,
    changes: Vec<(Duration, FileChange)>,
    /// The size of `changes` in bytes.
    kept: usize,
    clock: Duration,
    output: String,
    status: i32,
    exit_on_error: bool,
    commands: usize,
    depth: usize,
    background: Option<Ending>,
    background_end: Duration,
}

impl Shell {
    /// A shell with these environment variables.
    pub fn new(variables: Vec<(String, String)>) -> Shell {
        Shell {
            variables: variables.into_iter().collect(),
            files: BTreeMap::new(),
            presumes_files: false,
            removed: Vec::new(),
            changes: Vec::new(),
            kept: 0,
            clock: Duration::ZERO,
            output: String::new(),
            status: 0,
            exit_on_error: false,
            commands: 0,
            depth: 0,
            background: None,
            background_end: Duration::ZERO,
        }
    }
    /// The shell runs in a container; with `presumes_files` any file is there that was not removed.
    pub fn in_container(mut self, presumes_files: bool) -> Shell {
        self.presumes_files = presumes_files;
        self
    }
    /// The time that the command has taken.
    pub fn elapsed(&self) -> Duration {
        self.clock
    }
    /// What the command printed.
    pub fn into_output(self) -> String {
        self.output
    }
    /// What the command did to files, in order of time.
    pub fn into_changes(mut self) -> Vec<(Duration, FileChange)> {
        self.changes.sort_by_key(|(at, _)| *at);
        self.changes
    }
    /// Whether the command touched no file at all.
    pub fn is_plain(&self) -> bool {
        self.changes.is_empty()
    }
    /// Takes over a change to a file.
    pub fn apply(&mut self, change: &FileChange) {
        match change {
            FileChange::Write(path, content) => {
                self.removed.retain(|p| p != path);
                self.files.insert(path.clone(), content.clone());
            }
            FileChange::Remove(path) => {
                self.files.remove(path);
                self.removed.push(path.clone());
            }
        }
    }

    /// Runs a command given as words, to its end.
    pub fn run(&mut self, argv: &[&str]) -> Ending {
        let argv: Vec<String> = argv.iter().map(ToString::to_string).collect();
        match self.execute(&argv, "") {
            Ok((code, out, err)) => {
                self.print(&out);
                self.print(&err);
                Ending::Exit(code)
            }
            Err(Flow::End(ending)) => ending,
            Err(Flow::Break | Flow::Continue) => Ending::Exit(0),
        }
    }

    /// Runs a script to its end.
    fn script(&mut self, script: &str, stdin: &str) -> Result<i32, Flow> {
        self.depth += 1;
        let result = match parse::parse(script) {
            Some(command) if self.depth <= DEPTH => self.command(&command, stdin),
            _ => {
                self.print("sh: syntax error\n");
                Ok(2)
            }
        };
        self.depth -= 1;
        match result {
            Err(Flow::End(Ending::Exit(code))) => Ok(code),
            other => other,
        }
    }

    fn print(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.output.len());
        self.output.extend(text.chars().take(room));
    }

    fn write(&mut self, path: &str, content: String, append: bool) {
        let mut whole = if append { self.files.get(path).cloned().unwrap_or_default() } else { String::new() };
        whole.extend(content.chars().take(LONGEST.saturating_sub(whole.len())));
        self.change(FileChange::Write(path.to_string(), whole));
    }

    fn change(&mut self, change: FileChange) {
        let size = match &change {
            FileChange::Write(path, content) => path.len() + content.len(),
            FileChange::Remove(path) => path.len(),
        };
        // A full disk.
        if self.kept + size > LONGEST {
            return;
        }
        self.kept += size;
        self.apply(&change);
        self.changes.push((self.clock, change));
    }

    fn command(&mut self, command: &Command, stdin: &str) -> Result<i32, Flow> {
        let code = match command {
            Command::Simple { words, redirects } => {
                let code = self.simple(words, redirects, stdin)?;
                self.status = code;
                code
            }
            Command::Pipeline(stages) => {
                let mut text = stdin.to_string();
                let mut code = 0;
                for (i, stage) in stages.iter().enumerate() {
                    let before = std::mem::take(&mut self.output);
                    let result = self.command(stage, &text);
                    text = std::mem::replace(&mut self.output, before);
                    code = result?;
                    if i + 1 == stages.len() {
                        self.print(&text);
                    }
                }
                code
            }
            Command::Not(inner) => i32::from(self.command(inner, stdin)? == 0),
            Command::AndOr(first, rest) => {
                let mut code = self.command(first, stdin)?;
                for (and, command) in rest {
                    if (code == 0) == *and {
                        code = self.command(command, stdin)?;
                    }
                }
                code
            }
            Command::Sequence(commands) => {
                let mut code = 0;
                for command in commands {
                    code = self.command(command, stdin)?;
                    let ends = matches!(command, Command::Simple { .. } | Command::Pipeline(_));
                    if self.exit_on_error && ends && code != 0 {
                        return Err(Flow::End(Ending::Exit(code)));
                    }
                }
                code
            }
            Command::Subshell(inner) => match self.command(inner, stdin) {
                Err(Flow::End(Ending::Exit(code))) => code,
                other => other?,
            },
            Command::Background(inner) => {
                let now = self.clock;
                if let Err(Flow::End(ending @ (Ending::Sleeps | Ending::Serves))) = self.command(inner, "") {
                    self.background = Some(ending);
                }
                self.background_end = self.background_end.max(self.clock);
                self.clock = now;
                0
            }
            Command::If { arms, otherwise } => {
                for (condition, body) in arms {
                    if self.command(condition, stdin)? == 0 {
                        return self.command(body, stdin);
                    }
                }
                match otherwise {
                    Some(body) => self.command(body, stdin)?,
                    None => 0,
                }
            }
            Command::While { condition, until, body } => self.repeat(condition, *until, body)?,
            Command::For { variable, items, body } => {
                let mut code = 0;
                for item in self.expand(items)? {
                    self.variables.insert(variable.clone(), item);
                    match self.command(body, "") {
                        Err(Flow::Break) => break,
                        Err(Flow::Continue) => {}
                        other => code = other?,
                    }
                }
                code
            }
        };
        self.status = code;
        Ok(code)
    }

    fn repeat(&mut self, condition: &Command, until: bool, body: &Command) -> Result<i32, Flow> {
        let mut code = 0;
        loop {
            let before = (self.variables.clone(), self.changes.len());
            if (self.command(condition, "")? == 0) == until {
                return Ok(code);
            }
            match self.command(body, "") {
                Err(Flow::Break) => return Ok(code),
                Err(Flow::Continue) => {}
                other => code = other?,
            }
            // A round that changes nothing is followed by the same for ever.
            if before == (self.variables.clone(), self.changes.len()) {
                return Err(Flow::End(Ending::Sleeps));
            }
        }
    }

    fn simple(&mut self, words: &[Word], redirects: &[Redirect], stdin: &str) -> Result<i32, Flow> {
        let mut argv = self.expand(words)?;
        while let Some((name, value)) = argv.first().and_then(|word| assignment(word)) {
            self.variables.insert(name.to_string(), value.to_string());
            argv.remove(0);
        }
        let mut input = stdin.to_string();
        let mut targets = Vec::new();
        for redirect in redirects {
            let target = self.expand(std::slice::from_ref(&redirect.target))?.concat();
            if redirect.stream == 0 {
                match self.files.get(&target) {
                    Some(content) => input.clone_from(content),
                    None if self.exists(&target) => input.clear(),
                    None => {
                        self.print(&format!("sh: can't open {target}: no such file\n"));
                        return Ok(1);
                    }
                }
            } else {
                targets.push((redirect.stream, redirect.append, target));
            }
        }
        let (code, out, err) =
            if argv.is_empty() { (self.status, String::new(), String::new()) } else { self.execute(&argv, &input)? };
        let joined = targets.iter().any(|(stream, _, target)| *stream == 2 && target == "&1");
        let (out, err) = if joined { (out + &err, String::new()) } else { (out, err) };
        for (stream, text) in [(1, out), (2, err)] {
            match targets.iter().find(|(s, _, target)| *s == stream && !target.starts_with('&')) {
                Some((_, _, target)) if target.starts_with("/dev/") || target.starts_with("/proc/") => {}
                Some((_, append, target)) => self.write(target, text, *append),
                None => self.print(&text),
            }
        }
        Ok(code)
    }

    /// Expands variables and substitutions and splits into words.
    fn expand(&mut self, words: &[Word]) -> Result<Vec<String>, Flow> {
        let mut expanded = Vec::new();
        let mut size = 0;
        for word in words {
            let mut current: Option<String> = None;
            for part in word {
                if size > LONGEST {
                    break;
                }
                let (text, split) = match part {
                    Part::Text(text) => (text.clone(), false),
                    Part::Variable { name, default, quoted } => (self.variable(name, default.as_deref()), !quoted),
                    Part::Substitution { script, quoted } => {
                        let before = std::mem::take(&mut self.output);
                        let result = self.script(script, "");
                        let output = std::mem::replace(&mut self.output, before);
                        self.status = result?;
                        (output.trim_end_matches('\n').to_string(), !quoted)
                    }
                    Part::Arithmetic(expression) => {
                        let read = |name: &str| self.variables.get(name).and_then(|v| v.parse().ok()).unwrap_or(0);
                        (arithmetic::evaluate(expression, &read).unwrap_or(0).to_string(), false)
                    }
                };
                size += text.len();
                if !split {
                    current.get_or_insert_default().push_str(&text);
                    continue;
                }
                if text.starts_with(char::is_whitespace) {
                    expanded.extend(current.take());
                }
                let mut fields = text.split_whitespace().peekable();
                while let Some(field) = fields.next() {
                    current.get_or_insert_default().push_str(field);
                    if fields.peek().is_some() || text.ends_with(char::is_whitespace) {
                        expanded.extend(current.take());
                    }
                }
            }
            expanded.extend(current);
        }
        Ok(expanded)
    }

    fn variable(&self, name: &str, default: Option<&str>) -> String {
        let value = match name {
            "?" => return self.status.to_string(),
            "$" => return "1".to_string(),
            name => self.variables.get(name).map(String::as_str),
        };
        value.filter(|value| !value.is_empty() || default.is_none()).or(default).unwrap_or("").to_string()
    }
}

/// `name=value`.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> (Ending, u64, String) {
        let mut shell = Shell::new(vec![("HOSTNAME".into(), "web".into())]);
        let ending = shell.run(&["sh", "-c", script]);
        (ending, shell.elapsed().as_secs(), shell.into_output())
    }
    fn output(script: &str) -> String {
        sh(script).2
    }

    #[test]
    fn lists_and_exit_codes() {
        assert_eq!(sh("true && exit 3; exit 4").0, Ending::Exit(3));
        assert_eq!(sh("false || false").0, Ending::Exit(1));
        assert_eq!(sh("! false").0, Ending::Exit(0));
        assert_eq!(sh("set -e; sleep 2; false; sleep 9"), (Ending::Exit(1), 2, String::new()));
        assert_eq!(sh("(exit 5); echo $?").2, "5\n");
        assert_eq!(sh("if true").0, Ending::Exit(2));
    }

    #[test]
    fn loops() {
        assert_eq!(sh("while true; do sleep 5; done").0, Ending::Sleeps);
        assert_eq!(sh("i=0; while [ $i -lt 3 ]; do sleep 2; i=$((i+1)); done"), (Ending::Exit(0), 6, String::new()));
        assert_eq!(output("for x in a b; do echo $x; done"), "a\nb\n");
        assert_eq!(sh("until test -f /tmp/x; do touch /tmp/x; sleep 1; done").1, 1);
        assert_eq!(sh("while :; do i=$((i+1)); done").0, Ending::Sleeps);
    }

    #[test]
    fn words_and_redirection() {
        assert_eq!(output("echo 'a  b' \"$HOSTNAME\" ${X:-none} $(echo c d)"), "a  b web none c d\n");
        assert_eq!(output("echo hi > /tmp/f; echo ho >> /tmp/f; cat /tmp/f"), "hi\nho\n");
        assert_eq!(output("cat /missing 2>/dev/null || echo gone"), "gone\n");
        assert_eq!(output("if [ \"$HOSTNAME\" = web ]; then echo yes; else echo no; fi"), "yes\n");
        assert_eq!(output("echo abc | grep -q b && echo found"), "found\n");
    }

    #[test]
    fn background_work_does_not_delay() {
        let (ending, seconds, _) = sh("(sleep 5; touch /tmp/ready) & sleep 1");
        assert_eq!((ending, seconds), (Ending::Exit(0), 1));
        assert_eq!(sh("sleep 5 & wait").1, 5);
        assert_eq!(sh("nginx -g 'daemon off;'").0, Ending::Serves);
    }

    #[test]
    fn growth_is_bounded() {
        let mut shell = Shell::new(Vec::new());
        let ending = shell.run(&["sh", "-c", "x=ab; while true; do x=$x$x; echo $x >> /f; done"]);
        assert_eq!(ending, Ending::Sleeps);
        assert!(shell.kept <= LONGEST && shell.variables["x"].len() <= 4 * LONGEST);
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert_eq!(sh(&"(".repeat(100_000)).0, Ending::Exit(2));
        assert_eq!(sh(&format!("{}true", "! ".repeat(100_000))).0, Ending::Exit(0));
        assert_eq!(sh(&format!("true{}", " && true".repeat(1_000))).0, Ending::Exit(0));
        assert_eq!(sh(&"time ".repeat(100_000)).0, Ending::Exit(126));
        assert_eq!(sh(&format!("test {}", "! ".repeat(100_000))).0, Ending::Exit(1));
        let mut script = "true".to_string();
        for _ in 0..100 {
            script = format!("echo $({script})");
        }
        assert!(matches!(sh(&script).0, Ending::Exit(_)));
    }
}
