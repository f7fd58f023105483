//! Dossiers that were read or written a moment ago, decoded: somebody at the steps is asked about a dozen times.
//!
//! The store is read all the same. What is kept here is only what the same bytes decoded to, so it is never stale.

use crate::dossier::{Dossier, Unreadable};
use parvis_enrolment::PersonId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many are kept at most. Beyond half of it, those that were not asked about since it was last so many are let go.
const MOST: usize = 128;

/// What bytes decoded to.
#[derive(Default)]
pub struct Memo(Mutex<Kept>);

/// Half of what may be kept in each: whoever is asked about is young again.
#[derive(Default)]
struct Kept {
    young: Half,
    old: Half,
}

type Half = HashMap<PersonId, (Vec<u8>, Arc<Dossier>)>;

impl Memo {
    /// The dossier that a record holds.
    pub fn decode(&self, person: PersonId, record: &[u8]) -> Result<Arc<Dossier>, Unreadable> {
        if let Some(dossier) = self.lock().find(person, record) {
            return Ok(dossier);
        }
        let dossier = Arc::new(Dossier::decode(person, record)?);
        self.keep(person, record.to_vec(), dossier.clone());
        Ok(dossier)
    }

    /// Keeps a record with what it decodes to.
    pub fn keep(&self, person: PersonId, record: Vec<u8>, dossier: Arc<Dossier>) {
        self.lock().keep(person, (record, dossier));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, person: PersonId, record: &[u8]) -> Option<Arc<Dossier>> {
        if let Some(old) = self.old.remove(&person) {
            self.keep(person, old);
        }
        let (bytes, dossier) = self.young.get(&person)?;
        (bytes == record).then(|| dossier.clone())
    }

    fn keep(&mut self, person: PersonId, held: (Vec<u8>, Arc<Dossier>)) {
        if self.young.len() >= MOST / 2 && !self.young.contains_key(&person) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&person);
        self.young.insert(person, held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parvis_enrolment::Id;

    #[test]
    fn other_bytes_are_read_anew_and_no_more_than_some_are_kept() {
        let (memo, person) = (Memo::default(), Id([1; 16]));
        let one = Dossier::unseen(person, Id([2; 16]), jiff::Timestamp::UNIX_EPOCH);
        let mut other = one.clone();
        other.next = 7;
        for dossier in [&one, &one, &other, &one] {
            assert_eq!(*memo.decode(person, &dossier.encode()).unwrap(), *dossier);
        }
        assert!(memo.decode(person, b"{").is_err());
        for number in 0..=u8::MAX {
            let other = Id([number; 16]);
            memo.decode(other, &Dossier::unseen(other, one.salt, one.enrolment.changed).encode()).unwrap();
            // Whoever is asked about again and again stays.
            if number % 16 == 0 {
                assert!(memo.lock().find(person, &one.encode()).is_some(), "after {number}");
            }
            let kept = memo.lock();
            assert!(kept.young.len() + kept.old.len() <= MOST);
        }
        assert!(memo.lock().find(person, b"{").is_none());
    }
}
