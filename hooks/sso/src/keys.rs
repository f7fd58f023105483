//! The token and the certificates: read at start and again on SIGHUP, checked before anything relies on them.
//!
//! A token is kept as its digest only, and compared in a time that does not depend on it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::settings::{Settings, Tls};

/// The fewest characters of a token.
const SHORTEST: usize = 32;
/// The most.
const LONGEST: usize = 1024;
/// The largest file of certificates.
const LARGEST: u64 = 1024 * 1024;

/// What proves a caller, and us to them.
#[derive(Debug, Default)]
pub struct Keys {
    /// For loopback.
    pub token: Option<Token>,
    /// For TLS.
    pub tls: Option<Arc<ServerConfig>>,
}

/// A token, as its digest.
pub struct Token([u8; 32]);

impl Token {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether this is the token.
    pub fn is(&self, said: &str) -> bool {
        self.0.ct_eq(&Self::of(said).0).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Reads all that the settings name: every fault, or all of it.
pub fn read(settings: &Settings) -> Result<Keys, Vec<String>> {
    let mut faults = Vec::new();
    let mut keys = Keys::default();
    if let Some(loopback) = &settings.loopback {
        match token(&loopback.token) {
            Ok(token) => keys.token = Some(token),
            Err(why) => faults.push(format!("loopback.token-file: {}: {why}", loopback.token.display())),
        }
    }
    if let Some(tls) = &settings.tls {
        match server(tls) {
            Ok(config) => keys.tls = Some(Arc::new(config)),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(keys) } else { Err(faults) }
}

fn token(path: &Path) -> Result<Token, String> {
    private(path)?;
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| error.to_string())?);
    let text = text.trim_ascii_end();
    match text.len() {
        ..SHORTEST => Err(format!("a token has at least {SHORTEST} characters (openssl rand -hex 32)")),
        SHORTEST..=LONGEST if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Token::of(text)),
        SHORTEST..=LONGEST => Err("a token is one word: ASCII, no space".to_owned()),
        _ => Err(format!("a token has at most {LONGEST} characters")),
    }
}

/// A secret that every user of the machine can read is none.
fn private(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(format!("every user can read it (mode {:o}): chmod o-rwx", metadata.mode() & 0o7777));
    }
    small(&metadata)
}

fn small(metadata: &std::fs::Metadata) -> Result<(), String> {
    if !metadata.is_file() {
        return Err("this is no file".to_owned());
    }
    if metadata.len() > LARGEST { Err("more than 1 MiB".to_owned()) } else { Ok(()) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    small(&std::fs::metadata(path).map_err(|error| error.to_string())?)?;
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err("it holds no certificate (PEM)".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

fn server(tls: &Tls) -> Result<ServerConfig, Vec<String>> {
    let mut faults = Vec::new();
    let mut say =
        |key: &str, path: &Path, why: String| faults.push(format!("{key}: {}: {why}", path.display()));
    let chain =
        certificates(&tls.certificate).map_err(|why| say("tls.certificate", &tls.certificate, why)).ok();
    let key = private(&tls.key)
        .and_then(|()| PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| error.to_string()))
        .map_err(|why| say("tls.key", &tls.key, why))
        .ok();
    let roots = certificates(&tls.client_ca)
        .and_then(|found| roots(found).map_err(|error| error.to_string()))
        .map_err(|why| say("tls.client-ca", &tls.client_ca, why))
        .ok();
    let (Some(chain), Some(key), Some(roots)) = (chain, key, roots) else { return Err(faults) };
    let joined = configured(chain, key, roots);
    joined.map_err(|why| vec![format!("tls.certificate, tls.key, tls.client-ca: {why}")])
}

fn roots(found: Vec<CertificateDer<'static>>) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in found {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn configured(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: RootCertStore,
) -> Result<ServerConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?.with_client_cert_verifier(verifier);
    let mut config = builder.with_single_cert(chain, key).map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_token_is_long_one_word_and_private() {
        let good = "0123456789abcdef0123456789abcdef";
        let (_dir, path) = file(&format!("{good}\n"), 0o640);
        let token = token(&path).unwrap();
        assert!(token.is(good));
        for other in ["", "0123456789abcdef0123456789abcdeg", "0123456789abcdef0123456789abcdef0", "0"] {
            assert!(!token.is(other), "{other}");
        }
        assert!(!format!("{token:?}").contains("0123"));
        for (text, mode, why) in [
            ("short", 0o600, "at least"),
            ("0123456789abcdef 0123456789abcdef", 0o600, "one word"),
            (good, 0o644, "every user"),
            ("", 0o600, "at least"),
        ] {
            let (_dir, path) = file(text, mode);
            let said = super::token(&path).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
