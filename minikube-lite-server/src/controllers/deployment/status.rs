//! The status of a Deployment and its conditions.

use super::rolling::{available, max_unavailable, replicas, total};
use jiff::{SignedDuration, Timestamp};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::time::{format_time, parse_time};

pub(super) const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "Available";
const REPLICA_FAILURE: &str = "ReplicaFailure";
const NEW_AVAILABLE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

/// A condition that begins now.
pub(super) fn condition(kind: &str, status: &str, reason: &str, message: impl Into<String>, now: Timestamp) -> Value {
    json!({
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message.into(),
        "lastUpdateTime": format_time(now),
        "lastTransitionTime": format_time(now),
    })
}

/// The condition of a type in a Deployment's or ReplicaSet's status.
pub(super) fn find<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status.list("conditions").iter().find(|condition| condition.text("type") == kind)
}

fn remove(status: &mut Value, kind: &str) {
    let left: Vec<Value> = status.list("conditions").iter().filter(|c| c.text("type") != kind).cloned().collect();
    if left.is_empty() {
        status.remove("conditions");
    } else {
        status.set("conditions", left);
    }
}

/// Puts a condition in, unless one with the same status and reason is there already. Whether that changed the status.
pub(super) fn put(status: &mut Value, mut condition: Value) -> bool {
    let kind = condition.text("type").to_string();
    if let Some(old) = find(status, &kind)
        && old.text("status") == condition.text("status")
    {
        if old.text("reason") == condition.text("reason") {
            return false;
        }
        condition.set("lastTransitionTime", old.at("lastTransitionTime").clone());
    }
    remove(status, &kind);
    let mut conditions = status.list("conditions").to_vec();
    conditions.push(condition);
    status.set("conditions", conditions);
    true
}

/// The progress deadline in seconds; `None` where there is none.
pub(super) fn progress_deadline(deployment: &Value) -> Option<i64> {
    deployment.int("spec.progressDeadlineSeconds").filter(|seconds| *seconds != i64::from(i32::MAX))
}

fn count(status: &Value, field: &str) -> i64 {
    status.int(field).unwrap_or(0)
}

/// The counts and the `Available` condition. `newest` is one of `sets`.
pub(super) fn observed(deployment: &Value, sets: &[&Value], newest: Option<&Value>, now: Timestamp) -> Value {
    let sum = |path: &str| sets.iter().map(|set| set.int(path).unwrap_or(0)).sum::<i64>();
    let is_available: i64 = sets.iter().map(|set| available(set)).sum();
    let mut status = json!({});
    for (field, number) in [
        ("observedGeneration", deployment.int("metadata.generation").unwrap_or(0)),
        ("replicas", sum("status.replicas")),
        ("updatedReplicas", newest.and_then(|set| set.int("status.replicas")).unwrap_or(0)),
        ("readyReplicas", sum("status.readyReplicas")),
        ("availableReplicas", is_available),
        ("unavailableReplicas", (total(sets.iter().copied()) - is_available).max(0)),
    ] {
        if number != 0 {
            status.set(field, number);
        }
    }
    // Counted only when every ReplicaSet does.
    let terminating: Option<Vec<i64>> = sets.iter().map(|set| set.int("status.terminatingReplicas")).collect();
    if let Some(terminating) = terminating {
        status.set("terminatingReplicas", terminating.iter().sum::<i64>());
    }
    for field in ["collisionCount", "conditions"] {
        let kept = deployment.at("status").at(field);
        if !kept.is_null() {
            status.set(field, kept.clone());
        }
    }
    let enough = is_available >= replicas(deployment) - max_unavailable(deployment);
    let (value, reason, message) = match enough {
        true => ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        false => ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
    };
    put(&mut status, condition(AVAILABLE, value, reason, message, now));
    status
}

