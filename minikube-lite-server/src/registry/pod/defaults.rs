//! Default values of Pods and Pod templates (core/v1 `SetDefaults_*`).

use super::resources::{amount, container_requests};
use super::volumes::has_source;
use shared_types::fields::Fields;
use shared_types::json::{CompactString, Value, json};

const CONTAINER_LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Fills in what a Pod leaves open.
pub fn default_pod(pod: &mut Value) {
    let spec = pod.at_mut("spec");
    if !spec.is_object() {
        *spec = json!({});
    }
    default_pod_spec(spec);
    spec.set_default("enableServiceLinks", true);
    // A Pod cannot be given less than no time; templates are left as they are.
    if spec.int("terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        spec.set("terminationGracePeriodSeconds", 1);
    }
    for list in ["containers", "initContainers"] {
        for container in spec.list_mut(list) {
            default_requests(container);
        }
    }
    default_pod_requests(spec);
    if spec.flag("hostNetwork") {
        for list in ["containers", "initContainers"] {
            for port in spec.list_mut(list).iter_mut().flat_map(|container| container.list_mut("ports")) {
                if port.int("hostPort").unwrap_or(0) == 0 {
                    let own = port.at("containerPort").clone();
                    port.set("hostPort", own);
                }
            }
        }
    }
}

/// Fills in what a Pod template leaves open.
pub fn default_template(template: &mut Value) {
    if !template.has("metadata") {
        template.set("metadata", json!({}));
    }
    if !template.has("spec") {
        template.set("spec", json!({}));
    }
    default_pod_spec(template.at_mut("spec"));
}

/// Fills in what a Pod spec leaves open, in a Pod as in a template.
fn default_pod_spec(spec: &mut Value) {
    default_text(spec, "dnsPolicy", "ClusterFirst");
    default_text(spec, "restartPolicy", "Always");
    default_text(spec, "schedulerName", "default-scheduler");
    spec.set_default("securityContext", json!({}));
    spec.set_default("terminationGracePeriodSeconds", 30);
    // The old name of the field goes with the new one, which wins.
    let account = ["serviceAccountName", "serviceAccount"].map(|field| spec.text(field).to_string());
    if let Some(account) = account.into_iter().find(|name| !name.is_empty()) {
        spec.set("serviceAccountName", account.as_str());
        spec.set("serviceAccount", account);
    }
    for list in CONTAINER_LISTS {
        spec.list_mut(list).iter_mut().for_each(default_container);
    }
    spec.list_mut("volumes").iter_mut().for_each(default_volume);
    for list in ["resources.limits", "resources.requests", "overhead"] {
        default_resource_list(spec, list);
    }
}

fn default_text(object: &mut Value, field: &str, value: &str) {
    if object.text(field).is_empty() {
        object.set(field, value);
    }
}

fn default_number(object: &mut Value, field: &str, value: i64) {
    if object.int(field).unwrap_or(0) == 0 {
        object.set(field, value);
    }
}

/// Amounts are kept to a thousandth, rounded up, in canonical form.
fn default_resource_list(object: &mut Value, list: &str) {
    if object.has(list) {
        for quantity in object.map_mut(list).values_mut() {
            *quantity = amount(quantity).round_up_to_milli().to_string().into();
        }
    }
}

fn default_container(container: &mut Value) {
    default_text(container, "terminationMessagePath", "/dev/termination-log");
    default_text(container, "terminationMessagePolicy", "File");
    let policy = default_pull_policy(container.text("image"));
    default_text(container, "imagePullPolicy", policy);
    container.set_default("resources", json!({}));
    default_resource_list(container, "resources.limits");
    default_resource_list(container, "resources.requests");
    for port in container.list_mut("ports") {
        default_text(port, "protocol", "TCP");
    }
    for var in container.list_mut("env") {
        default_reference(var, "valueFrom.fieldRef", "valueFrom.resourceFieldRef");
        if var.has("valueFrom.fileKeyRef") {
            var.set_default("valueFrom.fileKeyRef.optional", false);
        }
    }
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container.has(field) {
            default_probe(container.at_mut(field));
        }
    }
    for hook in ["lifecycle.postStart.httpGet", "lifecycle.preStop.httpGet"] {
        default_http_get(container, hook);
    }
}

