//! TLS to the mail server: whom to trust, and what a failed handshake means.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::TlsConnector;

use super::settings::RelayFault;
use super::verdict::{SendError, fit};

/// A TLS client with its roots.
#[derive(Clone)]
pub(crate) struct Connector(pub(crate) TlsConnector);

/// Trusts the authorities in `ca_file` alone, or without one those of the system.
pub(crate) fn connector(ca_file: Option<&Path>) -> Result<Connector, RelayFault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = |e: rustls::Error| RelayFault::Tls(e.to_string());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(tls)?;
    let builder = match ca_file {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None => builder.with_platform_verifier().map_err(tls)?,
    };
    Ok(Connector(TlsConnector::from(Arc::new(builder.with_no_client_auth()))))
}

/// Every certificate of the file must be usable: a trust anchor that is skipped in silence is found out at night.
fn roots(path: &Path) -> Result<RootCertStore, RelayFault> {
    let fault = |words: String| RelayFault::CaFile { path: path.to_owned(), words };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| fault(e.to_string()))? {
        let certificate = certificate.map_err(|e| fault(e.to_string()))?;
        roots.add(certificate).map_err(|e| fault(e.to_string()))?;
    }
    if roots.is_empty() { Err(fault("it holds no certificate".to_owned())) } else { Ok(roots) }
}

/// A certificate that is not accepted, or a peer that speaks no TLS, will be so tomorrow; a cut connection may not.
pub(crate) fn fault(error: &io::Error) -> SendError {
    let words = format!("TLS: {}", fit(&error.to_string(), &[]));
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(_) => SendError::Configuration { code: None, words },
        None => SendError::Transient { code: None, about_us: true, words },
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
