//! Validation of Pods and of Pod specs, wherever they stand (core `validation.ValidatePodSpec`).
//!
//! Errors are found in the order in which Kubernetes finds them.

use super::volumes::Volumes;
use super::{containers, env, resources, scheduling, security, volumes};
use crate::registry::check;
use crate::registry::metadata::{self, dns_subdomain_name};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};
use std::collections::{BTreeSet, HashSet};

/// What the parts of a Pod spec need to know of the rest.
pub struct PodContext<'a> {
    pub spec: &'a Value,
    /// The volumes that containers may mount.
    pub volumes: Volumes<'a>,
    /// The names of the resource claims that containers may use.
    pub claims: BTreeSet<&'a str>,
    /// `terminationGracePeriodSeconds`.
    pub grace_period: Option<i64>,
    /// Whether the Pod shares the node's user namespace.
    pub host_users: bool,
}

/// What stands around a Pod spec.
#[derive(Clone, Copy)]
pub enum Owner<'a> {
    /// The Pod whose spec it is.
    Pod(&'a Value),
    /// A template, in which some rules are looser.
    Template,
}

/// All that is wrong with a new Pod, apart from its metadata.
pub fn validate_create(pod: &Value) -> ErrorList {
    let mut errors = validate_pod(pod);
    let path = Path::new("spec");
    if !pod.list("spec.ephemeralContainers").is_empty() {
        errors.push(FieldError::forbidden(&path.child("ephemeralContainers"), "cannot be set on create"));
    }
    if !pod.text("spec.nodeName").is_empty() && !pod.list("spec.schedulingGates").is_empty() {
        let why = "cannot be set until all schedulingGates have been cleared";
        errors.push(FieldError::forbidden(&path.child("nodeName"), why));
    }
    errors
}

/// All that is wrong with a Pod, new or not, apart from its metadata.
pub fn validate_pod(pod: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (path, spec) = (Path::new("spec"), pod.at("spec"));
    validate_annotations(pod, &Path::new("metadata.annotations"), &mut errors);
    validate_pod_spec(spec, Owner::Pod(pod), &path, &mut errors);
    if spec.text("serviceAccountName").is_empty() {
        let volumes = path.child("volumes");
        for (i, volume) in spec.list("volumes").iter().enumerate() {
            let path = volumes.index(i);
            let sources = path.child("projected.sources");
            for (i, source) in volume.list("projected.sources").iter().enumerate() {
                if source.has("serviceAccountToken") {
                    let why = "must not be specified when serviceAccountName is not set";
                    let path = sources.index(i);
                    errors.push(FieldError::forbidden(&path.child("serviceAccountToken"), why));
                }
            }
        }
    }
    containers::validate_only_for_pod(spec, &path, &mut errors);
    errors
}

/// All that is wrong with a Pod template.
pub fn validate_template(template: &Value, path: &Path, errors: &mut ErrorList) {
    errors.extend(metadata::validate_labels(template.map("metadata.labels"), &path.child("labels")));
    let annotations = path.child("annotations");
    errors.extend(metadata::validate_annotations(template.map("metadata.annotations"), &annotations));
    validate_annotations(template, &annotations, errors);
    let spec = path.child("spec");
    validate_pod_spec(template.at("spec"), Owner::Template, &spec, errors);
    if !template.list("spec.ephemeralContainers").is_empty() {
        let why = "ephemeral containers not allowed in pod template";
        errors.push(FieldError::forbidden(&spec.child("ephemeralContainers"), why));
    }
}

/// The annotations that mean something to Kubernetes.
pub fn validate_annotations(pod: &Value, path: &Path, errors: &mut ErrorList) {
    const MIRROR: &str = "kubernetes.io/config.mirror";
    const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    if let Some(value) = pod.annotation(MIRROR).filter(|_| pod.text("spec.nodeName").is_empty()) {
        let why = "must set spec.nodeName if mirror pod annotation is set";
        errors.push(FieldError::invalid(&path.key(MIRROR), value, why));
    }
    if let Some(cost) = pod.annotation(DELETION_COST).filter(|cost| !is_deletion_cost(cost)) {
        errors.push(FieldError::invalid(&path.key(DELETION_COST), cost, "must be a 32bit integer"));
    }
}

/// A 32 bit integer in its one usual form: no plus sign, no leading zeros.
fn is_deletion_cost(cost: &str) -> bool {
    cost.parse::<i32>().is_ok_and(|number| number.to_string() == cost)
}

