//! Servers that answer with what they were asked: `registry.k8s.io/echoserver`, `ealen/echo-server`, and the
//! `echo-server` of others.

use super::http::{self, Ends, Reply, Site};
use super::program::{log, stopped, stopped_go};
use super::serving::Server;
use super::{Image, Process, Tree};
use crate::node::runtime::Reference;
use crate::node::runtime::signal::Signal;
use ::http::header::{HOST, HeaderName, HeaderValue, SERVER};
use ::http::{Request, StatusCode};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use shared_types::json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

/// `registry.k8s.io/echoserver`.
pub fn kubernetes(_: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> =
        LazyLock::new(|| Arc::new(Tree::linux().program("/usr/local/bin/run.sh", run_kubernetes)));
    Image::new(&TREE).cmd(&["/usr/local/bin/run.sh"]).exposes(&[8080])
}

/// `ealen/echo-server`; others of the same name, such as minikube's, answer with plain text.
pub fn others(reference: &Reference) -> Image {
    static EALEN: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(Tree::linux().program("/app/node", run_ealen)));
    static PLAIN: LazyLock<Arc<Tree>> =
        LazyLock::new(|| Arc::new(Tree::linux().program("/bin/echo-server", run_plain)));
    match reference.repository.ends_with("/ealen/echo-server") {
        true => Image::new(&EALEN).entrypoint(&["/app/node", "webserver"]).working_dir("/app").exposes(&[80]),
        false => Image::new(&PLAIN).entrypoint(&["/bin/echo-server"]).exposes(&[8080]),
    }
}

#[derive(Clone, Copy)]
enum Form {
    Kubernetes,
    Ealen,
    Plain,
}

struct Echo {
    form: Form,
    hostname: String,
    env: BTreeMap<String, String>,
}

/// The parts of a request, with sorted headers.
struct Asked {
    method: String,
    path: String,
    query: String,
    target: String,
    version: String,
    host: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Asked {
    async fn read(request: Request<Incoming>) -> Option<Asked> {
        let mut headers: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        let (method, version) = (request.method().to_string(), format!("{:?}", request.version()));
        let uri = request.uri();
        let (path, query) = (uri.path().to_string(), uri.query().unwrap_or_default().to_string());
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_string();
        let host = http::header(&request, HOST).to_string();
        let body = String::from_utf8_lossy(&http::body(request.into_body()).await?).into_owned();
        Some(Asked { method, path, query, target, version, host, headers, body })
    }
}

impl Site for Echo {
    async fn answer(&self, request: Request<Incoming>, ends: Ends) -> Reply {
        let Some(asked) = Asked::read(request).await else { return http::text(StatusCode::PAYLOAD_TOO_LARGE, "") };
        match self.form {
            Form::Kubernetes => {
                let mut reply = http::reply(StatusCode::OK, "text/plain", self.kubernetes(&asked, ends));
                reply.headers_mut().insert(SERVER, HeaderValue::from_static("echoserver"));
                reply
            }
            Form::Ealen => http::reply(StatusCode::OK, "application/json; charset=utf-8", self.ealen(&asked, ends)),
            Form::Plain => {
                let mut reply = http::reply(StatusCode::OK, "text/plain", self.plain(&asked));
                if let Ok(name) = HeaderValue::try_from(&self.hostname) {
                    reply.headers_mut().insert(HeaderName::from_static("x-served-by"), name);
                }
                reply
            }
        }
    }
}

impl Echo {
    fn kubernetes(&self, asked: &Asked, ends: Ends) -> String {
        let known = [
            ("NODE_NAME", "node name"),
            ("POD_NAME", "pod name"),
            ("POD_NAMESPACE", "pod namespace"),
            ("POD_IP", "pod IP"),
        ];
        let known = known.iter().filter_map(|(name, shown)| Some(format!("\t{shown}:\t{}\n", self.env.get(*name)?)));
        let mut pod: String = known.collect();
        if pod.is_empty() {
            pod = "\t-no pod information available-\n".into();
        }
        let headers = asked.headers.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "\t{name}={value}");
            text
        });
        let body = if asked.body.is_empty() { "\t-no body in request-" } else { &asked.body };
        format!(
            "\n\nHostname: {}\n\nPod Information:\n{pod}\nServer values:\n\tserver_version=nginx: 1.14.2 - lua: 10015\n\n\
             Request Information:\n\tclient_address={}\n\tmethod={}\n\treal path={}\n\tquery={}\n\
             \trequest_version={}\n\trequest_scheme=http\n\trequest_uri=http://{}:{}{}\n\n\
             Request Headers:\n{headers}\nRequest Body:\n{body}\n\n",
            self.hostname,
            ends.peer.ip(),
            asked.method,
            asked.path,
            asked.query,
            asked.version.trim_start_matches("HTTP/"),
            asked.host.split(':').next().unwrap_or_default(),
            ends.local.port(),
            asked.target,
        )
    }

    fn ealen(&self, asked: &Asked, ends: Ends) -> String {
        let headers: shared_types::json::Object =
            asked.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let answer = json!({
            "host": {"hostname": asked.host.split(':').next(), "ip": ends.peer.ip().to_string(), "ips": []},
            "http": {"method": asked.method, "baseUrl": "", "originalUrl": asked.target, "protocol": "http"},
            "request": {
                "params": {"0": asked.path},
                "query": asked.query.split('&').filter_map(|pair| pair.split_once('=')).collect::<BTreeMap<_, _>>(),
                "cookies": {},
                "body": asked.body,
                "headers": headers,
            },
            "environment": self.env,
        });
        answer.to_string()
    }

    fn plain(&self, asked: &Asked) -> String {
        let mut text = format!(
            "Request served by {}\n\n{} {} {}\n\nHost: {}\n",
            self.hostname, asked.method, asked.target, asked.version, asked.host
        );
        for (name, value) in asked.headers.iter().filter(|(name, _)| name != "host") {
            let _ = writeln!(text, "{}: {value}", http::canonical(name));
        }
        let _ = write!(text, "\n{}", asked.body);
        text
    }
}

fn run_kubernetes(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(run(process, Form::Kubernetes, 8080))
}
fn run_ealen(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(run(process, Form::Ealen, 80))
}
fn run_plain(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(run(process, Form::Plain, 8080))
}

async fn run(mut process: Process, form: Form, default: u16) -> i32 {
    let port = process.env.get("PORT").and_then(|port| port.parse().ok()).unwrap_or(default);
    let echo = Echo { form, hostname: process.world.hostname().to_string(), env: process.env.clone() };
    let mut server = Server::new();
    let network = process.world.network().clone();
    if http::listen(&mut server, &network, Ipv4Addr::UNSPECIFIED, port, Arc::new(echo)).is_err() {
        return process.fail(format!("listen tcp :{port}: bind: address already in use")).await;
    }
    match form {
        Form::Kubernetes => log(&process, "Generating self-signed cert\nStarting nginx").await,
        Form::Ealen => log(&process, format!("Listening on port {port}.")).await,
        Form::Plain => log(&process, format!("Echo server listening on port {port}.")).await,
    }
    match form {
        Form::Plain => stopped_go(&mut process.signals).await,
        _ => {
            stopped(&mut process.signals, &[Signal::Term, Signal::Int, Signal::Quit]).await;
            server.drain().await;
            0
        }
    }
}
