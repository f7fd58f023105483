//! What the directory and the DNS say of an address that a person gives: whether mail to it would come back to them, and
//! whether its domain takes mail at all.
//!
//! Only what is the person's own counts: an alias in their entry, or an entry that forwards to them. Whose another
//! address is, nobody learns here. A directory that does not answer in time says nothing.

use super::hook::Desk;
use crate::config::Settings;
use crate::directory::{Entry, EntryUuid};
use crate::engine::keys::Token;
use crate::engine::limits::Counted;
use parvis_enrolment::Enrolment;
use parvis_enrolment::address::Address;
use std::time::Duration;

/// A login page waits behind it, and gives up after two seconds.
const TIME: Duration = Duration::from_secs(1);

impl Desk {
    /// Asks the directory and the DNS, at once, about an address that this person gives; what the DNS says is remembered,
    /// and only ever a hint. True: mail to it would come back to the person.
    pub async fn inward(&self, token: Token, address: Option<&str>, counted: &[Counted]) -> bool {
        let Some(Ok(address)) = address.map(Address::parse) else { return false };
        let (engine, policy) = (&self.gate.engine, &self.settings.policy);
        // The rules refuse it without a question; and whoever asks too often asks the directory nothing.
        if address.within(&policy.own_domains) || !matches!(engine.exhausted(counted), Ok(None)) {
            return false;
        }
        let Ok(Some(dossier)) = engine.dossier(token.person) else { return false };
        let (inward, ()) =
            tokio::join!(self.comes_back(&dossier.enrolment, &address), self.look_up(&address));
        inward
    }

    async fn look_up(&self, address: &Address) {
        let text = address.to_string();
        if let (Some(servers), Some((_, domain))) = (&self.settings.mail.mx, text.rsplit_once('@')) {
            self.gate.domains.look_up(servers, domain).await;
        }
    }

    async fn comes_back(&self, enrolment: &Enrolment, address: &Address) -> bool {
        let (engine, policy) = (&self.gate.engine, &self.settings.policy);
        // What the directory itself calls the person's outside address is one.
        if enrolment.profile.offered.as_deref().is_some_and(|offered| address.same_as(offered)) {
            return false;
        }
        let directory = engine.directory();
        let spellings = spellings(address, &policy.delimiters);
        match tokio::time::timeout(TIME, directory.holders(&spellings)).await {
            Ok(Ok(found)) => {
                let held = directory.holding_attributes();
                found.iter().any(|entry| comes_back(&self.settings, enrolment, entry, held, address))
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the directory does not say whose an address is: it is taken for an outside one");
                false
            }
            Err(_) => {
                tracing::warn!(
                    "the directory does not say in time whose an address is: it is taken for an outside one"
                );
                false
            }
        }
    }
}

/// An address as it was given and without its detail, each as the directory may have it.
fn spellings(address: &Address, delimiters: &str) -> Vec<String> {
    let mut spellings = vec![address.to_string(), address.bare(delimiters).to_string()];
    // The domain is in its ASCII form; a directory may have it in people's own letters.
    let unicode = |spelling: &String| {
        let (local, domain) = spelling.rsplit_once('@')?;
        let (domain, sound) = idna::domain_to_unicode(domain);
        sound.ok().map(|()| format!("{local}@{domain}"))
    };
    spellings.extend(spellings.iter().filter_map(unicode).collect::<Vec<_>>());
    spellings.sort();
    spellings.dedup();
    spellings
}

/// Whether this entry is the person's own and receives mail by the address, or forwards it to the person.
fn comes_back(
    settings: &Settings,
    enrolment: &Enrolment,
    entry: &Entry,
    held: &[String],
    address: &Address,
) -> bool {
    let (delimiters, attributes) = (&settings.policy.delimiters, &settings.attributes);
    let mailbox = enrolment.population(&settings.policy).is_some_and(|people| people.mailbox);
    if entry.uuid == EntryUuid(enrolment.person.0) {
        // Without a mailbox, `mail` may be an address elsewhere: it is delivered here only where there is one.
        let delivered = |name: &&String| mailbox || !name.eq_ignore_ascii_case(&attributes.mail);
        let values = held.iter().filter(delivered).flat_map(|name| entry.values(name));
        return values.map(bare_value).any(|value| address.reaches(value, delimiters));
    }
    let Some(own) = enrolment.profile.mail.as_deref().and_then(|own| Address::parse(own).ok()) else {
        return false;
    };
    let targets = settings.directory.address_targets.iter();
    targets.flat_map(|name| entry.values(name)).any(|target| own.reaches(target, delimiters))
}

