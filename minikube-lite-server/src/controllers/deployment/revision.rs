//! The annotations by which a Deployment's ReplicaSets make its history.

use shared_types::fields::Fields;
use shared_types::json::{Object, Value};

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of a Deployment that its ReplicaSets do not take over.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];
/// How long the list of a ReplicaSet's former revisions may become, in characters.
const HISTORY_LIMIT: usize = 2000;

/// The revision of a ReplicaSet; 0 without one.
pub(super) fn revision(object: &Value) -> i64 {
    object.annotation(REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

/// The number of replicas that the Deployment had when the ReplicaSet was scaled last.
pub(super) fn desired_replicas(set: &Value) -> Option<i64> {
    set.annotation(DESIRED_REPLICAS)?.parse().ok()
}

/// The number of Pods that the Deployment could have when the ReplicaSet was scaled last.
pub(super) fn max_replicas(set: &Value) -> Option<i64> {
    set.annotation(MAX_REPLICAS)?.parse().ok()
}

fn put(annotations: &mut Object, key: &str, value: &str) -> bool {
    if annotations.get(key).and_then(Value::as_str) == Some(value) {
        return false;
    }
    annotations.insert(key, value.into());
    true
}

/// Notes on a ReplicaSet how large its Deployment is; whether that is news.
pub(super) fn note_replicas(set: &mut Value, desired: i64, max: i64) -> bool {
    let annotations = set.map_mut("metadata.annotations");
    let changed = put(annotations, DESIRED_REPLICAS, &desired.to_string());
    put(annotations, MAX_REPLICAS, &max.to_string()) || changed
}

/// Gives the newest ReplicaSet the Deployment's annotations and at least the revision `new`; whether that changed it.
pub(super) fn annotate_newest(deployment: &Value, set: &mut Value, new: i64) -> bool {
    let old = set.annotation(REVISION).map(String::from);
    let history = set.annotation(REVISION_HISTORY).unwrap_or("").to_string();
    let annotations = set.map_mut("metadata.annotations");
    let mut changed = false;
    for (key, value) in deployment.map("metadata.annotations") {
        if !NOT_COPIED.contains(&key.as_str()) {
            changed |= put(annotations, key, value.as_str().unwrap_or(""));
        }
    }
    let old_number: i64 = old.as_deref().and_then(|old| old.parse().ok()).unwrap_or(0);
    if old_number < new {
        changed = true;
        annotations.insert(REVISION, new.to_string().into());
        // It served before: this is a rollback to it, and the former revision is kept on record.
        if let Some(old) = old
            && let Some(history) = extend_history(&history, &old)
        {
            annotations.insert(REVISION_HISTORY, history.into());
        }
    }
    if annotations.is_empty() {
        set.remove("metadata.annotations");
    }
    changed
}

/// The history with one more revision; the oldest go when it gets too long.
fn extend_history(history: &str, revision: &str) -> Option<String> {
    if history.is_empty() {
        return Some(revision.to_string());
    }
    let mut kept = history;
    while kept.len() + 1 + revision.len() > HISTORY_LIMIT {
        kept = kept.split_once(',')?.1;
    }
    Some(format!("{kept},{revision}"))
}

/// Sets the Deployment's revision; whether that changed it.
pub(super) fn set_revision(deployment: &mut Value, revision: i64) -> bool {
    put(deployment.map_mut("metadata.annotations"), REVISION, &revision.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn annotations_are_copied_but_not_all() {
        let deployment = json!({"metadata": {"annotations": {
            "note": "n", "kubectl.kubernetes.io/last-applied-configuration": "{}", REVISION: "7"}}});
        let mut set = json!({"metadata": {}});
        assert!(annotate_newest(&deployment, &mut set, 1));
        assert_eq!(set["metadata"]["annotations"], json!({"note": "n", REVISION: "1"}));
        assert!(!annotate_newest(&deployment, &mut set, 1));
    }

    #[test]
    fn a_rollback_keeps_former_revisions() {
        let deployment = json!({});
        let mut set = json!({"metadata": {"annotations": {REVISION: "1"}}});
        assert!(annotate_newest(&deployment, &mut set, 3));
        assert_eq!((revision(&set), set.annotation(REVISION_HISTORY)), (3, Some("1")));
        assert!(annotate_newest(&deployment, &mut set, 5));
        assert_eq!(set.annotation(REVISION_HISTORY), Some("1,3"));
        assert!(!annotate_newest(&deployment, &mut set, 4), "revisions never go down");
    }

    #[test]
    fn history_drops_the_oldest() {
        let long = vec!["1234567"; 250].join(",");
        let extended = extend_history(&long, "99").unwrap();
        assert!(extended.len() <= HISTORY_LIMIT && extended.ends_with(",1234567,99"));
    }
}
