//! Which Pods go first when a ReplicaSet is scaled down.

use super::super::runtime::{Phase, PodView};
use jiff::Timestamp;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

/// The `count` Pods that are missed least. `siblings` are the active Pods of all sets with the same owner.
pub(super) fn to_delete(
    pods: &[Arc<PodView>],
    siblings: &[Arc<PodView>],
    count: usize,
    now: Timestamp,
) -> Vec<Arc<PodView>> {
    let mut crowd: HashMap<&str, usize> = HashMap::new();
    for pod in siblings.iter().filter(|pod| !pod.node.is_empty()) {
        *crowd.entry(&pod.node).or_default() += 1;
    }
    let rank = |pod: &PodView| crowd.get(&*pod.node).copied().unwrap_or(0);
    let mut chosen = pods.to_vec();
    if count < pods.len() {
        chosen.sort_by(|a, b| compare(a, b, rank, now));
        chosen.truncate(count);
    }
    chosen
}

/// `Less` when `a` goes before `b`: unscheduled, not running, not ready, cheap, crowded, ready for a shorter time,
/// restarted more often, newer.
fn compare(a: &PodView, b: &PodView, rank: impl Fn(&PodView) -> usize, now: Timestamp) -> Ordering {
    let phase = |pod: &PodView| match pod.phase {
        Phase::Pending => 0,
        Phase::Unknown => 1,
        _ => 2,
    };
    (!a.node.is_empty())
        .cmp(&!b.node.is_empty())
        .then_with(|| phase(a).cmp(&phase(b)))
        .then_with(|| a.ready.cmp(&b.ready))
        .then_with(|| a.deletion_cost.cmp(&b.deletion_cost))
        .then_with(|| rank(b).cmp(&rank(a)))
        .then_with(|| match (a.ready && b.ready, a.ready_changed, b.ready_changed) {
            (true, Some(a), Some(b)) => younger_first(a, b, now),
            (true, a, b) => b.is_none().cmp(&a.is_none()).reverse(),
            _ => Ordering::Equal,
        })
        .then_with(|| b.restarts.cmp(&a.restarts))
        .then_with(|| younger_first(a.meta.created, b.meta.created, now))
        .then_with(|| a.meta.uid.cmp(&b.meta.uid))
}

/// Ages are compared by their order of magnitude (KEP-2185), so that it is not always the newest Pods that go.
fn younger_first(a: Timestamp, b: Timestamp, now: Timestamp) -> Ordering {
    let magnitude = |at: Timestamp| {
        let seconds = now.duration_since(at).as_secs();
        if seconds <= 0 { -1 } else { i64::from(seconds.ilog10()) }
    };
    magnitude(a).cmp(&magnitude(b))
}

#[cfg(test)]
mod tests {
    use super::super::super::runtime::{Cached, Interner};
    use super::*;
    use shared_types::json::{Value, json};
    use shared_types::kinds;

    fn pod(name: &str, node: &str, phase: &str, ready: bool, ready_at: &str) -> Value {
        json!({
            "metadata": {"name": name, "uid": name, "creationTimestamp": "2024-01-01T00:00:00Z"},
            "spec": {"nodeName": node},
            "status": {"phase": phase, "conditions": [
                {"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": ready_at}]},
        })
    }
    fn order(pods: Vec<Value>) -> Vec<String> {
        let mut shared = Interner::default();
        let read = |pod| Arc::new(PodView::read(kinds::named("Pod"), pod, &mut shared));
        let pods: Vec<_> = pods.into_iter().map(read).collect();
        let now: Timestamp = "2024-01-02T00:00:00Z".parse().unwrap();
        let mut gone = Vec::new();
        for count in 1..=pods.len() {
            let chosen = to_delete(&pods, &pods, count, now);
            let next = chosen.iter().find(|pod| !gone.contains(&pod.meta.name.to_string()));
            gone.push(next.unwrap().meta.name.to_string());
        }
        gone
    }

    #[test]
    fn least_useful_first() {
        let at = "2024-01-01T00:00:10Z";
        let pods = vec![
            pod("ready", "n1", "Running", true, at),
            pod("unready", "n1", "Running", false, at),
            pod("pending", "n1", "Pending", false, at),
            pod("unscheduled", "", "Pending", false, at),
        ];
        assert_eq!(order(pods), ["unscheduled", "pending", "unready", "ready"]);
    }

    #[test]
    fn crowded_node_then_recently_ready_then_cost() {
        let (long, short) = ("2024-01-01T00:00:10Z", "2024-01-01T23:59:50Z");
        let mut cheap = pod("cheap", "n2", "Running", true, long);
        cheap["metadata"]["annotations"] = json!({"controller.kubernetes.io/pod-deletion-cost": "-5"});
        let pods = vec![
            pod("long", "n1", "Running", true, long),
            pod("short", "n1", "Running", true, short),
            pod("alone", "n3", "Running", true, short),
            cheap,
        ];
        assert_eq!(order(pods), ["cheap", "short", "long", "alone"]);
    }
}
