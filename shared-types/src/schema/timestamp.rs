//! Times in the words of Go's `time.Parse`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// Reads a `metav1.Time`: RFC 3339.
///
/// # Errors
/// `parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"`.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    Reader { layout: "2006-01-02T15:04:05Z07:00", text, rest: text }.read(false)
}

/// Reads a `metav1.MicroTime`: RFC 3339 with six decimals.
///
/// # Errors
/// As [`parse_time`].
pub(super) fn parse_micro_time(text: &str) -> Result<Timestamp, String> {
    Reader { layout: "2006-01-02T15:04:05.000000Z07:00", text, rest: text }.read(true)
}

struct Reader<'t> {
    layout: &'static str,
    text: &'t str,
    /// What has not been read yet.
    rest: &'t str,
}

impl Reader<'_> {
    fn read(&mut self, micros: bool) -> Result<Timestamp, String> {
        let year = self.number("2006", 4, 4)?;
        self.literal("-")?;
        let month = self.number("01", 2, 2)?;
        self.within(month, 1..=12, "month")?;
        self.literal("-")?;
        let day = self.number("02", 2, 2)?;
        self.literal("T")?;
        let hour = self.number("15", 1, 2)?;
        self.within(hour, 0..=23, "hour")?;
        self.literal(":")?;
        let minute = self.number("04", 2, 2)?;
        self.within(minute, 0..=59, "minute")?;
        self.literal(":")?;
        let second = self.number("05", 2, 2)?;
        self.within(second, 0..=59, "second")?;
        let nanos = if micros { self.six_decimals()? } else { self.decimals() };
        let offset = self.offset()?;
        if !self.rest.is_empty() {
            return Err(self.said(&format!("extra text: {}", quoted(self.rest))));
        }
        // What remains that can be wrong is the day of a shorter month.
        DateTime::new(year as i16, month as i8, day as i8, hour as i8, minute as i8, second as i8, nanos)
            .and_then(|civil| TimeZone::fixed(Offset::from_seconds(offset)?).to_timestamp(civil))
            .map_err(|_| self.said("day out of range"))
    }

    /// The message about a value that has the right form.
    fn said(&self, what: &str) -> String {
        format!("parsing time {}: {what}", quoted(self.text))
    }

    /// The message about what is left where `element` should be.
    fn cannot_parse(&self, element: &str) -> String {
        let (text, layout, rest) = (quoted(self.text), self.layout, quoted(self.rest));
        format!("parsing time {text} as \"{layout}\": cannot parse {rest} as \"{element}\"")
    }

    fn literal(&mut self, literal: &str) -> Result<(), String> {
        self.rest = self.rest.strip_prefix(literal).ok_or_else(|| self.cannot_parse(literal))?;
        Ok(())
    }

    /// A number of `min` to `max` digits.
    fn number(&mut self, element: &str, min: usize, max: usize) -> Result<i32, String> {
        let digits = self.rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
        if digits < min {
            return Err(self.cannot_parse(element));
        }
        let (number, rest) = self.rest.split_at(digits);
        let number = number.parse().map_err(|_| self.cannot_parse(element))?;
        self.rest = rest;
        Ok(number)
    }

    fn within(&self, number: i32, range: std::ops::RangeInclusive<i32>, name: &str) -> Result<(), String> {
        if range.contains(&number) { Ok(()) } else { Err(self.said(&format!("{name} out of range"))) }
    }

    /// Decimals, of which there may be any number, in nanoseconds.
    fn decimals(&mut self) -> i32 {
        let Some(after) = self.rest.strip_prefix(['.', ',']) else { return 0 };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return 0;
        }
        let (decimals, rest) = after.split_at(digits);
        self.rest = rest;
        nanoseconds(decimals)
    }

    fn six_decimals(&mut self) -> Result<i32, String> {
        let decimals = self.rest.strip_prefix(['.', ',']).and_then(|after| after.get(..6));
        let decimals = decimals.filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        let decimals = decimals.ok_or_else(|| self.cannot_parse(".000000"))?;
        self.rest = &self.rest[7..];
        Ok(nanoseconds(decimals))
    }

    /// `Z` or `+01:00`, in seconds.
    fn offset(&mut self) -> Result<i32, String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let two = |from: usize| {
            let digits = self.rest.get(from..from + 2).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
            digits.and_then(|digits| digits.parse::<i32>().ok())
        };
        let bytes = self.rest.as_bytes();
        let sign = match (bytes.first(), bytes.get(3)) {
            (Some(b'+'), Some(b':')) => 1,
            (Some(b'-'), Some(b':')) => -1,
            _ => return Err(self.cannot_parse("Z07:00")),
        };
        let (Some(hours), Some(minutes)) = (two(1), two(4)) else { return Err(self.cannot_parse("Z07:00")) };
        self.within(hours, 0..=24, "time zone offset hour")?;
        self.within(minutes, 0..=60, "time zone offset minute")?;
        self.rest = &self.rest[6..];
        Ok(sign * (hours * 3600 + minutes * 60))
    }
}

/// The first nine of a run of decimals as nanoseconds.
fn nanoseconds(decimals: &str) -> i32 {
    decimals.bytes().chain(std::iter::repeat(b'0')).take(9).fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'))
}

/// Text as the messages of Go's `time` quote it, which escapes the bytes of all but printable ASCII.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='\x7f' => quoted.push(c),
            _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| quoted.push_str(&format!("\\x{byte:02x}"))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_utc() {
        for (text, utc) in [
            ("2026-11-23T07:15:10Z", "2026-11-23T07:15:10Z"),
            ("2026-11-23T07:15:10.25+02:00", "2026-11-23T05:15:10Z"),
            ("2026-01-01T00:00:00-00:30", "2026-01-01T00:30:00Z"),
        ] {
            assert_eq!(crate::time::format_time(parse_time(text).unwrap()), utc);
        }
        let micro = parse_micro_time("2026-11-23T07:15:10.123456Z").unwrap();
        assert_eq!(crate::time::format_micro_time(micro), "2026-11-23T07:15:10.123456Z");
    }

    #[test]
    fn errors_are_in_gos_words() {
        for (text, error) in [
            ("", r#"as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006""#),
            ("now", r#"as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006""#),
            ("2026-11-23", r#"as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T""#),
            ("2026-11-23 07:15:10Z", r#"as "2006-01-02T15:04:05Z07:00": cannot parse " 07:15:10Z" as "T""#),
            ("2026-11-23T07:15:10", r#"as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00""#),
        ] {
            assert_eq!(parse_time(text).unwrap_err(), format!("parsing time {text:?} {error}"));
        }
        for (text, error) in [
            ("2026-13-23T07:15:10Z", "month out of range"),
            ("2026-02-30T07:15:10Z", "day out of range"),
            ("2026-02-03T24:15:10Z", "hour out of range"),
            ("2026-02-03T04:15:10Zz", r#"extra text: "z""#),
        ] {
            assert_eq!(parse_time(text).unwrap_err(), format!("parsing time {text:?}: {error}"));
        }
        let error = parse_micro_time("2026-11-23T07:15:10Z").unwrap_err();
        assert!(error.ends_with(r#"cannot parse "Z" as ".000000""#), "{error}");
    }
}
