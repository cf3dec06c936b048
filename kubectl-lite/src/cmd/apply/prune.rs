//! `kubectl apply --prune`: deletes what was applied before and is in the manifests no longer.

use super::Run;
use crate::client::{Request, Resource};
use crate::errors::CommandError;
use crate::resource::last_applied::LAST_APPLIED;
use crate::resource::{Info, set_list_item_kind};
use shared_types::fields::Fields;
use shared_types::json::json;
use std::rc::Rc;

/// What is pruned where nobody says: group, version, kind.
const USUAL: [(&str, &str, &str); 15] = [
    ("", "v1", "ConfigMap"),
    ("", "v1", "Endpoints"),
    ("", "v1", "Namespace"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "PersistentVolume"),
    ("", "v1", "Pod"),
    ("", "v1", "ReplicationController"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("batch", "v1", "Job"),
    ("batch", "v1", "CronJob"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("apps", "v1", "DaemonSet"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "ReplicaSet"),
];

impl Run<'_, '_> {
    /// The resources that may be pruned.
    ///
    /// # Errors
    /// `--prune-allowlist` has another form than `GROUP/VERSION/KIND`, or names what the server does not have.
    pub(super) async fn prunable(&self) -> Result<Vec<Rc<Resource>>, CommandError> {
        let mapper = self.cx.mapper()?;
        let client = self.cx.client()?;
        let mut resources = Vec::new();
        if self.apply.prune_allowlist.is_empty() {
            for (group, version, kind) in USUAL {
                let api_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
                resources.extend(mapper.kind(client, &api_version, kind).await?);
            }
            return Ok(resources);
        }
        for text in &self.apply.prune_allowlist {
            let [group, version, kind] = text.split('/').collect::<Vec<_>>()[..] else {
                return Err(CommandError::message(format!(
                    "invalid GroupVersionKind format: {text}, please follow <group/version/kind>"
                )));
            };
            let api_version =
                if matches!(group, "" | "core") { version.to_string() } else { format!("{group}/{version}") };
            match mapper.kind(client, &api_version, kind).await? {
                Some(resource) => resources.push(resource),
                None => {
                    return Err(CommandError::message(format!(
                        "no matches for kind {kind:?} in version {api_version:?}"
                    )));
                }
            }
        }
        Ok(resources)
    }

    /// Prunes what is of `resources`, carries the annotation of apply, fits the selector and is not among `applied`.
    pub(super) async fn prune(&self, resources: &[Rc<Resource>], applied: &[Info]) -> Result<(), CommandError> {
        let mut namespaces: Vec<&str> = Vec::new();
        for info in applied.iter().filter(|info| info.resource.namespaced) {
            if !namespaces.contains(&info.namespace.as_str()) {
                namespaces.push(&info.namespace);
            }
        }
        for namespace in namespaces {
            for resource in resources.iter().filter(|r| r.namespaced) {
                self.prune_collection(resource, namespace, applied).await?;
            }
        }
        for resource in resources.iter().filter(|r| !r.namespaced) {
            self.prune_collection(resource, "", applied).await?;
        }
        Ok(())
    }

    async fn prune_collection(
        &self,
        resource: &Rc<Resource>,
        namespace: &str,
        applied: &[Info],
    ) -> Result<(), CommandError> {
        let client = self.cx.client()?;
        let request = Request::get(resource.collection(namespace)).query("labelSelector", self.apply.selector.clone());
        let mut list = match client.json(request).await {
            Ok(list) => list,
            // A server that does not have the resource has nothing to prune of it.
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        set_list_item_kind(&mut list);
        for object in list.list("items") {
            let kept = applied.iter().any(|info| info.object.uid() == object.uid())
                || object.annotation(LAST_APPLIED).is_none()
                || object.is_terminating();
            if kept {
                continue;
            }
            if !self.dry_run.is_client() {
                let mut options = json!({"propagationPolicy": "Background"});
                if self.apply.grace_period >= 0 {
                    options.set("gracePeriodSeconds", self.apply.grace_period);
                }
                let path = resource.object(object.namespace(), object.name());
                client.send(self.dry_run.mark(Request::delete(path).body(&options))).await?;
            }
            self.report(object, "pruned")?;
        }
        Ok(())
    }
}
