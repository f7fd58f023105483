//! What a call is answered with when it is not done: the three errors of `org.parvis.Hook`.
//!
//! Varlink's own errors, which any interface can answer with, are in [`crate::service`].

use serde::{Deserialize, Serialize};

use super::{RefusalCode, Step, Then};

/// An error of the interface; it serialises as a whole reply, `{"error": …, "parameters": …}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", content = "parameters")]
pub enum Failure {
    /// The answer is no, with words for the person.
    #[serde(rename = "org.parvis.Hook.Refused")]
    #[error("get past a refusal: {}", .0.code)]
    Refused(Box<Refusal>),
    /// This caller may not make this call.
    #[serde(rename = "org.parvis.Hook.NotPermitted")]
    #[error("make the call {call} without the role {role}")]
    NotPermitted {
        /// The call.
        call: String,
        /// The role, or roles, that it takes.
        role: String,
    },
    /// A fault of Parvis's own.
    #[serde(rename = "org.parvis.Hook.Fault")]
    #[error("get past a fault of the daemon, which its journal has as {reference}")]
    Fault {
        /// The number under which the journal has it.
        reference: String,
    },
}

/// A no, and what the page should offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// The field of the request that it is about.
    pub field: Option<String>,
    /// The same in words.
    pub message: String,
    /// What to offer.
    pub then: Then,
    /// Where to sign in.
    pub sign_in_url: Option<String>,
    /// The help address.
    pub help: Option<String>,
    /// Where to go with a lost letter, where signing in again takes it.
    pub lost_letter: Option<String>,
    /// In how many seconds to try again.
    pub retry_after: Option<u32>,
    /// When a link expired, was used or was replaced: an instant.
    pub at: Option<String>,
    /// The step that the session is at, for `out-of-order`.
    pub step: Option<Step>,
}

impl Refusal {
    /// A refusal with nothing but its reason, its words and its way out.
    pub fn new(code: RefusalCode, then: Then, message: impl Into<String>) -> Self {
        Self {
            code,
            field: None,
            message: message.into(),
            then,
            sign_in_url: None,
            help: None,
            lost_letter: None,
            retry_after: None,
            at: None,
            step: None,
        }
    }
}
