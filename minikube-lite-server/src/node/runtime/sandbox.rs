//! What the containers of a Pod share while it is on its node, and what is kept of their runs.

use super::budget::Budget;
use super::container::Container;
use super::log::Log;
use crate::node::network::PodNetwork;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The logs of how many runs of a container are kept: the present one, and the one before.
const KEPT_LOGS: usize = 2;

/// A Pod's place on its node (CRI: PodSandbox).
pub struct Sandbox {
    pub network: PodNetwork,
    pub budget: Budget,
    containers: Mutex<BTreeMap<String, Runs>>,
}

/// The runs of one container.
#[derive(Default)]
struct Runs {
    current: Option<Arc<Container>>,
    /// With the number of the run, the latest last.
    logs: Vec<(u32, Log)>,
}

impl Sandbox {
    pub fn new(network: PodNetwork) -> Sandbox {
        Sandbox { network, budget: Budget::new(), containers: Mutex::default() }
    }

    fn containers(&self) -> MutexGuard<'_, BTreeMap<String, Runs>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Run number `run` of a container has started, or failed to.
    pub fn began(&self, name: &str, run: u32, log: Log, container: Option<Arc<Container>>) {
        let mut containers = self.containers();
        let runs = containers.entry(name.to_string()).or_default();
        runs.logs.push((run, log));
        if runs.logs.len() > KEPT_LOGS {
            runs.logs.remove(0);
        }
        runs.current = container;
    }

    /// The present run of a container has ended.
    pub fn ended(&self, name: &str) {
        // Dropped outside of the lock.
        let _ended = self.containers().get_mut(name).and_then(|runs| runs.current.take());
    }

    /// The running container of this name.
    pub fn container(&self, name: &str) -> Option<Arc<Container>> {
        self.containers().get(name)?.current.clone()
    }

    /// The log of a run that `is_wanted` by its number.
    pub fn log(&self, name: &str, is_wanted: impl Fn(u32) -> bool) -> Option<Log> {
        let containers = self.containers();
        let (_, log) = containers.get(name)?.logs.iter().rev().find(|(run, _)| is_wanted(*run))?;
        Some(log.clone())
    }

    /// The Pod is gone or has come to its end: nothing of it runs any more.
    pub fn close(&self) {
        let ended: Vec<_> = self.containers().values_mut().filter_map(|runs| runs.current.take()).collect();
        for container in ended {
            container.kill();
        }
        self.network.leave();
    }
}

/// The sandboxes of all nodes, by the Pod's UID.
#[derive(Clone, Default)]
pub struct Sandboxes(Arc<Mutex<HashMap<String, Arc<Sandbox>>>>);

impl Sandboxes {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Sandbox>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn add(&self, uid: &str, sandbox: Arc<Sandbox>) {
        self.all().insert(uid.to_string(), sandbox);
    }
    pub fn get(&self, uid: &str) -> Option<Arc<Sandbox>> {
        self.all().get(uid).cloned()
    }
    /// Takes a sandbox out and closes it.
    pub fn remove(&self, uid: &str) {
        let sandbox = self.all().remove(uid);
        if let Some(sandbox) = sandbox {
            sandbox.close();
        }
    }
}
