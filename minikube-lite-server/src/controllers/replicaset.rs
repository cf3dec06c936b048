//! ReplicaSets: as many Pods as asked for.

mod ranking;
mod status;

use super::ownership::{Claim, Claimed, claim};
use super::runtime::{Change, Expectations, Full, Informers, Key, PodView, Queue, Recorder, owner_reference, work};
use super::{Context, Tasks, is_namespace_terminating};
use crate::client::{Client, DeleteOptions, Part};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds::{self, Kind};
use shared_types::selector::LabelSelector;
use shared_types::status::Status;
use std::sync::Arc;
use tokio::task::JoinSet;

/// At most this many Pods are made or deleted in one go.
const BURST: usize = 500;
/// By how much a batch of new Pods is larger than the one before. Every batch waits for the disk once, so few are better.
const GROWTH: usize = 8;
const WORKERS: usize = 8;

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    recorder: Recorder,
    queue: Arc<Queue<Key>>,
    expectations: Expectations,
}

fn pod_kind() -> &'static Kind {
    kinds::named("Pod")
}

/// Registers the controller and adds its workers.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let controller = Arc::new(Controller {
        client: context.client.clone(),
        informers: context.informers.clone(),
        recorder: Recorder::new(context.events.clone(), "replicaset-controller", ""),
        queue: Arc::default(),
        expectations: Expectations::default(),
    });
    let this = controller.clone();
    context.informers.replica_sets.on_change(move |change: &Change<'_, Full>| {
        if let Some(object) = change.object() {
            this.queue.add(object.meta.key());
        }
        if change.new.is_none()
            && let Some(gone) = change.old
        {
            this.expectations.forget(&gone.meta.key());
        }
    });
    let this = controller.clone();
    context.informers.pods.on_change(move |change: &Change<'_, PodView>| this.pod_changed(change));
    for _ in 0..WORKERS {
        let this = controller.clone();
        context.spawn(tasks, async move {
            work("replicaset", this.queue.clone(), |key| this.reconcile(key)).await;
        });
    }
}

impl Controller {
    fn pod_changed(&self, change: &Change<'_, PodView>) {
        let owner = |pod: &Arc<PodView>| {
            pod.meta.controller().filter(|owner| &*owner.kind == "ReplicaSet").map(|owner| owner.name.clone())
        };
        let (old, new) = (change.old.and_then(owner), change.new.and_then(owner));
        let Some(pod) = change.object() else { return };
        for name in old.iter().chain(new.iter().filter(|new| old.as_ref() != Some(new))) {
            self.queue.add(Key::new(pod.meta.namespace.clone(), name.clone()));
        }
        // An orphan may be adopted by whichever ReplicaSet selects it.
        let orphan = change.new.filter(|pod| pod.meta.controller().is_none() && !pod.meta.terminating);
        let Some(orphan) = orphan else { return };
        if change.old.is_some_and(|old| old.meta.labels == orphan.meta.labels && old.meta.controller().is_none()) {
            return;
        }
        for set in self.informers.replica_sets.in_namespace(&orphan.meta.namespace) {
            if selector(&set.object).is_some_and(|selector| selector.matches(&*orphan.meta.labels)) {
                self.queue.add(set.meta.key());
            }
        }
    }

