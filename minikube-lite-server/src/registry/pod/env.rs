//! Validation of environment variables and of references to fields of the Pod (the downward API).

use super::volumes::no_backsteps;
use crate::registry::check;
use crate::registry::metadata::dns_subdomain_name;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::quantity::Quantity;
use shared_types::validation::{ErrorList, FieldError, Path};

/// Fields of a Pod that an environment variable may show.
const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of a Pod that a file of a downward API volume may show.
pub const VOLUME_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Fields of a Pod that the downward API knows at all.
const FIELDS: [&str; 14] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const BYTE_DIVISORS: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// A container's `env`.
pub fn validate_env(vars: &[Value], path: &Path, errors: &mut ErrorList) {
    for (i, var) in vars.iter().enumerate() {
        let path = path.index(i);
        match var.text("name") {
            "" => errors.push(FieldError::required(&path.child("name"), "")),
            name => check::report(names::is_env_var_name(name), name, &path.child("name"), errors),
        }
        if var.has("valueFrom") {
            validate_value_from(var, &path.child("valueFrom"), errors);
        }
    }
}

fn validate_value_from(var: &Value, path: &Path, errors: &mut ErrorList) {
    let from = var.at("valueFrom");
    let mut sources = 0;
    if from.has("fieldRef") {
        sources += 1;
        validate_field_ref(from.at("fieldRef"), &ENV_FIELDS, &path.child("fieldRef"), errors);
    }
    if from.has("resourceFieldRef") {
        sources += 1;
        validate_resource_ref(from.at("resourceFieldRef"), false, &path.child("resourceFieldRef"), errors);
    }
    for field in ["configMapKeyRef", "secretKeyRef"] {
        if from.has(field) {
            sources += 1;
            validate_key_ref(from.at(field), &path.child(field), errors);
        }
    }
    if from.has("fileKeyRef") {
        sources += 1;
        validate_file_ref(from.at("fileKeyRef"), &path.child("fileKeyRef"), errors);
    }
    let why = match (sources, var.text("value")) {
        (0, _) => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        }
        (_, value) if !value.is_empty() => "may not be specified when `value` is not empty",
        (1, _) => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.push(FieldError::invalid(path, "", why));
}

fn validate_key_ref(reference: &Value, path: &Path, errors: &mut ErrorList) {
    let name = reference.text("name");
    check::report(dns_subdomain_name(name, false), name, &path.child("name"), errors);
    match reference.text("key") {
        "" => errors.push(FieldError::required(&path.child("key"), "")),
        key => check::report(names::is_config_map_key(key), key, &path.child("key"), errors),
    }
}

fn validate_file_ref(file: &Value, path: &Path, errors: &mut ErrorList) {
    for field in ["key", "volumeName", "path"] {
        let (value, path) = (file.text(field), path.child(field));
        match field {
            _ if value.is_empty() => errors.push(FieldError::required(&path, "")),
            "key" => check::report(names::is_env_var_name(value), value, &path, errors),
            "volumeName" => check::report(names::is_dns1123_label(value), value, &path, errors),
            _ => no_backsteps(value, &path, errors),
        }
    }
}

