//! Object metadata: validation and what a write may not change (apimachinery `validation.ValidateObjectMeta`).

use super::Strategy;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};
use shared_types::kinds::Kind;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};

/// What all annotations of an object may take together, in bytes of keys and values.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// What is wrong with a name that must be a DNS-1123 subdomain; a `prefix` may end in a dash.
pub fn dns_subdomain_name(name: &str, prefix: bool) -> Vec<String> {
    names::is_dns1123_subdomain(&unmask(name, prefix))
}

/// What is wrong with a name that must be a DNS-1123 label.
pub fn dns_label_name(name: &str, prefix: bool) -> Vec<String> {
    names::is_dns1123_label(&unmask(name, prefix))
}

/// What is wrong with a name that must be a DNS-1035 label.
pub fn dns1035_label_name(name: &str, prefix: bool) -> Vec<String> {
    names::is_dns1035_label(&unmask(name, prefix))
}

/// What is wrong with a name that is free but for what URLs reserve (RBAC).
pub fn path_segment_name(name: &str, _prefix: bool) -> Vec<String> {
    match name {
        "." | ".." => return vec![format!("may not be '{name}'")],
        _ => {}
    }
    let reserved = ["/", "%"].into_iter().filter(|illegal| name.contains(illegal));
    reserved.map(|illegal| format!("may not contain '{illegal}'")).collect()
}

/// A generateName's trailing dash will be followed by letters.
fn unmask(name: &str, prefix: bool) -> std::borrow::Cow<'_, str> {
    match name.strip_suffix('-') {
        Some(stem) if prefix && !stem.is_empty() => format!("{stem}a").into(),
        _ => name.into(),
    }
}

/// All that is wrong with the metadata of a new object. `generated` tells that the name was made from generateName.
pub fn validate(object: &Value, kind: &Kind, strategy: &dyn Strategy, generated: bool) -> ErrorList {
    let metadata = Path::new("metadata");
    let mut errors = ErrorList::new();
    let generate_name = object.text("metadata.generateName");
    if !generate_name.is_empty() {
        let path = metadata.child("generateName");
        for problem in strategy.validate_name(generate_name, true) {
            errors.push(FieldError::invalid(&path, generate_name, problem));
        }
    }
    let name = object.name();
    let path = metadata.child("name");
    if name.is_empty() {
        errors.push(FieldError::required(&path, "name or generateName is required"));
    } else if !generated {
        for problem in strategy.validate_name(name, false) {
            errors.push(FieldError::invalid(&path, name, problem));
        }
    }
    let path = metadata.child("namespace");
    if kind.namespaced {
        for problem in names::is_dns1123_label(object.namespace()) {
            errors.push(FieldError::invalid(&path, object.namespace(), problem));
        }
    }
    errors.extend(validate_common(object, &metadata));
    errors
}

fn validate_common(object: &Value, metadata: &Path) -> ErrorList {
    let mut errors = validate_labels(object.map("metadata.labels"), &metadata.child("labels"));
    errors.extend(validate_annotations(object.map("metadata.annotations"), &metadata.child("annotations")));
    errors
        .extend(validate_owner_references(object.list("metadata.ownerReferences"), &metadata.child("ownerReferences")));
    let path = metadata.child("finalizers");
    for finalizer in object.list("metadata.finalizers").iter().filter_map(Value::as_str) {
        let mut problems = names::is_qualified_name(finalizer);
        if problems.is_empty()
            && !finalizer.contains('/')
            && !["orphan", "foregroundDeletion", "kubernetes"].contains(&finalizer)
        {
            problems.push("name is neither a standard finalizer name nor is it fully qualified".into());
        }
        for problem in problems {
            errors.push(FieldError::invalid(&path, finalizer, problem));
        }
    }
    let both = ["orphan", "foregroundDeletion"];
    if both.iter().all(|f| object.list("metadata.finalizers").iter().any(|have| have == f)) {
        let value = object.at("metadata.finalizers").clone();
        errors.push(FieldError::invalid(&path, value, "finalizer orphan and foregroundDeletion cannot be both set"));
    }
    errors
}

