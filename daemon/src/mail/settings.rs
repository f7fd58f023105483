//! How to reach the campus's mail server, and what cannot be right about it.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::wire::Transcript;

/// How to reach the mail server.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// What is spoken to it, and where it is.
    pub way: Way,
    /// A host name, or an IP address. With TLS, the certificate must be for it.
    pub host: String,
    /// 25, 465 and 587 are usual.
    pub port: u16,
    /// Never weaker than what is asked for: without STARTTLS from the server, no mail.
    pub security: Security,
    /// PEM: the only authorities to trust. Without it, the system's.
    pub ca_file: Option<PathBuf>,
    /// Our name in EHLO: a host name, or an address literal.
    pub helo_name: String,
    /// Who signs in, if the server wants that.
    pub login: Option<Login>,
    /// For each step but the end of the message.
    pub step_deadline: Duration,
    /// For the message and the answer to its final dot, when servers look for viruses.
    pub message_deadline: Duration,
    /// A kept connection that was idle for so long is not used again.
    pub idle_limit: Duration,
    /// A connection that has carried so many is replaced.
    pub mails_per_connection: u32,
    /// Where each reply is written down, for whoever tests the server.
    pub transcript: Option<Transcript>,
}

impl RelaySettings {
    /// The defaults: port 25 without encryption, which suits a mail server on this machine.
    #[must_use]
    pub fn new(host: impl Into<String>, helo_name: impl Into<String>) -> Self {
        Self {
            way: Way::Smtp,
            host: host.into(),
            port: 25,
            security: Security::None,
            ca_file: None,
            helo_name: helo_name.into(),
            login: None,
            step_deadline: Duration::from_secs(30),
            message_deadline: Duration::from_secs(120),
            idle_limit: Duration::from_secs(60),
            mails_per_connection: 1_000,
            transcript: None,
        }
    }

    /// What can be checked without the network or a file.
    pub(crate) fn check(&self) -> Result<(), RelayFault> {
        let named =
            |name: &str| !name.is_empty() && name.len() <= 255 && name.bytes().all(|b| b.is_ascii_graphic());
        if !named(&self.helo_name) {
            return Err(RelayFault::HeloName);
        }
        match &self.way {
            Way::Smtp | Way::Lmtp(None) if !named(&self.host) => return Err(RelayFault::Host),
            Way::Lmtp(None) if self.port == 25 => return Err(RelayFault::LmtpPort),
            Way::Lmtp(Some(_)) if self.security != Security::None => return Err(RelayFault::TlsOnSocket),
            Way::Sendmail(_) if self.login.is_some() => return Err(RelayFault::LoginOfProgram),
            Way::Lmtp(Some(path)) | Way::Sendmail(path) if !path.is_absolute() => {
                return Err(RelayFault::Path(path.clone()));
            }
            Way::Lmtp(Some(_)) | Way::Sendmail(_) => return Ok(()),
            Way::Smtp | Way::Lmtp(None) => {}
        }
        if self.security == Security::None && self.login.is_some() && !is_this_machine(&self.host) {
            return Err(RelayFault::PasswordInClear);
        }
        Ok(())
    }
}

/// How a mail gets to the mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// SMTP (RFC 5321) to the host and port.
    Smtp,
    /// LMTP (RFC 2033): to the host and port, or to a Unix socket.
    Lmtp(Option<PathBuf>),
    /// This program, which is called as sendmail is.
    Sendmail(PathBuf),
}

/// How the conversation is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    None,
    /// STARTTLS (RFC 3207), and nothing without it.
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
}

/// Who signs in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The account.
    pub username: String,
    /// Its password, or the access token for XOAUTH2.
    pub password: SecretString,
    /// By XOAUTH2; else by PLAIN or LOGIN, whichever the server offers.
    pub xoauth2: bool,
}

/// What is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayFault {
    /// Not a host name or an IP address.
    #[error("the mail server's host is no host name")]
    Host,
    /// Not where LMTP may be spoken.
    #[error("LMTP is not spoken on port 25 (RFC 2033 section 5): 24 is usual, or a Unix socket")]
    LmtpPort,
    /// A Unix socket needs none.
    #[error("there is no TLS on a Unix socket: security = \"none\"")]
    TlsOnSocket,
    /// Who signs in is the program's affair.
    #[error("sendmail signs in by itself, if at all: a username says nothing to it")]
    LoginOfProgram,
    /// Of a program or a socket.
    #[error("{} is no absolute path", .0.display())]
    Path(PathBuf),
    /// Not a name for EHLO.
    #[error("the name for EHLO is no host name")]
    HeloName,
    /// A password would cross the network unencrypted.
    #[error("a password for the mail server needs starttls or tls, unless the server is on this machine")]
    PasswordInClear,
    /// The CA file cannot be used.
    #[error("the mail server's CA file {}: {words}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        words: String,
    },
    /// The system's certificates cannot be used.
    #[error("TLS to the mail server: {0}")]
    Tls(String),
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
