//! Flags as Go's `pflag` reads them, which is how kubectl's are written: `--watch=false`, `-ojson`, the last one counts,
//! `--replicas=x` fails with Go's words.

use clap::ArgAction;
use clap::builder::ValueParser;
use std::ffi::OsString;

/// Makes all flags of a command behave as `pflag`'s: switches take an optional `=true` or `=false`, values may begin with
/// a dash, and a repeated flag replaces the one before.
pub fn like_pflag(command: clap::Command) -> clap::Command {
    command.args_override_self(true).mut_args(|arg| {
        if arg.is_positional() {
            arg
        } else if let Some(default) = switch(&arg) {
            arg.action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_value(default)
                .default_missing_value("true")
                .hide_default_value(true)
                .hide_possible_values(true)
                .value_name("BOOL")
                .value_parser(ValueParser::new(boolean))
        } else if arg.get_action().takes_values() && !arg.is_require_equals_set() {
            arg.allow_hyphen_values(true)
        } else {
            arg
        }
    })
}

/// The arguments with `-o=` as `-o` and `=`: to `pflag`, what follows the letter of a flag that takes a value is the
/// value, but for an equals sign before more.
pub fn with_equals_as_value(root: &clap::Command, path: &[&str], args: Vec<OsString>) -> Vec<OsString> {
    let ends_so = |arg: &OsString| arg.to_str().is_some_and(|arg| arg.starts_with('-') && arg.ends_with('='));
    if !args.iter().any(ends_so) {
        return args;
    }
    let mut root = root.clone();
    root.build();
    let command = path.iter().try_fold(&root, |command, name| command.find_subcommand(name)).unwrap_or(&root);
    let takes_value = |letter: char| {
        let flag = command.get_arguments().chain(root.get_arguments()).find(|arg| arg.get_short() == Some(letter));
        flag.map(|flag| !flag.is_require_equals_set())
    };
    let mut read = Vec::with_capacity(args.len() + 1);
    let mut rest = args.into_iter();
    for arg in rest.by_ref() {
        let letters = arg.to_str().and_then(|arg| arg.strip_prefix('-')?.strip_suffix('='));
        let letters = letters.filter(|letters| letters.chars().all(|c| c.is_ascii_alphabetic()));
        match letters.and_then(|letters| Some((letters, takes_value(letters.chars().next_back()?)?))) {
            Some((letters, true)) => read.extend([format!("-{letters}").into(), "=".into()]),
            // After a switch it is a flag of its own, which there is not.
            Some((letters, false)) => read.extend([format!("-{letters}").into(), "-=".into()]),
            _ if arg == "--" => {
                read.push(arg);
                break;
            }
            _ => read.push(arg),
        }
    }
    read.extend(rest);
    read
}

/// The default of a switch; `None` for other flags. A switch that is on by default is declared with `action = Set`.
fn switch(arg: &clap::Arg) -> Option<&'static str> {
    match arg.get_action() {
        ArgAction::SetTrue => Some("false"),
        ArgAction::Set if arg.get_default_values() == ["true"] => Some("true"),
        _ => None,
    }
}

/// Go's `strconv.ParseBool`.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// Go's `strconv.ParseInt` with base 0, as far as flags meet it.
pub fn int<T: TryFrom<i64>>(text: &str) -> Result<T, String> {
    let fail = |why: &str| format!("strconv.ParseInt: parsing {text:?}: {why}");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let parsed = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16)
    } else {
        digits.parse::<i64>()
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return Err(fail("invalid syntax"));
    }
    let number = parsed.map_err(|e| match e.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => fail("value out of range"),
        _ => fail("invalid syntax"),
    })?;
    T::try_from(sign * number).map_err(|_| fail("value out of range"))
}

/// Go's `time.ParseDuration`: `300ms`, `-1.5h`, `2h45m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let fail = |why: String| format!("time: {why}");
    let invalid = || fail(format!("invalid duration {text:?}"));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanos = 0f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().map_err(|_| invalid())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "" => return Err(fail(format!("missing unit in duration {text:?}"))),
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            other => return Err(fail(format!("unknown unit {other:?} in duration {text:?}"))),
        };
        nanos += number * unit;
        rest = &rest[end..];
    }
    Ok(Duration { negative, length: std::time::Duration::from_nanos(nanos as u64) })
}

/// A span of time that may be negative, as Go's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    pub negative: bool,
    pub length: std::time::Duration,
}

impl Duration {
    pub const ZERO: Duration = Duration { negative: false, length: std::time::Duration::ZERO };
    pub fn is_zero(&self) -> bool {
        self.length.is_zero()
    }
}

/// As Go prints it: `30s`, `1m0s`, `1h0m0s`, `1.5s`, `500ms`.
impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let (seconds, nanos) = (self.length.as_secs(), self.length.subsec_nanos());
        if seconds == 0 {
            return match nanos {
                0 => f.write_str("0s"),
                1..1_000 => write!(f, "{nanos}ns"),
                1_000..1_000_000 => write!(f, "{}µs", f64::from(nanos) / 1e3),
                _ => write!(f, "{}ms", f64::from(nanos) / 1e6),
            };
        }
        if seconds >= 3600 {
            write!(f, "{}h", seconds / 3600)?;
        }
        if seconds >= 60 {
            write!(f, "{}m", seconds / 60 % 60)?;
        }
        write!(f, "{}s", (seconds % 60) as f64 + f64::from(nanos) / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fail_with_gos_words() {
        assert_eq!(int::<i32>("-3"), Ok(-3));
        assert_eq!(int::<i32>("0x10"), Ok(16));
        assert_eq!(int::<i32>("abc"), Err(r#"strconv.ParseInt: parsing "abc": invalid syntax"#.into()));
        assert_eq!(
            int::<i32>("3000000000"),
            Err(r#"strconv.ParseInt: parsing "3000000000": value out of range"#.into())
        );
        assert!(int::<i64>("").is_err() && int::<i64>("--1").is_err());
    }

    #[test]
    fn durations_read_and_print_as_gos() {
        for (text, printed) in
            [("30s", "30s"), ("1m", "1m0s"), ("1.5h", "1h30m0s"), ("250ms", "250ms"), ("-1s", "-1s"), ("0", "0s")]
        {
            assert_eq!(duration(text).map(|d| d.to_string()), Ok(printed.to_string()));
        }
        assert_eq!(duration("x"), Err(r#"time: invalid duration "x""#.into()));
        assert_eq!(duration("3"), Err(r#"time: missing unit in duration "3""#.into()));
        assert_eq!(duration("3y"), Err(r#"time: unknown unit "y" in duration "3y""#.into()));
    }
}
