//! What a scalar without quotes means: YAML 1.1's implicit types, as Kubernetes' reader and writer apply them.

/// A resolved scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    /// A date or time; JSON keeps its text.
    Timestamp,
    Text,
}

/// The type of a plain scalar.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' if is_decimal(text) => text.parse().map_or(Scalar::Text, Scalar::Float),
        b'+' | b'-' | b'0'..=b'9' => {
            if is_timestamp(text) {
                return Scalar::Timestamp;
            }
            let digits = text.replace('_', "");
            parse_int(&digits)
                .or_else(|| is_decimal(&digits).then(|| digits.parse().ok().map(Scalar::Float))?)
                .unwrap_or(Scalar::Text)
        }
        _ => Scalar::Text,
    }
}

/// Whether the text must be quoted for a reader to take it as a string.
pub(super) fn needs_quotes(text: &str) -> bool {
    resolve(text) != Scalar::Text || is_sexagesimal(text)
}

fn parse_int(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    Some(i64::try_from(magnitude).map_or(Scalar::Uint(magnitude), Scalar::Int))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| !e.is_empty() && digits(e))
}

/// YAML 1.1's numbers to base 60 (`12:30:45`), which only other readers take for numbers.
fn is_sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or("");
    let mut rest: Vec<&str> = parts.collect();
    if let Some(last) = rest.last_mut()
        && let Some((whole, fraction)) = last.split_once('.')
    {
        if !fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
            return false;
        }
        *last = whole;
    }
    first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && !rest.is_empty()
        && rest.iter().all(|part| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
}

/// `2001-2-3`, `2001-02-03T04:05:06.7Z` (or an offset), `2001-02-03 04:05:06`.
fn is_timestamp(text: &str) -> bool {
    let mut cursor = Cursor(text);
    cursor.timestamp().is_some() && cursor.0.is_empty()
}

/// What is left of a text that is being matched.
struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn literal(&mut self, c: char) -> Option<()> {
        self.0 = self.0.strip_prefix(c)?;
        Some(())
    }
    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let width = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(width);
        self.0 = rest;
        (width >= least).then(|| digits.parse().ok())?
    }
    fn timestamp(&mut self) -> Option<()> {
        let year = self.number(4, 4)?;
        self.literal('-')?;
        let month = self.number(1, 2)?;
        self.literal('-')?;
        let day = self.number(1, 2)?;
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(leap),
            _ => return None,
        };
        if day == 0 || day > days {
            return None;
        }
        if self.0.is_empty() {
            return Some(());
        }
        let zoned = self.literal(' ').is_none();
        if zoned {
            self.0 = self.0.strip_prefix(['T', 't'])?;
        }
        let hour = self.number(1, 2)?;
        self.literal(':')?;
        let minute = self.number(1, 2)?;
        self.literal(':')?;
        let second = self.number(1, 2)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        if self.literal('.').is_some() {
            self.number(1, 9)?;
        }
        if zoned && self.literal('Z').is_none() {
            self.0 = self.0.strip_prefix(['+', '-'])?;
            self.number(2, 2)?;
            self.literal(':')?;
            self.number(2, 2)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_yaml_1_1_says() {
        assert_eq!(resolve("0777"), Scalar::Int(511));
        assert_eq!(resolve("089"), Scalar::Float(89.0));
        assert_eq!(resolve("0o17"), Scalar::Int(15));
        assert_eq!(resolve("1_000"), Scalar::Int(1000));
        assert_eq!(resolve("-0x1F"), Scalar::Int(-31));
        assert_eq!(resolve("18446744073709551615"), Scalar::Uint(u64::MAX));
        assert_eq!(resolve(".5"), Scalar::Float(0.5));
        assert_eq!(resolve("1e3"), Scalar::Float(1000.0));
        assert_eq!(resolve("off"), Scalar::Bool(false));
        for text in ["1e", "oN", ".", "0.1.2", "Infinity", "-", "+", "_1", "<<", "2001-02-30"] {
            assert_eq!(resolve(text), Scalar::Text, "{text}");
        }
        for text in ["2001-2-3", "2001-02-03T04:05:06.7Z", "2001-02-03t04:05:06+01:00", "2001-02-03 04:05:06"] {
            assert_eq!(resolve(text), Scalar::Timestamp, "{text}");
        }
    }

    #[test]
    fn numbers_to_base_60_are_quoted() {
        for text in ["1:20", "190:20:30", "1:20:30.5", "-1:5"] {
            assert!(needs_quotes(text), "{text}");
        }
        for text in ["1:60", "a:20", "nginx:1.28", ":20"] {
            assert!(!needs_quotes(text), "{text}");
        }
    }
}
