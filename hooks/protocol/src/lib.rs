//! The hook contract in Rust: every call, answer, refusal and error, their limits, and how they travel.
//!
//! The interface files beside this crate are the contract's one source, and a test holds these types against
//! them. Nothing here decides anything about a person, reads a clock, or knows a runtime: the daemon's gate and
//! the hook binaries share this crate, and share nothing else.

pub mod admin;
pub mod base64;
pub mod client;
mod fields;
pub mod hook;
pub mod limits;
pub mod outcome;
pub mod secret;
pub mod service;
pub mod wire;
mod words;

pub use client::Client;
pub use fields::CallError;
pub use secret::Secret;

/// The text of `org.parvis.Hook`, as `GetInterfaceDescription` answers it.
pub const INTERFACE_HOOK: &str = include_str!("../org.parvis.Hook.varlink");

/// The text of `org.parvis.Admin`, as `GetInterfaceDescription` answers it.
pub const INTERFACE_ADMIN: &str = include_str!("../org.parvis.Admin.varlink");

/// The text of `org.varlink.service`, which every Varlink service answers.
pub const INTERFACE_SERVICE: &str = include_str!("../org.varlink.service.varlink");

/// Who may call: the configuration says which users and groups hold which role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The login page: it has proven the person, and vouches for them.
    Sso,
    /// The public pages: they vouch for nobody.
    Pages,
    /// The mail system, which hands bounces over.
    Mta,
    /// The administrators of Parvis.
    Admin,
}

impl Role {
    /// The role's name in the configuration and in `NotPermitted`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sso => "sso",
            Self::Pages => "pages",
            Self::Mta => "mta",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
