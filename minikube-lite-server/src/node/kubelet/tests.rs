//! The life of Pods, moment by moment. Time is a number here; nothing waits.

use super::pod::{Latencies, Node, PodState};
use super::status::Report;
use crate::node::network::PodIps;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared_types::fields::Fields;
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// A Pod on a node, and what has been written of it.
struct Life {
    pod: Value,
    node: Node,
    state: PodState,
    now: Timestamp,
    /// `phase ready/all reason` of each status that was written.
    written: Vec<String>,
    events: Vec<String>,
}

fn node() -> Node {
    Node {
        name: "node-1".into(),
        ip: Ipv4Addr::new(192, 168, 49, 2),
        ips: PodIps::new(0),
        images: HashSet::new(),
        latencies: Latencies::default(),
    }
}

impl Life {
    fn of(spec: Value) -> Life {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "default", "uid": "u-1", "generation": 1},
            "spec": spec,
            "status": {"phase": "Pending", "qosClass": "BestEffort"},
        });
        Life::resumed(pod, node(), Timestamp::from_second(1_000_000).unwrap())
    }
    fn resumed(pod: Value, mut node: Node, now: Timestamp) -> Life {
        let state = PodState::new(&pod, &mut node, now);
        let mut life = Life { pod, node, state, now, written: Vec::new(), events: Vec::new() };
        life.look();
        life
    }
    fn look(&mut self) {
        self.state.advance(&self.pod, &mut self.node, self.now);
        self.events.extend(self.state.take_occurrences().into_iter().map(|o| format!("{}: {}", o.reason, o.message)));
        if self.state.should_write(self.now) {
            self.state.dirty = false;
            Report::new(&self.state, &self.pod, self.node.ip, self.now).write(&mut self.pod);
            self.written.push(summary(&self.pod));
        }
    }
    /// Lets time pass, looking whenever something is due.
    fn pass(&mut self, seconds: f64) -> &mut Life {
        let end = self.now + SignedDuration::from_secs_f64(seconds);
        while let Some(at) = self.state.next_wake().filter(|at| *at <= end && !self.state.is_gone(self.now)) {
            self.now = at.max(self.now);
            self.look();
        }
        self.now = end;
        self
    }
    fn change(&mut self, path: &str, value: impl Into<Value>) -> &mut Life {
        self.pod.set(path, value);
        self.look();
        self
    }
    fn condition(&self, kind: &str) -> &Value {
        self.pod.list("status.conditions").iter().find(|c| c.text("type") == kind).unwrap()
    }
    fn container(&self) -> &Value {
        &self.pod.list("status.containerStatuses")[0]
    }
    fn has_event(&self, text: &str) -> bool {
        self.events.iter().any(|event| event.contains(text))
    }
}

fn summary(pod: &Value) -> String {
    let statuses = pod.list("status.containerStatuses");
    let ready = statuses.iter().filter(|s| s.flag("ready")).count();
    let reasons = statuses.iter().map(|s| match s.text("state.waiting.reason") {
        "" => s.text("state.terminated.reason"),
        reason => reason,
    });
    let reasons: Vec<&str> = reasons.filter(|r| !r.is_empty()).collect();
    format!("{} {ready}/{} {}", pod.text("status.phase"), statuses.len(), reasons.join(",")).trim_end().to_string()
}

fn web() -> Value {
    json!({"containers": [{"name": "web", "image": "nginx:1.28"}]})
}
fn busybox(command: &[&str]) -> Value {
    json!({"containers": [{"name": "c", "image": "busybox", "command": command}]})
}
fn with(mut spec: Value, path: &str, value: Value) -> Value {
    spec.set(path, value);
    spec
}
fn web_with(field: &str, value: Value) -> Value {
    json!({"containers": [{"name": "web", "image": "nginx:1.28", field: value}]})
}

