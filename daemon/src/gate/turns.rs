//! How many of something each may have at once: connections of a user, waiting pages or attempts of a person.
//!
//! It counts and frees; what happens to one too many is for whoever asks.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// How many turns each has taken.
pub struct Turns<K>(Arc<Mutex<HashMap<K, usize>>>);

/// One turn; free again when dropped.
pub struct Turn<K: Eq + Hash> {
    turns: Arc<Mutex<HashMap<K, usize>>>,
    whose: K,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Copy> Turns<K> {
    /// A turn, unless this one has `own` already or everybody together has `all`.
    pub fn take(&self, whose: K, own: usize, all: usize) -> Option<Turn<K>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has = taken.get(&whose).copied().unwrap_or_default();
        if has >= own || taken.values().sum::<usize>() >= all {
            return None;
        }
        taken.insert(whose, has + 1);
        Some(Turn { turns: self.0.clone(), whose })
    }

    /// How many this one has.
    pub fn of(&self, whose: K) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&whose).copied().unwrap_or_default()
    }
}

impl<K: Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        let mut taken = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.whose) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_limit_and_all_have_one() {
        let turns = Turns::default();
        let held: Vec<_> = (0..4).map(|_| turns.take("a", 4, 6).unwrap()).collect();
        assert!(turns.take("a", 4, 6).is_none());
        let other = (turns.take("b", 4, 6).unwrap(), turns.take("b", 4, 6).unwrap());
        assert!(turns.take("c", 4, 6).is_none());
        assert_eq!((turns.of("a"), turns.of("b"), turns.of("c")), (4, 2, 0));
        drop(held);
        assert!(turns.take("c", 4, 6).is_some());
        drop(other);
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
