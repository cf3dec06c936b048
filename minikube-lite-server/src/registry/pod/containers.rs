//! Validation of containers: regular, init and ephemeral ones.

use super::validation::PodContext;
use super::{env, probes, resources, security, volumes};
use crate::registry::check;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};
use std::collections::HashSet;

/// The regular containers. Names that init or ephemeral containers share with them are reported there.
pub fn validate_containers(pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    let containers = pod.spec.list("containers");
    if containers.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    let mut seen = HashSet::new();
    for (i, container) in containers.iter().enumerate() {
        let path = path.index(i);
        validate_common(container, pod, &path, errors);
        if !seen.insert(container.text("name")) {
            errors.push(FieldError::duplicate(&path.child("name"), container.text("name")));
        }
        probes::validate_lifecycle(container, pod, &path, errors);
        probes::validate_probes(container, pod, &path, errors);
        validate_restart_policy(container, &path, errors);
    }
    validate_host_ports(containers, path, errors);
}

/// Init containers; those that restart always run beside the regular ones and may have probes as these have.
pub fn validate_init_containers(pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    let mut seen: HashSet<&str> = pod.spec.list("containers").iter().map(|c| c.text("name")).collect();
    for (i, container) in pod.spec.list("initContainers").iter().enumerate() {
        let (list_path, path) = (path, path.index(i));
        validate_common(container, pod, &path, errors);
        validate_restart_policy(container, &path, errors);
        let name = container.text("name");
        if !name.is_empty() && !seen.insert(name) {
            errors.push(FieldError::duplicate(&path.child("name"), name));
        }
        validate_host_ports(std::slice::from_ref(container), list_path, errors);
        if container.text("restartPolicy") == "Always" {
            probes::validate_lifecycle(container, pod, &path, errors);
            probes::validate_probes(container, pod, &path, errors);
        } else {
            validate_one_shot(container, &path, errors);
        }
    }
}

/// What makes no sense for a container that runs once.
fn validate_one_shot(container: &Value, path: &Path, errors: &mut ErrorList) {
    for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        if container.has(field) {
            let why = "may not be set for init containers without restartPolicy=Always";
            errors.push(FieldError::forbidden(&path.child(field), why));
        }
    }
    let path = path.child("resizePolicy");
    for (i, policy) in container.list("resizePolicy").iter().enumerate() {
        if policy.text("restartPolicy") == "RestartContainer" {
            let why = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            errors.push(FieldError::invalid(&path.index(i).child("restartPolicy"), "RestartContainer", why));
        }
    }
}

/// Ephemeral containers, which may only be added through their subresource.
pub fn validate_ephemeral_containers(pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    const NOT_ALLOWED: [&str; 9] = [
        "ports",
        "resources",
        "resizePolicy",
        "restartPolicy",
        "restartPolicyRules",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
    ];
    const WHY: &str = "cannot be set for an Ephemeral Container";
    let others: HashSet<&str> =
        ["containers", "initContainers"].iter().flat_map(|l| pod.spec.list(l)).map(|c| c.text("name")).collect();
    let mut seen = others.clone();
    for (i, container) in pod.spec.list("ephemeralContainers").iter().enumerate() {
        let path = path.index(i);
        validate_common(container, pod, &path, errors);
        validate_image_space(container, &path, errors);
        let name = container.text("name");
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(&path.child("name"), name));
        }
        let target = container.text("targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            errors.push(FieldError::not_found(&path.child("targetContainerName"), target));
        }
        for field in NOT_ALLOWED {
            let value = container.at(field);
            let empty = value.as_object().is_some_and(shared_types::json::Object::is_empty) && field == "resources";
            if !value.is_null() && !empty {
                errors.push(FieldError::forbidden(&path.child(field), WHY));
            }
        }
        let mounts = path.child("volumeMounts");
        for (i, mount) in container.list("volumeMounts").iter().enumerate() {
            for field in ["subPath", "subPathExpr"] {
                if !mount.text(field).is_empty() {
                    errors.push(FieldError::forbidden(&mounts.index(i).child(field), WHY));
                }
            }
        }
    }
}

/// What holds for Pods but not for pod templates, for compatibility.
pub fn validate_only_for_pod(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for list in ["containers", "initContainers"] {
        let path = path.child(list);
        for (i, container) in spec.list(list).iter().enumerate() {
            validate_image_space(container, &path.index(i), errors);
        }
    }
}

/// An image may not begin or end with white space.
pub fn validate_image_space(container: &Value, path: &Path, errors: &mut ErrorList) {
    let image = container.text("image");
    if image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(&path.child("image"), image, why));
    }
}

