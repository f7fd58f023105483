//! Verifying the audit: the chain by its links, the details by their digests, and that neither lacks what the other has.
//!
//! The dossiers are read first, then the chain up to a head that is taken afterwards: whatever is committed meanwhile is
//! in the chain for every fact that was read, and a fact that was not read yet is newer than its dossier. So a busy
//! daemon raises no false alarm.

use super::dossiers::{Dossiers, Seen};
use super::record::{Chain, PURGED, Record};
use crate::config::hex;
use crate::dossier::Kept;
use crate::store::{Linker, Store, StoreError};
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

/// What is wrong so far; no more than is named.
#[derive(Default)]
pub(super) struct Faults(Vec<String>);

impl Faults {
    pub(super) fn push(&mut self, fault: String) {
        if self.0.len() < MOST_FAULTS {
            self.0.push(fault);
        }
    }
}

/// Reads every dossier and walks the chain. `wanted` is a head from the journal, which must be part of the chain.
pub fn verify(store: &dyn Store, chain: &Chain, wanted: Option<&str>) -> Result<Verdict, StoreError> {
    let mut faults = Faults::default();
    let before = store.head().length;
    let mut dossiers = Dossiers::read(store, &mut faults)?;
    let head = store.head();
    let mut walk = Walk {
        chain,
        wanted,
        found: wanted.is_none_or(|wanted| wanted.starts_with("0:")),
        before,
        number: 0,
        previous: [0; 32],
        strangers: HashMap::new(),
    };
    while walk.number < head.length {
        let page = store.records(walk.number, PAGE)?;
        if page.is_empty() {
            break;
        }
        for linked in page.into_iter().filter(|linked| linked.number < head.length) {
            walk.step(&linked, &mut dossiers, &mut faults);
        }
    }
    if head.length != walk.number || (walk.number > 0 && head.link != walk.previous) {
        faults.push(format!("the chain ends at {}, and the store says {}", walk.number, head.length));
    }
    if let (false, Some(wanted)) = (walk.found, wanted) {
        faults
            .push(format!("the anchor {wanted} is not part of the chain: its tail was cut off or rewritten"));
    }
    let lost = walk.strangers.values().filter(|first| **first < before);
    for first in lost {
        faults.push(format!(
            "the dossier of record {first} and those after it is missing, and no record says that it was erased"
        ));
    }
    dossiers.judge(&mut faults);
    Ok(Verdict { length: walk.number, head: super::anchor(&head), faults: faults.0 })
}

/// How far along the chain.
struct Walk<'w> {
    chain: &'w Chain,
    wanted: Option<&'w str>,
    found: bool,
    /// How long the chain was before the dossiers were read.
    before: u64,
    number: u64,
    previous: [u8; 32],
    /// Subjects without a dossier and without the record that says why, each with its first record.
    strangers: HashMap<[u8; 16], u64>,
}

impl Walk<'_> {
    fn step(&mut self, linked: &crate::store::Linked, dossiers: &mut Dossiers, faults: &mut Faults) {
        if linked.number != self.number {
            faults.push(format!("record {} is missing", self.number));
            self.number = linked.number;
        }
        let number = self.number;
        if self.chain.link(&self.previous, number, &linked.body) != linked.link {
            faults.push(format!("record {number} was altered, or a record before it was removed or moved"));
        }
        match Record::decode(&linked.body) {
            Some(record) if record.what == PURGED => {
                self.strangers.remove(&record.subject);
                // Erased while the dossiers were read, or put back by somebody afterwards.
                if let (Some(person), true) = (dossiers.purged(record.subject), number < self.before) {
                    faults.push(format!("{person} was erased (record {number}), and is there again"));
                }
            }
            Some(record) => match dossiers.seen(&record) {
                Seen::Kept => {}
                Seen::Stranger => {
                    self.strangers.entry(record.subject).or_insert(number);
                }
                Seen::Wrong(why) => faults.push(format!("{why} (record {number})")),
            },
            None => faults.push(format!("record {number} is not one of ours")),
        }
        self.previous = linked.link;
        self.number += 1;
        self.found =
            self.found || self.wanted == Some(format!("{}:{}", self.number, hex(&self.previous)).as_str());
    }
}

/// The text of a fact whose digest is recorded.
pub fn fact_text(kept: &Kept) -> Vec<u8> {
    serde_json::to_vec(kept).expect("a fact has only texts and numbers, which JSON always takes")
}
