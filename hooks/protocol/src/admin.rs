//! `org.parvis.Admin`: what `parvisctl` asks, and what it is told.
//!
//! The same rules as for [`crate::hook`]: one way in, every type of the interface file, no meaning.

mod answers;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::fields::Fields;
use crate::words::words;
use crate::{CallError, Role, limits};

pub use answers::{
    Accepted, AnswersAnswer, AuditExportAnswer, AuditVerifyAnswer, BackupAnswer, CancelAnswer, Count,
    ListAnswer, Moment, Part, PartState, Person, ResendAnswer, ShowAnswer, StatusAnswer, SweepAnswer, Swept,
};

/// The interface's name.
pub const NAME: &str = "org.parvis.Admin";

words! {
    /// A call, by the name in the interface file.
    Method {
        /// How the daemon is.
        Status = "Status",
        /// People by state.
        List = "List",
        /// One person.
        Show = "Show",
        /// What one person has answered.
        Answers = "Answers",
        /// The mail again.
        Resend = "Resend",
        /// An enrolment is closed.
        Cancel = "Cancel",
        /// The sweep, now.
        Sweep = "Sweep",
        /// The audit chain is verified.
        AuditVerify = "AuditVerify",
        /// The audit is read.
        AuditExport = "AuditExport",
        /// Everything in the store.
        Backup = "Backup",
    }
}

impl Method {
    /// The name on the wire: `org.parvis.Admin.Status`.
    pub fn full_name(self) -> String {
        format!("{NAME}.{}", self.as_str())
    }

    /// The call that a full name names.
    pub fn from_full_name(name: &str) -> Option<Self> {
        Self::from_word(name.strip_prefix(NAME)?.strip_prefix('.')?)
    }
}

/// One call, read and within its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// How the daemon is.
    Status,
    /// People by state.
    List(List),
    /// One person.
    Show(Show),
    /// What one person has answered.
    Answers(Answers),
    /// The mail again.
    Resend(Resend),
    /// An enrolment is closed.
    Cancel(Cancel),
    /// The sweep, now.
    Sweep(Sweep),
    /// The audit chain is verified.
    AuditVerify(AuditVerify),
    /// The audit is read.
    AuditExport(AuditExport),
    /// Everything in the store; made with `more`.
    Backup,
}

/// Parameters of `List`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Only people in this state.
    pub state: Option<String>,
    /// The uuid that ended the page before.
    pub after: Option<String>,
    /// At most so many, from 1 to [`limits::PAGE_MAX`].
    pub limit: u32,
}

/// Parameters of `Show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// A login or an entry's UUID.
    pub person: String,
}

/// Parameters of `Answers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// A login or an entry's UUID.
    pub person: String,
}

/// Parameters of `Resend`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resend {
    /// A login or an entry's UUID.
    pub person: String,
    /// Who asks, for the audit.
    pub by: String,
}

/// Parameters of `Cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// A login or an entry's UUID.
    pub person: String,
    /// Who asks, for the audit.
    pub by: String,
    /// Why, for the audit.
    pub reason: String,
}

/// Parameters of `Sweep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// Only say what it would do.
    pub dry: bool,
}

/// Parameters of `AuditVerify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerify {
    /// A head from the journal that must be in the chain.
    pub anchor: Option<String>,
}

/// Parameters of `AuditExport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditExport {
    /// The number of the last record already read; 0 from the beginning.
    pub after: u64,
    /// At most so many, from 1 to [`limits::PAGE_MAX`].
    pub limit: u32,
}

impl Call {
    /// Reads a call: `method` is the full name (`org.parvis.Admin.Status`), `parameters` as they came.
    pub fn parse(method: &str, parameters: Option<&RawValue>) -> Result<Self, CallError> {
        let known = Method::from_full_name(method).ok_or_else(|| CallError::method(method))?;
        let mut fields = Fields::of_call(parameters)?;
        let call = Self::read(known, &mut fields)?;
        fields.finish()?;
        Ok(call)
    }