/// Files that environment variables come from must be in `emptyDir` volumes of the Pod.
pub fn validate_file_volumes(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let path = path.child(list);
        for (i, container) in spec.list(list).iter().enumerate() {
            let path = path.index(i);
            let path = path.child("env");
            for (i, var) in container.list("env").iter().enumerate() {
                let name = var.text("valueFrom.fileKeyRef.volumeName");
                if !var.has("valueFrom.fileKeyRef") {
                    continue;
                }
                let path = path.index(i);
                let path = path.child("valueFrom.fileKeyRef.volumeName");
                match spec.list("volumes").iter().find(|volume| volume.text("name") == name) {
                    None => errors.push(FieldError::not_found(&path, name)),
                    Some(volume) if !volume.has("emptyDir") => {
                        let why = "referenced volume must be of type emptyDir";
                        errors.push(FieldError::invalid(&path, name, why));
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

/// A container's `envFrom`.
pub fn validate_env_from(sources: &[Value], path: &Path, errors: &mut ErrorList) {
    for (i, source) in sources.iter().enumerate() {
        let list_path = path;
        let path = path.index(i);
        let prefix = source.text("prefix");
        if !prefix.is_empty() {
            check::report(names::is_env_var_name(prefix), prefix, &path.child("prefix"), errors);
        }
        let mut count = 0;
        for field in ["configMapRef", "secretRef"] {
            if source.has(field) {
                count += 1;
                let path = path.child(field);
                match source.at(field).text("name") {
                    "" => errors.push(FieldError::required(&path.child("name"), "")),
                    name => check::report(dns_subdomain_name(name, true), name, &path.child("name"), errors),
                }
            }
        }
        let why = match count {
            0 => "must specify one of: `configMapRef` or `secretRef`",
            1 => continue,
            _ => "may not have more than one field specified at a time",
        };
        errors.push(FieldError::invalid(list_path, "", why));
    }
}

/// A reference to one of the Pod's `fields`, or to one of its labels or annotations by subscript.
pub fn validate_field_ref(reference: &Value, fields: &[&str], path: &Path, errors: &mut ErrorList) {
    for field in ["apiVersion", "fieldPath"] {
        if reference.text(field).is_empty() {
            errors.push(FieldError::required(&path.child(field), ""));
            return;
        }
    }
    let (version, field) = (reference.text("apiVersion"), reference.text("fieldPath"));
    let subscripted = split_subscript(field);
    let problem = match subscripted {
        _ if version != "v1" => Some(format!("unsupported pod version: {version}")),
        Some(("metadata.annotations" | "metadata.labels", _)) => None,
        Some(_) => Some(format!("field label does not support subscript: {field}")),
        None if FIELDS.contains(&field) || field == "spec.host" => None,
        None => Some(format!("field label not supported: {field}")),
    };
    if let Some(problem) = problem {
        let why = format!("error converting fieldPath: {problem}");
        errors.push(FieldError::invalid(&path.child("fieldPath"), field, why));
        return;
    }
    match subscripted {
        Some(("metadata.annotations", key)) => {
            let key = key.to_lowercase();
            check::report(names::is_qualified_name(&key), &key, path, errors);
        }
        Some((_, key)) => check::report(names::is_qualified_name(key), key, path, errors),
        None => {
            let field = if field == "spec.host" { "spec.nodeName" } else { field };
            if !fields.contains(&field) {
                errors.push(FieldError::not_supported(&path.child("fieldPath"), field, fields));
            }
        }
    }
}

/// `metadata.labels['key']` as its two parts.
fn split_subscript(field: &str) -> Option<(&str, &str)> {
    field.strip_suffix("']")?.split_once("['").filter(|(path, _)| !path.is_empty())
}

/// A reference to a resource of a container; a volume's must name the container.
pub fn validate_resource_ref(reference: &Value, in_volume: bool, path: &Path, errors: &mut ErrorList) {
    let resource = reference.text("resource");
    let huge_pages = resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
    if in_volume && reference.text("containerName").is_empty() {
        errors.push(FieldError::required(&path.child("containerName"), ""));
    } else if resource.is_empty() {
        errors.push(FieldError::required(&path.child("resource"), ""));
    } else if !huge_pages && !RESOURCES.contains(&resource) {
        errors.push(FieldError::not_supported(&path.child("resource"), resource, &RESOURCES));
    }
    let divisor = match Quantity::parse(reference.text("divisor")) {
        Ok(divisor) if !divisor.is_zero() => divisor.to_string(),
        _ => return,
    };
    let (allowed, what): (&[&str], _) = match resource.split_once('.').map_or("", |(_, name)| name) {
        "cpu" => (&["1m", "1"], "cpu"),
        "memory" => (&BYTE_DIVISORS, "memory"),
        "ephemeral-storage" => (&BYTE_DIVISORS, "local ephemeral storage"),
        _ if huge_pages => (&BYTE_DIVISORS, "hugepages"),
        _ => return,
    };
    if !allowed.contains(&divisor.as_str()) {
        let listed = if what == "cpu" { "1m and 1".to_string() } else { allowed.join(", ") };
        let why = format!("only divisor's values {listed} are supported with the {what} resource");
        errors.push(FieldError::invalid(&path.child("divisor"), resource, why));
    }
}
