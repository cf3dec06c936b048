//! How much of its quotas a namespace uses: counted anew when an object that may count goes or ends, and now and then.
//!
//! What comes is charged by the registry before it is there, so that a count at that moment would miss it.

use super::runtime::{Change, Full, Informers, Key, Queue, stored_kinds, work};
use super::{Context, Tasks};
use crate::client::{Client, Part};
use crate::registry::quota::resource_list;
use crate::registry::quota::usage::{in_scope, usage};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds;
use shared_types::pod_resources::{Amounts, add, amounts};
use shared_types::quantity::Quantity;
use shared_types::selector::LabelSelector;
use shared_types::status::Status;
use std::sync::Arc;
use std::time::Duration;

/// How often everything is counted anew, as by kube-controller-manager.
const RESYNC: Duration = Duration::from_secs(300);

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    queue: Arc<Queue<Key>>,
}

/// Registers the controller and adds its worker.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let controller = Arc::new(Controller {
        client: context.client.clone(),
        informers: context.informers.clone(),
        queue: Arc::default(),
    });
    let queue = controller.queue.clone();
    context.informers.resource_quotas.on_change(move |change: &Change<'_, Full>| {
        if let Some(quota) = change.new
            && change.old.is_none_or(|old| old.object.at("spec") != quota.object.at("spec"))
        {
            queue.add(quota.meta.key());
        }
    });
    let this = controller.clone();
    context.informers.on_any_change(move |old, new| {
        if let (Some(gone), None) = (old, new) {
            this.count_again(&gone.namespace);
        }
    });
    let this = controller.clone();
    context.informers.pods.on_change(move |change| {
        if let (Some(old), Some(new)) = (change.old, change.new)
            && old.is_terminal() != new.is_terminal()
        {
            this.count_again(&new.meta.namespace);
        }
    });
    let this = controller.clone();
    context.informers.services.on_change(move |change: &Change<'_, Full>| {
        if let (Some(_), Some(service)) = (change.old, change.new) {
            this.count_again(&service.meta.namespace);
        }
    });
    let this = controller.clone();
    context.spawn(tasks, async move {
        loop {
            tokio::time::sleep(RESYNC).await;
            for quota in this.informers.resource_quotas.all() {
                this.queue.add(quota.meta.key());
            }
        }
    });
    // One worker: a quota is counted by one at a time.
    context.spawn(tasks, async move {
        work("resourcequota", controller.queue.clone(), |key| controller.reconcile(key)).await;
    });
}

impl Controller {
    fn count_again(&self, namespace: &str) {
        for quota in self.informers.resource_quotas.in_namespace(namespace) {
            self.queue.add(quota.meta.key());
        }
    }

    async fn reconcile(&self, key: Key) -> Result<(), Status> {
        let Some(quota) = self.informers.resource_quotas.get(&key) else { return Ok(()) };
        let hard = amounts(quota.object.map("spec.hard"));
        let used = self.used(&quota.object, &hard).await?;
        let change = |quota: &mut Value| {
            // Compared by amount: a status that says the same otherwise stays.
            let same = |path: &str, wanted: &Amounts| quota.has(path) && amounts(quota.map(path)) == *wanted;
            let (hard_is, used_is) = (same("status.hard", &hard), same("status.used", &used));
            if !hard_is {
                quota.set("status.hard", quota.at("spec.hard").clone());
            }
            if !used_is {
                quota.set("status.used", resource_list(&used));
            }
        };
        let written =
            self.client.modify(kinds::named("ResourceQuota"), Part::Status, &key.namespace, &key.name, change).await;
        match written {
            Err(status) if !status.is_not_found() => Err(status),
            _ => Ok(()),
        }
    }

    /// What the namespace's objects take of the resources that are limited.
    async fn used(&self, quota: &Value, hard: &Amounts) -> Result<Amounts, Status> {
        let mut all = Amounts::new();
        for kind in stored_kinds().filter(|kind| kind.namespaced) {
            // What an object of the kind can take at all, but for the requests and limits of Pods.
            let counts = kind.kind == "Pod" || usage(kind, &Value::Null).keys().any(|name| hard.contains_key(name));
            if !counts {
                continue;
            }
            let everything = LabelSelector::default();
            for object in self.client.list(kind, quota.namespace(), &everything).await?.items {
                if in_scope(quota, kind, &object) {
                    add(&mut all, &usage(kind, &object));
                }
            }
        }
        let of = |name: &String| all.get(name).copied().unwrap_or(Quantity::from_value(0));
        Ok(hard.keys().map(|name| (name.clone(), of(name))).collect())
    }
}
