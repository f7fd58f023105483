//! Verifying and exporting the audit.

use super::record::{Chain, Record, digest, subject};
use crate::config::hex;
use crate::dossier::{Dossier, Kept, key};
use crate::store::{Linked, Linker, Store, StoreError};
use parvis_enrolment::PersonId;
use std::collections::HashMap;

/// How many are read at once.
const PAGE: usize = 256;
/// The most faults that are named.
const MOST_FAULTS: usize = 50;

/// What the verification found.
pub struct Verdict {
    /// How many records there are.
    pub length: u64,
    /// The chain's end, as it would be written to the journal.
    pub head: String,
    /// What is wrong; nothing, where the chain and the details hold.
    pub faults: Vec<String>,
}

/// Walks the chain and every dossier, while others go on writing. `anchor` is a head from the journal, which must be
/// part of the chain.
pub fn verify(store: &dyn Store, chain: &Chain, wanted: Option<&str>) -> Result<Verdict, StoreError> {
    let mut walk = Walk::new(chain, wanted);
    walk.go_to(store, store.head().length)?;
    let doubtful = details(store, &walk.digests, &mut walk.faults)?;
    // What was committed since: a dossier's record is in the chain by the time that the dossier can be read.
    let head = store.head();
    walk.go_to(store, head.length)?;
    let Walk { number, previous, digests, mut faults, seen_anchor, .. } = walk;
    if head.length != number || (number > 0 && head.link != previous) {
        faults.push(format!("the chain ends at {number}, and the store says {}", head.length));
    }
    if let (false, Some(wanted)) = (seen_anchor, wanted) {
        faults
            .push(format!("the anchor {wanted} is not part of the chain: its tail was cut off or rewritten"));
    }
    let untrue = doubtful.into_iter().filter(|fact| digests.get(&fact.place) != Some(&fact.digest));
    faults.extend(untrue.map(|fact| fact.fault));
    faults.truncate(MOST_FAULTS);
    Ok(Verdict { length: number, head: super::anchor(&head), faults })
}

/// How far the chain was followed, and what was found.
struct Walk<'a> {
    chain: &'a Chain,
    anchor: Option<&'a str>,
    seen_anchor: bool,
    number: u64,
    previous: [u8; 32],
    digests: HashMap<Place, [u8; 32]>,
    faults: Vec<String>,
}

/// Whose fact, and the how manyth.
type Place = ([u8; 16], u32);

impl<'a> Walk<'a> {
    fn new(chain: &'a Chain, anchor: Option<&'a str>) -> Self {
        let seen_anchor = anchor.is_none_or(|anchor| anchor.starts_with("0:"));
        let (number, previous, digests, faults) = (0, [0; 32], HashMap::new(), Vec::new());
        Self { chain, anchor, seen_anchor, number, previous, digests, faults }
    }

    /// Follows it to that length, or to where it ends.
    fn go_to(&mut self, store: &dyn Store, length: u64) -> Result<(), StoreError> {
        while self.number < length {
            let left = usize::try_from(length - self.number).unwrap_or(PAGE);
            let page = store.records(self.number, PAGE.min(left))?;
            if page.is_empty() {
                break;
            }
            page.iter().for_each(|linked| self.step(linked));
        }
        Ok(())
    }

    fn step(&mut self, linked: &Linked) {
        if linked.number != self.number {
            self.faults.push(format!("record {} is missing", self.number));
            self.number = linked.number;
        }
        let number = self.number;
        if self.chain.link(&self.previous, number, &linked.body) != linked.link {
            self.faults
                .push(format!("record {number} was altered, or a record before it was removed or moved"));
        }
        match Record::decode(&linked.body) {
            Some(record) => {
                self.digests.insert((record.subject, record.n), record.digest);
            }
            None => self.faults.push(format!("record {number} is not one of ours")),
        }
        self.previous = linked.link;
        self.number += 1;
        let here = || format!("{}:{}", self.number, hex(&self.previous));
        self.seen_anchor = self.seen_anchor || self.anchor.is_some_and(|anchor| anchor == here());
    }
}

/// A fact that the chain did not have when it was looked at.
struct Doubtful {
    place: Place,
    digest: [u8; 32],
    fault: String,
}

