//! Images that an author has described in an [images file](crate::node::runtime::images_file).

use super::http::{self, Ends, Reply, Site};
use super::program::stopped;
use super::serving::Server;
use super::{Image, Process, bases};
use crate::node::runtime::images_file::{Answer, Description, Text};
use crate::node::runtime::pipe::Output;
use crate::node::runtime::signal::Signal;
use crate::node::runtime::world::World;
use ::http::header::{HeaderName, HeaderValue};
use ::http::{Request, StatusCode};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Where the program finds its description, among the files of its image.
const DESCRIPTION: &str = "/image.json";
const PROGRAM: &str = "/app";

/// The image that a description means.
pub fn image(description: &Description) -> Image {
    // What was read from text can be written as text.
    let content = serde_json::to_vec(description).unwrap_or_default();
    let tree = bases::debian_with_curl().program(PROGRAM, program).file(DESCRIPTION, content);
    Image {
        exposed: description.ports.iter().map(|port| port.get()).collect(),
        start_delay: description.start_delay.0,
        memory: description.memory.map(|memory| (memory.used, memory.after.0)),
        ..Image::new(&Arc::new(tree)).entrypoint(&[PROGRAM])
    }
}

/// The program at work.
struct Running {
    description: Description,
    world: World,
    env: BTreeMap<String, String>,
    log: Output,
    answered: AtomicU64,
    /// Told when the last request that it answers has been answered.
    done: Notify,
}

impl Running {
    /// Fills in a text. `request` has the method, the path and the client's address, where there is one.
    fn fill(&self, text: &Text, request: Option<(&Request<Incoming>, Ends)>) -> String {
        let identity = self.world.network().identity();
        text.fill(|field| match (field, request) {
            ("PodName", _) => identity.name.clone(),
            ("PodIP", _) => identity.ip.to_string(),
            ("Namespace", _) => identity.namespace.clone(),
            ("Method", Some((request, _))) => request.method().to_string(),
            ("Path", Some((request, _))) => request.uri().path().to_string(),
            ("ClientIP", Some((_, ends))) => ends.peer.ip().to_string(),
            (field, _) => field.strip_prefix("Env.").and_then(|name| self.env.get(name)).cloned().unwrap_or_default(),
        })
    }

    async fn note(&self, text: &Text, request: Option<(&Request<Incoming>, Ends)>) {
        // A server does not mind when nobody keeps its log.
        let _ = self.log.write(format!("{}\n", self.fill(text, request)).as_bytes()).await;
    }

    /// The answer for a path: the one for exactly this path, or else the first for its beginning.
    fn find(&self, path: &str) -> Option<&Answer> {
        let begins = |answer: &&Answer| answer.path.strip_suffix('*').is_some_and(|start| path.starts_with(start));
        let answers = &self.description.http;
        answers.iter().find(|answer| answer.path == path).or_else(|| answers.iter().find(begins))
    }
}

impl Site for Running {
    async fn answer(&self, request: Request<Incoming>, ends: Ends) -> Reply {
        if let Some(line) = &self.description.log.request {
            self.note(line, Some((&request, ends))).await;
        }
        let reply = match self.find(request.uri().path()) {
            Some(answer) => {
                if !answer.delay.0.is_zero() {
                    tokio::time::sleep(answer.delay.0).await;
                }
                let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
                let mut reply = http::text(status, self.fill(&answer.body, Some((&request, ends))));
                for (name, value) in &answer.headers {
                    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                        reply.headers_mut().insert(name, value);
                    }
                }
                reply
            }
            None if self.description.http.is_empty() => {
                http::text(StatusCode::OK, format!("{}\n", self.world.network().identity().name))
            }
            None => http::text(StatusCode::NOT_FOUND, "404 page not found\n"),
        };
        let answered = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        if self.description.exit.and_then(|exit| exit.after_requests).is_some_and(|limit| answered >= limit) {
            self.done.notify_one();
        }
        reply
    }
}

fn program(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(run(process))
}

async fn run(mut process: Process) -> i32 {
    let content = process.world.files().read(DESCRIPTION).unwrap_or_default();
    let Ok(description) = serde_json::from_slice::<Description>(&content) else {
        return process.fail(format!("{DESCRIPTION} is not as it was in the image")).await;
    };
    let running = Arc::new(Running {
        description,
        world: process.world.clone(),
        env: process.env.clone(),
        log: process.stdout.clone(),
        answered: AtomicU64::new(0),
        done: Notify::new(),
    });
    let Description { ports, log, exit, stop_code, .. } = &running.description;
    let mut server = Server::new();
    let network = process.world.network().clone();
    for port in ports {
        if http::listen(&mut server, &network, Ipv4Addr::UNSPECIFIED, port.get(), running.clone()).is_err() {
            return process.fail(format!("listen tcp :{port}: bind: address already in use")).await;
        }
    }
    for line in &log.start {
        running.note(line, None).await;
    }
    let ticking = async {
        let Some(every) = &log.every else { return std::future::pending().await };
        loop {
            tokio::time::sleep(every.interval.0).await;
            running.note(&every.line, None).await;
        }
    };
    let ending = async {
        match exit.and_then(|exit| exit.after) {
            Some(after) => tokio::time::sleep(after.0).await,
            None => std::future::pending().await,
        }
    };
    let code = exit.map_or(0, |exit| i32::from(exit.code));
    tokio::select! {
        _ = stopped(&mut process.signals, &[Signal::Term, Signal::Int]) => i32::from(*stop_code),
        () = ending => code,
        () = running.done.notified() => {
            // The last answer still reaches its client.
            server.drain().await;
            code
        }
        () = ticking => code,
    }
}
