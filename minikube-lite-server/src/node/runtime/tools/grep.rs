//! `grep`, `egrep`, `fgrep`

use super::options::Options;
use super::regex::{Syntax, compile};
use super::{Outcome, program, text};
use crate::node::runtime::files;
use crate::node::runtime::process::Process;
use regex_lite::Regex;
use std::collections::VecDeque;

program!(grep, run);
program!(egrep, run_extended);
program!(fgrep, run_fixed);

async fn run(process: &mut Process) -> Outcome {
    search(process, Syntax::default()).await
}
async fn run_extended(process: &mut Process) -> Outcome {
    search(process, Syntax { extended: true, ..Syntax::default() }).await
}
async fn run_fixed(process: &mut Process) -> Outcome {
    search(process, Syntax { fixed: true, ..Syntax::default() }).await
}

const LONG: &[(&str, char)] = &[
    ("extended-regexp", 'E'),
    ("fixed-strings", 'F'),
    ("ignore-case", 'i'),
    ("invert-match", 'v'),
    ("count", 'c'),
    ("line-number", 'n'),
    ("only-matching", 'o'),
    ("quiet", 'q'),
    ("silent", 'q'),
    ("recursive", 'r'),
    ("files-with-matches", 'l'),
    ("files-without-match", 'L'),
    ("word-regexp", 'w'),
    ("line-regexp", 'x'),
    ("no-filename", 'h'),
    ("with-filename", 'H'),
    ("no-messages", 's'),
    ("max-count", 'm'),
    ("regexp", 'e'),
    ("file", 'f'),
    ("after-context", 'A'),
    ("before-context", 'B'),
    ("context", 'C'),
    ("color", 'a'),
    ("line-buffered", 'a'),
];

async fn search(process: &mut Process, syntax: Syntax) -> Outcome {
    let mut options = match Options::parse(process.args(), "EFGPivcnoqrRlLwxhHsm:e:f:A:B:C:a", LONG) {
        Ok(options) => options,
        Err(message) => {
            process.fail(message).await;
            return Ok(2);
        }
    };
    let mut patterns: Vec<String> =
        options.values('e').flat_map(|pattern| pattern.split('\n')).map(String::from).collect();
    for path in options.values('f') {
        match process.world.files().read(&process.path(path)) {
            Ok(content) => patterns.extend(String::from_utf8_lossy(&content).lines().map(String::from)),
            Err(error) => {
                process.fail_at(path, &error).await;
                return Ok(2);
            }
        }
    }
    if patterns.is_empty() && !options.has('f') {
        if options.operands.is_empty() {
            process.fail("no pattern").await;
            return Ok(2);
        }
        patterns = options.operands.remove(0).split('\n').map(String::from).collect();
    }
    let syntax = Syntax {
        extended: syntax.extended || options.has('E') || options.has('P'),
        fixed: syntax.fixed || options.has('F'),
        ignore_case: options.has('i'),
        whole_word: options.has('w'),
        whole_line: options.has('x'),
    };
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let regex = match compile(&patterns, &syntax) {
        Ok(regex) => regex,
        Err(message) => {
            process.fail(message).await;
            return Ok(2);
        }
    };
    let recursive = options.has('r') || options.has('R');
    let mut todo: Vec<String> = match (options.operands.is_empty(), recursive) {
        (true, true) => vec![".".into()],
        (true, false) => vec!["-".into()],
        (false, _) => options.operands.iter().rev().cloned().collect(),
    };
    let named = (todo.len() > 1 || recursive || options.has('H')) && !options.has('h');
    let (mut found, mut failed) = (false, false);
    while let Some(path) = todo.pop() {
        let absolute = process.path(&path);
        if path != "-" && process.world.files().is_directory(&absolute) {
            if recursive {
                let children = process.world.files().list(&absolute).unwrap_or_default();
                todo.extend(children.iter().rev().map(|child| format!("{}/{child}", path.trim_end_matches('/'))));
            } else if !options.has('s') && !process.is_busybox() {
                process.fail(format!("{path}: Is a directory")).await;
            }
            continue;
        }
        let input = match process.open(&path) {
            Ok(input) => input,
            Err(error) => {
                failed = true;
                if !options.has('s') {
                    process.fail(format!("{path}: {}", files::strerror(&error))).await;
                }
                continue;
            }
        };
        let name = if path == "-" { "(standard input)" } else { &path };
        let prefix = if named { name } else { "" };
        let count = one(process, &input, &regex, &options, prefix).await?;
        found |= count > 0;
        if options.has('q') && found {
            return Ok(0);
        }
        if options.has('l') && count > 0 || options.has('L') && count == 0 {
            process.print(format!("{name}\n")).await?;
        } else if options.has('c') {
            let prefix = if named { format!("{name}:") } else { String::new() };
            process.print(format!("{prefix}{count}\n")).await?;
        }
    }
    Ok(match (failed, found) {
        (true, _) if !(options.has('q') && found) => 2,
        (_, true) => 0,
        _ => 1,
    })
}

/// Searches one input, prints its lines, and gives how many there are.
async fn one(
    process: &Process,
    input: &crate::node::runtime::pipe::Input,
    regex: &Regex,
    options: &Options,
    name: &str,
) -> Result<u64, super::Failure> {
    let quiet = ['q', 'l', 'L', 'c'].iter().any(|letter| options.has(*letter));
    let most = options.number('m', u64::MAX)?;
    let context = options.number('C', 0usize)?;
    let (before, after) = (options.number('B', context)?, options.number('A', context)?);
    let (mut count, mut number, mut shown, mut left) = (0, 0u64, 0u64, 0);
    let mut held: VecDeque<(u64, String)> = VecDeque::new();
    let line_text = |number: u64, line: &str, separator: char| {
        let mut text = String::new();
        if !name.is_empty() {
            text.push_str(name);
            text.push(separator);
        }
        if options.has('n') {
            text += &format!("{number}{separator}");
        }
        text + line + "\n"
    };
    while let Some(line) = input.read_line().await? {
        process.world.budget().spend().await;
        number += 1;
        let line = text(&line);
        if regex.is_match(&line) == options.has('v') {
            if left > 0 {
                left -= 1;
                shown = number;
                process.print(line_text(number, &line, '-')).await?;
            } else if before > 0 {
                held.push_back((number, line));
                if held.len() > before {
                    held.pop_front();
                }
            }
            continue;
        }
        count += 1;
        if options.has('q') || options.has('l') {
            return Ok(count);
        }
        if !quiet && options.has('o') {
            for found in regex.find_iter(&line).filter(|found| !found.is_empty()) {
                process.print(line_text(number, found.as_str(), ':')).await?;
            }
        } else if !quiet {
            let first = held.front().map_or(number, |(number, _)| *number);
            if before + after > 0 && shown > 0 && first > shown + 1 {
                process.print("--\n").await?;
            }
            for (number, line) in held.drain(..) {
                process.print(line_text(number, &line, '-')).await?;
            }
            process.print(line_text(number, &line, ':')).await?;
            shown = number;
            left = after;
        }
        if count >= most {
            break;
        }
    }
    Ok(count)
}
