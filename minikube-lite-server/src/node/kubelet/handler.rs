//! What probes and hooks do: run a command in a container, or ask it over the network.

mod grpc;
mod http;

use crate::node::network::Network;
use crate::node::runtime::container::Container;
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

/// An action on a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handler {
    Exec(Vec<String>),
    Http(http::Get),
    Tcp {
        host: String,
        port: u16,
    },
    Grpc {
        port: u16,
        service: String,
    },
    Sleep(Duration),
    /// It cannot be done, for this reason.
    Impossible(String),
}

/// The container that an action is for, and where it is.
#[derive(Clone)]
pub struct Target {
    pub container: Arc<Container>,
    pub network: Network,
    pub pod_ip: Ipv4Addr,
    pub node_ip: Ipv4Addr,
}

/// How an action went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Success,
    /// What is wrong.
    Failure(String),
    /// It could not be found out.
    Error(String),
}

impl Handler {
    /// Reads a `core/v1.Probe` or `core/v1.LifecycleHandler` of a container.
    pub fn of(spec: &Value, container: &Value) -> Handler {
        let port = |field: &str| port(spec.at(field), container);
        let made = if spec.has("httpGet") {
            port("httpGet.port").map(|port| Handler::Http(http::Get::of(spec.at("httpGet"), port)))
        } else if spec.has("tcpSocket") {
            port("tcpSocket.port").map(|port| Handler::Tcp { host: spec.text("tcpSocket.host").into(), port })
        } else if spec.has("grpc") {
            port("grpc.port").map(|port| Handler::Grpc { port, service: spec.text("grpc.service").into() })
        } else if spec.has("sleep") {
            Ok(Handler::Sleep(Duration::from_secs(spec.int("sleep.seconds").unwrap_or(0).max(0).unsigned_abs())))
        } else {
            let words = spec.list("exec.command").iter().filter_map(|word| word.as_str().map(String::from));
            Ok(Handler::Exec(words.collect()))
        };
        made.unwrap_or_else(Handler::Impossible)
    }

    /// Does it, for a probe: an answer that does not come within the time is a failure.
    pub async fn probe(&self, target: &Target, limit: Duration) -> Answer {
        let seconds = limit.as_secs();
        match self {
            Handler::Exec(argv) => match tokio::time::timeout(limit, target.container.run(argv.clone())).await {
                Ok(Ok((0, _))) => Answer::Success,
                Ok(Ok((_, output))) => Answer::Failure(String::from_utf8_lossy(&output).into_owned()),
                Ok(Err(why)) => {
                    Answer::Error(format!("rpc error: code = Unknown desc = {}", target.container.cannot_exec(&why)))
                }
                Err(_) => {
                    Answer::Failure(format!("command timed out: {:?} timed out after {seconds}s", argv.join(" ")))
                }
            },
            Handler::Http(get) => match tokio::time::timeout(limit, get.ask(target)).await {
                Ok(Ok(code)) if (200..400).contains(&code) => Answer::Success,
                Ok(Ok(code)) => Answer::Failure(format!("HTTP probe failed with statuscode: {code}")),
                Ok(Err(why)) => Answer::Failure(format!("Get \"{}\": {why}", get.url(target))),
                Err(_) => Answer::Failure(format!(
                    "Get \"{}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                    get.url(target)
                )),
            },
            Handler::Tcp { host, port } => {
                let address = format!("{}:{port}", target.host(host));
                match tokio::time::timeout(limit, target.dial(host, *port)).await {
                    Ok(Ok(_)) => Answer::Success,
                    Ok(Err(why)) => Answer::Failure(why),
                    Err(_) => Answer::Failure(format!("dial tcp {address}: i/o timeout")),
                }
            }
            Handler::Grpc { port, service } => grpc::check(target, *port, service, limit).await,
            Handler::Sleep(time) => {
                tokio::time::sleep(*time).await;
                Answer::Success
            }
            Handler::Impossible(why) => Answer::Error(why.clone()),
        }
    }

    /// Does it, for a hook, for as long as it takes.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn run(&self, target: &Target) -> Result<(), String> {
        /// Hooks are limited by the grace period only; nothing else takes so long.
        const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);
        match self.probe(target, FOR_EVER).await {
            Answer::Success => Ok(()),
            Answer::Failure(why) | Answer::Error(why) => Err(why),
        }
    }
}

impl Target {
    /// The host of an action: the Pod, unless it says otherwise.
    fn host(&self, host: &str) -> String {
        if host.is_empty() { self.pod_ip.to_string() } else { host.to_string() }
    }

    /// Connects from the node. The error is in Go's words.
    async fn dial(&self, host: &str, port: u16) -> Result<crate::node::network::Connection, String> {
        let host = self.host(host);
        let ip = match host.as_str() {
            "localhost" => Ipv4Addr::LOCALHOST,
            host => host.parse().map_err(|_| format!("dial tcp: lookup {host}: no such host"))?,
        };
        let connected = self.network.connect(self.node_ip, SocketAddrV4::new(ip, port)).await;
        connected.map_err(|why| format!("dial tcp {host}:{port}: connect: {}", errno(&why)))
    }
}

/// An error of the network as Linux words it.
fn errno(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".into(),
        io::ErrorKind::TimedOut => "connection timed out".into(),
        io::ErrorKind::HostUnreachable => "no route to host".into(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".into(),
        _ => error.to_string(),
    }
}

/// A port by number or by the name of a port of the container.
fn port(value: &Value, container: &Value) -> Result<u16, String> {
    let number = match value {
        Value::String(name) => match name.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                let named = container.list("ports").iter().find(|port| port.text("name") == name);
                named.and_then(|port| port.int("containerPort"))
            }
        },
        other => other.as_i64(),
    };
    let number = number.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("couldn't find port: {value} in container {}", container.text("name")))
}
