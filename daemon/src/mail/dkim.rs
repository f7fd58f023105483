//! DKIM: a signature of the sender's domain over our own messages (RFC 6376; Ed25519 by RFC 8463).
//!
//! The same message and date give the same signature: nothing in it is random, and the time is the letter's. It knows
//! neither where the key comes from nor when to sign.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::address::Address;

/// What signs: a domain, a selector, and the key whose public half stands in the DNS.
pub struct Signer {
    domain: String,
    selector: String,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// Why nothing can be signed. No text holds anything of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DkimFault {
    /// No name in the DNS.
    #[error(
        "{0:?} is no selector: letters, digits and hyphens, with dots between them (RFC 6376 section 3.1)"
    )]
    Selector(String),
    /// No name in the DNS.
    #[error("{0:?} is no domain such as univ.example")]
    Domain(String),
    /// Not a private key, or not one that signs mail.
    #[error("{0}: a PEM file is wanted, as of openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048")]
    Key(&'static str),
}

/// The fields that are signed, where the message has them; and whether it may have one only. Of those, one more than
/// there are is signed, so that nobody can add a second (RFC 6376 section 8.15).
const SIGNED: [(&str, bool); 12] = [
    ("from", true),
    ("to", true),
    ("subject", true),
    ("date", true),
    ("message-id", true),
    ("reply-to", true),
    ("mime-version", true),
    ("content-type", true),
    ("content-language", false),
    ("auto-submitted", false),
    ("x-auto-response-suppress", false),
    ("feedback-id", false),
];
/// The longest line of the header, before its folding space.
const LINE: usize = 72;

impl Signer {
    /// Reads the key: RSA of 2048 bits to 8192 (PKCS#8, or PKCS#1), or Ed25519 (PKCS#8).
    ///
    /// # Errors
    /// The first fault of the three.
    pub fn new(selector: &str, domain: &str, pem: &str) -> Result<Self, DkimFault> {
        if !is_selector(selector) {
            return Err(DkimFault::Selector(selector.to_owned()));
        }
        let domain = Address::parse(&format!("x@{domain}"))
            .map(|address| address.domain().to_owned())
            .map_err(|_| DkimFault::Domain(domain.to_owned()))?;
        Ok(Self { domain, selector: selector.to_ascii_lowercase(), key: key(pem)? })
    }

    /// Whose signature it is (`d=`), in ASCII and lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// `rsa-sha256` or `ed25519-sha256`.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        }
    }

    /// Where the public half has to stand in the DNS.
    #[must_use]
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// What has to stand there, as a TXT record (RFC 6376 section 3.6.1).
    #[must_use]
    pub fn record(&self) -> String {
        match &self.key {
            Key::Rsa(key) => {
                // An RSA key that signs has a public half that can be written; an empty one would revoke it.
                let der: Result<PublicKeyX509Der<'_>, _> = key.public_key().as_der();
                format!(
                    "v=DKIM1; k=rsa; p={}",
                    der.map(|der| BASE64.encode(der.as_ref())).unwrap_or_default()
                )
            }
            Key::Ed25519(key) => format!("v=DKIM1; k=ed25519; p={}", BASE64.encode(key.public_key())),
        }
    }

    /// The header that goes before the message, with its line end; `None` where the message has no end of its header or
    /// the key does not sign.
    pub(crate) fn header(&self, message: &[u8], date: Timestamp) -> Option<Vec<u8>> {
        let end = message.windows(4).position(|four| four == b"\r\n\r\n")?;
        let (head, body) = (message.get(..end + 2)?, message.get(end + 4..)?);
        let fields = fields(head);
        let (names, mut signed) = chosen(&fields);
        let unsigned = self.unsigned(&names, &BASE64.encode(Sha256::digest(relaxed_body(body))), date);
        signed.extend_from_slice(relaxed_field(unsigned.as_bytes()).as_slice());
        let signature = BASE64.encode(self.key.sign(&signed)?);
        let mut header = unsigned;
        for (at, piece) in pieces(&signature, LINE).enumerate() {
            header.push_str(if at == 0 { "" } else { "\r\n " });
            header.push_str(piece);
        }
        header.push_str("\r\n");
        Some(header.into_bytes())
    }

    /// The header up to `b=`, which is empty while the signature is made.
    fn unsigned(&self, names: &[&str], body: &str, date: Timestamp) -> String {
        let mut text = format!(
            "DKIM-Signature: v=1; a={}; c=relaxed/relaxed; t={};\r\n d={};\r\n s={};\r\n h=",
            self.algorithm(),
            date.as_second(),
            self.domain,
            self.selector
        );
        let mut room = LINE.saturating_sub(2);
        for (at, name) in names.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            if name.len() + colon.len() > room {
                text.push_str(colon);
                text.push_str("\r\n ");
                room = LINE;
            } else {
                text.push_str(colon);
                room -= colon.len();
            }
            text.push_str(name);
            room = room.saturating_sub(name.len());
        }
        text.push_str(&format!(";\r\n bh={body};\r\n b="));
        text
    }
}

