//! `sed`

mod script;

use super::options::Options;
use super::{MEMORY, Outcome, or_stdin, program, text};
use crate::node::runtime::process::Process;
use regex_lite::Regex;
use script::{Action, Address, Command, Piece, parse};
use std::fmt::Write;

program!(sed, run);

/// The longest line that substitutions may make, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

async fn run(process: &mut Process) -> Outcome {
    // The suffix of `-i` is always attached.
    let in_place = process.args().iter().any(|word| word.starts_with("-i") || word == "--in-place");
    let arguments: Vec<String> =
        process.args().iter().filter(|word| !word.starts_with("-i") && *word != "--in-place").cloned().collect();
    let long = [
        ("quiet", 'n'),
        ("silent", 'n'),
        ("expression", 'e'),
        ("file", 'f'),
        ("regexp-extended", 'E'),
        ("separate", 's'),
    ];
    let mut options = Options::parse(&arguments, "nErse:f:uz", &long)?;
    let mut script: Vec<String> = options.values('e').map(String::from).collect();
    for path in options.values('f') {
        match process.world.files().read(&process.path(path)) {
            Ok(content) => script.push(String::from_utf8_lossy(&content).into_owned()),
            Err(error) => return Ok(process.fail_at(path, &error).await),
        }
    }
    if script.is_empty() {
        if options.operands.is_empty() {
            return Err("no script".to_string().into());
        }
        script.push(options.operands.remove(0));
    }
    let script = script.join("\n");
    let commands = parse(&script, options.has('E') || options.has('r'))?;
    let mut state = Editor { commands, quiet: options.has('n'), hold: String::new(), number: 0 };
    if !in_place {
        let mut lines = Lines { paths: or_stdin(&options), input: None, next: None, code: 0 };
        lines.paths.reverse();
        let quit = edit(process, &mut state, &mut lines, None).await?;
        return Ok(quit.unwrap_or(lines.code));
    }
    let mut code = 0;
    for path in &options.operands {
        if !process.world.files().exists(&process.path(path)) {
            code = process.fail_at(path, &std::io::ErrorKind::NotFound.into()).await;
            continue;
        }
        let mut lines = Lines { paths: vec![path.clone()], input: None, next: None, code: 0 };
        state.number = 0;
        let mut output = String::new();
        edit(process, &mut state, &mut lines, Some(&mut output)).await?;
        if let Err(error) = process.world.files().write(&process.path(path), output.as_bytes()) {
            code = process.fail_at(path, &error).await;
        }
    }
    Ok(code)
}

/// The lines of all files, of which one is known ahead.
struct Lines {
    paths: Vec<String>,
    input: Option<crate::node::runtime::pipe::Input>,
    next: Option<String>,
    code: i32,
}

impl Lines {
    async fn read(&mut self, process: &Process) -> Result<Option<String>, super::Failure> {
        loop {
            if let Some(input) = &self.input {
                if let Some(line) = input.read_line().await? {
                    return Ok(Some(text(&line)));
                }
                self.input = None;
            }
            let Some(path) = self.paths.pop() else { return Ok(None) };
            self.input = process.input(&path).await;
            if self.input.is_none() {
                self.code = 1;
            }
        }
    }

    async fn take(&mut self, process: &Process) -> Result<Option<String>, super::Failure> {
        match self.next.take() {
            Some(line) => Ok(Some(line)),
            None => self.read(process).await,
        }
    }

    async fn is_last(&mut self, process: &Process) -> Result<bool, super::Failure> {
        if self.next.is_none() {
            self.next = self.read(process).await?;
        }
        Ok(self.next.is_none())
    }
}

struct Editor {
    commands: Vec<Command>,
    quiet: bool,
    hold: String,
    number: u64,
}

