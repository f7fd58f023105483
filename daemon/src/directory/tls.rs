//! Whom to trust: the one place that builds a TLS configuration for the directory.
//!
//! It never turns verification off, and it names its cryptography itself, so that two providers in one program cannot
//! make a connection panic.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;

/// Trust the authorities in `file`; without one, the system's. The error is words for the sysadmin.
pub(super) fn client(file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let config = match file {
        Some(file) => builder.with_root_certificates(roots(file)?),
        None => builder
            .with_platform_verifier()
            .map_err(|error| format!("the system's certificate authorities cannot be used: {error}"))?,
    };
    Ok(Arc::new(config.with_no_client_auth()))
}

fn roots(file: &Path) -> Result<RootCertStore, String> {
    let name = file.display();
    let mut roots = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(file).map_err(|error| format!("{name} cannot be read: {error}"))?
    {
        let certificate = certificate.map_err(|error| format!("{name} is not PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("{name} holds a certificate that cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("{name} holds no certificate"));
    }
    Ok(roots)
}
