//! `kubectl plugin`, and the call of programs named `kubectl-NAME` for commands that are not kubectl's own.

use super::{Command, Entry, command};
use crate::context::Context;
use crate::errors::CommandError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub static COMMANDS: &[Entry] = &[command::<List>("list", "List the plugins on the PATH")];

#[derive(clap::Args)]
pub struct List {
    /// (taken, without effect)
    #[arg(hide = true)]
    args: Vec<String>,
    /// Only the names, without where they are
    #[arg(long)]
    name_only: bool,
}

impl Command for List {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut found: Vec<PathBuf> = Vec::new();
        let mut problems = Vec::new();
        for folder in std::env::split_paths(&path).filter(|folder| !folder.as_os_str().is_empty()) {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            files.sort();
            for file in files {
                let Some(name) = file.file_name().and_then(|n| n.to_str()) else { continue };
                if !name.starts_with("kubectl-") {
                    continue;
                }
                if !is_executable(&file) {
                    problems.push(format!(
                        "warning: {} identified as a kubectl plugin, but it is not executable",
                        file.display()
                    ));
                }
                found.push(file);
            }
        }
        if found.is_empty() {
            return Err(CommandError::message("unable to find any kubectl plugins in your PATH"));
        }
        writeln!(cx.streams.out(), "The following compatible plugins are available:\n")?;
        for file in &found {
            let shown = if self.name_only { file.file_name().map(PathBuf::from) } else { None };
            writeln!(cx.streams.out(), "{}", shown.as_ref().unwrap_or(file).display())?;
        }
        for problem in &problems {
            writeln!(cx.streams.err(), "  - {problem}")?;
        }
        match problems.len() {
            0 => Ok(()),
            1 => Err(CommandError::message("one plugin warning was found")),
            n => Err(CommandError::message(format!("{n} plugin warnings were found"))),
        }
    }
}

/// A plugin to be run in place of a command.
pub struct Plugin {
    program: PathBuf,
    args: Vec<OsString>,
}

/// The plugin for `args`, if they begin with names that no command has and a program `kubectl-NAME-NAME` is on the path.
/// The longest name wins, and dashes within a name are underscores in the program's.
pub fn for_arguments(args: &[OsString]) -> Option<Plugin> {
    let mut names = Vec::new();
    for arg in args {
        match arg.to_str() {
            Some(name) if !name.starts_with('-') => names.push(name.replace('-', "_")),
            _ => break,
        }
    }
    let first = names.first()?;
    if super::COMMANDS.iter().any(|e| e.name.replace('-', "_") == *first) || first == "help" {
        return None;
    }
    while !names.is_empty() {
        if let Some(program) = find_on_path(&format!("kubectl-{}", names.join("-"))) {
            return Some(Plugin { program, args: args[names.len()..].to_vec() });
        }
        names.pop();
    }
    None
}

/// The first program of this name on the PATH.
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    {
        file.is_file()
    }
}

impl Plugin {
    /// Runs it with this process's streams and ends with its exit code.
    pub fn run(self) -> Result<(), CommandError> {
        let status = std::process::Command::new(&self.program).args(&self.args).status()?;
        match status.code() {
            Some(0) => Ok(()),
            code => Err(CommandError::Exit(code.and_then(|c| u8::try_from(c).ok()).unwrap_or(1))),
        }
    }
}
