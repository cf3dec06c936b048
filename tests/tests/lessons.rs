//! The lessons in `fixtures/lessons`, typed by kubectl-lite and, where the machine has it, by the official kubectl.

use tests::{Server, fixture, lesson};

fn with_kubectl_lite(name: &str) {
    let server = Server::start(&[]);
    lesson::run(&fixture("lessons").join(name), &server.kubectl());
}

fn with_official_kubectl(name: &str) {
    let server = Server::start(&[]);
    match server.official_kubectl() {
        Some(kubectl) => lesson::run(&fixture("lessons").join(name), &kubectl),
        None => eprintln!("skipped: the machine has no kubectl 1.36 (MINIKUBE_LITE_KUBECTL can name one)"),
    }
}

#[test]
fn clusterip() {
    with_kubectl_lite("clusterip");
}

#[test]
fn troubleshooting() {
    with_kubectl_lite("troubleshooting");
}

#[test]
fn traffic() {
    with_kubectl_lite("traffic");
}

#[test]
fn clusterip_with_official_kubectl() {
    with_official_kubectl("clusterip");
}

#[test]
fn troubleshooting_with_official_kubectl() {
    with_official_kubectl("troubleshooting");
}

#[test]
fn traffic_with_official_kubectl() {
    with_official_kubectl("traffic");
}
