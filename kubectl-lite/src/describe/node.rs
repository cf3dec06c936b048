//! Nodes.

use super::metadata::{date, labels_and_annotations};
use super::report::{Report, joined, or, scalar};
use super::{metadata, scheduling};
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::{CompactString, Object, Value};
use shared_types::pod_resources::{self, Amounts};
use shared_types::quantity::Quantity;
use std::collections::BTreeSet;

/// Resources that every Node has; others are extended resources.
const STANDARD: [&str; 5] = ["cpu", "memory", "ephemeral-storage", "storage", "pods"];

const SYSTEM_INFO: [(&str, &str); 9] = [
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
];

/// `lease` is the Node's heartbeat, or why it could not be had; `pods` are those on the Node that have not ended, `None`
/// where the caller may not see them.
pub fn describe(
    report: &mut Report,
    node: &Value,
    lease: Result<Value, String>,
    pods: Option<&[Value]>,
    now: Timestamp,
) {
    report.field(0, "Name", node.name());
    report.field(0, "Roles", or(&roles(node), "<none>"));
    labels_and_annotations(report, node);
    report.field(0, "CreationTimestamp", date(node.text("metadata.creationTimestamp")));
    scheduling::taints(report, node.list("spec.taints"));
    report.field(0, "Unschedulable", node.flag("spec.unschedulable"));
    match lease {
        Err(error) => report.field(0, "Lease", format_args!("Failed to get lease: {error}")),
        Ok(lease) => heartbeat(report, &lease),
    }
    conditions(report, node);
    report.heading(0, "Addresses");
    for address in node.list("status.addresses") {
        report.field(1, address.text("type"), address.text("address"));
    }
    for (title, path) in [("Capacity", "status.capacity"), ("Allocatable", "status.allocatable")] {
        let amounts = node.map(path);
        if !amounts.is_empty() {
            report.heading(0, title);
        }
        for (name, amount) in amounts {
            report.field(1, name, scalar(amount));
        }
    }
    report.heading(0, "System Info");
    for (title, path) in SYSTEM_INFO {
        report.field(1, title, node.at("status.nodeInfo").text(path));
    }
    report.field_if(0, "PodCIDR", node.text("spec.podCIDR"));
    report.field_if(0, "PodCIDRs", &joined(node.list("spec.podCIDRs"), ","));
    report.field_if(0, "ProviderID", node.text("spec.providerID"));
    match pods {
        None => report.field(0, "Pods", "not authorized"),
        Some(pods) => {
            let allocatable = node.map("status.allocatable");
            let allocatable = if allocatable.is_empty() { node.map("status.capacity") } else { allocatable };
            pod_table(report, pods, allocatable, now);
            totals(report, pods, allocatable);
        }
    }
}

/// From the labels `node-role.kubernetes.io/ROLE` and `kubernetes.io/role=ROLE`.
fn roles(node: &Value) -> String {
    let role = |(key, value): (&CompactString, &Value)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) => Some(role.to_string()),
        None if key == "kubernetes.io/role" => value.as_str().map(str::to_string),
        None => None,
    };
    let roles: BTreeSet<String> =
        node.map("metadata.labels").iter().filter_map(role).filter(|role| !role.is_empty()).collect();
    roles.into_iter().collect::<Vec<_>>().join(",")
}

fn heartbeat(report: &mut Report, lease: &Value) {
    let time = |path: &str| if lease.has(path) { date(lease.text(path)) } else { "<unset>".to_string() };
    report.heading(0, "Lease");
    let holder = if lease.has("spec.holderIdentity") { lease.text("spec.holderIdentity") } else { "<unset>" };
    report.field(1, "HolderIdentity", holder);
    report.field(1, "AcquireTime", time("spec.acquireTime"));
    report.field(1, "RenewTime", time("spec.renewTime"));
}

fn conditions(report: &mut Report, node: &Value) {
    let conditions = node.list("status.conditions");
    if !conditions.is_empty() {
        report.heading(0, "Conditions");
        report.header(1, &["Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"]);
    }
    for condition in conditions {
        let text = |path| condition.text(path);
        let (beat, changed) = (date(text("lastHeartbeatTime")), date(text("lastTransitionTime")));
        let cells = [text("type"), text("status"), &beat, &changed, text("reason"), text("message")];
        report.line(1, cells.join(" \t"));
    }
}

