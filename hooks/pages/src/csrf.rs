//! Whether a form was sent from our own page, by a person who saw it in this browser.
//!
//! Two answers must agree: the browser's (`Sec-Fetch-Site`, or `Origin` where an old browser has not that), and the
//! form's own, a keyed digest under a secret that is in a cookie of this host alone. Nothing is kept here, so a
//! restart breaks no form.

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The name of the form's field.
pub const FIELD: &str = "form";

/// What each form carries.
pub fn token(secret: &str) -> String {
    crate::assets::hex(&keyed(secret).finalize().into_bytes())
}

fn keyed(secret: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.chain_update(b"parvis-pages: form")
}

/// Whether a form carries what belongs to the secret; compared in constant time.
pub fn holds(secret: Option<&str>, token: Option<&str>) -> bool {
    let (Some(secret), Some(token)) = (secret, token) else { return false };
    unhex(token).is_some_and(|bytes| keyed(secret).verify_slice(&bytes).is_ok())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Whether the browser says that the request comes from our own pages.
pub fn same_origin(headers: &HeaderMap, own: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(ORIGIN.as_str()).map(|origin| origin == own);
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin" && origin != Some(false),
        None => origin == Some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_one_secret() {
        let token = token("one");
        assert!(holds(Some("one"), Some(&token)));
        for (secret, token) in [
            (Some("two"), Some(token.as_str())),
            (None, Some(&token)),
            (Some("one"), None),
            (Some("one"), Some("")),
        ] {
            assert!(!holds(secret, token));
        }
        assert!(!holds(Some("one"), Some(&"é".repeat(32))));
    }

    #[test]
    fn another_site_is_another_site() {
        let own = "https://activation.univ.example";
        for (site, origin, wanted) in [
            (Some("same-origin"), Some(own), true),
            (Some("same-origin"), None, true),
            (Some("same-origin"), Some("https://evil.example"), false),
            (Some("same-site"), Some("https://www.univ.example"), false),
            (Some("cross-site"), Some(own), false),
            (None, Some(own), true),
            (None, Some("null"), false),
            (None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            site.map(|site| headers.insert("sec-fetch-site", site.parse().unwrap()));
            origin.map(|origin| headers.insert(ORIGIN, origin.parse().unwrap()));
            assert_eq!(same_origin(&headers, own), wanted, "{site:?} {origin:?}");
        }
    }
}
