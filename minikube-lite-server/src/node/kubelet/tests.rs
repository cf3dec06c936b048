//! The life of Pods, moment by moment, with containers that run. The clock is paused: time passes when nothing else happens.

use super::news::{Message, News};
use super::node::{Context, Images, Latencies, Node};
use super::pod::PodState;
use super::status::Report;
use crate::client::Client;
use crate::controllers::runtime::Informer;
use crate::environment::Environment;
use crate::node::network::{Network, PodIps};
use crate::node::runtime::log::{LogOptions, LogSpace};
use crate::node::runtime::sandbox::Sandboxes;
use crate::registry::{Registry, Settings, Store, attributes_of_bytes};
use crate::store::MemoryEngine;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A Pod on a node, and what has been written of it.
struct Life {
    pod: Value,
    node: Node,
    messages: mpsc::UnboundedReceiver<Message>,
    state: PodState,
    /// `phase ready/all reason` of each status that was written.
    written: Vec<String>,
    events: Vec<String>,
}

/// A node of a cluster of its own, and what comes back to its kubelet.
fn node() -> (Node, mpsc::UnboundedReceiver<Message>) {
    let store = Store::open(MemoryEngine::default(), attributes_of_bytes).unwrap();
    let settings = Settings { service_cluster_ip_range: "10.96.0.0/12".into() };
    let environment = Environment::new(Some(1));
    let registry = Registry::new(store, environment.clone(), settings).unwrap();
    let (messages, received) = mpsc::unbounded_channel();
    let context = Context {
        client: Client::new(Arc::new(registry), "kubelet"),
        network: Network::new(environment),
        sandboxes: Sandboxes::default(),
        tokens: Arc::new(|wanted| Ok(format!("token of {}", wanted.service_account))),
        services: Arc::new(Informer::new(kinds::named("Service"))),
        images: Images::default(),
        logs: LogSpace::default(),
        messages,
    };
    let node = Node {
        name: "node-1".into(),
        ip: Ipv4Addr::new(192, 168, 49, 2),
        ips: PodIps::new(0),
        images: HashSet::new(),
        host_paths: Default::default(),
        latencies: Latencies::default(),
        context: Arc::new(context),
    };
    (node, received)
}

fn pod(spec: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": "u-1", "generation": 1},
        "spec": spec,
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    })
}

