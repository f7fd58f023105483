//! What the directory, the sweep and the password rules need of the configuration.

use super::super::raw::{self, Raw};
use super::super::settings::SweepSettings;
use super::super::{PasswordPolicy, Sources, units};
use super::Checker;
use crate::directory::{self, mapping::Mapping};
use jiff::SignedDuration;
use std::time::Duration;

/// What `parvis-hook` gives the call that waits for the directory.
const PASSWORD_TIME: Duration = Duration::from_secs(10);
/// Who may get the report.
const MOST_READERS: usize = 16;
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Checker<'_> {
    /// Who the service is, with its password.
    pub(super) fn bind(&mut self, given: &raw::Directory, sources: &Sources) -> Option<directory::Bind> {
        match (given.bind, &given.bind_dn) {
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
        }
    }

    pub(super) fn directory(
        &mut self,
        raw: &Raw,
        mapping: Option<&Mapping>,
        bind: Option<directory::Bind>,
    ) -> Option<directory::Settings> {
        let given = &raw.directory;
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
        attributes.extend(mapping.into_iter().flat_map(Mapping::reads).map(str::to_owned));
        attributes.push("pwdChangedTime".to_owned());
        attributes.push("pwdReset".to_owned());
        let timeout = Duration::from_millis(timeout?.as_millis().try_into().ok()?);
        // Activation may take two operations, and the login page waits for it.
        if timeout * 2 >= PASSWORD_TIME {
            self.fault(
                "directory.timeout",
                "must be under 5s: parvis-hook gives a new password 10 s, and two operations may be needed",
            );
        }
        let [poll, compare] = [
            ("directory.watch-every", &given.watch_every),
            ("directory.compare-every", &given.compare_every),
        ]
        .map(|(key, text)| {
            let length = self.take(key, units::positive(text))?;
            Duration::try_from(length).ok()
        });
        let settings = directory::Settings {
            uris: given.uris.clone(),
            starttls: given.starttls,
            ca_file: given.ca_file.clone(),
            allow_clear_text: given.allow_clear_text,
            bind: bind?,
            base: given.base.clone(),
            login_filter: given.login_filter.clone(),
            address_filter: given.address_filter.clone(),
            address_targets: given.address_targets.clone(),
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
            dialect: match given.server {
                raw::Server::Auto => None,
                raw::Server::Stated(dialect) => Some(dialect),
            },
            watch: directory::Watching {
                way: match given.watch {
                    raw::Watch::Auto => None,
                    raw::Watch::Stated(way) => Some(way),
                },
                poll: poll?,
                compare: compare?,
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

    pub(super) fn mapping(&mut self, directory: &raw::Directory) -> Option<Mapping> {
        let compiled = Mapping::compile(&directory.writes);
        compiled
            .map_err(|faults| {
                faults.iter().for_each(|fault| self.fault("directory.writes", fault.to_string()))
            })
            .ok()
    }

    pub(super) fn sweep(&mut self, raw: &Raw) -> Option<SweepSettings> {
        let sweep = &raw.sweep;
        let schedule = self.take("sweep.schedule", units::schedule(&sweep.schedule));
        // A fault in it is said under its own key.
        let notice = units::positive(&raw.limits.notice).unwrap_or_default();
        let [keep_done, keep_closed] =
            [("sweep.keep-done", &sweep.keep_done), ("sweep.keep-closed", &sweep.keep_closed)].map(|(key, text)| {
                let span = self.take(key, units::span(text))?;
                let least = units::shortest(&span);
                if least < DAY || least <= notice {
                    self.caution(key, "should be a day or more, and longer than limits.notice: what is erased loses the mails that are on their way");
                }
                Some(span)
            });
        Some(SweepSettings { schedule: schedule?, keep_done: keep_done?, keep_closed: keep_closed? })
    }

    pub(super) fn reports(&mut self, reports: &raw::Reports) {
        for address in &reports.to {
            if let Err(fault) = parvis_enrolment::address::Address::parse(address) {
                self.fault("reports.to", format!("{address:?}: {fault}"));
            }
        }
        if reports.to.len() > MOST_READERS {
            self.fault(
                "reports.to",
                format!("at most {MOST_READERS} addresses: a list of your mail system's has more"),
            );
        }
    }

    pub(super) fn password(&mut self, password: &raw::Password) -> PasswordPolicy {
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
