//! From what is written to what is meant: every check that needs no connection, all of them at once.

use super::raw::{self, Raw, Texts};
use super::settings::{Attributes, GateSettings, Network, Roles, Settings, SweepSettings, Who};
use super::{CharterView, Fault, Faults, MailSettings, PasswordPolicy, Rates, Sources, units};
use crate::directory::{self, mapping::Mapping};
use jiff::tz::TimeZone;
use parvis_enrolment::policy::{Charter, Forwarding, Limits, Policy, Population};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The languages that people can be spoken to in.
pub const LOCALES: [&str; 2] = ["fr", "en"];
/// The shortest key, in bytes.
const SHORTEST_KEY: usize = 32;

/// What the configuration means; `None` where something is wrong (said in `faults`).
pub fn resolve(raw: Raw, sources: &Sources, faults: &mut Faults) -> Option<Settings> {
    let mut check = Checker { place: sources.file.display().to_string(), faults };
    check.campus(&raw.campus, &raw.pages);
    let key = check.key(&raw.links, sources);
    let policy = check.policy(&raw);
    let directory = check.directory(&raw, sources);
    let mapping = check.mapping(&raw.directory);
    let mail = check.mail(&raw.mail, sources);
    let rates = check.rates(&raw.limits);
    let roles = check.roles(&raw.gate);
    let sweep = check.sweep(&raw.sweep);
    let password = check.password(&raw.password);
    check.gate(&raw.gate);
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
        store: raw.store.path,
        log: raw.log,
        key: key?,
        campus: raw.campus,
        pages: raw.pages,
    })
}

struct Checker<'f> {
    place: String,
    faults: &'f mut Faults,
}