#[test]
fn a_pod_that_starts_at_once_is_written_once() {
    let mut life = Life::of(web());
    assert!(life.written.is_empty());
    life.pass(10.0);
    assert_eq!(life.written, ["Running 1/1"]);
    assert_eq!(life.pod.text("status.podIP"), "10.244.0.2");
    assert_eq!(life.pod.text("status.hostIP"), "192.168.49.2");
    assert_eq!(life.pod.text("status.qosClass"), "BestEffort");
    let types: Vec<&str> = life.pod.list("status.conditions").iter().map(|c| c.text("type")).collect();
    assert_eq!(types, ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]);
    assert!(life.pod.list("status.conditions").iter().all(|c| c.text("status") == "True"));
    assert_eq!(life.container().int("restartCount"), Some(0));
    assert!(life.container().text("containerID").starts_with("sim://"));
    assert_eq!(life.state.next_wake(), None, "an idle Pod needs no timer");
    let reasons: Vec<&str> = life.events.iter().map(|e| e.split(':').next().unwrap()).collect();
    assert_eq!(reasons, ["Pulling", "Pulled", "Created", "Started"]);
}

#[test]
fn a_slow_pull_shows_the_container_being_created() {
    let mut slow = node();
    slow.latencies.pull = SignedDuration::from_secs(5);
    let pod = Life::of(web()).pod;
    let mut life = Life::resumed(pod, slow, Timestamp::from_second(1).unwrap());
    life.pass(10.0);
    assert_eq!(life.written, ["Pending 0/1 ContainerCreating", "Running 1/1"]);
    assert!(life.has_event("Successfully pulled image \"nginx:1.28\" in 5s"));
}

#[test]
fn unknown_and_invalid_images_are_reported() {
    let mut life = Life::of(json!({"containers": [{"name": "c", "image": "nosuch:1"}]}));
    life.pass(5.0);
    assert_eq!(life.written, ["Pending 0/1 ImagePullBackOff"]);
    assert!(life.has_event("Error: ErrImagePull") && life.has_event("BackOff: Back-off pulling image \"nosuch:1\""));
    let attempts = |life: &Life| life.events.iter().filter(|e| e.starts_with("Pulling")).count();
    assert_eq!(attempts(&life), 1);
    life.pass(60.0);
    assert_eq!(attempts(&life), 3, "after 10 s and 20 s more");
    life.change("spec.containers", json!([{"name": "c", "image": "nginx"}])).pass(300.0);
    assert_eq!(life.written.last().unwrap(), "Running 1/1");

    let mut life = Life::of(json!({"containers": [{"name": "c", "image": "Bad/Name"}]}));
    life.pass(5.0);
    assert_eq!(life.written, ["Pending 0/1 InvalidImageName"]);
}

#[test]
fn a_command_that_completes_ends_the_pod() {
    let mut life = Life::of(with(busybox(&["true"]), "restartPolicy", "Never".into()));
    life.pass(5.0);
    assert_eq!(life.written, ["Succeeded 0/1 Completed"]);
    assert_eq!(life.condition("Ready").text("reason"), "PodCompleted");
    assert_eq!(life.state.next_wake(), None);

    let mut life = Life::of(with(busybox(&["sh", "-c", "sleep 3; exit 3"]), "restartPolicy", "Never".into()));
    life.pass(5.0);
    assert_eq!(life.written, ["Running 1/1", "Failed 0/1 Error"]);
    assert_eq!(life.container().int("state.terminated.exitCode"), Some(3));
    assert_eq!(life.condition("Ready").text("reason"), "PodFailed");
}

#[test]
fn a_failing_container_is_restarted_with_growing_pauses() {
    let mut life = Life::of(with(busybox(&["false"]), "restartPolicy", "OnFailure".into()));
    life.pass(5.0);
    assert_eq!(life.written, ["Running 0/1 Error", "Running 0/1 CrashLoopBackOff"]);
    assert_eq!(life.container().int("restartCount"), Some(1));
    assert_eq!(
        life.container().text("state.waiting.message"),
        "back-off 10s restarting failed container=c pod=web_default(u-1)"
    );
    assert_eq!(life.container().int("lastState.terminated.exitCode"), Some(1));
    life.pass(10.0 + 20.0 + 40.0);
    assert_eq!(life.container().int("restartCount"), Some(4));
    assert!(life.container().text("state.waiting.message").starts_with("back-off 1m20s"));
    assert!(life.has_event("Back-off restarting failed container c in pod web_default(u-1)"));
}

