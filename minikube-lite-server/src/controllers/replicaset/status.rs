//! The status of a ReplicaSet.

use super::super::runtime::PodView;
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::status::Status;
use shared_types::time::format_time;
use std::sync::Arc;

const REPLICA_FAILURE: &str = "ReplicaFailure";

/// What the status of `set` is to be, given its active Pods, the number of those that are terminating, and what went
/// wrong when Pods were made or deleted.
pub(super) fn of(
    set: &Value,
    active: &[Arc<PodView>],
    terminating: usize,
    failure: Option<&Status>,
    now: Timestamp,
) -> Value {
    let min_ready = set.int("spec.minReadySeconds").unwrap_or(0);
    let template = set.map("spec.template.metadata.labels");
    let labelled = |pod: &&Arc<PodView>| template.iter().all(|(key, value)| pod.meta.labels.get(key) == Some(value));
    let mut status = json!({
        "replicas": active.len(),
        "observedGeneration": set.int("metadata.generation").unwrap_or(0),
        "terminatingReplicas": terminating,
    });
    for (field, count) in [
        ("fullyLabeledReplicas", active.iter().filter(labelled).count()),
        ("readyReplicas", active.iter().filter(|pod| pod.ready).count()),
        ("availableReplicas", active.iter().filter(|pod| pod.is_available(min_ready, now)).count()),
    ] {
        if count > 0 {
            status.set(field, count);
        }
    }
    let conditions = conditions(set, active.len() as i64, failure, now);
    if !conditions.is_empty() {
        status.set("conditions", conditions);
    }
    status
}

/// A failure is reported once, until it is over.
fn conditions(set: &Value, active: i64, failure: Option<&Status>, now: Timestamp) -> Vec<Value> {
    let mut conditions = set.list("status.conditions").to_vec();
    let known = conditions.iter().any(|condition| condition.text("type") == REPLICA_FAILURE);
    match failure {
        Some(failure) if !known => {
            let missing = active < set.int("spec.replicas").unwrap_or(1);
            conditions.push(json!({
                "type": REPLICA_FAILURE,
                "status": "True",
                "lastTransitionTime": format_time(now),
                "reason": if missing { "FailedCreate" } else { "FailedDelete" },
                "message": failure.message,
            }));
        }
        None if known => conditions.retain(|condition| condition.text("type") != REPLICA_FAILURE),
        _ => {}
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_counts_are_left_out_except_replicas() {
        let set = json!({"metadata": {"generation": 3}, "spec": {"replicas": 0}});
        let status = of(&set, &[], 0, None, Timestamp::UNIX_EPOCH);
        assert_eq!(status, json!({"replicas": 0, "observedGeneration": 3, "terminatingReplicas": 0}));
    }

    #[test]
    fn a_failure_is_kept_until_it_is_over() {
        let mut set = json!({"metadata": {"generation": 1}, "spec": {"replicas": 2}});
        let refused = Status::forbidden("pods", "", "", "exceeded quota");
        set["status"] = of(&set, &[], 0, Some(&refused), Timestamp::UNIX_EPOCH);
        let condition = &set["status"]["conditions"][0];
        assert_eq!(condition["reason"], "FailedCreate");
        assert_eq!(condition["message"], "pods is forbidden: exceeded quota");
        let later = of(&set, &[], 0, Some(&Status::internal("other")), Timestamp::UNIX_EPOCH);
        assert_eq!(later, set["status"]);
        assert!(!of(&set, &[], 0, None, Timestamp::UNIX_EPOCH).has("conditions"));
    }
}
