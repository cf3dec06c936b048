//! Any image that nobody has described: its program runs until it is stopped, and answers HTTP on the ports that the
//! container declares with the name of its Pod.

use super::http::{self, Ends, Reply, Site};
use super::program::stopped;
use super::serving::Server;
use super::{Image, Process, Tree, bases};
use ::http::{Request, StatusCode};
use crate::node::runtime::signal::Signal;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

/// What the program is called.
const PROGRAM: &str = "/app";

pub fn image() -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(bases::debian_with_curl().program(PROGRAM, serve)));
    Image { fallback: Some(serve), ..Image::new(&TREE).entrypoint(&[PROGRAM]) }
}

/// Answers with the name of the Pod.
struct Name(String);

impl Site for Name {
    async fn answer(&self, _: Request<Incoming>, _: Ends) -> Reply {
        http::text(StatusCode::OK, self.0.clone())
    }
}

/// A program that is not known. As a part of the container's own program it serves; as a command that is run in the
/// container, such as a health check, it is taken to succeed.
pub fn serve(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        if belongs_to_main_program(&process) { run(process).await } else { 0 }
    })
}

/// Whether the process was started by the container's own program, and not by a command that is run in the container.
fn belongs_to_main_program(process: &Process) -> bool {
    let processes = process.world.processes();
    let mut pid = process.pid;
    // A parent has a lower number than its children.
    while let Some(found) = processes.iter().find(|other| other.pid == pid && other.parent < pid) {
        pid = found.parent;
        if pid == 1 {
            return true;
        }
    }
    process.pid == 1
}

async fn run(mut process: Process) -> i32 {
    let mut server = Server::new();
    let site = Arc::new(Name(format!("{}\n", process.world.network().identity().name)));
    let network = process.world.network().clone();
    for port in process.world.declared_ports() {
        if http::listen(&mut server, &network, Ipv4Addr::UNSPECIFIED, *port, site.clone()).is_err() {
            return process.fail(format!("listen tcp :{port}: bind: address already in use")).await;
        }
    }
    drop((site, network));
    128 + stopped(&mut process.signals, &[Signal::Term, Signal::Int]).await.number()
}
