//! `printf`

use super::echo::unescape;
use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(printf, run);

/// The most that is printed at once, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

async fn run(process: &mut Process) -> Outcome {
    let Some((format, arguments)) = process.args().split_first() else {
        return Err("usage: printf FORMAT [ARG]...".to_string().into());
    };
    let printed = self::format(format, arguments);
    process.print(&printed.text).await?;
    for error in &printed.errors {
        process.fail(error).await;
    }
    Ok(i32::from(!printed.errors.is_empty()))
}

/// What `printf` prints, and what it complains of.
pub struct Printed {
    pub text: Vec<u8>,
    pub errors: Vec<String>,
}

/// Fills a format with arguments, again and again until all are used.
pub fn format(format: &str, arguments: &[String]) -> Printed {
    let mut printed = Printed { text: Vec::new(), errors: Vec::new() };
    let mut rest = arguments.iter();
    loop {
        let before = rest.len();
        let goes_on = once(format, &mut rest, &mut printed);
        // A format that takes nothing is printed once.
        if !goes_on || rest.len() == 0 || rest.len() == before || printed.text.len() > LONGEST {
            return printed;
        }
    }
}

/// `false` when all output ends.
fn once(format: &str, arguments: &mut std::slice::Iter<String>, printed: &mut Printed) -> bool {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        if !unescape(&rest.as_bytes()[..at], &mut printed.text, false) {
            return false;
        }
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            printed.text.push(b'%');
            rest = after;
            continue;
        }
        let mut spec = Spec::default();
        rest = spec.read(rest, arguments);
        let Some(kind) = rest.chars().next() else {
            printed.errors.push("%: invalid format".into());
            return false;
        };
        rest = &rest[kind.len_utf8()..];
        let argument = arguments.next().map_or("", String::as_str);
        let text = match kind {
            's' => argument.chars().take(spec.precision.unwrap_or(usize::MAX)).collect(),
            'b' => {
                let mut bytes = Vec::new();
                let goes_on = unescape(argument.as_bytes(), &mut bytes, true);
                spec.pad(&String::from_utf8_lossy(&bytes), &mut printed.text);
                if !goes_on {
                    return false;
                }
                continue;
            }
            'c' => argument.chars().take(1).collect(),
            'q' => format!("'{}'", argument.replace('\'', "'\\''")),
            'd' | 'i' => spec.integer(integer(argument, &mut printed.errors)),
            'u' => (integer(argument, &mut printed.errors) as u64).to_string(),
            'x' => format!("{:x}", integer(argument, &mut printed.errors)),
            'X' => format!("{:X}", integer(argument, &mut printed.errors)),
            'o' => format!("{:o}", integer(argument, &mut printed.errors)),
            'f' | 'F' => format!("{:.*}", spec.precision.unwrap_or(6).min(100), float(argument, &mut printed.errors)),
            'e' => format!("{:.*e}", spec.precision.unwrap_or(6).min(100), float(argument, &mut printed.errors)),
            'g' => format!("{}", float(argument, &mut printed.errors)),
            kind => {
                printed.errors.push(format!("%{kind}: invalid format"));
                return false;
            }
        };
        spec.pad(&text, &mut printed.text);
    }
    unescape(rest.as_bytes(), &mut printed.text, false)
}

/// What stands between `%` and the letter.
#[derive(Default)]
struct Spec {
    left: bool,
    zeros: bool,
    plus: bool,
    blank: bool,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    fn read<'a>(&mut self, text: &'a str, arguments: &mut std::slice::Iter<String>) -> &'a str {
        /// Wider than any terminal.
        const WIDEST: usize = 10_000;
        let mut rest = text;
        while let Some(flag) = rest.chars().next().filter(|c| "-0+ #".contains(*c)) {
            match flag {
                '-' => self.left = true,
                '0' => self.zeros = true,
                '+' => self.plus = true,
                ' ' => self.blank = true,
                _ => {}
            }
            rest = &rest[1..];
        }
        let mut number = |rest: &mut &'a str| -> usize {
            if let Some(after) = rest.strip_prefix('*') {
                *rest = after;
                return arguments.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            }
            let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let value = rest[..length].parse().unwrap_or(0);
            *rest = &rest[length..];
            value
        };
        self.width = number(&mut rest).min(WIDEST);
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            self.precision = Some(number(&mut rest).min(WIDEST));
        }
        rest.trim_start_matches(['l', 'h', 'q'])
    }

    fn integer(&self, value: i64) -> String {
        let digits = value.unsigned_abs().to_string();
        let digits = format!("{}{digits}", "0".repeat(self.precision.unwrap_or(0).saturating_sub(digits.len())));
        let sign = match value {
            ..0 => "-",
            _ if self.plus => "+",
            _ if self.blank => " ",
            _ => "",
        };
        format!("{sign}{digits}")
    }

    fn pad(&self, text: &str, to: &mut Vec<u8>) {
        let missing = self.width.saturating_sub(text.chars().count());
        let number = text.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit());
        if self.left {
            to.extend_from_slice(text.as_bytes());
            to.extend(std::iter::repeat_n(b' ', missing));
        } else if self.zeros && number {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            to.extend_from_slice(sign.as_bytes());
            to.extend(std::iter::repeat_n(b'0', missing));
            to.extend_from_slice(digits.as_bytes());
        } else {
            to.extend(std::iter::repeat_n(b' ', missing));
            to.extend_from_slice(text.as_bytes());
        }
    }
}

fn integer(text: &str, errors: &mut Vec<String>) -> i64 {
    if let Some(c) = text.strip_prefix(['"', '\'']) {
        return c.chars().next().map_or(0, |c| i64::from(u32::from(c)));
    }
    let trimmed = text.trim();
    let (sign, digits) = trimmed.strip_prefix('-').map_or((1, trimmed), |digits| (-1, digits));
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8).ok(),
        None => digits.parse().ok(),
    };
    if value.is_none() && !text.is_empty() {
        errors.push(format!("{text}: invalid number"));
    }
    sign * value.unwrap_or(0)
}

fn float(text: &str, errors: &mut Vec<String>) -> f64 {
    let value = text.trim().parse().ok();
    if value.is_none() && !text.is_empty() {
        errors.push(format!("{text}: invalid number"));
    }
    value.unwrap_or(0.0)
}
