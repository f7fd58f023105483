//! The daemon's hook socket: one connection a call, a deadline for each, and a limit to how many at once.
//!
//! It understands no answer: what is refused or amiss is handed on as it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parvis_protocol::hook::{Answer, Call, Failure, LookAnswer, OfSession, Refusal, RefusalCode, StepAnswer};
use parvis_protocol::service;
use parvis_protocol::wire::{self, Message, ReplyEnvelope, Splitter};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// For every call but one.
const PATIENCE: Duration = Duration::from_secs(5);
/// `password` waits for the directory.
const PASSWORD_PATIENCE: Duration = Duration::from_secs(12);
/// Calls at once; whoever comes then waits within their deadline.
const AT_ONCE: usize = 128;
/// Pages that wait for a link, each with a connection of its own.
const WAITING: usize = 256;

/// Why there is no answer to act on.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The daemon said no, in words.
    #[error("get past a refusal: {}", .0.code)]
    Refused(Box<Refusal>),
    /// A field is beyond its limits.
    #[error("have the field {0} taken")]
    Invalid(String),
    /// Nobody answers in time.
    #[error("get an answer from the daemon: {0}")]
    Unreachable(String),
    /// The daemon says that this process may not ask.
    #[error("make the call {0}: this process has not the role, or the call is off")]
    NotPermitted(String),
    /// A fault of Parvis's own.
    #[error("get past a fault of the daemon ({0})")]
    Fault(String),
}

/// The way to the daemon.
#[derive(Debug, Clone)]
pub struct Daemon {
    socket: PathBuf,
    calls: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Daemon {
    /// Nothing is opened before it is needed.
    pub fn at(socket: PathBuf) -> Self {
        let limit = |count| Arc::new(Semaphore::new(count));
        Self { socket, calls: limit(AT_ONCE), waiting: limit(WAITING) }
    }

    /// A call that moves along the steps.
    pub async fn step(&self, call: Call) -> Result<StepAnswer, Trouble> {
        match self.ask(&call).await? {
            Answer::Step(answer) => Ok(*answer),
            Answer::Check(_) | Answer::Look(_) | Answer::Bounce(_) => Err(wrong()),
        }
    }

    /// What a link is for.
    pub async fn look(&self, call: Call) -> Result<LookAnswer, Trouble> {
        match self.ask(&call).await? {
            Answer::Look(answer) => Ok(answer),
            Answer::Check(_) | Answer::Step(_) | Answer::Bounce(_) => Err(wrong()),
        }
    }

    async fn ask(&self, call: &Call) -> Result<Answer, Trouble> {
        let patience = if matches!(call, Call::Password(_)) { PASSWORD_PATIENCE } else { PATIENCE };
        let end = Instant::now() + patience;
        let asked = async {
            let _permit = self.calls.acquire().await.map_err(|_| wrong())?;
            let mut line = Line::open(&self.socket).await?;
            line.send(&call.method().full_name(), call, false).await?;
            let message = line.receive().await?;
            let reply = parse(&message)?;
            let parameters = reply.parameters.ok_or_else(wrong)?;
            Answer::read(call.method(), parameters).map_err(|_| wrong())
        };
        timeout_at(end, asked).await.unwrap_or_else(|_| Err(Trouble::Unreachable("not in time".to_owned())))
    }

    /// Follows a session; none where too many do already.
    pub async fn follow(&self, state: &OfSession) -> Result<Option<Following>, Trouble> {
        let Ok(permit) = self.waiting.clone().try_acquire_owned() else { return Ok(None) };
        let opened = async {
            let mut line = Line::open(&self.socket).await?;
            line.send(&format!("{}.State", parvis_protocol::hook::NAME), state, true).await?;
            Ok(line)
        };
        let late = Err(Trouble::Unreachable("not in time".to_owned()));
        let line = timeout(PATIENCE, opened).await.unwrap_or(late)?;
        Ok(Some(Following { line, _permit: permit }))
    }
}

/// A session that is followed.
pub struct Following {
    line: Line,
    _permit: OwnedSemaphorePermit,
}

impl Following {
    /// The session's step now, then at each change. The caller bounds how long it waits.
    pub async fn next(&mut self) -> Result<StepAnswer, Trouble> {
        let message = self.line.receive().await?;
        let reply = parse(&message)?;
        wire::read(reply.parameters.ok_or_else(wrong)?).map_err(|_| wrong())
    }
}

/// One connection.
struct Line {
    stream: UnixStream,
    splitter: Splitter,
    read: Vec<u8>,
    start: usize,
}

impl Line {
    async fn open(socket: &std::path::Path) -> Result<Self, Trouble> {
        let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(&error))?;
        Ok(Self { stream, splitter: Splitter::new(), read: Vec::new(), start: 0 })
    }