/// The default `imagePullPolicy`: an image that is tagged `latest`, or not at all, may change.
pub fn default_pull_policy(image: &str) -> &'static str {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let tag_start = name.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match name[tag_start..].find(':') {
        Some(colon) => (&name[..tag_start + colon], Some(&name[tag_start + colon + 1..])),
        None => (name, None),
    };
    let may_change = tag == Some("latest") || (tag.is_none() && digest.is_none());
    if may_change && is_repository(repository) { "Always" } else { "IfNotPresent" }
}

/// Whether `name` can be the name of an image's repository. What cannot is reported by nobody here, but has no tag.
fn is_repository(name: &str) -> bool {
    let (domain, path) = match name.split_once('/') {
        Some((domain, path))
            if domain.contains(['.', ':']) || domain == "localhost" || domain != domain.to_lowercase() =>
        {
            (Some(domain), path)
        }
        _ => (None, name),
    };
    let domain_fits = domain.is_none_or(|domain| {
        domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
    });
    domain_fits
        && path.split('/').all(|part| {
            let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            edge(part.bytes().next())
                && edge(part.bytes().last())
                && part.bytes().all(|b| edge(Some(b)) || matches!(b, b'.' | b'_' | b'-'))
        })
}

fn default_reference(object: &mut Value, field: &str, resource: &str) {
    if object.has(field) {
        default_text(object.at_mut(field), "apiVersion", "v1");
    }
    if object.has(resource) {
        let divisor = amount(object.at(resource).at("divisor")).to_string();
        object.at_mut(resource).set("divisor", divisor);
    }
}

fn default_http_get(object: &mut Value, field: &str) {
    if object.has(field) {
        let action = object.at_mut(field);
        default_text(action, "path", "/");
        default_text(action, "scheme", "HTTP");
    }
}

fn default_probe(probe: &mut Value) {
    default_number(probe, "timeoutSeconds", 1);
    default_number(probe, "periodSeconds", 10);
    default_number(probe, "successThreshold", 1);
    default_number(probe, "failureThreshold", 3);
    default_http_get(probe, "httpGet");
    if probe.has("grpc") {
        probe.set_default("grpc.service", "");
    }
}

fn default_volume(volume: &mut Value) {
    const MODE: i64 = 0o644;
    if !has_source(volume) {
        volume.set("emptyDir", json!({}));
        return;
    }
    for kind in ["secret", "configMap", "downwardAPI", "projected"] {
        if volume.has(kind) {
            volume.at_mut(kind).set_default("defaultMode", MODE);
        }
    }
    for file in volume.list_mut("downwardAPI.items") {
        default_reference(file, "fieldRef", "resourceFieldRef");
    }
    for source in volume.list_mut("projected.sources") {
        for file in source.list_mut("downwardAPI.items") {
            default_reference(file, "fieldRef", "resourceFieldRef");
        }
        if source.has("serviceAccountToken") {
            source.set_default("serviceAccountToken.expirationSeconds", 3600);
        }
    }
    if volume.has("hostPath") {
        volume.set_default("hostPath.type", "");
    }
    if volume.has("emptyDir.sizeLimit") {
        let limit = amount(volume.at("emptyDir.sizeLimit")).to_string();
        volume.set("emptyDir.sizeLimit", limit);
    }
    if volume.has("image") {
        let policy = default_pull_policy(volume.text("image.reference"));
        default_text(volume.at_mut("image"), "pullPolicy", policy);
    }
    if volume.has("ephemeral.volumeClaimTemplate") {
        let template = volume.at_mut("ephemeral.volumeClaimTemplate");
        template.set_default("spec.volumeMode", "Filesystem");
        default_resource_list(template, "spec.resources.requests");
        default_resource_list(template, "spec.resources.limits");
    }
    let texts: [(&str, &str, &str); 9] = [
        ("iscsi", "iscsiInterface", "default"),
        ("rbd", "pool", "rbd"),
        ("rbd", "user", "admin"),
        ("rbd", "keyring", "/etc/ceph/keyring"),
        ("azureDisk", "cachingMode", "ReadWrite"),
        ("azureDisk", "kind", "Shared"),
        ("azureDisk", "fsType", "ext4"),
        ("scaleIO", "storageMode", "ThinProvisioned"),
        ("scaleIO", "fsType", "xfs"),
    ];
    for (kind, field, value) in texts {
        if volume.has(kind) {
            default_text(volume.at_mut(kind), field, value);
        }
    }
    if volume.has("azureDisk") {
        volume.set_default("azureDisk.readOnly", false);
    }
}

