//! What is allowed in a Pod or template, but probably not meant (core `pod.GetWarningsForPod`).

use super::resources::amount;
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::Path;
use std::collections::{HashMap, HashSet};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Volume sources that are going or gone.
const OLD_VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// What is said of a label of nodes that has got another name.
fn deprecated_node_label(key: &str) -> Option<&'static str> {
    match key {
        "beta.kubernetes.io/arch" => Some("deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
        "beta.kubernetes.io/os" => Some("deprecated since v1.14; use \"kubernetes.io/os\" instead"),
        "failure-domain.beta.kubernetes.io/region" => {
            Some("deprecated since v1.17; use \"topology.kubernetes.io/region\" instead")
        }
        "failure-domain.beta.kubernetes.io/zone" => {
            Some("deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead")
        }
        "beta.kubernetes.io/instance-type" => {
            Some("deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead")
        }
        _ => None,
    }
}

/// A name that becomes a hostname (`what`) should be a DNS label.
pub fn for_name(name: &str, what: &str) -> Option<String> {
    let problems = names::is_dns1123_label(name);
    (!problems.is_empty()).then(|| {
        format!(
            "metadata.name: this is used in {what}, which can result in surprising behavior; a DNS label is recommended: \
             [{}]",
            problems.join(" ")
        )
    })
}

/// Warnings for a kind whose objects make Pods of `spec.template`; on update only when the object's generation changed.
pub fn for_workload(object: &Value, old: Option<&Value>) -> Vec<String> {
    let mut found: Vec<String> = match old {
        None => for_name(object.name(), "Pod names and hostnames").into_iter().collect(),
        Some(old) if old.int("metadata.generation") == object.int("metadata.generation") => return Vec::new(),
        Some(_) => Vec::new(),
    };
    found.extend(for_pod(object.at("spec.template"), &Path::new("spec.template")));
    found
}

