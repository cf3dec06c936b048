//! Go's log lines, which kubectl writes to standard error among its own.

use crate::streams::Streams;
use shared_types::go_quote::quote;
use std::fmt::Display;

/// `E1128 12:00:00.000000   12345 memcache.go:265] ...`, as `source` (file and line) of kubectl would write it.
///
/// # Errors
/// Standard error cannot be written to.
pub fn log(streams: &Streams, severity: char, source: &str, what: impl Display) -> std::io::Result<()> {
    let now = jiff::Zoned::now().strftime("%m%d %H:%M:%S%.6f");
    writeln!(streams.err(), "{severity}{now} {:>7} {source}] {what}", std::process::id())
}

/// `"Unhandled Error" err="..."`; an error of several lines is set apart.
///
/// # Errors
/// Standard error cannot be written to.
pub fn error(streams: &Streams, source: &str, message: &str, error: &str) -> std::io::Result<()> {
    let error = if error.contains('\n') {
        let lines: String = error.lines().map(|line| format!("\t{line}\n")).collect();
        format!("<\n{lines} >")
    } else {
        quote(error)
    };
    log(streams, 'E', source, format_args!("{} err={error}", quote(message)))
}
