//! The official Python client works, and its watches outlive the server: see `python/client.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tests::Server;

/// A Python that has the client. `MINIKUBE_LITE_PYTHON` names it, or else the one on the PATH is tried.
fn python() -> Option<PathBuf> {
    let program = std::env::var_os("MINIKUBE_LITE_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let output = Command::new(&program).args(["-c", "import kubernetes"]).output().ok()?;
    output.status.success().then_some(program)
}

#[test]
fn the_python_client() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with the package `kubernetes` (MINIKUBE_LITE_PYTHON)");
        return;
    };
    let mut server = Server::start(&[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/client.py");
    let mut command = Command::new(python);
    command.arg(script).arg(server.kubeconfig()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = command.spawn().unwrap();
    let mut said = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut input = client.stdin.take().unwrap();

    let asked = said.next().map(Result::unwrap);
    if asked.as_deref() == Some("restart") {
        server.crash_and_restart(&[]);
        writeln!(input, "restarted").unwrap();
    }
    assert!(client.wait().unwrap().success(), "the client's program failed; see what it says above");
    assert_eq!(asked.as_deref(), Some("restart"));
}
