//! What may change in a Pod (core `validation.ValidatePodUpdate` and its kin).

use super::containers::validate_image_space;
use super::scheduling::validate_tolerations;
use super::validation::{validate_annotations, validate_pod};
use crate::registry::check;
use crate::registry::metadata::dns_subdomain_name;
use shared_types::fields::Fields;
use shared_types::json::{CompactString, Value};
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};

const MAY_CHANGE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
    tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// All that is wrong with a change of a Pod, apart from its metadata.
pub fn validate_update(pod: &Value, old: &Value) -> ErrorList {
    let path = Path::new("spec");
    if pod.at("spec") == old.at("spec") {
        // It was found good when it was written.
        let mut errors = ErrorList::new();
        validate_annotations(pod, &Path::new("metadata.annotations"), &mut errors);
        validate_annotation_update(pod, old, &mut errors);
        return errors;
    }
    let mut errors = validate_pod(pod);
    validate_annotation_update(pod, old, &mut errors);
    let (new_spec, old_spec) = (pod.at("spec"), old.at("spec"));
    for list in ["containers", "initContainers"] {
        let path = path.child(list);
        if new_spec.list(list).len() != old_spec.list(list).len() {
            errors.push(FieldError::forbidden(&path, "pod updates may not add or remove containers"));
            return errors;
        }
        for (i, container) in new_spec.list(list).iter().enumerate() {
            check::required(container, "image", &path.index(i), &mut errors);
            validate_image_space(container, &path.index(i), &mut errors);
        }
    }
    if !validate_deadline(new_spec, old_spec, &path.child("activeDeadlineSeconds"), &mut errors) {
        return errors;
    }
    validate_added_tolerations(new_spec, old_spec, &path.child("tolerations"), &mut errors);
    validate_removed_gates(new_spec, old_spec, &path.child("schedulingGates"), &mut errors);

    // What remains different after all that may change is put back may not.
    let mut rest = new_spec.clone();
    for list in ["containers", "initContainers"] {
        for (container, old) in rest.list_mut(list).iter_mut().zip(old_spec.list(list)) {
            put_back(container, old, "image");
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        put_back(&mut rest, old_spec, field);
    }
    let grace = "terminationGracePeriodSeconds";
    if old_spec.int(grace).is_some_and(|seconds| seconds < 0) && rest.int(grace) == Some(1) {
        put_back(&mut rest, old_spec, grace);
    }
    if !old_spec.list("schedulingGates").is_empty() {
        validate_gated(&mut rest, old_spec, &path, &mut errors);
    }
    if rest != *old_spec {
        let difference = difference(old_spec, &rest);
        errors.push(FieldError::forbidden(&path, format!("{MAY_CHANGE}\n{difference}")));
    }
    errors
}

/// Gives `field` of `object` the value that it has in `old`.
fn put_back(object: &mut Value, old: &Value, field: &str) {
    match old.at(field) {
        Value::Null => drop(object.remove(field)),
        value => object.set(field, value.clone()),
    }
}

/// Annotations that mark how a Pod came to be stay as they are.
fn validate_annotation_update(pod: &Value, old: &Value, errors: &mut ErrorList) {
    const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
    const MIRROR: &str = "kubernetes.io/config.mirror";
    let path = Path::new("metadata.annotations");
    let what = |key: &str| match key {
        MIRROR => Some("mirror pod annotation"),
        key if key.starts_with(APP_ARMOR) => Some("AppArmor annotations"),
        _ => None,
    };
    let (new, old) = (pod.map("metadata.annotations"), old.map("metadata.annotations"));
    for (key, _) in old.iter().filter(|(key, value)| new.get(key) != Some(value)) {
        if let Some(what) = what(key) {
            errors.push(FieldError::forbidden(&path.key(key), format!("may not remove or update {what}")));
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(key)) {
        if let Some(what) = what(key) {
            errors.push(FieldError::forbidden(&path.key(key), format!("may not add {what}")));
        }
    }
    validate_annotations(pod, &path, errors);
}

/// A deadline may be set, and then only come nearer. `false` when nothing more is worth checking.
fn validate_deadline(new: &Value, old: &Value, path: &Path, errors: &mut ErrorList) -> bool {
    const FIELD: &str = "activeDeadlineSeconds";
    match (new.int(FIELD), old.int(FIELD)) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            errors.push(FieldError::invalid(path, seconds, names::range_error(0, i64::from(i32::MAX))));
            false
        }
        (Some(seconds), Some(before)) if before < seconds => {
            errors.push(FieldError::invalid(path, seconds, "must be less than or equal to previous value"));
            false
        }
        (None, Some(_)) => {
            let why = "must not update from a positive integer to nil value";
            errors.push(FieldError::invalid(path, Value::Null, why));
            true
        }
        _ => true,
    }
}