fn validate_common(container: &Value, pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    match container.text("name") {
        "" => errors.push(FieldError::required(&path.child("name"), "")),
        name => check::report(names::is_dns1123_label(name), name, &path.child("name"), errors),
    }
    check::required(container, "image", path, errors);
    let policies = ["File", "FallbackToLogsOnError"];
    check::required_one_of(container, "terminationMessagePolicy", &policies, path, errors);
    validate_ports(container.list("ports"), &path.child("ports"), errors);
    env::validate_env(container.list("env"), &path.child("env"), errors);
    env::validate_env_from(container.list("envFrom"), &path.child("envFrom"), errors);
    volumes::validate_mounts(container, &pod.volumes, &path.child("volumeMounts"), errors);
    volumes::validate_devices(container, &pod.volumes, &path.child("volumeDevices"), errors);
    check::required_one_of(container, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], path, errors);
    resources::validate_container(container.at("resources"), &pod.claims, &path.child("resources"), errors);
    validate_resize_policy(container, pod, &path.child("resizePolicy"), errors);
    security::validate_container(container.at("securityContext"), pod, &path.child("securityContext"), errors);
}

fn validate_ports(ports: &[Value], path: &Path, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (i, port) in ports.iter().enumerate() {
        let path = path.index(i);
        let name = port.text("name");
        if !name.is_empty() {
            let problems = names::is_valid_port_name(name);
            if !problems.is_empty() {
                check::report(problems, name, &path.child("name"), errors);
            } else if !seen.insert(name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
        }
        match port.int("containerPort").unwrap_or(0) {
            0 => errors.push(FieldError::required(&path.child("containerPort"), "")),
            _ => check::port_number_or_name(port.at("containerPort"), &path.child("containerPort"), errors),
        }
        if port.int("hostPort").unwrap_or(0) != 0 {
            check::port_number_or_name(port.at("hostPort"), &path.child("hostPort"), errors);
        }
        check::required_one_of(port, "protocol", &["SCTP", "TCP", "UDP"], &path, errors);
    }
}

/// No two containers that run together may want the same port of their node.
fn validate_host_ports(containers: &[Value], path: &Path, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (i, container) in containers.iter().enumerate() {
        let path = path.index(i);
        let path = path.child("ports");
        for (i, port) in container.list("ports").iter().enumerate() {
            let number = port.int("hostPort").unwrap_or(0);
            let wanted = format!("{}/{}/{number}", port.text("protocol"), port.text("hostIP"));
            if number != 0 && !seen.insert(wanted.clone()) {
                errors.push(FieldError::duplicate(&path.index(i).child("hostPort"), wanted));
            }
        }
    }
}

fn validate_restart_policy(container: &Value, path: &Path, errors: &mut ErrorList) {
    let rules = container.list("restartPolicyRules");
    if !container.has("restartPolicy") && !rules.is_empty() {
        let why = "must specify restartPolicy when restart rules are used";
        errors.push(FieldError::required(&path.child("restartPolicy"), why));
    }
    check::one_of(container, "restartPolicy", &["Always", "Never", "OnFailure"], path, errors);
    let path = path.child("restartPolicyRules");
    if rules.len() > 20 {
        errors.push(FieldError::too_many(&path, rules.len(), 20));
    }
    for (i, rule) in rules.iter().enumerate() {
        let path = path.index(i);
        let actions = ["Restart", "RestartAllContainers"];
        if !actions.contains(&rule.text("action")) {
            errors.push(FieldError::not_supported(&path.child("action"), rule.text("action"), &actions));
        }
        if !rule.has("exitCodes") {
            errors.push(FieldError::required(&path.child("exitCodes"), "must be specified"));
            continue;
        }
        let (operator, operators) = (rule.text("exitCodes.operator"), ["In", "NotIn"]);
        if !operators.contains(&operator) {
            errors.push(FieldError::not_supported(&path.child("exitCodes.operator"), operator, &operators));
        }
        let values = rule.list("exitCodes.values");
        if values.len() > 255 {
            errors.push(FieldError::too_many(&path.child("exitCodes.values"), values.len(), 255));
        }
    }
}

fn validate_resize_policy(container: &Value, pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    let check_word = |text: &str, supported: &[&str], errors: &mut ErrorList| match text {
        "" => errors.push(FieldError::required(path, "")),
        text if !supported.contains(&text) => errors.push(FieldError::not_supported(path, text, supported)),
        _ => {}
    };
    for (i, policy) in container.list("resizePolicy").iter().enumerate() {
        let (resource, restart) = (policy.text("resourceName"), policy.text("restartPolicy"));
        if !seen.insert(resource) {
            errors.push(FieldError::duplicate(&path.index(i), resource));
        }
        check_word(resource, &["cpu", "memory"], errors);
        check_word(restart, &["NotRequired", "RestartContainer"], errors);
        if pod.spec.text("restartPolicy") == "Never" && restart != "NotRequired" {
            let why = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            errors.push(FieldError::invalid(path, restart, why));
        }
    }
}
