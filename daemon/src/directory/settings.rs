//! What the directory room must be told, and the check that turns it into something that can be used.
//!
//! It reads the CA file and nothing else: whether a server answers is `probe`'s business.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::Dialect;
use super::filter::Filter;
use super::holders::Holders;
use super::link::Capabilities;
use super::states::States;
use super::tls;

/// Everything about one directory. Built by the configuration; checked by [`Settings::prepare`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// `ldap://host[:port]`, `ldaps://host[:port]` or `ldapi://%2Fpath`: servers of one directory, tried in this order.
    pub uris: Vec<String>,
    /// Protect `ldap://` by StartTLS (RFC 4511, section 4.14).
    pub starttls: bool,
    /// PEM file of the authorities to trust; without it, the system's.
    pub ca_file: Option<PathBuf>,
    /// Speak clear text to a host that is not this one. Passwords are never written over such a connection.
    pub allow_clear_text: bool,
    /// Who the service is.
    pub bind: Bind,
    /// The entry under which the people are.
    pub base: String,
    /// Which entry has a login; `{login}` stands for the login, escaped.
    pub login_filter: String,
    /// Which product it is; `None`: what it says itself.
    pub dialect: Option<Dialect>,
    /// How the provisional entries are watched.
    pub watch: Watching,
    /// Which entries a mail address belongs to; `{address}` stands for it, escaped. Empty: the directory is not asked.
    pub address_filter: String,
    /// The attributes in which an entry names where it forwards its mail to.
    pub address_targets: Vec<String>,
    /// Where the login itself is read.
    pub login_attribute: String,
    /// Entries to be activated.
    pub provisional: String,
    /// Entries that work.
    pub active: String,
    /// Entries that are locked; empty: none are.
    pub locked: String,
    /// Name and filter of each population; the first that matches is the one.
    pub populations: Vec<(String, String)>,
    /// What to read besides what the filters and the login name need: names, addresses, whatever the mapping needs.
    pub attributes: Vec<String>,
    /// How this server takes a new password; `None`: looked up in its configuration, [`PasswordWrite::Extended`] if that is hidden.
    pub password_write: Option<PasswordWrite>,
    /// An entry with a password that nobody has, for binds that must fail and cost the same; `None`: a DN that does not exist.
    pub decoy: Option<String>,
    /// How many connections the service keeps (2 to 16).
    pub connections: usize,
    /// How long anything may take.
    pub timeouts: Timeouts,
}

/// Who the service is to the directory.
#[derive(Clone, Debug)]
pub enum Bind {
    /// A name and a password.
    Simple {
        /// The name.
        dn: String,
        /// The password; not empty.
        password: SecretString,
    },
    /// SASL EXTERNAL: who we are to the kernel, over `ldapi://`.
    External,
    /// Nobody: for a first look at a server. No configuration can say it.
    Anonymous,
}

/// How a server takes a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordWrite {
    /// With everything else in one Modify: the server judges and hashes a clear `userPassword` itself.
    InModify,
    /// RFC 3062 first, then one Modify with the rest.
    Extended,
    /// With everything else in one Modify, as Active Directory's `unicodePwd` (MS-ADTS, section 3.1.1.3.1.5.1).
    UnicodePwd,
}

/// How long anything may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To connect, protect and bind.
    pub connect: Duration,
    /// For one operation, all its round trips together.
    pub operation: Duration,
    /// Between two signs of life asked of a quiet connection.
    pub heartbeat: Duration,
    /// The longest wait between two attempts to reconnect.
    pub backoff: Duration,
}

/// How the provisional entries are watched.
#[derive(Clone, Copy, Debug)]
pub struct Watching {
    /// `None`: the best way that the server offers.
    pub way: Option<Way>,
    /// Between two questions, where the server does not tell by itself.
    pub poll: Duration,
    /// Between two comparisons with everything that is there, where the server does not tell of deletions.
    pub compare: Duration,
}

/// One way of learning of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// RFC 4533, refresh and persist.
    Sync,
    /// draft-ietf-ldapext-psearch-03.
    PersistentSearch,
    /// Active Directory's DirSync control (MS-ADTS, section 3.1.1.3.4.1.3).
    Dirsync,
    /// Asking for what changed since.
    Poll,
}

