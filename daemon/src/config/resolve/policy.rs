//! What the rules need of the configuration.

use super::super::raw::{self, Raw};
use super::super::units;
use super::{Checker, LOCALES, hex};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use parvis_enrolment::address::Address;
use parvis_enrolment::policy::{Charter, Forwarding, Limits, Policy, Population};
use sha2::{Digest, Sha256};

/// The shortest life of a ticket.
const SHORTEST_TICKET: SignedDuration = SignedDuration::from_secs(10);

impl Checker<'_> {
    pub(super) fn policy(&mut self, raw: &Raw) -> Option<Policy> {
        let zone = TimeZone::get(&raw.campus.zone)
            .map_err(|_| format!("{:?} is no IANA time zone such as Europe/Paris", raw.campus.zone));
        let zone = self.take("campus.zone", zone);
        self.domains(&raw.campus.domains);
        self.delimiter(&raw.campus.recipient_delimiter);
        let minimum = self.take("links.minimum", units::duration(&raw.links.minimum));
        let links = [
            ("links.recovery", &raw.links.recovery),
            ("links.forward", &raw.links.forward),
            ("links.invitation", &raw.links.invitation),
        ];
        let [recovery, forward, invitation] = links
            .map(|(key, text)| minimum.and_then(|minimum| self.take(key, units::validity(text, minimum))));
        let limits = self.limits(&raw.limits);
        if let Some(limits) = &limits {
            for (key, validity) in [
                ("links.recovery", &recovery),
                ("links.forward", &forward),
                ("links.invitation", &invitation),
            ] {
                if validity.as_ref().is_some_and(|validity| units::longest(validity) >= limits.enrolment_idle)
                {
                    self.caution(
                        "limits.enrolment-idle",
                        format!("should be longer than any link can be used, and {key} allows as much"),
                    );
                }
            }
        }
        let reminder = self.take("reminders.after", units::patience(&raw.reminders.after));
        if let (Some(Some(after)), Some(limits)) = (reminder, &limits)
            && after >= limits.enrolment_idle
        {
            let what =
                "should be shorter than limits.enrolment-idle: nobody is reminded whose enrolment has ended";
            self.caution("reminders.after", what);
        }
        let charter = self.charter(&raw.charter);
        Some(Policy {
            zone: zone?,
            own_domains: raw.campus.domains.clone(),
            delimiters: raw.campus.recipient_delimiter.clone(),
            recovery: recovery?,
            forward: forward?,
            invitation: invitation?,
            recovery_continues_anywhere: raw.links.recovery_link_continues == raw::Continues::Anywhere,
            charter: charter?,
            populations: self.populations(&raw.populations),
            reminder: reminder?,
            limits: limits?,
        })
    }

    fn domains(&mut self, domains: &[String]) {
        if domains.is_empty() {
            self.fault("campus.domains", "the campus's own mail domains are missing");
        }
        for domain in domains {
            // What cannot stand after an @ is within no domain, and would let every address through.
            let address = Address::parse(&format!("x@{domain}"));
            if domain.contains(char::is_whitespace) || domain.starts_with('.') || address.is_err() {
                let what = format!("{domain:?} is no mail domain such as univ.example (without an @)");
                self.fault("campus.domains", what);
            }
        }
    }

    /// Letters and digits stand in names; a dot and an @ mean something already.
    fn delimiter(&mut self, delimiter: &str) {
        let plain = |byte: u8| byte.is_ascii_punctuation() && !b".@\"\\".contains(&byte);
        if delimiter.len() > 4 || !delimiter.bytes().all(plain) {
            let what = format!("{delimiter:?} is no delimiter such as + (or +-, for either; empty for none)");
            self.fault("campus.recipient-delimiter", what);
        }
    }

    pub(super) fn limits(&mut self, limits: &raw::Limits) -> Option<Limits> {
        let [idle, longest, ticket, cooldown, enrolment, notice] = [
            ("limits.session-idle", &limits.session_idle),
            ("limits.session-longest", &limits.session_longest),
            ("limits.ticket", &limits.ticket),
            ("limits.resend-cooldown", &limits.resend_cooldown),
            ("limits.enrolment-idle", &limits.enrolment_idle),
            ("limits.notice", &limits.notice),
        ]
        .map(|(key, text)| self.take(key, units::positive(text)));
        if limits.mails_a_link == 0 {
            self.fault("limits.mails-a-link", "must be 1 or more");
        }
        if ticket.is_some_and(|ticket| ticket < SHORTEST_TICKET) {
            self.fault("limits.ticket", "must be 10s or more: a browser has to follow a redirect meanwhile");
        }
        if let (Some(idle), Some(longest)) = (idle, longest)
            && longest < idle
        {
            self.fault("limits.session-longest", "must be at least limits.session-idle");
        }
        Some(Limits {
            session_idle: idle?,
            session_longest: longest?,
            ticket: ticket?,
            resend_cooldown: cooldown?,
            mails_a_link: limits.mails_a_link,
            enrolment_idle: enrolment?,
            notice: notice?,
        })
    }

    pub(super) fn charter(&mut self, charter: &raw::Charter) -> Option<Charter> {
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

    pub(super) fn populations(&mut self, populations: &[raw::Population]) -> Vec<Population> {
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
}