    fn read(method: Method, from: &mut Fields<'_>) -> Result<Self, CallError> {
        Ok(match method {
            Method::Status => Self::Status,
            Method::List => Self::List(List {
                state: from.text_or_null("state", limits::STATE)?,
                after: from.text_or_null("after", limits::PERSON)?,
                limit: page(from)?,
            }),
            Method::Show => Self::Show(Show { person: person(from)? }),
            Method::Answers => Self::Answers(Answers { person: person(from)? }),
            Method::Resend => Self::Resend(Resend { person: person(from)?, by: by(from)? }),
            Method::Cancel => Self::Cancel(Cancel {
                person: person(from)?,
                by: by(from)?,
                reason: from.text("reason", limits::REASON)?,
            }),
            Method::Sweep => Self::Sweep(Sweep { dry: from.flag("dry")? }),
            Method::AuditVerify => {
                Self::AuditVerify(AuditVerify { anchor: from.text_or_null("anchor", limits::ANCHOR)? })
            }
            Method::AuditExport => Self::AuditExport(AuditExport {
                after: from.number("after", 0, i64::MAX.unsigned_abs())?,
                limit: page(from)?,
            }),
            Method::Backup => Self::Backup,
        })
    }

    /// Which call it is.
    pub const fn method(&self) -> Method {
        match self {
            Self::Status => Method::Status,
            Self::List(_) => Method::List,
            Self::Show(_) => Method::Show,
            Self::Answers(_) => Method::Answers,
            Self::Resend(_) => Method::Resend,
            Self::Cancel(_) => Method::Cancel,
            Self::Sweep(_) => Method::Sweep,
            Self::AuditVerify(_) => Method::AuditVerify,
            Self::AuditExport(_) => Method::AuditExport,
            Self::Backup => Method::Backup,
        }
    }
}

fn person(from: &mut Fields<'_>) -> Result<String, CallError> {
    from.text("person", limits::PERSON)
}

fn by(from: &mut Fields<'_>) -> Result<String, CallError> {
    from.text("by", limits::PERSON)
}

fn page(from: &mut Fields<'_>) -> Result<u32, CallError> {
    let limit = from.number("limit", 1, limits::PAGE_MAX.into())?;
    u32::try_from(limit).map_err(|_| CallError::parameter("limit"))
}

/// As the call's parameters.
impl Serialize for Call {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Status | Self::Backup => Nothing {}.serialize(serializer),
            Self::List(call) => call.serialize(serializer),
            Self::Show(call) => call.serialize(serializer),
            Self::Answers(call) => call.serialize(serializer),
            Self::Resend(call) => call.serialize(serializer),
            Self::Cancel(call) => call.serialize(serializer),
            Self::Sweep(call) => call.serialize(serializer),
            Self::AuditVerify(call) => call.serialize(serializer),
            Self::AuditExport(call) => call.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct Nothing {}

/// Which roles may make a call: only the administrators, whichever it is.
pub const fn roles(method: Method) -> &'static [Role] {
    match method {
        Method::Status
        | Method::List
        | Method::Show
        | Method::Answers
        | Method::Resend
        | Method::Cancel
        | Method::Sweep
        | Method::AuditVerify
        | Method::AuditExport
        | Method::Backup => &[Role::Admin],
    }
}

/// An error of the interface; it serialises as a whole reply, `{"error": …, "parameters": …}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", content = "parameters")]
pub enum Failure {
    /// It cannot be done.
    #[serde(rename = "org.parvis.Admin.Refused")]
    #[error("{message}")]
    Refused {
        /// Why, as a word.
        code: String,
        /// Why, and what to do.
        message: String,
    },
    /// This caller may not make this call.
    #[serde(rename = "org.parvis.Admin.NotPermitted")]
    #[error("make the call {call} without the role {role}")]
    NotPermitted {
        /// The call.
        call: String,
        /// The role that it takes.
        role: String,
    },
    /// A fault of Parvis's own.
    #[serde(rename = "org.parvis.Admin.Fault")]
    #[error("get past a fault of the daemon, which its journal has as {reference}")]
    Fault {
        /// The number under which the journal has it.
        reference: String,
    },
}
