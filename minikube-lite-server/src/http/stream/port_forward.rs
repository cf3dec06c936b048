//! `portforward`: connections to a Pod's ports, over SPDY, SPDY within a WebSocket, or the channels of a WebSocket.

use super::channels::{self, Encoding};
use super::upgrade::{self, Connection};
use super::{check_assigned, pod};
use crate::http::query::Query;
use crate::http::resource::Call;
use crate::http::respond;
use crate::node::api::Nodes;
use axum::body::Body;
use http::Response;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::spdy::{self, Tunnel};
use shared_types::status::Status;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Subprotocols of the kubelet's WebSockets.
const CHANNELS: &[&str] = &["", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"];
/// How long the second stream of a connection may take to come after the first (the kubelet's `streamCreationTimeout`).
const OPENING: Duration = Duration::from_secs(30);
/// As many ports as there are channel numbers for, at two each.
const MAX_PORTS: usize = 127;

/// Answers the request, and forwards once the connection is taken over.
pub async fn answer(call: &mut Call<'_>) -> Result<Response<Body>, Status> {
    let pod = pod(call)?;
    check_assigned(&pod)?;
    let (web_socket, spdy) = (upgrade::is_web_socket(&call.headers), upgrade::is_spdy(&call.headers));
    let Some(upgrade) = call.upgrade.take().filter(|_| web_socket || spdy) else {
        return Err(Status::bad_request("Upgrade request required"));
    };
    let target = Arc::new(Target { nodes: call.app.nodes.clone(), pod });
    let stop = call.app.stop.clone();
    if spdy {
        let response = match upgrade::spdy_answer(&call.headers, &[spdy::PORT_FORWARD_PROTOCOL]) {
            Ok((response, _)) => response,
            Err(refusal) => return Ok(refusal),
        };
        tokio::spawn(async move {
            let Some(connection) = upgrade::taken_over(upgrade).await else { return };
            serve(spdy::Session::server(connection), target, stop).await;
        });
        return Ok(response);
    }
    if upgrade::subprotocols(&call.headers).contains(&spdy::TUNNEL_PROTOCOL) {
        let response = match upgrade::web_socket_answer(&call.headers, spdy::TUNNEL_PROTOCOL) {
            Ok(response) => response,
            Err(refusal) => return Ok(refusal),
        };
        tokio::spawn(async move {
            let Some(socket) = upgrade::web_socket(upgrade).await else { return };
            serve(spdy::Session::server(Tunnel::<Connection>::new(socket)), target, stop).await;
        });
        return Ok(response);
    }
    let ports = match ports(call.query) {
        Ok(ports) => ports,
        Err(why) => return Ok(respond::text(400, why)),
    };
    let accepted = upgrade::choose_subprotocol(&call.headers, CHANNELS)
        .and_then(|protocol| Ok((upgrade::web_socket_answer(&call.headers, protocol)?, protocol)));
    let (response, protocol) = match accepted {
        Ok(accepted) => accepted,
        Err(refusal) => return Ok(refusal),
    };
    tokio::spawn(async move {
        let Some(socket) = upgrade::web_socket(upgrade).await else { return };
        let count = u8::try_from(ports.len() * 2).unwrap_or(u8::MAX);
        let (channels, over) = channels::open(socket, Encoding::of(protocol), count, stop);
        let mut channels = channels.into_iter();
        let mut forwards = JoinSet::new();
        for port in ports {
            let (Some(mut data), Some(mut errors)) = (channels.next(), channels.next()) else { return };
            let target = target.clone();
            forwards.spawn(async move {
                // Both begin with the port's number, which tells the client what they are for.
                for channel in [&mut data, &mut errors] {
                    if channel.send(&port.to_le_bytes()).await.is_err() {
                        return;
                    }
                }
                target.forward(port, data, &mut errors).await;
            });
        }
        tokio::select! {
            () = async { while forwards.join_next().await.is_some() {} } => {}
            () = over.cancelled() => {}
        }
    });
    Ok(response)
}

/// The ports in the query of a request over channels.
fn ports(query: &Query) -> Result<Vec<u16>, String> {
    let values = query.all("ports");
    if values.is_empty() {
        return Err("query parameter \"port\" is required".into());
    }
    let mut ports = Vec::new();
    for value in values {
        if value.is_empty() {
            return Err("query parameter \"port\" cannot be empty".into());
        }
        for text in value.split(',') {
            match text.parse() {
                Ok(0) => return Err(format!("port {value:?} must be > 0")),
                Ok(port) => ports.push(port),
                Err(_) => return Err(format!("unable to parse {value:?} as a port: {}", go_problem(text))),
            }
        }
    }
    if ports.len() > MAX_PORTS {
        return Err(format!("at most {MAX_PORTS} ports can be forwarded at once"));
    }
    Ok(ports)
}

/// Go's words for what is not a port's number.
fn go_problem(text: &str) -> String {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let why = if digits { "value out of range" } else { "invalid syntax" };
    format!("strconv.ParseUint: parsing {text:?}: {why}")
}

/// The streams of a connection to a port, which come one after the other.
#[derive(Default)]
struct Pair {
    data: Option<spdy::Stream>,
    errors: Option<spdy::Stream>,
}

/// Forwards connections until the client goes.
async fn serve((session, mut incoming): (spdy::Session, spdy::Incoming), target: Arc<Target>, stop: CancellationToken) {
    // Those of which one stream is there, by request.
    let mut waiting: HashMap<String, (Pair, Instant)> = HashMap::new();
    // Dropping these ends them.
    let mut forwards = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = incoming.next() => stream,
            Some(_) = forwards.join_next() => continue,
            () = session.closed() => None,
            () = stop.cancelled() => None,
        };
        let Some(stream) = stream else { return };
        waiting.retain(|_, (_, since)| since.elapsed() < OPENING);
        let (kind, port) = (stream.headers().get("streamType").to_string(), stream.headers().get("port").parse());
        let Some(port) = port.ok().filter(|port| *port > 0) else { continue };
        let request = match stream.headers().get("requestID") {
            // Clients of old opened the stream for errors first and the one for data right after it.
            "" => format!("port {port}"),
            request => request.to_string(),
        };
        let (mut pair, since) = waiting.remove(&request).unwrap_or_else(|| (Pair::default(), Instant::now()));
        match kind.as_str() {
            "data" => pair.data = Some(stream),
            "error" => pair.errors = Some(stream),
            // Dropping it refuses it.
            _ => continue,
        }
        match pair {
            Pair { data: Some(data), errors: Some(mut errors) } => {
                let target = target.clone();
                forwards.spawn(async move {
                    target.forward(port, data, &mut errors).await;
                    let _ = errors.shutdown().await;
                });
            }
            pair => drop(waiting.insert(request, (pair, since))),
        }
    }
}