fn pod_table(report: &mut Report, pods: &[Value], allocatable: &Object, now: Timestamp) {
    report.field(0, "Non-terminated Pods", format_args!("({} in total)", pods.len()));
    let names = ["Namespace", "Name", "", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits", "Age"];
    report.header(1, &names);
    for pod in pods {
        let requests = pod_resources::requests(pod);
        let limits = pod_resources::limits(pod);
        report.row(
            1,
            &[
                pod.namespace(),
                pod.name(),
                "",
                &share(&requests, "cpu", allocatable),
                &share(&limits, "cpu", allocatable),
                &share(&requests, "memory", allocatable),
                &share(&limits, "memory", allocatable),
                &metadata::since(pod.text("metadata.creationTimestamp"), now),
            ],
        );
    }
}

fn totals(report: &mut Report, pods: &[Value], allocatable: &Object) {
    report.heading(0, "Allocated resources");
    report.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)");
    report.row(1, &["Resource", "Requests", "Limits"]);
    report.row(1, &["--------", "--------", "------"]);
    let mut requests = Amounts::new();
    let mut limits = Amounts::new();
    for pod in pods {
        pod_resources::add(&mut requests, &pod_resources::requests(pod));
        pod_resources::add(&mut limits, &pod_resources::limits(pod));
    }
    let (huge, others): (Vec<&str>, Vec<&str>) =
        allocatable.keys().map(CompactString::as_str).partition(|name| name.starts_with("hugepages-"));
    for name in ["cpu", "memory", "ephemeral-storage"].into_iter().chain(huge) {
        report.row(1, &[name, &share(&requests, name, allocatable), &share(&limits, name, allocatable)]);
    }
    for name in others.into_iter().filter(|name| !STANDARD.contains(name)) {
        report.row(1, &[name, &amount(&requests, name).to_string(), &amount(&limits, name).to_string()]);
    }
}

fn amount(amounts: &Amounts, name: &str) -> Quantity {
    amounts.get(name).copied().unwrap_or_default()
}

/// An amount, and its part of what the Node has, cut to whole percent: `100m (2%)`.
fn share(amounts: &Amounts, name: &str, allocatable: &Object) -> String {
    let have = amount(amounts, name);
    let all = allocatable.get(name).and_then(|all| Quantity::parse(&scalar(all)).ok()).unwrap_or_default();
    let percent = if all.is_zero() { 0 } else { (have.as_f64() / all.as_f64() * 100.0) as i64 };
    format!("{have} ({percent}%)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn a_node_counts_up_what_its_pods_ask_for() {
        let node = json!({"metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
            "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110", "example.com/gpu": "1"}}});
        let pods = [json!({"metadata": {"name": "p", "namespace": "d", "creationTimestamp": "2026-11-23T07:00:00Z"},
            "spec": {"containers": [{"resources": {"requests": {"cpu": "100m", "memory": "1Gi"}}}]}})];
        let mut report = Report::default();
        let lease = Err("leases.coordination.k8s.io \"n1\" not found".to_string());
        describe(&mut report, &node, lease, Some(&pods), "2026-11-23T07:01:00Z".parse().unwrap());
        let text = report.finish();
        let end = "\
Non-terminated Pods:          (1 in total)
  Namespace                   Name    CPU Requests  CPU Limits  Memory Requests  Memory Limits  Age
  ---------                   ----    ------------  ----------  ---------------  -------------  ---
  d                           p       100m (2%)     0 (0%)      1Gi (12%)        0 (0%)         60s
Allocated resources:
  (Total limits may be over 100 percent, i.e., overcommitted.)
  Resource           Requests   Limits
  --------           --------   ------
  cpu                100m (2%)  0 (0%)
  memory             1Gi (12%)  0 (0%)
  ephemeral-storage  0 (0%)     0 (0%)
  example.com/gpu    0          0
";
        assert!(text.contains("Roles:              control-plane\n"), "{text}");
        assert!(
            text.contains("Lease:              Failed to get lease: leases.coordination.k8s.io \"n1\" not found\n")
        );
        assert!(text.ends_with(end), "{text}");
    }
}