impl Life {
    fn of(spec: Value) -> Life {
        Life::resumed(pod(spec), node())
    }
    fn resumed(pod: Value, (mut node, messages): (Node, mpsc::UnboundedReceiver<Message>)) -> Life {
        let now = node_time(&node);
        let state = PodState::new(&pod, &mut node, now);
        let mut life = Life { pod, node, messages, state, written: Vec::new(), events: Vec::new() };
        life.look();
        life
    }
    fn now(&self) -> Timestamp {
        node_time(&self.node)
    }
    fn look(&mut self) {
        let now = self.now();
        self.state.advance(&Arc::new(self.pod.clone()), &mut self.node, now);
        self.write();
    }
    fn write(&mut self) {
        self.events.extend(self.state.take_occurrences().into_iter().map(|o| format!("{}: {}", o.reason, o.message)));
        if self.state.should_write(self.now()) {
            self.state.dirty = false;
            Report::new(&self.state, &self.pod, self.node.ip, self.now()).write(&mut self.pod);
            self.written.push(summary(&self.pod));
        }
    }
    fn hear(&mut self, news: News) {
        let now = self.now();
        self.state.receive(news, &Arc::new(self.pod.clone()), &mut self.node, now);
        self.look();
    }
    /// Lets time pass, looking whenever something is due or has happened.
    async fn pass(&mut self, seconds: f64) -> &mut Life {
        let end = self.now() + SignedDuration::from_secs_f64(seconds);
        loop {
            let now = self.now();
            let due = self.state.next_wake().filter(|at| *at <= end && !self.state.is_gone(now));
            let wait = Duration::try_from(due.unwrap_or(end).duration_since(now)).unwrap_or_default();
            tokio::select! {
                Some(message) = self.messages.recv() => match message {
                    Message::Pod { news, .. } => self.hear(news),
                    Message::Source { kind, name, .. } => {
                        let now = self.now();
                        self.state.source_changed(kind, &name, &self.node, now);
                        self.look();
                    }
                },
                () = tokio::time::sleep(wait) => match due {
                    Some(_) => self.look(),
                    None => return self,
                },
            }
        }
    }
    fn change(&mut self, path: &str, value: impl Into<Value>) -> &mut Life {
        self.pod.set(path, value);
        self.look();
        self
    }
    fn delete(&mut self, grace: i64) -> &mut Life {
        self.pod.set("metadata.deletionGracePeriodSeconds", grace);
        self.change("metadata.deletionTimestamp", "2026-01-01T00:00:00Z")
    }
    /// Has an object in the API, in a namespace that is new.
    async fn create(&mut self, object: Value) {
        let (client, kind) = (&self.node.context.client, kinds::named(object.text("kind")));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": object.namespace()}});
        client.create(kinds::named("Namespace"), namespace).await.unwrap();
        client.create(kind, object).await.unwrap();
    }
    fn is_gone(&self) -> bool {
        self.state.is_gone(self.now())
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
    /// The log of the latest run of a container.
    async fn log(&self, container: &str) -> String {
        let log = self.state.sandbox.as_ref().unwrap().log(container, |_| true).unwrap();
        let pieces: Vec<_> = log.read(LogOptions::default()).collect().await;
        String::from_utf8(pieces.concat()).unwrap()
    }
}

fn node_time(node: &Node) -> Timestamp {
    node.context.client.environment().now()
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

#[tokio::test(start_paused = true)]
async fn a_pod_that_starts_at_once_is_written_once() {
    let mut life = Life::of(web());
    assert!(life.written.is_empty());
    life.pass(10.0).await;
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

#[tokio::test(start_paused = true)]
async fn a_slow_pull_shows_the_container_being_created() {
    let (mut slow, messages) = node();
    slow.latencies.pull = SignedDuration::from_secs(5);
    let mut life = Life::resumed(pod(web()), (slow, messages));
    life.pass(10.0).await;
    assert_eq!(life.written, ["Pending 0/1 ContainerCreating", "Running 1/1"]);
    assert!(life.has_event("Successfully pulled image \"nginx:1.28\" in 5s"));
}

#[tokio::test(start_paused = true)]
async fn unknown_and_invalid_images_are_reported() {
    let mut life = Life::of(json!({"containers": [{"name": "c", "image": "nosuch:1"}]}));
    life.pass(5.0).await;
    assert_eq!(life.written, ["Pending 0/1 ImagePullBackOff"]);
    assert!(life.has_event("Error: ErrImagePull") && life.has_event("BackOff: Back-off pulling image \"nosuch:1\""));
    let attempts = |life: &Life| life.events.iter().filter(|e| e.starts_with("Pulling")).count();
    assert_eq!(attempts(&life), 1);
    life.pass(60.0).await;
    assert_eq!(attempts(&life), 3, "after 10 s and 20 s more");
    life.change("spec.containers", json!([{"name": "c", "image": "nginx"}])).pass(300.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1");

    let mut life = Life::of(json!({"containers": [{"name": "c", "image": "Bad/Name"}]}));
    life.pass(5.0).await;
    assert_eq!(life.written, ["Pending 0/1 InvalidImageName"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_completes_ends_the_pod() {
    let mut life = Life::of(with(busybox(&["true"]), "restartPolicy", "Never".into()));
    life.pass(5.0).await;
    assert_eq!(life.written.last().unwrap(), "Succeeded 0/1 Completed");
    assert_eq!(life.condition("Ready").text("reason"), "PodCompleted");
    assert_eq!(life.state.next_wake(), None);

    let mut life = Life::of(with(busybox(&["sh", "-c", "sleep 3; exit 3"]), "restartPolicy", "Never".into()));
    life.pass(5.0).await;
    assert_eq!(life.written, ["Running 1/1", "Failed 0/1 Error"]);
    assert_eq!(life.container().int("state.terminated.exitCode"), Some(3));
    assert_eq!(life.condition("Ready").text("reason"), "PodFailed");
}

#[tokio::test(start_paused = true)]
async fn a_failing_container_is_restarted_with_growing_pauses() {
    let mut life = Life::of(with(busybox(&["false"]), "restartPolicy", "OnFailure".into()));
    life.pass(5.0).await;
    let ends = life.written.iter().filter(|status| !status.starts_with("Running 1/1")).collect::<Vec<_>>();
    assert_eq!(ends, ["Running 0/1 Error", "Running 0/1 CrashLoopBackOff"]);
    assert_eq!(life.container().int("restartCount"), Some(1));
    assert_eq!(
        life.container().text("state.waiting.message"),
        "back-off 10s restarting failed container=c pod=web_default(u-1)"
    );
    assert_eq!(life.container().int("lastState.terminated.exitCode"), Some(1));
    life.pass(10.0 + 20.0 + 40.0).await;
    assert_eq!(life.container().int("restartCount"), Some(4));
    assert!(life.container().text("state.waiting.message").starts_with("back-off 1m20s"));
    assert!(life.has_event("Back-off restarting failed container c in pod web_default(u-1)"));
}

#[tokio::test(start_paused = true)]
async fn init_containers_run_in_order_and_sidecars_stay() {
    let mut life = Life::of(json!({
        "restartPolicy": "Never",
        "initContainers": [
            {"name": "first", "image": "busybox", "command": ["sleep", "2"]},
            {"name": "side", "image": "nginx", "restartPolicy": "Always"},
        ],
        "containers": [{"name": "main", "image": "busybox", "command": ["sleep", "3"]}],
    }));
    life.pass(1.0).await;
    assert_eq!(life.written, ["Pending 0/1 PodInitializing"]);
    assert_eq!(life.condition("Initialized").text("message"), "containers with incomplete status: [first side]");
    life.pass(2.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
    assert_eq!(life.condition("Ready").text("status"), "True");
    life.pass(3.0).await;
    assert_eq!(life.written.last().unwrap(), "Succeeded 0/1 Completed");
    let init = life.pod.list("status.initContainerStatuses");
    assert!(init[0].flag("ready") && init[1].has("state.terminated"));

    let mut life = Life::of(json!({
        "restartPolicy": "Never",
        "initContainers": [{"name": "first", "image": "busybox", "command": ["false"]}],
        "containers": [{"name": "main", "image": "nginx"}],
    }));
    life.pass(5.0).await;
    assert_eq!(life.written.last().unwrap(), "Failed 0/1 PodInitializing");
}

#[tokio::test(start_paused = true)]
async fn readiness_follows_its_probe() {
    let script = "sleep 5; touch /tmp/ok; sleep 10; rm /tmp/ok; sleep 9999";
    let mut life = Life::of(json!({"containers": [{
        "name": "web", "image": "busybox", "command": ["sh", "-c", script],
        "readinessProbe": {"exec": {"command": ["cat", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 2},
    }]}));
    life.pass(3.0).await;
    assert_eq!(life.written, ["Running 0/1"]);
    assert_eq!(life.condition("Ready").text("message"), "containers with unready status: [web]");
    life.pass(5.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
    life.pass(10.0).await;
    assert_eq!(life.written, ["Running 0/1", "Running 1/1", "Running 0/1"]);
    assert!(life.has_event("Unhealthy: Readiness probe failed: cat: can't open '/tmp/ok': No such file or directory"));
}

#[tokio::test(start_paused = true)]
async fn probes_of_ports_find_them_or_not() {
    let probe = |port: Value| web_with("readinessProbe", json!({"httpGet": {"path": "/", "port": port}}));
    let mut life = Life::of(probe(80.into()));
    life.pass(1.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
    assert!(life.log("web").await.contains("\"GET / HTTP/1.1\" 200"), "{}", life.log("web").await);
    let mut life = Life::of(probe(3000.into()));
    life.pass(1.0).await;
    assert_eq!(life.written, ["Running 0/1"]);
    let refused = "Get \"http://10.244.0.2:3000/\": dial tcp 10.244.0.2:3000: connect: connection refused";
    assert!(life.has_event(&format!("Unhealthy: Readiness probe failed: {refused}")), "{:?}", life.events);
    let mut life = Life::of(probe("nowhere".into()));
    life.pass(1.0).await;
    assert_eq!(life.written, ["Running 0/1"]);

    let missing = json!({"httpGet": {"path": "/no/such/page", "port": 80}});
    let mut life = Life::of(web_with("readinessProbe", missing));
    life.pass(1.0).await;
    assert!(life.has_event("Readiness probe failed: HTTP probe failed with statuscode: 404"), "{:?}", life.events);
    let mut life = Life::of(web_with("readinessProbe", json!({"tcpSocket": {"port": 80}})));
    life.pass(1.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
    let mut life = Life::of(web_with("readinessProbe", json!({"grpc": {"port": 81}})));
    life.pass(3.0).await;
    let late = "timeout: failed to connect service \"10.244.0.2:81\" within 1s: context deadline exceeded";
    assert!(life.has_event(late), "{:?}", life.events);
}

#[tokio::test(start_paused = true)]
async fn probes_speak_tls_to_servers_with_any_certificate() {
    let made = rcgen::generate_simple_self_signed(["web".to_string()]).unwrap();
    let config = "server { listen 443 ssl; ssl_certificate /c; ssl_certificate_key /k; location /bad { return 500; } \
                  location / { return 204; } }";
    let script = "printf %s \"$CONFIG\" > /etc/nginx/conf.d/default.conf; printf %s \"$CERT\" > /c; printf %s \"$KEY\" > /k; \
                  exec nginx -g 'daemon off;'";
    let probe = |path: &str, port: u16| {
        let probe = json!({"httpGet": {"path": path, "port": port, "scheme": "HTTPS"}});
        json!({"containers": [{
            "name": "web", "image": "nginx", "command": ["sh", "-c", script], "readinessProbe": probe,
            "env": [
                {"name": "CONFIG", "value": format!("{config} server {{ listen 80; }}")},
                {"name": "CERT", "value": made.cert.pem()},
                {"name": "KEY", "value": made.signing_key.serialize_pem()},
            ],
        }]})
    };
    let mut life = Life::of(probe("/", 443));
    life.pass(2.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1", "{:?} {}", life.events, life.log("web").await);
    let mut life = Life::of(probe("/bad", 443));
    life.pass(2.0).await;
    assert!(life.has_event("Readiness probe failed: HTTP probe failed with statuscode: 500"), "{:?}", life.events);
    let mut life = Life::of(probe("/", 80));
    life.pass(2.0).await;
    let told =
        "Readiness probe failed: Get \"https://10.244.0.2:80/\": http: server gave HTTP response to HTTPS client";
    assert!(life.has_event(told), "{:?}", life.events);
}

#[tokio::test(start_paused = true)]
async fn probes_ask_grpc_servers_how_they_are() {
    let mut life = Life::of(json!({"containers": [{
        "name": "web", "image": "registry.k8s.io/e2e-test-images/agnhost:2.53", "args": ["grpc-health-checking"],
        "readinessProbe": {"grpc": {"port": 5000}, "periodSeconds": 1, "failureThreshold": 1},
        "lifecycle": {"postStart": {"exec": {"command": ["sh", "-c",
            "(sleep 5; curl -s localhost:8080/make-not-serving; sleep 5; curl -s localhost:8080/make-serving) > /dev/null 2>&1 &"]}}},
    }]}));
    life.pass(4.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1", "{:?}", life.events);
    life.pass(4.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 0/1");
    assert!(life.has_event("Readiness probe failed: service unhealthy (responded with \"NOT_SERVING\")"));
    life.pass(5.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
}

#[tokio::test(start_paused = true)]
async fn a_failed_liveness_probe_restarts_the_container() {
    let probe = json!({"tcpSocket": {"port": 81}, "initialDelaySeconds": 2, "periodSeconds": 3, "failureThreshold": 2});
    let mut life = Life::of(web_with("livenessProbe", probe));
    life.pass(1.0).await;
    assert_eq!(life.written, ["Running 1/1"]);
    life.pass(5.0).await;
    assert_eq!(life.container().int("restartCount"), Some(1));
    assert!(life.container().has("state.running"));
    assert!(life.has_event("Killing: Container web failed liveness probe, will be restarted"));
    life.pass(5.5).await;
    assert_eq!(life.written.last().unwrap(), "Running 0/1 CrashLoopBackOff");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_probed_before_the_startup_probe_succeeds() {
    let script = "sleep 4; touch /tmp/up; sleep 9999";
    let mut life = Life::of(json!({"containers": [{
        "name": "web", "image": "busybox", "command": ["sh", "-c", script],
        "startupProbe": {"exec": {"command": ["test", "-f", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 9},
        "livenessProbe": {"exec": {"command": ["test", "-f", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 1},
    }]}));
    life.pass(3.0).await;
    assert!(!life.container().flag("started"));
    life.pass(3.0).await;
    assert_eq!(life.written, ["Running 0/1", "Running 1/1"]);
    assert!(life.container().flag("started"));
}

#[tokio::test(start_paused = true)]
async fn readiness_gates_hold_the_pod_back() {
    let mut life = Life::of(with(web(), "readinessGates", json!([{"conditionType": "example.com/ok"}])));
    life.pass(1.0).await;
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

#[tokio::test(start_paused = true)]
async fn deletion_stops_the_containers_first() {
    let mut life = Life::of(web());
    life.pass(1.0).await;
    life.delete(30);
    assert!(life.has_event("Killing: Stopping container web"));
    assert!(!life.is_gone());
    life.pass(0.5).await;
    assert!(life.is_gone());
    assert_eq!(life.written[0], "Running 1/1");

    // Its shell, the first process, does not handle SIGTERM.
    let mut life = Life::of(busybox(&["sleep", "1000"]));
    life.pass(1.0).await;
    life.delete(30).pass(29.0).await;
    assert!(!life.is_gone());
    life.pass(1.1).await;
    assert!(life.is_gone());

    let mut life = Life::of(web_with("lifecycle", json!({"preStop": {"sleep": {"seconds": 20}}})));
    life.pass(1.0).await;
    life.delete(5).pass(4.0).await;
    assert!(!life.is_gone());
    life.pass(1.1).await;
    assert!(life.is_gone(), "no longer than the grace period");
    assert!(life.has_event("FailedPreStopHook: PreStopHook failed"));
}

#[tokio::test(start_paused = true)]
async fn a_new_image_restarts_the_container() {
    let mut life = Life::of(web());
    life.pass(1.0).await;
    life.change("spec.containers", json!([{"name": "web", "image": "nginx:1.29"}])).pass(1.0).await;
    assert!(life.has_event("Killing: Container web definition changed, will be restarted"));
    assert_eq!(life.container().int("restartCount"), Some(1));
    assert_eq!(life.container().text("image"), "nginx:1.29");
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_pod() {
    let mut life = Life::of(with(web(), "activeDeadlineSeconds", 5.into()));
    life.pass(10.0).await;
    assert_eq!(life.pod.text("status.phase"), "Failed");
    assert_eq!(life.pod.text("status.reason"), "DeadlineExceeded");
    assert!(life.container().has("state.terminated"));
    assert_eq!(life.state.next_wake(), None);
}

#[tokio::test(start_paused = true)]
async fn a_running_pod_is_taken_up_as_it_was() {
    let mut before = Life::of(web_with("readinessProbe", json!({"tcpSocket": {"port": 80}})));
    before.pass(1.0).await;
    let status = before.pod.at("status").clone();
    let mut life = Life::resumed(before.pod, node());
    life.pass(60.0).await;
    assert!(life.written.is_empty() && life.events.is_empty(), "{:?} {:?}", life.written, life.events);
    assert_eq!(life.pod.at("status"), &status);
    assert_ne!(life.node.ips.allocate(), Some(Ipv4Addr::new(10, 244, 0, 2)), "its address is taken");
    let address = std::net::SocketAddrV4::new(Ipv4Addr::new(10, 244, 0, 2), 80);
    assert!(life.node.context.network.connect(life.node.ip, address).await.is_ok(), "its program runs");
}

#[tokio::test(start_paused = true)]
async fn what_a_container_is_given_it_can_see() {
    let mut life = Life::of(json!({
        "hostname": "shop",
        "serviceAccountName": "seller",
        "containers": [{
            "name": "c", "image": "busybox",
            "command": ["sh", "-c", "echo $GREETING $(WHO); cat /config/a /info/name /token/token; hostname; sleep 1000"],
            "env": [
                {"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "greeting"}}},
                {"name": "WHO", "value": "world"},
            ],
            "volumeMounts": [
                {"name": "config", "mountPath": "/config"}, {"name": "info", "mountPath": "/info"},
                {"name": "token", "mountPath": "/token"},
            ],
        }],
        "volumes": [
            {"name": "config", "configMap": {"name": "settings"}},
            {"name": "info", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ],
    }));
    life.pass(10.0).await;
    assert_eq!(life.written, ["Pending 0/1 ContainerCreating"]);
    let missing = "FailedMount: MountVolume.SetUp failed for volume \"config\" : configmap \"settings\" not found";
    assert!(life.has_event(missing), "{:?}", life.events);
    assert!(!life.has_event("Pulling"));
    let settings = json!({
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "settings", "namespace": "default"},
        "data": {"greeting": "hello", "a": "1\n"},
    });
    life.create(settings).await;
    life.pass(100.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
    assert_eq!(life.log("c").await, "hello world\n1\nwebtoken of sellershop\n");
}

#[tokio::test(start_paused = true)]
async fn a_missing_variable_holds_the_container_back() {
    let from = json!({"secretKeyRef": {"name": "password", "key": "pw"}});
    let spec = json!({"containers": [{
        "name": "c", "image": "busybox", "command": ["sleep", "1000"], "env": [{"name": "PW", "valueFrom": from}],
    }]});
    let mut life = Life::of(spec);
    life.pass(3.0).await;
    assert_eq!(life.written.last().unwrap(), "Pending 0/1 CreateContainerConfigError");
    assert_eq!(life.container().text("state.waiting.message"), "secret \"password\" not found");
    assert!(life.has_event("Failed: Error: secret \"password\" not found"));
    let secret = json!({
        "kind": "Secret", "apiVersion": "v1", "metadata": {"name": "password", "namespace": "default"},
        "data": {"pw": "c2VjcmV0"},
    });
    life.create(secret).await;
    life.pass(20.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_not_there_is_a_start_error() {
    let mut life = Life::of(with(busybox(&["no-such-program"]), "restartPolicy", "Never".into()));
    life.pass(3.0).await;
    assert_eq!(life.written.last().unwrap(), "Failed 0/1 StartError");
    assert_eq!(life.container().int("state.terminated.exitCode"), Some(128));
    let why = "exec: \"no-such-program\": executable file not found in $PATH";
    assert!(life.container().text("state.terminated.message").contains(why));

    let mut life = Life::of(busybox(&["no-such-program"]));
    life.pass(0.5).await;
    assert_eq!(life.written.last().unwrap(), "Running 0/1 RunContainerError");
    life.pass(5.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 0/1 CrashLoopBackOff");
}

#[tokio::test(start_paused = true)]
async fn hooks_run_after_the_start_and_before_the_end() {
    let lifecycle = json!({
        "postStart": {"exec": {"command": ["sh", "-c", "sleep 3; echo started > /proc/1/fd/1"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping > /proc/1/fd/1"]}},
    });
    let mut life = Life::of(web_with("lifecycle", lifecycle));
    life.pass(2.0).await;
    assert_eq!(life.written, ["Pending 0/1 ContainerCreating"]);
    life.pass(3.0).await;
    assert_eq!(life.written.last().unwrap(), "Running 1/1");
    assert!(life.log("web").await.contains("started\n"));
    life.delete(30).pass(1.0).await;
    assert!(life.is_gone());
    assert!(life.log("web").await.contains("stopping\n"));

    let mut life = Life::of(web_with("lifecycle", json!({"postStart": {"exec": {"command": ["false"]}}})));
    life.pass(3.0).await;
    assert!(life.has_event("FailedPostStartHook: PostStartHook failed"));
    assert!(life.has_event("Killing: FailedPostStartHook"));
    assert!(life.container().int("restartCount") >= Some(1));
}

#[tokio::test(start_paused = true)]
async fn last_words_are_in_the_status() {
    let script = "echo out of luck > /dev/termination-log; exit 2";
    let mut life = Life::of(with(busybox(&["sh", "-c", script]), "restartPolicy", "Never".into()));
    life.pass(3.0).await;
    assert_eq!(life.container().text("state.terminated.message"), "out of luck\n");
    let mut spec = with(busybox(&["sh", "-c", "echo from the log; false"]), "restartPolicy", "Never".into());
    spec["containers"][0]["terminationMessagePolicy"] = "FallbackToLogsOnError".into();
    let mut life = Life::of(spec);
    life.pass(3.0).await;
    assert_eq!(life.container().text("state.terminated.message"), "from the log\n");
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_container_joins_a_pod_that_runs() {
    let mut life = Life::of(web());
    life.pass(1.0).await;
    life.pod.set("metadata.generation", 2);
    let debug = json!([{"name": "debug", "image": "busybox", "command": ["sh", "-c", "sleep 5; exit 1"]}]);
    life.change("spec.ephemeralContainers", debug).pass(2.0).await;
    let status = |life: &Life| life.pod.list("status.ephemeralContainerStatuses")[0].clone();
    assert!(status(&life).has("state.running"));
    life.pass(10.0).await;
    assert_eq!(status(&life).int("state.terminated.exitCode"), Some(1));
    assert_eq!(life.written.last().unwrap(), "Running 1/1", "nothing else has changed");
}
