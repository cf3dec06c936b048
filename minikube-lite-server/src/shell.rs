//! `shell`: a server and a shell that is set up to use it.

use crate::cli::Shell;
use crate::{files, server};
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Runs a server for as long as the shell or command runs, and returns the exit code of that.
///
/// Without `--data-dir` the cluster is a fresh one, and goes with the shell.
///
/// # Errors
/// One line for the user.
pub async fn run(options: &Shell) -> Result<u8, String> {
    let mut serve = options.serve.clone();
    // Any free port: this server is for the shell alone.
    serve.listen.get_or_insert(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
    let scratch = Scratch::new()?;
    serve.data_dir.get_or_insert_with(|| scratch.0.join("data"));
    say("Starting a cluster ...");
    let started = std::time::Instant::now();
    let running = server::start(&serve).await?;
    let path = path_with_kubectl(&scratch.0)?;
    say(&format!("The cluster is ready at https://{} ({} ms).", running.address, started.elapsed().as_millis()));
    let mut command = match options.command.split_first() {
        Some((program, arguments)) => {
            let mut command = tokio::process::Command::new(program);
            command.args(arguments);
            command
        }
        None => {
            say("Type kubectl commands, for example:\n");
            say("  kubectl get nodes");
            say("  kubectl create deployment backend --image=nginx:1.28 --replicas=3 --port=80");
            say("  kubectl expose deployment backend");
            say("  kubectl get endpointslices -l kubernetes.io/service-name=backend\n");
            say("Leave with exit; the cluster goes with the shell.");
            tokio::process::Command::new(std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()))
        }
    };
    let result = command.env("KUBECONFIG", &running.kubeconfig).env("PATH", path).status().await;
    running.stop().await;
    match result {
        Ok(status) => Ok(exit_code(status)),
        Err(problem) => {
            let name = command.as_std().get_program().to_string_lossy().into_owned();
            Err(format!("cannot run {name}: {problem}"))
        }
    }
}

/// Tells a person at a terminal how things go; says nothing to a pipe.
fn say(line: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("{line}");
    }
}

/// A code as shells report it: a signal's is 128 and its number.
fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128u8.saturating_add(signal.unsigned_abs() as u8);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The PATH with a folder first in which `kubectl` is kubectl-lite.
fn path_with_kubectl(scratch: &Path) -> Result<std::ffi::OsString, String> {
    let own = std::env::current_exe().map_err(|problem| format!("cannot tell where this program is: {problem}"))?;
    let kubectl = own.with_file_name(format!("kubectl-lite{}", std::env::consts::EXE_SUFFIX));
    if !kubectl.exists() {
        return Err(format!("{} is not there: build it with `cargo build --release`", kubectl.display()));
    }
    let folder = scratch.join("bin");
    files::make_private_folder(&folder)?;
    let link = folder.join(format!("kubectl{}", std::env::consts::EXE_SUFFIX));
    let failed = |problem: std::io::Error| format!("cannot make {}: {problem}", link.display());
    #[cfg(unix)]
    std::os::unix::fs::symlink(&kubectl, &link).map_err(failed)?;
    #[cfg(not(unix))]
    std::fs::copy(&kubectl, &link).map(drop).map_err(failed)?;
    let rest = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&rest)))
        .map_err(|problem| format!("cannot extend PATH: {problem}"))
}

/// A folder that goes when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, String> {
        let folder = std::env::temp_dir().join(format!("minikube-lite-{}", uuid::Uuid::new_v4().simple()));
        files::make_private_folder(&folder)?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
