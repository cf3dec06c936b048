//! Requests over a few shared HTTP/2 connections.

use super::kubeconfig::Access;
use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{Method, Request, StatusCode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CipherSuite, ClientConfig, RootCertStore};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Flow-control window, so that it is not what limits a list.
const WINDOW: u32 = 16 << 20;
/// As much is read from a connection at once; TLS by itself asks for less than a record.
const READ: usize = 256 << 10;

/// A server under load.
pub struct Api {
    connections: Vec<SendRequest<Bytes>>,
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
            let stream = BufReader::with_capacity(READ, stream);
            let stream = tls.connect(name.clone(), stream).await.map_err(|error| problem(&error))?;
            let (sender, connection) = h2::client::Builder::new()
                .initial_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .max_frame_size(64 << 10)
                .handshake(stream)
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
    ) -> Result<(StatusCode, Answer), String> {
        let problem = |error: &dyn std::fmt::Display| format!("{method} {path}: {error}");
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| problem(&error))?;
        let mut request = Request::builder().method(&method).uri(format!("{}{path}", self.server));
        request = request.header("accept", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some((media, _)) = body {
            request = request.header("content-type", media);
        }
        let request = request.body(()).map_err(|error| problem(&error))?;
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let connection = self.connections[turn].clone();
        let mut connection = connection.ready().await.map_err(|error| problem(&error))?;
        let (response, mut stream) =
            connection.send_request(request, body.is_none()).map_err(|error| problem(&error))?;
        if let Some((_, bytes)) = body {
            stream.send_data(bytes, true).map_err(|error| problem(&error))?;
        }
        let response = response.await.map_err(|error| problem(&error))?;
        Ok((response.status(), Answer(response.into_body())))
    }

    /// Sends a request that must succeed.
    ///
    /// # Errors
    /// One line, with what the server said.
    pub async fn open(&self, method: &str, path: &str, body: Option<(&str, Bytes)>) -> Result<Answer, String> {
        let (code, answer) = self.send(method, path, body).await?;
        if code.is_success() {
            return Ok(answer);
        }
        Err(format!("{method} {path}: {code}: {}", String::from_utf8_lossy(&answer.whole().await?)))
    }

    /// Sends a request, reads all of the answer, and returns its length in bytes.
    ///
    /// # Errors
    /// As [`Api::open`].
    pub async fn drain(&self, method: &str, path: &str, body: Option<(&str, Bytes)>) -> Result<u64, String> {
        let mut answer = self.open(method, path, body).await?;
        let mut length = 0;
        while let Some(part) = answer.next().await {
            length += part.map_err(|error| format!("{method} {path}: {error}"))?.len() as u64;
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
        match self.send("GET", path, None).await?.0 {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            other => Err(format!("GET {path}: {other}")),
        }
    }
}

async fn parse(answer: Answer) -> Result<Value, String> {
    serde_json::from_slice(&answer.whole().await?).map_err(|error| error.to_string())
}

/// The body of an answer.
pub struct Answer(RecvStream);

impl Answer {
    /// The next part of it; `None` at its end.
    pub async fn next(&mut self) -> Option<Result<Bytes, String>> {
        let part = self.0.data().await?;
        // What has been read makes room for more.
        let part = part.and_then(|part| self.0.flow_control().release_capacity(part.len()).map(|()| part));
        Some(part.map_err(|error| error.to_string()))
    }

    /// All of it.
    async fn whole(mut self) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        while let Some(part) = self.next().await {
            all.extend_from_slice(&part?);
        }
        Ok(all)
    }
}

pub(crate) fn tls(access: &Access, protocol: &str) -> Result<ClientConfig, String> {
    let pem = |what: &str, error: rustls::pki_types::pem::Error| format!("{what}: {error}");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&access.authority) {
        let certificate = certificate.map_err(|error| pem("certificate-authority", error))?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    // In the order of client-go.
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
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
