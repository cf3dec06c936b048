//! Go's `fmt.Sprint`, `Sprintln` and `Sprintf`.

use super::value::{Datum, Kind};
use crate::go_format;
use shared_types::go_quote;
use shared_types::json::Value;
use std::fmt::Write as _;

/// Arguments one after the other, with a space between two of which none is a string.
pub(super) fn print(arguments: Vec<Datum<'_>>) -> String {
    let mut out = String::new();
    let mut after_text = true;
    for (number, argument) in arguments.iter().enumerate() {
        let is_text = argument.text().is_some();
        if number > 0 && !is_text && !after_text {
            out.push(' ');
        }
        after_text = is_text;
        out.push_str(&argument.to_string());
    }
    out
}

/// Arguments with spaces between, and a line end.
pub(super) fn println(arguments: Vec<Datum<'_>>) -> String {
    arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ") + "\n"
}

#[derive(Clone, Copy, Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Widths and precisions beyond this are refused.
const WIDEST: i64 = 1_000_000;

pub(super) fn printf(format: &str, arguments: Vec<Datum<'_>>) -> String {
    let mut out = String::new();
    let mut next = 0;
    let mut reordered = false;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = Flags::default();
        while let Some(flag) = chars.peek().copied() {
            match flag {
                '-' => flags.minus = true,
                '+' => flags.plus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = true,
                _ => break,
            }
            chars.next();
        }
        if chars.peek() == Some(&'[') {
            reordered = true;
            let number: String = chars.by_ref().skip(1).take_while(|c| *c != ']').collect();
            match number.parse::<usize>().ok().filter(|n| (1..=arguments.len()).contains(n)) {
                Some(number) => next = number - 1,
                None => {
                    let verb = chars.next().unwrap_or('!');
                    // Writing to a String cannot fail.
                    let _ = write!(out, "%!{verb}(BADINDEX)");
                    continue;
                }
            }
        }
        let mut number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, name: &str, out: &mut String| {
            if chars.peek() == Some(&'*') {
                chars.next();
                let value = arguments.get(next).and_then(Datum::as_int);
                next += 1;
                if value.is_none_or(|n| n.abs() > WIDEST) {
                    let _ = write!(out, "%!(BAD{name})");
                    return None;
                }
                return value;
            }
            let mut value = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                value = Some((value.unwrap_or(0) * 10 + i64::from(digit)).min(WIDEST));
                chars.next();
            }
            value
        };
        if let Some(width) = number(&mut chars, "WIDTH", &mut out) {
            flags.minus |= width < 0;
            flags.width = Some(width.unsigned_abs() as usize);
        }
        if chars.peek() == Some(&'.') {
            chars.next();
            flags.precision = Some(number(&mut chars, "PREC", &mut out).unwrap_or(0).max(0) as usize);
        }
        let Some(verb) = chars.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        // In `%+v` the sign asks for names of fields, which no value here has.
        flags.plus &= verb != 'v';
        match arguments.get(next) {
            Some(argument) => out.push_str(&one(verb, flags, argument)),
            None => {
                let _ = write!(out, "%!{verb}(MISSING)");
            }
        }
        next += 1;
    }
    if !reordered && next < arguments.len() {
        let extra = arguments[next..].iter().map(|argument| match argument.is_nothing() {
            true => "<nil>".to_string(),
            false => format!("{}={argument}", argument.inner_type_name()),
        });
        let _ = write!(out, "%!(EXTRA {})", extra.collect::<Vec<_>>().join(", "));
    }
    out
}

fn pad(text: String, flags: Flags) -> String {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    if flags.minus {
        return text + &" ".repeat(missing);
    }
    if !flags.zero {
        return " ".repeat(missing) + &text;
    }
    // Zeros go behind the sign.
    let sign = usize::from(text.starts_with(['-', '+', ' ']));
    format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
}

fn bad(verb: char, argument: &Datum<'_>) -> String {
    match argument.is_nothing() {
        true => format!("%!{verb}(<nil>)"),
        false => format!("%!{verb}({}={argument})", argument.inner_type_name()),
    }
}

