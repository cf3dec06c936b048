//! Requests over a few shared HTTP/2 connections.

use super::kubeconfig::Access;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Flow-control window, so that it is not what limits a list.
const WINDOW: u32 = 16 << 20;

/// A server under load.
pub struct Api {
    connections: Vec<SendRequest<Full<Bytes>>>,
    next: AtomicUsize,
    server: String,
    authorization: Option<String>,
}

impl Api {
    /// Opens the connections.
    ///
    /// # Errors
    /// One line: what cannot be connected to, or why.
    pub async fn connect(access: &Access, connections: usize) -> Result<Api, String> {
        let authority =
            access.server.strip_prefix("https://").ok_or("the server's address must begin with https://")?;
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']']);
        let address = if authority.contains(':') { authority.to_string() } else { format!("{authority}:443") };
        let name = ServerName::try_from(host.to_string()).map_err(|error| format!("{host}: {error}"))?;
        let tls = TlsConnector::from(Arc::new(tls(access, "h2")?));
        let mut opened = Vec::new();
        for _ in 0..connections {
            let problem = |error: &dyn std::fmt::Display| format!("cannot connect to {address}: {error}");
            let stream = TcpStream::connect(&address).await.map_err(|error| problem(&error))?;
            stream.set_nodelay(true).map_err(|error| problem(&error))?;
            let stream = tls.connect(name.clone(), stream).await.map_err(|error| problem(&error))?;
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .max_frame_size(64 << 10)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(|error| problem(&error))?;
            // A broken connection shows as errors of its requests.
            tokio::spawn(connection);
            opened.push(sender);
        }
        let authorization = access.token.as_ref().map(|token| format!("Bearer {token}"));
        Ok(Api { connections: opened, next: AtomicUsize::new(0), server: access.server.clone(), authorization })
    }

    /// Sends a request; a body goes with its media type.
    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, Bytes)>,
    ) -> Result<http::Response<Incoming>, String> {
        let problem = |error: &dyn std::fmt::Display| format!("{method} {path}: {error}");
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| problem(&error))?;
        let mut request = Request::builder().method(&method).uri(format!("{}{path}", self.server));
        request = request.header("accept", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let body = match body {
            Some((media, bytes)) => {
                request = request.header("content-type", media);
                Full::new(bytes)
            }
            None => Full::default(),
        };
        let request = request.body(body).map_err(|error| problem(&error))?;
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let mut connection = self.connections[turn].clone();
        connection.ready().await.map_err(|error| problem(&error))?;
        connection.send_request(request).await.map_err(|error| problem(&error))
    }

    /// Sends a request that must succeed.
    ///
    /// # Errors
    /// One line, with what the server said.
    pub async fn open(&self, method: &str, path: &str, body: Option<(&str, Bytes)>) -> Result<Incoming, String> {
        let response = self.send(method, path, body).await?;
        let code = response.status();
        if code.is_success() {
            return Ok(response.into_body());
        }
        let said = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Err(format!("{method} {path}: {code}: {}", String::from_utf8_lossy(&said)))
    }

    /// Sends a request, reads all of the answer, and returns its length in bytes.
    ///
    /// # Errors
    /// As [`Api::open`].
    pub async fn drain(&self, method: &str, path: &str, body: Option<(&str, Bytes)>) -> Result<u64, String> {
        let mut answer = self.open(method, path, body).await?;
        let mut length = 0;
        while let Some(frame) = answer.frame().await {
            let frame = frame.map_err(|error| format!("{method} {path}: {error}"))?;
            length += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(length)
    }

    /// Sends a JSON object and reads one.
    ///
    /// # Errors
    /// As [`Api::open`].
    pub async fn json(&self, method: &str, path: &str, object: &Value) -> Result<Value, String> {
        let body = Some(("application/json", object.to_string().into()));
        parse(self.open(method, path, body).await?).await
    }

    /// Reads a JSON object.
    ///
    /// # Errors
    /// As [`Api::open`].
    pub async fn get(&self, path: &str) -> Result<Value, String> {
        parse(self.open("GET", path, None).await?).await
    }

    /// Whether there is an object at this path.
    ///
    /// # Errors
    /// Any answer but 200 and 404.
    pub async fn exists(&self, path: &str) -> Result<bool, String> {
        match self.send("GET", path, None).await?.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            other => Err(format!("GET {path}: {other}")),
        }
    }
}

async fn parse(body: Incoming) -> Result<Value, String> {
    let bytes = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

pub(crate) fn tls(access: &Access, protocol: &str) -> Result<ClientConfig, String> {
    let pem = |what: &str, error: rustls::pki_types::pem::Error| format!("{what}: {error}");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&access.authority) {
        let certificate = certificate.map_err(|error| pem("certificate-authority", error))?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let mut config = match &access.certificate {
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
            let chain = chain.map_err(|error| pem("client-certificate", error))?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| pem("client-key", error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Ok(config)
}
