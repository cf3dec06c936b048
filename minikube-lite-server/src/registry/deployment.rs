//! Deployments.

use super::replica_set::{validate_replica_counts, validate_selector_and_template, validate_selector_immutable};
use super::{Part, Strategy, check, pod};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};

/// The rules of Deployments.
pub struct Deployment;

impl Strategy for Deployment {
    fn default(&self, deployment: &mut Value) {
        pod::defaults::default_template(deployment.at_mut("spec.template"));
        deployment.set_default("spec.replicas", 1);
        if deployment.text("spec.strategy.type").is_empty() {
            deployment.set("spec.strategy.type", "RollingUpdate");
        }
        if deployment.text("spec.strategy.type") == "RollingUpdate" {
            deployment.set_default("spec.strategy.rollingUpdate.maxUnavailable", "25%");
            deployment.set_default("spec.strategy.rollingUpdate.maxSurge", "25%");
        }
        deployment.set_default("spec.revisionHistoryLimit", 10);
        deployment.set_default("spec.progressDeadlineSeconds", 600);
    }

    fn prepare_for_create(&self, deployment: &mut Value) {
        deployment.set("status", json!({}));
    }

    fn validate(&self, deployment: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (spec, path) = (deployment.at("spec"), Path::new("spec"));
        check::non_negative(spec, "replicas", &path, &mut errors);
        validate_selector_and_template(spec, &path, &mut errors);
        validate_strategy(spec.at("strategy"), &path.child("strategy"), &mut errors);
        for field in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
            check::non_negative(spec, field, &path, &mut errors);
        }
        let ready = spec.int("minReadySeconds").unwrap_or(0);
        if let Some(deadline) = spec.int("progressDeadlineSeconds").filter(|deadline| *deadline <= ready) {
            let path = path.child("progressDeadlineSeconds");
            errors.push(FieldError::invalid(&path, deadline, "must be greater than minReadySeconds"));
        }
        errors
    }

    fn prepare_for_update(&self, deployment: &mut Value, old: &Value, part: Part) {
        if part == Part::Status {
            match old.at("metadata.labels") {
                Value::Null => drop(deployment.remove("metadata.labels")),
                labels => deployment.set("metadata.labels", labels.clone()),
            }
        }
    }

    fn validate_update(&self, deployment: &Value, old: &Value, part: Part) -> ErrorList {
        if part == Part::Status {
            return validate_status(deployment, old);
        }
        let mut errors = self.validate(deployment);
        validate_selector_immutable(deployment, old, &mut errors);
        errors
    }

    fn warnings(&self, deployment: &Value, old: Option<&Value>) -> Vec<String> {
        pod::warnings::for_workload(deployment, old)
    }

    fn has_generation(&self) -> bool {
        true
    }

    /// Annotations count too: the controller copies them to ReplicaSets.
    fn changes_generation(&self, deployment: &Value, old: &Value) -> bool {
        deployment.get("spec") != old.get("spec")
            || deployment.map("metadata.annotations") != old.map("metadata.annotations")
    }
}

fn validate_strategy(strategy: &Value, path: &Path, errors: &mut ErrorList) {
    let rolling = strategy.at("rollingUpdate");
    let rolling_path = path.child("rollingUpdate");
    match strategy.text("type") {
        "Recreate" if !rolling.is_null() => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden(&rolling_path, why));
        }
        "Recreate" => {}
        "RollingUpdate" => validate_rolling_update(rolling, &rolling_path, errors),
        other => {
            // As Kubernetes keeps it internally.
            let rolling = match rolling {
                Value::Null => "null".to_string(),
                rolling => format!(
                    "{{\"MaxUnavailable\":{},\"MaxSurge\":{}}}",
                    number_or_zero(rolling.at("maxUnavailable")),
                    number_or_zero(rolling.at("maxSurge"))
                ),
            };
            let shown = format!("{{\"Type\":{},\"RollingUpdate\":{rolling}}}", Value::from(other));
            errors.push(FieldError::not_supported_shown(path, &shown, &["Recreate", "RollingUpdate"]));
        }
    }
}

fn number_or_zero(value: &Value) -> Value {
    if value.is_null() { Value::from(0) } else { value.clone() }
}

