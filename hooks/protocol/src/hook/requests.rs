//! What each call asks, one struct each, and how it is read from its fields.
//!
//! Limits and characters are checked here; whether a login exists or a link lives is not.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::fields::Fields;
use crate::limits;
use crate::{CallError, Secret, base64};

/// Whoever is on the other side of the login page: for limits and the audit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Client {
    /// The address, as text.
    pub ip: Option<String>,
    /// What the browser says it is, clipped to 512 bytes.
    pub user_agent: Option<String>,
}

/// Parameters of `Check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The login as the person typed it.
    pub login: String,
    /// The caller has proven the password, and vouches for the person.
    pub authenticated: bool,
    /// Where the person wanted to go.
    pub return_to: Option<String>,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `Open`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Open {
    /// The login that the caller has proven.
    pub login: String,
    /// Where the person wanted to go.
    pub return_to: Option<String>,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `Enter`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Enter {
    /// The one-time ticket.
    pub ticket: Secret,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `Authenticate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Authenticate {
    /// The login as the person typed it.
    pub login: String,
    /// The provisional password.
    pub password: Secret,
    /// Where the person wanted to go.
    pub return_to: Option<String>,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `RecoveryAddress`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoveryAddress {
    /// The session.
    pub session: Secret,
    /// The recovery address as the person typed it.
    pub address: String,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `Look`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Look {
    /// The link's token.
    pub link: Secret,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `Redeem`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redeem {
    /// The link's token.
    pub link: Secret,
    /// The session of this device, where it has one.
    pub session: Option<Secret>,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `Charter`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Charter {
    /// The session.
    pub session: Secret,
    /// The version that was shown.
    pub version: String,
    /// The digest of the text that was shown, in hexadecimal: it says in which language.
    pub sha256: Option<String>,
    /// Whether the box was ticked.
    pub accepted: bool,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `Listing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The session.
    pub session: Secret,
    /// The choice; none where the person made none, which is refused with words rather than as a fault.
    pub listed: Option<bool>,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `Mail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// The session.
    pub session: Secret,
    /// The forwarding address as the person typed it.
    pub forward: Option<String>,
    /// Whether a copy stays in the mailbox.
    pub keep_copy: bool,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `Password`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Password {
    /// The session.
    pub session: Secret,
    /// The new password.
    pub password: Secret,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `State`, `Resend` and `Restart`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfSession {
    /// The session.
    pub session: Secret,
    /// The language of messages.
    pub locale: Option<String>,
    /// Who asks through the caller.
    pub client: Option<Client>,
}

/// Parameters of `Bounce`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Bounce {
    /// The RFC 5322 message; base64 on the wire.
    #[serde(serialize_with = "as_base64")]
    pub message: Vec<u8>,
}

/// A bounce holds addresses and other people's words: only its size is shown.
impl fmt::Debug for Bounce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bounce({} bytes)", self.message.len())
    }
}

fn as_base64<S: Serializer>(message: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&base64::encode(message))
}

type Read<T> = Result<T, CallError>;

impl Client {
    fn read(from: &mut Fields<'_>) -> Read<Option<Self>> {
        let Some(mut fields) = from.object("client")? else { return Ok(None) };
        let ip = fields.text_or_null("ip", limits::IP)?;
        let user_agent = fields.clipped("user_agent", limits::USER_AGENT)?;
        fields.finish()?;
        Ok(Some(Self { ip, user_agent }))
    }
}

fn login(from: &mut Fields<'_>) -> Read<String> {
    from.text("login", limits::LOGIN)
}

fn return_to(from: &mut Fields<'_>) -> Read<Option<String>> {
    from.text_or_null("return_to", limits::RETURN_TO)
}

fn locale(from: &mut Fields<'_>) -> Read<Option<String>> {
    from.text_or_null("locale", limits::LOCALE)
}

fn session(from: &mut Fields<'_>) -> Read<Secret> {
    from.secret("session", limits::TOKEN)
}

impl Check {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        Ok(Self {
            login: login(from)?,
            authenticated: from.flag("authenticated")?,
            return_to: return_to(from)?,
            locale: locale(from)?,
            client: Client::read(from)?,
        })
    }
}

impl Open {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        let (login, return_to) = (login(from)?, return_to(from)?);
        Ok(Self { login, return_to, locale: locale(from)?, client: Client::read(from)? })
    }
}

impl Enter {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        let ticket = from.secret("ticket", limits::TOKEN)?;
        Ok(Self { ticket, locale: locale(from)?, client: Client::read(from)? })
    }
}

impl Authenticate {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        Ok(Self {
            login: login(from)?,
            password: from.secret("password", limits::PASSWORD)?,
            return_to: return_to(from)?,
            locale: locale(from)?,
            client: Client::read(from)?,
        })
    }
}

impl RecoveryAddress {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        let (session, address) = (session(from)?, from.text("address", limits::ADDRESS)?);
        Ok(Self { session, address, locale: locale(from)?, client: Client::read(from)? })
    }
}

impl Look {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        let link = from.secret("link", limits::TOKEN)?;
        Ok(Self { link, locale: locale(from)?, client: Client::read(from)? })
    }
}

impl Redeem {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        let link = from.secret("link", limits::TOKEN)?;
        let session = from.secret_or_null("session", limits::TOKEN)?;
        Ok(Self { link, session, locale: locale(from)?, client: Client::read(from)? })
    }
}

impl Charter {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        Ok(Self {
            session: session(from)?,
            version: from.text("version", limits::VERSION)?,
            sha256: from.text_or_null("sha256", limits::DIGEST)?,
            accepted: from.flag("accepted")?,
            locale: locale(from)?,
            client: Client::read(from)?,
        })
    }
}

impl Listing {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        let (session, listed) = (session(from)?, from.flag_or_null("listed")?);
        Ok(Self { session, listed, locale: locale(from)?, client: Client::read(from)? })
    }
}

impl Mail {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        Ok(Self {
            session: session(from)?,
            forward: from.text_or_null("forward", limits::ADDRESS)?,
            keep_copy: from.flag("keep_copy")?,
            locale: locale(from)?,
            client: Client::read(from)?,
        })
    }
}

impl Password {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        let (session, password) = (session(from)?, from.secret("password", limits::PASSWORD)?);
        Ok(Self { session, password, locale: locale(from)?, client: Client::read(from)? })
    }
}

impl OfSession {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        Ok(Self { session: session(from)?, locale: locale(from)?, client: Client::read(from)? })
    }
}

impl Bounce {
    pub(super) fn read(from: &mut Fields<'_>) -> Read<Self> {
        let text = from.text("message", limits::BOUNCE)?;
        let message = base64::decode(&text).ok_or_else(|| CallError::parameter("message"))?;
        Ok(Self { message })
    }
}
