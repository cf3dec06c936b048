//! One pass over a Deployment.

use super::revision::{self, note_replicas, revision};
use super::rolling::{self, max_surge, newest_size, proportional_sizes, replicas, shrink_old};
use super::{Controller, deployment_kind, hash, replica_set_kind, status};
use crate::client::{DeleteOptions, Part, Propagation};
use crate::controllers::runtime::{About, Full, Phase, owner_reference};
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::status::Status;
use std::sync::Arc;

/// A Deployment and its ReplicaSets, as they are during one pass. Every write takes the resourceVersion that was read
/// along, so that a pass over an outdated copy fails and is repeated.
pub(super) struct Sync<'a> {
    controller: &'a Controller,
    cached: Arc<Full>,
    deployment: Value,
    /// Oldest first.
    sets: Vec<Value>,
    /// The place in `sets` of the one with the Deployment's template.
    newest: Option<usize>,
    now: Timestamp,
}

impl<'a> Sync<'a> {
    pub(super) fn new(controller: &'a Controller, cached: Arc<Full>, mut sets: Vec<Value>) -> Sync<'a> {
        sets.sort_by(|a, b| age(a).cmp(&age(b)));
        let deployment = cached.object.clone();
        let newest = find_newest(&deployment, &sets);
        Sync { controller, cached, deployment, sets, newest, now: controller.client.environment().now() }
    }

    pub(super) async fn run(mut self) -> Result<(), Status> {
        if self.deployment.is_terminating() {
            self.sync_newest(false).await?;
            return self.write_observed().await;
        }
        if let Some(condition) = status::pausing(&self.deployment, self.now) {
            status::put(self.deployment.at_mut("status"), condition);
            self.write_status().await?;
        }
        if self.deployment.flag("spec.paused") {
            return self.scale_only().await;
        }
        self.sync_newest(false).await?;
        let wanted = replicas(&self.deployment);
        let scaled = |set: &Value| revision::desired_replicas(set).is_some_and(|desired| desired != wanted);
        if self.sets.iter().any(|set| replicas(set) > 0 && scaled(set)) {
            return self.scale_only().await;
        }
        if self.deployment.text("spec.strategy.type") == "Recreate" { self.recreate().await } else { self.roll().await }
    }

    fn newest(&self) -> Option<&Value> {
        self.newest.map(|place| &self.sets[place])
    }
    /// The places of all other ReplicaSets, oldest first.
    fn old(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|place| Some(*place) != self.newest).collect()
    }
    fn active(&self, places: &[usize]) -> Vec<usize> {
        places.iter().copied().filter(|place| replicas(&self.sets[*place]) > 0).collect()
    }
    fn max_replicas(&self) -> i64 {
        replicas(&self.deployment) + max_surge(&self.deployment)
    }

    /// Brings the newest ReplicaSet's annotations and the Deployment's revision up to date, making the ReplicaSet when
    /// `create`.
    async fn sync_newest(&mut self, create: bool) -> Result<(), Status> {
        let newest_revision = self.old().into_iter().map(|place| revision(&self.sets[place])).max().unwrap_or(0) + 1;
        let Some(place) = self.newest else {
            return if create { self.create_newest(newest_revision).await } else { Ok(()) };
        };
        let mut set = self.sets[place].clone();
        let mut changed = revision::annotate_newest(&self.deployment, &mut set, newest_revision);
        let min_ready = self.deployment.int("spec.minReadySeconds").unwrap_or(0);
        if set.int("spec.minReadySeconds").unwrap_or(0) != min_ready {
            set.set("spec.minReadySeconds", min_ready);
            changed = true;
        }
        if changed {
            self.sets[place] = self.controller.client.update(replica_set_kind(), Part::Main, set).await?.object()?;
        }
        let set = &self.sets[place];
        let mut changed = revision::set_revision(&mut self.deployment, revision(set));
        if status::progress_deadline(&self.deployment).is_some()
            && status::find(self.deployment.at("status"), status::PROGRESSING).is_none()
        {
            let message = format!("Found new replica set {:?}", set.name());
            let found = status::condition(status::PROGRESSING, "True", "FoundNewReplicaSet", message, self.now);
            changed |= status::put(self.deployment.at_mut("status"), found);
        }
        if changed { self.write_status().await } else { Ok(()) }
    }

