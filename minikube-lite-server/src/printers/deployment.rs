//! Deployments.

use super::*;
use shared_types::selector::LabelSelector;

pub const COLUMNS: &[Column] = &[
    NAME,
    column("Ready", "Number of the pod with ready state"),
    column(
        "Up-to-date",
        "Total number of non-terminating pods targeted by this deployment that have the desired template spec.",
    ),
    column(
        "Available",
        "Total number of available non-terminating pods (ready for at least minReadySeconds) targeted by this deployment.",
    ),
    AGE,
    CONTAINERS,
    IMAGES,
    wide(
        "Selector",
        "Label selector for pods. Existing ReplicaSets whose pods are selected by this will be the ones affected by this deployment. It must match the pod template's labels.",
    ),
];

pub fn cells(deployment: &Value, now: Timestamp) -> Vec<Value> {
    let count = |path: &str| deployment.int(path).unwrap_or(0);
    let (containers, images) = template_containers(deployment);
    let selector = match LabelSelector::from_object(deployment.at("spec.selector")) {
        Ok(selector) => selector.map_or_else(String::new, |selector| selector.to_string()),
        Err(_) => "<invalid>".to_string(),
    };
    vec![
        deployment.name().into(),
        format!("{}/{}", count("status.readyReplicas"), count("spec.replicas")).into(),
        count("status.updatedReplicas").into(),
        count("status.availableReplicas").into(),
        age(deployment, now),
        containers.into(),
        images.into(),
        selector.into(),
    ]
}
