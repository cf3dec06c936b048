//! `kubectl create`: from files, and the generators, one file each.

use super::Entry;

/// The generators: `create namespace`, `create deployment`, ...
pub static COMMANDS: &[Entry] = &[];
