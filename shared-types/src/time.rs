//! Timestamps as the API writes them.

use jiff::{SignedDuration, Timestamp};

/// `metav1.Time`: RFC 3339 in UTC with whole seconds.
pub fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `metav1.MicroTime`: RFC 3339 in UTC with six decimals.
pub fn format_micro_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Reads either form.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// A duration as people read it, in two units where that still says something: `45s`, `3m20s`, `47h`, `5d12h`, `2y40d`.
/// Kubernetes' ages follow the same steps. A duration of more than a second in the past is `<invalid>`.
pub fn human_duration(duration: SignedDuration) -> String {
    let (seconds, minutes, hours) = (duration.as_secs(), duration.as_mins(), duration.as_hours());
    let days = hours / 24;
    /// `large` with the `small` rest, which is left out when it is zero.
    fn pair(large: i64, unit: char, small: i64, small_unit: char) -> String {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    }
    match seconds {
        ..-1 => "<invalid>".to_string(),
        -1..0 => "0s".to_string(),
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => pair(days, 'd', hours % 24, 'h'),
        _ if days < 365 * 2 => format!("{days}d"),
        _ if days < 365 * 8 => pair(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_lose_units_as_they_grow() {
        let cases = [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (600, "10m"),
            (10799, "179m"),
            (10800, "3h"),
            (11100, "3h5m"),
            (8 * 3600, "8h"),
            (47 * 3600 + 3599, "47h"),
            (48 * 3600, "2d"),
            (61 * 3600, "2d13h"),
            (8 * 86400, "8d"),
            (729 * 86400, "729d"),
            (730 * 86400, "2y"),
            (770 * 86400, "2y40d"),
            (8 * 365 * 86400, "8y"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human_duration(SignedDuration::from_secs(seconds)), text, "{seconds}s");
        }
        assert_eq!(human_duration(SignedDuration::from_millis(-1900)), "0s");
    }
}
