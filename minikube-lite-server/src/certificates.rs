//! The cluster's certificate authority and the server's certificate, made once for a data folder.

use crate::files;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{CipherSuite, ServerConfig};

/// The authority's certificate in PEM form, and TLS ready for use.
pub struct Certificates {
    pub authority: String,
    pub tls: Arc<ServerConfig>,
}

/// Names under which the API server is reached from inside a cluster.
const NAMES: &[&str] = &[
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Loads the authority from `folder`, or makes it, and issues a certificate for `addresses`.
///
/// # Errors
/// One line for the user.
pub fn prepare(folder: &Path, addresses: &[IpAddr]) -> Result<Certificates, String> {
    let (authority, issuer) = load_or_make_authority(folder)?;
    let failed = |problem: rcgen::Error| format!("cannot make a certificate: {problem}");
    let key = KeyPair::generate().map_err(failed)?;
    let names: Vec<String> =
        NAMES.iter().map(ToString::to_string).chain(addresses.iter().map(ToString::to_string)).collect();
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
    let private =
        PrivateKeyDer::try_from(key.serialize_der()).map_err(|problem| format!("cannot use a key: {problem}"))?;
    let unusable = |problem: tokio_rustls::rustls::Error| format!("cannot set up TLS: {problem}");
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    Ok(Certificates { authority, tls: Arc::new(config) })
}

/// The cipher suites, AES-128 first as in Go's TLS, which is quicker on long lists.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

fn load_or_make_authority(folder: &Path) -> Result<(String, Issuer<'static, KeyPair>), String> {
    let (certificate_file, key_file) = (folder.join("ca.crt"), folder.join("ca.key"));
    let damaged =
        |problem: String| format!("the certificate authority in {} cannot be used: {problem}", folder.display());
    if let (Some(certificate), Some(key)) = (files::read_optional(&certificate_file)?, files::read_optional(&key_file)?)
    {
        CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|problem| damaged(problem.to_string()))?;
        let key = KeyPair::from_pem(&key).map_err(|problem| damaged(problem.to_string()))?;
        return Ok((certificate, Issuer::new(authority_params(), key)));
    }
    let key = KeyPair::generate().map_err(|problem| damaged(problem.to_string()))?;
    let params = authority_params();
    let certificate = params.self_signed(&key).map_err(|problem| damaged(problem.to_string()))?.pem();
    files::write_private(&key_file, &key.serialize_pem())?;
    files::write_private(&certificate_file, &certificate)?;
    Ok((certificate, Issuer::new(authority_params(), key)))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "minikube-lite-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    params
}
