//! What a Pod asks for altogether (KEP-753 for sidecars, KEP-2837 for the Pod's own resources).

use crate::fields::Fields;
use crate::json::{Object, Value};
use crate::quantity::Quantity;
use std::collections::BTreeMap;

/// Amounts by resource.
pub type Amounts = BTreeMap<String, Quantity>;

/// The requests that a scheduler counts.
pub fn requests(pod: &Value) -> Amounts {
    total(pod, "requests")
}

/// The limits that bound it.
pub fn limits(pod: &Value) -> Amounts {
    total(pod, "limits")
}

/// Adds each amount.
pub fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        *sum.entry(name.clone()).or_default() += *amount;
    }
}

/// Containers run together with the sidecars; each init container runs alone with the sidecars before it. What is needed
/// is the most at any time, and what the Pod costs by itself.
fn total(pod: &Value, list: &str) -> Amounts {
    let of = |container: &Value| amounts(container.at("resources").map(list));
    let mut sum = Amounts::new();
    pod.list("spec.containers").iter().for_each(|container| add(&mut sum, &of(container)));
    let mut sidecars = Amounts::new();
    let mut peak = Amounts::new();
    for container in pod.list("spec.initContainers") {
        let mut now = sidecars.clone();
        add(&mut now, &of(container));
        if container.text("restartPolicy") == "Always" {
            sidecars = now.clone();
            add(&mut sum, &of(container));
        }
        raise(&mut peak, &now);
    }
    raise(&mut sum, &peak);
    sum.extend(amounts(pod.at("spec.resources").map(list)));
    let overhead = amounts(pod.map("spec.overhead"));
    // Without a limit there is nothing to raise.
    let overhead = overhead.into_iter().filter(|(name, _)| list == "requests" || sum.contains_key(name)).collect();
    add(&mut sum, &overhead);
    sum
}

/// Reads a resource list, without what are no quantities.
pub fn amounts(list: &Object) -> Amounts {
    let read = |amount: &Value| match amount {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    };
    list.iter().filter_map(|(name, amount)| Some((name.to_string(), read(amount)?))).collect()
}

/// The larger of each.
fn raise(amounts: &mut Amounts, others: &Amounts) {
    for (name, other) in others {
        let amount = amounts.entry(name.clone()).or_insert(*other);
        *amount = (*amount).max(*other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn init_containers_count_where_they_need_more() {
        let with = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut sidecar = with("50m");
        sidecar.set("restartPolicy", "Always");
        let pod = json!({"spec": {"containers": [with("100m"), with("200m")],
            "initContainers": [with("100m"), sidecar, with("400m")], "overhead": {"cpu": "10m", "memory": "1Mi"}}});
        let requests = requests(&pod);
        assert_eq!(requests["cpu"].to_string(), "460m");
        assert_eq!(requests["memory"].to_string(), "1Mi");
        assert!(limits(&pod).is_empty());
    }

    #[test]
    fn the_hungriest_moment_counts() {
        let container = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut sidecar = container("200m");
        sidecar["restartPolicy"] = json!("Always");
        let mut pod = json!({"spec": {"containers": [container("100m"), container("1")],
            "initContainers": [container("500m"), sidecar, container("3")]}});
        assert_eq!(requests(&pod)["cpu"].to_string(), "3200m");
        assert!(limits(&pod).is_empty());
        pod.set("spec.resources.requests", json!({"cpu": "4"}));
        assert_eq!(requests(&pod)["cpu"].to_string(), "4");
    }
}
