//! Whoever asks, and how they have proven it: the token of loopback, or the names in a certificate.
//!
//! Nothing that a caller sends is said back or logged, but the name in a certificate that the authority signed.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use parvis_protocol::base64;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::keys::Token;

/// Whoever is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Somebody on this machine: each request has to bring the token.
    Local,
    /// Whoever holds a certificate that may ask, by its first name.
    Certified(String),
    /// Whoever holds a certificate of the authority's, but not one that may ask.
    Stranger(String),
}

/// Why a request is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheard {
    /// No token, or another.
    Token,
    /// The certificate's names are not among those that may ask.
    Name,
}

impl Caller {
    /// From the certificate that the handshake has verified.
    pub fn certified(certificate: Option<&CertificateDer<'_>>, allowed: &[String]) -> Self {
        let names = certificate.map(names).unwrap_or_default();
        let known = names.iter().find(|name| allowed.contains(name)).cloned();
        let first = names.into_iter().next().unwrap_or_else(|| "(no name)".to_owned());
        match known {
            Some(name) => Self::Certified(name),
            None if allowed.is_empty() && certificate.is_some() => Self::Certified(first),
            None => Self::Stranger(first),
        }
    }

    /// Whether a request with these headers is heard.
    pub fn heard(&self, headers: &HeaderMap, token: Option<&Token>) -> Result<(), Unheard> {
        match self {
            Self::Certified(_) => Ok(()),
            Self::Stranger(_) => Err(Unheard::Name),
            Self::Local => match (token, said(headers)) {
                (Some(token), Some(said)) if token.is(&said) => Ok(()),
                _ => Err(Unheard::Token),
            },
        }
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("loopback"),
            Self::Certified(name) | Self::Stranger(name) => f.write_str(name),
        }
    }
}

/// The DNS names of a certificate, in lower case.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let parsed = webpki::EndEntityCert::try_from(certificate);
    parsed.map(|parsed| parsed.valid_dns_names().map(str::to_ascii_lowercase).collect()).unwrap_or_default()
}

/// The token that a request brings: of Bearer, or the password of Basic. None where there are two such headers.
fn said(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, rest) = only.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Zeroizing::new(base64::decode(rest)?);
    let pair = std::str::from_utf8(&pair).ok()?;
    pair.split_once(':').map(|(_, password)| Zeroizing::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, line.parse().unwrap());
        }
        said(&headers).map(|said| said.to_string())
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_the_password_of_basic() {
        assert_eq!(brought(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(brought(&["bearer  abc "]).as_deref(), Some("abc"));
        let basic = format!("Basic {}", base64::encode(b"cas:a:c"));
        assert_eq!(brought(&[&basic]).as_deref(), Some("a:c"));
        let nobody = format!("Basic {}", base64::encode(b":abc"));
        assert_eq!(brought(&[&nobody]).as_deref(), Some("abc"));
        for wrong in ["abc", "Digest abc", "Basic abc", "Basic !!!!", "Basic YWJj", ""] {
            assert_eq!(brought(&[wrong]), None, "{wrong}");
        }
        assert_eq!(brought(&["Bearer abc", "Bearer abc"]), None, "two are one too many");
        assert_eq!(brought(&[]), None);
    }

    #[test]
    fn no_certificate_is_nobody_even_where_every_name_may_ask() {
        assert!(matches!(Caller::certified(None, &[]), Caller::Stranger(_)));
    }
}
