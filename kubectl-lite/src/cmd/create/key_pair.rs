//! Whether a certificate and a key belong together.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

/// Checks a pair in PEM.
///
/// # Errors
/// What is wrong with it, in the words of Go's `crypto/tls`.
pub fn check(certificate: &[u8], key: &[u8]) -> Result<(), String> {
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate).filter_map(Result::ok).collect();
    if certificates.is_empty() {
        return Err(match has_key(certificate) {
            true => {
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs \
                     may have been switched"
                    .into()
            }
            false => "tls: failed to find any PEM data in certificate input".into(),
        });
    }
    let Ok(key_der) = PrivateKeyDer::from_pem_slice(key) else {
        return Err(match CertificateDer::pem_slice_iter(key).any(|found| found.is_ok()) {
            true => "tls: found a certificate rather than a key in the PEM for the private key".into(),
            false => "tls: failed to find any PEM data in key input".into(),
        });
    };
    let signing = rustls::crypto::ring::sign::any_supported_type(&key_der)
        .map_err(|_| "tls: failed to parse private key".to_string())?;
    let kind = signing.algorithm();
    match CertifiedKey::new(certificates.clone(), signing).keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(Error::InconsistentKeys(_)) => {
            Err(match is_rsa(&certificates[0]) == (kind == rustls::SignatureAlgorithm::RSA) {
                true => "tls: private key does not match public key".into(),
                false => "tls: private key type does not match public key type".into(),
            })
        }
        Err(error) => Err(format!("tls: failed to parse certificate: {error}")),
    }
}

fn has_key(pem: &[u8]) -> bool {
    PrivateKeyDer::from_pem_slice(pem).is_ok()
}

/// Whether a certificate's key is one of RSA: its object identifier, 1.2.840.113549.1.1.1, stands in it.
fn is_rsa(certificate: &CertificateDer<'_>) -> bool {
    const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    certificate.windows(RSA.len()).any(|window| window == RSA)
}
