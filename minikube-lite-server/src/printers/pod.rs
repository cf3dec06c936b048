//! Pods.

use super::pod_status::PodStatus;
use super::*;
use shared_types::json::json;

pub const COLUMNS: &[Column] = &[
    NAME,
    column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
    column("Status", "The aggregate status of the containers in this pod."),
    column(
        "Restarts",
        "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
    ),
    AGE,
    wide("IP", "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated."),
    wide(
        "Node",
        "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by the scheduler defined in schedulerName. Once this field is set, the kubelet for this node becomes responsible for the lifecycle of this pod. This field should not be used to express a desire for the pod to be scheduled on a specific node. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename",
    ),
    wide(
        "Nominated Node",
        "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled right away as preemption victims receive their graceful termination periods. This field does not guarantee that the pod will be scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes become available sooner. Scheduler may also decide to give the resources on this node to a higher priority pod that is created after preemption. As a result, this field may be different than PodSpec.nodeName when the pod is scheduled.",
    ),
    wide(
        "Readiness Gates",
        "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its containers are ready AND all conditions specified in the readiness gates have status equal to \"True\" More info: https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates",
    ),
];

pub fn row(pod: &Value, now: Timestamp) -> Row {
    let status = PodStatus::of(pod);
    let restarts = match status.last_restart {
        Some(time) if status.restarts > 0 => {
            format!("{} ({} ago)", status.restarts, human_duration(now.duration_since(time)))
        }
        _ => status.restarts.to_string(),
    };
    let ip = pod.list("status.podIPs").first().map_or("", |entry| entry.text("ip"));
    let cells = vec![
        pod.name().into(),
        format!("{}/{}", status.ready, status.containers).into(),
        status.reason.into(),
        restarts.into(),
        age(pod, now),
        or(ip, NONE).into(),
        or(pod.text("spec.nodeName"), NONE).into(),
        or(pod.text("status.nominatedNodeName"), NONE).into(),
        readiness_gates(pod).into(),
    ];
    let completed = |message: &str| {
        vec![json!({"type": "Completed", "status": "True", "reason": pod.text("status.phase"), "message": message})]
    };
    let conditions = match pod.text("status.phase") {
        "Succeeded" => completed("The pod has completed successfully."),
        "Failed" => completed("The pod failed."),
        _ => Vec::new(),
    };
    Row { cells, conditions }
}

/// How many of the readiness gates are open: `1/2`.
fn readiness_gates(pod: &Value) -> String {
    let gates = pod.list("spec.readinessGates");
    if gates.is_empty() {
        return NONE.to_string();
    }
    let is_open = |gate: &&Value| {
        let conditions = pod.list("status.conditions").iter();
        conditions.clone().any(|c| c.text("type") == gate.text("conditionType") && c.text("status") == "True")
    };
    format!("{}/{}", gates.iter().filter(is_open).count(), gates.len())
}
