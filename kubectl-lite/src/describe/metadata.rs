//! Names, labels and annotations.

use super::report::Report;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};
use shared_types::time;

/// An annotation that is longer than this gets lines of its own, which are cut.
const LONGEST_ANNOTATION: usize = 140;
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub fn name_and_namespace(report: &mut Report, object: &Value) {
    report.field(0, "Name", object.name());
    report.field(0, "Namespace", object.namespace());
}

pub fn labels_and_annotations(report: &mut Report, object: &Value) {
    labels(report, 0, "Labels", object.map("metadata.labels"));
    annotations(report, 0, object.map("metadata.annotations"));
}

/// `key=value`, a line each.
pub fn labels(report: &mut Report, level: usize, title: &str, labels: &Object) {
    let lines: Vec<String> =
        labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    report.lines(level, title, &lines);
}

/// `key: value`, a line each; long values below their keys. What `apply` notes for itself is left out.
pub fn annotations(report: &mut Report, level: usize, annotations: &Object) {
    let mut lines = Vec::new();
    for (key, value) in annotations.iter().filter(|(key, _)| *key != LAST_APPLIED) {
        let value = value.as_str().unwrap_or_default();
        let value = value.strip_suffix('\n').unwrap_or(value);
        if value.len() + key.len() + 2 <= LONGEST_ANNOTATION && !value.contains('\n') {
            lines.push(format!("{key}: {value}"));
            continue;
        }
        lines.push(format!("{key}:"));
        lines.extend(value.split('\n').map(|line| format!("  {}", shortened(line, LONGEST_ANNOTATION - 2))));
    }
    report.lines(level, "Annotations", &lines);
}

/// At most `length` bytes of `text`, and dots for the rest.
fn shortened(text: &str, length: usize) -> String {
    if text.len() <= length {
        return text.to_string();
    }
    format!("{}...", &text[..text.floor_char_boundary(length)])
}

/// `Deployment/web`, the controller that owns the object.
pub fn controlled_by(report: &mut Report, object: &Value) {
    if let Some(owner) = object.controller_ref() {
        report.field(0, "Controlled By", format_args!("{}/{}", owner.text("kind"), owner.text("name")));
    }
}

/// A time as `Mon, 02 Jan 2006 15:04:05 -0700` (RFC 1123); the first moment of year 1 where it is not set.
pub fn date(text: &str) -> String {
    match time::parse_time(text) {
        Some(time) => time.to_zoned(TimeZone::system()).strftime("%a, %d %b %Y %H:%M:%S %z").to_string(),
        None => "Mon, 01 Jan 0001 00:00:00 +0000".to_string(),
    }
}

/// How long ago a time was; `<unknown>` where it is not set.
pub fn since(text: &str, now: Timestamp) -> String {
    time::parse_time(text).map_or("<unknown>".to_string(), |then| time::human_duration(now.duration_since(then)))
}

/// `True` or `False`.
pub fn truth(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn long_annotations_stand_below_their_keys() {
        let object = json!({"metadata": {"annotations": {
            "a": "short", "b": "two\nlines\n", "c": "x".repeat(150), LAST_APPLIED: "{}"}}});
        let mut report = Report::default();
        annotations(&mut report, 0, object.map("metadata.annotations"));
        let expected = format!(
            "Annotations:  a: short\n              b:\n                two\n                lines\n              c:\n\
             {:16}{}...\n",
            "",
            "x".repeat(138)
        );
        assert_eq!(report.finish(), expected);
    }

    #[test]
    fn dates_are_in_rfc_1123() {
        assert_eq!(date(""), "Mon, 01 Jan 0001 00:00:00 +0000");
        assert!(date("2026-11-23T12:17:51Z").starts_with("Mon, 23 Nov 2026 "));
        let now = time::parse_time("2026-11-23T07:20:00Z").unwrap();
        assert_eq!(since("2026-11-23T07:17:51Z", now), "2m9s");
        assert_eq!(since("", now), "<unknown>");
    }
}