impl Checker<'_> {
    fn fault(&mut self, key: &str, what: impl Into<String>) {
        self.faults.push(Fault::new(&self.place, key, what));
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

    fn policy(&mut self, raw: &Raw) -> Option<Policy> {
        let zone = TimeZone::get(&raw.campus.zone)
            .map_err(|_| format!("{:?} is no IANA time zone such as Europe/Paris", raw.campus.zone));
        let zone = self.take("campus.zone", zone);
        if raw.campus.domains.is_empty() {
            self.fault("campus.domains", "the campus's own mail domains are missing");
        }
        let minimum = self.take("links.minimum", units::duration(&raw.links.minimum));
        let links = [
            ("links.recovery", &raw.links.recovery),
            ("links.forward", &raw.links.forward),
            ("links.invitation", &raw.links.invitation),
        ];
        let [recovery, forward, invitation] = links
            .map(|(key, text)| minimum.and_then(|minimum| self.take(key, units::validity(text, minimum))));
        let limits = self.limits(&raw.limits);
        let charter = self.charter(&raw.charter);
        Some(Policy {
            zone: zone?,
            own_domains: raw.campus.domains.clone(),
            recovery: recovery?,
            forward: forward?,
            invitation: invitation?,
            recovery_continues_anywhere: raw.links.recovery_link_continues == raw::Continues::Anywhere,
            charter: charter?,
            populations: self.populations(&raw.populations),
            limits: limits?,
        })
    }

    fn limits(&mut self, limits: &raw::Limits) -> Option<Limits> {
        let [idle, longest, ticket, cooldown, enrolment, notice] = [
            ("limits.session-idle", &limits.session_idle),
            ("limits.session-longest", &limits.session_longest),
            ("limits.ticket", &limits.ticket),
            ("limits.resend-cooldown", &limits.resend_cooldown),
            ("limits.enrolment-idle", &limits.enrolment_idle),
            ("limits.notice", &limits.notice),
        ]
        .map(|(key, text)| self.take(key, units::positive(text)));
        Some(Limits {
            session_idle: idle?,
            session_longest: longest?,
            ticket: ticket?,
            resend_cooldown: cooldown?,
            mails_a_link: limits.mails_a_link.max(1),
            enrolment_idle: enrolment?,
            notice: notice?,
        })
    }

    fn charter(&mut self, charter: &raw::Charter) -> Option<Charter> {
        self.texts("charter.title", &charter.title);
        self.texts("charter.url", &charter.url);
        let version = charter.version.trim();
        if version.is_empty() || version.len() > 64 || version.chars().any(|c| c.is_control() || c == ';') {
            self.fault("charter.version", "a version is 1 to 64 characters without a semicolon");
        }
        let mut texts = Vec::new();
        for locale in LOCALES {
            if let Some(url) = charter.url.get(locale) {
                self.url(&format!("charter.url.{locale}"), url);
            }
            let key = format!("charter.file.{locale}");
            let Some(path) = charter.file.get(locale) else {
                self.fault(&key, "the text is missing in this language");
                continue;
            };
            match std::fs::read(path) {
                Ok(text) => texts.push((locale.to_owned(), hex(&Sha256::digest(&text)))),
                Err(error) => self.fault(&key, format!("cannot read {}: {error}", path.display())),
            }
        }
        (texts.len() == LOCALES.len()).then(|| Charter { version: version.to_owned(), texts })
    }

    fn populations(&mut self, populations: &[raw::Population]) -> Vec<Population> {
        if populations.is_empty() {
            self.fault("populations", "there is none: nobody could be activated");
        }
        for (index, population) in populations.iter().enumerate() {
            if populations.iter().take(index).any(|other| other.name == population.name) {
                self.fault("populations", format!("two are called {:?}", population.name));
            }
            if !population.mailbox && population.forwarding == raw::Forwarding::Off {
                let what = format!(
                    "{:?} has neither a mailbox nor forwarding: mail could not reach these people",
                    population.name
                );
                self.fault("populations", what);
            }
        }
        let forwarding = |raw| match raw {
            raw::Forwarding::Off => Forwarding::Off,
            raw::Forwarding::Optional => Forwarding::Optional,
            raw::Forwarding::Required => Forwarding::Required,
        };
        let population = |raw: &raw::Population| Population {
            name: raw.name.clone(),
            mailbox: raw.mailbox,
            forwarding: forwarding(raw.forwarding),
            invite: raw.invite,
        };
        populations.iter().map(population).collect()
    }

    fn directory(&mut self, raw: &Raw, sources: &Sources) -> Option<directory::Settings> {
        let given = &raw.directory;
        let bind = match (given.bind, &given.bind_dn) {
            (raw::Bind::External, _) => Some(directory::Bind::External),
            (raw::Bind::Simple, None) => {
                self.fault("directory.bind-dn", "is missing");
                None
            }
            (raw::Bind::Simple, Some(dn)) => {
                let password = sources.credentials.read(&given.bind_password_credential);
                self.take("directory.bind-password-credential", password)
                    .map(|password| directory::Bind::Simple { dn: dn.clone(), password })
            }
        };
        self.texts("directory.mailbox-usable", &given.mailbox_usable);
        let timeout = self.take("directory.timeout", units::positive(&given.timeout));
        let own = [
            &given.name_attribute,
            &given.mail_attribute,
            &given.recovery_attribute,
            &given.locale_attribute,
        ];
        let mut attributes: Vec<String> = own.into_iter().cloned().collect();
        attributes.extend(given.marker_attribute.clone());
        attributes.extend(given.writes.iter().map(|rule| rule.attribute.clone()));
        attributes.push("pwdChangedTime".to_owned());
        attributes.push("pwdReset".to_owned());
        let timeout = Duration::from_millis(timeout?.as_millis().try_into().ok()?);
        let settings = directory::Settings {
            uris: given.uris.clone(),
            starttls: given.starttls,
            ca_file: given.ca_file.clone(),
            allow_clear_text: given.allow_clear_text,
            bind: bind?,
            base: given.base.clone(),
            login_filter: given.login_filter.clone(),
            login_attribute: given.login_attribute.clone(),
            provisional: given.provisional.clone(),
            active: given.active.clone(),
            locked: given.locked.clone(),
            populations: raw.populations.iter().map(|p| (p.name.clone(), p.filter.clone())).collect(),
            attributes,
            password_write: match given.password_write {
                raw::PasswordWrite::Auto => None,
                raw::PasswordWrite::Modify => Some(directory::PasswordWrite::InModify),
                raw::PasswordWrite::Extended => Some(directory::PasswordWrite::Extended),
            },
            decoy: None,
            connections: given.connections,
            timeouts: directory::Timeouts { connect: timeout, operation: timeout, ..Default::default() },
        };
        if let Err(faults) = settings.clone().prepare() {
            for fault in faults {
                self.fault(&format!("directory.{}", fault.key), fault.fault);
            }
        }
        Some(settings)
    }

    fn mapping(&mut self, directory: &raw::Directory) -> Option<Mapping> {
        let compiled = Mapping::compile(&directory.writes);
        compiled
            .map_err(|faults| {
                faults.iter().for_each(|fault| self.fault("directory.writes", fault.to_string()))
            })
            .ok()
    }

    fn mail(&mut self, mail: &raw::Mail, sources: &Sources) -> Option<MailSettings> {
        let login = match &mail.username {
            None => Some(None),
            Some(name) => {
                let password = sources.credentials.read(&mail.password_credential);
                self.take("mail.password-credential", password).map(|password| Some((name.clone(), password)))
            }
        };
        if let Err(fault) = parvis_enrolment::address::Address::parse(&mail.from) {
            self.fault("mail.from", fault.to_string());
        }
        let loopback = mail.host == "localhost"
            || mail.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if mail.security == raw::Security::None && !loopback {
            self.fault("mail.security", "mail would leave this machine in clear: starttls or tls");
        }
        if mail.connections == 0 || mail.connections > 64 {
            self.fault("mail.connections", "should be 1 to 64");
        }
        let [timeout, first, longest] = [
            ("mail.timeout", &mail.timeout),
            ("mail.retry-first", &mail.retry_first),
            ("mail.retry-longest", &mail.retry_longest),
        ]
        .map(|(key, text)| self.take(key, units::positive(text)));
        Some(MailSettings {
            host: mail.host.clone(),
            port: mail.port,
            security: mail.security,
            ca_file: mail.ca_file.clone(),
            helo: mail.helo.clone(),
            login: login?,
            from: mail.from.clone(),
            connections: mail.connections,
            timeout: timeout?,
            overrides: mail.overrides.clone(),
            retry_first: first?,
            retry_longest: longest?,
        })
    }

    fn rates(&mut self, limits: &raw::Limits) -> Option<Rates> {
        let [sign_in, address_changes, password, requests, address, client] = [
            ("limits.account-sign-in", &limits.account_sign_in),
            ("limits.account-address", &limits.account_address),
            ("limits.account-password", &limits.account_password),
            ("limits.account-requests", &limits.account_requests),
            ("limits.address", &limits.address),
            ("limits.client", &limits.client),
        ]
        .map(|(key, text)| self.take(key, units::rate(text)));
        let networks = limits.exempt_networks.iter().map(|text| network(text)).collect::<Vec<_>>();
        let exempt =
            networks.into_iter().filter_map(|found| self.take("limits.exempt-networks", found)).collect();
        Some(Rates {
            sign_in: sign_in?,
            address_changes: address_changes?,
            password: password?,
            requests: requests?,
            address: address?,
            client: client?,
            exempt,
        })
    }

    fn roles(&mut self, gate: &raw::Gate) -> Roles {
        let mut who = |key: &str, names: &[String]| -> Vec<Who> {
            names.iter().filter_map(|name| self.take(key, principal(name))).collect()
        };
        Roles {
            sso: who("gate.sso", &gate.sso),
            pages: who("gate.pages", &gate.pages),
            mta: who("gate.mta", &gate.mta),
            admin: who("gate.admin", &gate.admin),
        }
    }

    fn gate(&mut self, gate: &raw::Gate) {
        if !(4..=65_536).contains(&gate.connections) {
            self.fault("gate.connections", "should be 4 to 65536");
        }
        for (key, path) in
            [("gate.hook-socket", &gate.hook_socket), ("gate.admin-socket", &gate.admin_socket)]
        {
            if !path.is_absolute() || path.as_os_str().len() > 107 {
                self.fault(key, "should be an absolute path of at most 107 bytes");
            }
        }
    }

    fn sweep(&mut self, sweep: &raw::Sweep) -> Option<SweepSettings> {
        let schedule = self.take("sweep.schedule", units::schedule(&sweep.schedule));
        let keep_done = self.take("sweep.keep-done", units::span(&sweep.keep_done));
        let keep_closed = self.take("sweep.keep-closed", units::span(&sweep.keep_closed));
        Some(SweepSettings { schedule: schedule?, keep_done: keep_done?, keep_closed: keep_closed? })
    }

    fn password(&mut self, password: &raw::Password) -> PasswordPolicy {
        if !(8..=128).contains(&password.minimum) {
            self.fault("password.minimum", "should be 8 to 128");
        }
        if password.maximum < password.minimum || password.maximum > 1024 {
            self.fault("password.maximum", "should be at least the minimum, and at most 1024");
        }
        if password.classes > 4 {
            self.fault("password.classes", "should be 0 to 4");
        }
        if password.strength > 4 {
            self.fault("password.strength", "should be 0 to 4");
        }
        if let Some(Err(error)) = password.breached.as_ref().map(std::fs::File::open) {
            self.fault("password.breached", format!("cannot be read: {error}"));
        }
        PasswordPolicy {
            minimum: password.minimum,
            maximum: password.maximum,
            classes: password.classes,
            strength: password.strength,
            breached: password.breached.clone(),
            history_sentence: password.history_sentence,
        }
    }
}

