//! What each call is answered with, and all that a page must show.
//!
//! Every field is always written, null where there is nothing, so that a template need not ask whether it is
//! there. A field that this version does not know is passed over: the contract may grow. Instants are RFC 3339
//! with the campus's offset.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Delivery, Forwarding, Method, Purpose, RuleId, Status, Step, Usable};
use crate::Secret;
use crate::wire::{self, WireError};

/// The answer to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To `Check`.
    Check(CheckAnswer),
    /// To every call that moves along the steps.
    Step(Box<StepAnswer>),
    /// To `Look`.
    Look(LookAnswer),
    /// To `Bounce`.
    Bounce(BounceAnswer),
}

impl Answer {
    /// Reads the answer to a call.
    pub fn read(method: Method, parameters: &RawValue) -> Result<Self, WireError> {
        Ok(match method {
            Method::Check => Self::Check(wire::read(parameters)?),
            Method::Look => Self::Look(wire::read(parameters)?),
            Method::Bounce => Self::Bounce(wire::read(parameters)?),
            Method::Open
            | Method::Enter
            | Method::Authenticate
            | Method::RecoveryAddress
            | Method::Redeem
            | Method::Charter
            | Method::Listing
            | Method::Mail
            | Method::Password
            | Method::State
            | Method::Resend
            | Method::Restart => Self::Step(wire::read(parameters)?),
        })
    }
}

/// As the reply's parameters.
impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Check(answer) => answer.serialize(serializer),
            Self::Step(answer) => answer.serialize(serializer),
            Self::Look(answer) => answer.serialize(serializer),
            Self::Bounce(answer) => answer.serialize(serializer),
        }
    }
}

/// Answer of `Check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAnswer {
    /// Whether to let the person through.
    pub allow: bool,
    /// What the account is.
    pub status: Status,
    /// Where to send the person. It holds the one-time ticket.
    pub url: Option<Secret>,
    /// What to tell them.
    pub message: Option<String>,
    /// Until when: an instant.
    pub deadline: Option<String>,
}

/// Answer of every call that moves along the steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepAnswer {
    /// Where the person is now.
    pub step: Step,
    /// The session to go on with; it replaces the one that was sent.
    pub session: Option<Secret>,
    /// When the session ends: an instant.
    pub expires: Option<String>,
    /// Where to sign in, for `sign-in`.
    pub sign_in_url: Option<String>,
    /// What to show; none for `sign-in`.
    pub view: Option<View>,
}

/// Answer of `Look`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookAnswer {
    /// What the link is for; none where it is unknown.
    pub purpose: Option<Purpose>,
    /// Whether it can be used.
    pub usable: Usable,
    /// The address it proves, masked.
    pub address: Option<String>,
    /// Until when it can be used.
    pub deadline: Option<Deadline>,
    /// When it expired, was used or was replaced: an instant.
    pub at: Option<String>,
    /// The same in words.
    pub message: String,
}

/// Answer of `Bounce`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BounceAnswer {
    /// Whether it was about a mail of ours.
    pub taken: bool,
}

/// An instant, and the same in words that a person reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// RFC 3339 with the campus's offset.
    pub at: String,
    /// "today at 11:59 pm, Paris time".
    pub words: String,
}

/// All that a page must show for a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The person's login.
    pub login: String,
    /// The person's name.
    pub name: Option<String>,
    /// The language of everything here.
    pub locale: String,
    /// The page's title.
    pub title: String,
    /// The page's first sentences.
    pub lead: String,
    /// How far along.
    pub progress: Progress,
    /// Until when the step can be done.
    pub deadline: Option<Deadline>,
    /// Step 3.
    pub recovery: Option<RecoveryView>,
    /// Steps 4 and 8: the mail that was sent.
    pub sent: Option<Sent>,
    /// Step 5.
    pub charter: Option<CharterView>,
    /// Step 6, and to change it later.
    pub listing: Option<ListingView>,
    /// Steps 7 and 7 bis, and to change them later.
    pub mail: Option<MailView>,
    /// Step 9.
    pub password: Option<PasswordView>,
    /// Step 10.
    pub done: Option<DoneView>,
}

/// Where the person is among the steps that they have to go through, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// This step's number.
    pub current: u32,
    /// How many there are for this person.
    pub total: u32,
}

/// What to show for step 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryView {
    /// The address that the directory has.
    pub offered: Option<String>,
}

/// A mail that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// To which address: masked where the session has not proven it.
    pub address: String,
    /// The mail domain that was perhaps meant, where the address looks like a frequent slip (`gmial.com`): ask.
    pub meant: Option<String>,
    /// True where the address's domain takes no mail, as the DNS says: warn, never block.
    pub unreachable: Option<bool>,
    /// When the mail system took it: an instant.
    pub at: Option<String>,
    /// What became of it.
    pub delivery: Delivery,
    /// Why it has not been taken yet, and what to do, in the person's language: one or two sentences.
    pub detail: Option<String>,
    /// Until when its link can be used.
    pub deadline: Deadline,
    /// In how many seconds it can be sent again.
    pub resend_after: u32,
}

/// What to show for step 5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterView {
    /// The version, to be sent back.
    pub version: String,
    /// The charter's title.
    pub title: String,
    /// Where it can be read.
    pub url: String,
    /// The text's SHA-256, in hexadecimal.
    pub sha256: String,
    /// Whether it was accepted already.
    pub accepted: bool,
}

/// What to show for step 6.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingView {
    /// The choice made already; none before.
    pub listed: Option<bool>,
}

/// What to show for steps 7 and 7 bis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailView {
    /// The mailbox's address; none for people without one.
    pub mailbox: Option<String>,
    /// When the mailbox can be used, in words.
    pub mailbox_usable: Option<String>,
    /// Whether the person forwards.
    pub forwarding: Forwarding,
    /// The address to offer.
    pub offered: Option<String>,
    /// The choice made already.
    pub forward: Option<String>,
    /// Whether a copy stays in the mailbox.
    pub keep_copy: bool,
}

/// One rule of step 9.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRule {
    /// Which one.
    pub id: RuleId,
    /// The same in the person's language.
    pub sentence: String,
    /// Its number: the fewest characters, how many kinds of them, the lowest estimate of strength (0 to 4).
    pub value: Option<u32>,
}

/// What to show for step 9.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordView {
    /// The fewest characters.
    pub minimum: u32,
    /// The most characters.
    pub maximum: u32,
    /// The rules.
    pub rules: Vec<PasswordRule>,
    /// What the password must not hold.
    pub identity: Vec<String>,
}

/// What to show for step 10.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneView {
    /// The person's login.
    pub login: String,
    /// The mailbox's address.
    pub mailbox: Option<String>,
    /// When the mailbox can be used, in words.
    pub mailbox_usable: Option<String>,
    /// Where mail is forwarded to.
    pub forward: Option<String>,
    /// Whether the person appears in the public directory.
    pub listed: bool,
    /// Where the person wanted to go.
    pub return_to: Option<String>,
}