#[test]
fn init_containers_run_in_order_and_sidecars_stay() {
    let mut life = Life::of(json!({
        "restartPolicy": "Never",
        "initContainers": [
            {"name": "first", "image": "busybox", "command": ["sleep", "2"]},
            {"name": "side", "image": "nginx", "restartPolicy": "Always"},
        ],
        "containers": [{"name": "main", "image": "busybox", "command": ["sleep", "3"]}],
    }));
    life.pass(1.0);
    assert_eq!(life.written, ["Pending 0/1 PodInitializing"]);
    assert_eq!(life.condition("Initialized").text("message"), "containers with incomplete status: [first side]");
    life.pass(2.0);
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
    assert_eq!(life.condition("Ready").text("status"), "True");
    life.pass(3.0);
    assert_eq!(life.written.last().unwrap(), "Succeeded 0/1 Completed");
    let init = life.pod.list("status.initContainerStatuses");
    assert!(init[0].flag("ready") && init[1].has("state.terminated"));

    let mut life = Life::of(json!({
        "restartPolicy": "Never",
        "initContainers": [{"name": "first", "image": "busybox", "command": ["false"]}],
        "containers": [{"name": "main", "image": "nginx"}],
    }));
    life.pass(5.0);
    assert_eq!(life.written, ["Failed 0/1 PodInitializing"]);
}

