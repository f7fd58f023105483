//! `org.parvis.Hook`: what a login page asks, and what it is told.
//!
//! [`Call::parse`] is the only way in from the wire, and every call, answer and error of the interface file has
//! its type here. What a call means is the daemon's affair.

mod answers;
mod failure;
mod requests;
mod vocabulary;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::fields::Fields;
use crate::{CallError, Role, Secret};

pub use answers::{
    Answer, BounceAnswer, CharterView, CheckAnswer, Deadline, DoneView, ListingView, LookAnswer, MailView,
    PasswordRule, PasswordView, Progress, RecoveryView, Sent, StepAnswer, View,
};
pub use failure::{Failure, Refusal};
pub use requests::{
    Authenticate, Bounce, Charter, Check, Client, Enter, Listing, Look, Mail, OfSession, Open, Password,
    RecoveryAddress, Redeem,
};
pub use vocabulary::{
    Delivery, Forwarding, Method, Purpose, RefusalCode, RuleId, Status, Step, Then, Usable,
};

/// The interface's name.
pub const NAME: &str = "org.parvis.Hook";

/// One call, read and within its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Whether this login may pass.
    Check(Check),
    /// The steps, for a login page that has proven the person.
    Open(Open),
    /// A ticket for a session.
    Enter(Enter),
    /// A login and its provisional password, for a session.
    Authenticate(Authenticate),
    /// Step 3.
    RecoveryAddress(RecoveryAddress),
    /// What a link is for.
    Look(Look),
    /// A link is used.
    Redeem(Redeem),
    /// Step 5.
    Charter(Charter),
    /// Step 6.
    Listing(Listing),
    /// Steps 7 and 7 bis.
    Mail(Mail),
    /// Step 9.
    Password(Password),
    /// The step again.
    State(OfSession),
    /// The mail again.
    Resend(OfSession),
    /// Back to step 3.
    Restart(OfSession),
    /// A mail that came back.
    Bounce(Bounce),
}

impl Call {
    /// Reads a call: `method` is the full name (`org.parvis.Hook.Check`), `parameters` as they came.
    pub fn parse(method: &str, parameters: Option<&RawValue>) -> Result<Self, CallError> {
        let known = Method::from_full_name(method).ok_or_else(|| CallError::method(method))?;
        Self::read(known, parameters)
    }

    /// Reads the parameters of a call that is known.
    pub fn read(method: Method, parameters: Option<&RawValue>) -> Result<Self, CallError> {
        let mut fields = Fields::of_call(parameters)?;
        let from = &mut fields;
        let call = match method {
            Method::Check => Self::Check(Check::read(from)?),
            Method::Open => Self::Open(Open::read(from)?),
            Method::Enter => Self::Enter(Enter::read(from)?),
            Method::Authenticate => Self::Authenticate(Authenticate::read(from)?),
            Method::RecoveryAddress => Self::RecoveryAddress(RecoveryAddress::read(from)?),
            Method::Look => Self::Look(Look::read(from)?),
            Method::Redeem => Self::Redeem(Redeem::read(from)?),
            Method::Charter => Self::Charter(Charter::read(from)?),
            Method::Listing => Self::Listing(Listing::read(from)?),
            Method::Mail => Self::Mail(Mail::read(from)?),
            Method::Password => Self::Password(Password::read(from)?),
            Method::State => Self::State(OfSession::read(from)?),
            Method::Resend => Self::Resend(OfSession::read(from)?),
            Method::Restart => Self::Restart(OfSession::read(from)?),
            Method::Bounce => Self::Bounce(Bounce::read(from)?),
        };
        fields.finish()?;
        Ok(call)
    }

