//! What a Pod says about where it may run.

use super::report::{Report, scalar};
use super::selectors::label_selector;
use shared_types::fields::Fields;
use shared_types::json::Value;

/// Tolerations, by key.
pub fn tolerations(report: &mut Report, level: usize, tolerations: &[Value]) {
    let mut sorted: Vec<&Value> = tolerations.iter().collect();
    sorted.sort_by_key(|toleration| toleration.text("key"));
    let lines: Vec<String> = sorted.into_iter().map(toleration).collect();
    report.lines(level, "Tolerations", &lines);
}

/// `key=value:NoExecute op=Exists for 300s`.
fn toleration(toleration: &Value) -> String {
    let mut text = toleration.text("key").to_string();
    let (value, effect) = (toleration.text("value"), toleration.text("effect"));
    if !value.is_empty() {
        text.push_str(&format!("={value}"));
    }
    if !effect.is_empty() {
        text.push_str(&format!(":{effect}"));
    }
    if toleration.text("operator") == "Exists" && value.is_empty() {
        text.push_str(if text.is_empty() { "op=Exists" } else { " op=Exists" });
    }
    if let Some(seconds) = toleration.int("tolerationSeconds") {
        text.push_str(&format!(" for {seconds}s"));
    }
    text
}

/// Taints of a Node, by effect and key.
pub fn taints(report: &mut Report, taints: &[Value]) {
    let mut sorted: Vec<&Value> = taints.iter().collect();
    sorted.sort_by_key(|taint| format!("{},{}", taint.text("effect"), taint.text("key")));
    let line = |taint: &Value| {
        let (key, value, effect) = (taint.text("key"), taint.text("value"), taint.text("effect"));
        match (value, effect) {
            (_, "") if value.is_empty() => key.to_string(),
            (_, "") => format!("{key}={value}:"),
            ("", _) => format!("{key}:{effect}"),
            _ => format!("{key}={value}:{effect}"),
        }
    };
    let lines: Vec<String> = sorted.into_iter().map(line).collect();
    report.lines(0, "Taints", &lines);
}

/// Topology spread constraints, by key; nothing where there are none.
pub fn topology_spread_constraints(report: &mut Report, level: usize, constraints: &[Value]) {
    if constraints.is_empty() {
        return;
    }
    let mut sorted: Vec<&Value> = constraints.iter().collect();
    sorted.sort_by_key(|constraint| constraint.text("topologyKey"));
    let line = |constraint: &Value| {
        let mut text = format!(
            "{}:{} when max skew {} is exceeded",
            constraint.text("topologyKey"),
            constraint.text("whenUnsatisfiable"),
            scalar(constraint.at("maxSkew"))
        );
        if constraint.has("labelSelector") {
            text.push_str(&format!(" for selector {}", label_selector(constraint.at("labelSelector"))));
        }
        text
    };
    let lines: Vec<String> = sorted.into_iter().map(line).collect();
    report.lines(level, "Topology Spread Constraints", &lines);
}

/// The group of Pods that are scheduled together, if the Pod is in one.
pub fn group(report: &mut Report, level: usize, group: &Value) {
    if !group.is_null() {
        report.heading(level, "SchedulingGroup");
        report.field(1, "PodGroupName", group.text("podGroupName"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn tolerations_and_taints_are_one_line_each() {
        let mut report = Report::default();
        let list = [
            json!({"key": "b", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 3}),
            json!({"operator": "Exists"}),
            json!({"key": "a", "operator": "Exists"}),
        ];
        tolerations(&mut report, 0, &list);
        taints(
            &mut report,
            &[json!({"key": "k", "value": "v", "effect": "NoSchedule"}), json!({"key": "a", "effect": "NoExecute"})],
        );
        topology_spread_constraints(
            &mut report,
            0,
            &[json!({"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
            "maxSkew": 1, "labelSelector": {"matchLabels": {"a": "b"}}})],
        );
        let expected = "\
Tolerations:                  op=Exists
                              a op=Exists
                              b=v:NoExecute for 3s
Taints:                       a:NoExecute
                              k=v:NoSchedule
Topology Spread Constraints:  zone:DoNotSchedule when max skew 1 is exceeded for selector a=b
";
        assert_eq!(report.finish(), expected);
    }
}
