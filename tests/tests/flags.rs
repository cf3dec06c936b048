//! Every flag that the official kubectl 1.36 lists in the help of a command, kubectl-lite takes there too.
//!
//! Without an official kubectl the test says so and passes.

use std::path::Path;
use std::process::Command;
use tests::differential::programs;

/// A flag as a help text lists it: its name, and the default, which is a value that it takes.
#[derive(Debug)]
struct Flag {
    short: Option<char>,
    long: String,
    value: String,
}

/// A command of the official kubectl.
#[derive(Debug)]
struct Listed {
    path: Vec<String>,
    flags: Vec<Flag>,
}

fn help(program: &Path, path: &[String], last: &str) -> String {
    let output = Command::new(program).args(path).arg(last).output().expect("kubectl runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The flags of a help text: `    -o, --output='json':`.
fn flags(help: &str) -> Vec<Flag> {
    let listed = help.lines().filter(|line| line.starts_with("    -") && line.ends_with(':'));
    let read = |line: &str| {
        let line = line.trim().trim_end_matches(':');
        let (short, rest) = match line.split_once(", --") {
            Some((short, rest)) => (short.chars().last(), rest),
            None => (None, line.trim_start_matches('-')),
        };
        let (long, value) = rest.split_once('=').expect("a flag is listed with its default");
        let value = if value == "[]" { "a=b" } else { value.trim_matches('\'') };
        Flag { short, long: long.into(), value: value.into() }
    };
    listed.map(read).collect()
}

/// The commands that a help text lists: `  create   Create a resource`.
fn subcommands(help: &str) -> Vec<&str> {
    let usage = help.find("\nUsage:").unwrap_or(help.len());
    let indented = help[..usage].lines().filter_map(|line| line.strip_prefix("  "));
    let listed = indented.filter_map(|line| line.split_once("  "));
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    listed.map(|(name, _)| name).filter(|name| is_name(name)).collect()
}

/// The command at `path`, and all below it.
fn walk(program: &Path, path: Vec<String>, found: &mut Vec<Listed>) {
    let text = help(program, &path, "--help");
    for name in subcommands(&text) {
        walk(program, [path.as_slice(), &[name.to_string()]].concat(), found);
    }
    found.push(Listed { flags: flags(&text), path });
}

/// Whether the program reads the words as a call for help, which it does not where one of them is unknown.
fn takes(program: &Path, path: &[String], words: &[String]) -> bool {
    let output = Command::new(program).args(path).args(words).arg("--help").output().expect("kubectl-lite runs");
    output.status.success()
}

#[test]
fn every_flag_is_taken() {
    let Some([theirs, ours]) = programs() else { return };
    let mut listed = Vec::new();
    walk(&theirs, Vec::new(), &mut listed);
    let everywhere = flags(&help(&theirs, &[], "options"));
    assert!(listed.len() > 100 && everywhere.len() > 25, "the help texts are understood: {listed:?}");
    let mut missing = Vec::new();
    for Listed { path, flags } in &listed {
        let command = path.join(" ");
        if !takes(&ours, path, &[]) {
            missing.push(command);
            continue;
        }
        let words = |flag: &Flag| {
            let short = flag.short.map(|short| format!("-{short}={}", flag.value));
            [Some(format!("--{}={}", flag.long, flag.value)), short].into_iter().flatten()
        };
        let taken_by_all = if path.first().is_some_and(|name| name == "options") { &[][..] } else { &everywhere };
        let all: Vec<String> = flags.iter().chain(taken_by_all).flat_map(words).collect();
        if !takes(&ours, path, &all) {
            let refused = all.iter().filter(|word| !takes(&ours, path, &[(*word).clone()]));
            missing.extend(refused.map(|word| format!("{command} {word}")));
        }
    }
    assert!(missing.is_empty(), "{} are missing:\n{}", missing.len(), missing.join("\n"));
}