    async fn create_newest(&mut self, revision: i64) -> Result<(), Status> {
        let template = self.deployment.at("spec.template").clone();
        let hash = hash::pod_template_hash(&template, self.deployment.int("status.collisionCount"));
        let name = format!("{}-{hash}", self.deployment.name());
        let mut labelled = template.clone();
        labelled.map_mut("metadata.labels").insert("pod-template-hash", hash.clone().into());
        let mut selector = self.deployment.at("spec.selector").clone();
        selector.map_mut("matchLabels").insert("pod-template-hash", hash.into());
        let total = rolling::total(&self.sets);
        let size = newest_size(&self.deployment, total, 0);
        let mut set = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": self.deployment.namespace(),
                "labels": labelled.at("metadata.labels"),
                "ownerReferences": [owner_reference(&self.cached.meta)],
            },
            "spec": {"replicas": size, "selector": selector, "template": labelled},
        });
        if let Some(seconds) = self.deployment.int("spec.minReadySeconds").filter(|seconds| *seconds > 0) {
            set.set("spec.minReadySeconds", seconds);
        }
        revision::annotate_newest(&self.deployment, &mut set, revision);
        note_replicas(&mut set, replicas(&self.deployment), self.max_replicas());
        let created = match self.controller.client.create(replica_set_kind(), set).await {
            Ok(created) => created.object()?,
            Err(failure) => return self.creation_failed(&name, failure).await,
        };
        if size > 0 {
            self.tell(format!("Scaled up replica set {name} from 0 to {size}"));
        }
        self.sets.push(created);
        self.newest = Some(self.sets.len() - 1);
        let mut changed = revision::set_revision(&mut self.deployment, revision);
        if status::progress_deadline(&self.deployment).is_some() {
            let message = format!("Created new replica set {name:?}");
            let made = status::condition(status::PROGRESSING, "True", "NewReplicaSetCreated", message, self.now);
            changed |= status::put(self.deployment.at_mut("status"), made);
        }
        if changed { self.write_status().await } else { Ok(()) }
    }

    /// The name may be taken because the informer is behind, or because two templates have the same hash.
    async fn creation_failed(&mut self, name: &str, failure: Status) -> Result<(), Status> {
        if failure.is_already_exists() {
            let existing = self.controller.client.get(replica_set_kind(), self.deployment.namespace(), name).await?;
            let ours = existing.controller_ref().is_some_and(|owner| owner.text("uid") == self.deployment.uid());
            let same = same_template(existing.at("spec.template"), self.deployment.at("spec.template"));
            if !(ours && same) {
                let collisions = self.deployment.int("status.collisionCount").unwrap_or(0);
                self.deployment.set("status.collisionCount", collisions + 1);
                self.write_status().await?;
            }
            return Err(failure);
        }
        let message = format!("Failed to create new replica set {name:?}: {failure}");
        if status::progress_deadline(&self.deployment).is_some() {
            let condition =
                status::condition(status::PROGRESSING, "False", "ReplicaSetCreateError", message.clone(), self.now);
            if status::put(self.deployment.at_mut("status"), condition) {
                self.write_status().await?;
            }
        }
        self.controller.recorder.warning(&self.deployment, "ReplicaSetCreateError", message);
        Err(failure)
    }

    fn tell(&self, message: String) {
        self.controller.recorder.normal(About::from(&self.deployment), "ScalingReplicaSet", message);
    }

    /// Scales one ReplicaSet and notes the Deployment's size on it; whether its size changed.
    async fn scale(&mut self, place: usize, size: i64) -> Result<bool, Status> {
        let before = replicas(&self.sets[place]);
        let mut set = self.sets[place].clone();
        let noted = note_replicas(&mut set, replicas(&self.deployment), self.max_replicas());
        if !noted && before == size {
            return Ok(false);
        }
        set.set("spec.replicas", size);
        self.sets[place] = self.controller.client.update(replica_set_kind(), Part::Main, set).await?.object()?;
        if before != size {
            let direction = if before < size { "up" } else { "down" };
            let name = self.sets[place].name();
            self.tell(format!("Scaled {direction} replica set {name} from {before} to {size}"));
        }
        Ok(before != size)
    }
    /// [`Sync::scale`], unless the size is right already.
    async fn resize(&mut self, place: usize, size: i64) -> Result<bool, Status> {
        if replicas(&self.sets[place]) == size { Ok(false) } else { self.scale(place, size).await }
    }

    /// A pass in which only the number of replicas is looked at: when paused, or when that number has just changed.
    async fn scale_only(&mut self) -> Result<(), Status> {
        self.sync_newest(false).await?;
        self.distribute().await?;
        if self.deployment.flag("spec.paused") {
            self.clean_up().await?;
        }
        self.write_observed().await
    }

    async fn distribute(&mut self) -> Result<(), Status> {
        let wanted = replicas(&self.deployment);
        let all: Vec<usize> = (0..self.sets.len()).collect();
        let active = self.active(&all);
        match active.as_slice() {
            [] => {
                // The newest takes it all.
                let place = self.newest.or(all.last().copied());
                return match place {
                    Some(place) => self.resize(place, wanted).await.map(drop),
                    None => Ok(()),
                };
            }
            [only] => return self.resize(*only, wanted).await.map(drop),
            _ => {}
        }
        if self.newest().is_some_and(|set| is_saturated(&self.deployment, set)) {
            for place in self.active(&self.old()) {
                self.resize(place, 0).await?;
            }
            return Ok(());
        }
        if self.deployment.text("spec.strategy.type") == "Recreate" {
            return Ok(());
        }
        // Growing favours newer ReplicaSets among equals, shrinking older ones.
        let grows = self.max_replicas() > rolling::total(&self.sets) && wanted > 0;
        let mut places = active;
        if grows {
            places.reverse();
        }
        places.sort_by_key(|place| std::cmp::Reverse(replicas(&self.sets[*place])));
        let sets: Vec<&Value> = places.iter().map(|place| &self.sets[*place]).collect();
        let sizes = proportional_sizes(&self.deployment, &sets);
        for (place, size) in places.into_iter().zip(sizes) {
            self.scale(place, size).await?;
        }
        Ok(())
    }

    async fn roll(&mut self) -> Result<(), Status> {
        self.sync_newest(self.newest.is_none()).await?;
        if self.grow_newest().await? || self.shrink_old().await? {
            return self.write_rollout().await;
        }
        self.finish().await
    }

    async fn grow_newest(&mut self) -> Result<bool, Status> {
        let Some(place) = self.newest else { return Ok(false) };
        let (wanted, size) = (replicas(&self.deployment), replicas(&self.sets[place]));
        let size = match size > wanted {
            true => wanted,
            false => newest_size(&self.deployment, rolling::total(&self.sets), size),
        };
        self.resize(place, size).await
    }

    async fn shrink_old(&mut self) -> Result<bool, Status> {
        let old = self.active(&self.old());
        let measure = |set: &Value| (replicas(set), rolling::available(set));
        let measures: Vec<(i64, i64)> = old.iter().map(|place| measure(&self.sets[*place])).collect();
        let sizes = shrink_old(&self.deployment, self.newest().map(measure), &measures);
        let mut shrunk = false;
        for (place, size) in old.into_iter().zip(sizes) {
            shrunk |= self.resize(place, size).await?;
        }
        Ok(shrunk)
    }

    async fn recreate(&mut self) -> Result<(), Status> {
        let mut shrunk = false;
        for place in self.active(&self.old()) {
            shrunk |= self.resize(place, 0).await?;
        }
        if shrunk || self.old_pods_run() {
            return self.write_rollout().await;
        }
        self.sync_newest(self.newest.is_none()).await?;
        if let Some(place) = self.newest {
            self.resize(place, replicas(&self.deployment)).await?;
        }
        self.finish().await
    }

    /// Whether a Pod of an old ReplicaSet is not over yet.
    fn old_pods_run(&self) -> bool {
        let pods = &self.controller.informers.pods;
        self.old().into_iter().map(|place| &self.sets[place]).any(|set| {
            let over = |phase: Phase| matches!(phase, Phase::Succeeded | Phase::Failed);
            set.int("status.replicas").unwrap_or(0) > 0
                || pods.controlled_by(set.uid()).iter().any(|pod| !over(pod.phase))
        })
    }

    async fn finish(&mut self) -> Result<(), Status> {
        if status::is_complete(&self.deployment, self.deployment.at("status")) {
            self.clean_up().await?;
        }
        self.write_rollout().await
    }

    /// Deletes the oldest ReplicaSets beyond the limit of the history.
    async fn clean_up(&mut self) -> Result<(), Status> {
        let limit = self.deployment.int("spec.revisionHistoryLimit").filter(|limit| *limit != i64::from(i32::MAX));
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return Ok(()) };
        let mut old: Vec<&Value> = self.old().into_iter().map(|place| &self.sets[place]).collect();
        old.retain(|set| !set.is_terminating());
        old.sort_by_key(|set| revision(set));
        let surplus = old.len().saturating_sub(limit);
        for set in old.into_iter().take(surplus) {
            let observed = set.int("status.observedGeneration").unwrap_or(0);
            let idle = set.int("status.replicas").unwrap_or(0) == 0
                && replicas(set) == 0
                && set.int("metadata.generation").unwrap_or(0) <= observed;
            if !idle {
                continue;
            }
            let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
            match self.controller.client.delete(replica_set_kind(), set.namespace(), set.name(), options).await {
                Err(status) if !status.is_not_found() => return Err(status),
                _ => {}
            }
        }
        Ok(())
    }

    async fn write_observed(&mut self) -> Result<(), Status> {
        let sets: Vec<&Value> = self.sets.iter().collect();
        let status = status::observed(&self.deployment, &sets, self.newest(), self.now);
        self.write_new_status(status).await
    }

    async fn write_rollout(&mut self) -> Result<(), Status> {
        let sets: Vec<&Value> = self.sets.iter().collect();
        let status = status::rollout(&self.deployment, &sets, self.newest(), self.now);
        if let Some(at) = status::next_check(&self.deployment, &status) {
            let wait = std::time::Duration::try_from(at.duration_since(self.now)).unwrap_or_default();
            self.controller.queue.add_after(self.cached.meta.key(), wait);
        }
        self.write_new_status(status).await
    }

    async fn write_new_status(&mut self, status: Value) -> Result<(), Status> {
        if *self.deployment.at("status") == status {
            return Ok(());
        }
        self.deployment.set("status", status);
        self.write_status().await
    }

    /// Writes the status, and with it the annotation that tells the revision, as Kubernetes does.
    async fn write_status(&mut self) -> Result<(), Status> {
        let deployment = self.deployment.clone();
        self.deployment = self.controller.client.update(deployment_kind(), Part::Status, deployment).await?.object()?;
        Ok(())
    }
}

fn age(set: &Value) -> (&str, &str) {
    (set.text("metadata.creationTimestamp"), set.name())
}

/// Whether the newest ReplicaSet has all the replicas and they are available.
fn is_saturated(deployment: &Value, set: &Value) -> bool {
    let wanted = replicas(deployment);
    replicas(set) == wanted && revision::desired_replicas(set) == Some(wanted) && rolling::available(set) == wanted
}

/// The oldest ReplicaSet with the Deployment's template.
fn find_newest(deployment: &Value, sets: &[Value]) -> Option<usize> {
    let template = deployment.at("spec.template");
    sets.iter().position(|set| same_template(set.at("spec.template"), template))
}

/// Whether two templates are the same, the hash label aside.
fn same_template(a: &Value, b: &Value) -> bool {
    let plain = |template: &Value| {
        let mut template = template.clone();
        if template.has("metadata.labels") {
            template.map_mut("metadata.labels").remove("pod-template-hash");
        }
        template
    };
    plain(a) == plain(b)
}