    /// Which call it is.
    pub const fn method(&self) -> Method {
        match self {
            Self::Check(_) => Method::Check,
            Self::Open(_) => Method::Open,
            Self::Enter(_) => Method::Enter,
            Self::Authenticate(_) => Method::Authenticate,
            Self::RecoveryAddress(_) => Method::RecoveryAddress,
            Self::Look(_) => Method::Look,
            Self::Redeem(_) => Method::Redeem,
            Self::Charter(_) => Method::Charter,
            Self::Listing(_) => Method::Listing,
            Self::Mail(_) => Method::Mail,
            Self::Password(_) => Method::Password,
            Self::State(_) => Method::State,
            Self::Resend(_) => Method::Resend,
            Self::Restart(_) => Method::Restart,
            Self::Bounce(_) => Method::Bounce,
        }
    }

    /// The language asked for, and whoever is on the other side; nobody hands a bounce over in a language.
    pub fn asked_by(&self) -> (Option<&str>, Option<&Client>) {
        let (locale, client) = match self {
            Self::Check(call) => (&call.locale, &call.client),
            Self::Open(call) => (&call.locale, &call.client),
            Self::Enter(call) => (&call.locale, &call.client),
            Self::Authenticate(call) => (&call.locale, &call.client),
            Self::RecoveryAddress(call) => (&call.locale, &call.client),
            Self::Look(call) => (&call.locale, &call.client),
            Self::Redeem(call) => (&call.locale, &call.client),
            Self::Charter(call) => (&call.locale, &call.client),
            Self::Listing(call) => (&call.locale, &call.client),
            Self::Mail(call) => (&call.locale, &call.client),
            Self::Password(call) => (&call.locale, &call.client),
            Self::State(call) | Self::Resend(call) | Self::Restart(call) => (&call.locale, &call.client),
            Self::Bounce(_) => return (None, None),
        };
        (locale.as_deref(), client.as_ref())
    }

    /// The session it is made in, for the calls that have one.
    pub const fn session(&self) -> Option<&Secret> {
        match self {
            Self::RecoveryAddress(call) => Some(&call.session),
            Self::Redeem(call) => call.session.as_ref(),
            Self::Charter(call) => Some(&call.session),
            Self::Listing(call) => Some(&call.session),
            Self::Mail(call) => Some(&call.session),
            Self::Password(call) => Some(&call.session),
            Self::State(call) | Self::Resend(call) | Self::Restart(call) => Some(&call.session),
            Self::Check(_)
            | Self::Open(_)
            | Self::Enter(_)
            | Self::Authenticate(_)
            | Self::Look(_)
            | Self::Bounce(_) => None,
        }
    }
}

/// As the call's parameters.
impl Serialize for Call {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Check(call) => call.serialize(serializer),
            Self::Open(call) => call.serialize(serializer),
            Self::Enter(call) => call.serialize(serializer),
            Self::Authenticate(call) => call.serialize(serializer),
            Self::RecoveryAddress(call) => call.serialize(serializer),
            Self::Look(call) => call.serialize(serializer),
            Self::Redeem(call) => call.serialize(serializer),
            Self::Charter(call) => call.serialize(serializer),
            Self::Listing(call) => call.serialize(serializer),
            Self::Mail(call) => call.serialize(serializer),
            Self::Password(call) => call.serialize(serializer),
            Self::State(call) | Self::Resend(call) | Self::Restart(call) => call.serialize(serializer),
            Self::Bounce(call) => call.serialize(serializer),
        }
    }
}

/// Which roles may make a call. Only the login page vouches for a person, so only it opens a session for a
/// login alone; the public pages need a ticket or the provisional password.
pub const fn roles(method: Method) -> &'static [Role] {
    match method {
        Method::Check | Method::Open => &[Role::Sso],
        Method::Enter | Method::Authenticate => &[Role::Pages],
        Method::RecoveryAddress
        | Method::Look
        | Method::Redeem
        | Method::Charter
        | Method::Listing
        | Method::Mail
        | Method::Password
        | Method::State
        | Method::Resend
        | Method::Restart => &[Role::Sso, Role::Pages],
        Method::Bounce => &[Role::Mta],
    }
}
