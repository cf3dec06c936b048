//! Why a Pod does not run, or is not ready.

use super::{Finding, Surroundings, condition, condition_is, containers, scheduling};
use shared_types::fields::Fields;
use shared_types::json::Value;

pub fn pod(pod: &Value, around: Surroundings<'_>) -> Vec<Finding> {
    if pod.is_terminating() {
        return vec![terminating(pod)];
    }
    match pod.text("status.phase") {
        "Succeeded" => return vec![Finding::good("has done its work: all containers ended with exit code 0")],
        "Failed" if !pod.text("status.reason").is_empty() => {
            let finding = Finding::problem(format!("has failed: {}", pod.text("status.reason")));
            return vec![finding.detail(pod.text("status.message")).command(format!("delete pod {}", pod.name()))];
        }
        _ => {}
    }
    if !condition_is(pod, "PodScheduled", "True") && pod.text("spec.nodeName").is_empty() {
        return scheduling::unscheduled(pod, around);
    }
    let mut findings = containers::troubles(pod, around);
    if findings.is_empty()
        && let Some(message) = around.latest(pod, &["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"], "")
        && pod.text("status.phase") == "Pending"
    {
        findings.push(Finding::problem("its containers wait for what they need").detail(message));
    }
    if findings.is_empty() {
        findings.extend(readiness_gates(pod));
    }
    if !findings.is_empty() {
        return findings;
    }
    if condition_is(pod, "Ready", "True") {
        return vec![Finding::good("runs and is ready")];
    }
    let what = match pod.text("status.phase") {
        "Pending" => format!("was given to {}, whose kubelet has not started it yet", pod.text("spec.nodeName")),
        phase => format!("is {phase}, but not ready yet"),
    };
    vec![Finding::problem(what).command(format!("describe pod {}", pod.name()))]
}

fn terminating(pod: &Value) -> Finding {
    let finalizers = pod.list("metadata.finalizers");
    if finalizers.is_empty() {
        return Finding::problem("is being deleted, and has time to end")
            .detail(format!("it gets {} s for that", pod.int("metadata.deletionGracePeriodSeconds").unwrap_or(0)))
            .command(format!("delete pod {} --force --grace-period=0", pod.name()));
    }
    let names: Vec<&str> = finalizers.iter().filter_map(Value::as_str).collect();
    Finding::problem(format!("is being deleted, but the finalizers {} keep it", names.join(", ")))
        .detail("whoever set them should take them away; this does it by hand")
        .command(format!("patch pod {} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'", pod.name()))
}

/// Conditions that somebody else than the kubelet has to set.
fn readiness_gates(pod: &Value) -> Vec<Finding> {
    let gates = pod.list("spec.readinessGates").iter().map(|gate| gate.text("conditionType"));
    let missing = gates.filter(|gate| !condition_is(pod, gate, "True"));
    let finding = |gate: &str| {
        let finding = Finding::problem(format!("waits for its readiness gate {gate}"));
        match condition(pod, gate) {
            Some(condition) if !condition.text("message").is_empty() => finding.detail(condition.text("message")),
            _ => finding.detail("the condition is set by a controller of its own"),
        }
    };
    missing.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn pods_that_end() {
        let pod =
            json!({"metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a.b/c"]}});
        let findings = super::pod(&pod, Surroundings::default());
        assert_eq!(findings[0].what, "is being deleted, but the finalizers a.b/c keep it");
        let done = json!({"metadata": {"name": "p"}, "status": {"phase": "Succeeded"}});
        assert!(super::pod(&done, Surroundings::default())[0].good);
    }

    #[test]
    fn readiness_gates_keep_a_pod_from_being_ready() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n", "readinessGates": [{"conditionType": "x/y"}]},
            "status": {"phase": "Running", "conditions": [{"type": "ContainersReady", "status": "True"}]}});
        assert_eq!(super::pod(&pod, Surroundings::default())[0].what, "waits for its readiness gate x/y");
    }
}