/// What a container may use at most it also requests, where it says nothing else.
fn default_requests(container: &mut Value) {
    let limits = container.map("resources.limits").clone();
    if !limits.is_empty() {
        let requests = container.map_mut("resources.requests");
        for (resource, limit) in limits {
            requests.entry(&resource).or_insert(limit);
        }
    }
}

/// A Pod with resources of its own requests what its containers request together, else its limits.
fn default_pod_requests(spec: &mut Value) {
    if !spec.has("resources") {
        return;
    }
    let supported = |resource: &str| matches!(resource, "cpu" | "memory") || resource.starts_with("hugepages-");
    let sums = container_requests(spec).into_iter();
    let sums = sums.map(|(resource, sum)| (CompactString::from(resource), Value::from(sum.to_string())));
    let limits = spec.map("resources.limits").clone();
    let defaults: Vec<(CompactString, Value)> =
        sums.chain(limits).filter(|(resource, _)| supported(resource)).collect();
    if !defaults.is_empty() {
        let requests = spec.map_mut("resources.requests");
        for (resource, quantity) in defaults {
            requests.entry(&resource).or_insert(quantity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_policy_follows_the_tag() {
        for image in ["nginx", "nginx:latest", "localhost:5000/a/b", "gcr.io/x"] {
            assert_eq!(default_pull_policy(image), "Always", "{image}");
        }
        for image in ["nginx:1.28", "localhost:5000/a:1", "nginx@sha256:0123", "Nginx", "", "a b"] {
            assert_eq!(default_pull_policy(image), "IfNotPresent", "{image}");
        }
    }

    #[test]
    fn a_pod_gets_its_defaults() {
        let mut pod = json!({"spec": {
            "serviceAccount": "robot",
            "containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": "0.25"}},
                "readinessProbe": {"httpGet": {"port": 80}},
                "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}],
            "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "s"}}],
        }});
        default_pod(&mut pod);
        assert_eq!(
            pod["spec"],
            json!({
                "serviceAccount": "robot",
                "serviceAccountName": "robot",
                "containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "250m", "memory": "1Gi"}},
                    "readinessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
                        "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
                    "env": [{"name": "N", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
                    "imagePullPolicy": "Always", "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File"}],
                "volumes": [{"name": "v", "emptyDir": {}},
                    {"name": "s", "secret": {"secretName": "s", "defaultMode": 420}}],
                "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
                "securityContext": {}, "terminationGracePeriodSeconds": 30, "enableServiceLinks": true,
            })
        );
        let once = pod.clone();
        default_pod(&mut pod);
        assert_eq!(pod, once);
    }

    #[test]
    fn a_template_says_nothing_of_service_links_or_requests() {
        let mut template = json!({"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]}});
        default_template(&mut template);
        assert!(!template.has("spec.enableServiceLinks"));
        assert_eq!(template["spec"]["containers"][0]["resources"], json!({"limits": {"cpu": "1"}}));
    }

    #[test]
    fn on_the_hosts_network_ports_are_the_hosts() {
        let mut pod = json!({"spec": {"hostNetwork": true, "containers": [{"ports": [{"containerPort": 80}]}]}});
        default_pod(&mut pod);
        assert_eq!(pod["spec"]["containers"][0]["ports"][0]["hostPort"], 80);
    }
}
