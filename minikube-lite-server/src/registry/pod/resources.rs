//! Validation of resource requests and limits, and the quality of service class that follows from them.

use crate::registry::check;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};
use shared_types::names;
use shared_types::quantity::Quantity;
use shared_types::validation::{ErrorList, ErrorType, FieldError, Path};
use std::collections::{BTreeMap, BTreeSet};

/// The amount of a resource; what is absent or cannot be read counts as none.
pub fn amount(value: &Value) -> Quantity {
    value.as_str().and_then(|text| Quantity::parse(text).ok()).unwrap_or_default()
}

fn is_huge_page(resource: &str) -> bool {
    resource.starts_with("hugepages-")
}

/// A resource that Kubernetes itself defines.
fn is_native(resource: &str) -> bool {
    !resource.contains('/') || resource.contains("kubernetes.io/")
}

/// A resource that others define: `example.com/gpu`.
fn is_extended(resource: &str) -> bool {
    !is_native(resource)
        && !resource.starts_with("requests.")
        && names::is_qualified_name(&format!("requests.{resource}")).is_empty()
}

/// Whether more of a resource may be promised than there is.
fn allows_overcommit(resource: &str) -> bool {
    is_native(resource) && !is_huge_page(resource)
}

fn is_standard_for_container(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory" | "ephemeral-storage") || is_huge_page(resource)
}

fn is_standard(resource: &str) -> bool {
    let name = resource.strip_prefix("requests.").unwrap_or(resource);
    let limit = resource.strip_prefix("limits.").unwrap_or(resource);
    is_standard_for_container(name)
        || matches!(limit, "cpu" | "memory" | "ephemeral-storage")
        || matches!(resource, "storage" | "requests.storage")
        || is_integer(resource)
}

fn is_integer(resource: &str) -> bool {
    matches!(
        resource,
        "pods"
            | "resourcequotas"
            | "services"
            | "replicationcontrollers"
            | "secrets"
            | "configmaps"
            | "persistentvolumeclaims"
            | "services.nodeports"
            | "services.loadbalancers"
    ) || is_extended(resource)
}

pub fn validate_container_resource_name(resource: &str, path: &Path, errors: &mut ErrorList) {
    let problems = names::is_qualified_name(resource);
    let well_formed = problems.is_empty();
    check::report(problems, resource, path, errors);
    let mut invalid = |why| errors.push(FieldError::invalid(path, resource, why));
    if resource.contains('/') {
        if !is_native(resource) && !is_extended(resource) {
            invalid("doesn't follow extended resource name standard");
        }
        return;
    }
    if well_formed && !is_standard(resource) {
        invalid("must be a standard resource type or fully qualified");
    }
    if !is_standard_for_container(resource) {
        invalid("must be a standard resource for containers");
    }
}

fn validate_pod_resource_name(resource: &str, path: &Path, errors: &mut ErrorList) {
    if !matches!(resource, "cpu" | "memory") && !is_huge_page(resource) {
        errors.push(FieldError::not_supported(path, resource, &["cpu", "hugepages-", "memory"]));
    }
}

/// The amount of a resource, anywhere in the API.
pub fn validate_quantity(resource: &str, quantity: &Quantity, path: &Path, errors: &mut ErrorList) {
    if quantity.is_negative() {
        errors.push(FieldError::invalid(path, quantity.to_string(), check::NEGATIVE));
    }
    if is_integer(resource) && !quantity.is_integer() {
        errors.push(FieldError::invalid(path, quantity.to_string(), "must be an integer"));
    }
}

/// Requests and limits of a container; `claims` are the names of the Pod's resource claims.
pub fn validate_container(requirements: &Value, claims: &BTreeSet<&str>, path: &Path, errors: &mut ErrorList) {
    validate_requirements(requirements, validate_container_resource_name, path, errors);
    validate_claims(requirements.list("claims"), claims, &path.child("claims"), errors);
}

