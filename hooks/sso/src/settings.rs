//! `sso.toml`: what is written becomes what is meant; all faults are said at once, none is mended silently.
//!
//! It opens no file but the configuration; `keys.rs` reads the secrets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use url::Url;

/// Every key with its default.
const SHIPPED: &str = include_str!("../../../conf/sso.toml");

/// What is meant.
#[derive(Debug)]
pub struct Settings {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// How much is logged.
    pub level: LevelFilter,
    /// Loopback with a token, where it is offered.
    pub loopback: Option<Loopback>,
    /// Mutual TLS, where it is offered.
    pub tls: Option<Tls>,
    /// Where people sign in to CAS.
    pub cas_login: Option<Url>,
}

/// Loopback with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loopback {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The file with the token.
    pub token: PathBuf,
}

/// Mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Our certificate, with what is between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority of the clients.
    pub client_ca: PathBuf,
    /// The clients that may ask, in lower case; empty: all of the authority's.
    pub names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    hook_socket: PathBuf,
    log: String,
    loopback: RawLoopback,
    tls: RawTls,
    cas: RawCas,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawLoopback {
    offered: bool,
    listen: String,
    token_file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawTls {
    offered: bool,
    listen: String,
    certificate: PathBuf,
    key: PathBuf,
    client_ca: PathBuf,
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawCas {
    login_url: Option<String>,
}

/// Reads a file over the shipped defaults; without one, the defaults alone.
pub fn read(path: Option<&Path>) -> Result<Settings, Vec<String>> {
    let credentials = credentials(path);
    let Some(path) = path else { return meant("", None, &credentials) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![format!("{}: cannot be read: {error}", path.display())])?;
    meant(&text, Some(path), &credentials)
}

/// Where a bare name is looked for: where systemd says, else beside the configuration.
fn credentials(path: Option<&Path>) -> PathBuf {
    let given = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let beside = || path.and_then(Path::parent).unwrap_or(Path::new("/etc/parvis")).join("credentials");
    given.unwrap_or_else(beside)
}

fn meant(text: &str, path: Option<&Path>, credentials: &Path) -> Result<Settings, Vec<String>> {
    let name = path.map_or_else(|| "sso.toml".to_owned(), |path| path.display().to_string());
    let parsed = |text: &str| text.parse::<toml::Table>().map_err(|error| vec![format!("{name}: {error}")]);
    let mut table = parsed(SHIPPED)?;
    merge(&mut table, parsed(text)?);
    let raw: Raw = table.try_into().map_err(|error| vec![format!("{name}: {error}")])?;
    let mut faults = Faults { name, found: Vec::new() };
    match resolve(raw, credentials, &mut faults) {
        Some(settings) if faults.found.is_empty() => Ok(settings),
        Some(_) | None => Err(faults.found),
    }
}

fn merge(into: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(own)), toml::Value::Table(value)) => merge(own, value),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

struct Faults {
    name: String,
    found: Vec<String>,
}

impl Faults {
    fn say(&mut self, key: &str, why: impl std::fmt::Display) {
        self.found.push(format!("{}: {key}: {why}", self.name));
    }

    fn take<T, E: std::fmt::Display>(&mut self, key: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|why| self.say(key, why)).ok()
    }
}

