//! From an entry of the directory to what the rules know of a person.

use crate::config::{LOCALES, Settings, hex};
use crate::directory::{self, Directory, Entry};
use parvis_enrolment::enrolment::Profile;
use parvis_enrolment::{Id, PersonId, Sighting, Standing};
use sha2::{Digest, Sha256};

/// The longest name that is kept, in characters; the rest of it is cut off.
const LONGEST_NAME: usize = 120;
/// The longest login or address that is kept, in bytes (RFC 5321 has 254 for an address). A longer one is left out: cut,
/// it would be somebody else's.
const LONGEST_ADDRESS: usize = 254;
/// The longest marker that is kept as it is, in bytes; of a longer one, its digest.
const LONGEST_MARKER: usize = 1024;

/// Who an entry is.
pub fn person(entry: &Entry) -> PersonId {
    Id(entry.uuid.0)
}

/// What the rules are told of an entry. `in_person`: the person has proven the password, and not only the watch saw it.
pub fn sighting(settings: &Settings, directory: &Directory, entry: &Entry, in_person: bool) -> Sighting {
    let standing = match directory.standing(entry) {
        directory::Standing::Provisional => Standing::Provisional,
        directory::Standing::Active => Standing::Active,
        directory::Standing::Locked => Standing::Locked,
        directory::Standing::Unknown => Standing::Other,
    };
    Sighting { standing, stamp: entry.stamp.clone(), profile: profile(settings, directory, entry), in_person }
}

/// What the entry says of the person.
pub fn profile(settings: &Settings, directory: &Directory, entry: &Entry) -> Profile {
    let attributes = &settings.attributes;
    let text = |name: &str| entry.first(name).map(clean).filter(|text| !text.is_empty());
    let whole = |name: &str| text(name).filter(|text| text.len() <= LONGEST_ADDRESS);
    Profile {
        login: whole(&attributes.login).unwrap_or_default(),
        name: text(&attributes.name).map(|name| short(&name)),
        mail: whole(&attributes.mail),
        offered: whole(&attributes.recovery),
        locale: entry.first(&attributes.locale).and_then(locale),
        population: directory.population(entry).map(str::to_owned),
        // Absent is a value as well: a marker that appears begins a round.
        marker: attributes.marker.as_deref().map(|name| text(name).map(marker).unwrap_or_default()),
    }
}

/// Without what cannot be seen: an entry may hold anything.
fn clean(text: &str) -> String {
    let seen = text.chars().filter(|c| !parvis_enrolment::address::invisible(*c));
    seen.collect::<String>().trim().to_owned()
}

fn short(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect::<String>().trim_end().to_owned()
}

/// Two markers that differ anywhere stay different.
fn marker(text: String) -> String {
    if text.len() <= LONGEST_MARKER { text } else { format!("sha256:{}", hex(&Sha256::digest(&text))) }
}

/// The first of our languages in a `preferredLanguage` (RFC 2798, an Accept-Language value) or a locale.
pub fn locale(text: &str) -> Option<String> {
    let mut tags =
        text.split([',', ';', ' ', ':']).map(|tag| tag.get(..2).unwrap_or_default().to_ascii_lowercase());
    tags.find(|tag| LOCALES.contains(&tag.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::trial;
    use crate::directory::EntryUuid;
    use crate::service::outside;

    /// What is kept of an entry with this value in one attribute.
    async fn check(attribute: &str, value: &str, kept: fn(&Profile) -> &str, expected: &str) {
        let settings = trial::settings("[directory]\nmarker-attribute = \"supannRefId\"\n");
        let directory = Directory::connect(settings.directory.clone().prepare().unwrap(), outside());
        let entry = Entry {
            uuid: EntryUuid([0; 16]),
            dn: "uid=x".to_owned(),
            stamp: "1".to_owned(),
            attributes: [(attribute.to_lowercase(), vec![value.as_bytes().to_vec()])].into(),
        };
        assert_eq!(kept(&profile(&settings, &directory, &entry)), expected, "{attribute}");
    }

    #[tokio::test]
    async fn a_name_may_be_cut_and_an_address_never() {
        let name: fn(&Profile) -> &str = |profile| profile.name.as_deref().unwrap_or_default();
        let offered: fn(&Profile) -> &str = |profile| profile.offered.as_deref().unwrap_or_default();
        let login: fn(&Profile) -> &str = |profile| &profile.login;
        check("displayName", &"é".repeat(200), name, &"é".repeat(120)).await;
        let address = format!("{}@{}.univ.example.org", "a".repeat(60), "b".repeat(60));
        check("supannMailPerso", &address, offered, &address).await;
        check("supannMailPerso", &format!("a@{}.example", "b".repeat(250)), offered, "").await;
        check("uid", &"u".repeat(255), login, "").await;
        check("uid", " mdurand\u{200b}", login, "mdurand").await;
    }

    #[tokio::test]
    async fn markers_that_differ_at_their_end_differ() {
        let kept: fn(&Profile) -> &str = |profile| profile.marker.as_deref().unwrap_or_default();
        let long = "m".repeat(1024);
        check("supannRefId", &long, kept, &long).await;
        let digest = |text: String| format!("sha256:{}", hex(&Sha256::digest(text)));
        check("supannRefId", &format!("{long}1"), kept, &digest(format!("{long}1"))).await;
        check("supannRefId", &format!("{long}2"), kept, &digest(format!("{long}2"))).await;
    }
}