impl Default for Watching {
    fn default() -> Watching {
        Watching { way: None, poll: Duration::from_secs(15), compare: Duration::from_secs(3600) }
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(5),
            operation: Duration::from_secs(5),
            heartbeat: Duration::from_secs(30),
            backoff: Duration::from_secs(15),
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            uris: vec!["ldapi://%2Frun%2Fslapd%2Fldapi".to_owned()],
            starttls: false,
            ca_file: None,
            allow_clear_text: false,
            bind: Bind::External,
            base: String::new(),
            login_filter: "(uid={login})".to_owned(),
            address_filter: String::new(),
            address_targets: Vec::new(),
            login_attribute: "uid".to_owned(),
            provisional: "(supannRessourceEtat={COMPTE}I:*)".to_owned(),
            active: "(supannRessourceEtat={COMPTE}A:*)".to_owned(),
            locked: "(|(supannRessourceEtat={COMPTE}S:*)(pwdAccountLockedTime=*))".to_owned(),
            populations: Vec::new(),
            attributes: Vec::new(),
            password_write: None,
            dialect: None,
            watch: Watching::default(),
            decoy: None,
            connections: 3,
            timeouts: Timeouts::default(),
        }
    }
}

/// What is wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {fault}")]
pub struct SettingsFault {
    /// The setting, as the configuration calls it.
    pub key: &'static str,
    /// What is wrong with it, and what would be right.
    pub fault: String,
}

/// Where one server is, and how it is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Tcp { host: String, port: u16, tls: Tls },
    Unix { path: PathBuf },
}

/// How a TCP connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    None,
    Start,
    Whole,
}

impl Server {
    /// Can a password travel this way?
    pub(super) fn protected(&self) -> bool {
        match self {
            Server::Unix { .. } => true,
            Server::Tcp { host, tls, .. } => *tls != Tls::None || loopback(host),
        }
    }
}

/// Settings that have been checked.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) settings: Settings,
    pub(super) servers: Vec<Server>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) states: States,
    pub(super) attributes: Arc<[String]>,
    pub(super) holders: Holders,
}

/// Read in any case: who it is, when it changed, and when its password did.
pub(super) const ALWAYS: [&str; 10] = [
    "objectClass",
    "entryUUID",
    "entryCSN",
    "modifyTimestamp",
    "pwdChangedTime",
    // What other products have in their place: an attribute that a server does not know costs nothing.
    "nsUniqueId",
    "entryusn",
    "objectGUID",
    "whenChanged",
    "uSNChanged",
];

impl Settings {
    /// Where that server is, for people.
    pub(super) fn place(&self, index: usize) -> &str {
        self.uris.get(index).map(String::as_str).unwrap_or_default()
    }

    /// Which product the server is: as stated, else as it says itself.
    pub(super) fn dialect(&self, capabilities: &Capabilities) -> Dialect {
        self.dialect.unwrap_or_else(|| Dialect::of(capabilities))
    }

    /// Check everything that can be checked without a server, and say all that is wrong.
    pub fn prepare(self) -> Result<Arc<Prepared>, Vec<SettingsFault>> {
        let mut faults = Vec::new();
        let mut fault = |key, fault: String| faults.push(SettingsFault { key, fault });
        let servers = servers(&self, &mut fault);
        let tls = tls::client(self.ca_file.as_deref()).map_err(|words| fault("ca-file", words)).ok();
        let login = Filter::parse(&self.login_filter.replace("{login}", "x"))
            .map_err(|words| fault("login-filter", words.to_string()))
            .ok();
        if !self.login_filter.contains("{login}") {
            fault("login-filter", "it must contain {login}".to_owned());
        }
        let holders = Holders::of(&self).unwrap_or_else(|wrong| {
            fault(wrong.key, wrong.fault);
            Holders::default()
        });
        let states = states(&self, &mut fault);
        plain_checks(&self, &mut fault);
        let attributes = attributes(&self, &states, login.as_ref());
        if attributes.iter().any(|name| name.eq_ignore_ascii_case("userPassword")) {
            fault("attributes", "userPassword is never read: use a state attribute".to_owned());
        }
        match tls {
            Some(tls) if faults.is_empty() => {
                let attributes = attributes.into();
                Ok(Arc::new(Prepared { settings: self, servers, tls, states, attributes, holders }))
            }
            _ => Err(faults),
        }
    }
}

impl Prepared {
    /// The settings as they were given.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The three states and the populations.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// The filter for one login.
    pub(super) fn login_filter(&self, login: &str) -> String {
        self.settings.login_filter.replace("{login}", &ldap3::ldap_escape(login))
    }
}

