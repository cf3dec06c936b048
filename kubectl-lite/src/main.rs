//! `kubectl-lite`: the `kubectl` of Kubernetes 1.36 in one small binary.
//!
//! [`cli`] reads the command line, [`cmd`] holds one file per command, [`resource`] turns arguments and files into
//! objects, [`client`] talks to the server, [`print`] writes objects in each output format.

mod cli;
mod client;
mod cmd;
mod context;
mod describe;
mod errors;
mod explain;
mod go_format;
mod gotemplate;
mod jsonpath;
mod klog;
mod kuberc;
mod kustomize;
mod print;
mod resource;
mod sort_by;
mod streams;
mod terminal;
mod why;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os().collect(), streams::Streams::process())
}
