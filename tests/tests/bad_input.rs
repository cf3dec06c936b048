//! Bad input ends in Kubernetes' own error and exit code, and leaves the store as it was.

use std::process::Output;
use tests::{Kubectl, Server};

struct Case {
    server: Server,
    revision: String,
}

impl Case {
    fn new() -> Case {
        let server = Server::start(&["--nodes", "0"]);
        let revision = revision(&server.kubectl());
        Case { server, revision }
    }
    fn kubectl(&self) -> Kubectl {
        self.server.kubectl()
    }
    /// Applying `input` fails, and says `part`.
    fn refuses(&self, input: &[u8], part: &str) {
        let output = self.kubectl().run_with_input("apply -f -", input);
        failed(&output, part);
    }
    /// Nothing was stored.
    fn unchanged(&self) {
        assert_eq!(revision(&self.kubectl()), self.revision);
    }
}

/// Names of what the tests might have made; system objects come and go by themselves.
fn revision(kubectl: &Kubectl) -> String {
    kubectl.ok("get pods,services,deployments -o name -n default")
}

fn failed(output: &Output, part: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(part), "{part:?} is not in: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn files_that_are_no_manifests() {
    let case = Case::new();
    case.refuses(b"", "no objects passed to apply");
    case.refuses(b"\xff\xfe\x00broken", "error");
    case.refuses(b"apiVersion: v1\nkind: Pod\nmetadata:\n\tname: tab\n", "found character that cannot start any token");
    case.refuses(b"kind: Pod\nmetadata: {name: x}\n", "apiVersion not set");
    case.refuses(
        b"apiVersion: v1\nkind: Gizmo\nmetadata: {name: x}\n",
        "no matches for kind \"Gizmo\" in version \"v1\"",
    );
    case.unchanged();
}

#[test]
fn names_and_types() {
    let case = Case::new();
    let pod =
        |name: &str, spec: &str| format!("{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {spec}}}");
    case.refuses(pod("Capital", "{containers: [{name: c, image: i}]}").as_bytes(), "a lowercase RFC 1123 subdomain");
    case.refuses(
        pod("x", "{containers: many}").as_bytes(),
        "cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container",
    );
    case.refuses(pod("x", "{}").as_bytes(), "spec.containers: Required value");
    case.unchanged();
}

#[test]
fn cluster_ips() {
    let case = Case::new();
    let service = |name: &str, ip: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{clusterIP: {ip}, ports: [{{port: 80}}]}}}}"
        )
    };
    case.refuses(service("out", "10.200.0.1").as_bytes(), "the provided network does not match the current range");
    case.unchanged();
    let kubectl = case.kubectl();
    assert!(kubectl.run_with_input("apply -f -", service("one", "10.96.0.77").as_bytes()).status.success());
    failed(
        &kubectl.run_with_input("apply -f -", service("two", "10.96.0.77").as_bytes()),
        "provided IP is already allocated",
    );
}

#[test]
fn aliases_do_not_blow_up() {
    let case = Case::new();
    let mut bomb = String::from(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\nx:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n",
    );
    for level in 1..10 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("  a{level}: &a{level} [{below}]\n");
    }
    case.refuses(bomb.as_bytes(), "excessive aliasing");
    case.unchanged();
}

#[test]
fn what_is_too_large_or_too_deep() {
    let case = Case::new();
    let large = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"large\"}},\"data\":{{\"a\":\"{}\"}}}}",
        "x".repeat(5 << 20)
    );
    let output = case.kubectl().run_with_input("create -f -", large.as_bytes());
    failed(&output, "Request entity too large: limit is 3145728");
    let deep = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"deep\"}},\"x\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let output = case.kubectl().run_with_input("create -f - --validate=false", deep.as_bytes());
    assert_ne!(output.status.code(), None, "no signal ends it");
    assert!(case.kubectl().run("get --raw /readyz").status.success(), "the server goes on");
}

#[test]
fn without_a_server() {
    let mut server = Server::start(&["--nodes", "0"]);
    let kubectl = server.kubectl();
    assert_eq!(server.terminate(), Some(0));
    let output = kubectl.run("get pods");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("was refused - did you specify the right host or port?"), "{said}");
}
