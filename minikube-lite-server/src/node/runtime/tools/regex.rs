//! Regular expressions of POSIX, by those of the `regex-lite` crate.

use regex_lite::{Regex, RegexBuilder};

/// How a pattern is written, and what of a line it has to match.
#[derive(Clone, Copy, Default)]
pub struct Syntax {
    /// `grep -E`; else a basic one, in which `\(` and `\|` are special and `(` and `|` are not.
    pub extended: bool,
    /// `grep -F`
    pub fixed: bool,
    pub ignore_case: bool,
    pub whole_word: bool,
    pub whole_line: bool,
}

/// A regular expression that any of the patterns matches.
///
/// # Errors
/// What is wrong with a pattern.
pub fn compile(patterns: &[&str], syntax: &Syntax) -> Result<Regex, String> {
    /// What a compiled expression may take, in bytes.
    const SIZE: usize = 1 << 20;
    let translated = patterns.iter().map(|pattern| {
        if syntax.fixed { Ok(regex_lite::escape(pattern)) } else { translate(pattern, syntax.extended) }
    });
    let mut pattern =
        translated.collect::<Result<Vec<_>, _>>()?.iter().map(|one| format!("(?:{one})")).collect::<Vec<_>>().join("|");
    if let [one] = patterns
        && !syntax.fixed
    {
        // Groups keep their numbers either way; alone it stays readable.
        pattern = translate(one, syntax.extended)?;
    }
    if syntax.whole_line {
        pattern = format!("^(?:{pattern})$");
    } else if syntax.whole_word {
        pattern = format!("\\b(?:{pattern})\\b");
    }
    let compiled = RegexBuilder::new(&pattern).case_insensitive(syntax.ignore_case).size_limit(SIZE).build();
    compiled.map_err(|_| format!("bad regex '{}'", patterns.join("\n")))
}

fn translate(pattern: &str, extended: bool) -> Result<String, String> {
    let mut result = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    // Where a `*` stands for itself.
    let mut start = true;
    while let Some(c) = chars.next() {
        let was_start = std::mem::replace(&mut start, false);
        match c {
            '[' => {
                bracket(&mut chars, &mut result).ok_or_else(|| format!("bad regex '{pattern}': Unmatched [ or [^"))?
            }
            '\\' => match chars.next() {
                None => return Err(format!("bad regex '{pattern}': Trailing backslash")),
                Some('1'..='9') => return Err(format!("bad regex '{pattern}': back references are not supported")),
                Some('<' | '>') => result.push_str("\\b"),
                Some(c @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) => {
                    if extended {
                        result.push('\\');
                    }
                    start = !extended && matches!(c, '(' | '|');
                    result.push(c);
                }
                Some(c @ ('w' | 'W' | 's' | 'S' | 'b' | 'B' | 'd' | 'D' | 'n' | 't' | 'r')) => result.extend(['\\', c]),
                Some(c) => result.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4]))),
            },
            '*' if was_start => result.push_str("\\*"),
            '^' | '$' | '.' | '*' => {
                start = c == '^';
                result.push(c);
            }
            '(' | ')' | '|' | '+' | '?' if extended => {
                start = matches!(c, '(' | '|');
                result.push(c);
            }
            // A brace that begins no interval stands for itself.
            '{' if extended && chars.peek().is_some_and(|c| c.is_ascii_digit() || *c == ',') => result.push('{'),
            '}' if extended && result.rfind('{').is_some_and(|at| !result[..at].ends_with('\\')) => result.push('}'),
            c => result.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    Ok(result)
}

/// A bracket expression, in which a backslash stands for itself.
fn bracket(chars: &mut std::iter::Peekable<std::str::Chars>, result: &mut String) -> Option<()> {
    result.push('[');
    if chars.next_if_eq(&'^').is_some() {
        result.push('^');
    }
    let mut first = true;
    loop {
        let c = chars.next()?;
        match c {
            ']' if !first => {
                result.push(']');
                return Some(());
            }
            '[' if chars.peek() == Some(&':') => {
                result.push('[');
                loop {
                    let c = chars.next()?;
                    result.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' | ']' | '\\' | '^' | '&' | '~' => result.extend(['\\', c]),
            c => result.push(c),
        }
        first = false;
    }
}
