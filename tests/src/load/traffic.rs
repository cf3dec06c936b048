//! Requests to a page over HTTP/1.1 connections that stay open: of a NodePort, and of a plain axum server to compare with.

use super::api::Api;
use super::measure::{self, Measured};
use axum::Router;
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

const PATIENCE: Duration = Duration::from_secs(60);
/// As long as nginx's welcome page.
const PAGE: &str =
    concat!("<!DOCTYPE html>\n<html>\n<body>\n", "<p>Welcome to a page that is read again and again.</p>\n");
const PAGE_LENGTH: usize = 615;

/// Requests to the NodePort of three Pods of nginx.
///
/// # Errors
/// One line: the Service cannot be made or reached.
pub async fn node_port(api: &Api, namespace: &str, clients: usize, length: Duration) -> Result<Measured, String> {
    let container = json!({"name": "nginx", "image": "nginx:1.28", "ports": [{"containerPort": 80}]});
    let labels = json!({"app": "web"});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "selector": labels, "ports": [{"port": 80}]},
    });
    let deployments = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    api.json("POST", &deployments, &deployment).await?;
    let made = api.json("POST", &format!("/api/v1/namespaces/{namespace}/services"), &service).await?;
    let begin = Instant::now();
    while api.get(&format!("{deployments}/web")).await?["status"]["availableReplicas"] != 3 {
        if begin.elapsed() > PATIENCE {
            return Err("the Pods do not become available".to_string());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let port = made["spec"]["ports"][0]["nodePort"].as_u64().and_then(|port| u16::try_from(port).ok());
    let address = SocketAddr::from(([127, 0, 0, 1], port.ok_or("the Service has no NodePort")?));
    // It is listened on a moment after there are endpoints.
    while TcpStream::connect(address).await.is_err() {
        if begin.elapsed() > PATIENCE {
            return Err(format!("nobody listens on {address}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    requests(address, clients, length).await
}

/// Requests to a server of axum, which runs on threads of its own in this process.
///
/// # Errors
/// One line: it cannot be started or reached.
pub async fn axum(clients: usize, length: Duration) -> Result<Measured, String> {
    let problem = |error: std::io::Error| error.to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(problem)?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(problem)?;
    listener.set_nonblocking(true).map_err(problem)?;
    let address = listener.local_addr().map_err(problem)?;
    let serving = runtime.spawn(async move {
        let listener = TcpListener::from_std(listener)?;
        let router = Router::new().fallback(|| async { format!("{PAGE:<PAGE_LENGTH$}") });
        axum::serve(listener, router).await
    });
    let measured = requests(address, clients, length).await;
    serving.abort();
    runtime.shutdown_background();
    measured
}

async fn requests(address: SocketAddr, clients: usize, length: Duration) -> Result<Measured, String> {
    let mut connections = Vec::new();
    for _ in 0..clients {
        let stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        connections.push(Mutex::new(Page { stream, answer: Vec::new() }));
    }
    measure::repeat(clients, length, |client, _| {
        let connection = &connections[client];
        async move { connection.lock().await.get().await.map_err(|error| format!("{address}: {error}")) }
    })
    .await
}

/// A connection, and what has arrived on it.
struct Page {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Page {
    /// Asks for the page, and gives the length of its body.
    async fn get(&mut self) -> std::io::Result<u64> {
        self.stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n").await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some(end) = memchr::memmem::find(&self.answer, b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&self.answer[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            let length = length.filter(|_| head.starts_with("http/1.1 200 "));
            let length = length.ok_or_else(|| std::io::Error::other(format!("unexpected answer: {head}")))?;
            if self.answer.len() >= end + 4 + length {
                return Ok(length as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pages_are_read_over_and_over() {
        let measured = axum(2, Duration::from_millis(50)).await.expect("axum serves");
        assert!(measured.latencies.len() > 2);
        assert_eq!(measured.bytes, (measured.latencies.len() * PAGE_LENGTH) as u64);
    }
}