/// Whether an update is over: all replicas are new and available.
pub(super) fn is_complete(deployment: &Value, status: &Value) -> bool {
    let wanted = replicas(deployment);
    ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|field| count(status, field) == wanted)
        && count(status, "observedGeneration") >= deployment.int("metadata.generation").unwrap_or(0)
}

/// Whether `new` is closer to the end of the update than `old`.
fn has_progressed(old: &Value, new: &Value) -> bool {
    let outdated = |status: &Value| count(status, "replicas") - count(status, "updatedReplicas");
    let more = |field: &str| count(new, field) > count(old, field);
    more("updatedReplicas") || outdated(new) < outdated(old) || more("readyReplicas") || more("availableReplicas")
}

fn deadline_passed(deployment: &Value, status: &Value, now: Timestamp) -> bool {
    let Some(condition) = find(status, PROGRESSING) else { return false };
    match condition.text("reason") {
        NEW_AVAILABLE => false,
        TIMED_OUT => true,
        _ => deadline(deployment, condition).is_some_and(|deadline| deadline < now),
    }
}

/// When the progress that `condition` tells of must have been followed by more.
fn deadline(deployment: &Value, condition: &Value) -> Option<Timestamp> {
    let since = parse_time(condition.text("lastUpdateTime"))?;
    since.checked_add(SignedDuration::from_secs(progress_deadline(deployment)?)).ok()
}

/// The whole status during a rollout: [`observed`] with the conditions `Progressing` and `ReplicaFailure`.
pub(super) fn rollout(deployment: &Value, sets: &[&Value], newest: Option<&Value>, now: Timestamp) -> Value {
    let mut status = observed(deployment, sets, newest, now);
    let old = deployment.at("status");
    if progress_deadline(deployment).is_none() {
        remove(&mut status, PROGRESSING);
    }
    let current = find(old, PROGRESSING);
    // With only one active ReplicaSet after a finished rollout there is no progress to speak of.
    let finished = count(&status, "replicas") == count(&status, "updatedReplicas")
        && current.is_some_and(|condition| condition.text("reason") == NEW_AVAILABLE);
    if progress_deadline(deployment).is_some() && !finished {
        let subject = match newest {
            Some(set) => format!("ReplicaSet {:?}", set.name()),
            None => format!("Deployment {:?}", deployment.name()),
        };
        if is_complete(deployment, &status) {
            let message = format!("{subject} has successfully progressed.");
            put(&mut status, condition(PROGRESSING, "True", NEW_AVAILABLE, message, now));
        } else if has_progressed(old, &status) {
            let message = format!("{subject} is progressing.");
            let mut progress = condition(PROGRESSING, "True", "ReplicaSetUpdated", message, now);
            // The same reason again, but its time is news.
            if let Some(current) = current {
                if current.text("status") == "True" {
                    progress.set("lastTransitionTime", current.at("lastTransitionTime").clone());
                }
                remove(&mut status, PROGRESSING);
            }
            put(&mut status, progress);
        } else if deadline_passed(deployment, &status, now) {
            let message = format!("{subject} has timed out progressing.");
            put(&mut status, condition(PROGRESSING, "False", TIMED_OUT, message, now));
        }
    }
    match replica_failure(sets, newest) {
        Some(failure) => drop(put(&mut status, failure)),
        None => remove(&mut status, REPLICA_FAILURE),
    }
    status
}

/// The failure of a ReplicaSet to make its Pods, as a condition of the Deployment: the newest's before others'.
fn replica_failure(sets: &[&Value], newest: Option<&Value>) -> Option<Value> {
    let failure = |set: &&Value| find(set.at("status"), REPLICA_FAILURE).cloned();
    let mut found = newest.as_ref().and_then(failure).or_else(|| sets.iter().find_map(failure))?;
    let time = found.at("lastTransitionTime").clone();
    found.set("lastUpdateTime", time);
    Some(found)
}

