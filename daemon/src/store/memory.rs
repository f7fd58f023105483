//! The store without a disk: for tests, and for nothing that should last.

use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use super::backend::{Backend, Batch, Fault, Pair, Place};

/// A sorted map under a lock.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pairs: RwLock<std::collections::BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Backend for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.pairs.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn range(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Pair>, Fault> {
        if from >= until {
            return Ok(Vec::new());
        }
        let pairs = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
        let range = pairs.range::<[u8], _>((Bound::Included(from), Bound::Excluded(until)));
        Ok(range.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn last(&self, from: &[u8], until: &[u8]) -> Result<Option<Pair>, Fault> {
        let pairs = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
        let last = pairs.range::<[u8], _>((Bound::Included(from), Bound::Excluded(until))).next_back();
        Ok(last.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn apply(&self, batch: &Batch) -> Result<(), Fault> {
        let mut pairs = self.pairs.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch {
            match value {
                Some(value) => pairs.insert(key.clone(), value.clone()),
                None => pairs.remove(key),
            };
        }
        Ok(())
    }

    fn make_durable(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// Where memory is: nowhere. It is never full and cannot be opened again.
#[derive(Debug, Default)]
pub(super) struct Nowhere;

impl Place for Nowhere {
    type Backend = Memory;

    fn open(&mut self) -> Result<Memory, Fault> {
        Ok(Memory::default())
    }

    fn make_room(&mut self) {}

    fn take_room(&mut self) -> bool {
        true
    }

    fn closed(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}
