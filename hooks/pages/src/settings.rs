//! `pages.toml`: what is written becomes what is meant; all faults are said at once, none is mended silently.
//!
//! It reads files (the logo, the charter's text) and opens no connection.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::assets::{Asset, hex};
use crate::client::Proxies;
use crate::colour::{Colour, DARK, LIGHT};
use crate::faults::{Amiss, Faults};
use crate::tongue::{Texts, Tongue};

/// Every key with its default.
const SHIPPED: &str = include_str!("../../../conf/pages.toml");
/// The largest logo and the longest charter.
const LARGEST: u64 = 256 * 1024;

/// What is meant.
#[derive(Debug)]
pub struct Settings {
    /// `https://host[:port]`.
    pub origin: String,
    /// Before every path of ours: empty, or `/activation`.
    pub base: String,
    /// Where to listen.
    pub listen: Listen,
    /// Whose word about a client's address is taken.
    pub proxies: Proxies,
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The language where nobody says one.
    pub tongue: Tongue,
    /// How much is logged.
    pub level: tracing::level_filters::LevelFilter,
    /// The campus.
    pub campus: Campus,
    /// Whether the pages ask for login and password.
    pub sign_in: bool,
    /// Where else people sign in.
    pub sign_in_url: Option<String>,
    /// The charter's text, by its digest.
    pub charters: Vec<(String, String)>,
    /// How long a page may be left alone.
    pub leave_after: Duration,
    /// The links at each page's foot.
    pub legal: Vec<Legal>,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// TCP.
    Tcp(std::net::SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The campus as people see it.
#[derive(Debug)]
pub struct Campus {
    /// Its name.
    pub name: Texts,
    /// What stands above every page.
    pub service: Texts,
    /// Its logo.
    pub logo: Option<Asset>,
    /// The accent on light and dark.
    pub accents: (Colour, Colour),
    /// Whom to write to.
    pub help_address: String,
    /// Where to read more.
    pub help_url: Option<Texts>,
    /// What the letter is called.
    pub letter: Texts,
}

/// A link at the foot.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Legal {
    /// Its words.
    pub title: Texts,
    /// Where it leads.
    pub url: Texts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    base_url: String,
    listen: String,
    trusted_proxies: Vec<String>,
    hook_socket: PathBuf,
    locale: Tongue,
    log: String,
    campus: RawCampus,
    sign_in: RawSignIn,
    charter: RawCharter,
    kiosk: RawKiosk,
    legal: Vec<Legal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawCampus {
    name: Texts,
    service: Texts,
    logo: Option<PathBuf>,
    accent: String,
    accent_dark: String,
    help_address: String,
    help_url: Option<Texts>,
    letter_name: Texts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignIn {
    offered: bool,
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCharter {
    file: Option<Texts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawKiosk {
    leave_after: String,
}

/// Reads a file over the shipped defaults; without one, the defaults alone.
pub fn read(path: Option<&Path>) -> Result<Settings, Vec<Amiss>> {
    let Some(path) = path else { return meant(SHIPPED, None) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what = format!("{}: cannot be read: {error}", path.display());
        let action = "the user parvis-pages has to be able to read it: chmod 644";
        vec![Amiss::new(what, "a file that the pages can read", action)]
    })?;
    meant(&text, Some(path))
}

fn meant(text: &str, path: Option<&Path>) -> Result<Settings, Vec<Amiss>> {
    let name = path.map_or_else(|| "pages.toml".to_owned(), |path| path.display().to_string());
    let mut faults = Faults::of(name);
    match raw(text).map(|raw| resolve(raw, &mut faults)) {
        Ok(Some(settings)) if faults.is_empty() => Ok(settings),
        Ok(Some(_) | None) => Err(faults.found()),
        Err(amiss) => {
            faults.whole(amiss);
            Err(faults.found())
        }
    }
}

fn raw(text: &str) -> Result<Raw, Amiss> {
    let wrong = |error: toml::de::Error| {
        let expected = "TOML with the keys of conf/pages.toml";
        Amiss::new(error.to_string().trim_end().to_owned(), expected, "correct the line")
    };
    let mut table = SHIPPED.parse::<toml::Table>().map_err(wrong)?;
    merge(&mut table, text.parse().map_err(wrong)?);
    table.try_into().map_err(wrong)
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

fn resolve(raw: Raw, faults: &mut Faults) -> Option<Settings> {
    let base = faults.take("base-url", base(&raw.base_url));
    let listen = faults.take("listen", listen(&raw.listen));
    let proxies = faults.take("trusted-proxies", Proxies::of(&raw.trusted_proxies));
    let level = faults.take("log", level(&raw.log));
    let leave_after = faults.take("kiosk.leave-after", minutes(&raw.kiosk.leave_after));
    let urls = raw.legal.iter().map(|legal| ("legal.url", &legal.url));
    let help = raw.campus.help_url.iter().map(|url| ("campus.help-url", url));
    for (key, url) in urls.chain(help).flat_map(|(key, texts)| texts.both().map(|url| (key, url))) {
        faults.take(key, web(url));
    }
    if let Some(url) = &raw.sign_in.url {
        faults.take("sign-in.url", web(url));
    }
    let charters = charters(raw.charter.file.as_ref(), faults);
    let campus = campus(raw.campus, faults);
    let (origin, base) = base?;
    Some(Settings {
        origin,
        base,
        listen: listen?,
        proxies: proxies?,
        socket: raw.hook_socket,
        tongue: raw.locale,
        level: level?,
        campus: campus?,
        sign_in: raw.sign_in.offered,
        sign_in_url: raw.sign_in.url,
        charters,
        leave_after: leave_after?,
        legal: raw.legal,
    })
}

fn campus(raw: RawCampus, faults: &mut Faults) -> Option<Campus> {
    let light = faults.take("campus.accent", LIGHT.accent(&raw.accent));
    let dark = faults.take("campus.accent-dark", DARK.accent(&raw.accent_dark));
    if !raw.help_address.contains('@')
        || raw.help_address.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        let what = format!("{:?} is not a mail address", raw.help_address);
        faults.say("campus.help-address", Amiss::new(what, "name@univ.example", "correct it"));
    }
    let logo = raw.logo.and_then(|path| faults.take("campus.logo", logo(&path)));
    Some(Campus {
        name: raw.name,
        service: raw.service,
        logo,
        accents: (light?, dark?),
        help_address: raw.help_address,
        help_url: raw.help_url,
        letter: raw.letter_name,
    })
}

/// Origin and path.
fn base(url: &str) -> Result<(String, String), String> {
    let (scheme, rest) = url.split_once("://").ok_or("this is not an address (https://…)")?;
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let plain = |text: &str, more: &str| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.as_bytes().contains(&byte))
    };
    if host.is_empty() || !plain(host, ".-:[]") || !plain(path, "/-._") || host != host.to_lowercase() {
        return Err("a host in lower case, perhaps a port and a path, and nothing else".to_owned());
    }
    let local = host.split(':').next() == Some("localhost");
    match scheme {
        "https" => {}
        "http" if local => {}
        _ => return Err("https, or http for localhost".to_owned()),
    }
    Ok((format!("{scheme}://{host}"), path.trim_end_matches('/').to_owned()))
}

fn listen(text: &str) -> Result<Listen, String> {
    match text.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') => Ok(Listen::Unix(path.into())),
        Some(_) => Err("a socket's path begins with a slash".to_owned()),
        None => text.parse().map(Listen::Tcp).map_err(|_| "neither address:port nor unix:/path".to_owned()),
    }
}

fn level(text: &str) -> Result<tracing::level_filters::LevelFilter, String> {
    match text {
        "error" | "warn" | "info" | "debug" => text.parse().map_err(|_| "no level".to_owned()),
        _ => Err("error, warn, info or debug".to_owned()),
    }
}

fn minutes(text: &str) -> Result<Duration, String> {
    let count = text.strip_suffix('m').and_then(|count| count.parse::<u64>().ok());
    match count {
        Some(count @ 2..=30) => Ok(Duration::from_secs(count * 60)),
        Some(_) | None => Err("2m to 30m".to_owned()),
    }
}

fn web(url: &str) -> Result<(), String> {
    let fine = (url.starts_with("https://") || url.starts_with("http://"))
        && !url.contains(|c: char| c.is_whitespace() || c.is_control());
    if fine { Ok(()) } else { Err(format!("{url:?} is not an address (https://…)")) }
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(failed)?.len() > LARGEST {
        return Err(format!("{}: more than 256 KiB", path.display()));
    }
    std::fs::read(path).map_err(failed)
}

fn logo(path: &Path) -> Result<Asset, String> {
    let kind = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some(_) | None => return Err(format!("{}: .svg, .png, .webp or .jpg", path.display())),
    };
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Ok(Asset::new("logo", extension, kind, bytes(path)?))
}

