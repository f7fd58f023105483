//! What verification remembers of the dossiers while it walks the chain: for each fact a number and half a digest, 24
//! bytes, so that a million of them fit where the texts would not.

use super::export::uuid;
use super::record::{Record, digest, subject};
use super::verify::{Faults, fact_text};
use crate::dossier::{Dossier, Numbers, PROVING, TRIMMED, key};
use crate::store::{Store, StoreError};
use parvis_enrolment::PersonId;
use std::collections::HashMap;

/// How many dossiers are read at once.
const PAGE: usize = 256;

/// All dossiers, by the subject under which the chain knows them.
#[derive(Default)]
pub(super) struct Dossiers(HashMap<[u8; 16], Known>);

/// One dossier.
struct Known {
    person: PersonId,
    /// Facts from here on are newer than what was read.
    next: u32,
    /// In the order of their numbers.
    facts: Vec<Fact>,
    trimmed: Numbers,
    /// The latest record of each kind that proves something.
    latest: [Option<u32>; PROVING.len()],
}

/// One fact: its number, half of its digest, and whether the chain has it.
struct Fact {
    n: u32,
    digest: [u8; 16],
    recorded: bool,
}

/// What a record is to the dossiers.
pub(super) enum Seen {
    /// Its fact is kept as it was, was trimmed, or is newer than what was read.
    Kept,
    /// There is no dossier of this subject.
    Stranger,
    /// Its fact is gone or another.
    Wrong(String),
}

impl Dossiers {
    /// Reads them all; what is wrong with one by itself is said.
    pub(super) fn read(store: &dyn Store, faults: &mut Faults) -> Result<Self, StoreError> {
        let mut known = Self::default();
        let mut from = b"p".to_vec();
        loop {
            let page = store.scan(&from, b"q", PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(known) };
            from = last.iter().copied().chain([0]).collect();
            for (key, held) in &page {
                let Some(person) = key::person(key) else { continue };
                match Dossier::decode(person, &held.value) {
                    Ok(dossier) => known.add(person, &dossier, faults),
                    Err(error) => faults.push(error.to_string()),
                }
            }
        }
    }

    fn add(&mut self, person: PersonId, dossier: &Dossier, faults: &mut Faults) {
        if let Some(why) = charter(dossier) {
            faults.push(format!("{}: {why}", uuid(person)));
        }
        let mut facts: Vec<Fact> = dossier
            .facts
            .iter()
            .map(|kept| {
                let digest = half(digest(dossier.salt, &fact_text(kept)));
                Fact { n: kept.n, digest, recorded: false }
            })
            .collect();
        facts.sort_unstable_by_key(|fact| fact.n);
        facts.shrink_to_fit();
        let trimmed = dossier.facts.iter().rfind(|kept| kept.fact.what == TRIMMED);
        let known = Known {
            person,
            next: dossier.next,
            facts,
            trimmed: trimmed.map(Numbers::of).unwrap_or_default(),
            latest: [None; PROVING.len()],
        };
        self.0.insert(subject(dossier.salt, person), known);
    }

    /// A record of the chain: is its fact still what it was?
    pub(super) fn seen(&mut self, record: &Record) -> Seen {
        let Some(known) = self.0.get_mut(&record.subject) else { return Seen::Stranger };
        if record.n >= known.next {
            return Seen::Kept;
        }
        let kinds = known.latest.iter_mut().zip(PROVING);
        for (latest, _) in kinds.filter(|(_, kind)| *kind == record.what) {
            *latest = Some(record.n);
        }
        let at = known.facts.binary_search_by_key(&record.n, |fact| fact.n);
        match at.ok().and_then(|at| known.facts.get_mut(at)) {
            Some(fact) if fact.digest == half(record.digest) => {
                fact.recorded = true;
                Seen::Kept
            }
            Some(_) => Seen::Wrong(format!(
                "{}: fact {} ({}) is not the one that was recorded",
                uuid(known.person),
                record.n,
                record.what
            )),
            None if known.trimmed.contains(record.n) => Seen::Kept,
            None => Seen::Wrong(format!(
                "{}: fact {} ({}) was removed",
                uuid(known.person),
                record.n,
                record.what
            )),
        }
    }

    /// The chain says that this one was erased: who it was, where the dossier was read.
    pub(super) fn purged(&mut self, subject: [u8; 16]) -> Option<String> {
        self.0.remove(&subject).map(|known| uuid(known.person))
    }

    /// When the whole chain was seen: facts that it does not have, and proofs that must not have been trimmed.
    pub(super) fn judge(&self, faults: &mut Faults) {
        for known in self.0.values() {
            let person = || uuid(known.person);
            for fact in known.facts.iter().filter(|fact| !fact.recorded) {
                faults.push(format!("{}: fact {} is not in the chain as it is kept", person(), fact.n));
            }
            for (latest, kind) in known.latest.iter().zip(PROVING) {
                let lost = latest.filter(|n| known.facts.binary_search_by_key(n, |fact| fact.n).is_err());
                if let Some(n) = lost {
                    faults.push(format!("{}: the latest {kind}, fact {n}, is missing", person()));
                }
            }
        }
    }
}

/// What is wrong with the charter that the answers name: the latest fact must say the same.
fn charter(dossier: &Dossier) -> Option<String> {
    let accepted = dossier.enrolment.answers()?.charter.as_ref()?;
    let Some(kept) = dossier.facts.iter().rfind(|kept| kept.fact.what == "charter-accepted") else {
        return Some("the answers name a charter, and no fact says that it was accepted".to_owned());
    };
    let detail = |wanted: &str| {
        kept.fact.details.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_str())
    };
    let same = detail("version") == Some(&accepted.version)
        && detail("sha256") == Some(&accepted.sha256)
        && detail("locale") == Some(&accepted.locale)
        && kept.at == accepted.at;
    (!same).then(|| format!("the charter in the answers is not the one of fact {}", kept.n))
}

fn half(long: [u8; 32]) -> [u8; 16] {
    let mut short = [0; 16];
    short.iter_mut().zip(long).for_each(|(to, from)| *to = from);
    short
}
