//! What is taken on every node, including by Pods whose binding is still on its way.

use super::super::runtime::{Change, Key, Meta, PodView, Resources};
use shared_types::fields::Fields;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

/// The nodes' load, and the Pods that found no node.
#[derive(Default)]
pub(super) struct Cluster {
    nodes: HashMap<Arc<str>, Load>,
    /// By uid, every Pod that is counted on a node.
    counted: HashMap<Arc<str>, Counted>,
    /// By uid, the Pods on nodes that demand distance from others.
    distant: HashMap<Arc<str>, Arc<PodView>>,
    /// The value tells whether a change of other Pods may help.
    waiting: BTreeMap<Key, bool>,
}

struct Counted {
    node: Arc<str>,
    requests: Resources,
    owner: Option<Arc<str>>,
    /// Not yet seen on the node by the informer.
    assumed: bool,
}

/// What is taken on a node.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub requested: Resources,
    /// How many Pods each controller has here, by its uid.
    pub owners: HashMap<Arc<str>, usize>,
}

fn demands_distance(pod: &PodView) -> bool {
    let required = "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution";
    pod.scheduling.as_deref().is_some_and(|pod| !pod.list(required).is_empty())
}

fn owner(meta: &Meta) -> Option<Arc<str>> {
    meta.controller().map(|owner| owner.uid.clone())
}

impl Cluster {
    pub fn pod_changed(&mut self, change: &Change<'_, PodView>) {
        let Some(pod) = change.object() else { return };
        let present = change.new.filter(|pod| !pod.is_terminal());
        match present.filter(|pod| demands_distance(pod)) {
            Some(pod) => drop(self.distant.insert(pod.meta.uid.clone(), pod.clone())),
            None => drop(self.distant.remove(&pod.meta.uid)),
        }
        match present {
            Some(pod) if !pod.node.is_empty() => {
                self.waiting.remove(&pod.meta.key());
                let known = self.counted.get(&pod.meta.uid);
                if known.is_none_or(|known| known.assumed || known.node != pod.node || known.requests != pod.requests) {
                    self.forget(&pod.meta.uid);
                    self.count(pod, pod.node.clone(), false);
                }
            }
            Some(_) => {}
            None => {
                self.waiting.remove(&pod.meta.key());
                self.forget(&pod.meta.uid);
            }
        }
    }

    fn count(&mut self, pod: &PodView, node: Arc<str>, assumed: bool) {
        let load = self.nodes.entry(node.clone()).or_default();
        let owner = owner(&pod.meta);
        load.requested = load.requested.plus(pod.requests);
        if let Some(owner) = &owner {
            *load.owners.entry(owner.clone()).or_default() += 1;
        }
        self.counted.insert(pod.meta.uid.clone(), Counted { node, requests: pod.requests, owner, assumed });
    }

    /// Counts a Pod on the node that was chosen for it.
    pub fn assume(&mut self, pod: &PodView, node: Arc<str>) {
        self.waiting.remove(&pod.meta.key());
        self.count(pod, node, true);
    }
    pub fn is_assumed(&self, uid: &str) -> bool {
        self.counted.contains_key(uid)
    }
    /// No longer counts a Pod.
    pub fn forget(&mut self, uid: &str) {
        let Some(counted) = self.counted.remove(uid) else { return };
        let Some(load) = self.nodes.get_mut(&counted.node) else { return };
        load.requested = load.requested.minus(counted.requests);
        if let Some(owner) = counted.owner
            && let Some(count) = load.owners.get_mut(&owner)
        {
            *count -= 1;
            if *count == 0 {
                load.owners.remove(&owner);
            }
        }
        if load.requested.pods == 0 {
            self.nodes.remove(&counted.node);
        }
    }
    pub fn load(&self, node: &str) -> &Load {
        static NOTHING: LazyLock<Load> = LazyLock::new(Load::default);
        self.nodes.get(node).unwrap_or(&NOTHING)
    }
    /// The Pods with required anti-affinity, which others have to respect.
    pub fn distant(&self) -> impl Iterator<Item = &Arc<PodView>> {
        self.distant.values()
    }
    /// The node on which a Pod is counted.
    pub fn node_of(&self, uid: &str) -> Option<&Arc<str>> {
        self.counted.get(uid).map(|counted| &counted.node)
    }
    /// Notes that a Pod found no node, and whether a change of other Pods may help.
    pub fn wait(&mut self, key: Key, depends_on_pods: bool) {
        self.waiting.insert(key, depends_on_pods);
    }
    /// The Pods that found no node; only those that a change of other Pods may help, where `pods_changed`.
    pub fn waiting(&self, pods_changed: bool) -> Vec<Key> {
        let waiting = self.waiting.iter().filter(|(_, depends_on_pods)| **depends_on_pods || !pods_changed);
        waiting.map(|(key, _)| key.clone()).collect()
    }
}
