//! Validation of what decides where a Pod runs: node selectors, affinity, tolerations, spreading, gates.

use crate::registry::check;
use crate::registry::metadata::{dns_label_name, dns_subdomain_name};
use shared_types::fields::Fields;
use shared_types::json::{CompactString, Object, Value, json};
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};
use std::collections::HashSet;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const OPERATOR: &str = "not a valid selector operator";

/// A Pod's `tolerations`.
pub fn validate_tolerations(tolerations: &[Value], path: &Path, errors: &mut ErrorList) {
    for (i, toleration) in tolerations.iter().enumerate() {
        let path = path.index(i);
        let (key, operator) = (toleration.text("key"), toleration.text("operator"));
        let (value, effect) = (toleration.text("value"), toleration.text("effect"));
        let operator_path = path.child("operator");
        if !key.is_empty() {
            check::report(names::is_qualified_name(key), key, &path.child("key"), errors);
        } else if operator != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(FieldError::invalid(&operator_path, operator, why));
        }
        if toleration.has("tolerationSeconds") && effect != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.push(FieldError::invalid(&path.child("effect"), effect, why));
        }
        match operator {
            "" | "Equal" => {
                let problems = names::is_valid_label_value(value);
                if !problems.is_empty() {
                    errors.push(FieldError::invalid(&operator_path, value, problems.join(";")));
                }
            }
            "Exists" if !value.is_empty() => {
                let why = "value must be empty when `operator` is 'Exists'";
                errors.push(FieldError::invalid(&operator_path, value, why));
            }
            "Exists" => {}
            _ => errors.push(FieldError::not_supported(&operator_path, operator, &["Equal", "Exists"])),
        }
        if !effect.is_empty() {
            let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            check::one_of(toleration, "effect", &effects, &path, errors);
        }
    }
}

