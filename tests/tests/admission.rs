//! What a namespace's LimitRanges and ResourceQuotas make of what is created in it.

use tests::{Server, wait_for};

const LIMITS: &str = "
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec:
  limits:
  - type: Container
    default: {cpu: 500m, memory: 256Mi}
    defaultRequest: {cpu: 100m, memory: 128Mi}
    max: {cpu: '1', memory: 1Gi}
";

#[test]
fn limit_ranges_give_defaults_and_bounds() {
    let server = Server::start(&[]);
    let kubectl = server.kubectl();
    assert!(kubectl.run_with_input("create -f -", LIMITS.as_bytes()).status.success());
    kubectl.ok("run web --image=nginx");
    let annotation = "jsonpath={.metadata.annotations['kubernetes\\.io/limit-ranger']}";
    assert_eq!(
        kubectl.ok(&format!("get pod web -o {annotation}")),
        "LimitRanger plugin set: cpu, memory request for container web; cpu, memory limit for container web"
    );
    let resources = kubectl.ok("get pod web -o jsonpath={.spec.containers[0].resources}");
    assert_eq!(resources, r#"{"limits":{"cpu":"500m","memory":"256Mi"},"requests":{"cpu":"100m","memory":"128Mi"}}"#);
    let large = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"large"},"spec":{"containers":[{"name":"c",
        "image":"nginx","resources":{"limits":{"cpu":"2"}}}]}}"#;
    let refused = kubectl.run_with_input("create -f -", large);
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        "Error from server (Forbidden): error when creating \"STDIN\": pods \"large\" is forbidden: \
         [maximum cpu usage per Container is 1, but limit is 2]\n"
            .replace(['[', ']'], "")
    );
}

#[test]
fn quotas_are_never_exceeded() {
    let server = Server::start(&[]);
    let kubectl = server.kubectl();
    kubectl.ok("create quota small --hard=pods=3,services.nodeports=1");
    let used = || kubectl.ok("get quota small -o jsonpath={.status.used}");
    wait_for("the quota to be counted", || used() == r#"{"pods":"0","services.nodeports":"0"}"#);
    kubectl.ok("create deployment web --image=nginx --replicas=8");
    let why = "jsonpath={.status.conditions[?(@.type==\"ReplicaFailure\")].message}";
    wait_for("the Deployment to tell why", || {
        kubectl
            .ok(&format!("get deployment web -o {why}"))
            .ends_with("is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3")
    });
    assert_eq!(kubectl.ok("get pods -o name").lines().count(), 3);
    kubectl.ok("create service nodeport one --tcp=80");
    kubectl.ok("create service clusterip two --tcp=80");
    let refused = kubectl.run("patch service two -p {\"spec\":{\"type\":\"NodePort\"}}");
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        "Error from server (Forbidden): services \"two\" is forbidden: exceeded quota: small, requested: \
         services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1\n"
    );
    kubectl.ok("delete service one");
    kubectl.ok("delete deployment web");
    wait_for("what is gone to be given back", || used() == r#"{"pods":"0","services.nodeports":"0"}"#);
}