/// `smtp:` before an address is Active Directory's (`proxyAddresses`).
fn bare_value(value: &str) -> &str {
    match value.split_at_checked(5) {
        Some((prefix, address)) if prefix.eq_ignore_ascii_case("smtp:") => address,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_looked_for_in_each_of_its_spellings() {
        let of = |text: &str| spellings(&Address::parse(text).unwrap(), "+");
        assert_eq!(of("j@example.org"), ["j@example.org"]);
        assert_eq!(of("j+x@example.org"), ["j+x@example.org", "j@example.org"]);
        assert_eq!(of("j@bücher.example"), ["j@bücher.example", "j@xn--bcher-kva.example"]);
    }

    /// Whether mail to the address comes back to Marie, a member of staff with a mailbox, when this entry is found.
    fn check(whose: u8, attributes: &[(&str, &str)], address: &str, population: &str) -> bool {
        let settings = crate::config::trial::settings("");
        let mut marie = Enrolment::unseen(parvis_enrolment::Id([1; 16]), jiff::Timestamp::UNIX_EPOCH);
        marie.profile.population = Some(population.to_owned());
        marie.profile.mail = Some("marie@univ.example".to_owned());
        let value = |(name, value): &(&str, &str)| ((*name).to_owned(), vec![value.as_bytes().to_vec()]);
        let entry = Entry {
            uuid: EntryUuid([whose; 16]),
            dn: "uid=x".to_owned(),
            stamp: "1".to_owned(),
            attributes: attributes.iter().map(value).collect(),
        };
        let held = ["mail", "mailalternateaddress", "proxyaddresses"].map(str::to_owned);
        comes_back(&settings, &marie, &entry, &held, &Address::parse(address).unwrap())
    }

    #[test]
    fn the_person_s_own_aliases_and_what_forwards_to_them_come_back() {
        const OWN: u8 = 1;
        const OTHER: u8 = 2;
        for (whose, name, value, address, expected) in [
            (OWN, "mailalternateaddress", "Marie@etu.test", "marie+x@ETU.test", true),
            (OWN, "proxyaddresses", "smtp:marie@etu.test", "marie@etu.test", true),
            (OWN, "mail", "marie@etu.test", "marie@etu.test", true),
            // A subtype of mail in SUPANN's schema, and so found by a search for it: an address elsewhere.
            (OWN, "supannautremail", "marie@perso.test", "marie@perso.test", false),
            (OWN, "mailforwardingaddress", "marie@perso.test", "marie@perso.test", false),
            (OTHER, "mailalternateaddress", "marie@etu.test", "marie@etu.test", false),
            (OTHER, "mailforwardingaddress", "MARIE+list@univ.example", "list@asso.test", true),
            (OTHER, "maildrop", "marie@univ.example", "list@asso.test", true),
            (OTHER, "mailforwardingaddress", "paul@univ.example", "list@asso.test", false),
        ] {
            assert_eq!(
                check(whose, &[(name, value)], address, "staff"),
                expected,
                "{name}: {value}, {address}"
            );
        }
        assert!(
            !check(OWN, &[("mail", "paul@perso.test")], "paul@perso.test", "vacataires"),
            "no mailbox here"
        );
    }

    #[test]
    fn what_active_directory_writes_before_an_address_is_no_part_of_it() {
        for (value, bare) in
            [("SMTP:a@b.fr", "a@b.fr"), ("a@b.fr", "a@b.fr"), ("smtp", "smtp"), ("é@b.fr", "é@b.fr")]
        {
            assert_eq!(bare_value(value), bare);
        }
    }
}
