//! ReplicaSets.

use super::*;
use shared_types::selector::LabelSelector;

pub const COLUMNS: &[Column] = &[
    NAME,
    Column {
        ty: "integer",
        ..column(
            "Desired",
            "Replicas is the number of desired pods. This is a pointer to distinguish between explicit zero and unspecified. Defaults to 1. More info: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset",
        )
    },
    Column {
        ty: "integer",
        ..column(
            "Current",
            "Replicas is the most recently observed number of non-terminating pods. More info: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset",
        )
    },
    Column {
        ty: "integer",
        ..column("Ready", "The number of non-terminating pods targeted by this ReplicaSet with a Ready Condition.")
    },
    AGE,
    CONTAINERS,
    IMAGES,
    wide(
        "Selector",
        "Selector is a label query over pods that should match the replica count. Label keys and values that must match in order to be controlled by this replica set. It must match the pod template's labels. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
    ),
];

pub fn cells(replica_set: &Value, now: Timestamp) -> Vec<Value> {
    let count = |path: &str| Value::from(replica_set.int(path).unwrap_or(0));
    let (containers, images) = template_containers(replica_set);
    let selector = match LabelSelector::from_object(replica_set.at("spec.selector")) {
        Ok(selector) => selector.map_or_else(String::new, |selector| selector.to_string()),
        Err(_) => "<error>".to_string(),
    };
    vec![
        replica_set.name().into(),
        count("spec.replicas"),
        count("status.replicas"),
        count("status.readyReplicas"),
        age(replica_set, now),
        containers.into(),
        images.into(),
        or(&selector, NONE).into(),
    ]
}
