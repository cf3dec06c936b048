//! What every namespace has: the `default` ServiceAccount and the certificate authority that Pods trust.

use super::runtime::{Change, Full, Informers, Key, Meta, Queue, work};
use super::{Context, Tasks};
use crate::client::{Client, Part};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds::{self, Kind};
use shared_types::status::Status;
use std::sync::Arc;

const SERVICE_ACCOUNT: &str = "default";
const ROOT_CA: &str = "kube-root-ca.crt";
const ROOT_CA_DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
                                   endpoints such as the internal service IP or kubernetes.default.svc. No other usage is \
                                   guaranteed across distributions of Kubernetes clusters.";
const WORKERS: usize = 4;

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    /// Names of namespaces.
    queue: Arc<Queue<Arc<str>>>,
    authority: Arc<str>,
}

/// Registers the controller and adds its workers.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let controller = Arc::new(Controller {
        client: context.client.clone(),
        informers: context.informers.clone(),
        queue: Arc::default(),
        authority: context.authority.clone(),
    });
    let queue = controller.queue.clone();
    context.informers.namespaces.on_change(move |change: &Change<'_, Full>| {
        if let Some(namespace) = change.new {
            queue.add(namespace.meta.name.clone());
        }
    });
    for (informer, name) in
        [(&context.informers.service_accounts, SERVICE_ACCOUNT), (&context.informers.config_maps, ROOT_CA)]
    {
        let queue = controller.queue.clone();
        informer.on_change(move |change: &Change<'_, Meta>| {
            if let Some(object) = change.object().filter(|object| &*object.name == name) {
                queue.add(object.namespace.clone());
            }
        });
    }
    for _ in 0..WORKERS {
        let this = controller.clone();
        context.spawn(tasks, async move {
            work("serviceaccount", this.queue.clone(), |namespace| this.reconcile(namespace)).await;
        });
    }
}

impl Controller {
    async fn reconcile(&self, namespace: Arc<str>) -> Result<(), Status> {
        let Some(found) = self.informers.namespaces.get(&Key::new("", namespace.clone())) else { return Ok(()) };
        if found.meta.terminating || found.object.text("status.phase") == "Terminating" {
            return Ok(());
        }
        if self.informers.service_accounts.get(&Key::new(namespace.clone(), SERVICE_ACCOUNT)).is_none() {
            let metadata = json!({"name": SERVICE_ACCOUNT, "namespace": &*namespace});
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
            self.create(kinds::named("ServiceAccount"), account).await?;
        }
        self.publish_authority(&namespace).await
    }

    async fn publish_authority(&self, namespace: &str) -> Result<(), Status> {
        let kind = kinds::named("ConfigMap");
        let data = json!({"ca.crt": &*self.authority});
        if self.informers.config_maps.get(&Key::new(namespace, ROOT_CA)).is_none() {
            let metadata = json!({"name": ROOT_CA, "namespace": namespace,
                "annotations": {"kubernetes.io/description": ROOT_CA_DESCRIPTION}});
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
            return self.create(kind, map).await;
        }
        let change = |map: &mut Value| {
            map.set("data", data.clone());
            map.map_mut("metadata.annotations").insert("kubernetes.io/description", ROOT_CA_DESCRIPTION.into());
        };
        match self.client.modify(kind, Part::Main, namespace, ROOT_CA, change).await {
            // The informer tells when it has seen that, too.
            Err(status) if status.is_not_found() => Ok(()),
            result => result.map(drop),
        }
    }

    async fn create(&self, kind: &'static Kind, object: Value) -> Result<(), Status> {
        match self.client.create(kind, object).await {
            Err(status) if status.is_already_exists() || super::is_namespace_terminating(&status) => Ok(()),
            result => result.map(drop),
        }
    }
}
