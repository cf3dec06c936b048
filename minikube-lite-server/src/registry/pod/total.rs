//! What a Pod asks for altogether.

use serde_json::Value;
use shared_types::fields::Fields;
use shared_types::quantity::Quantity;
use std::collections::BTreeMap;

/// Amounts of resources, by name.
pub type Amounts = BTreeMap<String, Quantity>;

/// Reads a resource list.
pub fn amounts(list: &Value) -> Amounts {
    let read = |(name, amount): (&String, &Value)| Some((name.clone(), Quantity::parse(amount.as_str()?).ok()?));
    list.as_object().into_iter().flatten().filter_map(read).collect()
}

/// Adds each amount.
pub fn add(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        *to.entry(name.clone()).or_default() += *amount;
    }
}

/// Raises each amount to what the other has.
fn raise(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let own = to.entry(name.clone()).or_insert(*amount);
        *own = (*own).max(*amount);
    }
}

/// The Pod's `requests` or `limits`: its containers together, or the largest init container with the sidecars before it
/// (KEP-753); what is said of the Pod as a whole goes before these (KEP-2837).
pub fn total(pod: &Value, field: &str) -> Amounts {
    let of = |container: &Value| amounts(container.at("resources").at(field));
    let (mut together, mut sidecars, mut starting) = (Amounts::new(), Amounts::new(), Amounts::new());
    for container in pod.list("spec.containers") {
        add(&mut together, &of(container));
    }
    for container in pod.list("spec.initContainers") {
        let mut own = of(container);
        if container.text("restartPolicy") == "Always" {
            add(&mut sidecars, &own);
            add(&mut together, &own);
            raise(&mut starting, &sidecars);
        } else {
            add(&mut own, &sidecars);
            raise(&mut starting, &own);
        }
    }
    raise(&mut together, &starting);
    together.extend(amounts(pod.at("spec.resources").at(field)));
    if field == "requests" {
        add(&mut together, &amounts(pod.at("spec.overhead")));
    }
    together
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hungriest_moment_counts() {
        let container = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut sidecar = container("200m");
        sidecar["restartPolicy"] = json!("Always");
        let mut pod = json!({"spec": {"containers": [container("100m"), container("1")],
            "initContainers": [container("500m"), sidecar, container("3")]}});
        assert_eq!(total(&pod, "requests")["cpu"].to_string(), "3200m");
        assert!(total(&pod, "limits").is_empty());
        pod.set("spec.resources.requests", json!({"cpu": "4"}));
        assert_eq!(total(&pod, "requests")["cpu"].to_string(), "4");
    }
}
