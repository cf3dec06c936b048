//! Why a Service has no endpoints.

use super::nearest;
use super::{Finding, Surroundings, condition_is, count, pod, shell_word};
use shared_types::fields::Fields;
use shared_types::json::{Object, Value, json};
use shared_types::selector::LabelSelector;
use std::collections::BTreeSet;

/// `pods` are all of the namespace, `elsewhere` those of any namespace that the selector matches, `slices` the Service's
/// EndpointSlices.
pub fn service(
    service: &Value,
    pods: &[Value],
    elsewhere: &[Value],
    slices: &[Value],
    around: Surroundings<'_>,
) -> Vec<Finding> {
    if service.text("spec.type") == "ExternalName" {
        let name = service.text("spec.externalName");
        return vec![Finding::good(format!("is another name for {name} and has no endpoints of its own"))];
    }
    let ready = slices.iter().flat_map(|slice| slice.list("endpoints")).filter(|endpoint| is_ready(endpoint)).count();
    let selector = service.map("spec.selector");
    if selector.is_empty() {
        return vec![without_selector(service, ready)];
    }
    let text = LabelSelector::from_labels(selector).to_string();
    let matched: Vec<&Value> = pods.iter().filter(|pod| has_all(pod, selector)).collect();
    if matched.is_empty() {
        let mut finding = nobody(service, &text, selector, pods);
        if let Some(pod) = elsewhere.iter().find(|pod| has_all(pod, selector) && pod.namespace() != service.namespace())
        {
            let (name, namespace) = (pod.name(), pod.namespace());
            finding = finding
                .detail(format!("Pod {name} of namespace {namespace} does, but a Service selects in its own alone"));
        }
        return vec![finding];
    }
    let mut findings = ports(service, &matched);
    let waiting: Vec<&Value> = matched.iter().copied().filter(|pod| !condition_is(pod, "Ready", "True")).collect();
    let up = matched.len() - waiting.len();
    if waiting.is_empty() && findings.is_empty() {
        findings.push(if ready > 0 {
            Finding::good(format!("works: {} with {text}, {up} ready", count(matched.len(), "Pod")))
        } else {
            Finding::problem(format!("its Pods ({text}) are ready, but its EndpointSlices do not say so yet"))
                .detail("the control plane's endpointslice controller writes them")
                .command(format!("get endpointslices -l kubernetes.io/service-name={}", service.name()))
        });
    }
    for pod in &waiting {
        for finding in pod::pod(pod, around) {
            let what = format!("{text} matches pod/{}, which is not ready: {}", pod.name(), finding.what);
            findings.push(Finding { what, good: false, ..finding });
        }
    }
    if up > 0 && !waiting.is_empty() {
        findings.push(Finding::good(format!("{up} of {} that it selects can be reached", count(matched.len(), "Pod"))));
    }
    findings.extend(without_balancer(service));
    findings
}

/// A load balancer that nobody has set up.
fn without_balancer(service: &Value) -> Option<Finding> {
    if service.text("spec.type") != "LoadBalancer" || !service.list("status.loadBalancer.ingress").is_empty() {
        return None;
    }
    let port = service.list("spec.ports").first().and_then(|port| port.int("port")).unwrap_or(80);
    let finding =
        Finding::problem("has no external address: nothing in this cluster has set up a load balancer for it")
            .detail("inside the cluster, and at its node ports, it can be reached all the same");
    Some(finding.command(format!("port-forward service/{} 8080:{port}", service.name())))
}

/// An endpoint whose readiness nobody knows counts as ready.
fn is_ready(endpoint: &Value) -> bool {
    endpoint.at("conditions.ready").as_bool() != Some(false)
}

