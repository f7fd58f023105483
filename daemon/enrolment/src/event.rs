//! What goes into a decision and what comes out of it: events, answers, effects.

use crate::enrolment::{Attempt, Enrolment, Profile};
use crate::link::Id;
use crate::refusal::PasswordFault;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What a decision cannot know by itself.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// Random identifiers that nothing else uses: a session or ticket, a link, a mail.
    pub fresh: [Id; 3],
    /// How long the caller must wait, where a limit on attempts is reached.
    pub wait: Option<SignedDuration>,
}

/// Something that happens to an enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The entry was read, or the watch saw it.
    Sighted(Sighting),
    /// The entry is no longer in the directory. During step 9 the write's outcome decides, because to a watch that
    /// sees provisional entries alone our own write looks like this.
    Gone,
    /// A person, through a login page, asks.
    Asked(Request),
    /// The outbox says what became of a mail.
    Mailed(Id, MailOutcome),
    /// Another mail system reports on a mail that ours had taken: the link that it carried, or none for a notice.
    Reported(Option<Id>, Report),
    /// The directory write of step 9 ended.
    Written(WriteOutcome),
    /// After a crash or a silence in step 9, the entry was read again.
    Recovered(Recovery),
    /// Time passes: the sweep.
    Elapsed,
    /// It is the hour at which people who stopped half-way are reminded.
    Remind,
    /// The help desk sends the live link once more.
    AdminResend,
    /// The help desk ends the enrolment.
    AdminCancel,
}

/// What the directory's state filters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// To be activated.
    Provisional,
    /// Working.
    Active,
    /// Locked.
    Locked,
    /// None of these.
    Other,
}

/// The entry, as the rules need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Provisional, active, locked, or none of these.
    pub standing: Standing,
    /// Grows with every write to the entry (entryCSN, modifyTimestamp, uSNChanged): compared as a number where it is
    /// one, else as text.
    pub stamp: String,
    /// Who it is.
    pub profile: Profile,
    /// Whether the person is there and has proven the password, and not only the watch saw the entry.
    pub in_person: bool,
}

/// What a login page asks for. Tokens are verified before: an identifier here was in a genuine token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `check` for a person who has proven the provisional password: a ticket.
    Admit {
        /// Where to go back to, checked against the configured prefixes.
        return_to: Option<String>,
    },
    /// `open`, `authenticate`: a session at once.
    Open {
        /// Where to go back to.
        return_to: Option<String>,
    },
    /// `enter`.
    Enter {
        /// The ticket.
        ticket: Id,
    },
    /// Step 3.
    RecoveryAddress {
        /// Who asks.
        session: Id,
        /// As typed.
        address: String,
        /// Whether mail to it comes back to this person here, as far as the directory says.
        inward: bool,
    },
    /// Steps 4 and 8.
    Redeem {
        /// Which link.
        link: Id,
        /// Who asks, where the browser has a session of this enrolment.
        session: Option<Id>,
    },
    /// Step 5.
    Charter {
        /// Who asks.
        session: Id,
        /// The version that was shown.
        version: String,
        /// Whether the box was ticked.
        accepted: bool,
        /// The language in which it was shown.
        locale: String,
    },
    /// Step 6.
    Listing {
        /// Who asks.
        session: Id,
        /// The choice.
        listed: Option<bool>,
    },
    /// Step 7.
    Mail {
        /// Who asks.
        session: Id,
        /// As typed; `None` for no forwarding.
        forward: Option<String>,
        /// Whether mail to it comes back to this person here, as far as the directory says.
        inward: bool,
        /// Whether the mailbox keeps a copy.
        keep_copy: bool,
    },
    /// Step 9.
    Password {
        /// Who asks.
        session: Id,
        /// What the local rules found wrong with it.
        fault: Option<PasswordFault>,
        /// What the entry is now.
        attempt: Attempt,
    },
    /// Where am I?
    State {
        /// Who asks.
        session: Id,
    },
    /// The mail once more.
    Resend {
        /// Who asks.
        session: Id,
    },
    /// Back to step 3.
    Restart {
        /// Who asks.
        session: Id,
    },
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailOutcome {
    /// The mail server took it.
    Sent,
    /// Not now; the reason in words.
    Deferred(String),
    /// Never; the reason in words.
    Refused(String),
    /// The mail server had it whole, more than once, and never said that it took it. What happened, in words.
    Unconfirmed(String),
    /// It was never taken, and its deadline has passed.
    GivenUp,
}

/// What a mail system reports of a mail after it was taken (RFC 3464). The reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It will not arrive.
    Failed(String),
    /// It has not arrived yet.
    Delayed(String),
}

/// How the directory write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// All of it is written; the entry's stamp afterwards, where it is known.
    Applied(Option<String>),
    /// Nothing is written, because of the password.
    PasswordRefused(PasswordFault),
    /// Nothing is written, for another reason (in words, without secrets).
    NotDone(String),
}

/// What the entry says after a write of unknown outcome. Only to be reported once nothing of ours can still write:
/// a write that lands after [`Recovery::NotDone`] would look like somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The entry is active: it was done.
    Active(Option<String>),
    /// Unchanged, or changed by somebody else: it was not done.
    NotDone,
    /// There is no entry any more.
    Gone,
}

/// What the caller is told besides the state itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing more than the state.
    State,
    /// A ticket to hand over.
    Ticket(Id),
    /// The session that the caller holds from now on.
    Session(Id),
    /// The address is confirmed; this browser goes on by signing in.
    SignIn,
    /// Write the directory now, with the password at hand, and report the outcome.
    Write,
}

/// What to do besides remembering the new state; committed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a mail.
    Mail(MailOrder),
    /// Leave an audit record.
    Record(Fact),
}

/// A mail to send, unless it is overtaken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailOrder {
    /// Names the mail; its Message-ID comes from here.
    pub mail: Id,
    /// Which text.
    pub kind: MailKind,
    /// The link that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Id>,
    /// To whom.
    pub to: String,
    /// Not worth sending after this.
    pub deadline: Timestamp,
}

/// Which text to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailKind {
    /// Step 4's link.
    Link,
    /// Step 8's link.
    Forward,
    /// The directory's own address, before the person comes.
    Invitation,
    /// Step 10: your account is active; not you?
    Activated,
    /// You stopped half-way; with an invitation's link where the address is the directory's and not proven yet.
    Reminder,
    /// To the recovery address of the round before: there is a new password; not you?
    PasswordChanged,
}

/// Something that happened, for the audit. Personal details are texts that can be erased later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What happened: a word of a fixed list.
    pub what: String,
    /// The details, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
}

/// The outcome of a decision: remember this state and do these things, in one act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The new state.
    pub enrolment: Enrolment,
    /// What the caller is told.
    pub answer: Answer,
    /// What follows.
    pub effects: Vec<Effect>,
}
