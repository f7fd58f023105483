//! The state of one person's enrolment. What it *is*; what may happen to it is `decide`'s business.

use crate::event::Standing;
use crate::link::{Id, Link, Purpose};
use crate::policy::{Forwarding, Policy, Population};
use crate::session::{Session, Ticket};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The entry's entryUUID (RFC 4530), as 16 bytes: who it is, whatever it is called.
pub type PersonId = Id;

/// One person's way from the letter to the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The entry.
    pub person: PersonId,
    /// The how manyth activation of this entry it is, from 1; 0 before the entry was seen as provisional.
    pub round: u32,
    /// What the directory says of the person.
    pub profile: Profile,
    /// How far they are.
    pub stage: Stage,
    /// This round's links, and those of rounds before that may still be clicked; newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// The browsers at it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<Session>,
    /// Hand-overs not used yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<Ticket>,
    /// Whether this round's invitation was decided upon: nobody is invited twice.
    #[serde(default)]
    pub invited: bool,
    /// Whether this round's reminder was ordered: nobody is reminded twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reminded: bool,
    /// The recovery address of the last activation before this round, until this round's: it is told of the new password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
    /// A write that the entry did not show when it was asked: it may still arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<LateWrite>,
    /// What the directory was last seen to say; `None` before the first round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// When the state last changed by more than a session's use or a look at the directory.
    pub changed: Timestamp,
}

/// What the directory says of the person, as last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The login name.
    pub login: String,
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The university address: their mailbox, or what forwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// The recovery address that the directory had before they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<String>,
    /// `preferredLanguage`, as one of the campus's languages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The population's name, by the configuration's filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<String>,
    /// The configured marker attribute, whose change begins a new round. `None` where none is configured, and an
    /// empty text where the entry has none: that somebody begins to configure one is no change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// What the directory was last seen to say of the entry, to tell a late event from a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The newest stamp that was seen, or that our own write left.
    pub stamp: String,
    /// What it said last; `None`: the entry was not there.
    pub standing: Option<Standing>,
    /// Whether the entry was seen as active since this round began.
    #[serde(default)]
    pub active: bool,
}

/// How far a person is. Each stage owns what is known there and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The entry was never seen as provisional.
    Unseen,
    /// Step 3. An address proven by an invitation need not be proven again, if the person keeps it.
    Address {
        /// What an invitation proved.
        proven: Option<String>,
    },
    /// Step 4: the live recovery link says to which address.
    Proving,
    /// Steps 5 to 9, in the order of what is still missing.
    Choosing(Answers),
    /// Step 9, while the directory is being written.
    Activating {
        /// All of them, complete.
        answers: Answers,
        /// What the entry was before.
        attempt: Attempt,
    },
    /// Step 10.
    Done {
        /// What was chosen.
        answers: Answers,
        /// When.
        at: Timestamp,
        /// The entry's stamp after our write; what is newer is somebody else's.
        stamp: Option<String>,
        /// The stamp of a provisional entry older than our write: the directory was rolled back.
        drift: Option<String>,
    },
    /// Nothing more to do here, unless the directory or the person comes back to it.
    Closed {
        /// Why.
        why: Closure,
        /// When.
        at: Timestamp,
    },
}

/// Why an enrolment ended before step 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closure {
    /// The entry stopped being provisional by other means.
    Withdrawn,
    /// The entry was locked.
    Locked,
    /// The entry was removed.
    Gone,
    /// Nothing happened for too long.
    Expired,
    /// The help desk ended it.
    Cancelled,
}

/// What the person has answered since the address was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// The recovery address, proven by its link.
    pub recovery: String,
    /// Step 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charter: Option<Acceptance>,
    /// Step 6: in the public directory or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<bool>,
    /// Step 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailAnswer>,
}

/// Exactly what was accepted, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The charter's version.
    pub version: String,
    /// SHA-256 of the text that was shown, in hexadecimal.
    pub sha256: String,
    /// The language of that text.
    pub locale: String,
    /// The instant.
    pub at: Timestamp,
}

/// What becomes of the person's mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailAnswer {
    /// Where it is forwarded to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<Forward>,
    /// Whether the mailbox keeps a copy; false without a mailbox.
    pub keep_copy: bool,
}

/// A forwarding address: staged until it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The address.
    pub address: String,
    /// When it was proven, by its own link or because it is the recovery address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Timestamp>,
}

/// What the entry was before our write, to tell after a crash whether it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// The entry's stamp.
    pub stamp: String,
    /// `pwdChangedTime`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_changed: Option<String>,
}

/// A write to the directory whose outcome was never told. A server that was busy or frozen may carry it out after the
/// entry was read, and then the account is active by our own hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateWrite {
    /// What it would write.
    pub answers: Answers,
    /// What the entry was before.
    pub attempt: Attempt,
}

