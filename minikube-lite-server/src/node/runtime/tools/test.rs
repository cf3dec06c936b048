//! `test`, `[`

use super::{Outcome, program};
use crate::node::runtime::files::{self, FileKind, Files};
use crate::node::runtime::process::Process;
use crate::node::runtime::shell::pattern::Pattern;

program!(test, run);
program!(bracket, run_bracket);

async fn run(process: &mut Process) -> Outcome {
    conclude(process, process.args()).await
}

async fn run_bracket(process: &mut Process) -> Outcome {
    match process.args().split_last() {
        Some((last, arguments)) if last == "]" => conclude(process, arguments).await,
        _ => {
            process.fail("missing ]").await;
            Ok(2)
        }
    }
}

async fn conclude(process: &Process, arguments: &[String]) -> Outcome {
    let place = Place {
        files: process.world.files(),
        cwd: &process.cwd,
        user: process.world.user(),
        is_terminal: process.terminal.is_some(),
    };
    match evaluate(arguments, &place, false) {
        Ok(truth) => Ok(i32::from(!truth)),
        Err(message) => {
            process.fail(message).await;
            Ok(2)
        }
    }
}

/// Where a condition is looked at.
pub struct Place<'a> {
    pub files: &'a Files,
    pub cwd: &'a str,
    pub user: u32,
    pub is_terminal: bool,
}

/// Whether a condition is true. `patterns`: what is right of `=` is a pattern, as in `[[`.
///
/// # Errors
/// When it is none.
pub fn evaluate(arguments: &[String], place: &Place, patterns: bool) -> Result<bool, String> {
    let mut condition = Condition { rest: arguments, place, patterns, depth: 0 };
    if arguments.is_empty() {
        return Ok(false);
    }
    let truth = condition.either()?;
    match condition.rest.first() {
        None => Ok(truth),
        Some(word) => Err(format!("{word}: unknown operand")),
    }
}

struct Condition<'a> {
    rest: &'a [String],
    place: &'a Place<'a>,
    patterns: bool,
    depth: usize,
}

impl Condition<'_> {
    fn eat(&mut self, words: &[&str]) -> bool {
        let found = self.rest.first().is_some_and(|word| words.contains(&word.as_str()));
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn either(&mut self) -> Result<bool, String> {
        let mut truth = self.both()?;
        while self.rest.len() > 1 && self.eat(&["-o", "||"]) {
            truth |= self.both()?;
        }
        Ok(truth)
    }

    fn both(&mut self) -> Result<bool, String> {
        let mut truth = self.one()?;
        while self.rest.len() > 1 && self.eat(&["-a", "&&"]) {
            truth &= self.one()?;
        }
        Ok(truth)
    }

    fn one(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > 100 {
            return Err("too many arguments".into());
        }
        let rest = self.rest;
        let Some(first) = rest.first() else { return Err("argument expected".into()) };
        // What stands in the middle decides: `[ ! = x ]` and `[ -f = x ]` compare words.
        if let (Some(operator), Some(right)) = (rest.get(1), rest.get(2))
            && let Some(truth) = self.compare(first, operator, right)
        {
            self.rest = &rest[3..];
            return truth;
        }
        if rest.len() > 1 && self.eat(&["!"]) {
            return Ok(!self.one()?);
        }
        if rest.len() > 2 && self.eat(&["("]) {
            let truth = self.either()?;
            return if self.eat(&[")"]) { Ok(truth) } else { Err("closing paren expected".into()) };
        }
        if let Some(operand) = rest.get(1)
            && let Some(truth) = self.unary(first, operand)
        {
            self.rest = &rest[2..];
            return Ok(truth);
        }
        self.rest = &rest[1..];
        Ok(!first.is_empty())
    }

    fn unary(&self, operator: &str, operand: &str) -> Option<bool> {
        let path = files::absolute(self.place.cwd, operand);
        // The empty path is nothing.
        let stat = if operand.is_empty() { None } else { self.place.files.stat(&path).ok() };
        let link = if operand.is_empty() { None } else { self.place.files.link_stat(&path).ok() };
        let allowed = |bit: u32| {
            stat.as_ref().is_some_and(|stat| self.place.user == 0 && bit != 1 || stat.mode & (bit * 0o111) != 0)
        };
        Some(match operator {
            "-z" => operand.is_empty(),
            "-n" => !operand.is_empty(),
            "-e" | "-a" => stat.is_some(),
            "-f" => stat.is_some_and(|stat| stat.kind == FileKind::Regular),
            "-d" => stat.is_some_and(|stat| stat.is_directory()),
            "-s" => stat.is_some_and(|stat| stat.size > 0),
            "-L" | "-h" => link.is_some_and(|stat| stat.kind == FileKind::Link),
            "-c" => stat.is_some_and(|stat| stat.kind == FileKind::Device),
            "-r" => allowed(4),
            "-w" => allowed(2),
            "-x" => allowed(1),
            "-b" | "-p" | "-S" | "-u" | "-g" | "-k" => false,
            "-O" | "-G" => stat.is_some(),
            "-t" => self.place.is_terminal,
            _ => return None,
        })
    }

    fn compare(&self, left: &str, operator: &str, right: &str) -> Option<Result<bool, String>> {
        let modified =
            |path: &str| self.place.files.stat(&files::absolute(self.place.cwd, path)).ok().map(|stat| stat.modified);
        Some(match operator {
            "=" | "==" if self.patterns => Ok(Pattern::new(right).matches(left)),
            "!=" if self.patterns => Ok(!Pattern::new(right).matches(left)),
            "=" | "==" => Ok(left == right),
            "!=" => Ok(left != right),
            "<" => Ok(left < right),
            ">" => Ok(left > right),
            "=~" => super::regex::compile(&[right], &super::regex::Syntax { extended: true, ..Default::default() })
                .map(|regex| regex.is_match(left)),
            "-nt" => Ok(modified(left) > modified(right)),
            "-ot" => Ok(modified(left) < modified(right)),
            "-ef" => Ok(self.place.files.canonical(&files::absolute(self.place.cwd, left)).ok()
                == self.place.files.canonical(&files::absolute(self.place.cwd, right)).ok()),
            "-eq" => numbers(left, right).map(|(left, right)| left == right),
            "-ne" => numbers(left, right).map(|(left, right)| left != right),
            "-lt" => numbers(left, right).map(|(left, right)| left < right),
            "-le" => numbers(left, right).map(|(left, right)| left <= right),
            "-gt" => numbers(left, right).map(|(left, right)| left > right),
            "-ge" => numbers(left, right).map(|(left, right)| left >= right),
            _ => return None,
        })
    }
}

fn numbers(left: &str, right: &str) -> Result<(i64, i64), String> {
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("{text}: bad number"));
    Ok((number(left)?, number(right)?))
}
