//! `hashicorp/http-echo`: answers every request with one text.

use super::http::{self, Ends, Reply, Site};
use super::program::{self, log, stopped};
use super::serving::Server;
use super::{Image, Process, Tree, times};
use crate::node::runtime::Reference;
use crate::node::runtime::pipe::Output;
use crate::node::runtime::signal::Signal;
use crate::node::runtime::world::World;
use ::http::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use ::http::{Request, StatusCode};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

pub fn image(_: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(Tree::linux().program("/http-echo", run)));
    Image::new(&TREE).entrypoint(&["/http-echo"]).exposes(&[5678])
}

struct Echo {
    text: String,
    status: StatusCode,
    world: World,
    log: Output,
}

impl Site for Echo {
    async fn answer(&self, request: Request<Incoming>, ends: Ends) -> Reply {
        let mut reply = http::text(self.status, self.text.clone());
        let headers = reply.headers_mut();
        headers.insert(HeaderName::from_static("x-app-name"), HeaderValue::from_static("http-echo"));
        headers.insert(HeaderName::from_static("x-app-version"), HeaderValue::from_static("1.0.0"));
        let line = format!(
            "{} {} {} \"{} {} {:?}\" {} {} \"{}\" 0s\n",
            times::format(self.world.now(), "%Y/%m/%d %H:%M:%S"),
            http::header(&request, HOST),
            ends.peer,
            request.method(),
            request.uri().path(),
            request.version(),
            self.status.as_u16(),
            self.text.len(),
            http::header(&request, USER_AGENT),
        );
        // A server does not mind when nobody keeps its log.
        let _ = self.log.write(line.as_bytes()).await;
        reply
    }
}

fn run(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let args = process.args();
        let text = program::flag(args, "text").or(process.env.get("ECHO_TEXT").map(String::as_str));
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            let _ = process.stderr.write(b"Missing -text option!\n").await;
            return 127;
        };
        let address = program::flag(args, "listen").unwrap_or(":5678").to_string();
        let status = program::flag(args, "status-code").unwrap_or("200").parse().ok();
        let Some(status) = status.and_then(|code| StatusCode::from_u16(code).ok()) else {
            let _ = process.stderr.write(b"invalid value for flag -status-code\n").await;
            return 2;
        };
        let echo =
            Echo { text: format!("{text}\n"), status, world: process.world.clone(), log: process.stdout.clone() };
        let time = || times::format(process.world.now(), "%Y/%m/%d %H:%M:%S");
        let mut server = Server::new();
        let Some(port) = program::port_of(&address) else {
            log(&process, format!("{} [ERR] server: listen tcp: address {address}: invalid port", time())).await;
            return 1;
        };
        if http::listen(&mut server, process.world.network(), Ipv4Addr::UNSPECIFIED, port, Arc::new(echo)).is_err() {
            log(&process, format!("{} [ERR] server: listen tcp {address}: bind: address already in use", time())).await;
            return 1;
        }
        log(&process, format!("{} [INFO] server is listening on {address}", time())).await;
        stopped(&mut process.signals, &[Signal::Term, Signal::Int]).await;
        server.drain().await;
        2
    })
}
