//! When what a Service's endpoints follow from last changed, for the annotation by which latency is measured.

use super::super::runtime::{Key, PodView};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The annotation.
pub(crate) const LAST_CHANGE_TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Remembers the times that were known at the last pass over each Service.
#[derive(Default)]
pub(crate) struct TriggerTimes {
    known: Mutex<HashMap<Key, HashMap<Arc<str>, Timestamp>>>,
}

impl TriggerTimes {
    /// The earliest change since the last call for this Service: its creation, at first, or a Pod's change of readiness.
    /// `None` when there was none.
    pub fn next(&self, service: &Key, created: Timestamp, pods: &[Arc<PodView>]) -> Option<Timestamp> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = |pod: &Arc<PodView>| Some((pod.meta.name.clone(), pod.ready_changed?));
        let now: HashMap<_, _> = pods.iter().filter_map(changed).collect();
        let Some(before) = known.insert(service.clone(), now) else { return Some(created) };
        let now = &known[service];
        now.iter().filter(|(name, at)| before.get(*name).is_none_or(|before| before < at)).map(|(_, at)| *at).min()
    }
    pub fn forget(&self, service: &Key) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(service);
    }
}
