//! `kubectl config`: one file per subcommand.

use super::Entry;

pub static COMMANDS: &[Entry] = &[];
