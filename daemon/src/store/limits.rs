//! What a commit may weigh, judged before it is queued.

use super::stored::OWN;
use super::{Commit, MAX_COMMIT, MAX_KEY, MAX_RECORD, MAX_VALUE, StoreError, Write};

/// What each check, write and record counts besides its bytes.
const EACH: usize = 64;

impl Commit {
    /// Its weight, if it is within the limits.
    pub(super) fn fits(&self) -> Result<usize, StoreError> {
        for check in &self.checks {
            key_fits(&check.key)?;
        }
        for write in &self.writes {
            match write {
                Write::Put { key, value } => {
                    key_fits(key)?;
                    fits("value", value.len(), MAX_VALUE)?;
                }
                Write::Delete { key } => key_fits(key)?,
            }
        }
        for body in &self.records {
            fits("record", body.len(), MAX_RECORD)?;
        }
        let weight = self.weight();
        fits("commit", weight, MAX_COMMIT)?;
        Ok(weight)
    }

    /// Its bytes, with something for each part of it.
    pub(super) fn weight(&self) -> usize {
        let checks = self.checks.iter().map(|check| check.key.len() + EACH);
        let writes = self.writes.iter().map(|write| match write {
            Write::Put { key, value } => key.len() + value.len() + EACH,
            Write::Delete { key } => key.len() + EACH,
        });
        let records = self.records.iter().map(|body| body.len() + EACH);
        checks.chain(writes).chain(records).sum()
    }
}

fn key_fits(key: &[u8]) -> Result<(), StoreError> {
    match key.first() {
        None => Err(StoreError::BadKey("it is empty")),
        Some(&OWN) => Err(StoreError::BadKey("a zero byte at its beginning marks the store's own keys")),
        Some(_) => fits("key", key.len(), MAX_KEY),
    }
}

fn fits(what: &'static str, size: usize, limit: usize) -> Result<(), StoreError> {
    if size > limit { Err(StoreError::TooLarge { what, size, limit }) } else { Ok(()) }
}
