//! `kubectl plugin`, and the call of programs named `kubectl-NAME` for commands that are not kubectl's own.

use crate::errors::CommandError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

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

fn find_on_path(name: &str) -> Option<PathBuf> {
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