impl Key {
    fn sign(&self, data: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                // aws-lc-rs takes the source of randomness for ring's sake, and does not use it: PKCS #1 v1.5 has none.
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature).ok()?;
                Some(signature)
            }
            // RFC 8463 section 3: Ed25519 over the SHA-256 of what is signed.
            Self::Ed25519(key) => Some(key.try_sign(&Sha256::digest(data)).ok()?.as_ref().to_vec()),
        }
    }
}

fn key(pem: &str) -> Result<Key, DkimFault> {
    let rejected = "the key is neither RSA of 2048 to 8192 bits nor Ed25519";
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der())
            .map(|key| Key::Rsa(Box::new(key)))
            .map_err(|_| DkimFault::Key(rejected)),
        Ok(PrivateKeyDer::Pkcs8(der)) => {
            let der = der.secret_pkcs8_der();
            let rsa = RsaKeyPair::from_pkcs8(der).map(|key| Key::Rsa(Box::new(key)));
            rsa.or_else(|_| Ed25519KeyPair::from_pkcs8(der).map(|key| Key::Ed25519(Box::new(key))))
                .map_err(|_| DkimFault::Key(rejected))
        }
        Ok(_) => Err(DkimFault::Key(rejected)),
        Err(_) if pem.contains("ENCRYPTED") => {
            Err(DkimFault::Key("the key has a passphrase, and nobody to ask for it"))
        }
        Err(_) => Err(DkimFault::Key("there is no whole private key in the file")),
    }
}

fn is_selector(text: &str) -> bool {
    let label = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 128 && text.split('.').all(label)
}

/// The header's fields, each with the lines that continue it.
fn fields(head: &[u8]) -> Vec<Vec<u8>> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        match fields.last_mut() {
            Some(field) if line.first().is_some_and(|first| blank(*first)) => field.extend_from_slice(line),
            _ => fields.push(line.to_vec()),
        }
    }
    fields
}

/// The names that are signed, as they stand in `h=`, and the fields themselves, relaxed, each with its line end.
fn chosen(fields: &[Vec<u8>]) -> (Vec<&'static str>, Vec<u8>) {
    let (mut names, mut signed) = (Vec::new(), Vec::new());
    for (name, only_one) in SIGNED {
        // From the last to the first (RFC 6376 section 5.4.2).
        let found = fields.iter().rev().filter(|field| named(field, name));
        let before = names.len();
        for field in found {
            names.push(name);
            signed.extend_from_slice(&relaxed_field(field));
            signed.extend_from_slice(b"\r\n");
        }
        if only_one || names.len() > before {
            names.extend(only_one.then_some(name));
        }
    }
    (names, signed)
}

fn named(field: &[u8], name: &str) -> bool {
    let found = field.split(|byte| *byte == b':').next().unwrap_or_default();
    found.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes())
}

/// RFC 6376 section 3.4.2, without the line end.
fn relaxed_field(field: &[u8]) -> Vec<u8> {
    let colon = field.iter().position(|byte| *byte == b':').unwrap_or(field.len());
    let (name, value) = field.split_at(colon);
    let mut relaxed = name.trim_ascii().to_ascii_lowercase();
    relaxed.push(b':');
    let unfolded: Vec<u8> = value.iter().skip(1).copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    relaxed.extend_from_slice(single_spaced(&unfolded).trim_ascii());
    relaxed
}

