//! From rendered words to the bytes of one RFC 5322 message, for one recipient.
//!
//! The same letter gives the same bytes, whenever it is composed: the date and the Message-ID are arguments, so that a
//! mail sent twice after a crash can be recognised. Nothing here talks to a server.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart};

use super::address::{Address, AddressFault};
use super::clean;
use super::dkim::Signer;
use super::quoted::quoted;
use super::templates::Rendered;
use super::values::Locale;

/// Whom the campus's mails come from.
#[derive(Clone, Debug)]
pub struct Sender {
    name: String,
    address: Address,
    reply_to: Option<Address>,
    signer: Option<Arc<Signer>>,
}

impl Sender {
    /// `name` is the campus's display name, `reply_to` the help desk. The address is the envelope's sender as well,
    /// where a letter names no return path.
    ///
    /// # Errors
    /// When an address is not one.
    pub fn new(name: &str, address: &str, reply_to: Option<&str>) -> Result<Self, ComposeError> {
        Ok(Self {
            name: clean::name(name),
            address: Address::parse(address).map_err(ComposeError::Sender)?,
            reply_to: reply_to.map(Address::parse).transpose().map_err(ComposeError::Sender)?,
            signer: None,
        })
    }

    /// The same, whose messages carry a signature of its domain (DKIM).
    #[must_use]
    pub fn signed_by(mut self, signer: Option<Arc<Signer>>) -> Self {
        self.signer = signer;
        self
    }

    /// The address in `From`.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

/// One mail for one person.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// Where it goes.
    pub to: &'a str,
    /// The recipient's display name, as the directory has it.
    pub name: Option<&'a str>,
    /// The words.
    pub rendered: &'a Rendered,
    /// Their language.
    pub locale: Locale,
    /// When it was written: the moment of the first attempt, kept over retries.
    pub date: Timestamp,
    /// `id@domain`, without angle brackets: the same at every attempt.
    pub message_id: &'a str,
    /// Which of our mails it is, for the receivers' statistics: `link`.
    pub kind: &'a str,
    /// Where it comes back to; `None`: to the sender.
    pub return_path: Option<&'a Address>,
}

/// A message with its envelope. The bytes hold a link: [`fmt::Debug`] does not show them.
#[derive(Clone)]
pub struct Composed {
    /// The envelope's sender (the return path).
    pub from: Address,
    /// The envelope's only recipient.
    pub to: Address,
    /// The message, 7-bit unless the recipient's address itself is not ASCII; lines end in CRLF.
    pub bytes: Vec<u8>,
    /// What may not come back in a server's reply: the link's long random words.
    pub(crate) hidden: Vec<String>,
}

/// Writes the message.
///
/// # Errors
/// When the recipient's address, the Message-ID or the date cannot stand in a message. None of them gets better by
/// trying again.
pub fn compose(sender: &Sender, letter: &Letter<'_>) -> Result<Composed, ComposeError> {
    let to = Address::parse(letter.to).map_err(ComposeError::Recipient)?;
    if !is_message_id(letter.message_id) {
        return Err(ComposeError::MessageId);
    }
    // Given, because lettre would make it of the header `To`, and reads no quoted name there.
    let envelope = Envelope::new(Some(sender.address.lettre().clone()), vec![to.lettre().clone()]);
    let envelope = envelope.map_err(|e| ComposeError::Build(clean::plain(&e.to_string(), 200)))?;
    let mut builder = Message::builder()
        .envelope(envelope)
        .from(mailbox(&sender.name, &sender.address))
        .to(mailbox(&letter.name.map(clean::name).unwrap_or_default(), &to))
        .date(system_time(letter.date)?)
        .message_id(Some(format!("<{}>", letter.message_id)))
        .subject(clean::plain(&letter.rendered.subject, 200))
        .header(AutoSubmitted("auto-generated".into()))
        .header(AutoResponseSuppress("All".into()))
        .header(FeedbackId(format!("{}:account:{}:parvis", letter.kind, sender.address.domain())))
        .header(ContentLanguage(letter.locale.as_str().into()));
    if let Some(reply_to) = &sender.reply_to {
        builder = builder.reply_to(mailbox("", reply_to));
    }
    let parts = MultiPart::alternative()
        .boundary(boundary(letter.message_id))
        .singlepart(part(ContentType::TEXT_PLAIN, &letter.rendered.text))
        .singlepart(part(ContentType::TEXT_HTML, &letter.rendered.html));
    let message =
        builder.multipart(parts).map_err(|e| ComposeError::Build(clean::plain(&e.to_string(), 200)))?;
    let hidden = long_words(&letter.rendered.text);
    let from = letter.return_path.unwrap_or(&sender.address).clone();
    let bytes = signed(sender.signer.as_deref(), message.formatted(), letter.date)?;
    Ok(Composed { from, to, bytes, hidden })
}