/// The Pod that is forwarded to.
struct Target {
    nodes: Nodes,
    pod: Value,
}

impl Target {
    /// Carries a connection to a port, and tells of a failure.
    async fn forward(
        &self,
        port: u16,
        data: impl AsyncRead + AsyncWrite + Unpin,
        errors: &mut (impl AsyncWrite + Unpin),
    ) {
        let outcome = match self.nodes.dial(&self.pod, port).await {
            Ok(connection) => carry(data, connection).await,
            Err(problem) => Err(self.unreachable(port, &problem)),
        };
        if let Err(why) = outcome {
            let why = format!("error forwarding port {port} to pod {}, uid : {why}", self.sandbox());
            // Where the client has gone, nobody wants to know.
            let _ = errors.write_all(why.as_bytes()).await;
        }
    }

    /// What stands for the Pod at the container runtime.
    fn sandbox(&self) -> String {
        self.pod.uid().replace('-', "")
    }

    fn unreachable(&self, port: u16, problem: &io::Error) -> String {
        let sandbox = self.sandbox();
        if problem.kind() == io::ErrorKind::NotFound {
            return format!("failed to find sandbox {sandbox:?} in store: not found");
        }
        let why = match problem.kind() {
            io::ErrorKind::ConnectionRefused => "connect: connection refused".to_string(),
            _ => format!("connect: {problem}"),
        };
        format!(
            "failed to execute portforward in network namespace \"/var/run/netns/cni-{sandbox}\": failed to connect to \
             localhost:{port} inside namespace {sandbox:?}, IPv4: dial tcp4 127.0.0.1:{port}: {why} IPv6 dial tcp6 \
             [::1]:{port}: {why} "
        )
    }
}

/// Copies both ways until the Pod has said its last.
async fn carry(
    client: impl AsyncRead + AsyncWrite + Unpin,
    server: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<(), String> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = async {
        match tokio::io::copy(&mut from_client, &mut to_server).await {
            // The client has cut it off.
            Err(problem) if problem.kind() == io::ErrorKind::ConnectionReset => return,
            // The Pod reads no more, but may still have something to say.
            Ok(_) | Err(_) => drop(to_server.shutdown().await),
        }
        std::future::pending::<()>().await;
    };
    let down = async {
        let copied = tokio::io::copy(&mut from_server, &mut to_client).await;
        copied.map(|_| ())
    };
    let outcome = tokio::select! {
        outcome = down => outcome,
        () = up => Ok(()),
    };
    if outcome.is_ok() {
        let _ = to_client.shutdown().await;
    }
    // A client that cuts a connection off need not be told of it.
    outcome.or_else(|problem| match problem.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(()),
        _ => Err(problem.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[test]
    fn ports_are_read() {
        let read = |query: &str| ports(&Query::parse(query));
        assert_eq!(read("ports=80,81&ports=443"), Ok(vec![80, 81, 443]));
        assert_eq!(read(""), Err("query parameter \"port\" is required".into()));
        assert_eq!(read("ports=0"), Err("port \"0\" must be > 0".into()));
        let why = "unable to parse \"70000\" as a port: strconv.ParseUint: parsing \"70000\": value out of range";
        assert_eq!(read("ports=70000"), Err(why.into()));
    }

    #[tokio::test]
    async fn both_directions_end_separately() {
        let (mut client, near) = tokio::io::duplex(64);
        let (far, mut server) = tokio::io::duplex(64);
        let carrying = tokio::spawn(carry(near, far));
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        server.write_all(b"answer to ").await.unwrap();
        server.write_all(text.as_bytes()).await.unwrap();
        drop(server);
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer to question");
        carrying.await.unwrap().unwrap();
    }
}
