//! Which mails were put into the outbox just now, so that the worker need not look for them.
//!
//! It is a hint and no more: whatever is missed here stands in the store, and is found there within a minute or so.

use crate::store::Write;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// The most keys that wait to be heard; beyond it the worker looks through the store.
const MOST: usize = 4096;

/// Keys of the outbox that nobody has looked at yet.
#[derive(Default)]
pub struct Ordered {
    told: Mutex<Told>,
    /// Rung when there are some.
    pub rung: Notify,
}

/// What was told since it was last asked.
#[derive(Default)]
pub struct Told {
    /// In the order in which they were committed, more or less.
    pub keys: Vec<Vec<u8>>,
    /// There were more.
    pub missed: bool,
}

impl Ordered {
    /// The keys of the mails that these writes put into the outbox.
    pub fn among(writes: &[Write]) -> Vec<Vec<u8>> {
        let mails = writes.iter().filter_map(|write| match write {
            Write::Put { key, .. } => Some(key).filter(|key| key.first() == Some(&b'o')),
            Write::Delete { .. } => None,
        });
        mails.cloned().collect()
    }

    /// These mails stand in the store now.
    pub fn tell(&self, keys: Vec<Vec<u8>>) {
        if keys.is_empty() {
            return;
        }
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.keys.len() + keys.len() <= MOST {
                told.keys.extend(keys);
            } else {
                told.missed = true;
            }
        }
        self.rung.notify_one();
    }

    /// All that was told, once.
    pub fn take(&self) -> Told {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_said_and_memory_is_bounded() {
        let ordered = Ordered::default();
        for number in 0..=MOST {
            ordered.tell(vec![number.to_be_bytes().to_vec()]);
        }
        let told = ordered.take();
        assert!(told.keys.len() == MOST && told.missed);
        let told = ordered.take();
        assert!(told.keys.is_empty() && !told.missed);
    }
}
