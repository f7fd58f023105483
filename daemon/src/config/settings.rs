//! The configuration as it is meant: real types, checked, ready for the rooms that use it.

use super::raw::{Security, Texts, Unknown};
use super::units::Rate;
use crate::directory;
use crate::directory::mapping::Mapping;
use crate::mail::{Login, ReturnPath, Signer, Way};
use jiff::{SignedDuration, Span};
use parvis_enrolment::Policy;
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The longest address to go back to, in bytes.
const LONGEST_RETURN: usize = 512;

/// Everything.
pub struct Settings {
    pub campus: super::raw::Campus,
    pub pages: super::raw::Pages,
    pub policy: Policy,
    pub charter: CharterView,
    pub directory: directory::Settings,
    pub attributes: Attributes,
    pub mailbox_usable: Texts,
    pub mapping: Mapping,
    pub probe_entry: Option<String>,
    pub mail: MailSettings,
    pub password: PasswordPolicy,
    pub rates: Rates,
    pub gate: GateSettings,
    pub roles: Roles,
    pub unknown: Unknown,
    pub pass: Vec<String>,
    pub sweep: SweepSettings,
    /// When people who stopped half-way are looked for; how long ago, the policy says.
    pub reminders: cron::Schedule,
    /// Who gets the nightly report.
    pub reports: Vec<String>,
    pub store: PathBuf,
    pub log: super::raw::Log,
    pub key: SecretString,
    /// What can be meant so, and hardly is: said at start and by `parvisctl check`.
    pub cautions: Vec<super::Fault>,
}

/// Which attributes say what about a person.
pub struct Attributes {
    pub login: String,
    pub name: String,
    pub mail: String,
    pub recovery: String,
    pub locale: String,
    pub marker: Option<String>,
}

/// What people see of the charter; its version and digests are the policy's.
pub struct CharterView {
    pub title: Texts,
    pub url: Texts,
}

/// How mail leaves.
pub struct MailSettings {
    pub way: Way,
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub ca_file: Option<PathBuf>,
    pub helo: Option<String>,
    pub login: Option<Login>,
    /// Before production: everything goes here.
    pub intercept: Option<String>,
    pub from: String,
    /// Where mail comes back to; `None`: to `from`, and nobody here reads it.
    pub bounces: Option<ReturnPath>,
    pub connections: usize,
    pub timeout: SignedDuration,
    pub overrides: Option<PathBuf>,
    pub retry_first: SignedDuration,
    pub retry_longest: SignedDuration,
    /// Whether domains are looked up, by these servers; none of them: the system's.
    pub mx: Option<Vec<SocketAddr>>,
    /// Signs them; `None`: the mail server does.
    pub dkim: Option<Arc<Signer>>,
}

/// The local password rules.
pub struct PasswordPolicy {
    pub minimum: usize,
    pub maximum: usize,
    pub classes: u8,
    pub strength: u8,
    pub breached: Option<PathBuf>,
    pub history_sentence: bool,
}

/// The limits on attempts.
pub struct Rates {
    pub sign_in: Rate,
    pub address_changes: Rate,
    pub password: Rate,
    pub requests: Rate,
    pub address: Rate,
    pub domain: Rate,
    pub campus: Rate,
    pub client: Rate,
    pub exempt: Vec<Network>,
}

/// A network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: std::net::IpAddr,
    pub bits: u8,
}

/// The sockets.
pub struct GateSettings {
    pub hook_socket: PathBuf,
    pub admin_socket: PathBuf,
    pub connections: usize,
    pub authenticate: bool,
}

/// Who holds which role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    pub sso: Vec<Who>,
    pub pages: Vec<Who>,
    pub mta: Vec<Who>,
    pub admin: Vec<Who>,
}

/// A user or a group of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A user, by number.
    Uid(u32),
    /// A user, by name.
    User(String),
    /// A group, by number.
    Gid(u32),
    /// A group, by name.
    Group(String),
}

/// When to sweep, and what is kept.
pub struct SweepSettings {
    pub schedule: cron::Schedule,
    pub keep_done: Span,
    pub keep_closed: Span,
}

impl Settings {
    /// Where our pages are, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.pages.base_url.trim_end_matches('/')
    }

    /// Where a person signs in with the letter.
    pub fn sign_in_url(&self) -> &str {
        self.pages.sign_in_url.as_deref().unwrap_or_else(|| self.base_url())
    }

    /// An address to go back to, if it is under one of the configured prefixes, and no longer than a session's place
    /// for it: a record holds sixteen of them.
    pub fn return_to(&self, asked: Option<String>) -> Option<String> {
        let asked = asked?;
        let plain = asked.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>`".contains(&byte));
        let permitted = asked.len() <= LONGEST_RETURN
            && plain
            && self.pages.return_to.iter().any(|prefix| asked.starts_with(prefix.as_str()));
        if !permitted {
            tracing::info!(
                "an address to go back to is too long or not under pages.return-to; it is dropped"
            );
        }
        permitted.then_some(asked)
    }

    /// The keys that differ and cannot change while the daemon runs.
    pub fn fixed(&self, other: &Self) -> Vec<&'static str> {
        let differs = [
            ("store.path", self.store != other.store),
            ("gate.hook-socket", self.gate.hook_socket != other.gate.hook_socket),
            ("gate.admin-socket", self.gate.admin_socket != other.gate.admin_socket),
            ("links.key-credential", self.key.expose_secret() != other.key.expose_secret()),
            ("mail.connections", self.mail.connections != other.mail.connections),
            ("log.filter", self.log.filter != other.log.filter),
            ("log.target", self.log.target != other.log.target),
            ("directory", !self.same_directory(other)),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }

    fn same_directory(&self, other: &Self) -> bool {
        let secret = |settings: &Self| match &settings.directory.bind {
            directory::Bind::Simple { password, .. } => Some(password.expose_secret().to_owned()),
            directory::Bind::External | directory::Bind::Anonymous => None,
        };
        format!("{:?}", self.directory) == format!("{:?}", other.directory) && secret(self) == secret(other)
    }
}

impl Network {
    /// Whether the address is in it.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        use std::net::IpAddr;
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32u32.saturating_sub(self.bits.into());
                let cut = |ip: std::net::Ipv4Addr| u32::from(ip).checked_shr(shift).unwrap_or(0);
                cut(own) == cut(other)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128u32.saturating_sub(self.bits.into());
                let cut = |ip: std::net::Ipv6Addr| u128::from(ip).checked_shr(shift).unwrap_or(0);
                cut(own) == cut(other)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_address_to_go_back_to_is_short_and_one_of_the_campus() {
        let settings =
            super::super::trial::settings("[pages]\nreturn-to = [\"https://ent.univ.example/\"]\n");
        let back = |asked: &str| settings.return_to(Some(asked.to_owned()));
        let fits = format!("https://ent.univ.example/{}", "x".repeat(512 - 25));
        assert_eq!(back(&fits), Some(fits.clone()));
        assert_eq!(back(&format!("{fits}x")), None);
        assert_eq!(back("https://elsewhere.example/"), None);
        assert_eq!(back("https://ent.univ.example/<script>"), None);
    }
}
