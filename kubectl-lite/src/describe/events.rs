//! The Events of an object: found by its reference, shown as a table at the end of its description.

use super::metadata::since;
use super::report::{Report, or};
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::time;

/// The field selector for the Events of an object. An empty kind or uid is not asked for.
pub fn selector(kind: &str, name: &str, namespace: &str, uid: &str) -> String {
    let mut terms = Vec::new();
    if !kind.is_empty() {
        terms.push(format!("involvedObject.kind={kind}"));
    }
    terms.push(format!("involvedObject.name={name}"));
    terms.push(format!("involvedObject.namespace={namespace}"));
    if !uid.is_empty() {
        terms.push(format!("involvedObject.uid={uid}"));
    }
    terms.join(",")
}

/// Writes the table, the latest last.
pub fn describe(report: &mut Report, mut events: Vec<Value>, now: Timestamp) {
    if events.is_empty() {
        return report.field(0, "Events", "<none>");
    }
    events.sort_by_key(|event| time::parse_time(event.text("lastTimestamp")));
    report.heading(0, "Events");
    report.row(1, &["Type", "Reason", "Age", "From", "Message"]);
    // Kubernetes draws the rule of `Age` one wider than its name.
    report.row(1, &["----", "------", "----", "----", "-------"]);
    for event in &events {
        let first = match event.text("eventTime") {
            "" => since(event.text("firstTimestamp"), now),
            time => since(time, now),
        };
        let count = event.int("count").unwrap_or(0);
        let age = if event.has("series") {
            let last = since(event.text("series.lastObservedTime"), now);
            format!("{last} (x{} over {first})", event.int("series.count").unwrap_or(0))
        } else if count > 1 {
            format!("{} (x{count} over {first})", since(event.text("lastTimestamp"), now))
        } else {
            first
        };
        let message = event.text("message").trim();
        let message = match event.text("involvedObject.fieldPath") {
            "" => message.to_string(),
            path => format!("{path}: {message}"),
        };
        let source = or(event.text("source.component"), event.text("reportingComponent"));
        report.row(1, &[event.text("type"), event.text("reason"), &age, source, &message]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn events_tell_how_often_they_came() {
        let now = time::parse_time("2026-11-23T10:00:00Z").unwrap();
        let events = vec![
            json!({"type": "Warning", "reason": "BackOff", "count": 3, "message": " again \n",
                "firstTimestamp": "2026-11-23T09:50:00Z", "lastTimestamp": "2026-11-23T09:59:50Z",
                "source": {"component": "kubelet"}, "involvedObject": {"fieldPath": "spec.containers{c}"}}),
            json!({"type": "Normal", "reason": "Scheduled", "message": "m", "eventTime": "2026-11-23T09:50:00.5Z",
                "reportingComponent": "default-scheduler"}),
        ];
        let mut report = Report::default();
        describe(&mut report, events, now);
        let expected = "\
Events:
  Type     Reason     Age                From               Message
  ----     ------     ----               ----               -------
  Normal   Scheduled  9m59s              default-scheduler  m
  Warning  BackOff    10s (x3 over 10m)  kubelet            spec.containers{c}: again
";
        assert_eq!(report.finish(), expected);
        let mut report = Report::default();
        describe(&mut report, Vec::new(), now);
        assert_eq!(report.finish(), "Events:  <none>\n");
    }
}