/// `name`, `1000`, `@group`, `@1000`.
fn principal(text: &str) -> Result<Who, String> {
    let (group, name) = text.strip_prefix('@').map_or((false, text), |name| (true, name));
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == ':') {
        return Err(format!("{text:?} is no user name, and no group name after an @"));
    }
    Ok(match (group, name.parse::<u32>()) {
        (false, Ok(uid)) => Who::Uid(uid),
        (false, Err(_)) => Who::User(name.to_owned()),
        (true, Ok(gid)) => Who::Gid(gid),
        (true, Err(_)) => Who::Group(name.to_owned()),
    })
}

fn network(text: &str) -> Result<Network, String> {
    let fault = || format!("{text:?} is no network such as 10.1.0.0/16 or 2001:db8::/32");
    let (address, bits) = text.split_once('/').ok_or_else(fault)?;
    let address: std::net::IpAddr = address.parse().map_err(|_| fault())?;
    let bits: u8 = bits.parse().map_err(|_| fault())?;
    if bits > if address.is_ipv4() { 32 } else { 128 } { Err(fault()) } else { Ok(Network { address, bits }) }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Credentials, Sources};
    use std::os::unix::fs::PermissionsExt;

    /// The settings of this file over the defaults, or what is wrong, by key.
    fn settings(text: &str, key: &str) -> Result<super::Settings, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("parvis.toml");
        let charters = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/charters");
        let base = format!(
            "[charter]\nfile = {{ fr = \"{charters}/charter.fr.md\", en = \"{charters}/charter.en.md\" }}\n{text}"
        );
        std::fs::write(&file, base).unwrap();
        let credentials = folder.path().join("credentials");
        std::fs::create_dir(&credentials).unwrap();
        for (name, content) in [("key", key), ("directory-password", "secret")] {
            std::fs::write(credentials.join(name), content).unwrap();
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(credentials.join(name), mode).unwrap();
        }
        let sources = Sources { environment: Vec::new(), credentials: Credentials::at(&credentials), file };
        sources.settings().map_err(|faults| faults.into_iter().map(|fault| fault.key).collect())
    }

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_defaults_with_secrets_and_charters_are_complete() {
        let settings = settings("", KEY).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!(settings.policy.populations.len(), 3);
        assert_eq!(settings.policy.charter.texts.len(), 2);
        assert_eq!(settings.base_url(), settings.sign_in_url());
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let text = "url = { fr = \"ftp://x\", en = \"https://univ.example/charter\" }\n\
            [campus]\nzone = \"Paris\"\nhelp-address = \"nowhere\"\nlocale = \"de\"\n\
            [pages]\nreturn-to = [\"https://ent.univ.example\"]\n\
            [links]\nrecovery = \"tomorrow\"\n\
            [limits]\naddress = \"many\"\nexempt-networks = [\"10.0.0.0\"]\n\
            [gate]\nsso = [\"@\"]\nconnections = 1\n\
            [sweep]\nschedule = \"30 3 * * 1\"\n\
            [password]\nminimum = 4\n\
            [mail]\nhost = \"mail.univ.example\"\nfrom = \"x\"\n\
            [directory]\nprovisional = \"(a=b\"\n";
        let Err(mut found) = settings(text, "short") else { panic!("it was accepted") };
        found.sort();
        found.dedup();
        let expected = [
            "campus.help-address",
            "campus.locale",
            "campus.zone",
            "charter.url.fr",
            "directory.provisional",
            "gate.connections",
            "gate.sso",
            "limits.address",
            "limits.exempt-networks",
            "links.key-credential",
            "links.recovery",
            "mail.from",
            "mail.security",
            "pages.return-to",
            "password.minimum",
            "sweep.schedule",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_address_to_go_back_to_must_be_under_a_prefix() {
        let settings = settings("[pages]\nreturn-to = [\"https://ent.univ.example/\"]\n", KEY);
        let settings = settings.unwrap_or_else(|faults| panic!("{faults:?}"));
        let back = |url: &str| settings.return_to(Some(url.to_owned())).is_some();
        assert!(back("https://ent.univ.example/accueil?a=b"));
        for bad in [
            "https://ent.univ.example.attacker.example/",
            "https://ent.univ.example",
            "http://ent.univ.example/",
            "javascript:alert(1)",
            "https://ent.univ.example/\\attacker.example",
            "https://ent.univ.example/\r\nSet-Cookie: a=b",
            "",
        ] {
            assert!(!back(bad), "{bad:?}");
        }
    }
}