/// With the signature's header before it, where the sender signs.
fn signed(signer: Option<&Signer>, message: Vec<u8>, date: Timestamp) -> Result<Vec<u8>, ComposeError> {
    let Some(signer) = signer else { return Ok(message) };
    let mut bytes = signer
        .header(&message, date)
        .ok_or_else(|| ComposeError::Build("DKIM: the key does not sign".into()))?;
    bytes.extend_from_slice(&message);
    Ok(bytes)
}

/// Why there is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// The sender's address or the help desk's, from the configuration.
    #[error("the sender: {0}")]
    Sender(AddressFault),
    /// The recipient's address.
    #[error("the recipient: {0}")]
    Recipient(AddressFault),
    /// Not `id@domain` in plain characters.
    #[error("the message id is not of the form id@domain")]
    MessageId,
    /// Before 1970 or after 9999.
    #[error("the date cannot be written in a message")]
    Date,
    /// The parts cannot be put together.
    #[error("the message cannot be built: {0}")]
    Build(String),
}

/// `name` has been cleaned: lettre panics on CR, LF and NUL in a display name.
fn mailbox(name: &str, address: &Address) -> Mailbox {
    Mailbox::new((!name.is_empty()).then(|| name.to_owned()), address.lettre().clone())
}

/// Quoted-printable always: the lines stay under RFC 5321's limit, and no server needs 8BITMIME.
fn part(kind: ContentType, words: &str) -> SinglePart {
    let body = Body::dangerous_pre_encoded(quoted(words), ContentTransferEncoding::QuotedPrintable);
    SinglePart::builder().header(kind).body(body)
}

/// lettre writes dates from 1970 to 9999 and panics on others.
fn system_time(date: Timestamp) -> Result<std::time::SystemTime, ComposeError> {
    const YEAR_10000: u64 = 253_402_300_800;
    let seconds = u64::try_from(date.as_second()).map_err(|_| ComposeError::Date)?;
    if seconds >= YEAR_10000 {
        return Err(ComposeError::Date);
    }
    Ok(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// RFC 5322 section 3.6.4: `dot-atom-text "@" dot-atom-text`.
fn is_message_id(id: &str) -> bool {
    let atoms = |side: &str| {
        side.split('.').all(|atom| {
            !atom.is_empty()
                && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
        })
    };
    id.len() <= 250 && id.split_once('@').is_some_and(|(left, right)| atoms(left) && atoms(right))
}

/// Of the Message-ID, so that the bytes are the same at every attempt. `=_` never occurs in quoted-printable text
/// (RFC 2045 section 6.7), so no line of a part can be taken for it.
fn boundary(message_id: &str) -> String {
    let words: String = message_id.chars().filter(char::is_ascii_alphanumeric).take(50).collect();
    format!("=_{words}")
}

/// Runs of URL-safe characters that are too long to be words: the tokens of links.
fn long_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
        .filter(|word| word.len() >= 20)
        .map(str::to_owned)
        .collect();
    words.sort();
    words.dedup();
    words
}

impl fmt::Debug for Composed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Composed")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

macro_rules! header {
    ($type:ident, $name:literal, $source:literal) => {
        #[doc = $source]
        #[derive(Clone)]
        struct $type(String);

        impl Header for $type {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(s: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(s.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    };
}

header!(AutoSubmitted, "Auto-Submitted", "RFC 3834 section 5: no vacation notice answers it.");
header!(AutoResponseSuppress, "X-Auto-Response-Suppress", "The same in Exchange's words (MS-OXCMAIL).");
header!(FeedbackId, "Feedback-ID", "Gmail's: which mail people complain about, in its Postmaster Tools.");
header!(ContentLanguage, "Content-Language", "RFC 3282: which voice reads it aloud.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids() {
        for good in ["a@b", "42.link@univ.example", "x_y-z@a.b"] {
            assert!(is_message_id(good), "{good}");
        }
        let long = format!("{}@b", "a".repeat(250));
        for bad in ["", "a", "@b", "a@", "a@b@c", "a..b@c", "a b@c", "a>\r\nBcc: x@y", "é@b", "<a@b>", &long]
        {
            assert!(!is_message_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn only_tokens_are_hidden_words() {
        let text =
            "Ouvrez https://a.example/l/kX2v9QfYw0mZ3bT7sLr5cN1hJ8pD6gEaUiOyRtWqVxM\nanticonstitutionnel\n";
        assert_eq!(long_words(text), ["kX2v9QfYw0mZ3bT7sLr5cN1hJ8pD6gEaUiOyRtWqVxM"]);
    }
}
