//! The directory: the only room that speaks LDAP.
//!
//! It finds, reads, authenticates, watches and writes entries. It knows neither enrolments nor the store nor mail:
//! it hands out [`Entry`] values and takes [`plan::Plan`] values. Everything is keyed by entryUUID, or what the server
//! has in its place, never by DN.

pub mod apply;
pub mod authenticate;
mod ber;
mod dialect;
mod facts;
pub mod filter;
mod habits;
mod handle;
mod holders;
mod link;
pub mod mapping;
mod matching;
mod name;
pub mod once;
pub mod plan;
pub mod probe;
mod read;
mod relay;
pub mod schema;
pub mod settings;
pub mod states;
mod template;
mod tls;
pub mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

pub use apply::{Applied, ApplyError, PasswordFault};
pub use authenticate::BindOutcome;
pub use dialect::Dialect;
pub use handle::{Directory, DirectoryHealth};
pub use mapping::{Charter, Chosen, Mapping, MappingFault, PlanError, WriteRule};
pub use plan::Plan;
pub use probe::{Addition, Asked, Finding, Level, Report, first_look, probe};
pub use settings::{Bind, PasswordWrite, Prepared, Settings, SettingsFault, Timeouts, Watching, Way};
pub use watch::{Sighting, watch};

/// Who an entry is: RFC 4530's entryUUID, or what the server has in its place ([`Dialect::identity`]), as 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryUuid(pub [u8; 16]);

impl EntryUuid {
    /// From the usual text form (RFC 4122, section 3), in either case.
    pub fn parse(text: &str) -> Option<EntryUuid> {
        let hyphens = text.char_indices().filter(|(_, c)| *c == '-').map(|(at, _)| at);
        if text.len() != 36 || !hyphens.eq([8, 13, 18, 23]) {
            return None;
        }
        let digits = text.replace('-', "");
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        Some(EntryUuid(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes()))
    }
}

impl fmt::Display for EntryUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", u128::from_be_bytes(self.0));
        for (at, digit) in digits.chars().enumerate() {
            if matches!(at, 8 | 12 | 16 | 20) {
                f.write_str("-")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// What was read of an entry, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who it is, whatever it is called and wherever it stands.
    pub uuid: EntryUuid,
    /// Where it stood when it was read.
    pub dn: String,
    /// entryCSN, or what the server has in its place: changes at every write, and grows.
    pub stamp: String,
    /// Attribute descriptions in lower case, options kept (`cn;lang-fr`); values as they came.
    pub attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// The values of an attribute that are UTF-8, in the directory's order.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.attributes
            .get(schema::lower(name).as_ref())
            .into_iter()
            .flatten()
            .filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Is it another name of an entry (RFC 4512, section 2.6), and so nobody?
    pub fn is_alias(&self) -> bool {
        self.values("objectClass").any(|class| class.eq_ignore_ascii_case("alias"))
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
    /// More than one: refused and reported, never guessed. The DNs of the first few.
    Several(Vec<String>),
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

/// Why the directory did not answer a question. The texts are for the sysadmin; none holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot answer now: try again later.
    #[error("the directory cannot answer now: {0}")]
    Unavailable(String),
    /// It answered that it will not: the configuration, here or there, is wrong.
    #[error("the directory refuses (result code {code}): {text}")]
    Refused {
        /// The LDAP result code (RFC 4511, appendix A); 0 where the answer itself cannot be used.
        code: u32,
        /// What it said.
        text: String,
    },
}

/// Time and chance, handed in from outside.
#[derive(Clone)]
pub struct Outside {
    /// The present instant.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Sixty-four random bits.
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outside")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_read_and_written_as_its_text() {
        let text = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        assert_eq!(EntryUuid::parse(text).unwrap().to_string(), text);
        assert_eq!(EntryUuid::parse(&text.to_uppercase()), EntryUuid::parse(text));
        for wrong in
            ["", "6ba7b810", "6ba7b8109-dad-11d1-80b4-00c04fd430c8", "+ba7b810-9dad-11d1-80b4-00c04fd430c8"]
        {
            assert_eq!(EntryUuid::parse(wrong), None, "{wrong}");
        }
    }
}
