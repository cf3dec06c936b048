//! How servers write the time.

use http::HeaderValue;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use std::cell::RefCell;
use std::fmt::Write;

/// One second, as servers write it again and again.
pub struct Second {
    at: i64,
    /// For the `Date` header (RFC 9110): `Sat, 28 Nov 2026 00:27:17 GMT`.
    pub date: HeaderValue,
    /// For access logs (the common log format): `28/Nov/2026:00:27:17 +0000`.
    pub log: String,
}

impl Second {
    fn new(now: Timestamp) -> Second {
        let date = HeaderValue::try_from(http_date(now)).unwrap_or(HeaderValue::from_static(""));
        Second { at: now.as_second(), date, log: format(now, "%d/%b/%Y:%H:%M:%S +0000") }
    }
}

thread_local! {
    static LATEST: RefCell<Option<Second>> = const { RefCell::new(None) };
}

/// Gives the second of `now`. Each thread keeps the latest one, because formatting it costs more than all else of a
/// request.
pub fn second<T>(now: Timestamp, with: impl FnOnce(&Second) -> T) -> T {
    LATEST.with_borrow_mut(|latest| match latest {
        Some(second) if second.at == now.as_second() => with(second),
        _ => with(latest.insert(Second::new(now))),
    })
}

/// The time as HTTP's headers have it (RFC 9110, section 5.6.7).
pub fn http_date(time: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time: DateTime = Offset::UTC.to_datetime(time);
    let name = |names: &[&'static str], at: i8| {
        usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
    };
    let mut text = String::with_capacity(29);
    // Writing to a string does not fail. By hand, because every file that is served has one.
    let _ = write!(
        text,
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        name(&DAYS, time.weekday().to_monday_zero_offset()),
        time.day(),
        name(&MONTHS, time.month() - 1),
        time.year(),
        time.hour(),
        time.minute(),
        time.second(),
    );
    text
}

/// Reads a time in HTTP's preferred form.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let (_, text) = text.split_once(", ")?;
    let civil = DateTime::strptime("%d %b %Y %H:%M:%S GMT", text).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The time in UTC by a `strftime` format.
pub fn format(time: Timestamp, format: &str) -> String {
    time.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_servers_do() {
        let time: Timestamp = "2026-11-28T00:27:17.9Z".parse().unwrap();
        assert_eq!(http_date(time), "Sat, 28 Nov 2026 00:27:17 GMT");
        assert_eq!(parse_http_date(&http_date(time)).unwrap().as_second(), time.as_second());
        assert_eq!(second(time, |second| second.log.clone()), "28/Nov/2026:00:27:17 +0000");
        let later = time + jiff::SignedDuration::from_secs(1);
        assert_eq!(second(later, |second| second.date.clone()), "Sat, 28 Nov 2026 00:27:18 GMT");
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in ["", "yesterday", "Sat, 28 Nov 2026", "Sat, 99 Nov 2026 00:27:17 GMT"] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }
}