fn one(verb: char, flags: Flags, argument: &Datum<'_>) -> String {
    if verb == 'T' {
        return pad(argument.inner_type_name().into(), Flags { zero: false, ..flags });
    }
    if argument.is_nothing() {
        return if verb == 'v' { pad("<nil>".into(), flags) } else { bad(verb, argument) };
    }
    if let Some(int) = argument.as_int() {
        return integer(verb, flags, int, matches!(argument.kind, Kind::Byte(_)))
            .unwrap_or_else(|| bad(verb, argument));
    }
    match argument.json() {
        Some(Value::Bool(flag)) if matches!(verb, 'v' | 't') => pad(flag.to_string(), flags),
        Some(Value::String(text)) => string(verb, flags, text).unwrap_or_else(|| bad(verb, argument)),
        Some(Value::Number(number)) => {
            number.as_f64().and_then(|float| floating(verb, flags, float)).unwrap_or_else(|| bad(verb, argument))
        }
        Some(value @ (Value::Array(_) | Value::Object(_))) if verb == 'v' && flags.sharp => go_format::syntax(value),
        Some(Value::Array(items)) => {
            let items = items.iter().map(|item| one(verb, flags, &Datum::boxed(item)));
            format!("[{}]", items.collect::<Vec<_>>().join(" "))
        }
        Some(Value::Object(map)) => {
            let pairs = map.iter().map(|(key, value)| {
                let key = string(verb, flags, key).unwrap_or_else(|| bad(verb, &Datum::owned(key.as_str())));
                format!("{key}:{}", one(verb, flags, &Datum::boxed(value)))
            });
            format!("map[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
        _ => bad(verb, argument),
    }
}

fn integer(verb: char, flags: Flags, int: i64, unsigned: bool) -> Option<String> {
    let magnitude = int.unsigned_abs();
    let digits = match verb {
        'v' if flags.sharp && unsigned => format!("{magnitude:#x}"),
        'v' | 'd' => magnitude.to_string(),
        'b' => format!("{}{magnitude:b}", if flags.sharp { "0b" } else { "" }),
        'o' => format!("{}{magnitude:o}", if flags.sharp { "0" } else { "" }),
        'O' => format!("0o{magnitude:o}"),
        'x' => format!("{}{magnitude:x}", if flags.sharp { "0x" } else { "" }),
        'X' => format!("{}{magnitude:X}", if flags.sharp { "0X" } else { "" }),
        'c' | 'q' => {
            let c = u32::try_from(int).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
            let text = if verb == 'c' { c.to_string() } else { go_quote::quote_char(c) };
            return Some(pad(text, Flags { zero: false, ..flags }));
        }
        'U' => return Some(pad(format!("U+{magnitude:04X}"), Flags { zero: false, ..flags })),
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 's' | 't' | 'p' => return None,
        _ => return None,
    };
    let digits = match flags.precision {
        Some(0) if int == 0 => String::new(),
        Some(least) => format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len()))),
        None => digits,
    };
    let sign = match (int < 0, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let zero = flags.zero && flags.precision.is_none() && !flags.minus;
    Some(pad(format!("{sign}{digits}"), Flags { zero, ..flags }))
}

fn string(verb: char, flags: Flags, text: &str) -> Option<String> {
    let cut = |text: &str| match flags.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text.to_string(),
    };
    Some(match verb {
        'v' if flags.sharp => pad(go_quote::quote(text), flags),
        'v' | 's' => pad(cut(text), flags),
        'q' if flags.sharp && !text.contains('`') && !text.chars().any(|c| c.is_control() && c != '\t') => {
            pad(format!("`{}`", cut(text)), flags)
        }
        'q' => pad(go_quote::quote(&cut(text)), flags),
        'x' | 'X' => {
            let bytes = text.bytes().take(flags.precision.unwrap_or(usize::MAX));
            let bytes = bytes.map(|byte| if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") });
            let prefix = match (flags.sharp, verb) {
                (false, _) => "",
                (_, 'x') => "0x",
                _ => "0X",
            };
            let separator = if flags.space { format!(" {prefix}") } else { String::new() };
            let body = bytes.collect::<Vec<_>>().join(&separator);
            pad(if body.is_empty() { body } else { format!("{prefix}{body}") }, flags)
        }
        _ => return None,
    })
}

fn floating(verb: char, flags: Flags, float: f64) -> Option<String> {
    let text = match (verb, flags.precision) {
        ('v' | 'g' | 'G', None) => shared_types::number::format_general(float, false),
        ('v' | 'g' | 'G', Some(precision)) => general(float, precision.max(1)),
        ('f' | 'F', precision) => format!("{float:.*}", precision.unwrap_or(6)),
        ('e' | 'E', precision) => scientific(float, precision.unwrap_or(6)),
        _ => return None,
    };
    let text = if matches!(verb, 'E' | 'G') { text.to_uppercase() } else { text };
    let sign = match (float.is_sign_negative() || text.starts_with('+'), flags.plus, flags.space) {
        (true, ..) => "",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    Some(pad(format!("{sign}{text}"), Flags { zero: flags.zero && !flags.minus, ..flags }))
}

fn scientific(float: f64, precision: usize) -> String {
    let text = format!("{float:.precision$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let value: i32 = exponent.parse().unwrap_or(0);
            format!("{mantissa}e{}{:02}", if value < 0 { '-' } else { '+' }, value.abs())
        }
        None => text,
    }
}

fn general(float: f64, precision: usize) -> String {
    let text = scientific(float, precision - 1);
    let exponent: i32 = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if exponent < -4 || exponent >= precision as i32 {
        return match text.split_once('e') {
            Some((mantissa, exponent)) => format!("{}e{exponent}", trim(mantissa)),
            None => text,
        };
    }
    trim(&format!("{float:.*}", (precision as i32 - 1 - exponent).max(0) as usize))
}
