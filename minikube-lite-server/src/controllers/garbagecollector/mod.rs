//! Deletes objects whose owners are gone, and carries out foreground and orphaning deletion.

mod graph;

use super::runtime::{Queue, work};
use super::{Context, Tasks};
use crate::client::{Client, DeleteOptions, Part, Propagation};
use graph::{FOREGROUND, Graph, Item, ORPHAN};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds;
use shared_types::status::Status;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// As many as a real cluster has; writes are committed in groups.
const WORKERS: usize = 20;

struct Collector {
    client: Client,
    queue: Arc<Queue<Item>>,
    graph: Mutex<Graph>,
}

/// Registers the collector and adds its workers.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let collector =
        Arc::new(Collector { client: context.client.clone(), queue: Arc::default(), graph: Mutex::default() });
    let this = collector.clone();
    context.informers.on_any_change(move |old, new| {
        let look_at = this.graph().change(old, new);
        look_at.into_iter().for_each(|item| this.queue.add(item));
    });
    for _ in 0..WORKERS {
        let this = collector.clone();
        context.spawn(tasks, async move {
            work("garbagecollector", this.queue.clone(), |item| this.reconcile(item)).await;
        });
    }
}

/// How an owner stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Solid,
    /// It does not exist.
    Dangling,
    /// It waits for its dependents to go.
    Waiting,
}

impl Collector {
    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reconcile(&self, item: Item) -> Result<(), Status> {
        let object = match self.client.get(item.kind, &item.key.namespace, &item.key.name).await {
            Ok(object) if object.uid() == &*item.uid => object,
            Ok(_) => return Ok(()),
            Err(status) if status.is_not_found() => return Ok(()),
            Err(status) => return Err(status),
        };
        if object.is_terminating() {
            let has = |finalizer: &str| object.list("metadata.finalizers").iter().any(|f| f == finalizer);
            if has(ORPHAN) {
                return self.orphan(&item).await;
            }
            return if has(FOREGROUND) { self.wait_for_dependents(&item).await } else { Ok(()) };
        }
        let owners = object.list("metadata.ownerReferences");
        if owners.is_empty() || self.graph().owners_settled(owners.iter().map(|owner| owner.text("uid"))) {
            return Ok(());
        }
        let mut standing = Vec::with_capacity(owners.len());
        for owner in owners {
            standing.push(self.standing(&item, owner).await?);
        }
        if standing.contains(&Owner::Solid) {
            let kept = owners.iter().zip(&standing).filter(|(_, standing)| **standing == Owner::Solid);
            let kept: Vec<&str> = kept.map(|(owner, _)| owner.text("uid")).collect();
            return match kept.len() == owners.len() {
                true => Ok(()),
                false => self.keep_owners(&item, |owner| kept.contains(&owner.text("uid"))).await,
            };
        }
        let waits = standing.contains(&Owner::Waiting);
        let (has_dependents, circular) = {
            let graph = self.graph();
            let mut dependents = graph.dependents(&item.uid).peekable();
            (dependents.peek().is_some(), dependents.any(|(dependent, _)| graph.waits(&dependent.uid)))
        };
        if waits && has_dependents {
            if circular {
                // Owners that own one another would wait for ever.
                self.unblock(&item).await?;
            }
            return self.delete(&item, Propagation::Foreground).await;
        }
        self.delete(&item, Propagation::Background).await
    }

    async fn standing(&self, item: &Item, owner: &Value) -> Result<Owner, Status> {
        let Some(kind) = kinds::by_kind(owner.text("apiVersion"), owner.text("kind")).filter(|kind| kind.is_stored())
        else {
            // Not ours to judge.
            return Ok(Owner::Solid);
        };
        let namespace = if kind.namespaced { &*item.key.namespace } else { "" };
        match self.client.get(kind, namespace, owner.text("name")).await {
            Ok(found) if found.uid() != owner.text("uid") => Ok(Owner::Dangling),
            Ok(found) => {
                let foreground = found.list("metadata.finalizers").iter().any(|finalizer| finalizer == FOREGROUND);
                Ok(if found.is_terminating() && foreground { Owner::Waiting } else { Owner::Solid })
            }
            Err(status) if status.is_not_found() => Ok(Owner::Dangling),
            Err(status) => Err(status),
        }
    }

