//! `traefik/whoami`: tells who answers and what was asked.

use super::http::{self, Ends, Reply, Site};
use super::program::{self, log, stopped_go};
use super::serving::Server;
use super::{Image, Process, Tree, times};
use crate::node::runtime::Reference;
use ::http::header::{CONTENT_TYPE, HOST, HeaderValue};
use ::http::{Method, Request, StatusCode};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use shared_types::json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock};

/// The largest answer of `/data`, in bytes.
const LARGEST: usize = 16 << 20;

pub fn image(_: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(Tree::linux().program("/whoami", run)));
    Image::new(&TREE).entrypoint(&["/whoami"]).exposes(&[80])
}

struct WhoAmI {
    hostname: String,
    ip: Ipv4Addr,
    name: String,
    environment: Vec<String>,
    /// What `/health` answers; a POST changes it.
    health: AtomicU16,
}

impl WhoAmI {
    fn text(&self, request: &Request<Incoming>, ends: Ends, with_environment: bool) -> String {
        let mut text = String::new();
        if !self.name.is_empty() {
            let _ = writeln!(text, "Name: {}", self.name);
        }
        let _ = writeln!(text, "Hostname: {}", self.hostname);
        let _ = writeln!(text, "IP: 127.0.0.1");
        let _ = writeln!(text, "IP: {}", self.ip);
        let _ = writeln!(text, "RemoteAddr: {}", ends.peer);
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let _ = writeln!(text, "{} {target} {:?}", request.method(), request.version());
        let _ = writeln!(text, "Host: {}", http::header(request, HOST));
        for (name, value) in sorted_headers(request) {
            let _ = writeln!(text, "{name}: {value}");
        }
        text.push('\n');
        if with_environment {
            for line in &self.environment {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }

    fn api(&self, request: &Request<Incoming>, ends: Ends) -> Reply {
        let mut headers = BTreeMap::new();
        for (name, value) in sorted_headers(request) {
            headers.entry(name).or_insert_with(Vec::new).push(value);
        }
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let mut answer = json!({
            "hostname": self.hostname,
            "ip": ["127.0.0.1", self.ip.to_string()],
            "headers": headers,
            "url": target,
            "host": http::header(request, HOST),
            "method": request.method().as_str(),
            "remoteAddr": ends.peer.to_string(),
        });
        if !self.name.is_empty() {
            answer["name"] = json!(self.name);
        }
        http::reply(StatusCode::OK, "application/json", format!("{answer}\n"))
    }
}

fn sorted_headers(request: &Request<Incoming>) -> Vec<(String, String)> {
    let headers = request.headers().iter().filter(|(name, _)| *name != HOST);
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (http::canonical(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    headers
}

impl Site for WhoAmI {
    async fn answer(&self, request: Request<Incoming>, ends: Ends) -> Reply {
        let query = request.uri().query().unwrap_or_default().to_string();
        let wait = http::parameter(&query, "wait").and_then(|text| program::duration(&text));
        match request.uri().path() {
            "/health" if request.method() == Method::POST => {
                let Some(body) = http::body(request.into_body()).await else {
                    return http::text(StatusCode::BAD_REQUEST, "");
                };
                match std::str::from_utf8(&body).ok().and_then(|code| code.trim().parse::<u16>().ok()) {
                    Some(code) if StatusCode::from_u16(code).is_ok() => {
                        self.health.store(code, Ordering::Relaxed);
                        http::text(StatusCode::OK, "")
                    }
                    _ => http::text(StatusCode::BAD_REQUEST, "invalid status code\n"),
                }
            }
            "/health" => {
                let code = self.health.load(Ordering::Relaxed);
                let mut reply = http::text(StatusCode::from_u16(code).unwrap_or(StatusCode::OK), "");
                reply.headers_mut().remove(CONTENT_TYPE);
                reply
            }
            "/api" => self.api(&request, ends),
            "/bench" => {
                let mut reply = http::text(StatusCode::OK, "1");
                reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                reply
            }
            "/data" => {
                let number = |name: &str| http::parameter(&query, name).and_then(|text| text.parse::<usize>().ok());
                let unit = match http::parameter(&query, "unit").unwrap_or_default().to_ascii_lowercase().as_str() {
                    "kb" => 1 << 10,
                    "mb" => 1 << 20,
                    "gb" => 1 << 30,
                    _ => 1,
                };
                let size = number("size").unwrap_or(1).saturating_mul(unit).min(LARGEST);
                let text = b"|ABCDEFGHIJKLMNOPQRSTUVWXYZ-".iter().copied().cycle().take(size).collect::<Vec<u8>>();
                http::text(StatusCode::OK, text)
            }
            _ => {
                if let Some(wait) = wait {
                    tokio::time::sleep(wait).await;
                }
                let with_environment = http::parameter(&query, "env").as_deref() == Some("true");
                http::text(StatusCode::OK, self.text(&request, ends, with_environment))
            }
        }
    }
}

fn run(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let variable = |name: &str| process.env.get(name).map(String::as_str);
        let args = process.args();
        let port = program::flag(args, "port").or(variable("WHOAMI_PORT_NUMBER")).unwrap_or("80").to_string();
        let name = program::flag(args, "name").or(variable("WHOAMI_NAME")).unwrap_or_default().to_string();
        let site = WhoAmI {
            hostname: process.world.hostname().to_string(),
            ip: process.world.network().identity().ip,
            name,
            environment: process.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            health: AtomicU16::new(200),
        };
        let time = times::format(process.world.now(), "%Y/%m/%d %H:%M:%S");
        let mut server = Server::new();
        let network = process.world.network().clone();
        let listening = match port.parse() {
            Ok(number) => http::listen(&mut server, &network, Ipv4Addr::UNSPECIFIED, number, Arc::new(site)).is_ok(),
            Err(_) => false,
        };
        if !listening {
            log(&process, format!("{time} listen tcp :{port}: bind: address already in use")).await;
            return 1;
        }
        log(&process, format!("{time} Starting up on port {port}")).await;
        stopped_go(&mut process.signals).await
    })
}