fn charters(files: Option<&Texts>, faults: &mut Faults) -> Vec<(String, String)> {
    let paths = files.into_iter().flat_map(Texts::both);
    let texts = paths.filter_map(|path| {
        let text = bytes(Path::new(path))
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| format!("{path}: this is not UTF-8")));
        faults.take("charter.file", text)
    });
    texts.map(|text| (hex(&Sha256::digest(&text)), text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        let all = |faults: Vec<Amiss>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        meant(text, None).map(|_| String::new()).unwrap_or_else(all)
    }

    #[test]
    fn the_shipped_file_is_the_default() {
        let settings = meant("", None).unwrap();
        assert_eq!(settings.origin, "https://activation.univ.example");
        assert_eq!(settings.base, "");
        assert_eq!(settings.legal.len(), 3);
        assert_eq!(read(None).unwrap().leave_after, Duration::from_secs(1200));
    }

    #[test]
    fn tables_are_merged_and_lists_are_replaced() {
        let text = "legal = []\n[campus]\nname = { fr = \"A\", en = \"B\" }";
        let settings = meant(text, None).unwrap();
        assert!(settings.legal.is_empty());
        assert_eq!(settings.campus.name.get(Tongue::En), "B");
        assert_eq!(settings.campus.help_address, "assistance@univ.example");
    }

    #[test]
    fn every_fault_is_said_with_its_key() {
        let said = faults(
            "base-url = \"http://a.example\"\nlisten = \"x\"\ntrusted-proxies = [\"x\"]\nlog = \"trace\"\n\
             [kiosk]\nleave-after = \"5h\"\n[campus]\naccent = \"#ffff00\"\nlogo = \"/nowhere.gif\"\n\
             [sign-in]\nurl = \"javascript:x\"",
        );
        for key in
            ["base-url", "listen", "trusted-proxies", "log", "leave-after", "accent", "logo", "sign-in.url"]
        {
            assert!(said.contains(key), "{key} in {said}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        assert!(faults("colour = 1").contains("colour"));
        assert!(faults("[campus]\nnom = 1").contains("nom"));
    }

    #[test]
    fn a_base_has_an_origin_and_perhaps_a_path() {
        assert_eq!(base("https://a.example/x/").unwrap(), ("https://a.example".to_owned(), "/x".to_owned()));
        assert_eq!(base("http://localhost:8470").unwrap().0, "http://localhost:8470");
        for wrong in ["a.example", "http://a.example", "https://", "https://a/?x", "https://A.example"] {
            assert!(base(wrong).is_err(), "{wrong}");
        }
    }
}