fn plain_checks(settings: &Settings, fault: &mut impl FnMut(&'static str, String)) {
    if settings.base.trim().is_empty() {
        fault("base", "give the DN under which the people are".to_owned());
    }
    if !(2..=16).contains(&settings.connections) {
        fault("connections", format!("{} is not between 2 and 16", settings.connections));
    }
    if let Bind::Simple { dn, password } = &settings.bind {
        use secrecy::ExposeSecret;
        if dn.is_empty() {
            fault("bind", "the DN is empty: that is an anonymous bind".to_owned());
        }
        if password.expose_secret().is_empty() {
            fault(
                "bind",
                "the password is empty: that is an unauthenticated bind (RFC 4513, section 5.1.2)".to_owned(),
            );
        }
    }
    let waits = &settings.timeouts;
    if [waits.connect, waits.operation, waits.heartbeat, waits.backoff].iter().any(Duration::is_zero) {
        fault("timeouts", "none may be zero".to_owned());
    }
}

fn servers(settings: &Settings, fault: &mut impl FnMut(&'static str, String)) -> Vec<Server> {
    if settings.uris.is_empty() {
        fault("uris", "give at least one".to_owned());
    }
    let mut servers = Vec::new();
    for uri in &settings.uris {
        match server(uri, settings.starttls) {
            Err(words) => fault("uris", format!("{uri}: {words}")),
            Ok(server) => {
                if !server.protected() && !settings.allow_clear_text {
                    fault("uris", format!("{uri}: clear text to another host; use ldaps:// or starttls"));
                }
                if matches!(settings.bind, Bind::External) && matches!(server, Server::Tcp { .. }) {
                    fault("bind", format!("external works over ldapi:// only, not {uri}"));
                }
                servers.push(server);
            }
        }
    }
    servers
}

fn server(uri: &str, starttls: bool) -> Result<Server, String> {
    let (scheme, rest) =
        uri.split_once("://").ok_or("not a URI: ldap://, ldaps:// or ldapi:// is missing")?;
    let place = rest.strip_suffix('/').unwrap_or(rest);
    match scheme.to_ascii_lowercase().as_str() {
        "ldapi" => {
            let path = percent_decoded(place).ok_or("the path is not percent-encoded UTF-8 (%2F for /)")?;
            if !path.starts_with('/') {
                return Err("the path must be absolute, its slashes written %2F".to_owned());
            }
            Ok(Server::Unix { path: path.into() })
        }
        scheme @ ("ldap" | "ldaps") => {
            if place.contains(['/', '?', '@']) {
                return Err("only a host and a port, please: the base has a key of its own".to_owned());
            }
            let whole = scheme == "ldaps";
            let (host, port) = host_and_port(place, if whole { 636 } else { 389 })?;
            let tls = if whole {
                Tls::Whole
            } else if starttls {
                Tls::Start
            } else {
                Tls::None
            };
            if tls != Tls::None && host.starts_with('[') {
                return Err("TLS needs a host name here, not an IPv6 address".to_owned());
            }
            Ok(Server::Tcp { host, port, tls })
        }
        other => Err(format!("{other} is not ldap, ldaps or ldapi")),
    }
}

fn host_and_port(place: &str, default: u16) -> Result<(String, u16), String> {
    let (host, port) = match place.rfind(':') {
        Some(at) if !place.ends_with(']') => place.split_at(at),
        _ => (place, ""),
    };
    let port = match port.strip_prefix(':') {
        None => default,
        Some(digits) => digits.parse().map_err(|_| format!("{digits} is not a port"))?,
    };
    let usable = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match inner {
        Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => Ok((host.to_owned(), port)),
        None if !host.is_empty() && host.chars().all(usable) => Ok((host.to_owned(), port)),
        _ => Err(format!("{host:?} is not a host name or address")),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn states(settings: &Settings, fault: &mut impl FnMut(&'static str, String)) -> States {
    let mut parse = |key, text: &str| match Filter::parse(text) {
        Ok(filter) => Some(filter),
        Err(words) => {
            fault(key, words.to_string());
            None
        }
    };
    let provisional = parse("provisional", &settings.provisional).unwrap_or_else(Filter::never);
    let active = parse("active", &settings.active).unwrap_or_else(Filter::never);
    let locked = if settings.locked.trim().is_empty() {
        Filter::never()
    } else {
        parse("locked", &settings.locked).unwrap_or_else(Filter::never)
    };
    let populations = settings
        .populations
        .iter()
        .filter_map(|(name, filter)| Some((name.clone(), parse("populations", filter)?)))
        .collect();
    States { provisional, active, locked, populations }
}

fn attributes(settings: &Settings, states: &States, login: Option<&Filter>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.to_owned());
        }
    };
    ALWAYS.into_iter().for_each(&mut add);
    add(&settings.login_attribute);
    login.into_iter().chain(states.filters()).for_each(|filter| filter.attributes(&mut add));
    settings.attributes.iter().for_each(|name| add(name));
    names
}

#[cfg(test)]
mod tests;
