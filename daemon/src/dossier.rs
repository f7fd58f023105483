//! The dossier: everything that is kept of one person, under one key, versioned.
//!
//! The enrolment and the facts that led to it stand together, so that they commit together and are erased together.
//! The facts' digests, under the person's own salt, stand in the audit chain: without the dossier they say nothing.

mod pressed;
mod trimming;

pub use pressed::{press, unpress};
pub use trimming::{Numbers, PROVING, TRIMMED};

use jiff::Timestamp;
use parvis_enrolment::enrolment::Profile;
use parvis_enrolment::{Answers, Closure, Enrolment, Fact, PersonId, Stage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The format of the record. A newer one is not read.
const FORMAT: u32 = 1;
/// The most facts that one dossier keeps, and to how many it is then cut back.
const MOST_FACTS: (usize, usize) = (128, 96);
/// The most bytes of text that one dossier has, and to how many it is then cut back: well below what the store takes.
const MOST_BYTES: (usize, usize) = (32 * 1024, 24 * 1024);

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
    /// The nightly sweep, or the hour of the reminders.
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

    /// The record's text, which [`press`] makes its bytes.
    pub fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .expect("a dossier has only texts, numbers and lists, which JSON always takes")
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        pressed::press(&self.text())
    }

    /// Reads a record.
    pub fn decode(person: PersonId, bytes: &[u8]) -> Result<Self, Unreadable> {
        let broken = |error: serde_json::Error| Unreadable::Broken(person, error.to_string());
        let text = pressed::unpress(bytes).map_err(|why| Unreadable::Broken(person, why))?;
        match serde_json::from_slice::<Self>(&text) {
            Ok(dossier) if dossier.v <= FORMAT => Ok(dossier),
            // A newer one need not be readable as ours to be told from a broken one.
            read => match serde_json::from_slice::<Format>(&text).map_err(broken)? {
                Format { v } if v > FORMAT => Err(Unreadable::Newer(person, v)),
                Format { .. } => read.map_err(broken),
            },
        }
    }

    /// Adds a fact and gives its place.
    pub fn keep(&mut self, fact: Fact, by: Actor, at: Timestamp) -> Kept {
        let kept = Kept { n: self.next, at, by, fact };
        self.next = self.next.saturating_add(1);
        self.facts.push(kept.clone());
        kept
    }

    /// Where there is too much, makes room: the fact that says what went, still to be kept and recorded. Cut back
    /// further than needed, so that it is not said anew at every change. `bytes`: of the text as it is.
    pub fn trim(&mut self, bytes: usize) -> Option<Fact> {
        if self.facts.len() <= MOST_FACTS.0 && bytes <= MOST_BYTES.0 {
            return None;
        }
        let (mut count, mut bytes) = (self.facts.len(), bytes);
        let mut gone = BTreeSet::new();
        for n in trimming::expendable(&self.facts) {
            if count <= MOST_FACTS.1 && bytes <= MOST_BYTES.1 {
                break;
            }
            let size = self.facts.iter().find(|kept| kept.n == n).map_or(0, size);
            (count, bytes) = (count.saturating_sub(1), bytes.saturating_sub(size));
            gone.insert(n);
        }
        if gone.is_empty() {
            return None;
        }
        let before: Vec<Kept> = self.facts.iter().filter(|kept| kept.fact.what == TRIMMED).cloned().collect();
        gone.extend(before.iter().map(|kept| kept.n));
        trimming::remove(&mut self.facts, &gone);
        let named = before.iter().map(Numbers::of).fold(Numbers::default(), |all, more| all.and(more));
        let details = vec![(trimming::NUMBERS.to_owned(), named.with(gone).to_string())];
        Some(Fact { what: TRIMMED.to_owned(), details })
    }

    /// What stays of somebody whose time is over, under a new salt: which entry, the round, that it was invited, how
    /// it ended, and the directory's stamps. So a provisional entry that is still there is not taken for a new one and
    /// written to again, and a new letter is told from an old one. Erased are the profile, the answers, the links, every
    /// fact and the salt: with it, the chain's records say nothing of this person any more. The marker attribute stays,
    /// because its change begins a round: it is about the letter, not about the person.
    ///
    /// `None`: nothing needs to stay, because the entry is gone, or there never was one.
    pub fn tombstone(&self, salt: parvis_enrolment::Id) -> Option<Self> {
        let before = &self.enrolment;
        let stage = match &before.stage {
            Stage::Done { at, stamp, drift, .. } => Stage::Done {
                answers: Answers::under(String::new()),
                at: *at,
                stamp: stamp.clone(),
                drift: drift.clone(),
            },
            Stage::Closed { why: Closure::Gone, .. } | Stage::Unseen => return None,
            Stage::Closed { why, at } => Stage::Closed { why: *why, at: *at },
            Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) | Stage::Activating { .. } => {
                return None;
            }
        };
        let mut enrolment = Enrolment::unseen(before.person, before.changed);
        enrolment.round = before.round;
        enrolment.invited = before.invited;
        enrolment.reminded = before.reminded;
        enrolment.seen = before.seen.clone();
        enrolment.profile = Profile { marker: before.profile.marker.clone(), ..Profile::default() };
        enrolment.stage = stage;
        Some(Self { v: FORMAT, salt, next: 0, enrolment, facts: Vec::new() })
    }

    /// Whether this is what stays of somebody who was erased, and nothing has happened since.
    pub fn erased(&self) -> bool {
        self.next == 0 && !matches!(self.enrolment.stage, Stage::Unseen)
    }
}

/// The bytes that a fact takes in the record, with its comma.
fn size(kept: &Kept) -> usize {
    serde_json::to_vec(kept).map_or(0, |bytes| bytes.len() + 1)
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

    /// The person whose dossier has that subject in the audit.
    pub fn subject(subject: [u8; 16]) -> Vec<u8> {
        joined(b"s", &[&subject])
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

#[cfg(test)]
mod tests;
