//! Validation of security contexts.

use super::validation::PodContext;
use super::volumes::descending_path;
use crate::registry::check;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};
use std::collections::HashSet;

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
/// The longest path that Linux takes.
const PATH_MAX: usize = 4095;

/// The Pod's `securityContext`.
pub fn validate_pod(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let context = spec.at("securityContext");
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        user_id(context.at(field), &path.child(field), errors);
    }
    let groups = path.child("supplementalGroups");
    for (i, group) in context.list("supplementalGroups").iter().enumerate() {
        user_id(group, &groups.index(i), errors);
    }
    if spec.flag("shareProcessNamespace") && spec.flag("hostPID") {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::invalid(&path.child("shareProcessNamespace"), true, why));
    }
    validate_sysctls(spec, &path.child("sysctls"), errors);
    check::one_of(context, "fsGroupChangePolicy", &["Always", "OnRootMismatch"], path, errors);
    validate_seccomp(context.at("seccompProfile"), &path.child("seccompProfile"), errors);
    validate_app_armor(context.at("appArmorProfile"), &path.child("appArmorProfile"), errors);
    check::one_of(context, "supplementalGroupsPolicy", &["Merge", "Strict"], path, errors);
    check::one_of(context, "seLinuxChangePolicy", &["MountOption", "Recursive"], path, errors);
}

/// A container's `securityContext`.
pub fn validate_container(context: &Value, pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    if context.is_null() {
        return;
    }
    for field in ["runAsUser", "runAsGroup"] {
        user_id(context.at(field), &path.child(field), errors);
    }
    if pod.host_users && context.text("procMount") == "Unmasked" {
        let why = "`hostUsers` must be false to use `Unmasked`";
        errors.push(FieldError::invalid(&path.child("procMount"), "Unmasked", why));
    }
    check::one_of(context, "procMount", &["Default", "Unmasked"], path, errors);
    validate_seccomp(context.at("seccompProfile"), &path.child("seccompProfile"), errors);
    if context.has("allowPrivilegeEscalation") && !context.flag("allowPrivilegeEscalation") {
        if context.flag("privileged") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(FieldError::invalid(path, context.clone(), why));
        }
        if context.list("capabilities.add").iter().any(|capability| capability == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(FieldError::invalid(path, context.clone(), why));
        }
    }
    validate_app_armor(context.at("appArmorProfile"), &path.child("appArmorProfile"), errors);
}

fn user_id(id: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(id) = id.as_i64() {
        let problems = names::is_valid_user_id(id).into_iter();
        errors.extend(problems.map(|problem| FieldError::invalid(path, id, problem)));
    }
}

fn validate_seccomp(profile: &Value, path: &Path, errors: &mut ErrorList) {
    if profile.is_null() {
        return;
    }
    match profile.text("type") {
        "" => {
            let why = "type is required when seccompProfile is set";
            errors.push(FieldError::required(&path.child("type"), why));
        }
        _ => check::one_of(profile, "type", &PROFILES, path, errors),
    }
    let (local, local_path) = (profile.at("localhostProfile"), path.child("localhostProfile"));
    match (profile.text("type"), local.as_str()) {
        ("Localhost", None) => {
            errors.push(FieldError::required(&local_path, "must be set when seccomp type is Localhost"));
        }
        ("Localhost", Some(file)) => descending_path(file, &local_path, errors),
        (_, Some(_)) => {
            let why = "can only be set when seccomp type is Localhost";
            errors.push(FieldError::invalid(&local_path, profile.clone(), why));
        }
        _ => {}
    }
}

fn validate_app_armor(profile: &Value, path: &Path, errors: &mut ErrorList) {
    if profile.is_null() {
        return;
    }
    let (local, local_path) = (profile.at("localhostProfile").as_str(), path.child("localhostProfile"));
    match (profile.text("type"), local) {
        ("Localhost", None) => {
            errors.push(FieldError::required(&local_path, "must be set when AppArmor type is Localhost"));
        }
        ("Localhost", Some(name)) => {
            if name.trim() != name {
                errors.push(FieldError::invalid(&local_path, name, "must not be padded with whitespace"));
            } else if name.is_empty() {
                errors.push(FieldError::required(&local_path, "must be set when AppArmor type is Localhost"));
            }
            if name.len() > PATH_MAX {
                errors.push(FieldError::too_long(&local_path, PATH_MAX));
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(name)) => {
            errors.push(FieldError::invalid(&local_path, name, "can only be set when AppArmor type is Localhost"));
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => {
            let why = "type is required when appArmorProfile is set";
            errors.push(FieldError::required(&path.child("type"), why));
        }
        _ => check::one_of(profile, "type", &PROFILES, path, errors),
    }
}

fn validate_sysctls(spec: &Value, path: &Path, errors: &mut ErrorList) {
    const SEGMENT: &str = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
    let mut seen = HashSet::new();
    for (i, sysctl) in spec.list("securityContext.sysctls").iter().enumerate() {
        let path = path.index(i);
        let (name, path) = (sysctl.text("name"), path.child("name"));
        if name.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else if !is_sysctl_name(name) {
            let why = format!("must have at most 253 characters and match regex ^({SEGMENT}[\\./])*{SEGMENT}$");
            errors.push(FieldError::invalid(&path, name, why));
        } else if seen.contains(name) {
            errors.push(FieldError::duplicate(&path, name));
        }
        let dotted = name.replace('/', ".");
        if spec.flag("hostNetwork") && dotted.starts_with("net.") {
            errors.push(FieldError::invalid(&path, name, "may not be specified when 'hostNetwork' is true"));
        } else if spec.flag("hostIPC") && (dotted.starts_with("kernel.shm") || dotted.starts_with("fs.mqueue.")) {
            errors.push(FieldError::invalid(&path, name, "may not be specified when 'hostIPC' is true"));
        }
        seen.insert(name);
    }
}

fn is_sysctl_name(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.len() <= names::SUBDOMAIN_MAX
        && name.split(['.', '/']).map(str::as_bytes).all(|part| {
            let inner = part.iter().all(|b| edge(Some(b)) || matches!(b, b'-' | b'_'));
            inner && edge(part.first()) && edge(part.last())
        })
}
