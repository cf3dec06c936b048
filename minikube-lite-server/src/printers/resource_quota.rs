//! ResourceQuotas.

use super::*;

pub const COLUMNS: &[Column] = &[
    NAME,
    column("Request", "Request represents a minimum amount of cpu/memory that a container may consume."),
    column(
        "Limit",
        "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.",
    ),
    AGE,
];

pub fn cells(quota: &Value, now: Timestamp) -> Vec<Value> {
    let used = quota.map("status.used");
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (resource, hard) in quota.map("status.hard") {
        let used = used.get(resource).and_then(Value::as_str).unwrap_or("0");
        let column = if resource.starts_with("limits.") { &mut limits } else { &mut requests };
        column.push(format!("{resource}: {used}/{}", hard.as_str().unwrap_or("0")));
    }
    vec![quota.name().into(), requests.join(", ").into(), limits.join(", ").into(), age(quota, now)]
}
