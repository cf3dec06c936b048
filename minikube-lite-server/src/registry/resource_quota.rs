//! ResourceQuotas.

use super::check::{self, NEGATIVE};
use super::strategy::{Part, Strategy};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::quantity::Quantity;
use shared_types::validation::{ErrorList, FieldError, Path};

/// Resources of which there can only be whole ones.
const COUNTED: &[&str] = &[
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
/// Amounts that can be limited without a prefix.
const MEASURED: &[&str] = &["cpu", "memory", "ephemeral-storage"];

pub struct ResourceQuota;

impl Strategy for ResourceQuota {
    fn prepare_for_create(&self, quota: &mut Value) {
        quota.remove("status");
    }

    fn validate(&self, quota: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_amounts(quota, "spec.hard", &mut errors);
        errors
    }

    fn validate_update(&self, quota: &Value, old: &Value, part: Part) -> ErrorList {
        let mut errors = ErrorList::new();
        if part == Part::Status {
            validate_amounts(quota, "status.hard", &mut errors);
            validate_amounts(quota, "status.used", &mut errors);
            return errors;
        }
        errors.extend(self.validate(quota));
        check::immutable(quota.at("spec.scopes"), old.at("spec.scopes"), &Path::new("spec.scopes"), &mut errors);
        errors
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn validate_amounts(quota: &Value, field: &str, errors: &mut ErrorList) {
    let list = Path::new(field);
    for (resource, amount) in quota.map(field) {
        let (path, text) = (list.key(resource), amount.as_str().unwrap_or(""));
        check::report(names::is_qualified_name(resource), resource, &path, errors);
        let plain = resource.strip_prefix("requests.").or(resource.strip_prefix("limits.")).unwrap_or(resource);
        if !resource.contains('/') && !COUNTED.contains(&plain) && !MEASURED.contains(&plain) && plain != "storage" {
            errors.push(FieldError::invalid(&path, resource.as_str(), "must be a standard resource for quota"));
        }
        let Ok(quantity) = Quantity::parse(text) else { continue };
        if quantity.is_negative() {
            errors.push(FieldError::invalid(&path, text, NEGATIVE));
        }
        let counted = COUNTED.contains(&resource.as_str()) || resource.starts_with("count/");
        if counted && !quantity.is_integer() {
            errors.push(FieldError::invalid(&path, text, "must be an integer"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn amounts_are_of_known_resources() {
        let hard = json!({"pods": "1500m", "cpu": "1500m", "dreams": "3", "count/deployments.apps": "2"});
        let errors = ResourceQuota.validate(&json!({"spec": {"hard": hard}}));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "spec.hard[dreams]: Invalid value: \"dreams\": must be a standard resource for quota",
                "spec.hard[pods]: Invalid value: \"1500m\": must be an integer"
            ]
        );
    }
}
