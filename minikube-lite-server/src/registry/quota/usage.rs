//! What an object takes of a quota (the quota evaluators of Kubernetes).

use crate::registry::pod::resources::qos_class;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::Kind;
use shared_types::pod_resources::{self, Amounts};
use shared_types::quantity::Quantity;

/// Kinds that can be counted by their plural name alone, beside Pods and Services.
const COUNTED: &[&str] = &["configmaps", "secrets", "resourcequotas"];
/// Resources of Pods that have a name without `requests.`, too.
const COMPUTE: &[&str] = &["cpu", "memory", "ephemeral-storage"];
/// Resources that every container has to name where a quota limits them.
const NAMED_BY_CONTAINERS: &[&str] =
    &["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// `count/PLURAL` or `count/PLURAL.GROUP`, under which objects of any kind are counted.
fn count_name(kind: &Kind) -> String {
    if kind.group.is_empty() {
        format!("count/{}", kind.plural)
    } else {
        format!("count/{}.{}", kind.plural, kind.group)
    }
}

/// All that an object of the kind takes.
pub fn usage(kind: &Kind, object: &Value) -> Amounts {
    let one = Quantity::from_value(1);
    let mut usage = Amounts::from([(count_name(kind), one)]);
    match (kind.group, kind.plural) {
        // Pods that have ended only take their place.
        ("", "pods") if !["Succeeded", "Failed"].contains(&object.text("status.phase")) => {
            usage.insert("pods".into(), one);
            usage.extend(compute(&pod_resources::requests(object), &pod_resources::limits(object)));
        }
        ("", "services") => {
            let ports = object.list("spec.ports");
            let (node_ports, balancers) = match object.text("spec.type") {
                "NodePort" => (ports.len(), 0),
                "LoadBalancer" if object.at("spec.allocateLoadBalancerNodePorts") == &Value::Bool(false) => {
                    (ports.iter().filter(|port| port.has("nodePort")).count(), 1)
                }
                "LoadBalancer" => (ports.len(), 1),
                _ => (0, 0),
            };
            let whole = |count: usize| Quantity::from_value(i64::try_from(count).unwrap_or(i64::MAX));
            usage.insert("services".into(), one);
            usage.insert("services.nodeports".into(), whole(node_ports));
            usage.insert("services.loadbalancers".into(), whole(balancers));
        }
        ("", plural) if COUNTED.contains(&plural) => drop(usage.insert(plural.into(), one)),
        _ => {}
    }
    usage
}

/// Requests and limits under the names that quotas give them.
fn compute(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut usage = Amounts::new();
    for (name, amount) in requests {
        usage.insert(format!("requests.{name}"), *amount);
        if COMPUTE.contains(&name.as_str()) || name.starts_with("hugepages-") {
            usage.insert(name.clone(), *amount);
        }
    }
    for (name, amount) in limits.iter().filter(|(name, _)| COMPUTE.contains(&name.as_str())) {
        usage.insert(format!("limits.{name}"), *amount);
    }
    usage
}

/// What the containers of a Pod must say, and do not, where a quota has these limits: `cpu for: a,b; memory for: a`.
pub fn unsaid(kind: &Kind, object: &Value, hard: &Amounts) -> Option<String> {
    if (kind.group, kind.plural) != ("", "pods") {
        return None;
    }
    let mut missing = Vec::new();
    for resource in hard.keys().filter(|name| NAMED_BY_CONTAINERS.contains(&name.as_str())) {
        let says = |container: &Value| {
            let (field, name) = match resource.split_once('.') {
                Some((field, name)) => (field, name),
                None => ("requests", resource.as_str()),
            };
            container.at("resources").at(field).map("").contains_key(name)
        };
        let containers = object.list("spec.containers").iter().chain(object.list("spec.initContainers"));
        let mut silent: Vec<&str> =
            containers.filter(|container| !says(container)).map(|container| container.text("name")).collect();
        silent.sort_unstable();
        if !silent.is_empty() {
            missing.push(format!("{resource} for: {}", silent.join(",")));
        }
    }
    (!missing.is_empty()).then(|| missing.join("; "))
}

/// Whether the object is one of those that a quota with scopes is for. Only Pods are.
pub fn in_scope(quota: &Value, kind: &Kind, object: &Value) -> bool {
    let scopes = quota.list("spec.scopes").iter().map(|scope| (scope.as_str().unwrap_or(""), "Exists", &[][..]));
    let terms = quota.list("spec.scopeSelector.matchExpressions").iter();
    let terms = terms.map(|term| (term.text("scopeName"), term.text("operator"), term.list("values")));
    let is_pod = (kind.group, kind.plural) == ("", "pods");
    let best_effort = || qos_class(object.at("spec")) == "BestEffort";
    let ends = || object.int("spec.activeDeadlineSeconds").is_some_and(|seconds| seconds >= 0);
    scopes.chain(terms).all(|(scope, operator, values)| {
        is_pod
            && match scope {
                "Terminating" => ends(),
                "NotTerminating" => !ends(),
                "BestEffort" => best_effort(),
                "NotBestEffort" => !best_effort(),
                "PriorityClass" => {
                    let class = object.text("spec.priorityClassName");
                    let named = values.iter().any(|value| value == class);
                    match operator {
                        "In" => named,
                        "NotIn" => !named,
                        "DoesNotExist" => class.is_empty(),
                        _ => !class.is_empty(),
                    }
                }
                "CrossNamespacePodAffinity" => crosses_namespaces(object),
                _ => false,
            }
    })
}

/// Whether a Pod's affinity looks at Pods of other namespaces.
fn crosses_namespaces(pod: &Value) -> bool {
    let affinity = pod.at("spec.affinity");
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let required = affinity.at(kind).list("requiredDuringSchedulingIgnoredDuringExecution").iter();
        let preferred = affinity.at(kind).list("preferredDuringSchedulingIgnoredDuringExecution").iter();
        let terms = required.chain(preferred.map(|term| term.at("podAffinityTerm")));
        let mut crossing = terms.filter(|term| !term.list("namespaces").is_empty() || term.has("namespaceSelector"));
        crossing.next().is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;
    use shared_types::kinds::named;

    fn texts(amounts: &Amounts) -> Vec<String> {
        amounts.iter().map(|(name, amount)| format!("{name}={amount}")).collect()
    }

    #[test]
    fn pods_take_what_they_request() {
        let mut pod = json!({"spec": {"containers": [
            {"name": "a", "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "1Gi"}}},
            {"name": "b"}]}});
        let taken = texts(&usage(named("Pod"), &pod));
        assert_eq!(
            taken,
            ["count/pods=1", "cpu=100m", "limits.cpu=1", "limits.memory=1Gi", "pods=1", "requests.cpu=100m"]
        );
        let hard =
            [("limits.memory", 1), ("memory", 1), ("pods", 1)].map(|(k, v)| (k.to_string(), Quantity::from_value(v)));
        let said = unsaid(named("Pod"), &pod, &hard.into());
        assert_eq!(said.as_deref(), Some("limits.memory for: b; memory for: a,b"));
        pod.set("status.phase", "Succeeded");
        assert_eq!(texts(&usage(named("Pod"), &pod)), ["count/pods=1"]);
    }

    #[test]
    fn services_take_ports() {
        let service = json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 80}, {"port": 443}]}});
        assert_eq!(
            texts(&usage(named("Service"), &service)),
            ["count/services=1", "services=1", "services.loadbalancers=1", "services.nodeports=2"]
        );
        assert_eq!(texts(&usage(named("Deployment"), &json!({}))), ["count/deployments.apps=1"]);
    }

    #[test]
    fn scopes_are_of_pods() {
        let quota = json!({"spec": {"scopes": ["BestEffort", "NotTerminating"]}});
        assert!(in_scope(&quota, named("Pod"), &json!({"spec": {"containers": [{}]}})));
        assert!(!in_scope(&quota, named("Pod"), &json!({"spec": {"activeDeadlineSeconds": 5}})));
        assert!(!in_scope(&quota, named("Service"), &json!({})));
        let high = json!({"scopeName": "PriorityClass", "operator": "In", "values": ["high"]});
        let quota = json!({"spec": {"scopeSelector": {"matchExpressions": [high]}}});
        assert!(in_scope(&quota, named("Pod"), &json!({"spec": {"priorityClassName": "high"}})));
        assert!(!in_scope(&quota, named("Pod"), &json!({"spec": {}})));
    }
}