/// Requests and limits of the Pod as a whole.
pub fn validate_pod(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let resources = spec.at("resources");
    if resources.is_null() {
        return;
    }
    if resources.has("claims") {
        let why = "claims may not be set for Resources at pod-level";
        errors.push(FieldError::forbidden(&path.child("claims"), why));
    }
    validate_requirements(resources, validate_pod_resource_name, path, errors);
    let requests = path.child("requests");
    for (resource, sum) in container_requests(spec) {
        let Some(whole) = resources.map("requests").get(&resource).map(amount) else { continue };
        if sum > whole {
            let why = format!("must be greater than or equal to aggregate container requests of {sum}");
            errors.push(FieldError::invalid(&requests.key(&resource), whole.to_string(), why));
        }
    }
    let containers = path.child("containers");
    for (i, container) in spec.list("containers").iter().enumerate() {
        for (resource, limit) in container.map("resources.limits") {
            let limit = amount(limit);
            let Some(whole) = resources.map("limits").get(resource).map(amount) else { continue };
            if limit > whole {
                let why = format!("must be less than or equal to pod limits of {whole}");
                let path = containers.index(i);
                errors.push(FieldError::invalid(&path.key(resource).child("limits"), limit.to_string(), why));
            }
        }
    }
}

/// What all containers of a Pod together request: the regular ones and sidecars run side by side, other init containers
/// before them and one at a time.
pub fn container_requests(spec: &Value) -> BTreeMap<String, Quantity> {
    let mut together: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut before: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut sidecars: BTreeMap<String, Quantity> = BTreeMap::new();
    let add = |sums: &mut BTreeMap<String, Quantity>, requests: &Object| {
        for (resource, quantity) in requests {
            *sums.entry(resource.to_string()).or_default() += amount(quantity);
        }
    };
    for container in spec.list("containers") {
        add(&mut together, container.map("resources.requests"));
    }
    for container in spec.list("initContainers") {
        let requests = container.map("resources.requests");
        if container.text("restartPolicy") == "Always" {
            add(&mut together, requests);
            add(&mut sidecars, requests);
            continue;
        }
        for (resource, quantity) in requests {
            let need = amount(quantity) + sidecars.get(resource.as_str()).copied().unwrap_or_default();
            let most = before.entry(resource.to_string()).or_default();
            *most = need.max(*most);
        }
    }
    for (resource, quantity) in before {
        let sum = together.entry(resource).or_default();
        *sum = quantity.max(*sum);
    }
    together
}

/// `overhead` of a Pod, which is a list of amounts.
pub fn validate_overhead(overhead: &Value, path: &Path, errors: &mut ErrorList) {
    let limits = shared_types::json!({ "limits": overhead });
    validate_requirements(&limits, validate_container_resource_name, path, errors);
}

fn validate_requirements(
    requirements: &Value,
    validate_name: fn(&str, &Path, &mut ErrorList),
    path: &Path,
    errors: &mut ErrorList,
) {
    let (limits, requests) = (requirements.map("limits"), requirements.map("requests"));
    let (limit_path, request_path) = (path.child("limits"), path.child("requests"));
    for (resource, limit) in limits {
        validate_amount(resource, &amount(limit), validate_name, &limit_path.key(resource), errors);
    }
    for (resource, request) in requests {
        let request = amount(request);
        let (name_path, overcommit) = (request_path.key(resource), allows_overcommit(resource));
        validate_name(resource, &name_path, errors);
        validate_quantity(resource, &request, &name_path, errors);
        match limits.get(resource).map(amount) {
            Some(limit) if request != limit && !overcommit => {
                let why = format!("must be equal to {resource} limit of {limit}");
                errors.push(FieldError::invalid(&request_path, request.to_string(), why));
            }
            Some(limit) if request > limit => {
                let why = format!("must be less than or equal to {resource} limit of {limit}");
                errors.push(FieldError::invalid(&request_path, request.to_string(), why));
            }
            None if !overcommit => {
                let why = "Limit must be set for non overcommitable resources";
                errors.push(FieldError::required(&limit_path, why));
            }
            _ => {}
        }
        validate_huge_page(resource, &request, &name_path, errors);
    }
    let any = |wanted: fn(&str) -> bool| limits.keys().chain(requests.keys()).any(|resource| wanted(resource));
    if any(is_huge_page) && !any(|resource| matches!(resource, "cpu" | "memory")) {
        errors.push(FieldError::forbidden(path, "HugePages require cpu or memory"));
    }
}

fn validate_amount(
    resource: &str,
    quantity: &Quantity,
    validate_name: fn(&str, &Path, &mut ErrorList),
    path: &Path,
    errors: &mut ErrorList,
) {
    validate_name(resource, path, errors);
    validate_quantity(resource, quantity, path, errors);
    validate_huge_page(resource, quantity, path, errors);
}

