//! ReplicaSets.

use super::{Part, Strategy, check, pod};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::selector::LabelSelector;
use shared_types::validation::{ErrorList, FieldError, Path};

/// The rules of ReplicaSets.
pub struct ReplicaSet;

impl Strategy for ReplicaSet {
    fn default(&self, set: &mut Value) {
        pod::defaults::default_template(set.at_mut("spec.template"));
        set.set_default("spec.replicas", 1);
    }

    fn prepare_for_create(&self, set: &mut Value) {
        set.set("status", json!({"replicas": 0}));
    }

    fn validate(&self, set: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (spec, path) = (set.at("spec"), Path::new("spec"));
        for field in ["replicas", "minReadySeconds"] {
            check::non_negative(spec, field, &path, &mut errors);
        }
        validate_selector_and_template(spec, &path, &mut errors);
        errors
    }

    fn validate_update(&self, set: &Value, old: &Value, part: Part) -> ErrorList {
        if part == Part::Status {
            let mut errors = ErrorList::new();
            let parts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
            validate_replica_counts(set.at("status"), &parts, &mut errors);
            return errors;
        }
        let mut errors = self.validate(set);
        validate_selector_immutable(set, old, &mut errors);
        errors
    }

    fn warnings(&self, set: &Value, old: Option<&Value>) -> Vec<String> {
        pod::warnings::for_workload(set, old)
    }

    fn has_generation(&self) -> bool {
        true
    }
}

/// What ReplicaSets and Deployments have in common: a selector, and a template whose Pods it selects.
pub fn validate_selector_and_template(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let object = spec.at("selector");
    let selector_path = path.child("selector");
    if object.is_null() {
        errors.push(FieldError::required(&selector_path, ""));
    } else {
        check::label_selector(object, &selector_path, errors);
        if object.map("matchLabels").is_empty() && object.list("matchExpressions").is_empty() {
            let why = "empty selector is invalid for deployment";
            errors.push(FieldError::invalid_shown(&selector_path, &show_selector(object), why));
        }
    }
    match LabelSelector::from_object(object) {
        Ok(selector) => {
            let template = spec.at("template");
            let replicas = spec.int("replicas").unwrap_or(0);
            validate_template(template, selector.as_ref(), replicas, &path.child("template"), errors);
        }
        Err(_) => {
            errors.push(FieldError::invalid_shown(&selector_path, &show_selector(object), "invalid label selector"));
        }
    }
}

/// The template of Pods that are kept running. A missing `selector` selects nothing.
fn validate_template(
    template: &Value,
    selector: Option<&LabelSelector>,
    replicas: i64,
    path: &Path,
    errors: &mut ErrorList,
) {
    let labels = template.map("metadata.labels");
    if !selector.is_some_and(|selector| selector.matches(labels)) {
        let why = "`selector` does not match template `labels`";
        let value = template.at("metadata.labels").clone();
        errors.push(FieldError::invalid(&path.child("metadata.labels"), value, why));
    }
    pod::validation::validate_template(template, path, errors);
    let spec = path.child("spec");
    if replicas > 1 {
        let volumes = spec.child("volumes");
        for (i, volume) in template.list("spec.volumes").iter().enumerate() {
            if volume.has("gcePersistentDisk") && !volume.flag("gcePersistentDisk.readOnly") {
                let why = "must be true for replicated pods > 1; GCE PD can only be mounted on multiple machines if it is \
                           read-only";
                let path = volumes.index(i);
                errors.push(FieldError::invalid(&path.child("gcePersistentDisk.readOnly"), false, why));
            }
        }
    }
    let policy = template.text("spec.restartPolicy");
    if policy != "Always" {
        errors.push(FieldError::not_supported(&spec.child("restartPolicy"), policy, &["Always"]));
    }
    if template.has("spec.activeDeadlineSeconds") {
        let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
        errors.push(FieldError::forbidden(&spec.child("activeDeadlineSeconds"), why));
    }
}

/// A selector as JSON in the order of its fields.
pub fn show_selector(selector: &Value) -> String {
    let fields = ["matchLabels", "matchExpressions"].into_iter().filter(|field| {
        let value = selector.at(field);
        value.as_object().is_some_and(|map| !map.is_empty()) || value.as_array().is_some_and(|list| !list.is_empty())
    });
    let fields: Vec<String> = fields.map(|field| format!("\"{field}\":{}", selector.at(field))).collect();
    format!("{{{}}}", fields.join(","))
}

/// A selector may not change: what it selected would be left behind.
pub fn validate_selector_immutable(object: &Value, old: &Value, errors: &mut ErrorList) {
    let selector = object.at("spec.selector");
    if selector != old.at("spec.selector") {
        let shown = if selector.is_null() { "null".into() } else { show_selector(selector) };
        errors.push(FieldError::invalid_shown(&Path::new("spec.selector"), &shown, check::IMMUTABLE));
    }
}

/// The counts of a status: none below zero, the counts of a part not above that of the whole.
pub fn validate_replica_counts(status: &Value, parts: &[&str], errors: &mut ErrorList) {
    let path = Path::new("status");
    for field in ["replicas"].iter().chain(parts).chain(&["observedGeneration"]) {
        check::non_negative(status, field, &path, errors);
    }
    let count = |field: &str| status.int(field).unwrap_or(0);
    let mut limit = |field: &str, whole: &str, why: &str| {
        if count(field) > count(whole) {
            errors.push(FieldError::invalid(&path.child(field), count(field), why));
        }
    };
    for field in parts {
        limit(field, "replicas", "cannot be greater than status.replicas");
    }
    limit("availableReplicas", "readyReplicas", "cannot be greater than readyReplicas");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(spec: Value) -> Value {
        let mut set = json!({"metadata": {"name": "s"}, "spec": spec});
        ReplicaSet.default(&mut set);
        set
    }

    #[test]
    fn defaults_and_validates() {
        let set = set(json!({"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}));
        assert_eq!(set.int("spec.replicas"), Some(1));
        assert_eq!(set.text("spec.template.spec.restartPolicy"), "Always");
        assert_eq!(ReplicaSet.validate(&set), []);
    }

    #[test]
    fn an_empty_set_is_told_all() {
        let found: Vec<String> = ReplicaSet.validate(&set(json!({}))).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "spec.selector: Required value",
                "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
                "spec.template.spec.containers: Required value",
            ]
        );
    }

    #[test]
    fn selectors_show_in_their_own_order() {
        let selector = json!({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "Exists"}]});
        assert_eq!(
            show_selector(&selector),
            r#"{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"k","operator":"Exists"}]}"#
        );
    }

    #[test]
    fn status_counts_fit_together() {
        let mut errors = ErrorList::new();
        let status = json!({"replicas": 1, "readyReplicas": 2, "availableReplicas": -1});
        validate_replica_counts(&status, &["readyReplicas", "availableReplicas"], &mut errors);
        let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "status.availableReplicas: Invalid value: -1: must be greater than or equal to 0",
                "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
            ]
        );
    }
}
