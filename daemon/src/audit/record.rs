//! One record of the chain, and the link between two.

use crate::engine::keys::mac;
use crate::store::{Head, Linker};
use jiff::Timestamp;
use parvis_enrolment::{Id, PersonId};
use zeroize::Zeroizing;

const FORMAT: u8 = 1;

/// What the last record of a subject says: the dossier was erased with its salt.
pub const PURGED: &str = "purged";

/// What the chain says of one fact: nothing personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, to the second.
    pub at: Timestamp,
    /// Whose, under the person's salt.
    pub subject: [u8; 16],
    /// The fact's number in the person's dossier.
    pub n: u32,
    /// The digest of the fact, under the person's salt.
    pub digest: [u8; 32],
    /// What kind of fact.
    pub what: String,
}

impl Record {
    /// The bytes that are chained.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend(self.at.as_second().to_be_bytes());
        bytes.extend(self.subject);
        bytes.extend(self.n.to_be_bytes());
        bytes.extend(self.digest);
        bytes.extend(self.what.as_bytes());
        bytes
    }

    /// Reads them; `None` where they are no record of a format that we know.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[FORMAT])?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let (subject, rest) = rest.split_first_chunk::<16>()?;
        let (n, rest) = rest.split_first_chunk::<4>()?;
        let (digest, what) = rest.split_first_chunk::<32>()?;
        Some(Self {
            at: Timestamp::from_second(i64::from_be_bytes(*at)).ok()?,
            subject: *subject,
            n: u32::from_be_bytes(*n),
            digest: *digest,
            what: String::from_utf8(what.to_vec()).ok()?,
        })
    }
}

/// Whose record it is, for who knows the salt.
pub fn subject(salt: Id, person: PersonId) -> [u8; 16] {
    let long = mac(&salt.0, &[b"subject", &person.0]);
    let mut short = [0; 16];
    short.iter_mut().zip(long).for_each(|(to, from)| *to = from);
    short
}

/// The digest of a fact's text, for who knows the salt.
pub fn digest(salt: Id, text: &[u8]) -> [u8; 32] {
    mac(&salt.0, &[b"fact", text])
}

/// The chain's links: HMAC-SHA-256 over the link before, the number and the body.
pub struct Chain(Zeroizing<[u8; 32]>);

impl Chain {
    /// A chain under this key.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }
}

impl Linker for Chain {
    fn link(&self, previous: &[u8; 32], number: u64, body: &[u8]) -> [u8; 32] {
        mac(self.0.as_slice(), &[previous, &number.to_be_bytes(), body])
    }
}

/// A head as it is written to the journal: `12345:9f86…`.
pub fn anchor(head: &Head) -> String {
    format!("{}:{}", head.length, crate::config::hex(&head.link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_bytes() {
        let record = Record {
            at: "2026-09-01T12:00:00Z".parse().unwrap(),
            subject: [1; 16],
            n: 7,
            digest: [2; 32],
            what: "charter-accepted".to_owned(),
        };
        assert_eq!(Record::decode(&record.encode()), Some(record.clone()));
        assert_eq!(Record::decode(&record.encode()[..40]), None);
        assert_eq!(Record::decode(b""), None);
    }
}