/// What is wrong with labels.
pub fn validate_labels(labels: &Object, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (key, value) in labels {
        for problem in names::is_qualified_name(key) {
            errors.push(FieldError::invalid(path, key.as_str(), problem));
        }
        let value = value.as_str().unwrap_or("");
        for problem in names::is_valid_label_value(value) {
            errors.push(FieldError::invalid(path, value, problem));
        }
    }
    errors
}

/// What is wrong with annotations.
pub fn validate_annotations(annotations: &Object, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut size = 0;
    for (key, value) in annotations {
        // Keys may be in any case here, unlike those of labels.
        for problem in names::is_qualified_name(&key.to_lowercase()) {
            errors.push(FieldError::invalid(path, key.as_str(), problem));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > MAX_ANNOTATIONS {
        errors.push(FieldError::too_long(path, MAX_ANNOTATIONS));
    }
    errors
}

fn validate_owner_references(owners: &[Value], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut controller: Option<&Value> = None;
    for (index, owner) in owners.iter().enumerate() {
        let path = path.index(index);
        let api_version = owner.text("apiVersion");
        if api_version.is_empty() || api_version.split('/').count() > 2 || api_version.ends_with('/') {
            errors.push(FieldError::invalid(&path.child("apiVersion"), api_version, "version must not be empty"));
        }
        for (field, what) in
            [("kind", "must not be empty"), ("name", "must not be empty"), ("uid", "must not be empty")]
        {
            if owner.text(field).is_empty() {
                errors.push(FieldError::invalid(&path.child(field), "", what));
            }
        }
        if api_version == "v1" && owner.text("kind") == "Event" {
            errors.push(FieldError::invalid(&path, owner.clone(), "/v1, Kind=Event is disallowed from being an owner"));
        }
        if owner.flag("controller") {
            if let Some(first) = controller {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
                    first.text("name"),
                    owner.text("name")
                );
                errors.push(FieldError::invalid(&path, owner.clone(), why));
            } else {
                controller = Some(owner);
            }
        }
    }
    errors
}

/// Fields of metadata that the system sets once.
const SYSTEM: &[&str] = &["uid", "creationTimestamp"];

/// Puts back what clients may leave out of an update, and what no update can take away.
pub fn keep_system_fields(object: &mut Value, old: &Value) {
    let restore = |object: &mut Value, field: &str| match old.at(field) {
        Value::Null => drop(object.remove(field)),
        value => object.set(field, value.clone()),
    };
    for field in SYSTEM {
        let field = format!("metadata.{field}");
        if !object.has(&field) || object.text(&field).is_empty() {
            restore(object, &field);
        }
    }
    if old.is_terminating() {
        restore(object, "metadata.deletionTimestamp");
        restore(object, "metadata.deletionGracePeriodSeconds");
    } else {
        object.remove("metadata.deletionTimestamp");
        object.remove("metadata.deletionGracePeriodSeconds");
    }
    restore(object, "metadata.generation");
    object.remove("metadata.selfLink");
}

/// All that is wrong with the metadata of a changed object.
pub fn validate_update(object: &Value, old: &Value) -> ErrorList {
    let metadata = Path::new("metadata");
    let mut errors = ErrorList::new();
    if old.is_terminating() {
        let kept = old.list("metadata.finalizers");
        let added: Vec<&str> =
            object.list("metadata.finalizers").iter().filter(|f| !kept.contains(f)).filter_map(Value::as_str).collect();
        if !added.is_empty() {
            let quoted: Vec<String> = added.iter().map(|f| shared_types::go_quote::quote(f)).collect();
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                quoted.join(", ")
            );
            errors.push(FieldError::forbidden(&metadata.child("finalizers"), why));
        }
    }
    for field in ["name", "namespace", "uid", "creationTimestamp"] {
        let full = format!("metadata.{field}");
        if object.at(&full) != old.at(&full) {
            errors.push(FieldError::invalid(&metadata.child(field), object.at(&full).clone(), "field is immutable"));
        }
    }
    errors.extend(validate_common(object, &metadata));
    errors
}