    /// Frees the dependents of an object that is deleted without them, then lets it go.
    async fn orphan(&self, owner: &Item) -> Result<(), Status> {
        let dependents: Vec<Item> = self.graph().dependents(&owner.uid).map(|(item, _)| item.clone()).collect();
        let mut freed = tokio::task::JoinSet::new();
        for dependent in dependents {
            let (client, owner) = (self.client.clone(), owner.uid.clone());
            freed.spawn(async move { keep_owners(&client, &dependent, |other| other.text("uid") != &*owner).await });
        }
        while let Some(result) = freed.join_next().await {
            result.map_err(Status::internal)??;
        }
        self.remove_finalizer(owner, ORPHAN).await
    }

    /// Lets an object go when nothing that blocks its deletion is left; sees to it that its dependents go.
    async fn wait_for_dependents(&self, owner: &Item) -> Result<(), Status> {
        let dependents: Vec<(Item, bool)> =
            self.graph().dependents(&owner.uid).map(|(item, blocks)| (item.clone(), blocks)).collect();
        if !dependents.iter().any(|(_, blocks)| *blocks) {
            return self.remove_finalizer(owner, FOREGROUND).await;
        }
        for (dependent, _) in dependents {
            self.queue.add(dependent);
        }
        Ok(())
    }

    async fn delete(&self, item: &Item, propagation: Propagation) -> Result<(), Status> {
        let mut options = DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() };
        options.preconditions.uid = Some(item.uid.to_string());
        match self.client.delete(item.kind, &item.key.namespace, &item.key.name, options).await {
            // Another object of the name took its place.
            Err(status) if status.is_not_found() || status.is_conflict() => Ok(()),
            result => result,
        }
    }

    async fn remove_finalizer(&self, item: &Item, finalizer: &str) -> Result<(), Status> {
        let change = |object: &mut Value| {
            if object.uid() == &*item.uid {
                let left: Vec<Value> =
                    object.list("metadata.finalizers").iter().filter(|f| *f != finalizer).cloned().collect();
                set_or_remove(object, "metadata.finalizers", left);
            }
        };
        ignore_not_found(
            self.client.modify(item.kind, Part::Main, &item.key.namespace, &item.key.name, change).await.map(drop),
        )
    }

    async fn keep_owners(&self, item: &Item, keep: impl Fn(&Value) -> bool + Send + Sync) -> Result<(), Status> {
        keep_owners(&self.client, item, keep).await
    }

    /// No longer blocks the deletion of the item's owners.
    async fn unblock(&self, item: &Item) -> Result<(), Status> {
        let change = |object: &mut Value| {
            if object.uid() == &*item.uid {
                for owner in object.list_mut("metadata.ownerReferences") {
                    owner.set("blockOwnerDeletion", false);
                }
            }
        };
        let (namespace, name) = (&item.key.namespace, &item.key.name);
        ignore_not_found(self.client.modify(item.kind, Part::Main, namespace, name, change).await.map(drop))
    }
}

/// Removes the owner references that are not to be kept.
async fn keep_owners(client: &Client, item: &Item, keep: impl Fn(&Value) -> bool + Send + Sync) -> Result<(), Status> {
    let change = |object: &mut Value| {
        if object.uid() == &*item.uid {
            let left: Vec<Value> =
                object.list("metadata.ownerReferences").iter().filter(|owner| keep(owner)).cloned().collect();
            set_or_remove(object, "metadata.ownerReferences", left);
        }
    };
    let (namespace, name) = (&item.key.namespace, &item.key.name);
    ignore_not_found(client.modify(item.kind, Part::Main, namespace, name, change).await.map(drop))
}

fn set_or_remove(object: &mut Value, path: &str, list: Vec<Value>) {
    if list.is_empty() {
        object.remove(path);
    } else {
        object.set(path, list);
    }
}

fn ignore_not_found(result: Result<(), Status>) -> Result<(), Status> {
    match result {
        Err(status) if status.is_not_found() => Ok(()),
        result => result,
    }
}