/// A Pod's `affinity`.
pub fn validate_affinity(affinity: &Value, path: &Path, errors: &mut ErrorList) {
    let node = affinity.at("nodeAffinity");
    let node_path = path.child("nodeAffinity");
    if node.has(REQUIRED) {
        validate_node_selector(node.at(REQUIRED), &node_path.child(REQUIRED), errors);
    }
    let preferred = node_path.child(PREFERRED);
    for (i, term) in node.list(PREFERRED).iter().enumerate() {
        let path = preferred.index(i);
        weight(term, &path, errors);
        // Values that no label can have are let through here.
        validate_node_term(term.at("preference"), true, &path.child("preference"), errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.at(kind);
        let path = path.child(kind);
        let required = path.child(REQUIRED);
        for (i, term) in pods.list(REQUIRED).iter().enumerate() {
            validate_pod_term(term, &required.index(i), errors);
        }
        let preferred = path.child(PREFERRED);
        for (i, term) in pods.list(PREFERRED).iter().enumerate() {
            let path = preferred.index(i);
            weight(term, &path, errors);
            validate_pod_term(term.at("podAffinityTerm"), &path.child("podAffinityTerm"), errors);
        }
    }
}

fn weight(term: &Value, path: &Path, errors: &mut ErrorList) {
    let weight = term.int("weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.push(FieldError::invalid(&path.child("weight"), weight, "must be in the range 1-100"));
    }
}

/// A `core/v1.NodeSelector`.
pub fn validate_node_selector(selector: &Value, path: &Path, errors: &mut ErrorList) {
    let path = path.child("nodeSelectorTerms");
    let terms = selector.list("nodeSelectorTerms");
    if terms.is_empty() {
        errors.push(FieldError::required(&path, "must have at least one node selector term"));
    }
    for (i, term) in terms.iter().enumerate() {
        validate_node_term(term, false, &path.index(i), errors);
    }
}

fn validate_node_term(term: &Value, any_values: bool, path: &Path, errors: &mut ErrorList) {
    let expressions = path.child("matchExpressions");
    for (i, requirement) in term.list("matchExpressions").iter().enumerate() {
        let path = expressions.index(i);
        let (values, values_path) = (requirement.list("values"), path.child("values"));
        match requirement.text("operator") {
            "In" | "NotIn" if values.is_empty() => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(&values_path, why));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(&values_path, why));
            }
            "Gt" | "Lt" if values.len() != 1 => {
                let why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                errors.push(FieldError::required(&values_path, why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => errors.push(FieldError::invalid(&path.child("operator"), other, OPERATOR)),
        }
        let key = requirement.text("key");
        check::report(names::is_qualified_name(key), key, &path.child("key"), errors);
        if !any_values {
            check::label_values(values, &values_path, errors);
        }
    }
    let fields = path.child("matchFields");
    for (i, requirement) in term.list("matchFields").iter().enumerate() {
        let path = fields.index(i);
        let (values, values_path) = (requirement.list("values"), path.child("values"));
        match requirement.text("operator") {
            "In" | "NotIn" if values.len() != 1 => {
                let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.push(FieldError::required(&values_path, why));
            }
            "In" | "NotIn" => {}
            other => errors.push(FieldError::invalid(&path.child("operator"), other, OPERATOR)),
        }
        match requirement.text("key") {
            "metadata.name" => {
                for (i, name) in values.iter().enumerate() {
                    let name = name.as_str().unwrap_or("");
                    check::report(dns_subdomain_name(name, false), name, &values_path.index(i), errors);
                }
            }
            key => errors.push(FieldError::invalid(&path.child("key"), key, "not a valid field selector key")),
        }
    }
}

fn validate_pod_term(term: &Value, path: &Path, errors: &mut ErrorList) {
    check::label_selector(term.at("labelSelector"), &path.child("labelSelector"), errors);
    check::label_selector(term.at("namespaceSelector"), &path.child("namespaceSelector"), errors);
    for namespace in term.list("namespaces") {
        let namespace = namespace.as_str().unwrap_or("");
        check::report(dns_label_name(namespace, false), namespace, &path.child("namespace"), errors);
    }
    let selector = term.at("labelSelector");
    for list in ["matchLabelKeys", "mismatchLabelKeys"] {
        let keys = term.list(list);
        let path = path.child(list);
        if !keys.is_empty() && selector.is_null() {
            errors.push(FieldError::forbidden(&path, "must not be specified when labelSelector is not set"));
            continue;
        }
        for (i, key) in keys.iter().enumerate() {
            let key = key.as_str().unwrap_or("");
            check::report(names::is_qualified_name(key), key, &path.index(i), errors);
        }
    }
    let mismatched = term.list("mismatchLabelKeys");
    let keys = path.child("matchLabelKeys");
    for (i, key) in term.list("matchLabelKeys").iter().enumerate().filter(|(_, key)| mismatched.contains(key)) {
        let why = "exists in both matchLabelKeys and mismatchLabelKeys";
        errors.push(FieldError::invalid(&keys.index(i), key.clone(), why));
    }
    let topology = term.text("topologyKey");
    if topology.is_empty() {
        errors.push(FieldError::required(&path.child("topologyKey"), "can not be empty"));
    }
    check::report(names::is_qualified_name(topology), topology, &path.child("topologyKey"), errors);
}

/// A Pod's `topologySpreadConstraints`.
pub fn validate_topology_spread(constraints: &[Value], path: &Path, errors: &mut ErrorList) {
    for (i, constraint) in constraints.iter().enumerate() {
        let path = path.index(i);
        let (topology, action) = (constraint.text("topologyKey"), constraint.text("whenUnsatisfiable"));
        let skew = constraint.int("maxSkew").unwrap_or(0);
        if skew <= 0 {
            errors.push(FieldError::invalid(&path.child("maxSkew"), skew, check::NOT_POSITIVE));
        }
        if topology.is_empty() {
            errors.push(FieldError::required(&path.child("topologyKey"), "can not be empty"));
        }
        let actions = ["DoNotSchedule", "ScheduleAnyway"];
        if !actions.contains(&action) {
            errors.push(FieldError::not_supported(&path.child("whenUnsatisfiable"), action, &actions));
        }
        let same = |other: &Value| other.text("topologyKey") == topology && other.text("whenUnsatisfiable") == action;
        if constraints.iter().skip(i + 1).any(same) {
            let path = path.child("{topologyKey, whenUnsatisfiable}");
            errors.push(FieldError::duplicate(&path, format!("{{{topology}, {action}}}")));
        }
        if let Some(domains) = constraint.int("minDomains") {
            let path = path.child("minDomains");
            if domains <= 0 {
                errors.push(FieldError::invalid(&path, domains, check::NOT_POSITIVE));
            }
            if action != "DoNotSchedule" {
                let why = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.push(FieldError::invalid(&path, domains, why));
            }
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            check::one_of(constraint, field, &["Honor", "Ignore"], &path, errors);
        }
        validate_match_label_keys(constraint, &path.child("matchLabelKeys"), errors);
        check::label_selector(constraint.at("labelSelector"), &path.child("labelSelector"), errors);
    }
}

fn validate_match_label_keys(constraint: &Value, path: &Path, errors: &mut ErrorList) {
    let (keys, selector) = (constraint.list("matchLabelKeys"), constraint.at("labelSelector"));
    if keys.is_empty() {
        return;
    }
    if selector.is_null() {
        errors.push(FieldError::forbidden(path, "must not be specified when labelSelector is not set"));
        return;
    }
    for (i, key) in keys.iter().enumerate() {
        let key = key.as_str().unwrap_or("");
        check::report(names::is_qualified_name(key), key, &path.index(i), errors);
    }
    validate_selected_once(keys, selector, path, errors);
}

/// A key of `matchLabelKeys` has been merged into the selector, so that a second mention is one too many.
fn validate_selected_once(keys: &[Value], selector: &Value, path: &Path, errors: &mut ErrorList) {
    let mut seen: HashSet<&str> = selector.map("matchLabels").keys().map(CompactString::as_str).collect();
    for expression in selector.list("matchExpressions") {
        let key = expression.text("key");
        if let Some(i) = keys.iter().position(|wanted| wanted == key).filter(|_| seen.contains(key)) {
            let why = "exists in both matchLabelKeys and labelSelector";
            errors.push(FieldError::invalid(&path.index(i), key, why));
        }
        seen.insert(key);
    }
}

/// Spells `matchLabelKeys` and `mismatchLabelKeys` out in the label selectors of a new Pod's affinity terms and spread
/// constraints, with the values of the Pod's own labels.
pub fn merge_match_label_keys(pod: &mut Value) {
    let labels = pod.map("metadata.labels").clone();
    let spec = pod.at_mut("spec");
    spec.list_mut("topologySpreadConstraints").iter_mut().for_each(|constraint| merge_keys(constraint, &labels));
    if !spec.has("affinity") {
        return;
    }
    for kind in ["affinity.podAffinity", "affinity.podAntiAffinity"] {
        spec.list_mut(&format!("{kind}.{REQUIRED}")).iter_mut().for_each(|term| merge_keys(term, &labels));
        for term in spec.list_mut(&format!("{kind}.{PREFERRED}")) {
            if term.has("podAffinityTerm") {
                merge_keys(term.at_mut("podAffinityTerm"), &labels);
            }
        }
    }
}

fn merge_keys(term: &mut Value, labels: &Object) {
    if !term.has("labelSelector") {
        return;
    }
    let mut added = Vec::new();
    for (list, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in term.list(list).iter().filter_map(Value::as_str) {
            if let Some(value) = labels.get(key) {
                added.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    if !added.is_empty() {
        let expressions = [term.list("labelSelector.matchExpressions"), &added].concat();
        term.set("labelSelector.matchExpressions", expressions);
    }
}

/// A Pod's `schedulingGates`.
pub fn validate_scheduling_gates(gates: &[Value], path: &Path, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (i, gate) in gates.iter().enumerate() {
        let (name, path) = (gate.text("name"), path.index(i));
        check::report(names::is_qualified_name(name), name, &path, errors);
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(&path, name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_are_merged_into_selectors() {
        let constraint = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}}, "matchLabelKeys": ["hash", "absent"]});
        let mut pod = json!({"metadata": {"labels": {"app": "web", "hash": "1"}},
            "spec": {"topologySpreadConstraints": [constraint]}});
        merge_match_label_keys(&mut pod);
        let constraints = pod.list("spec.topologySpreadConstraints");
        assert_eq!(
            constraints[0].at("labelSelector.matchExpressions"),
            &json!([{"key": "hash", "operator": "In", "values": ["1"]}])
        );
        let mut errors = ErrorList::new();
        validate_topology_spread(constraints, &Path::new("c"), &mut errors);
        assert_eq!(errors, []);
    }

    #[test]
    fn tolerations() {
        let mut errors = ErrorList::new();
        let tolerations = [json!({"value": "x"}), json!({"key": "k", "operator": "Sometimes", "effect": "Away"})];
        validate_tolerations(&tolerations, &Path::new("t"), &mut errors);
        let found: Vec<String> = errors.iter().map(FieldError::to_string).collect();
        assert_eq!(
            found,
            [
                "t[0].operator: Invalid value: \"\": operator must be Exists when `key` is empty, which means \"match all \
                 values and all keys\"",
                "t[1].operator: Unsupported value: \"Sometimes\": supported values: \"Equal\", \"Exists\"",
                "t[1].effect: Unsupported value: \"Away\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \
                 \"NoExecute\"",
            ]
        );
    }
}
