//! The server's command line: serve, or open a shell with a server of its own.

use clap::Parser;
use minikube_lite_server::cli::{Cli, Command, Serve};
use minikube_lite_server::{server, shell};
use std::process::ExitCode;

/// Objects are trees of many small pieces: this allocator is quicker with them than the system's, and gives memory back.
/// Without huge pages, of which it would touch many that stay all but empty.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Has free memory given back to the system soon. The allocator would keep it for ten seconds in case it is wanted again:
/// that is not worth what a few thousand objects took. Lists take and free chunks all the time, so not at once either.
fn give_free_memory_back() {
    /// `mi_option_purge_delay`, which the bindings have no name for: in milliseconds, and ten times that for an arena.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // Safety: sets a number, before other threads are there.
    #[allow(unsafe_code)]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 10);
    }
}

fn main() -> ExitCode {
    give_free_memory_back();
    let cli = Cli::parse();
    let options = match &cli.command {
        Some(Command::Shell(shell)) => &shell.serve,
        None => &cli.serve,
    };
    tracing_subscriber::fmt().with_max_level(options.log).with_writer(std::io::stderr).init();
    raise_file_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => return fail(&format!("cannot start: {problem}")),
    };
    let result = match &cli.command {
        Some(Command::Shell(shell)) => runtime.block_on(shell::run(shell)).map(ExitCode::from),
        None => runtime.block_on(run(&cli.serve)),
    };
    result.unwrap_or_else(|problem| fail(&problem))
}

/// Lets the process have as many files and connections open as the system allows it.
fn raise_file_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        // Without it, the limit is what it was.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
}

async fn run(options: &Serve) -> Result<ExitCode, String> {
    let running = server::start(options).await?;
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        eprintln!("Serving on https://{}. In another terminal:", running.address);
        eprintln!("  export KUBECONFIG={}", running.kubeconfig.display());
        eprintln!("  kubectl-lite get nodes");
    }
    server::wait_for_signal().await?;
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn fail(problem: &str) -> ExitCode {
    eprintln!("minikube-lite-server: {problem}");
    ExitCode::FAILURE
}