/// Edits all lines; gives the exit code of `q`.
async fn edit(
    process: &Process,
    editor: &mut Editor,
    lines: &mut Lines,
    mut kept: Option<&mut String>,
) -> Result<Option<i32>, super::Failure> {
    let looks_ahead = editor.commands.iter().any(|command| {
        matches!(command.from, Some(Address::Last))
            || matches!(command.to, Some(Address::Last))
            || matches!(command.action, Action::Next | Action::Join)
    });
    while let Some(mut line) = lines.take(process).await? {
        process.world.budget().spend().await;
        editor.number += 1;
        let (mut output, mut after, mut at) = (String::new(), String::new(), 0);
        let (mut quit, mut deleted) = (None, false);
        while at < editor.commands.len() {
            let last = looks_ahead && lines.is_last(process).await?;
            let number = editor.number;
            let command = &mut editor.commands[at];
            let chosen = command.is_chosen(&line, number, last);
            at += 1;
            if !chosen {
                if let Action::Block(end) = command.action {
                    at = end;
                }
                continue;
            }
            match &command.action {
                Action::Substitute { regex, replacement, which, all, print } => {
                    if let Some(replaced) = substitute(&line, regex, replacement, *which, *all)? {
                        line = replaced;
                        if *print {
                            let _ = writeln!(output, "{line}");
                        }
                    }
                }
                Action::Delete => {
                    deleted = true;
                    break;
                }
                Action::DeleteFirst => match line.split_once('\n') {
                    // Begins anew without a new line.
                    Some((_, rest)) => {
                        line = rest.to_string();
                        at = 0;
                    }
                    None => {
                        deleted = true;
                        break;
                    }
                },
                Action::Print => {
                    let _ = writeln!(output, "{line}");
                }
                Action::Quit(code) => {
                    quit = Some(*code);
                    break;
                }
                Action::Append(text) => {
                    let _ = writeln!(after, "{text}");
                }
                Action::Insert(text) => {
                    let _ = writeln!(output, "{text}");
                }
                Action::Change(text) => {
                    if command.to.is_none() || !command.active {
                        let _ = writeln!(output, "{text}");
                    }
                    deleted = true;
                    break;
                }
                Action::Translate(from, to) => {
                    let translate = |c: char| from.iter().position(|other| *other == c).map_or(c, |at| to[at]);
                    line = line.chars().map(translate).collect();
                }
                Action::Number => {
                    let _ = writeln!(output, "{number}");
                }
                Action::Next => {
                    if !editor.quiet {
                        let _ = writeln!(output, "{line}");
                    }
                    match lines.take(process).await? {
                        Some(next) => {
                            editor.number += 1;
                            line = next;
                        }
                        None => {
                            deleted = true;
                            break;
                        }
                    }
                }
                Action::Join => {
                    let Some(next) = lines.take(process).await? else { break };
                    editor.number += 1;
                    line.push('\n');
                    line += &next;
                }
                Action::Hold(false) => editor.hold = line.clone(),
                Action::Hold(true) => editor.hold = format!("{}\n{line}", editor.hold),
                Action::Get(false) => line = editor.hold.clone(),
                Action::Get(true) => line = format!("{line}\n{}", editor.hold),
                Action::Exchange => std::mem::swap(&mut line, &mut editor.hold),
                Action::Block(_) | Action::Nothing => {}
            }
            if line.len() + editor.hold.len() > LONGEST {
                return Err("out of memory".to_string().into());
            }
        }
        if !deleted && !editor.quiet {
            let _ = writeln!(output, "{line}");
        }
        output += &after;
        match &mut kept {
            Some(kept) if kept.len() + output.len() > MEMORY => return Err("out of memory".to_string().into()),
            Some(kept) => kept.push_str(&output),
            None => process.print(output).await?,
        }
        if quit.is_some() {
            return Ok(quit);
        }
    }
    Ok(None)
}

impl Address {
    fn fits(&self, line: &str, number: u64, last: bool) -> bool {
        match self {
            Address::Line(at) => number == *at,
            Address::Last => last,
            Address::Match(regex) => regex.is_match(line),
            Address::Step(first, 0) => number == *first,
            Address::Step(first, step) => number >= *first && (number - first).is_multiple_of(*step),
        }
    }
}

impl Command {
    fn is_chosen(&mut self, line: &str, number: u64, last: bool) -> bool {
        let chosen = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(from), None) => from.fits(line, number, last),
            (Some(from), Some(to)) => {
                if self.active {
                    self.active = match to {
                        Address::Line(at) => number < *at,
                        to => !to.fits(line, number, last),
                    };
                    true
                } else if from.fits(line, number, last) {
                    // A range that ends before it begins is one line.
                    self.active = match to {
                        Address::Line(at) => number < *at,
                        Address::Last => !last,
                        _ => true,
                    };
                    true
                } else {
                    false
                }
            }
        };
        chosen != self.negated
    }
}

/// The line with the matches replaced; `None` without any.
fn substitute(
    line: &str,
    regex: &Regex,
    replacement: &[Piece],
    which: usize,
    all: bool,
) -> Result<Option<String>, String> {
    let (mut result, mut end, mut found) = (String::new(), 0, false);
    for (index, captures) in regex.captures_iter(line).enumerate() {
        if index + 1 < which {
            continue;
        }
        let Some(whole) = captures.get(0) else { break };
        found = true;
        result += &line[end..whole.start()];
        let mut case = 'E';
        for piece in replacement {
            let text = match piece {
                Piece::Text(text) => text,
                Piece::Group(group) => captures.get(*group).map_or("", |group| group.as_str()),
                Piece::Case(wanted) => {
                    case = *wanted;
                    continue;
                }
            };
            match case {
                'U' => result += &text.to_uppercase(),
                'L' => result += &text.to_lowercase(),
                _ => result += text,
            }
        }
        end = whole.end();
        if result.len() > LONGEST {
            return Err("out of memory".into());
        }
        if !all {
            break;
        }
    }
    result += &line[end..];
    Ok(found.then_some(result))
}
