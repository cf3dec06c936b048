//! Requests over a few shared HTTP/2 connections.

use super::http2::{Connection, Request, Response};
use super::kubeconfig::Access;
use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CipherSuite, ClientConfig, RootCertStore};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpStream;

/// A server under load.
pub struct Api {
    connections: Vec<Connection>,
    next: AtomicUsize,
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
        let tls = Arc::new(tls(access, "h2")?);
        let mut opened = Vec::new();
        for _ in 0..connections {
            let problem = |error: std::io::Error| format!("cannot connect to {address}: {error}");
            let stream = TcpStream::connect(&address).await.map_err(problem)?;
            stream.set_nodelay(true).map_err(problem)?;
            opened.push(Connection::open(stream, tls.clone(), name.clone(), authority).await.map_err(problem)?);
        }
        let authorization = access.token.as_ref().map(|token| format!("Bearer {token}"));
        Ok(Api { connections: opened, next: AtomicUsize::new(0), authorization })
    }

    /// Sends a request; a body goes with its media type. The bytes of a success are kept if asked for.
    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, Bytes)>,
        keep: bool,
    ) -> Result<Response, String> {
        let mut fields = vec![("accept", "application/json")];
        if let Some(authorization) = &self.authorization {
            fields.push(("authorization", authorization));
        }
        if let Some((media, _)) = body {
            fields.push(("content-type", media));
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let request = Request { method, path, fields: &fields, body: body.map(|(_, bytes)| bytes), keep };
        self.connections[turn].send(request).await.map_err(|error| format!("{method} {path}: {error}"))
    }

    /// Sends a request that must succeed.
    async fn succeed(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, Bytes)>,
        keep: bool,
    ) -> Result<Response, String> {
        let response = self.send(method, path, body, keep).await?;
        let status = response.status;
        if status < 300 {
            return Ok(response);
        }
        let said = Answer(response).whole().await?;
        Err(format!("{method} {path}: {status}: {}", String::from_utf8_lossy(&said)))
    }

    /// Sends a request that must succeed, and lets the caller read the answer as it comes.
    ///
    /// # Errors
    /// One line, with what the server said.
    pub async fn open(&self, method: &str, path: &str, body: Option<(&str, Bytes)>) -> Result<Answer, String> {
        self.succeed(method, path, body, true).await.map(Answer)
    }

    /// Sends a request, waits for all of the answer, and returns its length in bytes.
    ///
    /// # Errors
    /// As [`Api::open`].
    pub async fn drain(&self, method: &str, path: &str, body: Option<(&str, Bytes)>) -> Result<u64, String> {
        let response = self.succeed(method, path, body, false).await?;
        response.end().await.map_err(|error| format!("{method} {path}: {error}"))
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
        match self.send("GET", path, None, true).await?.status {
            200 => Ok(true),
            404 => Ok(false),
            other => Err(format!("GET {path}: {other}")),
        }
    }
}

async fn parse(answer: Answer) -> Result<Value, String> {
    serde_json::from_slice(&answer.whole().await?).map_err(|error| error.to_string())
}

/// The body of an answer.
pub struct Answer(Response);

impl Answer {
    /// The next part of it; `None` at its end.
    pub async fn next(&mut self) -> Option<Result<Bytes, String>> {
        self.0.next().await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;
    use crate::load::kubeconfig;
    use serde_json::json;

    /// Bodies that are longer than frames and than what may be sent unasked, either way.
    #[tokio::test]
    async fn long_bodies_wait_for_the_other_side() {
        let server = Server::start(&[]);
        let access = kubeconfig::read(&server.kubeconfig()).unwrap();
        let api = Api::connect(&access, 1).await.unwrap();
        let path = "/api/v1/namespaces/default/configmaps";
        let text: String = ('a'..='z').cycle().take(900_000).collect();
        let each = (0..6).map(|number| {
            let object = json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": format!("long-{number}"), "labels": {"long": "yes"}},
                "data": {"text": text},
            });
            let api = &api;
            async move { api.json("POST", path, &object).await.unwrap() }
        });
        futures_util::future::join_all(each).await;
        let list = format!("{path}?labelSelector=long");
        let answer = api.open("GET", &list, None).await.unwrap().whole().await.unwrap();
        assert!(answer.len() > 5_400_000);
        assert_eq!(api.drain("GET", &list, None).await.unwrap(), answer.len() as u64);
        let list: Value = serde_json::from_slice(&answer).unwrap();
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), 6);
        assert!(items.iter().all(|item| item["data"]["text"] == *text));

        // What is given up halfway takes nothing from what follows.
        for _ in 0..5 {
            let mut given_up = api.open("GET", path, None).await.unwrap();
            given_up.next().await.unwrap().unwrap();
        }
        assert!(api.exists(&format!("{path}/long-1")).await.unwrap());
        assert!(!api.exists(&format!("{path}/short")).await.unwrap());
        let refused = api.drain("GET", &format!("{path}/short"), None).await.unwrap_err();
        assert!(refused.contains("404") && refused.contains("configmaps \\\"short\\\" not found"), "{refused}");
        drop(server);
        let gone = api.drain("GET", path, None).await.unwrap_err();
        assert!(gone.contains("GET /api/v1/namespaces/default/configmaps: "), "{gone}");
    }
}
