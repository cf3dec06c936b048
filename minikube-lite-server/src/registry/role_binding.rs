//! RoleBindings and ClusterRoleBindings (RBAC).

use super::strategy::{Part, Strategy};
use super::{check, metadata};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};

const GROUP: &str = "rbac.authorization.k8s.io";

/// The strategy of RoleBindings, or with `cluster` of ClusterRoleBindings.
pub struct RoleBinding {
    pub cluster: bool,
}

impl Strategy for RoleBinding {
    fn default(&self, binding: &mut Value) {
        if binding.text("roleRef.apiGroup").is_empty() {
            binding.set("roleRef.apiGroup", GROUP);
        }
        for subject in binding.list_mut("subjects") {
            let known = matches!(subject.text("kind"), "User" | "Group");
            if known && subject.text("apiGroup").is_empty() {
                subject.set("apiGroup", GROUP);
            }
        }
    }

    fn validate(&self, binding: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let role = Path::new("roleRef");
        check::one_of(binding.at("roleRef"), "apiGroup", &[GROUP], &role, &mut errors);
        let kinds: &[&str] = if self.cluster { &["ClusterRole"] } else { &["ClusterRole", "Role"] };
        check::one_of(binding.at("roleRef"), "kind", kinds, &role, &mut errors);
        let (path, name) = (role.child("name"), binding.text("roleRef.name"));
        if name.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else {
            check::report(metadata::path_segment_name(name, false), name, &path, &mut errors);
        }
        let subjects = Path::new("subjects");
        for (index, subject) in binding.list("subjects").iter().enumerate() {
            validate_subject(&mut errors, subject, &subjects.index(index));
        }
        errors
    }

    fn validate_update(&self, binding: &Value, old: &Value, _part: Part) -> ErrorList {
        let mut errors = self.validate(binding);
        if binding.at("roleRef") != old.at("roleRef") {
            let role = binding.at("roleRef").clone();
            errors.push(FieldError::invalid(&Path::new("roleRef"), role, "cannot change roleRef"));
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

fn validate_subject(errors: &mut ErrorList, subject: &Value, path: &Path) {
    let name = subject.text("name");
    if name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), ""));
    }
    match subject.text("kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                check::report(names::is_dns1123_subdomain(name), name, &path.child("name"), errors);
            }
            check::one_of(subject, "apiGroup", &[""], path, errors);
            if subject.text("namespace").is_empty() {
                errors.push(FieldError::required(&path.child("namespace"), ""));
            }
        }
        "User" | "Group" => check::one_of(subject, "apiGroup", &[GROUP], path, errors),
        _ => check::one_of(subject, "kind", &["Group", "ServiceAccount", "User"], path, errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn subjects_are_checked_by_kind() {
        let mut binding = json!({"roleRef": {"kind": "Role", "name": "reader"}, "subjects": [
            {"kind": "User", "name": "jane"}, {"kind": "ServiceAccount", "name": "bot"}, {"kind": "Robot", "name": "x"}]});
        let strategy = RoleBinding { cluster: false };
        strategy.default(&mut binding);
        let fields: Vec<String> = strategy.validate(&binding).into_iter().map(|e| e.field).collect();
        assert_eq!(fields, ["subjects[1].namespace", "subjects[2].kind"]);
        assert_eq!(RoleBinding { cluster: true }.validate(&binding)[0].field, "roleRef.kind");
    }

    #[test]
    fn the_role_stays() {
        let old = json!({"roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "a"}});
        let new = json!({"roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "b"}});
        let errors = RoleBinding { cluster: false }.validate_update(&new, &old, Part::Main);
        assert!(errors[0].to_string().ends_with("cannot change roleRef"));
    }
}
