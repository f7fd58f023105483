//! The configuration: what is written (`raw`), how it is read (`load`), and what it means (`settings`, `resolve`).
//!
//! All faults are reported at once, with file and key; none is repaired silently. Nothing here opens a connection.

mod credentials;
mod load;
mod raw;
mod resolve;
mod settings;
#[cfg(test)]
pub mod trial;
mod units;

pub use credentials::{Credentials, secret};
pub use raw::{LogTarget, Security, Texts, Unknown};
pub use resolve::{LOCALES, hex};
pub use settings::{CharterView, MailSettings, PasswordPolicy, Rates, Roles, Settings, Who};
pub use units::Rate;

use crate::directory;
use raw::Raw;
use std::path::{Path, PathBuf};

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, with the line where it is known; or the environment.
    pub place: String,
    /// The key, as `section.key`; empty where it is about the whole file.
    pub key: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// All that is wrong.
pub type Faults = Vec<Fault>;

impl Fault {
    fn new(place: impl std::fmt::Display, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), key: key.into(), what: what.into() }
    }

    /// Whether this key, or what it stands in or holds, is the one at fault.
    fn concerns(&self, key: &str) -> bool {
        let within = |one: &str, other: &str| {
            one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        within(&self.key, key) || within(key, &self.key)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.place, self.what),
            key => write!(f, "{}: {key}: {}", self.place, self.what),
        }
    }
}

/// Where things are: what `parvisctl` needs to know before, or without, the secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Every file that was read, in its order.
    pub files: Vec<PathBuf>,
    /// The files of the secrets that this configuration needs.
    pub credentials: Vec<PathBuf>,
    /// `gate.admin-socket`.
    pub admin_socket: PathBuf,
    /// `store.path`.
    pub store: PathBuf,
}

/// What somebody wants otherwise than the configuration has it, to look at a directory.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// The server.
    pub uri: Option<String>,
    /// Protect `ldap://` by StartTLS.
    pub starttls: bool,
    /// Whom to trust.
    pub ca_file: Option<PathBuf>,
    /// Speak clear text to another machine.
    pub allow_clear_text: bool,
    /// Who to be.
    pub bind: Option<directory::Bind>,
    /// Where the people are.
    pub base: Option<String>,
    /// Where there is no configuration: take what is shipped for Active Directory.
    pub active_directory: bool,
}

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `parvis.toml`; `conf.d/` is looked for beside it.
    pub file: PathBuf,
    /// The process's environment.
    pub environment: Vec<(String, String)>,
    /// Where the secrets are.
    pub credentials: Credentials,
}

impl Sources {
    /// The file with this process's environment and credentials.
    pub fn of_process(file: &Path) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file: file.to_owned(), environment, credentials: Credentials::of_process(file) }
    }

    /// Reads everything but the secrets, and says where things are.
    pub fn places(&self) -> Result<Places, Faults> {
        self.meaning(|raw, faults| {
            let names = [
                Some(&raw.links.key_credential),
                (raw.directory.bind == raw::Bind::Simple).then_some(&raw.directory.bind_password_credential),
                raw.mail.username.as_ref().map(|_| &raw.mail.password_credential),
                raw.mail.dkim.selector.as_ref().map(|_| &raw.mail.dkim.key_credential),
            ];
            Some(Places {
                files: load::layers(&self.file, faults),
                credentials: names.into_iter().flatten().map(|name| self.credentials.path(name)).collect(),
                admin_socket: raw.gate.admin_socket,
                store: raw.store.path,
            })
        })
    }

    /// Whether there is a configuration; the shipped defaults stand in for one that is not there.
    pub fn exist(&self) -> bool {
        self.file.exists()
    }

    /// The servers that the configuration names; none where there is no configuration.
    pub fn uris(&self) -> Result<Vec<String>, Faults> {
        if !self.exist() {
            return Ok(Vec::new());
        }
        self.meaning(|raw, _| Some(raw.directory.uris))
    }

    /// Reads what the directory needs, and no other secret than its password; where there is no configuration yet, with
    /// the shipped filters and rules.
    pub fn directory(&self, stated: Stated) -> Result<(directory::Settings, directory::Mapping), Faults> {
        if self.exist() {
            let place = self.file.display().to_string();
            return self.meaning(|raw, faults| resolve::directory(raw, stated, place, self, faults));
        }
        let mut faults = Faults::new();
        let raw = load::shipped(stated.active_directory, &mut faults);
        let place = "the command line".to_owned();
        let whole = raw.and_then(|raw| resolve::directory(raw, stated, place, self, &mut faults));
        whole.filter(|_| faults.is_empty()).ok_or(faults)
    }

    /// Reads everything and says what it means, or all that is wrong with it.
    pub fn settings(&self) -> Result<Settings, Faults> {
        self.meaning(|raw, faults| resolve::resolve(raw, self, faults))
    }

    /// What the files and the environment come to, if nothing is wrong with them. What is written wrong does not hide what
    /// is meant wrong elsewhere.
    fn meaning<T>(&self, mean: impl FnOnce(Raw, &mut Faults) -> Option<T>) -> Result<T, Faults> {
        let mut faults = Faults::new();
        let raw = load::load(&self.file, &self.environment, &mut faults);
        let mut more = Faults::new();
        let whole = raw.and_then(|raw| mean(raw, &mut more));
        // A key that is at fault was left out, so what it means now is not what was written.
        more.retain(|fault| fault.key.is_empty() || !faults.iter().any(|known| known.concerns(&fault.key)));
        faults.extend(more);
        whole.filter(|_| faults.is_empty()).ok_or(faults)
    }
}
