//! `agnhost` of Kubernetes' own tests: small servers that tell who they are, or misbehave when asked to.

mod grpc_health;

use super::http::{self, Ends, Reply, Site};
use super::program::{self, log, stopped, stopped_go};
use super::serving::Server;
use super::{Image, Process, Tree, bases, times};
use crate::node::runtime::Reference;
use crate::node::runtime::pipe::pipe;
use crate::node::runtime::signal::Signal;
use crate::node::runtime::world::{Start, World};
use ::http::header::{HeaderName, HeaderValue, LOCATION};
use ::http::{Request, StatusCode};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use jiff::Timestamp;
use shared_types::json::json;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};
use tokio::sync::watch;

/// How much of a command's output `/shell` answers with, in bytes.
const LARGEST: usize = 1 << 20;
/// How long `liveness` is well, in seconds.
const WELL: i64 = 10;

pub fn image(_: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> =
        LazyLock::new(|| Arc::new(bases::with_bind(bases::alpine_with_curl()).program("/agnhost", run)));
    Image::new(&TREE).entrypoint(&["/agnhost"]).cmd(&["pause"])
}

/// What a server answers with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    NetExec,
    Hostname,
    Liveness,
}

struct Host {
    mode: Mode,
    world: World,
    env: BTreeMap<String, String>,
    started: Timestamp,
    /// Set to end the program.
    exit: watch::Sender<Option<i32>>,
}

impl Host {
    async fn shell(&self, command: &str) -> Reply {
        let (output, input) = pipe();
        let start = Start {
            argv: vec!["/bin/sh".into(), "-c".into(), command.into()],
            env: self.env.clone(),
            stdout: output.clone(),
            stderr: output,
            parent: 1,
            ..Start::default()
        };
        let mut child = match self.world.spawn(start) {
            Ok(child) => child,
            Err(cannot) => {
                return http::text(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": cannot.message }).to_string());
            }
        };
        let printed = input.read_to_end(LARGEST).await.unwrap_or_default();
        let mut answer = json!({});
        match child.wait().await.code {
            0 => {}
            code => answer["error"] = json!(format!("exit status {code}")),
        }
        answer["output"] = json!(String::from_utf8_lossy(&printed));
        http::text(StatusCode::OK, answer.to_string())
    }

    fn liveness(&self) -> Reply {
        let age = self.world.now().duration_since(self.started);
        if age.as_secs() < WELL {
            return http::text(StatusCode::OK, "ok");
        }
        http::text(StatusCode::INTERNAL_SERVER_ERROR, format!("error: {:.6}", age.as_secs_f64()))
    }
}

impl Site for Host {
    async fn answer(&self, request: Request<Incoming>, ends: Ends) -> Reply {
        let query = request.uri().query().unwrap_or_default();
        let parameter = |name: &str| http::parameter(query, name);
        let ok = |text: String| http::text(StatusCode::OK, text);
        match (self.mode, request.uri().path()) {
            (Mode::Hostname, _) => ok(format!("{}\n", self.world.hostname())),
            (Mode::Liveness, "/healthz") => self.liveness(),
            (Mode::Liveness, "/started") => {
                let age = self.world.now().duration_since(self.started);
                ok(format!("{:.6}s", age.as_secs_f64()))
            }
            (Mode::NetExec, "/") => {
                ok(format!("NOW: {}", times::format(self.world.now(), "%Y-%m-%d %H:%M:%S.%9f +0000 UTC")))
            }
            (Mode::NetExec, "/clientip") => ok(ends.peer.to_string()),
            (Mode::NetExec, "/echo") => {
                let code = parameter("code").and_then(|code| code.parse().ok());
                let status = code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK);
                http::text(status, parameter("msg").unwrap_or_default())
            }
            (Mode::NetExec, "/exit") => {
                if let Some(wait) = parameter("wait").and_then(|text| program::duration(&text)) {
                    tokio::time::sleep(wait).await;
                }
                let code = parameter("code").and_then(|code| code.parse().ok()).unwrap_or(0);
                self.exit.send_replace(Some(code));
                // The program ends before it has answered.
                std::future::pending().await
            }
            (Mode::NetExec, "/healthz") => ok(String::new()),
            (Mode::NetExec, "/hostname" | "/hostName") => ok(self.world.hostname().to_string()),
            (Mode::NetExec, "/header") => {
                let name = parameter("key").and_then(|name| HeaderName::try_from(name).ok());
                ok(name.map(|name| http::header(&request, name).to_string()).unwrap_or_default())
            }
            (Mode::NetExec, "/redirect") => {
                let code = parameter("code").and_then(|code| code.parse().ok());
                let mut reply =
                    http::text(code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::FOUND), "");
                if let Some(Ok(location)) = parameter("location").map(HeaderValue::try_from) {
                    reply.headers_mut().insert(LOCATION, location);
                }
                reply
            }
            (Mode::NetExec, "/shell") => match parameter("cmd").or_else(|| parameter("shellCommand")) {
                Some(command) => self.shell(&command).await,
                None => http::text(StatusCode::OK, json!({ "error": "shell command is missing" }).to_string()),
            },
            _ => http::text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }
}

fn run(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let args = process.args();
        let rest = args.get(1..).unwrap_or_default();
        let (mode, option, default) = match args.first().map_or("", String::as_str) {
            "netexec" => (Mode::NetExec, "http-port", 8080),
            "serve-hostname" => (Mode::Hostname, "port", 9376),
            "liveness" => (Mode::Liveness, "port", 8080),
            "grpc-health-checking" => return grpc_health::run(process).await,
            "pause" => {
                log(&process, "Paused").await;
                stopped(&mut process.signals, &[Signal::Term, Signal::Int]).await;
                return 0;
            }
            "" | "help" | "--help" => {
                log(
                    &process,
                    "Usage:\n  app [command]\n\nSimulated commands: grpc-health-checking, liveness, netexec, pause, serve-hostname",
                )
                .await;
                return 0;
            }
            other => {
                let text = format!("Error: unknown command \"{other}\" for \"app\"\nRun 'app --help' for usage.\n");
                let _ = process.stderr.write(text.as_bytes()).await;
                return 1;
            }
        };
        let port = program::flag(rest, option).map_or(Some(default), |port| port.parse().ok());
        let Some(port) = port else {
            let text = format!("Error: invalid argument for \"--{option}\" flag: it must be a port\n");
            let _ = process.stderr.write(text.as_bytes()).await;
            return 1;
        };
        let (exit, mut exits) = watch::channel(None);
        let started = process.world.now();
        let host = Host { mode, world: process.world.clone(), env: process.env.clone(), started, exit };
        let mut server = Server::new();
        let network = process.world.network().clone();
        let time = times::format(started, "%Y/%m/%d %H:%M:%S");
        if http::listen(&mut server, &network, Ipv4Addr::UNSPECIFIED, port, Arc::new(host)).is_err() {
            log(&process, format!("{time} listen tcp :{port}: bind: address already in use")).await;
            return 1;
        }
        match mode {
            Mode::NetExec => log(&process, format!("{time} Started HTTP server on port {port}")).await,
            Mode::Hostname => log(&process, format!("Serving on port {port}.")).await,
            Mode::Liveness => {}
        }
        tokio::select! {
            code = stopped_go(&mut process.signals) => code,
            code = exits.wait_for(Option::is_some) => code.ok().and_then(|code| *code).unwrap_or(0),
        }
    })
}
