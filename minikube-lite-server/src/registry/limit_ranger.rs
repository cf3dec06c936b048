//! The LimitRanger admission plug-in: gives new Pods what the LimitRanges of their namespace say by default, and refuses
//! those that go beyond.

use super::Registry;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};
use shared_types::kinds;
use shared_types::pod_resources::{self, Amounts, amounts};
use shared_types::quantity::Quantity;
use shared_types::status::Status;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";
const CONTAINERS: [(&str, &str); 2] = [("spec.containers", "container"), ("spec.initContainers", "init container")];

impl Registry {
    /// The limits that the LimitRanges of a namespace set, each a list.
    fn limits(&self, namespace: &str) -> Result<Vec<Value>, Status> {
        let kind = kinds::named("LimitRange");
        if self.count(kind) == 0 {
            return Ok(Vec::new());
        }
        self.snapshot(kind, namespace).0.iter().map(|entry| Ok(entry.object()?.at("spec.limits").clone())).collect()
    }

    /// Sets the requests and limits that a new Pod's containers leave open, and tells of it in an annotation.
    ///
    /// # Errors
    /// Damage to the data folder.
    pub(super) fn default_limits(&self, pod: &mut Value) -> Result<(), Status> {
        for limits in self.limits(pod.namespace())? {
            let of_containers =
                limits.as_array().into_iter().flatten().filter(|limit| limit.text("type") == "Container");
            let (mut requests, mut maxima) = (Object::new(), Object::new());
            for limit in of_containers {
                requests.extend(limit.map("defaultRequest").clone());
                maxima.extend(limit.map("default").clone());
            }
            let mut told = Vec::new();
            for (list, what) in CONTAINERS {
                for container in pod.list_mut(list) {
                    for (field, defaults, which) in [("requests", &requests, "request"), ("limits", &maxima, "limit")] {
                        let path = format!("resources.{field}");
                        let missing: Vec<_> =
                            defaults.iter().filter(|(name, _)| !container.map(&path).contains_key(name)).collect();
                        if missing.is_empty() {
                            continue;
                        }
                        let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
                        told.push(format!("{} {which} for {what} {}", names.join(", "), container.text("name")));
                        container.map_mut(&path).extend(missing.into_iter().map(|(k, v)| (k.clone(), v.clone())));
                    }
                }
            }
            if !told.is_empty() {
                let text = format!("LimitRanger plugin set: {}", told.join("; "));
                pod.map_mut("metadata.annotations").insert(ANNOTATION, text.into());
            }
        }
        Ok(())
    }

    /// Holds a new Pod against the LimitRanges of its namespace.
    ///
    /// # Errors
    /// `Forbidden`, with all that is beyond the first LimitRange that refuses.
    pub(super) fn check_limits(&self, pod: &Value) -> Result<(), Status> {
        for limits in self.limits(pod.namespace())? {
            let mut problems = Vec::new();
            for limit in limits.as_array().into_iter().flatten() {
                match limit.text("type") {
                    "Container" => {
                        for container in CONTAINERS.iter().flat_map(|(list, _)| pod.list(list)) {
                            let resources = container.at("resources");
                            let (requests, maxima) =
                                (amounts(resources.map("requests")), amounts(resources.map("limits")));
                            check(limit, &requests, &maxima, &mut problems);
                        }
                    }
                    "Pod" => check(limit, &pod_resources::requests(pod), &pod_resources::limits(pod), &mut problems),
                    _ => {}
                }
            }
            if let Some(why) = together(&problems) {
                return Err(Status::forbidden("pods", "", pod.name(), &why));
            }
        }
        Ok(())
    }
}

/// Errors as one text (apimachinery's Aggregate).
fn together(problems: &[String]) -> Option<String> {
    match problems {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

/// Holds requests and limits against `min`, `max` and `maxLimitRequestRatio` of a limit.
fn check(limit: &Value, requests: &Amounts, limits: &Amounts, problems: &mut Vec<String>) {
    let of = limit.text("type");
    for (name, bound) in amounts(limit.map("min")) {
        let what = format!("minimum {name} usage per {of} is {bound}");
        match (requests.get(&name), limits.get(&name)) {
            (None, _) => problems.push(format!("{what}.  No request is specified")),
            (Some(request), _) if *request < bound => problems.push(format!("{what}, but request is {request}")),
            (_, Some(limit)) if *limit < bound => problems.push(format!("{what}, but limit is {limit}")),
            _ => {}
        }
    }
    for (name, bound) in amounts(limit.map("max")) {
        let what = format!("maximum {name} usage per {of} is {bound}");
        match (requests.get(&name), limits.get(&name)) {
            (_, None) => problems.push(format!("{what}.  No limit is specified")),
            (_, Some(limit)) if *limit > bound => problems.push(format!("{what}, but limit is {limit}")),
            (Some(request), _) if *request > bound => problems.push(format!("{what}, but request is {request}")),
            _ => {}
        }
    }
    for (name, bound) in amounts(limit.map("maxLimitRequestRatio")) {
        let what = format!("{name} max limit to request ratio per {of} is {bound}");
        let given = |amounts: &Amounts| amounts.get(&name).copied().filter(|amount| !Quantity::is_zero(amount));
        match (given(requests), given(limits)) {
            (None, _) => problems.push(format!("{what}, but no request is specified or request is 0")),
            (_, None) => problems.push(format!("{what}, but no limit is specified or limit is 0")),
            (Some(request), Some(limit)) => {
                let ratio = limit.as_f64() / request.as_f64();
                if ratio > bound.as_f64() {
                    problems.push(format!("{what}, but provided ratio is {ratio:.6}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn bounds_are_told() {
        let limit = json!({"type": "Container", "min": {"cpu": "100m", "memory": "1Mi"}, "max": {"cpu": "1"},
            "maxLimitRequestRatio": {"cpu": "2"}});
        let mut problems = Vec::new();
        let (requests, limits) = (amounts(json!({"cpu": "50m"}).map("")), amounts(json!({"cpu": "1500m"}).map("")));
        check(&limit, &requests, &limits, &mut problems);
        assert_eq!(
            problems,
            [
                "minimum cpu usage per Container is 100m, but request is 50m",
                "minimum memory usage per Container is 1Mi.  No request is specified",
                "maximum cpu usage per Container is 1, but limit is 1500m",
                "cpu max limit to request ratio per Container is 2, but provided ratio is 30.000000",
            ]
        );
        assert_eq!(
            together(&problems[..1]).as_deref(),
            Some("minimum cpu usage per Container is 100m, but request is 50m")
        );
        assert!(together(&problems).is_some_and(|all| all.starts_with('[') && all.ends_with(']')));
    }
}
