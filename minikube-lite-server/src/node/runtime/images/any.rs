//! Any image that nobody has described: its program runs until it is stopped, and answers HTTP on the ports that the
//! container declares with the name of its Pod.

use super::http::{self, Ends, Reply, Site};
use super::program::stopped;
use super::serving::Server;
use super::{Image, Process, Tree, bases};
use crate::node::runtime::signal::Signal;
use ::http::{Request, StatusCode};
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
        if !belongs_to_main_program(&process) {
            return 0;
        }
        let ports = process.world.declared_ports().to_vec();
        run(process, &ports, None).await
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

/// Serves on `ports` until it is stopped. Its exit code is `code`, or else that of a program without a handler for the
/// signal.
pub async fn run(mut process: Process, ports: &[u16], code: Option<i32>) -> i32 {
    let mut server = Server::new();
    let site = Arc::new(Name(format!("{}\n", process.world.network().identity().name)));
    for port in ports {
        if http::listen(&mut server, process.world.network(), Ipv4Addr::UNSPECIFIED, *port, site.clone()).is_err() {
            return process.fail(format!("listen tcp :{port}: bind: address already in use")).await;
        }
    }
    drop(site);
    let signal = stopped(&mut process.signals, &[Signal::Term, Signal::Int]).await;
    code.unwrap_or(128 + signal.number())
}
