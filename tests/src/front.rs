//! Something between kubectl and the server, as clusters have it: what it is asked in plain HTTP it passes on, or not.

use crate::load::kubeconfig::{self, Access};
use crate::stream::connect;
use crate::{Kubectl, Server};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What a front makes of what it is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// How requests for WebSockets are answered; they are passed on without it.
    pub refusal: Option<&'static str>,
    /// What is put in place of another text in the first line of requests for SPDY.
    pub misread: Option<(&'static str, &'static str)>,
}

/// A front, which ends when it is dropped.
pub struct Front {
    folder: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    runtime: Option<Runtime>,
}

impl Front {
    /// Listens in front of a server.
    ///
    /// # Panics
    /// If it cannot.
    pub fn start(server: &Server, manners: Manners) -> Front {
        let access = Arc::new(kubeconfig::read(&server.kubeconfig()).expect("the server wrote a kubeconfig"));
        let runtime = Runtime::new().expect("there are threads");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there are ports");
        let address = listener.local_addr().expect("it has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, access.clone(), manners, log.clone()));
            }
        });
        let folder = TempDir::new().expect("temporary folders can be made");
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "front",
            "clusters": [{"name": "front", "cluster": {"server": format!("http://{address}")}}],
            "contexts": [{"name": "front", "context": {"cluster": "front", "user": ""}}],
        });
        std::fs::write(folder.path().join("kubeconfig"), config.to_string()).expect("the folder can be written");
        Front { folder, asked, runtime: Some(runtime) }
    }

    /// Points a kubectl here.
    pub fn before(&self, kubectl: Kubectl) -> Kubectl {
        Kubectl { kubeconfig: self.kubeconfig(), ..kubectl }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// For each request for another protocol since the last call, which one: `GET websocket`, `POST spdy/3.1`.
    ///
    /// # Panics
    /// If a test has panicked with it.
    pub fn upgrades(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("nobody panics with it"))
    }

    /// Breaks off all connections.
    pub fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.end();
    }
}

/// Passes on one request, and what its connection becomes.
async fn serve(mut client: TcpStream, access: Arc<Access>, manners: Manners, log: Arc<Mutex<Vec<String>>>) {
    let mut received = Vec::new();
    let end = loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if !matches!(client.read_buf(&mut received).await, Ok(1..)) {
            return;
        }
    };
    let mut head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let upgrade = headers.find(|(name, _)| name.eq_ignore_ascii_case("upgrade")).map(|(_, to)| to.to_lowercase());
    if let Some(protocol) = &upgrade {
        let method = head.split(' ').next().unwrap_or_default();
        log.lock().expect("nobody panics with it").push(format!("{method} {protocol}"));
    }
    let (mut server, token) = connect(&access).await;
    match (upgrade.as_deref(), manners) {
        (Some("websocket"), Manners { refusal: Some(status), .. }) => {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 10\r\nConnection: close\r\n\r\nno sockets");
            // Where the client has gone, nobody wants to know.
            let _ = client.write_all(answer.as_bytes()).await;
            let _ = client.shutdown().await;
            return;
        }
        (Some("spdy/3.1"), Manners { misread: Some((is, read)), .. }) => head = head.replacen(is, read, 1),
        (Some(_), _) => {}
        // Each request has a connection of its own, so that none is overlooked.
        (None, _) => {
            let lines = head.lines().filter(|line| !line.to_lowercase().starts_with("connection:"));
            head = lines.collect::<Vec<_>>().join("\r\n") + "\r\nConnection: close";
        }
    }
    if let Some(token) = token {
        head += &format!("\r\nAuthorization: Bearer {token}");
    }
    let request = [head.as_bytes(), &received[end..]].concat();
    if server.write_all(&request).await.is_ok() {
        // Either side may break it off.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
