//! Namespaces.

use super::strategy::{Part, Strategy};
use super::{Registry, check, metadata};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::status::Status;
use shared_types::validation::{ErrorList, FieldError, Path};

/// The label that every Namespace carries with its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The finalizer that the namespace controller removes when the namespace is empty.
const FINALIZER: &str = "kubernetes";

pub struct Namespace;

impl Strategy for Namespace {
    fn default(&self, namespace: &mut Value) {
        label_with_name(namespace);
    }

    fn prepare_for_create(&self, namespace: &mut Value) {
        namespace.set("status", shared_types::json!({"phase": "Active"}));
        namespace.set_default("spec.finalizers", Vec::<Value>::new());
        if let Some(finalizers) = namespace.at_mut("spec.finalizers").as_array_mut()
            && !finalizers.iter().any(|f| f == FINALIZER)
        {
            finalizers.push(FINALIZER.into());
        }
    }

    fn prepare_for_update(&self, namespace: &mut Value, old: &Value, part: Part) {
        let keep = |namespace: &mut Value, field: &str| match old.at(field) {
            Value::Null => drop(namespace.remove(field)),
            value => namespace.set(field, value.clone()),
        };
        match part {
            Part::Main => keep(namespace, "spec"),
            Part::Status => {}
            Part::Other(_) => keep(namespace, "status"),
        }
    }

    fn validate(&self, namespace: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec.finalizers");
        for (index, finalizer) in namespace.list("spec.finalizers").iter().enumerate() {
            let finalizer = finalizer.as_str().unwrap_or("");
            check::report(names::is_qualified_name(finalizer), finalizer, &path.index(index), &mut errors);
            if !finalizer.contains('/') && finalizer != FINALIZER {
                let why = "name is neither a standard finalizer name nor is it fully qualified";
                errors.push(FieldError::invalid(&path.index(index), finalizer, why));
            }
        }
        errors
    }

    fn validate_update(&self, namespace: &Value, _old: &Value, part: Part) -> ErrorList {
        match part {
            Part::Main => ErrorList::new(),
            Part::Other(_) => self.validate(namespace),
            Part::Status => {
                let phase = namespace.text("status.phase");
                let why = match (namespace.is_terminating(), phase) {
                    (false, "Active") | (true, "Terminating") => return ErrorList::new(),
                    (false, _) => "may only be 'Active' if `deletionTimestamp` is empty",
                    (true, _) => "may only be 'Terminating' if `deletionTimestamp` is not empty",
                };
                vec![FieldError::invalid(&Path::new("status.Phase"), phase, why)]
            }
        }
    }

    fn is_held(&self, namespace: &Value) -> bool {
        !namespace.list("spec.finalizers").is_empty()
    }

    fn admit_deletion(&self, name: &str) -> Result<(), Status> {
        match name {
            "default" | "kube-public" | "kube-system" => {
                Err(Status::forbidden("namespaces", "", name, "this namespace may not be deleted"))
            }
            _ => Ok(()),
        }
    }

    fn begin_deletion(&self, namespace: &mut Value) {
        namespace.remove("metadata.deletionGracePeriodSeconds");
        namespace.set("status.phase", "Terminating");
    }

    fn allocate(&self, _registry: &Registry, namespace: &mut Value, _old: Option<&Value>) -> Result<(), Status> {
        // A generated name is only known now.
        label_with_name(namespace);
        Ok(())
    }

    fn validate_name(&self, name: &str, prefix: bool) -> Vec<String> {
        metadata::dns_label_name(name, prefix)
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        // Creating reads the phase, the first of them.
        &["status.phase", "name"]
    }

    fn field_value<'a>(&self, namespace: &'a Value, field: &str) -> std::borrow::Cow<'a, str> {
        match field {
            "name" => namespace.name(),
            other => namespace.text(other),
        }
        .into()
    }
}

fn label_with_name(namespace: &mut Value) {
    let name = namespace.name().to_string();
    if !name.is_empty() {
        namespace.map_mut("metadata.labels").insert(NAME_LABEL, name.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn carries_its_name_and_finalizer() {
        let mut namespace = json!({"metadata": {"name": "team"}, "status": {"phase": "Terminating"}});
        Namespace.default(&mut namespace);
        Namespace.prepare_for_create(&mut namespace);
        assert_eq!(namespace.label(NAME_LABEL), Some("team"));
        assert_eq!(namespace.at("spec.finalizers"), &json!(["kubernetes"]));
        assert_eq!(namespace.text("status.phase"), "Active");
        Namespace.begin_deletion(&mut namespace);
        assert!(!Namespace.validate_update(&namespace, &Value::Null, Part::Status).is_empty());
    }

    #[test]
    fn only_finalize_changes_finalizers() {
        let old = json!({"spec": {"finalizers": ["kubernetes"]}});
        let mut new = json!({"spec": {}});
        Namespace.prepare_for_update(&mut new, &old, Part::Main);
        assert_eq!(new, old);
        let mut new = json!({"spec": {}});
        Namespace.prepare_for_update(&mut new, &old, Part::Other("finalize"));
        assert_eq!(new, json!({"spec": {}}));
    }
}
