//! From what is written to what is meant: every check that needs no connection, all of them at once.

use super::raw::{self, Raw, Texts};
use super::settings::{Attributes, GateSettings, Settings};
use super::{CharterView, Fault, Faults, Sources, Stated, units};
use crate::directory::{self, Mapping};
use secrecy::{ExposeSecret, SecretString};

/// The languages that people can be spoken to in.
pub const LOCALES: [&str; 2] = ["fr", "en"];
/// The shortest key, in bytes.
const SHORTEST_KEY: usize = 32;

/// What the configuration means; `None` where something is wrong (said in `faults`).
pub fn resolve(raw: Raw, sources: &Sources, faults: &mut Faults) -> Option<Settings> {
    let mut check = Checker { place: sources.file.display().to_string(), faults, cautions: Vec::new() };
    check.campus(&raw.campus, &raw.pages);
    let key = check.key(&raw.links, sources);
    let policy = check.policy(&raw);
    let mapping = check.mapping(&raw.directory);
    let bind = check.bind(&raw.directory, sources);
    let directory = check.directory(&raw, mapping.as_ref(), bind);
    let mail = check.mail(&raw.mail, sources);
    let rates = check.rates(&raw.limits);
    let roles = check.roles(&raw.gate);
    let sweep = check.sweep(&raw);
    let reminders = check.take("reminders.schedule", units::schedule(&raw.reminders.schedule));
    check.reports(&raw.reports);
    let password = check.password(&raw.password);
    check.gate(&raw.gate);
    check.log(&raw.log);
    let cautions = check.cautions;
    Some(Settings {
        policy: policy?,
        charter: CharterView { title: raw.charter.title, url: raw.charter.url },
        directory: directory?,
        attributes: Attributes {
            login: raw.directory.login_attribute,
            name: raw.directory.name_attribute,
            mail: raw.directory.mail_attribute,
            recovery: raw.directory.recovery_attribute,
            locale: raw.directory.locale_attribute,
            marker: raw.directory.marker_attribute,
        },
        mailbox_usable: raw.directory.mailbox_usable,
        mapping: mapping?,
        probe_entry: raw.directory.probe_entry,
        mail: mail?,
        password,
        rates: rates?,
        gate: GateSettings {
            hook_socket: raw.gate.hook_socket,
            admin_socket: raw.gate.admin_socket,
            connections: raw.gate.connections,
            authenticate: raw.gate.authenticate,
        },
        roles,
        unknown: raw.check.unknown,
        pass: raw.check.pass,
        sweep: sweep?,
        reminders: reminders?,
        reports: raw.reports.to,
        store: raw.store.path,
        log: raw.log,
        key: key?,
        cautions,
        campus: raw.campus,
        pages: raw.pages,
    })
}

/// The directory alone, as somebody wants to look at it; `None` where something is wrong (said in `faults`).
pub fn directory(
    mut raw: Raw,
    stated: Stated,
    place: String,
    sources: &Sources,
    faults: &mut Faults,
) -> Option<(directory::Settings, Mapping)> {
    let mut check = Checker { place, faults, cautions: Vec::new() };
    if let Some(uri) = stated.uri {
        raw.directory.uris = vec![uri];
    }
    raw.directory.base = stated.base.unwrap_or(raw.directory.base);
    raw.directory.ca_file = stated.ca_file.or(raw.directory.ca_file);
    raw.directory.starttls |= stated.starttls;
    raw.directory.allow_clear_text |= stated.allow_clear_text;
    let mapping = check.mapping(&raw.directory);
    let bind = stated.bind.or_else(|| check.bind(&raw.directory, sources));
    Some((check.directory(&raw, mapping.as_ref(), bind)?, mapping?))
}

mod gate;
mod mail;
mod policy;
mod rooms;
#[cfg(test)]
mod tests;

struct Checker<'f> {
    place: String,
    faults: &'f mut Faults,
    cautions: Faults,
}

impl Checker<'_> {
    fn fault(&mut self, key: &str, what: impl Into<String>) {
        self.faults.push(Fault::new(&self.place, key, what));
    }

    fn caution(&mut self, key: &str, what: impl Into<String>) {
        self.cautions.push(Fault::new(&self.place, key, what));
    }

    /// The value, or the fault under its key.
    fn take<T>(&mut self, key: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|what| self.fault(key, what)).ok()
    }

    fn texts(&mut self, key: &str, texts: &Texts) {
        for locale in LOCALES {
            if texts.get(locale).is_none_or(|text| text.trim().is_empty()) {
                self.fault(&format!("{key}.{locale}"), "a text is missing in this language");
            }
        }
        for other in texts.keys().filter(|key| !LOCALES.contains(&key.as_str())) {
            self.fault(&format!("{key}.{other}"), "the languages are fr and en");
        }
    }

    fn url(&mut self, key: &str, url: &str) {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\`".contains(&byte));
        if !plain || rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            self.fault(key, format!("{url:?} is no web address such as https://activation.univ.example"));
        }
    }

    fn campus(&mut self, campus: &raw::Campus, pages: &raw::Pages) {
        self.texts("campus.name", &campus.name);
        self.texts("campus.zone-name", &campus.zone_name);
        self.texts("campus.letter-name", &campus.letter_name);
        self.texts("campus.lost-letter", &campus.lost_letter);
        if !LOCALES.contains(&campus.locale.as_str()) {
            self.fault("campus.locale", format!("{:?} is neither fr nor en", campus.locale));
        }
        if let Err(fault) = parvis_enrolment::address::Address::parse(&campus.help_address) {
            self.fault("campus.help-address", fault.to_string());
        }
        for (key, url) in [("campus.help-url", &campus.help_url), ("campus.logo-url", &campus.logo_url)] {
            if let Some(url) = url {
                self.url(key, url);
            }
        }
        self.url("pages.base-url", &pages.base_url);
        if let Some(url) = &pages.sign_in_url {
            self.url("pages.sign-in-url", url);
        }
        for prefix in &pages.return_to {
            self.url("pages.return-to", prefix);
            if !prefix.ends_with('/') {
                self.fault(
                    "pages.return-to",
                    format!("{prefix:?} must end in a slash, or it permits other hosts too"),
                );
            }
        }
    }

    fn log(&mut self, log: &raw::Log) {
        if let Some(what) = crate::service::logging::fault(&log.filter) {
            self.fault("log.filter", what);
        }
    }

    fn key(&mut self, links: &raw::Links, sources: &Sources) -> Option<SecretString> {
        let key = self.take("links.key-credential", sources.credentials.read(&links.key_credential))?;
        if key.expose_secret().len() < SHORTEST_KEY {
            let path = sources.credentials.path(&links.key_credential);
            let hint = format!(
                "the key is shorter than {SHORTEST_KEY} bytes: openssl rand -hex 32 > {}",
                path.display()
            );
            self.fault("links.key-credential", hint);
            return None;
        }
        Some(key)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
