//! The programs that images have beside their own, one file each or one for a family.

pub mod curl;
pub mod getent;
mod hosts;
pub mod http;
pub mod nc;
#[cfg(test)]
mod network_tests;
pub mod nslookup;
pub mod ping;
pub mod wget;

use super::process::Program;

/// All of busybox's tools that there are, and its shell.
pub fn busybox() -> &'static [(&'static str, Program)] {
    &[]
}

/// The tools and the shell of an image made from Debian.
pub fn coreutils() -> &'static [(&'static str, Program)] {
    &[]
}
