//! Deployments and ReplicaSets.

use super::metadata::{controlled_by, date, labels_and_annotations, name_and_namespace};
use super::pod_template;
use super::report::{Report, or, scalar};
use super::selectors::label_selector;
use shared_types::fields::Fields;
use shared_types::json::Value;

const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// `replica_sets` are those of the Deployment's namespace that its selector matches.
pub fn deployment(report: &mut Report, deployment: &Value, replica_sets: Vec<Value>) {
    let number = |path: &str| deployment.int(path).unwrap_or(0);
    name_and_namespace(report, deployment);
    report.field(0, "CreationTimestamp", date(deployment.text("metadata.creationTimestamp")));
    labels_and_annotations(report, deployment);
    report.field(0, "Selector", label_selector(deployment.at("spec.selector")));
    report.field(
        0,
        "Replicas",
        format_args!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            number("spec.replicas"),
            number("status.updatedReplicas"),
            number("status.replicas"),
            number("status.availableReplicas"),
            number("status.unavailableReplicas")
        ),
    );
    report.field(0, "StrategyType", deployment.text("spec.strategy.type"));
    report.field(0, "MinReadySeconds", number("spec.minReadySeconds"));
    let rolling = deployment.at("spec.strategy.rollingUpdate");
    if !rolling.is_null() {
        let part = |path: &str| or(&scalar(rolling.at(path)), "<nil>").to_string();
        let (unavailable, surge) = (part("maxUnavailable"), part("maxSurge"));
        report.field(0, "RollingUpdateStrategy", format_args!("{unavailable} max unavailable, {surge} max surge"));
    }
    pod_template::describe(report, deployment.at("spec.template"));
    conditions(report, deployment);
    let (old, new) = old_and_new(deployment, replica_sets);
    if !old.is_empty() || new.is_some() {
        report.field(0, "OldReplicaSets", created(&old));
        report.field(0, "NewReplicaSet", created(new.as_slice()));
    }
}

/// `pods` are those of the namespace that the ReplicaSet's selector matches, or why they could not be had.
pub fn replica_set(report: &mut Report, set: &Value, pods: Result<Vec<Value>, String>) {
    name_and_namespace(report, set);
    report.field(0, "Selector", label_selector(set.at("spec.selector")));
    labels_and_annotations(report, set);
    controlled_by(report, set);
    let number = |path: &str| set.int(path).unwrap_or(0);
    let (current, desired) = (number("status.replicas"), number("spec.replicas"));
    report.field(0, "Replicas", format_args!("{current} current / {desired} desired"));
    let status = match pods {
        Err(error) => format!("error in fetching pods: {error}"),
        Ok(pods) => {
            let own = |pod: &&Value| pod.controller_ref().is_some_and(|owner| owner.text("uid") == set.uid());
            let count = |phase: &str| pods.iter().filter(own).filter(|pod| pod.text("status.phase") == phase).count();
            format!(
                "{} Running / {} Waiting / {} Succeeded / {} Failed",
                count("Running"),
                count("Pending"),
                count("Succeeded"),
                count("Failed")
            )
        }
    };
    report.field(0, "Pods Status", status);
    pod_template::describe(report, set.at("spec.template"));
    conditions(report, set);
}

fn conditions(report: &mut Report, object: &Value) {
    let conditions = object.list("status.conditions");
    if !conditions.is_empty() {
        report.heading(0, "Conditions");
        report.header(1, &["Type", "Status", "Reason"]);
    }
    for condition in conditions {
        let name = format!("{} ", condition.text("type"));
        report.row(1, &[&name, condition.text("status"), condition.text("reason")]);
    }
}

/// Parts a Deployment's ReplicaSets, by age, into those of earlier templates and the one of its present template.
fn old_and_new(deployment: &Value, mut sets: Vec<Value>) -> (Vec<Value>, Option<Value>) {
    sets.retain(|set| set.controller_ref().is_some_and(|owner| owner.text("uid") == deployment.uid()));
    let age = |set: &Value| (set.text("metadata.creationTimestamp").to_string(), set.name().to_string());
    sets.sort_by_key(age);
    let template = without_hash(deployment.at("spec.template"));
    let new = sets.iter().position(|set| without_hash(set.at("spec.template")) == template);
    let new = new.map(|index| sets.remove(index));
    (sets, new)
}

/// A template without the label that tells ReplicaSets of one Deployment apart.
fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    template.map_mut("metadata.labels").remove(POD_TEMPLATE_HASH);
    template
}

/// `web-5d4 (2/2 replicas created)`.
fn created(sets: &[Value]) -> String {
    let text = |set: &Value| {
        let number = |path: &str| set.int(path).unwrap_or(0);
        format!("{} ({}/{} replicas created)", set.name(), number("status.replicas"), number("spec.replicas"))
    };
    or(&sets.iter().map(text).collect::<Vec<_>>().join(", "), "<none>").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn set(name: &str, owner: &str, created: &str, image: &str) -> Value {
        json!({"metadata": {"name": name, "creationTimestamp": created,
                "ownerReferences": [{"controller": true, "uid": owner}]},
            "spec": {"replicas": 0, "template": {"metadata": {"labels": {"app": "w", POD_TEMPLATE_HASH: name}},
                "spec": {"containers": [{"image": image}]}}}, "status": {"replicas": 0}})
    }

    #[test]
    fn the_new_replica_set_is_the_one_with_the_deployments_template() {
        let deployment = json!({"metadata": {"uid": "d"}, "spec": {"template": {"metadata": {"labels": {"app": "w"}},
            "spec": {"containers": [{"image": "b"}]}}}});
        let sets = vec![
            set("c", "d", "2026-01-03T00:00:00Z", "c"),
            set("b", "d", "2026-01-02T00:00:00Z", "b"),
            set("a", "d", "2026-01-01T00:00:00Z", "a"),
            set("x", "other", "2026-01-01T00:00:00Z", "b"),
        ];
        let (old, new) = old_and_new(&deployment, sets);
        assert_eq!(created(&old), "a (0/0 replicas created), c (0/0 replicas created)");
        assert_eq!(created(new.as_slice()), "b (0/0 replicas created)");
        assert_eq!(created(&[]), "<none>");
    }
}
