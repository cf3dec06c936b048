//! The programs that images have beside their own, one file each or one for a family.

use super::process::Program;

/// All of busybox's tools that there are, and its shell.
pub fn busybox() -> &'static [(&'static str, Program)] {
    &[]
}

/// The tools and the shell of an image made from Debian.
pub fn coreutils() -> &'static [(&'static str, Program)] {
    &[]
}
