//! Controllers over a real registry, with a minimal node that runs whatever is scheduled.

use super::start;
use crate::client::{Change, Client, DeleteOptions, Part, Propagation};
use crate::environment::Environment;
use crate::registry::{Registry, Settings, attributes_of_bytes};
use crate::store::{Engine, Record, Store};
use bytes::Bytes;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds;
use shared_types::selector::LabelSelector;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Keeps nothing: these tests end with their process.
struct Forgetful;

impl Engine for Forgetful {
    fn load(&mut self, _each: &mut dyn FnMut(&str, &str, u64, Bytes)) -> Result<u64, String> {
        Ok(0)
    }
    fn write(&mut self, _records: &[Record]) -> Result<(), String> {
        Ok(())
    }
}

/// A cluster with one namespace and two nodes.
struct Cluster {
    registry: Arc<Registry>,
    client: Client,
}

impl Cluster {
    async fn new() -> Cluster {
        let store = Store::open(Forgetful, attributes_of_bytes).unwrap();
        let settings = Settings { service_cluster_ip_range: "10.96.0.0/12".into() };
        let registry = Arc::new(Registry::new(store, Environment::new(Some(7)), settings).unwrap());
        let client = Client::new(registry.clone(), "test");
        let cluster = Cluster { registry, client };
        cluster.create("Namespace", json!({"metadata": {"name": "ns"}})).await;
        for name in ["node-1", "node-2"] {
            cluster.create("Node", json!({"metadata": {"name": name}})).await;
            let ready = |node: &mut Value| {
                node.set("status.allocatable", json!({"cpu": "4", "memory": "8Gi", "pods": "1100"}));
            };
            cluster.client.modify(kinds::named("Node"), Part::Status, "", name, ready).await.unwrap();
        }
        cluster
    }

    async fn create(&self, kind: &str, object: Value) -> Value {
        self.client.create(kinds::named(kind), object).await.unwrap().object().unwrap()
    }

    /// Starts the controllers, and a node that makes every scheduled Pod ready and lets go those that are deleted.
    fn run(&self) -> CancellationToken {
        let stop = CancellationToken::new();
        let registry = self.registry.clone();
        start(&move |component| Client::new(registry.clone(), component), "authority", &stop);
        tokio::spawn(stop.clone().run_until_cancelled_owned(run_pods(self.client.clone())));
        stop
    }

    async fn list(&self, kind: &str) -> Vec<Value> {
        self.client.list(kinds::named(kind), "ns", &LabelSelector::default()).await.unwrap().items
    }

    /// Waits until the objects of a kind are as wanted, looking again at every change of one.
    async fn until(&self, kind: &str, wanted: impl Fn(&[Value]) -> bool) {
        let kind = kinds::named(kind);
        loop {
            let list = self.client.list(kind, "ns", &LabelSelector::default()).await.unwrap();
            if wanted(&list.items) {
                return;
            }
            self.client.watch(kind, list.revision).unwrap().next().await.unwrap();
        }
    }

    async fn scale(&self, replicas: usize) {
        let change = |deployment: &mut Value| deployment.set("spec.replicas", replicas);
        self.client.modify(kinds::named("Deployment"), Part::Main, "ns", "web", change).await.unwrap();
    }
}

async fn run_pods(client: Client) {
    let kind = kinds::named("Pod");
    let list = client.list(kind, "", &LabelSelector::default()).await.unwrap();
    let mut watch = client.watch(kind, list.revision).unwrap();
    let mut address = 0;
    let mut known = list.items.into_iter();
    loop {
        let pod = match known.next() {
            Some(pod) => pod,
            None => match watch.next().await.unwrap() {
                (Change::Deleted, ..) => continue,
                (_, pod, _) => pod,
            },
        };
        if pod.is_terminating() {
            let options = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
            let _ = client.delete(kind, pod.namespace(), pod.name(), options).await;
        } else if !pod.text("spec.nodeName").is_empty() && !pod.has("status.podIP") {
            address += 1;
            let ip = format!("10.244.{}.{}", address / 250, address % 250 + 1);
            let ready = |pod: &mut Value| {
                pod.set("status.phase", "Running");
                pod.set("status.podIP", ip.as_str());
                pod.set("status.podIPs", json!([{"ip": ip}]));
                let condition =
                    json!({"type": "Ready", "status": "True", "lastTransitionTime": "2024-01-01T00:00:00Z"});
                pod.set("status.conditions", json!([condition]));
            };
            let _ = client.modify(kind, Part::Status, pod.namespace(), pod.name(), ready).await;
        }
    }
}

