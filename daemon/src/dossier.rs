//! The dossier: everything that is kept of one person, under one key, versioned.
//!
//! The enrolment and the facts that led to it stand together, so that they commit together and are erased together.
//! The facts' digests, under the person's own salt, stand in the audit chain: without the dossier they say nothing.

use jiff::Timestamp;
use parvis_enrolment::{Enrolment, Fact, PersonId};
use serde::{Deserialize, Serialize};

/// The format of the record. A newer one is not read.
const FORMAT: u32 = 1;
/// The most facts that one dossier keeps.
pub const MOST_FACTS: usize = 128;

/// One person's record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dossier {
    v: u32,
    /// Random: makes the digests in the chain say nothing once it is gone.
    pub salt: parvis_enrolment::Id,
    /// The number of the next fact.
    pub next: u32,
    /// How far the person is.
    pub enrolment: Enrolment,
    /// What happened, oldest first.
    pub facts: Vec<Kept>,
}

/// One fact with its place in the person's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its number in this dossier.
    pub n: u32,
    /// When.
    pub at: Timestamp,
    /// Through whom.
    pub by: Actor,
    /// What.
    pub fact: Fact,
}

/// Through whom something happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The person, through a login page; the client's address where it was given.
    Person(Option<String>),
    /// The directory, through the watch or a read.
    Directory,
    /// The mail system.
    Mail,
    /// The nightly sweep.
    Sweep,
    /// A person of the staff, by the name under which they act.
    Staff(String),
}

/// What every format says.
#[derive(Deserialize)]
struct Format {
    v: u32,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Written by a newer version.
    #[error("a record of {0} has format {1}, which is newer than this version reads")]
    Newer(PersonId, u32),
    /// Not what we wrote.
    #[error("the record of {0} cannot be read: {1}")]
    Broken(PersonId, String),
}

impl Dossier {
    /// Of somebody of whom nothing is known.
    pub fn unseen(person: PersonId, salt: parvis_enrolment::Id, now: Timestamp) -> Self {
        Self { v: FORMAT, salt, next: 0, enrolment: Enrolment::unseen(person, now), facts: Vec::new() }
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .expect("a dossier has only texts, numbers and lists, which JSON always takes")
    }

    /// Reads a record.
    pub fn decode(person: PersonId, bytes: &[u8]) -> Result<Self, Unreadable> {
        let broken = |error: serde_json::Error| Unreadable::Broken(person, error.to_string());
        match serde_json::from_slice::<Self>(bytes) {
            Ok(dossier) if dossier.v <= FORMAT => Ok(dossier),
            // A newer one need not be readable as ours to be told from a broken one.
            read => match serde_json::from_slice::<Format>(bytes).map_err(broken)? {
                Format { v } if v > FORMAT => Err(Unreadable::Newer(person, v)),
                Format { .. } => read.map_err(broken),
            },
        }
    }

    /// Adds a fact and gives its place. Where there are too many, the oldest that prove nothing make room.
    pub fn keep(&mut self, fact: Fact, by: Actor, at: Timestamp) -> Kept {
        let kept = Kept { n: self.next, at, by, fact };
        self.next = self.next.saturating_add(1);
        self.facts.push(kept.clone());
        if self.facts.len() > MOST_FACTS {
            let spare = self.facts.iter().position(|kept| !proves(&kept.fact.what)).unwrap_or(0);
            self.facts.remove(spare);
        }
        kept
    }
}

/// Facts that somebody may have to prove years later.
fn proves(what: &str) -> bool {
    matches!(
        what,
        "charter-accepted" | "listing-chosen" | "mail-chosen" | "link-used" | "activated" | "begun"
    )
}

/// The keys under which things are stored. Each begins with the letter of its kind.
pub mod key {
    use jiff::Timestamp;
    use parvis_enrolment::{Id, PersonId};

    /// A dossier.
    pub fn dossier(person: PersonId) -> Vec<u8> {
        joined(b"p", &[&person.0])
    }

    /// That a person's enrolment is open.
    pub fn open(person: PersonId) -> Vec<u8> {
        joined(b"i", &[&person.0])
    }

    /// A mail that waits, in the order in which they are due.
    pub fn mail(due: Timestamp, mail: Id) -> Vec<u8> {
        let due = u64::try_from(due.as_millisecond()).unwrap_or(0);
        joined(b"o", &[&due.to_be_bytes(), &mail.0])
    }

    /// A count of attempts.
    pub fn attempts(name: [u8; 16]) -> Vec<u8> {
        joined(b"t", &[&name])
    }

    /// A single value of the daemon's own.
    pub fn own(name: &str) -> Vec<u8> {
        joined(b"m", &[name.as_bytes()])
    }

    /// The person of a dossier's or an open mark's key.
    pub fn person(key: &[u8]) -> Option<PersonId> {
        Some(Id(key.get(1..)?.try_into().ok()?))
    }

    fn joined(kind: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        kind.iter().chain(parts.iter().copied().flatten()).copied().collect()
    }
}
