//! The end of a namespace: everything in it is deleted, then its finalizer is taken away.

use super::runtime::{Change, Full, Informers, Key, Queue, stored_kinds, work};
use super::{Context, Tasks};
use crate::client::{Client, DeleteOptions, Part, Propagation};
use jiff::{SignedDuration, Timestamp};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds::{self, Kind};
use shared_types::selector::LabelSelector;
use shared_types::status::Status;
use shared_types::time::{format_time, parse_time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const FINALIZER: &str = "kubernetes";
const WORKERS: usize = 4;
/// How long the content stays untouched after the deletion was asked for, as in a real cluster, where it lets every API
/// server see it; clients rely on finding the namespace `Terminating`.
const GRACE: SignedDuration = SignedDuration::from_secs(5);
/// Looks again after this, should no change of the content have led to it before.
const RETRY: Duration = Duration::from_secs(5);

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    queue: Arc<Queue<Arc<str>>>,
}

fn namespace_kind() -> &'static Kind {
    kinds::named("Namespace")
}

/// Registers the controller and adds its workers.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let controller = Arc::new(Controller {
        client: context.client.clone(),
        informers: context.informers.clone(),
        queue: Arc::default(),
    });
    let queue = controller.queue.clone();
    context.informers.namespaces.on_change(move |change: &Change<'_, Full>| {
        if let Some(namespace) = change.new.filter(|namespace| namespace.meta.terminating) {
            queue.add(namespace.meta.name.clone());
        }
    });
    // Content that goes brings its namespace nearer to the end.
    let this = controller.clone();
    context.informers.on_any_change(move |old, new| {
        if let (Some(gone), None) = (old, new) {
            let namespace = this.informers.namespaces.get(&Key::new("", gone.namespace.clone()));
            if namespace.is_some_and(|namespace| namespace.meta.terminating) {
                this.queue.add(gone.namespace.clone());
            }
        }
    });
    for _ in 0..WORKERS {
        let this = controller.clone();
        context.spawn(tasks, async move {
            work("namespace", this.queue.clone(), |name| this.reconcile(name)).await;
        });
    }
}

/// The kinds whose objects are deleted with their namespace. Events of both groups are the same objects.
fn content_kinds() -> impl Iterator<Item = &'static Kind> {
    let events = kinds::KINDS.iter().filter(|kind| kind.kind == "Event" && kind.group.is_empty());
    stored_kinds().filter(|kind| kind.namespaced).chain(events)
}