fn deployment(replicas: usize) -> Value {
    json!({"metadata": {"name": "web", "namespace": "ns"}, "spec": {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}}})
}
fn service() -> Value {
    json!({"metadata": {"name": "web", "namespace": "ns"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
}
fn ready_endpoints(slices: &[Value]) -> usize {
    let endpoints = slices.iter().flat_map(|slice| slice.list("endpoints"));
    endpoints.filter(|endpoint| endpoint.flag("conditions.ready")).count()
}

#[tokio::test]
async fn a_deployment_reaches_its_endpoints_and_takes_all_along() {
    let cluster = Cluster::new().await;
    let stop = cluster.run();
    cluster.create("Service", service()).await;
    cluster.create("Deployment", deployment(3)).await;
    cluster.until("EndpointSlice", |slices| ready_endpoints(slices) == 3).await;
    cluster.until("Deployment", |found| found[0].int("status.availableReplicas") == Some(3)).await;
    let update = |web: &mut Value| {
        web.list_mut("spec.template.spec.containers")[0].set("image", "nginx:2");
    };
    cluster.client.modify(kinds::named("Deployment"), Part::Main, "ns", "web", update).await.unwrap();
    let updated = |pod: &Value| pod.list("spec.containers")[0].text("image") == "nginx:2";
    cluster.until("Pod", |pods| pods.len() == 3 && pods.iter().all(updated)).await;
    cluster.until("ReplicaSet", |sets| sets.len() == 2).await;
    let options = DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
    cluster.client.delete(kinds::named("Deployment"), "ns", "web", options).await.unwrap();
    cluster.until("Deployment", <[Value]>::is_empty).await;
    assert!(cluster.list("Pod").await.is_empty() && cluster.list("ReplicaSet").await.is_empty());
    cluster.until("EndpointSlice", |slices| ready_endpoints(slices) == 0).await;
    stop.cancel();
}

/// The controllers are killed at any moment and started again, while what is wanted changes: in the end there is just
/// that, and never had a ReplicaSet been made twice.
#[tokio::test]
async fn controllers_can_be_killed_at_any_moment() {
    let cluster = Cluster::new().await;
    cluster.create("Service", service()).await;
    cluster.create("Deployment", deployment(1)).await;
    let mut random = fastrand::Rng::with_seed(11);
    let kind = kinds::named("Pod");
    for _ in 0..30 {
        let stop = cluster.run();
        let wanted = random.usize(0..25);
        let before = cluster.client.list(kind, "ns", &LabelSelector::default()).await.unwrap();
        cluster.scale(wanted).await;
        let mut watch = cluster.client.watch(kind, before.revision).unwrap();
        if before.items.len() != wanted {
            // Somewhere in the middle of the work.
            for _ in 0..random.usize(1..6) {
                let _ = watch.next().await;
                if cluster.list("Pod").await.len() == wanted {
                    break;
                }
            }
        }
        stop.cancel();
    }
    cluster.scale(12).await;
    let stop = cluster.run();
    cluster.until("EndpointSlice", |slices| ready_endpoints(slices) == 12).await;
    cluster.until("Pod", |pods| pods.len() == 12).await;
    cluster.until("Deployment", |found| found[0].int("status.availableReplicas") == Some(12)).await;
    assert_eq!(cluster.list("ReplicaSet").await.len(), 1);
    stop.cancel();
}

#[tokio::test]
async fn a_pod_that_fits_nowhere_is_told_why_and_placed_when_it_fits() {
    let cluster = Cluster::new().await;
    let stop = cluster.run();
    cluster.until("ServiceAccount", |accounts| !accounts.is_empty()).await;
    let spec = json!({"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "c", "image": "nginx"}]});
    cluster.create("Pod", json!({"metadata": {"name": "picky", "namespace": "ns"}, "spec": spec})).await;
    let message = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, \
                   preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    let condition = |pods: &[Value]| pods[0].list("status.conditions").first().map(|c| c.text("message").to_string());
    cluster.until("Pod", |pods| condition(pods).as_deref() == Some(message)).await;
    let label = |node: &mut Value| drop(node.map_mut("metadata.labels").insert("disk", "ssd".into()));
    cluster.client.modify(kinds::named("Node"), Part::Main, "", "node-2", label).await.unwrap();
    cluster.until("Pod", |pods| pods[0].text("spec.nodeName") == "node-2").await;
    stop.cancel();
}

/// The clock runs ahead whenever nothing is to be done, so that the controller's 15 seconds are none.
#[tokio::test(start_paused = true)]
async fn an_autoscaler_keeps_its_target_within_bounds() {
    let cluster = Cluster::new().await;
    let stop = cluster.run();
    cluster.create("Deployment", deployment(1)).await;
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let spec = json!({"minReplicas": 2, "maxReplicas": 4, "scaleTargetRef": target});
    let kind = "HorizontalPodAutoscaler";
    cluster.create(kind, json!({"metadata": {"name": "web", "namespace": "ns"}, "spec": spec})).await;
    let replicas = |wanted: i64| move |found: &[Value]| found[0].int("spec.replicas") == Some(wanted);
    let says = |name: &'static str, reason: &'static str| {
        move |found: &[Value]| {
            let conditions = found[0].list("status.conditions");
            conditions.iter().any(|condition| condition.text("type") == name && condition.text("reason") == reason)
        }
    };
    cluster.until("Deployment", replicas(2)).await;
    cluster.until(kind, |found| found[0].int("status.desiredReplicas") == Some(2)).await;
    assert!(cluster.list(kind).await[0].has("status.lastScaleTime"));
    cluster.until(kind, says("ScalingActive", "FailedGetResourceMetric")).await;
    let status = cluster.list(kind).await[0].at("status").clone();
    assert_eq!((status.int("currentReplicas"), status.int("desiredReplicas")), (Some(2), Some(2)));
    assert_eq!(status.at("currentMetrics"), &json!([{"type": ""}]));
    assert_eq!(status.list("conditions")[0].text("reason"), "SucceededGetScale");

    cluster.scale(7).await;
    cluster.until("Deployment", replicas(4)).await;
    cluster.scale(0).await;
    cluster.until(kind, says("ScalingActive", "ScalingDisabled")).await;
    cluster.client.delete(kinds::named("Deployment"), "ns", "web", DeleteOptions::default()).await.unwrap();
    cluster.until(kind, says("AbleToScale", "FailedGetScale")).await;
    let status = cluster.list(kind).await[0].at("status").clone();
    let message =
        "the HPA controller was unable to get the target's current scale: deployments/scale.apps \"web\" not found";
    assert_eq!(status.list("conditions")[0].text("message"), message);
    let events = cluster.list("Event").await;
    let told = |reason: &str| {
        let event = events.iter().find(|event| event.text("reason") == reason);
        event.map_or("", |event| event.text("message"))
    };
    assert_eq!(told("SuccessfulRescale"), "New size: 2; reason: Current number of replicas below Spec.MinReplicas");
    assert_eq!(
        told("FailedComputeMetricsReplicas"),
        "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu \
         utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server \
         could not find the requested resource (get pods.metrics.k8s.io)"
    );
    stop.cancel();
}