    async fn send<P: Serialize>(&mut self, method: &str, parameters: &P, more: bool) -> Result<(), Trouble> {
        let bytes =
            wire::encode_call(method, parameters, more).map_err(|_| Trouble::Invalid(String::new()))?;
        match self.stream.write_all(&bytes).await {
            // Who turns us away says so and closes, perhaps before we have spoken: the answer is there to be read.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(unreachable(&error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn receive(&mut self) -> Result<Message, Trouble> {
        loop {
            let mut rest = self.read.get(self.start..).unwrap_or_default();
            let message = self.splitter.take(&mut rest).map_err(|_| wrong())?;
            self.start = self.read.len() - rest.len();
            if let Some(message) = message {
                return Ok(message);
            }
            self.read.resize(8 * 1024, 0);
            let count = self.stream.read(&mut self.read).await.map_err(|error| unreachable(&error))?;
            self.read.truncate(count);
            self.start = 0;
            if count == 0 {
                return Err(Trouble::Unreachable("the connection ended".to_owned()));
            }
        }
    }
}

/// What was read may hold a session or a password.
impl Drop for Line {
    fn drop(&mut self) {
        self.read.fill(0);
        std::hint::black_box(&mut self.read);
    }
}

fn unreachable(error: &std::io::Error) -> Trouble {
    Trouble::Unreachable(error.to_string())
}

fn wrong() -> Trouble {
    Trouble::Fault("an answer that is none".to_owned())
}

/// A reply, its errors told apart.
fn parse(message: &Message) -> Result<ReplyEnvelope<'_>, Trouble> {
    let reply = ReplyEnvelope::parse(message.as_bytes()).map_err(|_| wrong())?;
    if reply.error.is_none() {
        return Ok(reply);
    }
    let own = serde_json::from_slice::<Failure>(message.as_bytes());
    let general = serde_json::from_slice::<service::Failure>(message.as_bytes());
    Err(match (own, general) {
        (Ok(Failure::Refused(refusal)), _) => Trouble::Refused(refusal),
        (Ok(Failure::NotPermitted { call, .. }), _) => Trouble::NotPermitted(call),
        (Ok(Failure::Fault { reference }), _) => Trouble::Fault(reference),
        (Err(_), Ok(service::Failure::InvalidParameter { parameter })) => Trouble::Invalid(parameter),
        (Err(_), Ok(service::Failure::PermissionDenied {})) => Trouble::NotPermitted(String::new()),
        (Err(_), _) => newer(message).map_or_else(wrong, Trouble::Refused),
    })
}

/// A refusal with a code that this version does not know: the contract lets new ones come. Its message is shown and its
/// `then` offered, under a code that nothing else hangs on.
fn newer(message: &Message) -> Option<Box<Refusal>> {
    let mut reply: serde_json::Value = serde_json::from_slice(message.as_bytes()).ok()?;
    let code = reply.pointer_mut("/parameters/code")?;
    *code = RefusalCode::PasswordRefused.as_str().into();
    match serde_json::from_value(reply).ok()? {
        Failure::Refused(refusal) => Some(refusal),
        Failure::NotPermitted { .. } | Failure::Fault { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Trouble {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        let message = Splitter::new().take(&mut &bytes[..]).unwrap().unwrap();
        parse(&message).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_refusal_of_a_newer_daemon_keeps_its_words_and_its_way_out() {
        let said = |code: &str| {
            format!(
                r#"{{"error":"org.parvis.Hook.Refused","parameters":{{"code":"{code}","message":"Words.","then":"contact","more":1}}}}"#
            )
        };
        for code in ["link-used", "of-the-year-2030"] {
            let Trouble::Refused(refusal) = read(&said(code)) else { panic!("{code}") };
            assert_eq!((refusal.message.as_str(), refusal.then.as_str()), ("Words.", "contact"));
        }
        for other in [r#"{"error":"org.parvis.Hook.New","parameters":{"code":"x"}}"#, r#"{"error":"x"}"#] {
            assert!(matches!(read(other), Trouble::Fault(_)), "{other}");
        }
    }
}
