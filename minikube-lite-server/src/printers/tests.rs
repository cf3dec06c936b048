use super::*;
use shared_types::json::json;
use shared_types::kinds;

fn now() -> Timestamp {
    "2026-01-01T00:10:00Z".parse().unwrap()
}

/// The cells of an object as text, the way `kubectl get -o wide` shows them.
fn cells(kind: &str, mut object: Value) -> Vec<String> {
    object.set_default("metadata.name", "x");
    object.set_default("metadata.creationTimestamp", "2026-01-01T00:00:00Z");
    let kind = kinds::named(kind);
    let row = row(kind, &object, now());
    assert_eq!(row.cells.len(), columns(kind).len());
    row.cells.iter().map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_string)).collect()
}

#[test]
fn every_stored_kind_has_a_name_column() {
    for kind in kinds::KINDS.iter().filter(|kind| kind.is_stored()) {
        assert!(columns(kind).iter().any(|column| column.format == "name"), "{}", kind.kind);
        assert_eq!(row(kind, &json!({}), now()).cells.len(), columns(kind).len(), "{}", kind.kind);
    }
}

#[test]
fn pods_show_their_most_telling_state() {
    let status = |pod: Value| cells("Pod", pod)[1..4].join(" ");
    let spec = json!({"containers": [{"name": "c"}], "initContainers": [
        {"name": "i"}, {"name": "s", "restartPolicy": "Always"}]});
    assert_eq!(status(json!({"spec": spec, "status": {"phase": "Pending"}})), "0/2 Pending 0");
    let init =
        |statuses: Value| json!({"spec": spec, "status": {"phase": "Pending", "initContainerStatuses": statuses}});
    let waiting = json!({"name": "i", "state": {"waiting": {"reason": "PodInitializing"}}});
    assert_eq!(status(init(json!([waiting]))), "0/2 Init:0/2 0");
    let failed = json!({"name": "i", "restartCount": 2, "state": {"terminated": {"exitCode": 3}},
        "lastState": {"terminated": {"finishedAt": "2026-01-01T00:05:00Z"}}});
    assert_eq!(status(init(json!([failed]))), "0/2 Init:ExitCode:3 2 (5m ago)");
    let done = json!({"name": "i", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
    let sidecar = json!({"name": "s", "started": true, "ready": true, "state": {"running": {}}, "restartCount": 1});
    let mut pod = init(json!([done, sidecar]));
    pod.set("status.containerStatuses", json!([{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]));
    assert_eq!(status(pod.clone()), "1/2 CrashLoopBackOff 1");
    pod.set("status.containerStatuses", json!([{"name": "c", "ready": true, "state": {"running": {}}}]));
    pod.set("status.phase", "Running");
    assert_eq!(status(pod.clone()), "2/2 Running 1");
    pod.set("metadata.deletionTimestamp", "2026-01-01T00:09:00Z");
    assert_eq!(status(pod.clone()), "2/2 Terminating 1");
    pod.set("status.reason", "NodeLost");
    assert_eq!(status(pod), "2/2 Unknown 1");
}

#[test]
fn pods_that_are_done_mark_their_row() {
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Succeeded",
        "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}});
    let row = row(kinds::named("Pod"), &pod, now());
    assert_eq!(row.cells[1..5], [json!("0/1"), json!("Completed"), json!("0"), json!("<unknown>")]);
    assert_eq!(row.conditions[0].text("reason"), "Succeeded");
}

#[test]
fn services_show_where_they_are_reached() {
    let service =
        |spec: Value, status: Value| cells("Service", json!({"spec": spec, "status": status}))[1..5].join(" ");
    let ports = json!([{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]);
    let spec = json!({"type": "NodePort", "clusterIPs": ["10.96.0.9"], "ports": ports});
    assert_eq!(service(spec, json!({})), "NodePort 10.96.0.9 <none> 80:30080/TCP,53/UDP");
    let spec = json!({"type": "LoadBalancer", "clusterIPs": ["10.96.0.9"]});
    assert_eq!(service(spec.clone(), json!({})), "LoadBalancer 10.96.0.9 <pending> <none>");
    let status = json!({"loadBalancer": {"ingress": [{"hostname": "lb.example"}, {"ip": "1.2.3.4"}]}});
    assert_eq!(service(spec, status), "LoadBalancer 10.96.0.9 1.2.3.4,lb.example <none>");
    let spec = json!({"type": "ExternalName", "externalName": "example.com"});
    assert_eq!(service(spec, json!({})), "ExternalName <none> example.com <none>");
}

#[test]
fn long_lists_are_cut_after_three() {
    let slice = json!({"addressType": "IPv4", "ports": [{"port": 80}, {"name": "web"}, {}, {"port": 1}, {"port": 2}],
        "endpoints": [{"addresses": ["10.0.0.1"]}]});
    assert_eq!(cells("EndpointSlice", slice)[1..4], ["IPv4", "80,web,* + 2 more...", "10.0.0.1"]);
    assert_eq!(cells("EndpointSlice", json!({}))[2..4], ["<unset>", "<unset>"]);
    let endpoints =
        json!({"subsets": [{"addresses": [{"ip": "::1"}, {"ip": "10.0.0.2"}], "ports": [{"port": 1}, {"port": 2}]}]});
    assert_eq!(cells("Endpoints", endpoints)[1], "[::1]:1,10.0.0.2:1,[::1]:2 + 1 more...");
    assert_eq!(cells("Endpoints", json!({"subsets": []}))[1], "<none>");
}

#[test]
fn nodes_show_roles_and_cordons() {
    let node = json!({"metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "etcd"}},
        "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}],
        "addresses": [{"type": "InternalIP", "address": "192.168.49.2"}]}});
    assert_eq!(cells("Node", node)[1..3], ["NotReady,SchedulingDisabled", "etcd,worker"]);
    assert_eq!(cells("Node", json!({}))[1..8], ["Unknown", "<none>", "10m", "", "<none>", "<none>", "<unknown>"]);
}

#[test]
fn events_show_the_last_of_their_series() {
    let event = json!({"type": "Warning", "reason": "BackOff", "message": " back-off\n", "count": 3,
        "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{c}"},
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:09:30Z"});
    let shown = cells("Event", event)[..9].join("|");
    assert_eq!(shown, "30s|Warning|BackOff|pod/web|spec.containers{c}|kubelet, node-1|back-off|10m|3");
    let event = json!({"eventTime": "2026-01-01T00:00:00.000000Z", "regarding": {"kind": "Pod"}, "note": "hi",
        "series": {"count": 5, "lastObservedTime": "2026-01-01T00:09:59.000000Z"}, "reportingController": "x"});
    assert_eq!(cells("Event", event)[..9].join("|"), "1s|||pod||x|hi|10m|5");
}

#[test]
fn autoscalers_show_two_metrics() {
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}});
    let pods = json!({"type": "Pods", "pods": {"target": {"averageValue": "10"}}});
    let object = json!({"type": "Object", "object": {"target": {"averageValue": "5"}}});
    let spec = json!({"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3,
        "metrics": [cpu, pods, object]});
    let current = json!([{"type": "Resource", "resource": {"current": {"averageUtilization": 40}}}]);
    let shown = cells("HorizontalPodAutoscaler", json!({"spec": spec, "status": {"currentMetrics": current}}));
    assert_eq!(shown[1..6], ["Deployment/web", "cpu: 40%/80%, <unknown>/10 + 1 more...", "<unset>", "3", "0"]);
}

#[test]
fn quotas_split_requests_and_limits() {
    let status = json!({"hard": {"limits.cpu": "2", "pods": "10", "requests.cpu": "1"}, "used": {"pods": "3"}});
    let shown = cells("ResourceQuota", json!({"status": status}));
    assert_eq!(shown[1..3], ["pods: 3/10, requests.cpu: 0/1", "limits.cpu: 0/2"]);
}

#[test]
fn bindings_show_their_subjects() {
    let binding = json!({"roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "User", "name": "jane"},
        {"kind": "User", "name": "joe"}, {"kind": "ServiceAccount", "name": "bot", "namespace": "ci"}]});
    let shown = cells("ClusterRoleBinding", binding);
    assert_eq!(
        (shown[1].as_str(), &shown[3..]),
        ("ClusterRole/view", &["jane, joe".into(), "".into(), "ci/bot".into()][..])
    );
}