/// Every detail that is kept must be the one whose digest is in the chain: those that are not.
fn details(
    store: &dyn Store,
    digests: &HashMap<Place, [u8; 32]>,
    faults: &mut Vec<String>,
) -> Result<Vec<Doubtful>, StoreError> {
    let mut doubtful = Vec::new();
    each_dossier(store, |person, dossier| {
        let Some(dossier) = dossier else {
            faults.push(format!("the record of {person} cannot be read"));
            return;
        };
        for kept in &dossier.facts {
            let place = (subject(dossier.salt, person), kept.n);
            let digest = digest(dossier.salt, &fact_text(kept));
            if digests.get(&place) != Some(&digest) {
                let what = &kept.fact.what;
                let fault = format!("{person}: fact {} ({what}) is not the one that was recorded", kept.n);
                doubtful.push(Doubtful { place, digest, fault });
            }
        }
    })?;
    Ok(doubtful)
}

/// Calls back for every dossier, `None` where it cannot be read.
fn each_dossier(
    store: &dyn Store,
    mut visit: impl FnMut(PersonId, Option<Dossier>),
) -> Result<(), StoreError> {
    let mut from = b"p".to_vec();
    loop {
        let page = store.scan(&from, b"q", PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = last.iter().copied().chain([0]).collect();
        for (key, held) in &page {
            if let Some(person) = key::person(key) {
                visit(person, Dossier::decode(person, &held.value).ok());
            }
        }
    }
}

/// The text of a fact whose digest is recorded.
pub fn fact_text(kept: &Kept) -> Vec<u8> {
    serde_json::to_vec(kept).expect("a fact has only texts and numbers, which JSON always takes")
}

/// A piece of the audit, for people and programs outside.
pub struct Exported {
    /// One JSON object a record.
    pub lines: Vec<String>,
    /// From where to go on.
    pub next: u64,
    /// Whether there is more.
    pub more: bool,
}

/// At most `limit` records from `after` on, each with the details where they are still kept.
pub fn export(store: &dyn Store, after: u64, limit: usize) -> Result<Exported, StoreError> {
    let records = store.records(after, limit)?;
    let mut wanted: HashMap<([u8; 16], u32), usize> = HashMap::new();
    let decoded: Vec<_> = records.iter().map(|linked| (linked, Record::decode(&linked.body))).collect();
    for (index, (_, record)) in decoded.iter().enumerate() {
        if let Some(record) = record {
            wanted.insert((record.subject, record.n), index);
        }
    }
    let mut details: HashMap<usize, (PersonId, String, Kept)> = HashMap::new();
    each_dossier(store, |person, dossier| {
        let Some(dossier) = dossier else { return };
        let subject = subject(dossier.salt, person);
        for kept in dossier.facts {
            if let Some(index) = wanted.get(&(subject, kept.n)) {
                details.insert(*index, (person, dossier.enrolment.profile.login.clone(), kept));
            }
        }
    })?;
    let lines = decoded.iter().enumerate().map(|(index, (linked, record))| {
        let detail = details.get(&index);
        serde_json::json!({
            "number": linked.number,
            "link": hex(&linked.link),
            "at": record.as_ref().map(|record| record.at.to_string()),
            "what": record.as_ref().map(|record| record.what.clone()),
            "person": detail.map(|(person, ..)| uuid(*person)),
            "login": detail.map(|(_, login, _)| login.clone()),
            "by": detail.map(|(.., kept)| serde_json::to_value(&kept.by).unwrap_or_default()),
            "details": detail.map(|(.., kept)| {
                kept.fact.details.iter().cloned().collect::<std::collections::BTreeMap<_, _>>()
            }),
        })
        .to_string()
    });
    let next = records.last().map_or(after, |linked| linked.number + 1);
    Ok(Exported { lines: lines.collect(), next, more: next < store.head().length })
}

/// entryUUID in its usual form (RFC 4122).
pub fn uuid(person: PersonId) -> String {
    let text = person.to_string();
    let parts =
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| text.get(range).unwrap_or_default().to_owned());
    parts.join("-")
}
