//! Node selectors and affinity, and taints with their tolerations.

use super::super::runtime::Full;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};

/// Whether the node has the labels of `spec.nodeSelector` and matches the required node affinity.
pub(super) fn matches_node(pod: &Value, node: &Full) -> bool {
    let selector = pod.map("spec.nodeSelector");
    let labels = &node.meta.labels;
    if !selector.iter().all(|(key, value)| labels.get(key) == Some(value)) {
        return false;
    }
    let required = pod.at("spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
    required.is_null() || required.list("nodeSelectorTerms").iter().any(|term| matches_term(term, node))
}

/// The sum of the weights of the preferred node affinity that the node matches.
pub(super) fn preference(pod: &Value, node: &Full) -> i64 {
    let preferred = pod.list("spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution");
    let matching = preferred.iter().filter(|preference| matches_term(preference.at("preference"), node));
    matching.map(|preference| preference.int("weight").unwrap_or(0)).sum()
}

/// A term without requirements matches nothing.
fn matches_term(term: &Value, node: &Full) -> bool {
    let (expressions, fields) = (term.list("matchExpressions"), term.list("matchFields"));
    let label = |key: &str| node.meta.labels.get(key).and_then(Value::as_str);
    let field = |key: &str| (key == "metadata.name").then_some(&*node.meta.name);
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|requirement| matches_requirement(requirement, label(requirement.text("key"))))
        && fields.iter().all(|requirement| matches_requirement(requirement, field(requirement.text("key"))))
}

fn matches_requirement(requirement: &Value, value: Option<&str>) -> bool {
    let values = requirement.list("values");
    let contains = || value.is_some_and(|value| values.iter().any(|wanted| wanted == value));
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let bound = number(values.first().and_then(Value::as_str));
    match requirement.text("operator") {
        "In" => contains(),
        "NotIn" => !contains(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => number(value).zip(bound).is_some_and(|(value, bound)| value > bound),
        "Lt" => number(value).zip(bound).is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

/// The first taint of one of the `effects` that the Pod does not tolerate.
pub(super) fn untolerated<'a>(pod: &Value, node: &'a Value, effects: &[&str]) -> Option<&'a Value> {
    let tolerations = pod.list("spec.tolerations");
    let taints = node.list("spec.taints").iter().filter(|taint| effects.contains(&taint.text("effect")));
    let mut taints = taints.filter(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)));
    taints.next()
}

pub(super) fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (effect, key) = (toleration.text("effect"), toleration.text("key"));
    if !effect.is_empty() && effect != taint.text("effect") || !key.is_empty() && key != taint.text("key") {
        return false;
    }
    match toleration.text("operator") {
        "Exists" => true,
        _ => !key.is_empty() && toleration.text("value") == taint.text("value"),
    }
}

/// The value of a topology label.
pub(super) fn topology<'a>(labels: &'a Object, key: &str) -> Option<&'a str> {
    labels.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::super::runtime::{Cached, Interner};
    use super::*;
    use shared_types::json::json;

    fn node() -> Full {
        let node = json!({"metadata": {"name": "node-1", "labels": {"disk": "ssd", "cores": "8"}},
            "spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}});
        Full::read(shared_types::kinds::named("Node"), node, &mut Interner::default())
    }

    #[test]
    fn affinity_terms() {
        let pod = |expression: Value| {
            json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}}})
        };
        let expression = |key: &str, operator: &str, values: &[&str]| {
            matches_node(&pod(json!({"key": key, "operator": operator, "values": values})), &node())
        };
        assert!(expression("disk", "In", &["ssd", "hdd"]) && !expression("disk", "NotIn", &["ssd"]));
        assert!(expression("cores", "Gt", &["4"]) && !expression("cores", "Lt", &["8"]));
        assert!(expression("other", "DoesNotExist", &[]) && !expression("other", "Exists", &[]));
        assert!(!matches_node(&json!({"spec": {"nodeSelector": {"disk": "floppy"}}}), &node()));
    }

    #[test]
    fn tolerations() {
        let pod = |toleration: Value| json!({"spec": {"tolerations": [toleration]}});
        let free = |pod: &Value| untolerated(pod, &node().object, &["NoSchedule", "NoExecute"]).is_none();
        assert!(!free(&json!({})));
        assert!(free(&pod(json!({"operator": "Exists"}))));
        assert!(free(&pod(json!({"key": "gpu", "value": "yes", "effect": "NoSchedule"}))));
        assert!(!free(&pod(json!({"key": "gpu", "value": "no"}))));
        assert!(!free(&pod(json!({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}))));
    }
}
