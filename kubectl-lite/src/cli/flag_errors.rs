//! `clap`'s errors in kubectl's words.

use super::{help, path_of};
use crate::cmd::{self, Alone, Entry};
use crate::errors::CommandError;
use crate::streams::Streams;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Says what is wrong with `args`; a call for help is answered on standard output instead.
pub fn translate(
    error: clap::Error,
    args: &[OsString],
    root: &clap::Command,
    streams: &Streams,
) -> Result<(), CommandError> {
    let path = path_of(args);
    let context = |kind| context(&error, kind);
    let message = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Ok(write!(streams.out(), "{}", help(&mut root.clone(), args))?);
        }
        ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument => {
            let given = context(ContextKind::InvalidSubcommand) + &context(ContextKind::InvalidArg);
            if given.starts_with("--") {
                format!("unknown flag: {}", given.split('=').next().unwrap_or(&given))
            } else if let Some(letter) = given.strip_prefix('-').and_then(|rest| rest.chars().next()) {
                format!("unknown shorthand flag: '{letter}' in -{}", rest_of_shorthands(args, letter))
            } else {
                // Flags are read before the command is looked for.
                match unknown_flag(root, args).filter(|_| !path.is_empty()) {
                    Some(flag) => format!("unknown flag: {flag}"),
                    None if is_helpful(&path) => {
                        return Ok(write!(streams.out(), "{}", help(&mut root.clone(), args))?);
                    }
                    None => return Err(unknown_command(&given, &path, args)),
                }
            }
        }
        ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues
            if context(ContextKind::InvalidValue).is_empty() =>
        {
            let flag = context(ContextKind::InvalidArg);
            let flag = flag.split([' ', '=']).next().unwrap_or_default().to_string();
            let last = args.last().and_then(|a| a.to_str()).unwrap_or_default();
            match last.strip_prefix('-') {
                Some(shorthands) if !shorthands.starts_with('-') => {
                    let letter = shorthands.chars().next_back().unwrap_or_default();
                    format!("flag needs an argument: '{letter}' in -{letter}")
                }
                _ => format!("flag needs an argument: {flag}"),
            }
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => invalid_argument(&error, root, &path),
        _ => error.to_string().trim_end().trim_start_matches("error: ").to_string(),
    };
    // What diff says of itself is never 1, which tells that there are differences.
    if path == ["diff"] {
        write!(streams.err(), "{}", CommandError::usage("diff", message).render())?;
        return Err(CommandError::Exit(cmd::diff::FAILED));
    }
    let command: String = path.iter().map(|name| format!(" {name}")).collect();
    Err(CommandError::Message(format!("{message}\nSee 'kubectl{command} --help' for usage.")))
}

fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

/// What is wrong with the value of a flag.
pub fn invalid_argument(error: &clap::Error, root: &clap::Command, path: &[&str]) -> String {
    let value = context(error, ContextKind::InvalidValue);
    let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let flag = flag_name(root, path, &context(error, ContextKind::InvalidArg));
    format!("invalid argument {value:?} for \"{flag}\" flag: {why}")
}

/// The first flag of `args` that is not one of those that all commands take.
fn unknown_flag<'a>(root: &clap::Command, args: &'a [OsString]) -> Option<&'a str> {
    args.iter()
        .filter_map(|arg| arg.to_str())
        .take_while(|arg| *arg != "--")
        .filter(|arg| arg.starts_with("--"))
        .map(|arg| arg.split('=').next().unwrap_or(arg))
        .find(|flag| !root.get_arguments().any(|arg| arg.get_long().is_some_and(|long| *flag == format!("--{long}"))))
}

/// What `pflag` shows of the word in which it met the unknown `letter`: the rest of it.
fn rest_of_shorthands(args: &[OsString], letter: char) -> String {
    args.iter()
        .filter_map(|arg| arg.to_str())
        .filter(|arg| arg.starts_with('-') && !arg.starts_with("--"))
        .find_map(|arg| arg.find(letter).map(|at| arg[at..].to_string()))
        .unwrap_or_else(|| letter.to_string())
}

/// `-r, --replicas` for `--replicas <REPLICAS>`.
fn flag_name(root: &clap::Command, path: &[&str], shown: &str) -> String {
    let long = shown.split([' ', '=', '[']).next().unwrap_or_default();
    let mut command = root;
    let mut found = None;
    loop {
        let arg = command.get_arguments().find(|a| {
            a.get_long().is_some_and(|l| long.strip_prefix("--") == Some(l))
                || a.get_short().is_some_and(|s| long.len() == 2 && long.ends_with(s) && !long.ends_with('-'))
        });
        found = arg.or(found);
        let depth = if std::ptr::eq(command, root) {
            0
        } else {
            path.iter().position(|n| *n == command.get_name()).map_or(path.len(), |i| i + 1)
        };
        match path.get(depth).and_then(|name| command.find_subcommand(name)) {
            Some(inner) => command = inner,
            None => break,
        }
    }
    match found.map(|arg| (arg.get_short(), arg.get_long())) {
        Some((Some(short), Some(long))) => format!("-{short}, --{long}"),
        Some((_, Some(name))) => format!("--{name}"),
        _ => long.to_string(),
    }
}

/// Whether the command that is called without one of those that it holds only shows its help.
fn is_helpful(path: &[&str]) -> bool {
    cmd::COMMANDS.iter().any(|entry| path == [entry.name] && entry.alone == Alone::Helps)
}

/// No such command: at the top with suggestions, below with a pointer to the help.
fn unknown_command(given: &str, path: &[&str], args: &[OsString]) -> CommandError {
    if !path.is_empty() {
        let rest = args.iter().filter_map(|arg| arg.to_str()).skip_while(|arg| *arg != given);
        let words: Vec<&str> = rest.filter(|arg| !arg.starts_with('-')).collect();
        return CommandError::usage(&path.join(" "), format!("unknown command {:?}", words.join(" ")));
    }
    // It might have been a plugin.
    if let Some(flag) = args.get(1).and_then(|arg| arg.to_str()).filter(|arg| arg.starts_with('-')) {
        return CommandError::Raw(format!("Error: flags cannot be placed before plugin name: {flag}"));
    }
    let mut near: Vec<&str> = cmd::COMMANDS
        .iter()
        .filter(|e| !e.hidden)
        .flat_map(|e: &Entry| [e.name])
        .filter(|name| distance(&given.to_lowercase(), name) <= 2 || name.starts_with(&given.to_lowercase()))
        .collect();
    near.sort_unstable();
    let mut text = format!("unknown command {given:?} for \"kubectl\"");
    if !near.is_empty() {
        text.push_str("\n\nDid you mean this?\n");
        text.extend(near.iter().map(|name| format!("\t{name}\n")));
    }
    CommandError::message(text)
}

/// The Levenshtein distance.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut above_left = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let here = (above_left + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            above_left = row[j + 1];
            row[j + 1] = here;
        }
    }
    row.last().copied().unwrap_or(0)
}