/// What is left in a namespace after deleting.
#[derive(Default)]
struct Remains {
    /// How many objects of each resource.
    resources: BTreeMap<String, usize>,
    /// How many objects wait for each finalizer.
    finalizers: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Controller {
    async fn reconcile(&self, name: Arc<str>) -> Result<(), Status> {
        let namespace = match self.client.get(namespace_kind(), "", &name).await {
            Ok(namespace) => namespace,
            Err(status) if status.is_not_found() => return Ok(()),
            Err(status) => return Err(status),
        };
        if !namespace.is_terminating() {
            return Ok(());
        }
        if !namespace.list("spec.finalizers").iter().any(|finalizer| finalizer == FINALIZER) {
            return Ok(());
        }
        let asked = parse_time(namespace.text("metadata.deletionTimestamp")).unwrap_or(Timestamp::UNIX_EPOCH);
        let left = GRACE.saturating_sub(self.client.environment().now().duration_since(asked));
        if left.is_positive() {
            self.queue.add_after(name, left.unsigned_abs());
            return Ok(());
        }
        let mut remains = Remains::default();
        for kind in content_kinds() {
            self.delete_all(kind, &name, &mut remains).await?;
        }
        if remains.resources.is_empty() && remains.failures.is_empty() {
            let change = |namespace: &mut Value| {
                let left = namespace.list("spec.finalizers").iter().filter(|finalizer| *finalizer != FINALIZER);
                let left: Vec<Value> = left.cloned().collect();
                namespace.set("spec.finalizers", left);
            };
            return match self.client.modify(namespace_kind(), Part::Other("finalize"), "", &name, change).await {
                Err(status) if !status.is_not_found() => Err(status),
                _ => Ok(()),
            };
        }
        let now = format_time(self.client.environment().now());
        let change = |namespace: &mut Value| {
            let conditions = conditions(namespace.list("status.conditions"), &remains, &now);
            namespace.set("status.conditions", conditions);
        };
        self.client.modify(namespace_kind(), Part::Status, "", &name, change).await?;
        self.queue.add_after(name, RETRY);
        Ok(())
    }

    /// Deletes a namespace's objects of one kind and counts those that stay for now.
    async fn delete_all(&self, kind: &'static Kind, namespace: &str, remains: &mut Remains) -> Result<(), Status> {
        let everything = LabelSelector::default();
        let found = self.client.list(kind, namespace, &everything).await?.items;
        if found.is_empty() {
            return Ok(());
        }
        let mut deletions = JoinSet::new();
        for object in found.iter().filter(|object| !object.is_terminating()) {
            let (client, namespace, name) = (self.client.clone(), namespace.to_string(), object.name().to_string());
            let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
            deletions.spawn(async move { client.delete(kind, &namespace, &name, options).await });
        }
        while let Some(deleted) = deletions.join_next().await {
            match deleted.map_err(Status::internal)? {
                Err(status) if !status.is_not_found() => remains.failures.push(status.message),
                _ => {}
            }
        }
        for object in self.client.list(kind, namespace, &everything).await?.items {
            let resource = format!("{}.{}", kind.plural, kind.group);
            *remains.resources.entry(resource).or_default() += 1;
            for finalizer in object.list("metadata.finalizers").iter().filter_map(Value::as_str) {
                *remains.finalizers.entry(finalizer.to_string()).or_default() += 1;
            }
        }
        Ok(())
    }
}

/// The conditions of a namespace that is being deleted.
fn conditions(old: &[Value], remains: &Remains, now: &str) -> Vec<Value> {
    let counted = |counts: &BTreeMap<String, usize>, what: &str| {
        counts
            .iter()
            .map(|(name, count)| format!("{name} {what}{count} resource instances"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let resources = counted(&remains.resources, "has ");
    let finalizers = counted(&remains.finalizers, "in ");
    let failure = format!(
        "Failed to delete all resource types, {} remaining: {}",
        remains.failures.len(),
        remains.failures.join(", ")
    );
    let remaining = format!("Some resources are remaining: {resources}");
    let finalizing = format!("Some content in the namespace has finalizers remaining: {finalizers}");
    let wanted = [
        (
            "NamespaceDeletionDiscoveryFailure",
            false,
            "",
            "",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "",
            "",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            !remains.failures.is_empty(),
            "ContentDeletionFailed",
            &failure,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            !remains.resources.is_empty(),
            "SomeResourcesRemain",
            &remaining,
            "ContentRemoved",
            "All content successfully removed",
        ),
        (
            "NamespaceFinalizersRemaining",
            !remains.finalizers.is_empty(),
            "SomeFinalizersRemain",
            &finalizing,
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ];
    let make = |(kind, holds, reason, message, other_reason, other_message): &(&str, bool, &str, &str, &str, &str)| {
        let (status, reason, message) =
            if *holds { ("True", reason, message) } else { ("False", other_reason, other_message) };
        let before = old.iter().find(|condition| condition.text("type") == *kind && condition.text("status") == status);
        let since = before.map_or(now, |condition| condition.text("lastTransitionTime"));
        json!({"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message})
    };
    wanted.iter().map(make).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_tell_what_remains() {
        let mut remains = Remains::default();
        remains.resources.insert("configmaps.".into(), 1);
        remains.resources.insert("deployments.apps".into(), 2);
        remains.finalizers.insert("example.com/k".into(), 1);
        let first = conditions(&[], &remains, "t1");
        let message = |conditions: &[Value], kind: &str| {
            conditions.iter().find(|c| c.text("type") == kind).unwrap().text("message").to_string()
        };
        assert_eq!(
            message(&first, "NamespaceContentRemaining"),
            "Some resources are remaining: configmaps. has 1 resource instances, deployments.apps has 2 resource instances"
        );
        assert_eq!(
            message(&first, "NamespaceFinalizersRemaining"),
            "Some content in the namespace has finalizers remaining: example.com/k in 1 resource instances"
        );
        let second = conditions(&first, &Remains::default(), "t2");
        let times: Vec<&str> = second.iter().map(|c| c.text("lastTransitionTime")).collect();
        assert_eq!(times, ["t1", "t1", "t1", "t2", "t2"]);
    }
}