fn has_all(pod: &Value, selector: &Object) -> bool {
    let labels = pod.map("metadata.labels");
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn without_selector(service: &Value, ready: usize) -> Finding {
    if ready > 0 {
        return Finding::good(format!("works: it has no selector, and {} made by hand", count(ready, "endpoint")));
    }
    Finding::problem("has no selector, and nobody has made an EndpointSlice with endpoints for it by hand")
        .detail("a selector makes Kubernetes look for Pods by their labels")
        .command(format!("set selector service {0} app={0}", service.name()))
}

/// No Pod matches: which label comes closest?
fn nobody(service: &Value, text: &str, selector: &Object, pods: &[Value]) -> Finding {
    let finding = Finding::problem(format!("no Pod matches its selector {text}"));
    if pods.is_empty() {
        return finding.detail("there is no Pod in its namespace at all").command(format!(
            "run {} --image=IMAGE --labels={}",
            service.name(),
            shell_word(text)
        ));
    }
    let mut finding = finding;
    let mut meant = selector.clone();
    for (key, value) in selector {
        if pods.iter().any(|pod| pod.map("metadata.labels").get(key) == Some(value)) {
            continue;
        }
        let value = value.as_str().unwrap_or_default();
        match nearest::label(key, value, selector, pods) {
            Some(label) => {
                let (new_key, new_value) = (label.key, label.value);
                finding = finding
                    .detail(format!("{key}={value}: did you mean {new_key}={new_value}? Pod {} has that", label.pod));
                meant.remove(key);
                meant.insert(new_key, new_value.into());
            }
            None => finding = finding.detail(format!("no Pod of its namespace has a label like {key}={value}")),
        }
    }
    if finding.details.is_empty() {
        finding = finding.detail("there are Pods with each of these labels, but none has all of them");
    }
    if pods.iter().any(|pod| has_all(pod, &meant)) && meant != *selector {
        let labels = LabelSelector::from_labels(&meant).to_string();
        return finding.command(format!("set selector service {} {}", service.name(), shell_word(&labels)));
    }
    finding.command("get pods --show-labels")
}

/// Ports of the Service that lead nowhere in the Pods.
fn ports(service: &Value, pods: &[&Value]) -> Vec<Finding> {
    let containers = || pods.iter().flat_map(|pod| pod.list("spec.containers"));
    let declared = || containers().flat_map(|container| container.list("ports"));
    let mut findings = Vec::new();
    for (index, port) in service.list("spec.ports").iter().enumerate() {
        let protocol = |of: &Value| of.text("protocol").to_string();
        let target = port.at("targetPort");
        let target = if target.is_null() { port.at("port") } else { target };
        let finding = if let Some(name) = target.as_str() {
            if declared().any(|own| own.text("name") == name && protocol(own) == protocol(port)) {
                continue;
            }
            let names: BTreeSet<&str> =
                declared().map(|own| own.text("name")).filter(|name| !name.is_empty()).collect();
            let finding =
                Finding::problem(format!("its targetPort {name:?} is the name of no container port of its Pods"));
            let meant = nearest::word(name, names.iter().copied());
            let finding = if names.is_empty() {
                finding.detail("their container ports have no names")
            } else {
                let names: Vec<&str> = names.into_iter().collect();
                finding.detail(format!("they are called {}", names.join(", ")))
            };
            let number = declared().find_map(|own| own.int("containerPort"));
            let new = meant.map(|name| json!(name)).or(number.map(|number| json!(number)));
            with_target(finding, service, index, new)
        } else {
            let own = declared().find(|own| own.at("containerPort") == target);
            // What is declared tells nothing about ports that are not, unless something is declared.
            let Some(first) = declared().next() else { continue };
            match own {
                Some(own) if protocol(own) == protocol(port) => continue,
                Some(own) => Finding::problem(format!(
                    "its port {target} is for {}, but the containers say {}",
                    protocol(port),
                    protocol(own)
                )),
                None => {
                    let numbers: BTreeSet<i64> = declared().filter_map(|own| own.int("containerPort")).collect();
                    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
                    let finding =
                        Finding::problem(format!("its targetPort {target} is one that no container listens on"))
                            .detail(format!("the containers say that they listen on {}", numbers.join(", ")));
                    with_target(finding, service, index, Some(first.at("containerPort").clone()))
                }
            }
        };
        findings.push(finding);
    }
    findings
}

/// Adds the command that makes a port lead to `target`.
fn with_target(finding: Finding, service: &Value, index: usize, target: Option<Value>) -> Finding {
    let Some(target) = target else { return finding };
    // The field may be absent, which `add` does not mind.
    let patch = json!([{"op": "add", "path": format!("/spec/ports/{index}/targetPort"), "value": target}]);
    finding.command(format!("patch service {} --type=json -p {}", service.name(), shell_word(&patch.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(selector: Value, target: Value) -> Value {
        json!({"metadata": {"name": "web"}, "spec": {"type": "ClusterIP", "selector": selector,
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": target}]}})
    }

    fn ready(name: &str) -> Value {
        json!({"metadata": {"name": name, "labels": {"app": name}}, "spec": {"containers": [{"name": "c",
                "ports": [{"containerPort": 80, "name": "http", "protocol": "TCP"}]}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
    }

    fn rendered(findings: &[Finding]) -> String {
        findings.iter().map(|finding| finding.render("service/web", "")).collect()
    }

    #[test]
    fn a_selector_with_a_slip() {
        let findings =
            service(&make(json!({"app": "wbe"}), json!(80)), &[ready("web")], &[], &[], Surroundings::default());
        let expected = "\
service/web: no Pod matches its selector app=wbe
  app=wbe: did you mean app=web? Pod web has that
  try: kubectl set selector service web app=web
";
        assert_eq!(rendered(&findings), expected);
    }

    #[test]
    fn no_pods_at_all() {
        let findings = service(&make(json!({"app": "web"}), json!(80)), &[], &[], &[], Surroundings::default());
        let expected = "\
service/web: no Pod matches its selector app=web
  there is no Pod in its namespace at all
  try: kubectl run web --image=IMAGE --labels=app=web
";
        assert_eq!(rendered(&findings), expected);
    }

    #[test]
    fn ports_that_lead_nowhere() {
        let findings =
            service(&make(json!({"app": "web"}), json!("htpp")), &[ready("web")], &[], &[], Surroundings::default());
        let expected = "\
service/web: its targetPort \"htpp\" is the name of no container port of its Pods
  they are called http
  try: kubectl patch service web --type=json -p '[{\"op\":\"add\",\"path\":\"/spec/ports/0/targetPort\",\"value\":\"http\"}]'
";
        assert_eq!(rendered(&findings), expected);
        let findings =
            service(&make(json!({"app": "web"}), json!(3000)), &[ready("web")], &[], &[], Surroundings::default());
        assert_eq!(findings[0].what, "its targetPort 3000 is one that no container listens on");
        assert!(findings[0].command.as_ref().unwrap().ends_with("\"value\":80}]'"));
    }

    #[test]
    fn services_that_work() {
        let slices = [json!({"endpoints": [{"conditions": {"ready": true}}]})];
        let findings =
            service(&make(json!({"app": "web"}), json!(80)), &[ready("web")], &[], &slices, Surroundings::default());
        assert_eq!(rendered(&findings), "service/web: works: 1 Pod with app=web, 1 ready\n");
        let findings = service(&make(json!({}), json!(80)), &[], &[], &slices, Surroundings::default());
        assert!(findings[0].good);
        let findings = service(&make(json!({}), json!(80)), &[], &[], &[], Surroundings::default());
        assert!(!findings[0].good);
    }

    #[test]
    fn pods_that_are_not_ready_are_looked_into() {
        let mut pod = ready("web");
        pod.set("spec.nodeName", "node-1");
        pod.set(
            "status",
            json!({"phase": "Pending", "containerStatuses": [{"name": "c", "image": "nosuch:1",
            "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}),
        );
        let findings = service(&make(json!({"app": "web"}), json!(80)), &[pod], &[], &[], Surroundings::default());
        assert_eq!(
            findings[0].what,
            "app=web matches pod/web, which is not ready: the image nosuch:1 of container c cannot be pulled"
        );
    }

    #[test]
    fn pods_of_other_namespaces_and_missing_balancers_are_told() {
        let mut object = make(json!({"app": "web"}), json!(80));
        object.set("metadata.namespace", "mine");
        let mut pod = ready("web");
        pod.set("metadata.namespace", "theirs");
        let findings = service(&object, &[], &[pod.clone()], &[], Surroundings::default());
        assert!(findings[0].details[1].starts_with("Pod web of namespace theirs does"), "{findings:?}");
        object.set("spec.type", "LoadBalancer");
        let slices = [json!({"endpoints": [{"conditions": {"ready": true}}]})];
        let findings = service(&object, &[pod], &[], &slices, Surroundings::default());
        assert!(findings[0].good);
        assert_eq!(findings[1].command.as_deref(), Some("port-forward service/web 8080:80"));
    }
}
