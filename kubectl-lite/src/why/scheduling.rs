//! Why no node takes a Pod.

use super::{Finding, Surroundings, condition, shell_word};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::pod_resources;
use shared_types::quantity::Quantity;

/// What is wrong with a Pod that has no node.
pub fn unscheduled(pod: &Value, around: Surroundings<'_>) -> Vec<Finding> {
    let gates: Vec<&str> = pod.list("spec.schedulingGates").iter().map(|gate| gate.text("name")).collect();
    if !gates.is_empty() {
        let finding = Finding::problem(format!("is held back by its scheduling gates {}", gates.join(", ")));
        return vec![finding.detail("a controller of their own should take them away")];
    }
    let Some(message) = condition(pod, "PodScheduled").map(|condition| condition.text("message")) else {
        let scheduler = match pod.text("spec.schedulerName") {
            "" => "default-scheduler",
            name => name,
        };
        return vec![
            Finding::problem(format!("no scheduler has looked at it yet; it waits for {scheduler}"))
                .command(format!("describe pod {}", pod.name())),
        ];
    };
    let mut finding = Finding::problem("no node takes it");
    if !message.is_empty() {
        finding = finding.detail(message);
    }
    for reason in [selector(pod, around.nodes), resources(pod, around.nodes), taints(pod, around.nodes)] {
        let Some((detail, command)) = reason else { continue };
        finding = finding.detail(detail);
        if finding.command.is_none() {
            finding.command = command;
        }
    }
    if finding.command.is_none() {
        finding = finding.command(format!("describe pod {}", pod.name()));
    }
    vec![finding]
}

/// More about a reason, and what would mend it.
type Reason = (String, Option<String>);

/// Labels that the Pod wants of its node and no node has.
fn selector(pod: &Value, nodes: &[Value]) -> Option<Reason> {
    let wanted = pod.map("spec.nodeSelector");
    let fits = |node: &&Value| wanted.iter().all(|(key, value)| node.map("metadata.labels").get(key) == Some(value));
    if wanted.is_empty() || nodes.iter().any(|node| fits(&node)) {
        return None;
    }
    let labels: Vec<String> =
        wanted.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    let labels = labels.join(" ");
    let command = nodes.first().map(|node| format!("label node {} {labels}", node.name()));
    Some((format!("its nodeSelector wants {labels}, which no node has"), command))
}

/// Amounts that no node has, even when it is empty.
fn resources(pod: &Value, nodes: &[Value]) -> Option<Reason> {
    for (name, wanted) in pod_resources::requests(pod) {
        let have = |node: &Value| {
            let amount = node.map("status.allocatable").get(&name).and_then(Value::as_str);
            amount.and_then(|amount| Quantity::parse(amount).ok()).unwrap_or_default()
        };
        let most = nodes.iter().map(have).max()?;
        if wanted > most {
            return Some((format!("it asks for {wanted} of {name}, and the largest node has {most}"), None));
        }
    }
    None
}

/// Nodes that keep Pods away which the Pod does not tolerate.
fn taints(pod: &Value, nodes: &[Value]) -> Option<Reason> {
    let mut first = None;
    for node in nodes {
        let taint = node.list("spec.taints").iter().find(|taint| {
            taint.text("effect") != "PreferNoSchedule"
                && !pod.list("spec.tolerations").iter().any(|toleration| tolerates(toleration, taint))
        })?;
        first.get_or_insert((node, taint));
    }
    let (node, taint) = first?;
    let (key, effect) = (taint.text("key"), taint.text("effect"));
    let what = format!("every node has a taint that it does not tolerate, such as {key}:{effect} on {}", node.name());
    let command = match key {
        "node.kubernetes.io/unschedulable" => format!("uncordon {}", node.name()),
        _ => format!("taint nodes {} {}-", node.name(), shell_word(&format!("{key}:{effect}"))),
    };
    Some((what, Some(command)))
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (toleration.text("key"), toleration.text("effect"));
    let exists = toleration.text("operator") == "Exists";
    (effect.is_empty() || effect == taint.text("effect"))
        && (key == taint.text("key") || (key.is_empty() && exists))
        && (exists || toleration.text("value") == taint.text("value"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn why(spec: Value, node: Value) -> Finding {
        let pod = json!({"metadata": {"name": "p"}, "spec": spec, "status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}]}});
        let nodes = [node];
        unscheduled(&pod, Surroundings { nodes: &nodes, events: &[] }).remove(0)
    }

    #[test]
    fn nodes_without_the_label_the_resources_or_the_room() {
        let node = json!({"metadata": {"name": "n1", "labels": {}}, "status": {"allocatable": {"cpu": "4"}}});
        let finding = why(json!({"nodeSelector": {"disk": "ssd"}}), node.clone());
        assert_eq!(finding.details[1], "its nodeSelector wants disk=ssd, which no node has");
        assert_eq!(finding.command.unwrap(), "label node n1 disk=ssd");
        let asks = json!({"containers": [{"resources": {"requests": {"cpu": "10"}}}]});
        assert_eq!(why(asks, node.clone()).details[1], "it asks for 10 of cpu, and the largest node has 4");
        let mut cordoned = node;
        cordoned.set("spec.taints", json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]));
        assert_eq!(why(json!({}), cordoned.clone()).command.unwrap(), "uncordon n1");
        let finding = why(json!({"tolerations": [{"operator": "Exists"}]}), cordoned);
        assert_eq!(finding.command.unwrap(), "describe pod p");
    }

    #[test]
    fn pods_that_nobody_looks_at() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"schedulerName": "mine"}});
        let findings = unscheduled(&pod, Surroundings::default());
        assert_eq!(findings[0].what, "no scheduler has looked at it yet; it waits for mine");
    }
}