/// RFC 6376 section 3.4.4.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut relaxed = Vec::with_capacity(body.len());
    // Empty lines wait until one follows that is not.
    let mut empty = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = single_spaced(line.strip_suffix(b"\r").unwrap_or(line));
        let line = line.strip_suffix(b" ").unwrap_or(&line);
        if line.is_empty() {
            empty += 1;
            continue;
        }
        relaxed.extend(b"\r\n".repeat(empty));
        empty = 0;
        relaxed.extend_from_slice(line);
        relaxed.extend_from_slice(b"\r\n");
    }
    relaxed
}

/// Each run of spaces and tabs as one space.
fn single_spaced(text: &[u8]) -> Vec<u8> {
    let mut single = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            byte if !blank(*byte) => single.push(*byte),
            _ if single.last() == Some(&b' ') => {}
            _ => single.push(b' '),
        }
    }
    single
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// ASCII text in pieces of a length.
fn pieces(text: &str, length: usize) -> impl Iterator<Item = &str> {
    (0..text.len()).step_by(length).filter_map(move |at| text.get(at..text.len().min(at + length)))
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} by {})", self.record_name(), self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8463, appendix A.2: its key, under which nothing is published.
    const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

    #[test]
    fn the_key_of_rfc_8463_has_the_record_and_the_signature_that_it_prints() {
        let signer = Signer::new("brisbane", "football.example.com", ED25519).unwrap();
        assert_eq!(signer.record_name(), "brisbane._domainkey.football.example.com");
        assert_eq!(signer.record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        let body = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
        assert_eq!(
            BASE64.encode(Sha256::digest(relaxed_body(body.as_bytes()))),
            "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
        );
        let fields = [
            "From: Joe SixPack <joe@football.example.com>\r\n",
            "To: Suzie Q <suzie@shopping.example.net>\r\n",
            "Subject: Is dinner ready?\r\n",
            "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
            "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n",
        ];
        let mut signed: Vec<u8> = Vec::new();
        for field in fields {
            signed.extend(relaxed_field(field.as_bytes()));
            signed.extend(b"\r\n");
        }
        let own = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; \
            i=@football.example.com;\r\n q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : \
            message-id : from : subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
        signed.extend(relaxed_field(own.as_bytes()));
        assert_eq!(
            BASE64.encode(signer.key.sign(&signed).unwrap()),
            "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
        );
    }

    #[test]
    fn spaces_and_empty_lines_are_relaxed_as_rfc_6376_has_it() {
        // Section 3.4.5.
        assert_eq!(relaxed_field(b"A: X\r\n"), b"a:X");
        assert_eq!(relaxed_field(b"B : Y\t\r\n\tZ  \r\n"), b"b:Y Z");
        assert_eq!(relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
        for (body, relaxed) in
            [(&b""[..], &b""[..]), (b"\r\n\r\n", b""), (b"a", b"a\r\n"), (b" \r\na\r\n", b"\r\na\r\n")]
        {
            assert_eq!(relaxed_body(body), relaxed, "{body:?}");
        }
    }

    #[test]
    fn a_broken_key_a_selector_and_a_domain_are_refused_in_words() {
        let fault = |selector: &str, domain: &str, pem: &str| {
            Signer::new(selector, domain, pem).unwrap_err().to_string()
        };
        for selector in ["", "a b", "a_b", "-a", "a.", "é", &"a".repeat(64)] {
            assert!(fault(selector, "univ.example", ED25519).contains("is no selector"), "{selector}");
        }
        for domain in ["", "univ", "a b.example", "[192.0.2.1]", "univ.example; x=y"] {
            assert!(fault("a", domain, ED25519).contains("is no domain"), "{domain}");
        }
        let cut = ED25519.get(..60).unwrap();
        for (pem, words) in [
            ("secret", "no whole private key"),
            (cut, "no whole private key"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMC4=\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "passphrase",
            ),
            (&ED25519.replace("K2Vw", "K2Vv"), "neither RSA"),
        ] {
            let said = fault("a", "univ.example", pem);
            assert!(said.contains(words) && !said.contains("MC4"), "{said}");
        }
    }
}
