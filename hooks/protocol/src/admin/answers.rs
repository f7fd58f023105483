//! What an administrator's call is answered with.
//!
//! Instants are RFC 3339 with the campus's offset. A field that this version does not know is passed over.

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// How a part of the daemon is.
    PartState {
        /// It works.
        Working = "working",
        /// It works, not as it should.
        Degraded = "degraded",
        /// It does not work.
        Down = "down",
        /// It has nothing to do, or is not configured.
        Idle = "idle",
    }
}

/// Answer of `Status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// The daemon's version.
    pub version: String,
    /// Since when it runs: an instant.
    pub since: String,
    /// Everything works.
    pub ok: bool,
    /// Each part.
    pub parts: Vec<Part>,
    /// How much there is of what.
    pub counts: Vec<Count>,
    /// When the next sweep is: an instant.
    pub next_sweep: Option<String>,
}

/// One part of the daemon and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: PartState,
    /// Since when: an instant.
    pub since: String,
    /// More, in words.
    pub detail: String,
}

/// A count with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Of what.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// Answer of `List`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListAnswer {
    /// The page.
    pub people: Vec<Person>,
    /// There are more after it.
    pub more: bool,
}

/// A person in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The login.
    pub login: String,
    /// The entry's UUID.
    pub uuid: String,
    /// Which round of activation.
    pub round: u32,
    /// The step that the enrolment is at, or `closed-…`.
    pub state: String,
    /// The population that the person belongs to.
    pub population: Option<String>,
    /// When the enrolment last changed: an instant.
    pub changed: String,
    /// Until when the person can go on: an instant.
    pub deadline: Option<String>,
    /// The address that mail goes to.
    pub address: Option<String>,
}

/// Answer of `Show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowAnswer {
    /// The person.
    pub person: Person,
    /// What happened, oldest first.
    pub timeline: Vec<Moment>,
    /// The links, without their tokens.
    pub links: Vec<Moment>,
    /// How many older moments and links did not fit.
    pub left_out: u64,
}

/// One line of a person's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When: an instant.
    pub at: String,
    /// What, as a word.
    pub what: String,
    /// More, in words.
    pub detail: String,
}

/// Answer of `Answers`: what a person has answered up to now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersAnswer {
    /// The entry's UUID.
    pub uuid: String,
    /// The recovery address, proven by its link.
    pub recovery: Option<String>,
    /// Whether to be in the public directory.
    pub listed: Option<bool>,
    /// Where mail is to be forwarded to.
    pub forward: Option<String>,
    /// Whether that address is confirmed: until then nothing forwards to it.
    pub forward_confirmed: bool,
    /// Whether the mailbox keeps a copy.
    pub keep_copy: Option<bool>,
    /// The charter.
    pub charter: Option<Accepted>,
}

/// The charter that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its version.
    pub version: String,
    /// SHA-256 of the text that was shown, in hexadecimal.
    pub sha256: String,
    /// The language of that text.
    pub locale: String,
    /// When: GeneralizedTime in UTC.
    pub at: String,
}

/// Answer of `Resend`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendAnswer {
    /// Where the mail goes.
    pub address: String,
}

/// Answer of `Cancel`: nothing but that it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelAnswer {}

/// Answer of `Sweep`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepAnswer {
    /// What it did, or would do.
    pub swept: Vec<Swept>,
    /// How many more did not fit.
    pub left_out: u64,
}

/// What the sweep did, or would do, to one person or key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// The login.
    pub login: String,
    /// The entry's UUID.
    pub uuid: String,
    /// What, as a word.
    pub action: String,
    /// Why, in words.
    pub reason: String,
}

/// Answer of `AuditVerify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerifyAnswer {
    /// The chain holds.
    pub ok: bool,
    /// How many records it has.
    pub length: u64,
    /// Its head.
    pub head: String,
    /// What does not hold.
    pub faults: Vec<String>,
}

/// Answer of `AuditExport`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditExportAnswer {
    /// The records, a line of JSON each.
    pub lines: Vec<String>,
    /// The number to go on after.
    pub next: u64,
    /// There are more.
    pub more: bool,
    /// The chain's head.
    pub head: String,
}

/// Answer of `Backup`, one of many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupAnswer {
    /// One line of the backup.
    pub piece: String,
}
