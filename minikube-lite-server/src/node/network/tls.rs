//! TLS as clients within the cluster speak it.

use super::Connection;
use std::io;
use std::sync::{Arc, LazyLock};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Whose certificates are good.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// Whatever a server shows.
    Anybody,
    /// Those that one of these authorities has signed, in PEM form, and that are for the host.
    Authorities(&'a [u8]),
}

/// Begins TLS on a connection to `host`.
///
/// # Errors
/// `InvalidData`, with a [`tokio_rustls::rustls::Error`] inside, when the server does not speak it or is not trusted.
pub async fn connect(stream: Connection, host: &str, trust: Trust<'_>) -> io::Result<Connection> {
    /// The same for all who trust anybody.
    static OPEN: LazyLock<Result<Arc<ClientConfig>, Error>> = LazyLock::new(|| config(Trust::Anybody));
    let config = match trust {
        Trust::Anybody => OPEN.clone(),
        Trust::Authorities(_) => config(trust),
    };
    let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(config.map_err(io::Error::other)?).connect(name, stream).await?))
}

fn config(trust: Trust<'_>) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let config = match trust {
        Trust::Anybody => config.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        Trust::Authorities(pem) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
            config.with_root_certificates(roots)
        }
    };
    Ok(Arc::new(config.with_no_client_auth()))
}

/// Checks that the server has the key of its certificate, and nothing else.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
