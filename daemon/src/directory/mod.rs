//! The directory: the only room that speaks LDAP.
//!
//! It finds, reads, authenticates, watches and writes entries. It knows neither enrolments nor the store nor mail:
//! it hands out [`Entry`] values and takes [`plan::Plan`] values. Everything is keyed by entryUUID, never by DN.

use std::collections::BTreeMap;

/// RFC 4530's entryUUID, as its 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryUuid(pub [u8; 16]);

/// What was read of an entry, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who it is, whatever it is called and wherever it stands.
    pub uuid: EntryUuid,
    /// Where it stood when it was read.
    pub dn: String,
    /// entryCSN (else modifyTimestamp): changes at every write, and grows.
    pub stamp: String,
    /// Attribute descriptions in lower case, options kept (`cn;lang-fr`); values as they came.
    pub attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// The values of an attribute that are UTF-8, in the directory's order.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.attributes
            .get(&name.to_ascii_lowercase())
            .into_iter()
            .flatten()
            .filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// The first value of an attribute that is UTF-8.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }
}

/// What a search for one login found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nobody.
    Nobody,
    /// Exactly one entry.
    One(Box<Entry>),
    /// More than one: refused and reported, never guessed.
    Several,
}

/// What the directory's own state filters say of an entry. The directory is the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// To be activated.
    Provisional,
    /// Working.
    Active,
    /// Locked, by an administrator or by the password policy.
    Locked,
    /// None of the three filters matches.
    Unknown,
}
