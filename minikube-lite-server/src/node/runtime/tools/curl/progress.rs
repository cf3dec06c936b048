//! The meter that curl shows of a transfer, on standard error.

use super::transfer::Report;

/// What comes above the figures.
pub const HEADER: &str = "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n                                 Dload  Upload   Total   Spent    Left  Speed\n";

/// The figures of a transfer that has ended, or has yet to begin.
pub fn line(report: &Report) -> String {
    let expected = report.expected.unwrap_or(report.received) + report.sent;
    let percent = |part: u64, whole: u64| (100 * part).checked_div(whole).unwrap_or(0);
    let seconds = report.times.total.as_secs();
    let spent = match seconds {
        0 => "--:--:--".to_string(),
        _ => format!("{:2}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    };
    let per_second = |bytes: u64| Report::per_second(bytes, report.times.total);
    format!(
        "\r{:3} {}  {:3} {}  {:3} {}  {}  {} --:--:-- {spent} --:--:-- {}",
        percent(report.received + report.sent, expected),
        size(expected),
        percent(report.received, report.expected.unwrap_or(report.received)),
        size(report.received),
        percent(report.sent, report.sent),
        size(report.sent),
        size(per_second(report.received)),
        size(per_second(report.sent)),
        size(per_second(report.received)),
    )
}

/// A number of bytes in five characters.
fn size(bytes: u64) -> String {
    const K: u64 = 1024;
    const M: u64 = K * K;
    const G: u64 = K * M;
    match bytes {
        0..100_000 => format!("{bytes:5}"),
        _ if bytes < 10_000 * K => format!("{:4}k", bytes / K),
        _ if bytes < 100 * M => format!("{:2}.{}M", bytes / M, bytes % M / (M / 10)),
        _ if bytes < 10_000 * M => format!("{:4}M", bytes / M),
        _ if bytes < 100 * G => format!("{:2}.{}G", bytes / G, bytes % G / (G / 10)),
        _ => format!("{:4}G", bytes / G),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_is_as_wide_as_its_header() {
        let nothing = line(&Report::default());
        assert_eq!(nothing, "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0");
        let mut report = Report { received: 615, expected: Some(615), ..Report::default() };
        report.times.total = std::time::Duration::from_millis(2000);
        assert_eq!(line(&report), "\r100   615  100   615    0     0    307      0 --:--:--  0:00:02 --:--:--   307");
        assert_eq!(
            [size(99_999), size(100_000), size(20 << 20), size(200 << 20)],
            ["99999", "  97k", "20.0M", " 200M"]
        );
    }
}
