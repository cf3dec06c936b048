//! Nodes: the taint of those that are cordoned, and the end of Pods whose node is gone.

use super::runtime::{Change, Full, Informers, Key, PodView, Queue, work};
use super::{Context, Tasks};
use crate::client::{Client, DeleteOptions, Part};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds;
use shared_types::status::Status;
use shared_types::time::format_time;
use std::sync::Arc;
use std::time::Duration;

const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// How long a node must be gone before its Pods are taken for lost.
const QUARANTINE: Duration = Duration::from_secs(40);

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    nodes: Arc<Queue<Key>>,
    pods: Arc<Queue<Key>>,
}

/// Registers the controller and adds its workers.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let controller = Arc::new(Controller {
        client: context.client.clone(),
        informers: context.informers.clone(),
        nodes: Arc::default(),
        pods: Arc::default(),
    });
    let this = controller.clone();
    context.informers.nodes.on_change(move |change: &Change<'_, Full>| match (change.old, change.new) {
        (old, Some(new)) => {
            let spec = |node: &Arc<Full>| node.object.at("spec").clone();
            if old.is_none_or(|old| spec(old) != spec(new)) {
                this.nodes.add(new.meta.key());
            }
        }
        (Some(gone), None) => {
            for pod in this.informers.pods.all().iter().filter(|pod| pod.node == gone.meta.name) {
                this.pods.add_after(pod.meta.key(), QUARANTINE);
            }
        }
        (None, None) => {}
    });
    let this = controller.clone();
    context.informers.pods.on_change(move |change: &Change<'_, PodView>| {
        let Some(pod) =
            change.new.filter(|pod| !pod.node.is_empty() && change.old.is_none_or(|old| old.node.is_empty()))
        else {
            return;
        };
        if this.informers.nodes.get(&Key::new("", pod.node.clone())).is_none() {
            this.pods.add_after(pod.meta.key(), QUARANTINE);
        }
    });
    let this = controller.clone();
    context.spawn(tasks, async move { work("node", this.nodes.clone(), |key| this.taint(key)).await });
    let this = controller.clone();
    context.spawn(tasks, async move { work("podgc", this.pods.clone(), |key| this.collect(key)).await });
}

impl Controller {
    /// A cordoned node has a taint that says so.
    async fn taint(&self, key: Key) -> Result<(), Status> {
        let now = format_time(self.client.environment().now());
        let change = |node: &mut Value| {
            let cordoned = node.flag("spec.unschedulable");
            let mut taints = node.list("spec.taints").to_vec();
            let tainted = taints.iter().any(|taint| taint.text("key") == UNSCHEDULABLE);
            match (cordoned, tainted) {
                (true, false) => taints.push(json!({"key": UNSCHEDULABLE, "effect": "NoSchedule", "timeAdded": now})),
                (false, true) => taints.retain(|taint| taint.text("key") != UNSCHEDULABLE),
                _ => return,
            }
            if taints.is_empty() {
                node.remove("spec.taints");
            } else {
                node.set("spec.taints", taints);
            }
        };
        match self.client.modify(kinds::named("Node"), Part::Main, "", &key.name, change).await {
            Err(status) if !status.is_not_found() => Err(status),
            _ => Ok(()),
        }
    }

    /// Deletes a Pod whose node does not exist: nobody is left to end it.
    async fn collect(&self, key: Key) -> Result<(), Status> {
        let Some(pod) = self.informers.pods.get(&key).filter(|pod| !pod.node.is_empty()) else { return Ok(()) };
        match self.client.get(kinds::named("Node"), "", &pod.node).await {
            Ok(_) => return Ok(()),
            Err(status) if status.is_not_found() => {}
            Err(status) => return Err(status),
        }
        let now = format_time(self.client.environment().now());
        let change = |current: &mut Value| {
            if current.uid() != &*pod.meta.uid || ["Succeeded", "Failed"].contains(&current.text("status.phase")) {
                return;
            }
            current.set("status.phase", "Failed");
            let mut conditions = current.list("status.conditions").to_vec();
            conditions.retain(|condition| condition.text("type") != "DisruptionTarget");
            conditions.push(json!({
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists",
                "lastProbeTime": null,
                "lastTransitionTime": now,
            }));
            current.set("status.conditions", conditions);
        };
        let kind = kinds::named("Pod");
        let failed = self.client.modify(kind, Part::Status, &key.namespace, &key.name, change).await;
        let mut options = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
        options.preconditions.uid = Some(pod.meta.uid.to_string());
        let deleted = match failed {
            Ok(_) => self.client.delete(kind, &key.namespace, &key.name, options).await,
            Err(status) => Err(status),
        };
        match deleted {
            Err(status) if !status.is_not_found() && !status.is_conflict() => Err(status),
            _ => Ok(()),
        }
    }
}
