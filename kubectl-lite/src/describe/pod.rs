//! Pods.

use super::containers::{self, Containers};
use super::metadata::{controlled_by, date, labels, labels_and_annotations, name_and_namespace, since};
use super::report::Report;
use super::{scheduling, volumes};
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::Value;

pub fn describe(report: &mut Report, pod: &Value, now: Timestamp) {
    name_and_namespace(report, pod);
    if let Some(priority) = pod.int("spec.priority") {
        report.field(0, "Priority", priority);
    }
    report.field_if(0, "Priority Class Name", pod.text("spec.priorityClassName"));
    report.field_if(0, "Runtime Class Name", pod.text("spec.runtimeClassName"));
    report.field_if(0, "Service Account", pod.text("spec.serviceAccountName"));
    match pod.text("spec.nodeName") {
        "" => report.field(0, "Node", "<none>"),
        node => report.field(0, "Node", format_args!("{node}/{}", pod.text("status.hostIP"))),
    }
    if pod.has("status.startTime") {
        report.field(0, "Start Time", date(pod.text("status.startTime")));
    }
    labels_and_annotations(report, pod);
    status(report, pod, now);
    seccomp_profile(report, 0, pod.at("spec.securityContext.seccompProfile"));
    report.field(0, "IP", pod.text("status.podIP"));
    match pod.list("status.podIPs") {
        [] => report.field(0, "IPs", "<none>"),
        ips => {
            report.heading(0, "IPs");
            for ip in ips {
                report.field(1, "IP", ip.text("ip"));
            }
        }
    }
    controlled_by(report, pod);
    report.field_if(0, "NominatedNodeName", pod.text("status.nominatedNodeName"));
    if pod.has("spec.resources") {
        report.heading(0, "Resources");
        containers::resources(report, 1, pod.at("spec.resources"));
    }
    all_containers(report, pod);
    conditions(report, pod);
    volumes::describe(report, "", pod.list("spec.volumes"));
    report.field(0, "QoS Class", pod.text("status.qosClass"));
    labels(report, 0, "Node-Selectors", pod.map("spec.nodeSelector"));
    scheduling::tolerations(report, 0, pod.list("spec.tolerations"));
    scheduling::topology_spread_constraints(report, 0, pod.list("spec.topologySpreadConstraints"));
    scheduling::group(report, 0, pod.at("spec.schedulingGroup"));
}

fn status(report: &mut Report, pod: &Value, now: Timestamp) {
    let phase = pod.text("status.phase");
    if pod.is_terminating() && phase != "Failed" && phase != "Succeeded" {
        let lasts = since(pod.text("metadata.deletionTimestamp"), now);
        report.field(0, "Status", format_args!("Terminating (lasts {lasts})"));
        let grace = pod.int("metadata.deletionGracePeriodSeconds").unwrap_or(0);
        report.field(0, "Termination Grace Period", format_args!("{grace}s"));
    } else {
        report.field(0, "Status", phase);
    }
    report.field_if(0, "Reason", pod.text("status.reason"));
    report.field_if(0, "Message", pod.text("status.message"));
}

/// The seccomp profile of a Pod or container, if it has one.
pub fn seccomp_profile(report: &mut Report, level: usize, profile: &Value) {
    if profile.is_null() {
        return;
    }
    report.field(level, "SeccompProfile", profile.text("type"));
    if profile.text("type") == "Localhost" {
        // In a container it stands one further in.
        let level = if level == 0 { 0 } else { level + 1 };
        report.field(level, "LocalhostProfile", profile.text("localhostProfile"));
    }
}

fn all_containers(report: &mut Report, pod: &Value) {
    let groups = [
        ("Init Containers", "spec.initContainers", "status.initContainerStatuses"),
        ("Containers", "spec.containers", "status.containerStatuses"),
        ("Ephemeral Containers", "spec.ephemeralContainers", "status.ephemeralContainerStatuses"),
    ];
    for (title, spec, status) in groups {
        let list = pod.list(spec);
        if title == "Containers" || !list.is_empty() {
            Containers { title, list, statuses: pod.list(status), pod: Some(pod), indent: "" }.describe(report);
        }
    }
}

fn conditions(report: &mut Report, pod: &Value) {
    let conditions = pod.list("status.conditions");
    let row = |report: &mut Report, name: &str, status: &str| report.line(1, format_args!("{name} \t{status} "));
    if !pod.list("spec.readinessGates").is_empty() {
        report.heading(0, "Readiness Gates");
        report.row(1, &["Type", "Status"]);
        for gate in pod.list("spec.readinessGates") {
            let name = gate.text("conditionType");
            let status = conditions.iter().find(|c| c.text("type") == name).map_or("<none>", |c| c.text("status"));
            row(report, name, status);
        }
    }
    if !conditions.is_empty() {
        report.heading(0, "Conditions");
        report.row(1, &["Type", "Status"]);
        for condition in conditions {
            row(report, condition.text("type"), condition.text("status"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn a_pod_that_ends() {
        let pod = json!({"metadata": {"name": "p", "namespace": "n", "deletionTimestamp": "2026-11-23T07:00:30Z",
                "deletionGracePeriodSeconds": 30},
            "spec": {"nodeName": "node-1", "readinessGates": [{"conditionType": "example.com/up"}],
                "containers": [{"name": "c", "image": "i"}]},
            "status": {"phase": "Running", "hostIP": "192.168.49.2", "podIP": "10.244.0.5",
                "podIPs": [{"ip": "10.244.0.5"}], "qosClass": "BestEffort",
                "conditions": [{"type": "Ready", "status": "True"}]}});
        let mut report = Report::default();
        describe(&mut report, &pod, "2026-11-23T07:02:40Z".parse().unwrap());
        let expected = "\
Name:                      p
Namespace:                 n
Node:                      node-1/192.168.49.2
Labels:                    <none>
Annotations:               <none>
Status:                    Terminating (lasts 2m10s)
Termination Grace Period:  30s
IP:                        10.244.0.5
IPs:
  IP:  10.244.0.5
Containers:
  c:
    Image:        i
    Port:         <none>
    Host Port:    <none>
    Environment:  <none>
    Mounts:       <none>
Readiness Gates:
  Type             Status
  example.com/up   <none> \n\
Conditions:
  Type           Status
  Ready          True \n\
Volumes:         <none>
QoS Class:       BestEffort
Node-Selectors:  <none>
Tolerations:     <none>
";
        assert_eq!(report.finish(), expected);
    }
}