#[test]
fn readiness_follows_its_probe() {
    let script = "sleep 5; touch /tmp/ok; sleep 10; rm /tmp/ok; sleep 9999";
    let mut life = Life::of(json!({"containers": [{
        "name": "web", "image": "busybox", "command": ["sh", "-c", script],
        "readinessProbe": {"exec": {"command": ["cat", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 2},
    }]}));
    life.pass(3.0);
    assert_eq!(life.written, ["Running 0/1"]);
    assert_eq!(life.condition("Ready").text("message"), "containers with unready status: [web]");
    life.pass(5.0);
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
    life.pass(10.0);
    assert_eq!(life.written, ["Running 0/1", "Running 1/1", "Running 0/1"]);
    assert!(life.has_event("Unhealthy: Readiness probe failed: cat: can't open '/tmp/ok': No such file or directory"));
}

#[test]
fn probes_of_ports_find_them_or_not() {
    let probe = |port: Value| web_with("readinessProbe", json!({"httpGet": {"path": "/x", "port": port}}));
    let mut life = Life::of(probe(80.into()));
    life.pass(1.0);
    assert_eq!(life.written, ["Running 1/1"]);
    assert_eq!(life.state.next_wake(), None, "nothing new can come of it");
    let mut life = Life::of(probe(3000.into()));
    life.pass(1.0);
    assert_eq!(life.written, ["Running 0/1"]);
    let refused = "Get \"http://10.244.0.2:3000/x\": dial tcp 10.244.0.2:3000: connect: connection refused";
    assert!(life.has_event(&format!("Unhealthy: Readiness probe failed: {refused}")));
    let mut life = Life::of(probe("nowhere".into()));
    life.pass(1.0);
    assert_eq!(life.written, ["Running 0/1"]);
}

#[test]
fn a_failed_liveness_probe_restarts_the_container() {
    let probe = json!({"tcpSocket": {"port": 81}, "initialDelaySeconds": 2, "periodSeconds": 3, "failureThreshold": 2});
    let mut life = Life::of(web_with("livenessProbe", probe));
    life.pass(1.0);
    assert_eq!(life.written, ["Running 1/1"]);
    life.pass(5.0);
    assert_eq!(life.container().int("restartCount"), Some(1));
    assert!(life.container().has("state.running"));
    assert!(life.has_event("Killing: Container web failed liveness probe, will be restarted"));
    life.pass(5.0);
    assert_eq!(life.written.last().unwrap(), "Running 0/1 CrashLoopBackOff");
}

#[test]
fn nothing_is_probed_before_the_startup_probe_succeeds() {
    let script = "sleep 4; touch /tmp/up; sleep 9999";
    let mut life = Life::of(json!({"containers": [{
        "name": "web", "image": "busybox", "command": ["sh", "-c", script],
        "startupProbe": {"exec": {"command": ["test", "-f", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 9},
        "livenessProbe": {"exec": {"command": ["test", "-f", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 1},
    }]}));
    life.pass(3.0);
    assert!(!life.container().flag("started"));
    life.pass(3.0);
    assert_eq!(life.written, ["Running 0/1", "Running 1/1"]);
    assert!(life.container().flag("started"));
}

#[test]
fn readiness_gates_hold_the_pod_back() {
    let mut life = Life::of(with(web(), "readinessGates", json!([{"conditionType": "example.com/ok"}])));
    life.pass(1.0);
    assert_eq!(life.condition("ContainersReady").text("status"), "True");
    assert_eq!(life.condition("Ready").text("reason"), "ReadinessGatesNotReady");
    life.pod
        .at_mut("status.conditions")
        .as_array_mut()
        .unwrap()
        .push(json!({"type": "example.com/ok", "status": "True"}));
    life.state.dirty = true;
    life.look();
    assert_eq!(life.condition("Ready").text("status"), "True");
    assert_eq!(life.pod.list("status.conditions")[0].text("type"), "example.com/ok");
}

#[test]
fn deletion_stops_the_containers_first() {
    let mut life = Life::of(web());
    life.pass(1.0);
    life.change("metadata.deletionGracePeriodSeconds", 30).change("metadata.deletionTimestamp", "2026-01-01T00:00:00Z");
    assert!(life.has_event("Killing: Stopping container web"));
    assert!(!life.state.is_gone(life.now));
    life.pass(0.5);
    assert!(life.state.is_gone(life.now));
    assert_eq!(life.written, ["Running 1/1"], "the end itself is not written");

    let mut life = Life::of(web_with("lifecycle", json!({"preStop": {"sleep": {"seconds": 20}}})));
    life.pass(1.0);
    life.change("metadata.deletionGracePeriodSeconds", 5).change("metadata.deletionTimestamp", "2026-01-01T00:00:00Z");
    life.pass(4.0);
    assert!(!life.state.is_gone(life.now));
    life.pass(1.0);
    assert!(life.state.is_gone(life.now), "no longer than the grace period");
}

#[test]
fn a_new_image_restarts_the_container() {
    let mut life = Life::of(web());
    life.pass(1.0);
    life.change("spec.containers", json!([{"name": "web", "image": "nginx:1.29"}])).pass(1.0);
    assert!(life.has_event("Killing: Container web definition changed, will be restarted"));
    assert_eq!(life.container().int("restartCount"), Some(1));
    assert_eq!(life.container().text("image"), "nginx:1.29");
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
}

#[test]
fn the_deadline_ends_the_pod() {
    let mut life = Life::of(with(web(), "activeDeadlineSeconds", 5.into()));
    life.pass(10.0);
    assert_eq!(life.pod.text("status.phase"), "Failed");
    assert_eq!(life.pod.text("status.reason"), "DeadlineExceeded");
    assert_eq!(life.state.next_wake(), None);
}

#[test]
fn a_running_pod_is_taken_up_as_it_was() {
    let mut before = Life::of(web_with("readinessProbe", json!({"tcpSocket": {"port": 80}})));
    before.pass(1.0);
    let status = before.pod.at("status").clone();
    let mut life = Life::resumed(before.pod, node(), before.now + SignedDuration::from_secs(60));
    life.pass(60.0);
    assert!(life.written.is_empty() && life.events.is_empty());
    assert_eq!(life.pod.at("status"), &status);
    assert_ne!(life.node.ips.allocate(), Some(Ipv4Addr::new(10, 244, 0, 2)), "its address is taken");

    let mut before = Life::of(with(busybox(&["sleep", "30"]), "restartPolicy", "Never".into()));
    before.pass(1.0);
    let mut life = Life::resumed(before.pod, node(), before.now + SignedDuration::from_secs(60));
    life.pass(0.0);
    assert_eq!(life.written, ["Succeeded 0/1 Completed"]);
}
