//! TLS: the certificates of a configuration, and connections that begin with it.

use super::config::Config;
use super::site::Running;
use super::syntax::{Directive, Mistake};
use crate::node::network::Accepted;
use crate::node::runtime::files::Files;
use crate::node::runtime::images::http as web;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

/// How long a client may take over the handshake (`client_header_timeout`).
const HANDSHAKE: Duration = Duration::from_secs(60);

/// How TLS is spoken on the ports where a configuration wants it. The first server of a port has its certificate shown.
///
/// # Errors
/// A certificate that is missing or cannot be used.
pub fn acceptors(files: &Files, config: &Config) -> Result<HashMap<u16, TlsAcceptor>, Mistake> {
    let mut acceptors = HashMap::new();
    for server in &config.servers {
        for listen in server.listens.iter().filter(|listen| listen.tls) {
            if acceptors.contains_key(&listen.port) {
                continue;
            }
            let (Some(certificate), Some(key)) = (&server.scope.certificate, &server.scope.key) else {
                let missing =
                    if server.scope.certificate.is_none() { "ssl_certificate" } else { "ssl_certificate_key" };
                let message = format!("no \"{missing}\" is defined for the \"listen ... ssl\" directive");
                return Err(server.at.mistake(message));
            };
            acceptors.insert(listen.port, acceptor(files, certificate, key)?);
        }
    }
    Ok(acceptors)
}

fn acceptor(files: &Files, certificate: &Directive, key: &Directive) -> Result<TlsAcceptor, Mistake> {
    let read = |directive: &Directive, what: &str| {
        let path = directive.arg();
        let path = if path.starts_with('/') { path.to_string() } else { format!("/etc/nginx/{path}") };
        let absent = |_| {
            // The mistake is not of a line: it is found when the configuration has been read.
            let message = format!(
                "cannot load {what} \"{path}\": BIO_new_file() failed (SSL: error:80000002:system library::No such file or \
                 directory:calling fopen({path}, r) error:10000080:BIO routines::no such file)"
            );
            Mistake { message, file: String::new(), line: 0 }
        };
        files.read(&path).map_err(absent).map(|pem| (path.clone(), pem))
    };
    let no_pem = |what: &str, path: &str| Mistake {
        message: format!(
            "cannot load {what} \"{path}\": PEM_read_bio() failed (SSL: error:0480006C:PEM routines::no start line)"
        ),
        file: String::new(),
        line: 0,
    };
    let (path, pem) = read(certificate, "certificate")?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
    if chain.is_empty() {
        return Err(no_pem("certificate", &path));
    }
    let (path, pem) = read(key, "certificate key")?;
    let secret = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| no_pem("certificate key", &path))?;
    let unusable = |why| Mistake {
        message: format!("SSL_CTX_use_PrivateKey(\"{path}\") failed ({why})"),
        file: String::new(),
        line: 0,
    };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(unusable)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves one connection to its end.
pub async fn serve(acceptor: TlsAcceptor, accepted: Accepted, running: Arc<Running>, draining: CancellationToken) {
    let Accepted { stream, local, peer, requests } = accepted;
    // Who fails at it, or takes too long, is dropped.
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let accepted = Accepted { stream: Box::new(stream), local, peer, requests };
    web::serve_as("https", accepted, running, draining).await;
}
