//! A blocking client with one deadline for everything it does, for the hook binary and `parvisctl`.
//!
//! The deadline is an instant, not a wait for each read: a server that drips a byte at a time does not move it,
//! nor does one whose backlog is full. It retries nothing and prints nothing.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::hook;
use crate::wire::{self, Message, ReplyEnvelope, Splitter, WireError};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket is not there, or nobody listens, or this process may not connect.
    #[error("connect to {path}")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The deadline passed.
    #[error("get an answer in time")]
    TimedOut,
    /// The connection ended before an answer.
    #[error("get an answer before the connection ends")]
    Closed,
    /// What came is no answer, or what should go is no message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The answer is an error.
    #[error("get past the error {}", .0.name)]
    Answered(ErrorReply),
}

/// An answer that is an error.
#[derive(Debug)]
pub struct ErrorReply {
    /// The error's full name.
    pub name: String,
    text: String,
}

impl ErrorReply {
    /// Reads it as an interface's own errors (or `service::Failure`); none where it is not one of them.
    pub fn read<F: DeserializeOwned>(&self) -> Option<F> {
        serde_json::from_str(&self.text).ok()
    }
}

/// An answer, its parameters not yet read.
#[derive(Debug)]
pub struct Reply {
    message: Message,
    /// Another answer to the same call follows.
    pub continues: bool,
}

impl Reply {
    /// Reads the parameters as one type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        wire::read(self.parameters()?)
    }

    /// The parameters' JSON text.
    pub fn parameters(&self) -> Result<&RawValue, WireError> {
        let envelope = ReplyEnvelope::parse(self.message.as_bytes())?;
        envelope.parameters.ok_or(WireError::Malformed { at: 0 })
    }
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    deadline: Instant,
    splitter: Splitter,
    /// What was read and not yet split: a server may send several replies at once.
    read: Vec<u8>,
    start: usize,
}

const READ_AT_ONCE: usize = 8 * 1024;

impl Client {
    /// Connects to a socket; everything this client ever does ends at the deadline.
    pub fn connect(path: &Path, deadline: Instant) -> Result<Self, ClientError> {
        let stream = match connect_until(path, deadline) {
            Ok(stream) => stream,
            Err(Errno::EAGAIN) => return Err(ClientError::TimedOut),
            Err(errno) => return Err(ClientError::Unreachable { path: path.into(), source: errno.into() }),
        };
        Ok(Self { stream, deadline, splitter: Splitter::new(), read: Vec::new(), start: 0 })
    }

    /// Moves the deadline, for a client that makes several calls.
    pub const fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Makes a call of the hook interface and reads its answer.
    pub fn ask(&mut self, call: &hook::Call) -> Result<hook::Answer, ClientError> {
        let reply = self.call(&call.method().full_name(), call)?;
        Ok(hook::Answer::read(call.method(), reply.parameters()?)?)
    }

    /// Makes a call that has one answer; `method` is the full name.
    pub fn call<P: Serialize>(&mut self, method: &str, parameters: &P) -> Result<Reply, ClientError> {
        self.send(&wire::encode_call(method, parameters, false)?)?;
        match self.receive()? {
            reply if reply.continues => Err(WireError::Malformed { at: 0 }.into()),
            reply => Ok(reply),
        }
    }

    /// Makes a call that may have many answers; take them with [`Client::receive`] until one does not continue.
    pub fn call_more<P: Serialize>(&mut self, method: &str, parameters: &P) -> Result<Reply, ClientError> {
        self.send(&wire::encode_call(method, parameters, true)?)?;
        self.receive()
    }

    /// Waits for the next answer.
    pub fn receive(&mut self) -> Result<Reply, ClientError> {
        let message = self.next_message()?;
        let envelope = ReplyEnvelope::parse(message.as_bytes())?;
        let continues = envelope.continues;
        if let Some(name) = envelope.error {
            let text = String::from_utf8_lossy(message.as_bytes()).into_owned();
            return Err(ClientError::Answered(ErrorReply { name: name.into_owned(), text }));
        }
        Ok(Reply { message, continues })
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), ClientError> {
        while !bytes.is_empty() {
            let left = self.left()?;
            self.stream.set_write_timeout(Some(left)).map_err(|_| ClientError::Closed)?;
            match self.stream.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                // Whoever hung up without listening may have said why: it is read next.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => failed(&error)?,
            }
        }
        Ok(())
    }

    fn next_message(&mut self) -> Result<Message, ClientError> {
        loop {
            let mut rest = self.read.get(self.start..).unwrap_or_default();
            let message = self.splitter.take(&mut rest)?;
            self.start = self.read.len() - rest.len();
            match message {
                Some(message) => return Ok(message),
                None => self.read_some()?,
            }
        }
    }

    fn read_some(&mut self) -> Result<(), ClientError> {
        let left = self.left()?;
        self.stream.set_read_timeout(Some(left)).map_err(|_| ClientError::Closed)?;
        self.read.resize(READ_AT_ONCE, 0);
        self.start = READ_AT_ONCE;
        match self.stream.read(&mut self.read) {
            Ok(0) => Err(ClientError::Closed),
            Ok(count) => {
                self.read.truncate(count);
                self.start = 0;
                Ok(())
            }
            Err(error) => failed(&error),
        }
    }

    fn left(&self) -> Result<Duration, ClientError> {
        time_left(self.deadline).ok_or(ClientError::TimedOut)
    }
}

/// What is left until the deadline; none once it has passed. The kernel takes no wait below a microsecond.
fn time_left(deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    (left >= Duration::from_micros(1)).then_some(left)
}

/// Connects by the deadline, `EAGAIN` where that is not possible.
///
/// std's own `connect` waits for as long as a server's backlog is full. The kernel bounds that wait by the
/// socket's send timeout (unix(7) says nothing of it; `unix_stream_connect` reads `sk_sndtimeo`), which has to be
/// set before, so the socket is made by hand.
fn connect_until(path: &Path, deadline: Instant) -> Result<UnixStream, Errno> {
    let address = UnixAddr::new(path)?;
    let owned = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let stream = UnixStream::from(owned);
    loop {
        let left = time_left(deadline).ok_or(Errno::EAGAIN)?;
        stream.set_write_timeout(Some(left)).map_err(|_| Errno::EINVAL)?;
        match connect(stream.as_raw_fd(), &address) {
            Err(Errno::EINTR) => {}
            outcome => return outcome.map(|()| stream),
        }
    }
}

/// Nothing where a signal came in between; else what a failed read or write means.
fn failed(error: &std::io::Error) -> Result<(), ClientError> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(ClientError::TimedOut),
        _ => Err(ClientError::Closed),
    }
}