/// All that is wrong with a Pod spec.
pub fn validate_pod_spec(spec: &Value, owner: Owner, path: &Path, errors: &mut ErrorList) {
    if !spec.has("terminationGracePeriodSeconds") {
        errors.push(FieldError::required(&path.child("terminationGracePeriodSeconds"), ""));
    }
    let (pod_name, is_pod) = match owner {
        Owner::Pod(pod) => (pod.name(), true),
        Owner::Template => ("", false),
    };
    let volumes = volumes::validate_volumes(spec.list("volumes"), pod_name, is_pod, &path.child("volumes"), errors);
    let claims = spec.list("resourceClaims").iter().map(|claim| claim.text("name"));
    let context = PodContext {
        spec,
        volumes,
        claims: claims.filter(|name| !name.is_empty()).collect(),
        grace_period: spec.int("terminationGracePeriodSeconds"),
        host_users: !spec.has("hostUsers") || spec.flag("hostUsers"),
    };
    validate_resource_claims(spec, &path.child("resourceClaims"), errors);
    containers::validate_containers(&context, &path.child("containers"), errors);
    containers::validate_init_containers(&context, &path.child("initContainers"), errors);
    containers::validate_ephemeral_containers(&context, &path.child("ephemeralContainers"), errors);
    resources::validate_pod(spec, &path.child("resources"), errors);
    validate_host_network(spec, is_pod, &path.child("containers"), errors);
    check::required_one_of(spec, "restartPolicy", &["Always", "OnFailure", "Never"], path, errors);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    check::required_one_of(spec, "dnsPolicy", &policies, path, errors);
    errors.extend(metadata::validate_labels(spec.map("nodeSelector"), &path.child("nodeSelector")));
    security::validate_pod(spec, &path.child("securityContext"), errors);
    scheduling::validate_affinity(spec.at("affinity"), &path.child("affinity"), errors);
    validate_dns_config(spec, &path.child("dnsConfig"), errors);
    let gates = path.child("readinessGates");
    for (i, gate) in spec.list("readinessGates").iter().enumerate() {
        let condition = gate.text("conditionType");
        let path = gates.index(i);
        check::report(names::is_qualified_name(condition), condition, &path.child("conditionType"), errors);
    }
    scheduling::validate_scheduling_gates(spec.list("schedulingGates"), &path.child("schedulingGates"), errors);
    let constraints = spec.list("topologySpreadConstraints");
    scheduling::validate_topology_spread(constraints, &path.child("topologySpreadConstraints"), errors);
    validate_host_users(&context, path, errors);
    validate_hostname_override(spec, path, errors);
    name_of_other(spec, "serviceAccountName", path, errors);
    name_of_other(spec, "nodeName", path, errors);
    if let Some(seconds) = spec.int("activeDeadlineSeconds") {
        let problems = names::is_in_range(seconds, 1, i64::from(i32::MAX)).into_iter();
        let path = path.child("activeDeadlineSeconds");
        errors.extend(problems.map(|problem| FieldError::invalid(&path, seconds, problem)));
    }
    for field in ["hostname", "subdomain"] {
        let label = spec.text(field);
        if !label.is_empty() {
            check::report(names::is_dns1123_label(label), label, &path.child(field), errors);
        }
    }
    scheduling::validate_tolerations(spec.list("tolerations"), &path.child("tolerations"), errors);
    validate_host_aliases(spec.list("hostAliases"), &path.child("hostAliases"), errors);
    name_of_other(spec, "priorityClassName", path, errors);
    if spec.has("runtimeClassName") {
        let name = spec.text("runtimeClassName");
        check::report(dns_subdomain_name(name, false), name, &path.child("runtimeClassName"), errors);
    }
    if spec.has("preemptionPolicy") {
        let policies = ["PreemptLowerPriority", "Never"];
        check::required_one_of(spec, "preemptionPolicy", &policies, path, errors);
    }
    if spec.has("overhead") {
        resources::validate_overhead(spec.at("overhead"), &path.child("overhead"), errors);
    }
    if spec.has("os") {
        let path = path.child("os");
        check::required_one_of(spec.at("os"), "name", &["linux", "windows"], &path, errors);
    }
    env::validate_file_volumes(spec, path, errors);
}

/// The name of another object, where there is one.
fn name_of_other(spec: &Value, field: &str, path: &Path, errors: &mut ErrorList) {
    let name = spec.text(field);
    if !name.is_empty() {
        check::report(dns_subdomain_name(name, false), name, &path.child(field), errors);
    }
}

fn validate_resource_claims(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (i, claim) in spec.list("resourceClaims").iter().enumerate() {
        let path = path.index(i);
        let (name, name_path) = (claim.text("name"), path.child("name"));
        if name.is_empty() {
            errors.push(FieldError::required(&name_path, ""));
        } else if !seen.insert(name) {
            errors.push(FieldError::duplicate(&name_path, name));
        } else {
            check::report(names::is_dns1123_label(name), name, &name_path, errors);
        }
        let why = match (claim.has("resourceClaimName"), claim.has("resourceClaimTemplateName")) {
            (true, true) => "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            (false, false) => "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            _ => "",
        };
        if !why.is_empty() {
            errors.push(FieldError::invalid(&path, claim.clone(), why));
        }
        for field in ["resourceClaimName", "resourceClaimTemplateName"] {
            if claim.has(field) {
                let name = claim.text(field);
                check::report(dns_subdomain_name(name, false), name, &path.child(field), errors);
            }
        }
    }
}

