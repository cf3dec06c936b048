//! The commands that the shell has itself.

mod control;
mod jobs;
mod output;
mod places;
mod read;
mod settings;

use super::{Flow, Shell};
use futures_util::future::BoxFuture;
use std::io;

/// A builtin: it gets all of its words, sets the shell's status, and says what comes next. An error is one of writing.
pub type Builtin = for<'a> fn(&'a mut Shell, &'a [String]) -> BoxFuture<'a, io::Result<Flow>>;

/// Makes a [`Builtin`] of an async function.
macro_rules! builtin {
    ($function:path) => {
        |shell, words| Box::pin($function(shell, words))
    };
}

static BUILTINS: &[(&str, Builtin)] = &[
    (".", builtin!(control::source)),
    (":", builtin!(control::nothing)),
    ("[", builtin!(output::test)),
    ("[[", builtin!(output::test)),
    ("bg", builtin!(control::nothing)),
    ("break", builtin!(control::leave_loop)),
    ("builtin", builtin!(places::command)),
    ("cd", builtin!(places::cd)),
    ("command", builtin!(places::command)),
    ("continue", builtin!(control::leave_loop)),
    ("echo", builtin!(output::echo)),
    ("eval", builtin!(control::eval)),
    ("exec", builtin!(control::exec)),
    ("exit", builtin!(control::exit)),
    ("export", builtin!(settings::export)),
    ("false", builtin!(control::failure)),
    ("getopts", builtin!(read::getopts)),
    ("hash", builtin!(control::nothing)),
    ("jobs", builtin!(jobs::jobs)),
    ("kill", builtin!(jobs::kill)),
    ("let", builtin!(settings::calculate)),
    ("local", builtin!(settings::local)),
    ("printf", builtin!(output::printf)),
    ("pwd", builtin!(places::pwd)),
    ("read", builtin!(read::read)),
    ("readonly", builtin!(settings::export)),
    ("return", builtin!(control::leave_function)),
    ("set", builtin!(settings::set)),
    ("shift", builtin!(settings::shift)),
    ("source", builtin!(control::source)),
    ("test", builtin!(output::test)),
    ("times", builtin!(jobs::times)),
    ("trap", builtin!(control::trap)),
    ("true", builtin!(control::nothing)),
    ("type", builtin!(places::kind)),
    ("ulimit", builtin!(jobs::ulimit)),
    ("umask", builtin!(jobs::umask)),
    ("unset", builtin!(settings::unset)),
    ("wait", builtin!(jobs::wait)),
];

/// The builtin of this name.
pub fn find(name: &str) -> Option<Builtin> {
    BUILTINS.binary_search_by(|(other, _)| (*other).cmp(name)).ok().map(|at| BUILTINS[at].1)
}

/// A value so that the shell reads it as one word.
pub fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,^".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_string();
    }
    format!("'{}'", value.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn builtins_are_sorted_so_that_they_are_found() {
        assert!(super::BUILTINS.is_sorted_by(|one, other| one.0 < other.0));
    }
}
