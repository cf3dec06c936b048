//! `echo`

use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(echo, run);

async fn run(process: &mut Process) -> Outcome {
    process.print(text(process.args(), false)).await?;
    Ok(0)
}

/// What `echo` prints. `always`: as dash, it reads escapes without `-e`, and knows no option but `-n`.
pub fn text(arguments: &[String], always: bool) -> Vec<u8> {
    let (mut newline, mut escapes, mut rest) = (true, always, arguments);
    while let Some((flag, after)) = rest.split_first() {
        let letters = flag.strip_prefix('-').unwrap_or_default();
        let known = if always { letters == "n" } else { letters.chars().all(|c| "neE".contains(c)) };
        if letters.is_empty() || !known {
            break;
        }
        for letter in letters.chars() {
            match letter {
                'n' => newline = false,
                'e' => escapes = true,
                _ => escapes = false,
            }
        }
        rest = after;
    }
    let joined = rest.join(" ");
    let mut text = Vec::with_capacity(joined.len() + 1);
    if !escapes {
        text.extend_from_slice(joined.as_bytes());
    } else if !unescape(joined.as_bytes(), &mut text, true) {
        return text;
    }
    if newline {
        text.push(b'\n');
    }
    text
}

/// Reads backslash escapes. `zero`: octal numbers begin with a zero. `false` after `\c`, which ends all output.
pub fn unescape(escaped: &[u8], text: &mut Vec<u8>, zero: bool) -> bool {
    let mut rest = escaped;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let Some((&kind, after)) = rest.split_first().filter(|_| byte == b'\\') else {
            text.push(byte);
            continue;
        };
        rest = after;
        match kind {
            b'\\' => text.push(b'\\'),
            b'a' => text.push(7),
            b'b' => text.push(8),
            b'c' => return false,
            b'e' => text.push(27),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'v' => text.push(11),
            b'"' if !zero => text.push(b'"'),
            b'x' => {
                let (value, length) = digits(rest, 16, 2);
                if length == 0 {
                    text.extend([b'\\', b'x']);
                } else {
                    text.push(value);
                }
                rest = &rest[length..];
            }
            b'0' if zero => {
                let (value, length) = digits(rest, 8, 3);
                text.push(value);
                rest = &rest[length..];
            }
            b'0'..=b'7' if !zero => {
                let (value, length) = digits(&escaped[escaped.len() - rest.len() - 1..], 8, 3);
                text.push(value);
                rest = &rest[length - 1..];
            }
            kind => text.extend([b'\\', kind]),
        }
    }
    true
}

/// The number at the beginning of a text, and how many digits it has.
fn digits(text: &[u8], radix: u32, most: usize) -> (u8, usize) {
    let digit = |byte: &u8| (*byte as char).to_digit(radix);
    let length = text.iter().take(most).take_while(|byte| digit(byte).is_some()).count();
    let value = text[..length].iter().filter_map(digit).fold(0, |value: u32, digit| value * radix + digit);
    (value as u8, length)
}
