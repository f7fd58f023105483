//! Why a command could not be carried out, what to do about it, and the exit code that says so.

use crate::config::Faults;
use crate::service::EXIT_CONFIG;
use crate::store::{OpenError, RestoreError};
use parvis_protocol::client::{ClientError, ErrorReply};
use parvis_protocol::{admin, service};
use std::path::{Path, PathBuf};

/// Refused, or something is wrong.
pub const EXIT_WRONG: u8 = 1;
/// sysexits.h: the command line is wrong.
pub const EXIT_USAGE: u8 = 64;
/// sysexits.h: the daemon cannot be reached.
pub const EXIT_UNAVAILABLE: u8 = 69;
/// sysexits.h: this user may not.
pub const EXIT_NOT_PERMITTED: u8 = 77;

/// Why not. The texts complete "failed to …" and hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody answers.
    #[error("reach parvisd at {}: {why}", socket.display())]
    Unreachable {
        /// The admin socket.
        socket: PathBuf,
        /// What the kernel said.
        why: String,
    },
    /// It answers nothing.
    #[error("get an answer from parvisd at {} in time", socket.display())]
    TimedOut {
        /// The admin socket.
        socket: PathBuf,
    },
    /// The socket's mode, or the daemon, keeps this user out.
    #[error("{what}: this user may not")]
    NotPermitted {
        /// What was tried.
        what: String,
    },
    /// The daemon says no.
    #[error("{what}: {why}")]
    Refused {
        /// What was tried.
        what: String,
        /// What it said.
        why: String,
    },
    /// A fault of the daemon's own.
    #[error("{what}: parvisd met a fault of its own ({reference})")]
    Fault {
        /// What was tried.
        what: String,
        /// Under which name its journal has it.
        reference: String,
    },
    /// The daemon speaks otherwise than this program.
    #[error("{what}: parvisd and parvisctl do not understand each other ({why})")]
    Differs {
        /// What was tried.
        what: String,
        /// What was not understood.
        why: String,
    },
    /// The command line cannot be carried out as it stands.
    #[error("carry out the command line: {0}")]
    Usage(String),
    /// The configuration cannot be used.
    #[error("use the configuration:\n{}", .0.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n"))]
    Configuration(Faults),
    /// A backup cannot be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The operating system refused something.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The standard output does not take it.
    #[error("write the standard output: {0}")]
    Output(#[source] std::io::Error),
}

impl Failure {
    /// sysexits.h's, or 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => EXIT_UNAVAILABLE,
            Self::NotPermitted { .. } => EXIT_NOT_PERMITTED,
            Self::Configuration(_) => EXIT_CONFIG,
            Self::Usage(_) => EXIT_USAGE,
            Self::Refused { .. }
            | Self::Fault { .. }
            | Self::Differs { .. }
            | Self::Restore(_)
            | Self::File { .. }
            | Self::Output(_) => EXIT_WRONG,
        }
    }

    /// What to do about it; empty where the failure says so itself.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "start it (systemctl start parvisd), or name its socket with --socket; its journal says why it is \
                 down (journalctl -u parvisd)"
            }
            Self::TimedOut { .. } => "look at its journal (journalctl -u parvisd), then try again",
            Self::NotPermitted { .. } => {
                "use sudo, or become a member of a group that gate.admin names (parvis-admin)"
            }
            Self::Refused { .. } | Self::Usage(_) | Self::Output(_) => "",
            Self::Fault { .. } => "look at its journal (journalctl -u parvisd), and report it",
            Self::Differs { .. } => "install both in the same version, and restart parvisd",
            Self::Configuration(_) => "correct each key; parvisctl check looks at all of it",
            Self::Restore(RestoreError::NotEmpty { .. }) => {
                "move what is there away and keep it, or name another store.path"
            }
            Self::Restore(RestoreError::Open(OpenError::Locked { .. })) => {
                "stop the daemon first: systemctl stop parvisd.service parvisd-hook.socket parvisd-admin.socket"
            }
            Self::Restore(RestoreError::Damaged { .. }) => {
                "take an earlier backup; nothing was left in the folder"
            }
            Self::Restore(RestoreError::Full { .. }) => {
                "make room on the disk; nothing was left in the folder"
            }
            Self::Restore(RestoreError::Newer { .. }) => {
                "install the parvisd that wrote the backup, or a later one"
            }
            Self::Restore(RestoreError::Open(_) | RestoreError::Failed { .. }) => {
                "run it as root; nothing was restored"
            }
            Self::File { .. } => "check the path, its rights and the room on its disk",
        }
    }

    /// What became of a call: `what` completes "failed to …".
    pub fn of_call(error: ClientError, what: &str, socket: &Path) -> Self {
        let what = what.to_owned();
        match error {
            ClientError::Unreachable { source, .. }
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Self::NotPermitted { what }
            }
            ClientError::Unreachable { source, .. } => {
                Self::Unreachable { socket: socket.into(), why: source.to_string() }
            }
            ClientError::TimedOut => Self::TimedOut { socket: socket.into() },
            ClientError::Closed => {
                Self::Unreachable { socket: socket.into(), why: "it closed the connection".to_owned() }
            }
            ClientError::Wire(error) => Self::Differs { what, why: error.to_string() },
            ClientError::Answered(reply) => Self::of_reply(&reply, what),
        }
    }

    fn of_reply(reply: &ErrorReply, what: String) -> Self {
        match reply.read::<admin::Failure>() {
            Some(admin::Failure::Refused { message, .. }) => Self::Refused { what, why: message },
            Some(admin::Failure::NotPermitted { .. }) => Self::NotPermitted { what },
            Some(admin::Failure::Fault { reference }) => Self::Fault { what, reference },
            None => match reply.read::<service::Failure>() {
                // Every parameter but these is this program's own; these are the user's words.
                Some(service::Failure::InvalidParameter { parameter }) => {
                    let why = format!("the {parameter} is too long, or has characters that cannot be used");
                    Self::Refused { what, why }
                }
                Some(other) => Self::Differs { what, why: other.to_string() },
                None => Self::Differs { what, why: reply.name.clone() },
            },
        }
    }
}