/// Warnings for a Pod, or for the template at `path`.
pub fn for_pod(pod: &Value, path: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    let (spec, spec_path) = (pod.at("spec"), path.child("spec"));
    warn_scheduling(spec, &spec_path, &mut warnings);
    warn_annotations(pod, &path.child("metadata.annotations"), &mut warnings);
    let volumes = spec_path.child("volumes");
    for (i, volume) in spec.list("volumes").iter().enumerate() {
        for (kind, what) in OLD_VOLUMES.iter().filter(|(kind, _)| volume.has(kind)) {
            let shown = if *kind == "storageos" { "storageOS" } else { kind };
            warnings.push(format!("{}: {what}", volumes.index(i).child(shown)));
        }
    }
    warn_duplicates(spec.list("hostAliases"), "ip", &spec_path.child("hostAliases"), &mut warnings);
    let secrets = spec_path.child("imagePullSecrets");
    warn_duplicates(spec.list("imagePullSecrets"), "name", &secrets, &mut warnings);
    for (i, _) in spec.list("imagePullSecrets").iter().enumerate().filter(|(_, secret)| secret.text("name").is_empty())
    {
        warnings.push(format!("{}: invalid empty name \"\"", secrets.index(i).child("name")));
    }
    warn_fractions(spec.at("overhead"), &spec_path.child("overhead"), &mut warnings);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let path = spec_path.child(list);
        for (i, container) in spec.list(list).iter().enumerate() {
            let path = path.index(i);
            for list in ["limits", "requests"] {
                let amounts = container.at("resources").at(list);
                warn_fractions(amounts, &path.child("resources").child(list), &mut warnings);
            }
            warn_env(container.list("env"), &path.child("env"), &mut warnings);
        }
    }
    warn_ports(spec, &spec_path, &mut warnings);
    if spec.int("terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        let path = spec_path.child("terminationGracePeriodSeconds");
        warnings.push(format!("{path}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    warn_affinity(spec.at("affinity"), &spec_path.child("affinity"), &mut warnings);
    warnings
}

fn warn_scheduling(spec: &Value, path: &Path, warnings: &mut Vec<String>) {
    let selector = path.child("nodeSelector");
    for key in spec.map("nodeSelector").keys() {
        if let Some(what) = deprecated_node_label(key) {
            warnings.push(format!("{}: {what}", selector.key(key)));
        }
    }
    let node = spec.at("affinity.nodeAffinity");
    let node_path = path.child("affinity.nodeAffinity");
    let (required, preferred) = (node_path.child(REQUIRED), node_path.child(PREFERRED));
    let required = required.child("nodeSelectorTerms");
    for (i, term) in node.at(REQUIRED).list("nodeSelectorTerms").iter().enumerate() {
        warn_node_term(term, &required.index(i), warnings);
    }
    for (i, term) in node.list(PREFERRED).iter().enumerate() {
        warn_node_term(term.at("preference"), &preferred.index(i).child("preference"), warnings);
    }
    let constraints = path.child("topologySpreadConstraints");
    for (i, constraint) in spec.list("topologySpreadConstraints").iter().enumerate() {
        let path = constraints.index(i);
        let key = constraint.text("topologyKey");
        if let Some(what) = deprecated_node_label(key) {
            warnings.push(format!("{}: {key} is {what}", path.child("topologyKey")));
        }
        warn_null_selector(constraint, &path, warnings);
    }
}

fn warn_node_term(term: &Value, path: &Path, warnings: &mut Vec<String>) {
    let path = path.child("matchExpressions");
    for (i, expression) in term.list("matchExpressions").iter().enumerate() {
        let key = expression.text("key");
        if let Some(what) = deprecated_node_label(key) {
            warnings.push(format!("{}: {key} is {what}", path.index(i).child("key")));
        }
    }
}

fn warn_null_selector(term: &Value, path: &Path, warnings: &mut Vec<String>) {
    if !term.has("labelSelector") {
        let path = path.child("labelSelector");
        warnings.push(format!("{path}: a null labelSelector results in matching no pod"));
    }
}

fn warn_affinity(affinity: &Value, path: &Path, warnings: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        let (terms, path) = (affinity.at(kind), path.child(kind));
        let (required, preferred) = (path.child(REQUIRED), path.child(PREFERRED));
        for (i, term) in terms.list(REQUIRED).iter().enumerate() {
            warn_null_selector(term, &required.index(i), warnings);
        }
        for (i, term) in terms.list(PREFERRED).iter().enumerate() {
            warn_null_selector(term.at("podAffinityTerm"), &preferred.index(i).child("podAffinityTerm"), warnings);
        }
    }
}

fn warn_annotations(pod: &Value, path: &Path, warnings: &mut Vec<String>) {
    let old = [
        ("scheduler.alpha.kubernetes.io/critical-pod", "v1.16+", "priorityClassName"),
        ("security.alpha.kubernetes.io/sysctls", "v1.11+", "sysctls"),
        ("security.alpha.kubernetes.io/unsafe-sysctls", "v1.11+", "sysctls"),
    ];
    for (key, version, field) in old {
        if pod.annotation(key).is_some() {
            let what = format!("non-functional in {version}; use the \"{field}\" field instead");
            warnings.push(format!("{}: {what}", path.key(key)));
        }
    }
}

fn warn_duplicates(items: &[Value], field: &str, path: &Path, warnings: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for (i, item) in items.iter().enumerate() {
        let value = item.text(field);
        if !seen.insert(value) {
            warnings.push(format!("{}: duplicate {field} {}", path.index(i).child(field), quote(value)));
        }
    }
}

/// Bytes come whole.
fn warn_fractions(amounts: &Value, path: &Path, warnings: &mut Vec<String>) {
    for resource in ["memory", "ephemeral-storage"] {
        let Some(quantity) = amounts.get(resource).map(amount).filter(|quantity| !quantity.is_integer()) else {
            continue;
        };
        let what = "is invalid, must be an integer";
        warnings.push(format!("{}: fractional byte value \"{quantity}\" {what}", path.key(resource)));
    }
}

/// A variable that is set again should at least mention its former value.
fn warn_env(vars: &[Value], path: &Path, warnings: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for (i, var) in vars.iter().enumerate() {
        let (name, value) = (var.text("name"), var.text("value"));
        if seen.insert(name) {
            continue;
        }
        let reference = format!("$({name})");
        if var.has("valueFrom") || value == reference || !value.contains(&reference) {
            let what = format!("hides previous definition of {}", quote(name));
            warnings.push(format!("{}: {what}, which may be dropped when using apply", path.index(i)));
        }
    }
}

/// Ports that are declared more than once among all containers.
fn warn_ports(spec: &Value, path: &Path, warnings: &mut Vec<String>) {
    let mut seen: HashMap<(i64, &str), Vec<(String, &Value)>> = HashMap::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let path = path.child(list);
        for (i, container) in spec.list(list).iter().enumerate() {
            let path = path.index(i);
            let path = path.child("ports");
            for (i, port) in container.list("ports").iter().enumerate() {
                let place = path.index(i).to_string();
                let host = |port: &Value| port.int("hostPort").unwrap_or(0);
                let key = (port.int("containerPort").unwrap_or(0), port.text("protocol"));
                let others = seen.entry(key).or_default();
                for (other_place, other) in others.iter() {
                    let (ip, other_ip) = (port.text("hostIP"), other.text("hostIP"));
                    let what = if ip == other_ip && host(port) == host(other) {
                        "duplicate"
                    } else if host(port) == 0 || host(other) == 0 {
                        "overlapping"
                    } else if host(port) == host(other) && ip.is_empty() != other_ip.is_empty() {
                        "dangerously ambiguous"
                    } else {
                        continue;
                    };
                    warnings.push(format!("{place}: {what} port definition with {other_place}"));
                }
                others.push((place, port));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn names_should_be_labels() {
        assert_eq!(for_name("web", "x"), None);
        assert_eq!(
            for_name("a.b", "the Pod's hostname").unwrap(),
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is \
             recommended: [must not contain dots]"
        );
    }

    #[test]
    fn doubtful_fields_are_told() {
        let port = json!({"containerPort": 80, "protocol": "TCP"});
        let pod = json!({"spec": {
            "nodeSelector": {"beta.kubernetes.io/os": "linux"},
            "containers": [{"ports": [port, port], "resources": {"limits": {"memory": "100m"}},
                "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}, {"name": "A", "value": "3"}]}],
        }});
        assert_eq!(
            for_pod(&pod, &Path::new("")),
            [
                "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "spec.containers[0].resources.limits[memory]: fractional byte value \"100m\" is invalid, must be an integer",
                "spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply",
                "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
            ]
        );
        let workload = json!({"metadata": {"name": "w"}, "spec": {"template": pod}});
        assert!(for_workload(&workload, None)[0].starts_with("spec.template.spec.nodeSelector[beta"));
        assert!(for_workload(&workload, Some(&workload)).is_empty());
    }
}