/// Huge pages come whole.
fn validate_huge_page(resource: &str, quantity: &Quantity, path: &Path, errors: &mut ErrorList) {
    let Some(size) = resource.strip_prefix("hugepages-").and_then(|size| Quantity::parse(size).ok()) else { return };
    let divisible = size.value() > 0 && quantity.is_integer() && quantity.value() % size.value() == 0;
    if !divisible || quantity.is_negative() {
        let why = format!("{quantity} is not positive integer multiple of {resource}");
        errors.push(FieldError::invalid(path, quantity.to_string(), why));
    }
}

fn validate_claims(claims: &[Value], known: &BTreeSet<&str>, path: &Path, errors: &mut ErrorList) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (i, claim) in claims.iter().enumerate() {
        let path = path.index(i);
        let (name, request) = (claim.text("name"), claim.text("request"));
        if name.is_empty() {
            errors.push(FieldError::required(&path, ""));
            continue;
        }
        if seen.contains(name) {
            errors.push(FieldError::duplicate(&path, name));
        } else if request.is_empty() {
            let part = format!("{name}/");
            let overlaps = seen.iter().filter(|key| key.starts_with(&part));
            errors.extend(overlaps.map(|_| FieldError::duplicate(&path, name)));
            seen.insert(name.into());
        } else {
            check::report(names::is_dns1123_label(request), request, &path.child("request"), errors);
            let key = format!("{name}/{request}");
            if !seen.insert(key.clone()) {
                errors.push(FieldError::duplicate(&path, key));
            }
        }
        if !known.contains(name) {
            let listed: Vec<&str> = known.iter().copied().collect();
            let end = if listed.is_empty() { " which is empty".into() } else { format!(": {}", listed.join(", ")) };
            let detail = format!("must be one of the names in pod.spec.resourceClaims{end}");
            errors.push(FieldError {
                kind: ErrorType::NotFound,
                field: path.to_string(),
                value: Some(name.into()),
                detail,
            });
        }
    }
}

/// The quality of service class of a Pod: `Guaranteed` when every container has limits for CPU and memory and requests
/// just these, `BestEffort` when none asks for anything, else `Burstable`.
pub fn qos_class(spec: &Value) -> &'static str {
    let whole = std::slice::from_ref(spec);
    let consumers: Vec<&Value> = match spec.has("resources") {
        true => whole.iter().collect(),
        false => ["containers", "initContainers"].iter().flat_map(|list| spec.list(list)).collect(),
    };
    let mut sums: [BTreeMap<&str, Quantity>; 2] = Default::default();
    let mut guaranteed = true;
    for consumer in consumers {
        for (list, sums) in ["resources.requests", "resources.limits"].iter().zip(&mut sums) {
            let mut found = 0;
            for (resource, quantity) in consumer.map(list) {
                let quantity = amount(quantity);
                if !matches!(resource.as_str(), "cpu" | "memory") || quantity <= Quantity::default() {
                    continue;
                }
                found += 1;
                *sums.entry(resource).or_default() += quantity;
            }
            guaranteed &= found == 2 || *list == "resources.requests";
        }
    }
    let [requests, limits] = sums;
    match () {
        () if requests.is_empty() && limits.is_empty() => "BestEffort",
        () if guaranteed && requests == limits => "Guaranteed",
        () => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn qos_classes() {
        let class = |resources: Value| qos_class(&json!({"containers": [{"resources": resources}]}));
        assert_eq!(class(json!({})), "BestEffort");
        assert_eq!(class(json!({"requests": {"cpu": "0"}})), "BestEffort");
        assert_eq!(class(json!({"requests": {"cpu": "1"}})), "Burstable");
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(class(json!({"requests": both, "limits": both})), "Guaranteed");
        assert_eq!(class(json!({"requests": {"cpu": "1"}, "limits": both})), "Burstable");
        assert_eq!(class(json!({"requests": {"cpu": "1", "memory": "512Mi"}, "limits": both})), "Burstable");
    }

    #[test]
    fn init_containers_count_at_their_highest() {
        let spec = json!({
            "containers": [{"resources": {"requests": {"cpu": "1"}}}],
            "initContainers": [
                {"restartPolicy": "Always", "resources": {"requests": {"cpu": "500m"}}},
                {"resources": {"requests": {"cpu": "2"}}},
            ],
        });
        assert_eq!(container_requests(&spec)["cpu"].to_string(), "2500m");
    }
}