/// On the node's network a container's port is the node's port.
fn validate_host_network(spec: &Value, is_pod: bool, path: &Path, errors: &mut ErrorList) {
    if !spec.flag("hostNetwork") {
        return;
    }
    for (i, container) in spec.list("containers").iter().enumerate() {
        let path = path.index(i);
        let path = path.child("ports");
        for (i, port) in container.list("ports").iter().enumerate() {
            let (host, own) = (port.int("hostPort").unwrap_or(0), port.int("containerPort").unwrap_or(0));
            if (is_pod || host != 0) && host != own {
                let why = "must match `containerPort` when `hostNetwork` is true";
                errors.push(FieldError::invalid(&path.index(i).child("hostPort"), host, why));
            }
        }
    }
}

/// A Pod with users of its own cannot share the node's other namespaces.
fn validate_host_users(pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    const WHY: &str = "when `hostUsers` is false";
    if pod.host_users {
        return;
    }
    for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if pod.spec.flag(field) {
            errors.push(FieldError::forbidden(&path.child(shown), WHY));
        }
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let path = path.child(list);
        for (i, container) in pod.spec.list(list).iter().enumerate() {
            if !container.list("volumeDevices").is_empty() {
                errors.push(FieldError::forbidden(&path.index(i).child("volumeDevices"), WHY));
            }
        }
    }
}

fn validate_hostname_override(spec: &Value, path: &Path, errors: &mut ErrorList) {
    /// What Linux takes as a hostname.
    const HOSTNAME_MAX: usize = 64;
    if !spec.has("hostnameOverride") {
        return;
    }
    let (name, path) = (spec.text("hostnameOverride"), path.child("hostnameOverride"));
    for field in ["setHostnameAsFQDN", "hostNetwork"] {
        if spec.flag(field) {
            errors.push(FieldError::forbidden(&path, format!("may not be specified when {field} is true")));
        }
    }
    if name.len() > HOSTNAME_MAX {
        errors.push(FieldError::too_long(&path, HOSTNAME_MAX));
    }
    check::report(names::is_dns1123_subdomain(name), name, &path, errors);
}

fn validate_dns_config(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let config = spec.at("dnsConfig");
    let (servers, searches) = (config.list("nameservers"), config.list("searches"));
    let (servers_path, searches_path) = (path.child("nameservers"), path.child("searches"));
    if spec.text("dnsPolicy") == "None" {
        if config.is_null() {
            let why = "must provide `dnsConfig` when `dnsPolicy` is None";
            errors.push(FieldError::required(path, why));
            return;
        }
        if servers.is_empty() {
            let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.push(FieldError::required(&servers_path, why));
            return;
        }
    }
    if servers.len() > 3 {
        errors.push(FieldError::invalid(&servers_path, servers.to_vec(), "must not have more than 3 nameservers"));
    }
    for (i, server) in servers.iter().enumerate() {
        let server = server.as_str().unwrap_or("");
        check::report(names::is_valid_ip(server), server, &servers_path.index(i), errors);
    }
    if searches.len() > 32 {
        errors.push(FieldError::invalid(&searches_path, searches.to_vec(), "must not have more than 32 search paths"));
    }
    let length: usize = searches.iter().filter_map(Value::as_str).map(|search| search.len() + 1).sum();
    if length > 2048 + 1 {
        let why = "must not have more than 2048 characters (including spaces) in the search list";
        errors.push(FieldError::invalid(&searches_path, searches.to_vec(), why));
    }
    for (i, search) in searches.iter().enumerate() {
        let search = search.as_str().unwrap_or("");
        if search != "." {
            let search = search.strip_suffix('.').unwrap_or(search);
            let problems = names::is_dns1123_subdomain_with_underscore(search);
            check::report(problems, search, &searches_path.index(i), errors);
        }
    }
    let options = path.child("options");
    for (i, option) in config.list("options").iter().enumerate() {
        if option.text("name").is_empty() {
            errors.push(FieldError::required(&options.index(i), "must not be empty"));
        }
    }
}

