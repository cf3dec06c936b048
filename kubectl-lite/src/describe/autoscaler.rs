//! HorizontalPodAutoscalers (`autoscaling/v2`).

use super::metadata::{date, labels_and_annotations, name_and_namespace};
use super::report::{Report, or, scalar};
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::Value;

const UNKNOWN: &str = "<unknown>";

pub fn describe(report: &mut Report, autoscaler: &Value) {
    name_and_namespace(report, autoscaler);
    labels_and_annotations(report, autoscaler);
    report.field(0, "CreationTimestamp", date(autoscaler.text("metadata.creationTimestamp")));
    let target = autoscaler.at("spec.scaleTargetRef");
    let kind = target.text("kind");
    report.field(0, "Reference", format_args!("{kind}/{}", target.text("name")));
    report.field(0, "Metrics", "( current / target )");
    for (index, metric) in autoscaler.list("spec.metrics").iter().enumerate() {
        let current = autoscaler.list("status.currentMetrics").get(index).unwrap_or(&Value::Null);
        let (title, values) = self::metric(metric, current);
        match values {
            Some(values) => report.field(1, title, values),
            None => report.line(1, title),
        }
    }
    report.field(0, "Min replicas", or(&scalar(autoscaler.at("spec.minReplicas")), "<unset>"));
    report.field(0, "Max replicas", autoscaler.int("spec.maxReplicas").unwrap_or(0));
    if autoscaler.has("spec.behavior") {
        report.heading(0, "Behavior");
        behavior(report, "Scale Up", autoscaler.at("spec.behavior.scaleUp"));
        behavior(report, "Scale Down", autoscaler.at("spec.behavior.scaleDown"));
    }
    let number = |path: &str| autoscaler.int(path).unwrap_or(0);
    let (current, desired) = (number("status.currentReplicas"), number("status.desiredReplicas"));
    report.field(0, format_args!("{kind} pods"), format_args!("{current} current / {desired} desired"));
    let conditions = autoscaler.list("status.conditions");
    if !conditions.is_empty() {
        report.heading(0, "Conditions");
        report.header(1, &["Type", "Status", "Reason", "Message"]);
    }
    for condition in conditions {
        report.row(1, &["type", "status", "reason", "message"].map(|path| condition.text(path)));
    }
}

/// A metric's title, and its current and wanted value.
fn metric(metric: &Value, current: &Value) -> (String, Option<String>) {
    let (field, subject) = match metric.text("type") {
        "External" => ("external", quote(metric.text("external.metric.name"))),
        "Pods" => ("pods", format!("{} on pods", quote(metric.text("pods.metric.name")))),
        "Object" => {
            let of = metric.at("object.describedObject");
            let name = metric.text("object.metric.name");
            ("object", format!("\"{name}\" on {}/{}", of.text("kind"), of.text("name")))
        }
        "Resource" => ("resource", format!("resource {} on pods", metric.text("resource.name"))),
        "ContainerResource" => {
            let (name, container) = (metric.text("containerResource.name"), metric.text("containerResource.container"));
            ("containerResource", format!("resource {name} of container \"{container}\" on pods"))
        }
        other => return (format!("<unknown metric type {}>", quote(other)), None),
    };
    let target = metric.at(field).at("target");
    let has = current.at(field).at("current");
    let value = |of: &Value, path: &str, otherwise: &str| or(&scalar(of.at(path)), otherwise).to_string();
    let pair = |path: &str| Some(format!("{} / {}", value(has, path, UNKNOWN), value(target, path, "0")));
    match field {
        "pods" => (subject, pair("averageValue")),
        "external" if target.has("averageValue") => (format!("{subject} (target average value)"), pair("averageValue")),
        "object" if target.text("type") == "AverageValue" => {
            (format!("{subject} (target average value)"), pair("averageValue"))
        }
        "external" | "object" => (format!("{subject} (target value)"), pair("value")),
        _ if target.has("averageValue") => (subject, pair("averageValue")),
        _ => {
            let percent = |of: &Value| of.int("averageUtilization").map(|percent| format!("{percent}%"));
            let now = match percent(has) {
                Some(now) => format!("{now} ({})", value(has, "averageValue", "0")),
                None => UNKNOWN.to_string(),
            };
            let wanted = percent(target).unwrap_or("<auto>".to_string());
            (format!("{subject}  (as a percentage of request)"), Some(format!("{now} / {wanted}")))
        }
    }
}

fn behavior(report: &mut Report, direction: &str, rules: &Value) {
    if rules.is_null() {
        return;
    }
    report.heading(1, direction);
    if let Some(seconds) = rules.int("stabilizationWindowSeconds") {
        report.line(2, format_args!("Stabilization Window: {seconds} seconds"));
    }
    if rules.list("policies").is_empty() {
        return;
    }
    report.line(2, format_args!("Select Policy: {}", or(rules.text("selectPolicy"), "Max")));
    report.heading(2, "Policies");
    for policy in rules.list("policies") {
        let number = |path: &str| policy.int(path).unwrap_or(0);
        let (value, period) = (number("value"), number("periodSeconds"));
        report.line(3, format_args!("- Type: {}\tValue: {value}\tPeriod: {period} seconds", policy.text("type")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn metrics_show_current_and_target() {
        let wanted = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}});
        let now = json!({"resource": {"current": {"averageUtilization": 12, "averageValue": "24m"}}});
        let title = "resource cpu on pods  (as a percentage of request)".to_string();
        assert_eq!(metric(&wanted, &Value::Null), (title.clone(), Some("<unknown> / 80%".into())));
        assert_eq!(metric(&wanted, &now), (title, Some("12% (24m) / 80%".into())));
        let pods = json!({"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"averageValue": "1k"}}});
        assert_eq!(metric(&pods, &Value::Null), ("\"rps\" on pods".into(), Some("<unknown> / 1k".into())));
    }
}
