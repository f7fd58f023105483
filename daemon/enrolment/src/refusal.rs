//! Refusals: every way in which the rules say no. The words for people are made elsewhere.

use crate::address::AddressFault;
use crate::enrolment::Step;
use jiff::{SignedDuration, Timestamp};

/// Which of a request's fields a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `address` of step 3.
    Address,
    /// `forward` of step 7.
    Forward,
}

/// What is wrong with a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PasswordFault {
    /// Shorter than the minimum.
    TooShort,
    /// Too easy to guess, or a class of characters is missing.
    TooSimple,
    /// It has the person's login or name in it.
    ContainsIdentity,
    /// It is in the list of breached passwords.
    Breached,
    /// The directory remembers it.
    Reused,
    /// The directory refuses it for another reason.
    Refused,
}

/// Why a request is refused. Nothing changes when it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not an address.
    AddressInvalid(Field, AddressFault),
    /// One of the campus's own.
    AddressOwnDomain(Field),
    /// The mail system refused it for good.
    AddressRefused(Field),
    /// No such link, or none of this enrolment.
    LinkUnknown,
    /// It could be used until then.
    LinkExpired(Timestamp),
    /// A newer one was made then.
    LinkSuperseded(Timestamp),
    /// It was used then.
    LinkUsed(Timestamp),
    /// No such ticket, used, or too late.
    TicketUnusable,
    /// No such session.
    SessionUnknown,
    /// It ended then.
    SessionExpired(Timestamp),
    /// The session is at another step.
    OutOfOrder(Step),
    /// The box was not ticked.
    CharterRequired,
    /// Another version is in force by now.
    CharterVersionStale,
    /// Neither listed nor hidden was chosen.
    ListingRequired,
    /// People of this population must give an address.
    ForwardRequired,
    /// Mail would come back to the person's own mailbox.
    ForwardLoop,
    /// The forwarding address waits for its confirmation.
    ForwardUnconfirmed,
    /// The new password is not good enough.
    Password(PasswordFault),
    /// The account is active already, or is none to be activated.
    NotProvisional,
    /// The person is in no population of the configuration.
    NoPopulation,
    /// Locked in the directory.
    AccountLocked,
    /// Removed from the directory.
    AccountGone,
    /// Too often: wait so long.
    TooManyAttempts(SignedDuration),
    /// The same person's password is being written at this moment.
    Busy,
}
