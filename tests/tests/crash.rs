//! A server that is killed without warning loses nothing that it has acknowledged, and goes on where it was.

use tests::{Server, fixture, wait_for};

#[test]
fn the_lesson_goes_on_after_kill() {
    let mut server = Server::start(&[]);
    let lesson = fixture("lessons/clusterip");
    let kubectl = server.kubectl();
    kubectl.ok(&format!("apply -f {}", lesson.join("backend-service.yaml").display()));
    let address = kubectl.ok("get service backend -o jsonpath={.spec.clusterIP}");
    kubectl.ok(&format!("apply -f {}", lesson.join("backend-deployment.yaml").display()));
    let uid = kubectl.ok("get deployment backend -o jsonpath={.metadata.uid}");
    let revision: u64 = kubectl.ok("get deployment backend -o jsonpath={.metadata.resourceVersion}").parse().unwrap();

    // The controllers have hardly begun.
    server.crash_and_restart(&[]);
    let kubectl = server.kubectl();
    assert_eq!(kubectl.ok("get service backend -o jsonpath={.spec.clusterIP}"), address);
    assert_eq!(kubectl.ok("get deployment backend -o jsonpath={.metadata.uid}"), uid);
    kubectl.ok("wait --for=condition=Available deployment/backend --timeout=20s");
    kubectl.ok("label deployment backend after=crash");
    let later: u64 = kubectl.ok("get deployment backend -o jsonpath={.metadata.resourceVersion}").parse().unwrap();
    assert!(later > revision, "revisions go on after {revision}: {later}");
    let endpoints = || {
        let path = "jsonpath={.items[*].endpoints[*].addresses[0]}";
        kubectl.ok(&format!("get endpointslices -l kubernetes.io/service-name=backend -o {path}"))
    };
    wait_for("three endpoints", || endpoints().split_whitespace().count() == 3);
    assert_eq!(kubectl.ok("get pods -o name").lines().count(), 3, "no Pod is made twice");

    // Running Pods stay as they are, and the address is not given to another Service.
    let before = endpoints();
    let pods = kubectl.ok("get pods -o jsonpath={.items[*].metadata.uid}");
    server.crash_and_restart(&[]);
    let kubectl = server.kubectl();
    assert_eq!(kubectl.ok("get pods -o jsonpath={.items[*].metadata.uid}"), pods);
    let path = "jsonpath={.items[*].endpoints[*].addresses[0]}";
    assert_eq!(kubectl.ok(&format!("get endpointslices -l kubernetes.io/service-name=backend -o {path}")), before);
    let taken = kubectl.run(&format!("create service clusterip other --tcp=80 --clusterip={address}"));
    assert!(!taken.status.success() || kubectl.ok("get service other -o jsonpath={.spec.clusterIP}") != address);
}

#[test]
fn a_signal_ends_it_with_success() {
    let mut server = Server::start(&[]);
    server.kubectl().ok("create configmap kept --from-literal=a=1");
    assert_eq!(server.terminate(), Some(0));
}
