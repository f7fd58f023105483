//! What became of a call, as `parvis-hook` says it: an exit code, and one JSON object in the words of whoever asked.
//!
//! The wire knows no `schema` and no `ok`, and cannot say that nobody answered it: that is here, once, for every
//! binary that passes answers on. Whatever goes wrong, [`Outcome::allows`] is false: every format fails closed.

mod cas;
mod language;

use serde::Serialize;
use serde_json::Value;

use crate::client::{ClientError, ErrorReply};
use crate::hook::{Answer, Failure, Refusal, RefusalCode, Then};
use crate::{CallError, service};

pub use language::Language;

/// The number of the printed form; it changes only when a field goes or changes its meaning.
pub const SCHEMA: u32 = 1;

/// The error by which the daemon says no.
const REFUSED: &str = "org.parvis.Hook.Refused";

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered(Answer),
    /// The daemon said no.
    Refused(Box<Refusal>),
    /// A newer daemon said no, in words that this version does not know.
    Newer(Newer),
    /// It did not come to an answer.
    Failed(Fault),
}

/// A refusal whose code, or another of its words, came after this version. It is passed on as it was said: the contract
/// has whoever asks show its message and offer its `then`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    /// Why, for whoever knows the word.
    pub code: String,
    /// The same in words.
    pub message: String,
    refusal: serde_json::Map<String, Value>,
}

impl Newer {
    fn of(error: &ErrorReply) -> Option<Self> {
        let reply = error.read::<Value>().filter(|_| error.name == REFUSED)?;
        let Some(Value::Object(refusal)) = reply.get("parameters") else { return None };
        let text = |name| refusal.get(name).and_then(Value::as_str).map(str::to_owned);
        text("then")?;
        Some(Self { code: text("code")?, message: text("message")?, refusal: refusal.clone() })
    }
}

/// Why a call did not come to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The command line is wrong.
    CommandLine,
    /// The request is not one of that call.
    RequestInvalid {
        /// The field it is about.
        field: Option<String>,
    },
    /// The daemon cannot be reached in time.
    Unreachable,
    /// A fault of Parvis's own.
    Own {
        /// The number under which the daemon's journal has it.
        reference: Option<String>,
    },
    /// This caller may not make this call.
    NotPermitted,
}

impl Outcome {
    /// What a client's answer or error comes to.
    pub fn of(result: Result<Answer, ClientError>) -> Self {
        match result {
            Ok(answer) => Self::Answered(answer),
            Err(ClientError::Answered(error)) => Self::of_error(&error),
            Err(ClientError::Unreachable { source, .. })
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Self::Failed(Fault::NotPermitted)
            }
            Err(ClientError::Unreachable { .. } | ClientError::TimedOut | ClientError::Closed) => {
                Self::Failed(Fault::Unreachable)
            }
            Err(ClientError::Wire(_)) => Self::Failed(Fault::Own { reference: None }),
        }
    }

    fn of_error(error: &ErrorReply) -> Self {
        match error.read() {
            Some(Failure::Refused(refusal)) => return Self::Refused(refusal),
            Some(Failure::NotPermitted { .. }) => return Self::Failed(Fault::NotPermitted),
            Some(Failure::Fault { reference }) => {
                return Self::Failed(Fault::Own { reference: Some(reference) });
            }
            None => {}
        }
        if let Some(newer) = Newer::of(error) {
            return Self::Newer(newer);
        }
        Self::Failed(match error.read() {
            Some(service::Failure::InvalidParameter { parameter }) => {
                Fault::RequestInvalid { field: Some(parameter) }
            }
            Some(service::Failure::PermissionDenied {}) => Fault::NotPermitted,
            Some(
                service::Failure::InterfaceNotFound { .. }
                | service::Failure::MethodNotFound { .. }
                | service::Failure::MethodNotImplemented { .. }
                | service::Failure::ExpectedMore {},
            )
            | None => Fault::Own { reference: None },
        })
    }

    /// Whether it is done; for `check`, whether to let the person through.
    pub const fn allows(&self) -> bool {
        match self {
            Self::Answered(Answer::Check(answer)) => answer.allow,
            Self::Answered(Answer::Step(_) | Answer::Look(_) | Answer::Bounce(_)) => true,
            Self::Refused(_) | Self::Newer(_) | Self::Failed(_) => false,
        }
    }

    /// The exit code of `parvis-hook`: the numbers of sysexits(3) where there is one that fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Answered(_) if self.allows() => 0,
            Self::Answered(_) => 1,
            Self::Refused(refusal) if refusal.code == RefusalCode::Unavailable => 75,
            Self::Refused(_) | Self::Newer(_) => 1,
            Self::Failed(Fault::CommandLine) => 64,
            Self::Failed(Fault::RequestInvalid { .. }) => 65,
            Self::Failed(Fault::Unreachable) => 69,
            Self::Failed(Fault::Own { .. }) => 70,
            Self::Failed(Fault::NotPermitted) => 77,
        }
    }

    /// The printed form: the wire's parameters with `schema` and `ok`, or a refusal in words.
    pub fn json(&self, language: Language) -> Result<String, serde_json::Error> {
        match self {
            Self::Answered(answer) => {
                let text = serde_json::to_string(answer)?;
                let fields = text.strip_prefix('{').unwrap_or("}");
                Ok(format!("{{\"schema\":{SCHEMA},\"ok\":true,{fields}"))
            }
            Self::Refused(refusal) => refused(refusal),
            Self::Newer(newer) => refused(&newer.refusal),
            Self::Failed(fault) => refused(&Spoken::of(fault, language)),
        }
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        match error {
            CallError::MethodNotFound { .. } => Self::CommandLine,
            CallError::InvalidParameter { parameter } => Self::RequestInvalid { field: Some(parameter) },
        }
    }
}

fn refused<T: Serialize>(refusal: &T) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(refusal)?;
    Ok(format!("{{\"schema\":{SCHEMA},\"ok\":false,\"refusal\":{text}}}"))
}

/// A fault in the form of a [`Refusal`]: the same fields, and codes that the wire does not have.
#[derive(Serialize)]
struct Spoken<'a> {
    code: &'static str,
    field: Option<&'a str>,
    message: String,
    then: Then,
    sign_in_url: Option<&'a str>,
    help: Option<&'a str>,
    lost_letter: Option<&'a str>,
    retry_after: Option<u32>,
    at: Option<&'a str>,
    step: Option<&'a str>,
}

impl<'a> Spoken<'a> {
    fn of(fault: &'a Fault, language: Language) -> Self {
        let (code, then, field) = match fault {
            Fault::CommandLine => ("command-line", Then::Contact, None),
            Fault::RequestInvalid { field } if is_typed(field.as_deref()) => {
                ("request-invalid", Then::Correct, field.as_deref())
            }
            Fault::RequestInvalid { field } => ("request-invalid", Then::Contact, field.as_deref()),
            Fault::Unreachable => (RefusalCode::Unavailable.as_str(), Then::Wait, None),
            Fault::Own { .. } => ("fault", Then::Contact, None),
            Fault::NotPermitted => ("not-permitted", Then::Contact, None),
        };
        let message = language.fault(fault);
        let (sign_in_url, help, lost_letter, retry_after, at, step) = (None, None, None, None, None, None);
        Self { code, field, message, then, sign_in_url, help, lost_letter, retry_after, at, step }
    }
}

/// Whether a person types this field: then they can mend it themselves.
fn is_typed(field: Option<&str>) -> bool {
    matches!(field, Some("login" | "password" | "address" | "forward"))
}
