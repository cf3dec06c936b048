//! A load program for any Kubernetes API server that a kubeconfig names: HTTP/2 over TLS, as client-go speaks.
//!
//! A benchmark and not a test: it asserts nothing about time. All that it makes lies in a namespace of its own, which it
//! deletes at the end.

use clap::Parser;
use std::process::ExitCode;
use tests::load::{Options, run};

/// The client shares the processors with the server: the less it takes, the nearer are the figures to the server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => return fail(&problem.to_string()),
    };
    match runtime.block_on(run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(&problem),
    }
}

fn fail(problem: &str) -> ExitCode {
    eprintln!("load: {problem}");
    ExitCode::FAILURE
}