    async fn reconcile(&self, key: Key) -> Result<(), Status> {
        let Some(set) = self.informers.replica_sets.get(&key) else {
            self.expectations.forget(&key);
            return Ok(());
        };
        let Some(selector) = selector(&set.object) else { return Ok(()) };
        let settled = self.expectations.met(&key, &self.informers.pods);
        let pods = self.claim_pods(&set, &selector).await?;
        let now = self.client.environment().now();
        let (active, others): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| pod.is_active());
        let mut failure = None;
        if settled && !set.meta.terminating {
            failure = self.manage(&set, &active).await.err();
        }
        let terminating = others.iter().filter(|pod| pod.meta.terminating && !pod.is_terminal()).count();
        let status = status::of(&set.object, &active, terminating, failure.as_ref(), now);
        if status != *set.object.at("status") {
            self.write_status(&set, status).await?;
        }
        let min_ready = set.object.int("spec.minReadySeconds").unwrap_or(0);
        let next = active.iter().filter_map(|pod| pod.available_at(min_ready)).filter(|at| *at > now).min();
        if let Some(next) = next.filter(|_| min_ready > 0) {
            let wait = std::time::Duration::try_from(next.duration_since(now)).unwrap_or_default();
            self.queue.add_after(key, wait);
        }
        failure.map_or(Ok(()), Err)
    }

    async fn write_status(&self, set: &Full, status: Value) -> Result<(), Status> {
        let mut object = set.object.clone();
        object.set("status", status);
        self.client.update(set.meta.kind, Part::Status, object).await.map(drop)
    }

    /// The Pods that belong to the set, after adopting and releasing.
    async fn claim_pods(&self, set: &Full, selector: &LabelSelector) -> Result<Vec<Arc<PodView>>, Status> {
        let mut pods = Vec::new();
        let owned = self.informers.pods.controlled_by(&set.meta.uid);
        for pod in owned.into_iter().chain(self.informers.pods.orphans(&set.meta.namespace)) {
            match claim(&set.meta, selector, &pod.meta, !pod.is_terminal()) {
                Claim::Ours => pods.push(pod),
                Claim::Not => {}
                to_do => {
                    let done = Claimed { client: &self.client, owner: &set.meta }.carry_out(to_do, &pod.meta).await?;
                    if let Some(revision) = done {
                        // Act on the Pods only when the informer shows the change.
                        self.expectations.written(&set.meta.key(), revision);
                    }
                    if to_do == Claim::Adopt && done.is_some() {
                        pods.push(pod);
                    }
                }
            }
        }
        Ok(pods)
    }

    /// Makes or deletes Pods until there are as many as asked for.
    async fn manage(&self, set: &Arc<Full>, active: &[Arc<PodView>]) -> Result<(), Status> {
        let wanted = usize::try_from(set.object.int("spec.replicas").unwrap_or(1)).unwrap_or(0);
        if active.len() < wanted {
            return self.create(set, (wanted - active.len()).min(BURST)).await;
        }
        let surplus = (active.len() - wanted).min(BURST);
        if surplus == 0 {
            return Ok(());
        }
        let siblings = self.siblings(set);
        let chosen = ranking::to_delete(active, &siblings, surplus, self.client.environment().now());
        self.delete(set, chosen).await
    }

    /// The active Pods of all ReplicaSets with the same owner, by which one tells which nodes are crowded.
    fn siblings(&self, set: &Full) -> Vec<Arc<PodView>> {
        let sets = match set.meta.controller() {
            Some(owner) => self.informers.replica_sets.controlled_by(&owner.uid),
            None => Vec::new(),
        };
        let uids: Vec<Arc<str>> = match sets.is_empty() {
            true => vec![set.meta.uid.clone()],
            false => sets.iter().map(|set| set.meta.uid.clone()).collect(),
        };
        let pods = uids.iter().flat_map(|uid| self.informers.pods.controlled_by(uid));
        pods.filter(|pod| pod.is_active()).collect()
    }

    /// Creates Pods in batches that grow as long as all goes well, so that a template that is refused costs one try.
    async fn create(&self, set: &Arc<Full>, count: usize) -> Result<(), Status> {
        let key = set.meta.key();
        let template = Arc::new(pod_of(set));
        let (mut left, mut batch) = (count, 1);
        while left > 0 {
            let size = batch.min(left);
            let mut creations = JoinSet::new();
            for _ in 0..size {
                let (client, template) = (self.client.clone(), template.clone());
                creations.spawn(async move { client.create(pod_kind(), Value::clone(&template)).await });
            }
            let mut failure = None;
            while let Some(created) = creations.join_next().await {
                match created.map_err(Status::internal)? {
                    Ok(pod) => {
                        self.expectations.written(&key, pod.entry.revision);
                        let message = format!("Created pod: {}", pod.entry.name());
                        self.recorder.normal(&set.meta, "SuccessfulCreate", message);
                    }
                    // Its namespace is going: there is nothing left to do.
                    Err(status) if is_namespace_terminating(&status) => {}
                    Err(status) => {
                        self.recorder.warning(&set.meta, "FailedCreate", format!("Error creating: {status}"));
                        failure = Some(status);
                    }
                }
            }
            if let Some(failure) = failure {
                return Err(failure);
            }
            left -= size;
            batch *= GROWTH;
        }
        Ok(())
    }

    async fn delete(&self, set: &Arc<Full>, pods: Vec<Arc<PodView>>) -> Result<(), Status> {
        let key = set.meta.key();
        let mut deletions = JoinSet::new();
        for pod in pods {
            let client = self.client.clone();
            self.expectations.deleted(&key, pod.meta.key(), pod.meta.uid.clone());
            deletions.spawn(async move {
                let mut options = DeleteOptions::default();
                options.preconditions.uid = Some(pod.meta.uid.to_string());
                let result = client.delete(pod_kind(), &pod.meta.namespace, &pod.meta.name, options).await;
                (pod, result)
            });
        }
        let mut failure = None;
        while let Some(deleted) = deletions.join_next().await {
            let (pod, result) = deleted.map_err(Status::internal)?;
            match result {
                Ok(()) => {
                    let message = format!("Deleted pod: {}", pod.meta.name);
                    self.recorder.normal(&set.meta, "SuccessfulDelete", message);
                }
                Err(status) if status.is_not_found() => {}
                Err(status) => {
                    self.recorder.warning(&set.meta, "FailedDelete", format!("Error deleting: {status}"));
                    failure = Some(status);
                }
            }
        }
        match failure {
            Some(failure) => {
                self.expectations.forget(&key);
                Err(failure)
            }
            None => Ok(()),
        }
    }
}

fn selector(set: &Value) -> Option<LabelSelector> {
    LabelSelector::from_object(set.at("spec.selector")).ok().flatten()
}

/// A Pod from the set's template.
fn pod_of(set: &Full) -> Value {
    let template = set.object.at("spec.template");
    let mut metadata = json!({
        "generateName": format!("{}-", set.meta.name),
        "namespace": &*set.meta.namespace,
        "ownerReferences": [owner_reference(&set.meta)],
    });
    for field in ["labels", "annotations", "finalizers"] {
        let value = template.at("metadata").at(field);
        if !value.is_null() {
            metadata.set(field, value.clone());
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.at("spec")})
}