/// The step that a person is at, by its name in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Step 3.
    RecoveryAddress,
    /// Step 4.
    RecoveryLink,
    /// Step 5.
    Charter,
    /// Step 6.
    Listing,
    /// Steps 7 and 7 bis.
    Mail,
    /// Step 8.
    ForwardLink,
    /// Step 9.
    Password,
    /// Step 10.
    Done,
}

impl Enrolment {
    /// An entry that these rules have never heard of.
    pub fn unseen(person: PersonId, now: Timestamp) -> Self {
        Self {
            person,
            round: 0,
            profile: Profile::default(),
            stage: Stage::Unseen,
            links: Vec::new(),
            sessions: Vec::new(),
            tickets: Vec::new(),
            invited: false,
            reminded: false,
            former: None,
            late: None,
            seen: None,
            changed: now,
        }
    }

    /// The person's population, if the configuration has one for them.
    pub fn population<'p>(&self, policy: &'p Policy) -> Option<&'p Population> {
        self.profile.population.as_deref().and_then(|name| policy.population(name))
    }

    /// The step that the person is at; `None` where there is no step to be at.
    pub fn step(&self, policy: &Policy) -> Option<Step> {
        match &self.stage {
            Stage::Unseen | Stage::Closed { .. } => None,
            Stage::Address { .. } => Some(Step::RecoveryAddress),
            Stage::Proving => Some(Step::RecoveryLink),
            Stage::Choosing(answers) => self.population(policy).map(|people| answers.step(people)),
            Stage::Activating { .. } => Some(Step::Password),
            Stage::Done { .. } => Some(Step::Done),
        }
    }

    /// The steps that this person goes through, in order; the confirmation of a forwarding address only where one
    /// is needed.
    pub fn path(&self, policy: &Policy) -> Vec<Step> {
        let forwarding = self.population(policy).map_or(Forwarding::Off, |people| people.forwarding);
        let mut path = vec![Step::RecoveryAddress, Step::RecoveryLink, Step::Charter, Step::Listing];
        if forwarding != Forwarding::Off {
            path.push(Step::Mail);
        }
        if forwarding != Forwarding::Off && self.forward_link() {
            path.push(Step::ForwardLink);
        }
        path.extend([Step::Password, Step::Done]);
        path
    }

    /// Whether the chosen forwarding address needs a link of its own, or needed one.
    fn forward_link(&self) -> bool {
        let chosen = self.answers().and_then(|answers| answers.mail.as_ref()?.forward.as_ref());
        chosen.is_some_and(|chosen| {
            chosen.confirmed.is_none()
                || self.newest(Purpose::Forward).is_some_and(|link| link.address == chosen.address)
        })
    }

    /// The answers so far, at any stage that has some.
    pub fn answers(&self) -> Option<&Answers> {
        match &self.stage {
            Stage::Unseen | Stage::Address { .. } | Stage::Proving | Stage::Closed { .. } => None,
            Stage::Choosing(answers) | Stage::Activating { answers, .. } | Stage::Done { answers, .. } => {
                Some(answers)
            }
        }
    }

    /// The newest link of that purpose in this round.
    pub fn newest(&self, purpose: Purpose) -> Option<&Link> {
        self.links.iter().rev().find(|link| link.purpose == purpose && link.round == self.round)
    }

    /// The link with that identifier.
    pub fn link(&self, id: Id) -> Option<&Link> {
        self.links.iter().find(|link| link.id == id)
    }

    /// The session with that identifier, live or not.
    pub fn session(&self, id: Id) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    /// Whether the person still has something to do here.
    pub fn open(&self) -> bool {
        match self.stage {
            Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) | Stage::Activating { .. } => true,
            Stage::Unseen | Stage::Done { .. } | Stage::Closed { .. } => false,
        }
    }
}

impl Answers {
    /// Nothing answered yet, under a proven address.
    pub fn under(recovery: String) -> Self {
        Self { recovery, charter: None, listed: None, mail: None }
    }

    /// The first step that is not answered in a way that fits the population.
    pub fn step(&self, people: &Population) -> Step {
        if self.charter.is_none() {
            return Step::Charter;
        }
        if self.listed.is_none() {
            return Step::Listing;
        }
        match (people.forwarding, &self.mail) {
            (Forwarding::Off, _) => Step::Password,
            (Forwarding::Optional | Forwarding::Required, None) => Step::Mail,
            (Forwarding::Required, Some(MailAnswer { forward: None, .. })) => Step::Mail,
            (Forwarding::Optional, Some(MailAnswer { forward: None, .. })) => Step::Password,
            (_, Some(MailAnswer { forward: Some(Forward { confirmed: None, .. }), .. })) => Step::ForwardLink,
            (_, Some(MailAnswer { forward: Some(Forward { confirmed: Some(_), .. }), .. })) => Step::Password,
        }
    }

    /// The address that mail is forwarded to, once it is confirmed.
    pub fn confirmed_forward(&self) -> Option<&str> {
        let forward = self.mail.as_ref()?.forward.as_ref()?;
        forward.confirmed.map(|_| forward.address.as_str())
    }
}
