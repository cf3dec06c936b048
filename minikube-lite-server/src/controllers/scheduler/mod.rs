//! The scheduler: gives every Pod a node.

mod affinity;
mod cluster;
mod filter;
mod report;

use super::runtime::{Change, Full, Informers, Key, PodView, Queue, Recorder, SCHEDULER, work};
use super::{Context, Tasks};
use crate::client::{Client, Part};
use cluster::Cluster;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds;
use shared_types::status::Status;
use shared_types::time::format_time;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Pods are placed one after the other, but many bindings may be on their way.
const WORKERS: usize = 64;
/// A Pod that found no node is tried again after this, even if nothing seems to have changed.
const RETRY: Duration = Duration::from_secs(300);

struct Scheduler {
    client: Client,
    informers: Arc<Informers>,
    recorder: Recorder,
    queue: Arc<Queue<Key>>,
    cluster: Mutex<Cluster>,
}

/// Registers the scheduler and adds its workers.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let scheduler = Arc::new(Scheduler {
        client: context.scheduler_client.clone(),
        informers: context.informers.clone(),
        recorder: Recorder::new(context.scheduler_events.clone(), SCHEDULER, "default-scheduler-minikube-lite"),
        queue: Arc::default(),
        cluster: Mutex::default(),
    });
    let this = scheduler.clone();
    context.informers.pods.on_change(move |change: &Change<'_, PodView>| this.pod_changed(change));
    let this = scheduler.clone();
    context.informers.nodes.on_change(move |change: &Change<'_, Full>| {
        let matters = |node: Option<&Arc<Full>>| {
            node.map(|node| {
                let object = &node.object;
                let status = object.at("status.allocatable").clone();
                (status, object.at("spec.taints").clone(), object.flag("spec.unschedulable"), node.meta.labels.clone())
            })
        };
        if matters(change.old) != matters(change.new) {
            this.retry_waiting(false);
        }
    });
    for _ in 0..WORKERS {
        let this = scheduler.clone();
        context.spawn(tasks, async move {
            work("scheduler", this.queue.clone(), |key| this.reconcile(key)).await;
        });
    }
}

impl Scheduler {
    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pod_changed(&self, change: &Change<'_, PodView>) {
        let placed = |pod: Option<&Arc<PodView>>| {
            pod.filter(|pod| !pod.node.is_empty() && !pod.is_terminal()).map(|pod| pod.meta.labels.clone())
        };
        self.cluster().pod_changed(change);
        if let Some(pod) = change.new.filter(|pod| pod.node.is_empty() && !pod.meta.terminating) {
            // A change of what the scheduler itself wrote is no reason to try again.
            if change.old.is_none_or(|old| old.meta.labels != pod.meta.labels || wants(old) != wants(pod)) {
                self.queue.add(pod.meta.key());
            }
        }
        if placed(change.old) != placed(change.new) {
            self.retry_waiting(true);
        }
    }

    /// Something changed that may make room for Pods that found no node.
    fn retry_waiting(&self, pods_changed: bool) {
        for key in self.cluster().waiting(pods_changed) {
            self.queue.add(key);
        }
    }

    async fn reconcile(&self, key: Key) -> Result<(), Status> {
        let Some(pod) = self.informers.pods.get(&key) else { return Ok(()) };
        let Some(object) = pod.scheduling.as_deref().filter(|_| pod.node.is_empty() && !pod.meta.terminating) else {
            return Ok(());
        };
        if object.text("spec.schedulerName") != SCHEDULER || !object.list("spec.schedulingGates").is_empty() {
            return Ok(());
        }
        let placed = {
            let nodes = self.informers.nodes.all();
            let mut cluster = self.cluster();
            if cluster.is_assumed(&pod.meta.uid) {
                return Ok(());
            }
            let placed = filter::place(&self.informers, &cluster, &nodes, &pod, object);
            match &placed {
                Ok(node) => cluster.assume(&pod, node.clone()),
                Err(report) => cluster.wait(key.clone(), report.depends_on_pods()),
            }
            placed
        };
        match placed {
            Ok(node) => {
                let bound = self.bind(&pod, &node).await;
                if bound.is_err() {
                    self.cluster().forget(&pod.meta.uid);
                }
                match bound {
                    Err(status) if status.is_not_found() => Ok(()),
                    bound => bound,
                }
            }
            Err(report) => {
                self.queue.add_after(key, RETRY);
                self.report(&pod, &report.to_string()).await
            }
        }
    }

    /// Gives the Pod its node, as the `binding` subresource does.
    async fn bind(&self, pod: &PodView, node: &str) -> Result<(), Status> {
        let now = format_time(self.client.environment().now());
        let mut bound = false;
        let change = |current: &mut Value| {
            bound = current.uid() == &*pod.meta.uid && current.text("spec.nodeName").is_empty();
            if bound {
                current.set("spec.nodeName", node);
                put_condition(current, json!({"type": "PodScheduled", "status": "True"}), &now);
            }
        };
        let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
        self.client.modify(kinds::named("Pod"), Part::Other("binding"), namespace, name, change).await?;
        if bound {
            let note = format!("Successfully assigned {namespace}/{name} to {node}");
            self.recorder.action(&pod.meta, "Normal", "Scheduled", "Binding", &note);
        }
        Ok(())
    }

    /// Tells why the Pod has no node.
    async fn report(&self, pod: &PodView, message: &str) -> Result<(), Status> {
        self.recorder.action(&pod.meta, "Warning", "FailedScheduling", "Scheduling", message);
        let now = format_time(self.client.environment().now());
        let change = |current: &mut Value| {
            if current.uid() == &*pod.meta.uid && current.text("spec.nodeName").is_empty() {
                let condition =
                    json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
                put_condition(current, condition, &now);
            }
        };
        let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
        match self.client.modify(kinds::named("Pod"), Part::Status, namespace, name, change).await {
            Err(status) if !status.is_not_found() => Err(status),
            _ => Ok(()),
        }
    }
}

/// What a Pod asks of the scheduler, as far as it can change.
fn wants(pod: &PodView) -> Option<(&Value, &Value, &Value)> {
    let object = pod.scheduling.as_deref()?;
    Some((object.at("spec.schedulingGates"), object.at("spec.tolerations"), object.at("spec.nodeSelector")))
}

/// Puts a condition into a Pod's status; the time only changes with the status of the condition.
fn put_condition(pod: &mut Value, mut condition: Value, now: &str) {
    let mut conditions = pod.list("status.conditions").to_vec();
    let place = conditions.iter().position(|other| other.text("type") == condition.text("type"));
    condition.set("lastProbeTime", Value::Null);
    condition.set("lastTransitionTime", now);
    if let Some(generation) = pod.int("metadata.generation") {
        condition.set("observedGeneration", generation);
    }
    match place {
        Some(place) => {
            let old = &conditions[place];
            if old.text("status") == condition.text("status") {
                condition.set("lastTransitionTime", old.at("lastTransitionTime").clone());
            }
            conditions[place] = condition;
        }
        None => conditions.push(condition),
    }
    pod.set("status.conditions", conditions);
}
