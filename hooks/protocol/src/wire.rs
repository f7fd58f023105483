//! Varlink's wire: JSON objects ended by a NUL (varlink.org, "Protocol").
//!
//! Framing and envelopes only; it does no I/O, so that the daemon's tasks and the blocking client share it. Error
//! texts never quote a message: it may hold a password.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits::MESSAGE_MAX;
use crate::secret::wipe;

/// Why bytes are not messages, or a message is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A message is longer than [`MESSAGE_MAX`].
    #[error("take a message of more than {MESSAGE_MAX} bytes")]
    TooLong,
    /// A message is not UTF-8, not JSON, or not of the type that it should be; serde's own words might quote it.
    #[error("read a message at its byte {at}")]
    Malformed {
        /// Where, from 1; 0 where it is about the whole.
        at: usize,
    },
    /// A value that JSON cannot hold.
    #[error("write a message")]
    Unwritable,
}

/// Cuts a stream of bytes into messages, holding at most one that is incomplete.
///
/// Each byte is looked at once, and a message that grows too long is refused with the byte that makes it so.
#[derive(Default)]
pub struct Splitter {
    held: Vec<u8>,
}

impl Splitter {
    /// A splitter that holds nothing.
    pub const fn new() -> Self {
        Self { held: Vec::new() }
    }

    /// Takes bytes from the front of `input` until a message is complete, and gives it, or until there are none
    /// left. What follows the message stays in `input`: call again until it gives none.
    ///
    /// After [`WireError::TooLong`] the stream has no next message: close it.
    pub fn take(&mut self, input: &mut &[u8]) -> Result<Option<Message>, WireError> {
        let end = input.iter().position(|byte| *byte == 0);
        let (part, rest) = input.split_at(end.unwrap_or(input.len()));
        if self.held.len() + part.len() > MESSAGE_MAX {
            wipe(std::mem::take(&mut self.held));
            return Err(WireError::TooLong);
        }
        self.held.extend_from_slice(part);
        *input = rest.get(1..).unwrap_or_default();
        Ok(end.map(|_| Message(std::mem::take(&mut self.held))))
    }

    /// Whether a message has begun and is not complete.
    pub const fn is_within_message(&self) -> bool {
        !self.held.is_empty()
    }
}

impl Drop for Splitter {
    fn drop(&mut self) {
        wipe(std::mem::take(&mut self.held));
    }
}

impl fmt::Debug for Splitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Splitter({} bytes held)", self.held.len())
    }
}

/// One message without its NUL. `Debug` does not show it, and it is wiped when dropped.
#[derive(PartialEq, Eq)]
pub struct Message(Vec<u8>);

impl Message {
    /// The JSON text, as it came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        wipe(std::mem::take(&mut self.0));
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes)", self.0.len())
    }
}

/// One message with its NUL, ready to be sent.
pub fn encode<T: Serialize + ?Sized>(message: &T) -> Result<Vec<u8>, WireError> {
    let mut bytes = serde_json::to_vec(message).map_err(|_| WireError::Unwritable)?;
    if bytes.len() > MESSAGE_MAX {
        return Err(WireError::TooLong);
    }
    bytes.push(0);
    Ok(bytes)
}

/// A call ready to be sent; `method` is the full name.
pub fn encode_call<T: Serialize + ?Sized>(
    method: &str,
    parameters: &T,
    more: bool,
) -> Result<Vec<u8>, WireError> {
    encode(&CallOut { method, parameters, more })
}

/// A reply ready to be sent. An error is [`encode`]d as it is: it serialises as a whole reply.
pub fn encode_reply<T: Serialize + ?Sized>(parameters: &T, continues: bool) -> Result<Vec<u8>, WireError> {
    encode(&ReplyOut { parameters, continues })
}

#[derive(Serialize)]
struct CallOut<'a, T: ?Sized> {
    method: &'a str,
    parameters: &'a T,
    #[serde(skip_serializing_if = "is_false")]
    more: bool,
}

#[derive(Serialize)]
struct ReplyOut<'a, T: ?Sized> {
    parameters: &'a T,
    #[serde(skip_serializing_if = "is_false")]
    continues: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field over by reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A call as it came, its parameters not yet read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallEnvelope<'a> {
    /// The full name: `org.parvis.Hook.Check`.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// The parameters' JSON text.
    #[serde(borrow, default)]
    pub parameters: Option<&'a RawValue>,
    /// The caller takes more than one reply.
    #[serde(default)]
    pub more: bool,
    /// The caller takes no reply.
    #[serde(default)]
    pub oneway: bool,
    /// The caller would go on in another protocol; no method of ours does.
    #[serde(default)]
    pub upgrade: bool,
}

impl<'a> CallEnvelope<'a> {
    /// Reads a message as a call.
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        parse(message)
    }

    /// The interface that the method belongs to: what is before the last dot.
    pub fn interface(&self) -> &str {
        self.method.rsplit_once('.').map_or("", |(interface, _)| interface)
    }
}

/// Only the method: parameters may hold a password.
impl fmt::Debug for CallEnvelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallEnvelope({:?}, more: {}, oneway: {})", self.method, self.more, self.oneway)
    }
}

/// A reply as it came, its parameters not yet read.
#[derive(Deserialize)]
pub struct ReplyEnvelope<'a> {
    /// The parameters' JSON text.
    #[serde(borrow, default)]
    pub parameters: Option<&'a RawValue>,
    /// The error's full name, where it is one.
    #[serde(borrow, default)]
    pub error: Option<Cow<'a, str>>,
    /// Another reply to the same call follows.
    #[serde(default)]
    pub continues: bool,
}

impl<'a> ReplyEnvelope<'a> {
    /// Reads a message as a reply.
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        parse(message)
    }
}

/// Only what it is: parameters may hold a session.
impl fmt::Debug for ReplyEnvelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyEnvelope(error: {:?}, continues: {})", self.error, self.continues)
    }
}

/// Reads parameters as one type.
pub fn read<'a, T: Deserialize<'a>>(parameters: &'a RawValue) -> Result<T, WireError> {
    read_object(parameters.get())
}

/// Reads a whole message as one type.
fn parse<'a, T: Deserialize<'a>>(message: &'a [u8]) -> Result<T, WireError> {
    let text = std::str::from_utf8(message);
    read_object(text.map_err(|error| WireError::Malformed { at: error.valid_up_to() + 1 })?)
}

/// serde would take an array for a struct, its elements for the fields in order: Varlink knows only objects.
fn read_object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, WireError> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(WireError::Malformed { at: 1 });
    }
    serde_json::from_str(text).map_err(|error| WireError::Malformed { at: error.column() })
}
