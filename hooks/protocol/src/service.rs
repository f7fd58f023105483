//! `org.varlink.service`: what any Varlink service says of itself, and the errors that any interface answers with.
//!
//! Nothing in it is Parvis's own (varlink.org, "Service Interface").

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::fields::Fields;
use crate::{CallError, limits};

/// The interface's name.
pub const NAME: &str = "org.varlink.service";

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Which service this is.
    GetInfo,
    /// The text of an interface.
    GetInterfaceDescription {
        /// The interface's name.
        interface: String,
    },
}

impl Call {
    /// Reads a call by its full name.
    pub fn parse(method: &str, parameters: Option<&RawValue>) -> Result<Self, CallError> {
        let mut fields = Fields::of_call(parameters)?;
        let call = match method {
            "org.varlink.service.GetInfo" => Self::GetInfo,
            "org.varlink.service.GetInterfaceDescription" => {
                Self::GetInterfaceDescription { interface: fields.text("interface", limits::INTERFACE)? }
            }
            _ => return Err(CallError::method(method)),
        };
        fields.finish()?;
        Ok(call)
    }
}

/// Answer of `GetInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Who made it.
    pub vendor: String,
    /// What it is.
    pub product: String,
    /// Which version.
    pub version: String,
    /// Where to read about it.
    pub url: String,
    /// The interfaces it has.
    pub interfaces: Vec<String>,
}

/// Answer of `GetInterfaceDescription`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The interface file's text.
    pub description: String,
}

/// An error that any interface can answer with; it serialises as a whole reply, `{"error": …, "parameters": …}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", content = "parameters")]
pub enum Failure {
    /// No such interface.
    #[error("find the interface {interface}")]
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    InterfaceNotFound {
        /// The interface asked for.
        interface: String,
    },
    /// No such method.
    #[error("find the method {method}")]
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    MethodNotFound {
        /// The method asked for.
        method: String,
    },
    /// The method is described and not there.
    #[error("call the method {method}, which is not there")]
    #[serde(rename = "org.varlink.service.MethodNotImplemented")]
    MethodNotImplemented {
        /// The method asked for.
        method: String,
    },
    /// A parameter that cannot be taken.
    #[error("use the parameter {parameter}")]
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter {
        /// The parameter's name.
        parameter: String,
    },
    /// The caller may not.
    #[error("call without permission")]
    #[serde(rename = "org.varlink.service.PermissionDenied")]
    PermissionDenied {},
    /// The call must be made with `more`.
    #[error("call without \"more\"")]
    #[serde(rename = "org.varlink.service.ExpectedMore")]
    ExpectedMore {},
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::MethodNotFound { method } => Self::MethodNotFound { method },
            CallError::InvalidParameter { parameter } => Self::InvalidParameter { parameter },
        }
    }
}