fn resolve(raw: Raw, credentials: &Path, faults: &mut Faults) -> Option<Settings> {
    let level = faults.take("log", level(&raw.log));
    if !raw.hook_socket.is_absolute() {
        faults.say("hook-socket", "the path of a socket, from the root");
    }
    if !raw.loopback.offered && !raw.tls.offered {
        faults.say("loopback.offered, tls.offered", "neither is: nobody could ask");
    }
    let on_loopback = faults.take("loopback.listen", loopback(&raw.loopback.listen));
    let anywhere = faults.take("tls.listen", address(&raw.tls.listen));
    let names = raw.tls.names.iter().filter_map(|text| faults.take("tls.names", host(text))).collect();
    let cas_login = raw.cas.login_url.map(|text| faults.take("cas.login-url", web(&text)));
    for (key, path) in [
        ("tls.certificate", &raw.tls.certificate),
        ("tls.key", &raw.tls.key),
        ("tls.client-ca", &raw.tls.client_ca),
    ] {
        if !path.is_absolute() {
            faults.say(key, "a path from the root");
        }
    }
    // `join` takes a path from the root as it is.
    let token = credentials.join(raw.loopback.token_file);
    let on_loopback = Loopback { listen: on_loopback?, token };
    let RawTls { certificate, key, client_ca, .. } = raw.tls;
    let tls = Tls { listen: anywhere?, certificate, key, client_ca, names };
    Some(Settings {
        socket: raw.hook_socket,
        level: level?,
        loopback: raw.loopback.offered.then_some(on_loopback),
        tls: raw.tls.offered.then_some(tls),
        cas_login: cas_login.flatten(),
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an address with its port: 192.0.2.1:8472, [::]:8472".to_owned())
}

/// Without TLS and a certificate, nobody from elsewhere may even knock.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address = address(text)?;
    match address.ip().to_canonical().is_loopback() {
        true => Ok(address),
        false => Err("127.0.0.0/8 or ::1 only; for anything else there is [tls]".to_owned()),
    }
}

fn level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" | "warn" | "info" | "debug" => text.parse().map_err(|_| "no level".to_owned()),
        _ => Err("error, warn, info or debug".to_owned()),
    }
}

fn host(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    match !text.is_empty() && text.len() <= 253 && text.bytes().all(plain) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("{text:?} is not a host's name")),
    }
}

fn web(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not an address: {error}"))?;
    match (url.scheme(), url.host_str(), url.query(), url.fragment()) {
        ("https" | "http", Some(_), None, None) if url.username().is_empty() && url.password().is_none() => {
            Ok(url)
        }
        _ => Err(format!("{text:?}: https://…, without a query, a fragment or a password")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        let meant = meant(text, None, Path::new("/c"));
        meant.map(|_| String::new()).unwrap_or_else(|faults| faults.join("\n"))
    }

    #[test]
    fn the_shipped_file_is_the_default() {
        let settings = meant("", None, Path::new("/c")).unwrap();
        assert_eq!(settings.socket, Path::new("/run/parvis/hook.sock"));
        let loopback = settings.loopback.unwrap();
        assert_eq!(loopback.listen.to_string(), "127.0.0.1:8471");
        assert_eq!(loopback.token, Path::new("/c/sso-token"));
        assert!(settings.tls.is_none() && settings.cas_login.is_none());
    }

    #[test]
    fn every_key_in_a_comment_is_one() {
        let uncommented = SHIPPED.replace("\n# login-url", "\nlogin-url");
        assert_ne!(uncommented, SHIPPED);
        let settings = meant(&uncommented, None, Path::new("/c")).unwrap();
        assert_eq!(settings.cas_login.unwrap().as_str(), "https://cas.univ.example/cas/login");
    }

    #[test]
    fn all_faults_are_said_at_once() {
        let said = faults(
            "hook-socket = \"x\"\nlog = \"trace\"\n[loopback]\noffered = false\nlisten = \"0.0.0.0:1\"\n\
             [tls]\nlisten = \"x\"\nkey = \"x\"\nnames = [\"a b\"]\n[cas]\nlogin-url = \"ftp://x/?a\"",
        );
        let keys = [
            "hook-socket",
            "log",
            "tls.offered",
            "loopback.listen",
            "tls.listen",
            "tls.key",
            "tls.names",
            "cas",
        ];
        for key in keys {
            assert!(said.contains(key), "{key} in {said}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        for text in ["colour = 1", "[tls]\ncolour = 1", "[loopback]\ncolour = 1", "[cas]\ncolour = 1"] {
            assert!(faults(text).contains("colour"), "{text}");
        }
    }

    #[test]
    fn only_loopback_is_loopback() {
        for fine in ["127.0.0.1:1", "127.3.2.1:80", "[::1]:8471", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(faults(&format!("[loopback]\nlisten = \"{fine}\"")), "", "{fine}");
        }
        for wrong in
            ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "10.0.0.1:1", "localhost:1", "127.0.0.1", "[fe80::1]:1"]
        {
            assert!(
                faults(&format!("[loopback]\nlisten = \"{wrong}\"")).contains("loopback.listen"),
                "{wrong}"
            );
        }
    }
}
