//! Dossiers that were read or written a moment ago, decoded: somebody at the steps is asked about a dozen times.
//!
//! The store is read all the same. What is kept here is only what the same bytes decoded to, so it is never stale.

use crate::dossier::{Dossier, Unreadable};
use parvis_enrolment::PersonId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many are kept; beyond it, all are let go.
const MOST: usize = 128;

/// What bytes decoded to.
#[derive(Default)]
pub struct Memo(Mutex<Kept>);

type Kept = HashMap<PersonId, (Vec<u8>, Arc<Dossier>)>;

impl Memo {
    /// The dossier that a record holds.
    pub fn decode(&self, person: PersonId, record: &[u8]) -> Result<Arc<Dossier>, Unreadable> {
        if let Some((bytes, dossier)) = self.lock().get(&person)
            && bytes == record
        {
            return Ok(dossier.clone());
        }
        let dossier = Arc::new(Dossier::decode(person, record)?);
        self.keep(person, record.to_vec(), dossier.clone());
        Ok(dossier)
    }

    /// Keeps a record with what it decodes to.
    pub fn keep(&self, person: PersonId, record: Vec<u8>, dossier: Arc<Dossier>) {
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(person, (record, dossier));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            let person = Id([number; 16]);
            memo.decode(person, &Dossier::unseen(person, one.salt, one.enrolment.changed).encode()).unwrap();
        }
        assert!(memo.lock().len() <= MOST);
    }
}
