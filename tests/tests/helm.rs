//! helm installs, upgrades, rolls back and uninstalls a chart as it does on any cluster.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tests::{Kubectl, Server, fixture, official_kubectl};

/// helm, which lies where the official kubectl does.
struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: TempDir,
}

impl Helm {
    fn find(server: &Server) -> Option<Helm> {
        let program = official_kubectl()?.with_file_name("helm");
        let works = Command::new(&program).arg("version").output().is_ok_and(|output| output.status.success());
        works.then(|| Helm {
            program,
            kubeconfig: server.kubeconfig(),
            home: TempDir::new().expect("temporary folders can be made"),
        })
    }

    /// What a run that must succeed prints.
    fn ok(&self, arguments: &str) -> String {
        let mut command = Command::new(&self.program);
        command.args(arguments.split_whitespace()).env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(variable, self.home.path());
        }
        let output = command.output().expect("helm runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {arguments}: {errors}{text}");
        text
    }
}

/// Replicas, ready replicas and the words of the release.
fn state(kubectl: &Kubectl) -> [String; 3] {
    [
        kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"),
        kubectl.ok("get deployment web -o jsonpath={.status.readyReplicas}"),
        kubectl.ok("get configmap web -o jsonpath={.data.greeting}"),
    ]
}

#[test]
fn a_release_comes_changes_and_goes() {
    let server = Server::start(&[]);
    let Some(helm) = Helm::find(&server) else {
        eprintln!("skipped: no helm beside an official kubectl 1.36 (MINIKUBE_LITE_KUBECTL)");
        return;
    };
    let kubectl = server.kubectl();
    let chart = fixture("chart").display().to_string();

    helm.ok(&format!("install web {chart} --wait --timeout 60s"));
    assert_eq!(state(&kubectl), ["2", "2", "Hello"]);
    let address = kubectl.ok("get service web -o jsonpath={.spec.clusterIP}");
    let managers =
        kubectl.ok("get deployment web --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}");
    assert!(managers.split_whitespace().any(|manager| manager == "helm"), "{managers}");

    helm.ok(&format!("upgrade web {chart} --set replicas=3,greeting=Welcome,service.port=8080 --wait --timeout 60s"));
    assert_eq!(state(&kubectl), ["3", "3", "Welcome"]);
    assert_eq!(kubectl.ok("get service web -o jsonpath={.spec.ports[*].port}"), "8080");
    assert_eq!(kubectl.ok("get replicasets -o name").lines().count(), 2, "new words, a new ReplicaSet");

    helm.ok("rollback web 1 --wait --timeout 60s");
    assert_eq!(state(&kubectl), ["2", "2", "Hello"]);
    assert_eq!(kubectl.ok("get service web -o jsonpath={.spec.ports[*].port}"), "80");
    assert_eq!(kubectl.ok("get service web -o jsonpath={.spec.clusterIP}"), address, "the Service was never replaced");
    let history: serde_json::Value = serde_json::from_str(&helm.ok("history web -o json")).unwrap();
    let field = |name: &str| -> Vec<_> {
        history.as_array().unwrap().iter().map(|release| release[name].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(field("status"), ["superseded", "superseded", "deployed"]);
    assert_eq!(field("description"), ["Install complete", "Upgrade complete", "Rollback to 1"]);

    helm.ok("uninstall web --wait --timeout 60s");
    let left = kubectl.ok("get deployments,services,configmaps,secrets -l app.kubernetes.io/instance=web -o name");
    assert_eq!(left, "");
    assert_eq!(kubectl.ok("get secrets -l owner=helm -o name"), "", "helm's own records are gone");
    assert_eq!(helm.ok("list --short"), "");
}