fn validate_host_aliases(aliases: &[Value], path: &Path, errors: &mut ErrorList) {
    for (i, alias) in aliases.iter().enumerate() {
        let path = path.index(i);
        check::report(names::is_valid_ip(alias.text("ip")), alias.text("ip"), &path.child("ip"), errors);
        let hostnames = path.child("hostnames");
        for (i, hostname) in alias.list("hostnames").iter().enumerate() {
            let hostname = hostname.as_str().unwrap_or("");
            check::report(names::is_dns1123_subdomain(hostname), hostname, &hostnames.index(i), errors);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::defaults::default_pod;
    use super::*;
    use shared_types::json::json;

    fn errors(spec: Value) -> Vec<String> {
        let mut pod = json!({"metadata": {"name": "p"}, "spec": spec});
        default_pod(&mut pod);
        validate_create(&pod).iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn a_plain_pod_is_valid() {
        assert_eq!(errors(json!({"containers": [{"name": "c", "image": "nginx"}]})), [""; 0]);
        assert_eq!(errors(json!({})), ["spec.containers: Required value"]);
    }

    #[test]
    fn containers_and_ports() {
        let found = errors(json!({"containers": [
            {"name": "c", "ports": [{"containerPort": 0}, {"containerPort": 80, "protocol": "tcp"},
                {"containerPort": 81, "name": "x"}, {"containerPort": 82, "name": "x"}]},
            {"name": "c", "image": "i", "imagePullPolicy": "Perhaps"},
        ]}));
        assert_eq!(
            found,
            [
                "spec.containers[0].image: Required value",
                "spec.containers[0].ports[0].containerPort: Required value",
                "spec.containers[0].ports[1].protocol: Unsupported value: \"tcp\": supported values: \"SCTP\", \"TCP\", \
                 \"UDP\"",
                "spec.containers[0].ports[3].name: Duplicate value: \"x\"",
                "spec.containers[1].imagePullPolicy: Unsupported value: \"Perhaps\": supported values: \"Always\", \
                 \"IfNotPresent\", \"Never\"",
                "spec.containers[1].name: Duplicate value: \"c\"",
            ]
        );
    }

    #[test]
    fn env_and_resources() {
        let found = errors(json!({"containers": [{"name": "c", "image": "i",
            "env": [{"name": ""}, {"name": "V", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.no"}}}],
            "resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "200m", "memory": "-1"}}}]}));
        assert_eq!(
            found,
            [
                "spec.containers[0].env[0].name: Required value",
                "spec.containers[0].env[1].valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.no\": error \
                 converting fieldPath: field label not supported: metadata.no",
                "spec.containers[0].env[1].valueFrom: Invalid value: \"\": may not be specified when `value` is not \
                 empty",
                "spec.containers[0].resources.limits[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
                "spec.containers[0].resources.requests: Invalid value: \"500m\": must be less than or equal to cpu \
                 limit of 200m",
                "spec.containers[0].resources.requests[memory]: Invalid value: \"-1\": must be greater than or equal \
                 to 0",
            ]
        );
    }

    #[test]
    fn volumes_and_mounts() {
        let found = errors(json!({
            "volumes": [{"name": "v"}, {"name": "v", "emptyDir": {}},
                {"name": "w", "emptyDir": {}, "hostPath": {"path": "/x"}}],
            "containers": [{"name": "c", "image": "i",
                "volumeMounts": [{"name": "nope", "mountPath": "/a"}, {"name": "v", "mountPath": ""}]}]}));
        assert_eq!(
            found,
            [
                "spec.volumes[1].name: Duplicate value: \"v\"",
                "spec.volumes[2].hostPath: Forbidden: may not specify more than 1 volume type",
                "spec.containers[0].volumeMounts[0].name: Not found: \"nope\"",
                "spec.containers[0].volumeMounts[1].mountPath: Required value",
            ]
        );
    }

    #[test]
    fn probes() {
        let found = errors(json!({"containers": [{"name": "c", "image": "i", "livenessProbe": {},
            "readinessProbe": {"httpGet": {"port": 0}, "tcpSocket": {"port": 80}},
            "startupProbe": {"exec": {"command": []}, "periodSeconds": -1, "successThreshold": 2}}]}));
        assert_eq!(
            found,
            [
                "spec.containers[0].livenessProbe: Required value: must specify a handler type",
                "spec.containers[0].readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
                "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
                "spec.containers[0].startupProbe.exec.command: Required value",
                "spec.containers[0].startupProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
                "spec.containers[0].startupProbe.successThreshold: Invalid value: 2: must be 1",
            ]
        );
    }

    #[test]
    fn policies() {
        let found = errors(json!({"restartPolicy": "Sometimes", "dnsPolicy": "None", "activeDeadlineSeconds": 0,
            "terminationGracePeriodSeconds": -1, "containers": [{"name": "c", "image": "i"}]}));
        assert_eq!(
            found,
            [
                "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \
                 \"Never\"",
                "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
                "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
            ]
        );
    }
}
