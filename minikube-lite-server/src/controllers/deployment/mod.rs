//! Deployments: ReplicaSets for the present and earlier Pod templates, scaled so that the change from one to the other is
//! smooth.
//!
//! [`rolling`] holds the arithmetic, [`revision`] the annotations that make the history, [`status`] the conditions.

mod dump;
mod hash;
mod revision;
mod rolling;
mod status;
mod sync;

use super::ownership::{Claim, Claimed, claim};
use super::runtime::{Change, Full, Informers, Key, PodView, Queue, Recorder, work};
use super::{Context, Tasks};
use crate::client::Client;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::{self, Kind};
use shared_types::selector::LabelSelector;
use shared_types::status::Status;
use std::sync::Arc;

const WORKERS: usize = 8;

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    recorder: Recorder,
    queue: Arc<Queue<Key>>,
}

fn deployment_kind() -> &'static Kind {
    kinds::named("Deployment")
}
fn replica_set_kind() -> &'static Kind {
    kinds::named("ReplicaSet")
}

/// Registers the controller and adds its workers.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let controller = Arc::new(Controller {
        client: context.client.clone(),
        informers: context.informers.clone(),
        recorder: Recorder::new(context.events.clone(), "deployment-controller", ""),
        queue: Arc::default(),
    });
    let this = controller.clone();
    context.informers.deployments.on_change(move |change: &Change<'_, Full>| {
        if let Some(object) = change.object() {
            this.queue.add(object.meta.key());
        }
    });
    let this = controller.clone();
    context.informers.replica_sets.on_change(move |change: &Change<'_, Full>| this.replica_set_changed(change));
    let this = controller.clone();
    context.informers.pods.on_change(move |change: &Change<'_, PodView>| {
        // Recreate waits until the old Pods are gone.
        if change.new.is_none()
            && let Some(pod) = change.old
        {
            this.pod_gone(pod);
        }
    });
    for _ in 0..WORKERS {
        let this = controller.clone();
        context.spawn(tasks, async move {
            work("deployment", this.queue.clone(), |key| this.reconcile(key)).await;
        });
    }
}

fn owning_deployment(set: &Full) -> Option<Key> {
    let owner = set.meta.controller().filter(|owner| &*owner.kind == "Deployment")?;
    Some(Key::new(set.meta.namespace.clone(), owner.name.clone()))
}

impl Controller {
    fn replica_set_changed(&self, change: &Change<'_, Full>) {
        let owners = [change.old, change.new].map(|set| set.and_then(|set| owning_deployment(set)));
        let [old, new] = owners;
        if old != new
            && let Some(old) = old
        {
            self.queue.add(old);
        }
        match (new, change.new) {
            (Some(new), _) => self.queue.add(new),
            (None, Some(orphan)) => {
                for deployment in self.informers.deployments.in_namespace(&orphan.meta.namespace) {
                    if selector(&deployment.object).is_some_and(|selector| selector.matches(&*orphan.meta.labels)) {
                        self.queue.add(deployment.meta.key());
                    }
                }
            }
            _ => {}
        }
    }

    fn pod_gone(&self, pod: &PodView) {
        let owner = pod.meta.controller().filter(|owner| &*owner.kind == "ReplicaSet");
        let set = owner.and_then(|owner| {
            self.informers.replica_sets.get(&Key::new(pod.meta.namespace.clone(), owner.name.clone()))
        });
        let Some(key) = set.and_then(|set| owning_deployment(&set)) else { return };
        let deployment = self.informers.deployments.get(&key);
        if deployment.is_some_and(|deployment| deployment.object.text("spec.strategy.type") == "Recreate") {
            self.queue.add(key);
        }
    }

    async fn reconcile(&self, key: Key) -> Result<(), Status> {
        let Some(deployment) = self.informers.deployments.get(&key) else { return Ok(()) };
        let Some(selector) = selector(&deployment.object) else { return Ok(()) };
        if selector.is_everything() {
            let message = "This deployment is selecting all pods. A non-empty selector is required.";
            self.recorder.warning(&deployment.meta, "SelectingAll", message);
            return Ok(());
        }
        let sets = self.claim_sets(&deployment, &selector).await?;
        sync::Sync::new(self, deployment, sets).run().await
    }

    /// The ReplicaSets of the Deployment, after adopting and releasing.
    async fn claim_sets(&self, deployment: &Full, selector: &LabelSelector) -> Result<Vec<Value>, Status> {
        let sets = &self.informers.replica_sets;
        let owned = sets.controlled_by(&deployment.meta.uid);
        let mut ours = Vec::new();
        for set in owned.into_iter().chain(sets.orphans(&deployment.meta.namespace)) {
            let to_do = claim(&deployment.meta, selector, &set.meta, true);
            match to_do {
                Claim::Ours => ours.push(set.object.clone()),
                Claim::Not => {}
                Claim::Adopt | Claim::Release => {
                    let claimed = Claimed { client: &self.client, owner: &deployment.meta };
                    let done = claimed.carry_out(to_do, &set.meta).await?;
                    if to_do == Claim::Adopt && done.is_some() {
                        ours.push(self.client.get(replica_set_kind(), &set.meta.namespace, &set.meta.name).await?);
                    }
                }
            }
        }
        Ok(ours)
    }
}

fn selector(deployment: &Value) -> Option<LabelSelector> {
    LabelSelector::from_object(deployment.at("spec.selector")).ok().flatten()
}