fn validate_rolling_update(rolling: &Value, path: &Path, errors: &mut ErrorList) {
    for field in ["maxUnavailable", "maxSurge"] {
        validate_number_or_percent(rolling, field, path, errors);
    }
    let (unavailable, surge) = (rolling.at("maxUnavailable"), rolling.at("maxSurge"));
    let path = path.child("maxUnavailable");
    if leading_number(unavailable) == 0 && leading_number(surge) == 0 {
        errors.push(FieldError::invalid(&path, unavailable.clone(), "may not be 0 when `maxSurge` is 0"));
    }
    if unavailable.as_str().is_some_and(|text| names::is_valid_percent(text).is_empty())
        && leading_number(unavailable) > 100
    {
        errors.push(FieldError::invalid(&path, unavailable.clone(), "must not be greater than 100%"));
    }
}

/// A number that is not negative, or a percentage.
pub fn validate_number_or_percent(object: &Value, field: &str, path: &Path, errors: &mut ErrorList) {
    match object.at(field).as_str() {
        Some(text) => check::report(names::is_valid_percent(text), text, &path.child(field), errors),
        None => check::non_negative(object, field, path, errors),
    }
}

/// The number, or that of a percentage; zero for anything else.
fn leading_number(value: &Value) -> i64 {
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse().ok());
    value.as_i64().or(percent).unwrap_or(0)
}

fn validate_status(deployment: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (status, path) = (deployment.at("status"), Path::new("status"));
    let parts = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    validate_replica_counts(status, &parts, &mut errors);
    for field in ["unavailableReplicas", "terminatingReplicas", "collisionCount"] {
        check::non_negative(status, field, &path, &mut errors);
    }
    let (count, before) = (status.int("collisionCount"), old.int("status.collisionCount"));
    if before.is_some() && count < before {
        let path = path.child("collisionCount");
        errors.push(FieldError::invalid(&path, status.at("collisionCount").clone(), "cannot be decremented"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(change: impl Fn(&mut Value)) -> Value {
        let mut deployment = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
        change(&mut deployment);
        Deployment.default(&mut deployment);
        deployment
    }
    fn errors(change: impl Fn(&mut Value)) -> Vec<String> {
        Deployment.validate(&deployment(change)).iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn defaults() {
        let deployment = deployment(|_| {});
        assert_eq!(Deployment.validate(&deployment), []);
        assert_eq!(
            deployment["spec"]["strategy"],
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
        );
        assert_eq!(deployment.int("spec.progressDeadlineSeconds"), Some(600));
        assert_eq!(deployment.int("spec.revisionHistoryLimit"), Some(10));
    }

    #[test]
    fn the_template_must_be_selected_and_restart() {
        let found = errors(|d| {
            d.set("spec.replicas", -1);
            d.set("spec.template.metadata.labels", json!({"a": "c"}));
            d.set("spec.template.spec.restartPolicy", "Never");
        });
        assert_eq!(
            found,
            [
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.template.metadata.labels: Invalid value: {\"a\":\"c\"}: `selector` does not match template `labels`",
                "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
            ]
        );
    }

    #[test]
    fn strategies() {
        let with = |strategy: Value| errors(|d| d.set("spec.strategy", strategy.clone()));
        assert_eq!(
            with(json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}})),
            ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"]
        );
        assert_eq!(
            with(json!({"type": "Blue"})),
            ["spec.strategy: Unsupported value: {\"Type\":\"Blue\",\"RollingUpdate\":null}: supported values: \
                 \"Recreate\", \"RollingUpdate\""]
        );
        assert_eq!(
            with(json!({"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}})),
            ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"]
        );
        assert_eq!(
            with(json!({"rollingUpdate": {"maxUnavailable": "101%"}})),
            ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"]
        );
        assert_eq!(with(json!({"rollingUpdate": {"maxSurge": "x"}})).len(), 1);
    }

    #[test]
    fn selectors_are_immutable() {
        let old = deployment(|_| {});
        let new = deployment(|d| {
            d.set("spec.selector.matchLabels.a", "z");
            d.set("spec.template.metadata.labels.a", "z");
        });
        let found = Deployment.validate_update(&new, &old, Part::Main);
        assert_eq!(
            found.iter().map(FieldError::to_string).collect::<Vec<_>>(),
            ["spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"z\"}}: field is immutable"]
        );
    }
}