/// When to look again whether the rollout is stuck.
pub(super) fn next_check(deployment: &Value, status: &Value) -> Option<Timestamp> {
    let condition = find(deployment.at("status"), PROGRESSING)?;
    if is_complete(deployment, status) || [TIMED_OUT, NEW_AVAILABLE].contains(&condition.text("reason")) {
        return None;
    }
    deadline(deployment, condition)?.checked_add(SignedDuration::from_secs(1)).ok()
}

/// The condition that says that the Deployment was paused or resumed, where that is news.
pub(super) fn pausing(deployment: &Value, now: Timestamp) -> Option<Value> {
    progress_deadline(deployment)?;
    let reason = find(deployment.at("status"), PROGRESSING).map_or("", |condition| condition.text("reason"));
    if reason == TIMED_OUT {
        return None;
    }
    match (deployment.flag("spec.paused"), reason == "DeploymentPaused") {
        (true, false) => Some(condition(PROGRESSING, "Unknown", "DeploymentPaused", "Deployment is paused", now)),
        (false, true) => Some(condition(PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed", now)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(status: Value) -> Value {
        json!({"metadata": {"name": "web", "generation": 2}, "status": status,
            "spec": {"replicas": 3, "progressDeadlineSeconds": 600,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}})
    }
    fn set(name: &str, size: i64, ready: i64) -> Value {
        json!({"metadata": {"name": name}, "spec": {"replicas": size},
            "status": {"replicas": size, "readyReplicas": ready, "availableReplicas": ready, "terminatingReplicas": 0}})
    }
    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }
    fn reasons(status: &Value) -> Vec<(&str, &str)> {
        status.list("conditions").iter().map(|c| (c.text("type"), c.text("reason"))).collect()
    }

    #[test]
    fn a_rollout_from_start_to_end() {
        let (old, new) = (set("web-1", 3, 3), set("web-2", 1, 0));
        let status = rollout(&deployment(json!({})), &[&old, &new], Some(&new), at(0));
        assert_eq!(reasons(&status), [("Available", "MinimumReplicasAvailable"), ("Progressing", "ReplicaSetUpdated")]);
        assert_eq!(status["unavailableReplicas"], 1);
        let done = set("web-2", 3, 3);
        let status = rollout(&deployment(status), &[&set("web-1", 0, 0), &done], Some(&done), at(9));
        assert_eq!(
            find(&status, "Progressing").unwrap()["message"],
            "ReplicaSet \"web-2\" has successfully progressed."
        );
        assert_eq!(find(&status, "Progressing").unwrap()["lastTransitionTime"], format_time(at(0)));
        assert!(!status.has("unavailableReplicas"));
    }

    #[test]
    fn without_progress_the_deadline_passes_once() {
        let new = set("web-2", 3, 0);
        let d = deployment(rollout(&deployment(json!({})), &[&new], Some(&new), at(0)));
        assert_eq!(next_check(&d, &d["status"]), Some(at(601)));
        let before = rollout(&d, &[&new], Some(&new), at(600));
        assert_eq!(before, d["status"]);
        let after = rollout(&d, &[&new], Some(&new), at(601));
        let progressing = find(&after, "Progressing").unwrap();
        assert_eq!((progressing.text("status"), progressing.text("reason")), ("False", "ProgressDeadlineExceeded"));
        assert_eq!(next_check(&deployment(after.clone()), &after), None);
    }

    #[test]
    fn pausing_and_resuming_are_told_once() {
        let mut d = deployment(json!({}));
        d["spec"]["paused"] = json!(true);
        let paused = pausing(&d, at(0)).unwrap();
        assert_eq!(paused.text("message"), "Deployment is paused");
        put(d.at_mut("status"), paused);
        assert_eq!(pausing(&d, at(1)), None);
        d["spec"]["paused"] = json!(false);
        assert_eq!(pausing(&d, at(2)).unwrap().text("reason"), "DeploymentResumed");
    }
}
