//! `kubectl kuberc`: the user's preferences.

mod set;
mod view;

use super::{Entry, command};
use crate::errors::CommandError;
use crate::kuberc::{self, Preference};
use std::path::PathBuf;

pub static COMMANDS: &[Entry] = &[
    command::<set::Set>("set", "Set a default, an alias or what credential plugins may run"),
    command::<view::View>("view", "Show your preferences"),
];

/// The file to work on.
fn file() -> Result<PathBuf, CommandError> {
    let args: Vec<_> = std::env::args_os().collect();
    let location = kuberc::location(&args).map(|(path, _)| path);
    location.ok_or_else(|| CommandError::message("KUBERC is disabled via KUBERC=off environment variable"))
}

/// Writes the preferences, with the folder that is to hold them.
fn write(path: &PathBuf, preference: &Preference) -> Result<(), CommandError> {
    let document =
        shared_types::json::to_value(preference).map_err(|error| CommandError::message(error.to_string()))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(path, shared_types::yaml::to_yaml(&document))?)
}
