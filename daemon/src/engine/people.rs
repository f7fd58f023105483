//! From an entry of the directory to what the rules know of a person.

use crate::config::{LOCALES, Settings};
use crate::directory::{self, Directory, Entry};
use parvis_enrolment::enrolment::Profile;
use parvis_enrolment::{Id, PersonId, Sighting, Standing};

/// The longest name that is kept, in characters.
const LONGEST_NAME: usize = 120;

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
    Profile {
        login: text(&attributes.login).unwrap_or_default(),
        name: text(&attributes.name),
        mail: text(&attributes.mail),
        offered: text(&attributes.recovery),
        locale: entry.first(&attributes.locale).and_then(locale),
        population: directory.population(entry).map(str::to_owned),
        // Absent is a value as well: a marker that appears begins a round.
        marker: attributes.marker.as_deref().map(|name| text(name).unwrap_or_default()),
    }
}

/// Without what cannot be seen, and not too long: an entry may hold anything.
fn clean(text: &str) -> String {
    let seen = text.chars().filter(|c| !parvis_enrolment::address::invisible(*c));
    seen.take(LONGEST_NAME).collect::<String>().trim().to_owned()
}

/// The first of our languages in a `preferredLanguage` (RFC 2798, an Accept-Language value) or a locale.
pub fn locale(text: &str) -> Option<String> {
    let mut tags =
        text.split([',', ';', ' ', ':']).map(|tag| tag.get(..2).unwrap_or_default().to_ascii_lowercase());
    tags.find(|tag| LOCALES.contains(&tag.as_str()))
}
