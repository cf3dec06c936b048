//! Roles and ClusterRoles (RBAC).

use super::metadata;
use super::strategy::Strategy;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::validation::{ErrorList, FieldError, Path};

/// The strategy of Roles, or with `cluster` of ClusterRoles.
pub struct Role {
    pub cluster: bool,
}

impl Strategy for Role {
    fn validate(&self, role: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let rules = Path::new("rules");
        for (index, rule) in role.list("rules").iter().enumerate() {
            validate_rule(&mut errors, rule, &rules.index(index), self.cluster);
        }
        if self.cluster && role.has("aggregationRule") && role.list("aggregationRule.clusterRoleSelectors").is_empty() {
            let path = Path::new("aggregationRule.clusterRoleSelectors");
            let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
            errors.push(FieldError::required(&path, why));
        }
        errors
    }

    fn validate_name(&self, name: &str, prefix: bool) -> Vec<String> {
        metadata::path_segment_name(name, prefix)
    }
    fn allows_create_on_update(&self) -> bool {
        true
    }
}

/// A rule is about API resources, or in a ClusterRole about paths.
fn validate_rule(errors: &mut ErrorList, rule: &Value, path: &Path, cluster: bool) {
    let mut require = |field: &str, why: &str| {
        if rule.list(field).is_empty() {
            errors.push(FieldError::required(&path.child(field), why));
        }
    };
    require("verbs", "verbs must contain at least one value");
    if rule.list("nonResourceURLs").is_empty() {
        require("apiGroups", "resource rules must supply at least one api group");
        require("resources", "resource rules must supply at least one resource");
        return;
    }
    let mut refuse = |why: &str| {
        let value = rule.at("nonResourceURLs").clone();
        errors.push(FieldError::invalid(&path.child("nonResourceURLs"), value, why));
    };
    if !cluster {
        refuse("namespaced rules cannot apply to non-resource URLs");
    }
    if ["apiGroups", "resources", "resourceNames"].iter().any(|field| !rule.list(field).is_empty()) {
        refuse("rules cannot apply to both regular resources and non-resource URLs");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn rules_are_about_resources_or_paths() {
        let fields = |cluster: bool, rule: Value| {
            let errors = Role { cluster }.validate(&json!({"rules": [rule]}));
            errors.into_iter().map(|e| e.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(false, json!({})), ["rules[0].verbs", "rules[0].apiGroups", "rules[0].resources"]);
        let paths = json!({"verbs": ["get"], "nonResourceURLs": ["/healthz"]});
        assert_eq!(fields(false, paths.clone()), ["rules[0].nonResourceURLs"]);
        assert!(fields(true, paths).is_empty());
    }
}
