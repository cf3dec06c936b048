//! Why a Deployment is not available.

use super::{Finding, Surroundings, condition, condition_is, count, pod};
use shared_types::fields::Fields;
use shared_types::json::Value;

/// `pods` are those that the Deployment's selector matches.
pub fn deployment(deployment: &Value, pods: &[Value], around: Surroundings<'_>) -> Vec<Finding> {
    let name = deployment.name();
    let number = |path: &str| deployment.int(path).unwrap_or(0);
    let wanted = number("spec.replicas");
    let mut findings = Vec::new();
    if deployment.flag("spec.paused") {
        let finding = Finding::problem("is paused: changes of its Pod template are not rolled out");
        findings.push(finding.command(format!("rollout resume deployment/{name}")));
    }
    if wanted == 0 {
        let finding = Finding::problem("asks for 0 replicas");
        findings.push(finding.command(format!("scale deployment/{name} --replicas=1")));
        return findings;
    }
    if let Some(failure) = condition(deployment, "ReplicaFailure").filter(|c| c.text("status") == "True") {
        findings.push(
            Finding::problem("its Pods cannot be made")
                .detail(failure.text("message"))
                .command(format!("describe replicasets -l {}", selector(deployment))),
        );
    }
    findings.extend(of_pods(pods, around));
    if let Some(progress) = condition(deployment, "Progressing")
        && progress.text("reason") == "ProgressDeadlineExceeded"
    {
        findings.push(
            Finding::problem("the rollout has come to a stop")
                .detail(progress.text("message"))
                .command(format!("rollout undo deployment/{name}")),
        );
    }
    if !findings.is_empty() {
        return findings;
    }
    let (available, updated) = (number("status.availableReplicas"), number("status.updatedReplicas"));
    if available >= wanted && updated >= wanted {
        return vec![Finding::good(format!("works: {available} of {} available", count(wanted as usize, "replica")))];
    }
    if pods.is_empty() {
        return vec![
            Finding::problem("has no Pods yet: no controller has made any")
                .command(format!("describe deployment {name}")),
        ];
    }
    let finding = Finding::problem(format!("is on its way: {available} of {wanted} available, {updated} up to date"));
    vec![finding.command(format!("rollout status deployment/{name}"))]
}

fn selector(deployment: &Value) -> String {
    let labels = deployment.map("spec.selector.matchLabels");
    shared_types::selector::LabelSelector::from_labels(labels).to_string()
}

/// What is wrong with the Pods, the same thing told once.
fn of_pods(pods: &[Value], around: Surroundings<'_>) -> Vec<Finding> {
    let mut told: Vec<(Finding, Vec<&str>)> = Vec::new();
    for one in pods.iter().filter(|pod| !condition_is(pod, "Ready", "True") && !pod.is_terminating()) {
        for finding in pod(one, around) {
            match told.iter_mut().find(|(known, _)| known.what == finding.what) {
                Some((_, names)) => names.push(one.name()),
                None => told.push((finding, vec![one.name()])),
            }
        }
    }
    let together = |(finding, names): (Finding, Vec<&str>)| {
        let who = match names.as_slice() {
            [only] => format!("pod/{only}"),
            [first, ..] => format!("{}, such as pod/{first}", count(names.len(), "Pod")),
            [] => String::new(),
        };
        Finding { what: format!("{who}: {}", finding.what), good: false, ..finding }
    };
    told.into_iter().map(together).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn the_same_trouble_is_told_once() {
        let waiting = |name: &str| {
            json!({"metadata": {"name": name}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "x"}]},
                "status": {"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ErrImagePull"}}}]}})
        };
        let object = json!({"metadata": {"name": "web"}, "spec": {"replicas": 2}});
        let findings = deployment(&object, &[waiting("a"), waiting("b")], Surroundings::default());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].what, "2 Pods, such as pod/a: the image x of container c cannot be pulled");
    }

    #[test]
    fn deployments_that_work_wait_or_ask_for_nothing() {
        let make = |replicas: i64, available: i64| {
            json!({"metadata": {"name": "web"}, "spec": {"replicas": replicas},
                "status": {"availableReplicas": available, "updatedReplicas": available}})
        };
        let why = |object: &Value| deployment(object, &[], Surroundings::default()).remove(0);
        assert_eq!(why(&make(2, 2)), Finding::good("works: 2 of 2 replicas available"));
        assert_eq!(why(&make(0, 0)).command.unwrap(), "scale deployment/web --replicas=1");
        assert!(!why(&make(2, 0)).good);
        let mut failing = make(2, 0);
        failing.set(
            "status.conditions",
            json!([{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]),
        );
        assert_eq!(why(&failing).details, ["exceeded quota"]);
    }
}
