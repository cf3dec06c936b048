//! What can go wrong at the start, each told in one line with exit code 1; and what the server leaves behind.

use std::process::{Command, Output};
use tests::{Server, program};

fn start(arguments: &[&str]) -> Output {
    Command::new(program("minikube-lite-server")).args(arguments).output().expect("the server runs")
}

fn fails_with(output: &Output, part: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(part), "{said}");
}

#[test]
fn a_port_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails_with(&start(&["--listen", &address, "--data-dir", folder.path().to_str().unwrap()]), "the port is in use");
}

#[test]
fn a_data_folder_in_use() {
    let server = Server::start(&[]);
    let folder = server.folder();
    let output = start(&["--listen", "127.0.0.1:0", "--data-dir", folder.to_str().unwrap()]);
    fails_with(&output, "in use by another server");
    assert!(server.kubectl().run("get --raw /readyz").status.success(), "the first server goes on");
}

#[test]
fn a_data_folder_that_is_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = start(&["--listen", "127.0.0.1:0", "--data-dir", file.path().to_str().unwrap()]);
    fails_with(&output, "cannot make folder");
}

#[test]
fn a_service_range_that_is_none() {
    let folder = tempfile::TempDir::new().unwrap();
    let folder = folder.path().to_str().unwrap();
    let output =
        start(&["--listen", "127.0.0.1:0", "--data-dir", folder, "--service-cluster-ip-range", "10.96.0.0/99"]);
    fails_with(&output, "10.96.0.0/99");
}

#[cfg(unix)]
#[test]
fn the_kubeconfig_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start(&[]);
    let mode = std::fs::metadata(server.kubeconfig()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn without_nodes_pods_stay_pending() {
    let server = Server::start(&["--nodes", "0"]);
    let kubectl = server.kubectl();
    kubectl.ok("run lonely --image=nginx:1.28");
    kubectl.ok("wait --for=jsonpath={.status.conditions[0].reason}=Unschedulable pod/lonely --timeout=10s");
    assert_eq!(kubectl.ok("get pod lonely -o jsonpath={.status.phase}"), "Pending");
}

#[test]
fn a_shell_runs_a_command_with_kubectl_at_hand() {
    let output = start(&["shell", "--", "sh", "-c", "kubectl get nodes -o name; exit 7"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "node/node-1\nnode/node-2\n");
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn a_seed_repeats_names_addresses_and_uids() {
    let script = "kubectl create deployment web --image=nginx:1.28 --replicas=3 >&2; \
        kubectl wait --for=condition=Available deployment/web --timeout=20s >&2; \
        kubectl create service clusterip web --tcp=80 >&2; \
        kubectl get pods,services -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.uid} {.spec.clusterIP}{\"\\n\"}{end}'";
    let run = |seed| {
        let output = start(&["shell", "--seed", seed, "--", "sh", "-c", script]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let first = run("3");
    assert_eq!(first.lines().count(), 5, "{first}");
    assert_eq!(run("3"), first);
    assert_ne!(run("4"), first);
}