/// Tolerations may be added, and their time changed.
fn validate_added_tolerations(new: &Value, old: &Value, path: &Path, errors: &mut ErrorList) {
    let timeless = |toleration: &Value| {
        let mut toleration = toleration.clone();
        toleration.remove("tolerationSeconds");
        toleration
    };
    let new = new.list("tolerations");
    let kept = |old: &Value| new.iter().any(|toleration| timeless(toleration) == timeless(old));
    if !old.list("tolerations").iter().all(kept) {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(FieldError::forbidden(path, why));
        return;
    }
    validate_tolerations(new, path, errors);
}

fn validate_removed_gates(new: &Value, old: &Value, path: &Path, errors: &mut ErrorList) {
    let old = old.list("schedulingGates");
    for (i, gate) in new.list("schedulingGates").iter().enumerate() {
        let name = gate.text("name");
        if !old.iter().any(|old| old.text("name") == name) {
            let why = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.push(FieldError::forbidden(&path.index(i).child("name"), why));
        }
    }
}

/// While a Pod is held back from scheduling, what narrows the choice of its node may still be added.
fn validate_gated(rest: &mut Value, old: &Value, path: &Path, errors: &mut ErrorList) {
    if rest.at("nodeSelector") != old.at("nodeSelector") {
        let new = rest.map("nodeSelector");
        if old.map("nodeSelector").iter().any(|(key, value)| new.get(key) != Some(value)) {
            let why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            let value = rest.at("nodeSelector").clone();
            errors.push(FieldError::invalid(&path.child("nodeSelector"), value, why));
        }
        put_back(rest, old, "nodeSelector");
    }
    const NODE_AFFINITY: &str = "affinity.nodeAffinity";
    if rest.at(NODE_AFFINITY) == old.at(NODE_AFFINITY) {
        return;
    }
    let terms = |spec: &Value| {
        let required = spec.at(NODE_AFFINITY).at("requiredDuringSchedulingIgnoredDuringExecution");
        required.list("nodeSelectorTerms").to_vec()
    };
    let (new_terms, old_terms) = (terms(rest), terms(old));
    let path = path.child(NODE_AFFINITY);
    let path = path.child("requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
    if !old_terms.is_empty() && old_terms.len() != new_terms.len() {
        let why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        errors.push(FieldError::invalid(&path, new_terms, why));
    } else {
        for (i, (new, old)) in new_terms.iter().zip(&old_terms).enumerate() {
            if !only_adds(new, old) {
                let why = "only additions are allowed (no mutations or deletions)";
                errors.push(FieldError::invalid(&path.index(i), new.clone(), why));
            }
        }
    }
    match old.at(NODE_AFFINITY) {
        Value::Null => drop(rest.remove(NODE_AFFINITY)),
        value => rest.set(NODE_AFFINITY, value.clone()),
    }
    if !old.has("affinity") && rest.map("affinity").is_empty() {
        rest.remove("affinity");
    }
}

fn only_adds(new: &Value, old: &Value) -> bool {
    const LISTS: [&str; 2] = ["matchExpressions", "matchFields"];
    let empty = |term: &Value| LISTS.iter().all(|list| term.list(list).is_empty());
    (!empty(old) || empty(new)) && LISTS.iter().all(|list| new.list(list).starts_with(old.list(list)))
}

/// The fields of two specs that differ, as a listing for people.
fn difference(old: &Value, new: &Value) -> String {
    let mut keys: Vec<&CompactString> = old.map("").keys().chain(new.map("").keys()).collect();
    keys.sort();
    keys.dedup();
    let mut out = String::from("  core.PodSpec{\n");
    for key in keys.into_iter().filter(|key| old.at(key) != new.at(key)) {
        let mut name = key.clone();
        name[..1].make_ascii_uppercase();
        for (sign, value) in [('-', old.at(key)), ('+', new.at(key))] {
            if !value.is_null() {
                out.push_str(&format!("{sign} \t{name}: {value},\n"));
            }
        }
    }
    out.push_str("  }\n");
    out
}

/// All that is wrong with a change of a Pod's status, apart from its metadata.
pub fn validate_status_update(pod: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_annotation_update(pod, old, &mut errors);
    let conditions = Path::new("status.conditions");
    for (i, condition) in pod.list("status.conditions").iter().enumerate() {
        let kind = condition.text("type");
        check::report(names::is_qualified_name(kind), kind, &conditions.index(i).child("Type"), &mut errors);
    }
    let path = Path::new("status");
    if pod.text("spec.nodeName") != old.text("spec.nodeName") {
        errors.push(FieldError::forbidden(&path.child("nodeName"), "may not be changed directly"));
    }
    let nominated = pod.text("status.nominatedNodeName");
    if nominated != old.text("status.nominatedNodeName") && !nominated.is_empty() {
        let path = path.child("nominatedNodeName");
        check::report(dns_subdomain_name(nominated, false), nominated, &path, &mut errors);
    }
    if !nominated.is_empty()
        && nominated != old.text("status.nominatedNodeName")
        && !old.text("spec.nodeName").is_empty()
    {
        let why = "may not be set on pods that are already bound to a node";
        errors.push(FieldError::forbidden(&path.child("nominatedNodeName"), why));
    }
    if let Some(generation) = pod.int("status.observedGeneration").filter(|generation| *generation < 0) {
        let why = "must be a non-negative integer";
        errors.push(FieldError::invalid(&path.child("observedGeneration"), generation, why));
    }
    let (class, old_class) = (pod.at("status.qosClass"), old.at("status.qosClass"));
    check::immutable(class, old_class, &path.child("qosClass"), &mut errors);
    let policy = old.text("spec.restartPolicy");
    for (list, policy) in
        [("containerStatuses", policy), ("initContainerStatuses", policy), ("ephemeralContainerStatuses", "Never")]
    {
        validate_transitions(pod, old, list, policy, &path.child(list), &mut errors);
    }
    for (list, single, why) in [("podIPs", "", ""), ("hostIPs", "hostIP", "must be equal to `hostIP`")] {
        validate_ips(pod.at("status"), list, single, why, &path.child(list), &mut errors);
    }
    errors
}

/// A container that ended stays so, unless it is one that restarts.
fn validate_transitions(pod: &Value, old: &Value, list: &str, policy: &str, path: &Path, errors: &mut ErrorList) {
    if policy == "Always" {
        return;
    }
    let (new, old_list) = (pod.at("status").list(list), old.at("status").list(list));
    for (i, before) in old_list.iter().enumerate().filter(|(_, status)| status.has("state.terminated")) {
        let name = before.text("name");
        let failed = before.int("state.terminated.exitCode").unwrap_or(0) != 0;
        let containers = ["spec.initContainers", "spec.containers"].iter().flat_map(|list| old.list(list));
        let restarts = containers
            .filter(|container| container.text("name") == name)
            .any(|container| container.has("restartPolicy") || container.has("restartPolicyRules"));
        if restarts || (failed && policy == "OnFailure") {
            continue;
        }
        if new.iter().any(|after| after.text("name") == name && !after.has("state.terminated")) {
            let why = "may not be transitioned to non-terminated state";
            errors.push(FieldError::forbidden(&path.index(i).child("state"), why));
        }
    }
}

/// The addresses of a Pod or its node: each valid, at most one of a family, the first of them also the single one.
fn validate_ips(status: &Value, list: &str, single: &str, why: &str, path: &Path, errors: &mut ErrorList) {
    let ips: Vec<&str> = status.list(list).iter().map(|entry| entry.text("ip")).collect();
    if let Some(first) = ips.first().filter(|first| !single.is_empty() && status.text(single) != **first) {
        errors.push(FieldError::invalid(&path.index(0).child("ip"), *first, why));
    }
    for (i, ip) in ips.iter().enumerate() {
        check::report(names::is_valid_ip(ip), ip, &path.index(i), errors);
    }
    let sixes = ips.iter().filter(|ip| ip.contains(':')).count();
    if ips.len() > 1 && (ips.len() > 2 || sixes != 1) {
        let why = "may specify no more than one IP for each IP family";
        errors.push(FieldError::invalid(path, status.at(list).clone(), why));
    }
}

/// All that is wrong with a write to the `ephemeralcontainers` subresource, which only adds.
pub fn validate_ephemeral_containers_update(pod: &Value, old: &Value) -> ErrorList {
    let mut errors = validate_pod(pod);
    let path = Path::new("spec.ephemeralContainers");
    let new = pod.list("spec.ephemeralContainers");
    for before in old.list("spec.ephemeralContainers") {
        let name = before.text("name");
        match new.iter().position(|container| container.text("name") == name) {
            None => {
                let why = format!("existing ephemeral containers {name:?} may not be removed\n");
                errors.push(FieldError::forbidden(&path, why));
            }
            Some(i) if new[i] != *before => {
                let why = format!("existing ephemeral containers {name:?} may not be changed\n");
                errors.push(FieldError::forbidden(&path, why));
            }
            Some(_) => {}
        }
    }
    errors
}

/// All that is wrong with a write to the `resize` subresource, which changes the resources of containers only.
pub fn validate_resize(pod: &Value, old: &Value) -> ErrorList {
    let mut errors = validate_pod(pod);
    let path = Path::new("spec");
    let class = super::resources::qos_class(pod.at("spec"));
    if class != super::resources::qos_class(old.at("spec")) {
        let why = "Pod QOS Class may not change as a result of resizing";
        errors.push(FieldError::invalid(&path, class, why));
    }
    let mut rest = pod.at("spec").clone();
    for list in ["containers", "initContainers"] {
        for (container, old) in rest.list_mut(list).iter_mut().zip(old.at("spec").list(list)) {
            for resources in ["requests", "limits"] {
                for resource in ["cpu", "memory"] {
                    let path = format!("resources.{resources}.{resource}");
                    match old.at(&path) {
                        Value::Null => drop(container.remove(&path)),
                        value => container.set(&path, value.clone()),
                    }
                }
            }
            if container.at("resources") != old.at("resources") {
                let same = ["requests", "limits"]
                    .iter()
                    .all(|list| container.at("resources").map(list) == old.at("resources").map(list));
                if same {
                    put_back(container, old, "resources");
                }
            }
        }
    }
    if rest != *old.at("spec") {
        let why = "only cpu and memory resources are mutable";
        errors.push(FieldError::forbidden(&path, why));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::super::defaults::default_pod;
    use super::*;
    use shared_types::json::json;

    fn pod() -> Value {
        let mut pod = json!({"metadata": {"name": "p"}, "spec": {
            "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}],
            "containers": [{"name": "c", "image": "i:1"}]}});
        default_pod(&mut pod);
        pod
    }
    fn errors(change: impl Fn(&mut Value)) -> Vec<String> {
        let old = pod();
        let mut new = old.clone();
        change(&mut new);
        validate_update(&new, &old).iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn what_may_change() {
        assert_eq!(errors(|pod| pod["spec"]["containers"][0]["image"] = "i:2".into()), [""; 0]);
        assert_eq!(errors(|pod| pod.set("spec.activeDeadlineSeconds", 5)), [""; 0]);
        assert_eq!(errors(|pod| pod["spec"]["tolerations"][0]["tolerationSeconds"] = 9.into()), [""; 0]);
    }

    #[test]
    fn what_may_not() {
        let found = errors(|pod| pod.set("spec.restartPolicy", "Never"));
        assert_eq!(
            found,
            [format!(
                "spec: Forbidden: {MAY_CHANGE}\n  core.PodSpec{{\n- \tRestartPolicy: \"Always\",\n+ \tRestartPolicy: \
                 \"Never\",\n  }}\n"
            )]
        );
        let found = errors(|pod| pod.set("spec.tolerations", json!([])));
        let why = "existing toleration can not be modified except its tolerationSeconds";
        assert_eq!(found, [format!("spec.tolerations: Forbidden: {why}")]);
        let found = errors(|pod| {
            let container = pod["spec"]["containers"][0].clone();
            let mut second = container.clone();
            second.set("name", "d");
            pod.set("spec.containers", json!([container, second]));
        });
        assert_eq!(found, ["spec.containers: Forbidden: pod updates may not add or remove containers"]);
    }

    #[test]
    fn status_rules() {
        let mut old = pod();
        old.set("status", json!({"qosClass": "BestEffort"}));
        let mut new = old.clone();
        new.set("status.podIPs", json!([{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]));
        new.set("status.qosClass", "Burstable");
        let found: Vec<String> = validate_status_update(&new, &old).iter().map(FieldError::to_string).collect();
        assert_eq!(
            found,
            [
                "status.qosClass: Invalid value: \"Burstable\": field is immutable",
                "status.podIPs: Invalid value: [{\"ip\":\"10.0.0.1\"},{\"ip\":\"10.0.0.2\"}]: may specify no more than \
                 one IP for each IP family",
            ]
        );
    }
}
