//! `kubectl create`: from files, and the generators, one file each.

pub mod files;

use super::Entry;

/// The generators: `create namespace`, `create deployment`, ...
pub static COMMANDS: &[Entry] = &[];
