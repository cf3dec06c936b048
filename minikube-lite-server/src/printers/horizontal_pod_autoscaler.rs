//! HorizontalPodAutoscalers.

use super::*;

pub const COLUMNS: &[Column] = &[
    NAME,
    column(
        "Reference",
        "scaleTargetRef points to the target resource to scale, and is used to the pods for which metrics should be collected, as well as to actually change the replica count.",
    ),
    column(
        "Targets",
        "metrics contains the specifications for which to use to calculate the desired replica count (the maximum replica count across all metrics will be used).  The desired replica count is calculated multiplying the ratio between the target value and the current value by the current number of pods.  Ergo, metrics used must decrease as the pod count is increased, and vice-versa.  See the individual metric source types for more information about how each type of metric must respond. If not set, the default metric will be set to 80% average CPU utilization.",
    ),
    column(
        "MinPods",
        "minReplicas is the lower limit for the number of replicas to which the autoscaler can scale down.  It defaults to 1 pod.  minReplicas is allowed to be 0 if the alpha feature gate HPAScaleToZero is enabled and at least one Object or External metric is configured.  Scaling is active as long as at least one metric value is available.",
    ),
    column(
        "MaxPods",
        "maxReplicas is the upper limit for the number of replicas to which the autoscaler can scale up. It cannot be less that minReplicas.",
    ),
    column(
        "Replicas",
        "currentReplicas is current number of replicas of pods managed by this autoscaler, as last seen by the autoscaler.",
    ),
    AGE,
];

/// How many metrics are shown before `+ N more...`.
const SHOWN_METRICS: usize = 2;

pub fn cells(autoscaler: &Value, now: Timestamp) -> Vec<Value> {
    let target = autoscaler.at("spec.scaleTargetRef");
    let minimum = autoscaler.int("spec.minReplicas").map_or_else(|| "<unset>".to_string(), |n| n.to_string());
    vec![
        autoscaler.name().into(),
        format!("{}/{}", target.text("kind"), target.text("name")).into(),
        metrics(autoscaler).into(),
        minimum.into(),
        autoscaler.int("spec.maxReplicas").unwrap_or(0).into(),
        autoscaler.int("status.currentReplicas").unwrap_or(0).into(),
        age(autoscaler, now),
    ]
}

/// Current and wanted value of each metric: `cpu: 40%/80%, 3/10`.
fn metrics(autoscaler: &Value) -> String {
    let current = autoscaler.list("status.currentMetrics");
    let metrics = autoscaler.list("spec.metrics");
    if metrics.is_empty() {
        return NONE.to_string();
    }
    let shown: Vec<String> = metrics
        .iter()
        .enumerate()
        .take(SHOWN_METRICS)
        .map(|(i, metric)| format_metric(metric, current.get(i).unwrap_or(&Value::Null)))
        .collect();
    match metrics.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} + {more} more...", shown.join(", ")),
    }
}

fn format_metric(metric: &Value, status: &Value) -> String {
    let (field, shows_name, averages_only) = match metric.text("type") {
        "External" => ("external", false, false),
        "Object" => ("object", false, false),
        "Pods" => ("pods", false, true),
        "Resource" => ("resource", true, true),
        "ContainerResource" => ("containerResource", true, true),
        _ => return "<unknown type>".to_string(),
    };
    let (target, current) = (metric.at(field).at("target"), status.at(field).at("current"));
    let by_quantity = |name: &str| {
        let current = or(current.text(name), UNKNOWN);
        format!("{current}/{}", or(target.text(name), "0"))
    };
    if shows_name {
        let value = if target.has("averageValue") {
            by_quantity("averageValue")
        } else {
            let percent = |value: &Value, unset: &str| {
                value.int("averageUtilization").map_or_else(|| unset.to_string(), |percent| format!("{percent}%"))
            };
            format!("{}/{}", percent(current, UNKNOWN), percent(target, "<auto>"))
        };
        return format!("{}: {value}", metric.at(field).text("name"));
    }
    if averages_only {
        by_quantity("averageValue")
    } else if target.has("averageValue") {
        format!("{} (avg)", by_quantity("averageValue"))
    } else {
        by_quantity("value")
    }
}
