//! The counts of attempts as they are at this moment: in memory, behind the store.
//!
//! Each count is loaded from the store when it is first asked for, and written with the commit of the attempt, without
//! a check: memory decides, so that hundreds behind one address do not fail for each other's sake. What is written is
//! what memory says as the commit is sent, in that order, so that the store has the latest; a restart goes on from there.
//! A tank that is less than half full is not written: most people never fill one, and a restart forgives whoever did no
//! more than half of it. It must not be shared by two processes on one store.

use super::limits::{self, Counted};
use crate::config::Rate;
use crate::store::{Commit, Outcome, Store, StoreError, Write};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many counts are held; beyond it, those that nobody uses at this moment are read from the store again.
const MOST: usize = 100_000;

/// The counts in memory.
#[derive(Default)]
pub struct Tanks(Mutex<HashMap<Vec<u8>, Tank>>);

/// One count.
#[derive(Clone, Copy, Default)]
struct Tank {
    /// When it would be empty again, in milliseconds.
    until: i64,
    /// The attempts under way that it counts, and that the store may not have yet.
    under_way: usize,
}

/// An attempt under way: counted already, and given back unless it is committed.
pub struct Attempt<'t> {
    tanks: &'t Tanks,
    counted: Vec<(Vec<u8>, Rate)>,
    wait: Option<SignedDuration>,
    now: Timestamp,
    made: bool,
}

impl Tanks {
    /// Counts an attempt, or says how long to wait: then nothing is counted.
    pub fn attempt(
        &self,
        store: &dyn Store,
        counted: &[Counted],
        now: Timestamp,
    ) -> Result<Attempt<'_>, StoreError> {
        let mut tanks = self.lock();
        if tanks.len() >= MOST {
            tanks.retain(|_, tank| tank.under_way > 0);
        }
        let mut attempt = Attempt { tanks: self, counted: Vec::new(), wait: None, now, made: false };
        let mut taken = Vec::with_capacity(counted.len());
        for one in counted {
            let tank = match tanks.get(&one.key) {
                Some(tank) => *tank,
                None => {
                    let held = store.get(&one.key)?;
                    let until = held.and_then(|held| limits::stored(&held.value)).unwrap_or(i64::MIN);
                    Tank { until, under_way: 0 }
                }
            };
            match limits::attempt(tank.until, one.rate, now) {
                Ok(until) => taken.push((one, Tank { until, under_way: tank.under_way + 1 })),
                Err(wait) => {
                    attempt.wait = Some(attempt.wait.map_or(wait, |before| before.max(wait)));
                }
            }
        }
        if attempt.wait.is_none() {
            for (one, tank) in taken {
                tanks.insert(one.key.clone(), tank);
                attempt.counted.push((one.key.clone(), one.rate));
            }
        }
        Ok(attempt)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Tank>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// How long to wait, where it is one too many.
    pub fn wait(&self) -> Option<SignedDuration> {
        self.wait
    }

    /// Whether it counts towards anything.
    pub fn counts(&self) -> bool {
        !self.counted.is_empty()
    }

    /// Carries a commit out with the counts as they are now. They are sent in the order in which they were read.
    /// False: somebody else was faster, and nothing was written.
    pub async fn commit(&mut self, store: &dyn Store, mut commit: Commit) -> Result<bool, StoreError> {
        let committing = {
            let tanks = self.tanks.lock();
            commit.writes.extend(self.counted.iter().filter_map(|(key, rate)| {
                let tank = tanks.get(key).filter(|tank| limits::half_full(tank.until, *rate, self.now))?;
                Some(Write::Put { key: key.clone(), value: tank.until.to_be_bytes().to_vec() })
            }));
            (commit != Commit::default()).then(|| store.commit(commit))
        };
        // From here on it may be on the disk, whoever still waits for it.
        self.made = true;
        if let Some(committing) = committing {
            let outcome = committing.await;
            self.made = matches!(outcome, Ok(Outcome::Committed(_)));
            outcome?;
        }
        Ok(self.made)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut tanks = self.tanks.lock();
        for (key, rate) in &self.counted {
            let Some(tank) = tanks.get_mut(key) else { continue };
            tank.under_way = tank.under_way.saturating_sub(1);
            if !self.made {
                tank.until = tank.until.saturating_sub(limits::each(*rate));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Chain;
    use std::sync::Arc;

    const RATE: Rate = Rate { burst: 3, per: SignedDuration::from_secs(30) };

    fn counted(name: &str) -> Vec<Counted> {
        vec![Counted { key: format!("t{name}").into_bytes(), rate: RATE }]
    }

    fn now() -> Timestamp {
        "2026-09-01T12:00:00Z".parse().unwrap()
    }

    fn store() -> Arc<dyn Store> {
        crate::store::memory(Arc::new(Chain::new([7; 32])))
    }

    fn waits(tanks: &Tanks, store: &dyn Store, name: &str) -> bool {
        tanks.attempt(store, &counted(name), now()).unwrap().wait().is_some()
    }

    #[tokio::test]
    async fn a_restart_forgives_nobody_who_has_done_too_much() {
        let store = store();
        let tanks = Tanks::default();
        for _ in 0..3 {
            let mut attempt = tanks.attempt(store.as_ref(), &counted("a"), now()).unwrap();
            assert_eq!(attempt.wait(), None);
            assert_eq!(attempt.commit(store.as_ref(), Commit::default()).await, Ok(true));
        }
        assert!(waits(&tanks, store.as_ref(), "a") && !waits(&tanks, store.as_ref(), "b"));
        assert!(waits(&Tanks::default(), store.as_ref(), "a"), "another process, the same store");
    }

    #[tokio::test]
    async fn many_at_once_behind_one_address_do_not_conflict_and_are_all_counted() {
        let store = store();
        let tanks = Tanks::default();
        let attempts: Vec<_> =
            (0..5).map(|_| tanks.attempt(store.as_ref(), &counted("nat"), now()).unwrap()).collect();
        let waiting = attempts.iter().filter(|attempt| attempt.wait().is_some()).count();
        assert_eq!(waiting, 2, "three of five, though none is committed yet");
        let commits = attempts.into_iter().filter(|attempt| attempt.counts()).map(|mut attempt| {
            let store = store.clone();
            async move { attempt.commit(store.as_ref(), Commit::default()).await }
        });
        for outcome in futures_util::future::join_all(commits).await {
            assert_eq!(outcome, Ok(true));
        }
        assert!(waits(&Tanks::default(), store.as_ref(), "nat"), "the store has all three");
    }

    #[tokio::test]
    async fn what_was_not_made_is_given_back() {
        let store = store();
        let tanks = Tanks::default();
        for _ in 0..10 {
            let attempt = tanks.attempt(store.as_ref(), &counted("a"), now()).unwrap();
            assert_eq!(attempt.wait(), None);
        }
        let check = crate::store::Check { key: b"x".to_vec(), expect: Some(crate::store::Version(9)) };
        for _ in 0..10 {
            let mut attempt = tanks.attempt(store.as_ref(), &counted("a"), now()).unwrap();
            let commit = Commit { checks: vec![check.clone()], ..Commit::default() };
            assert_eq!(attempt.commit(store.as_ref(), commit).await, Ok(false));
        }
        assert!(!waits(&tanks, store.as_ref(), "a"));
        assert_eq!(store.get(b"ta").unwrap(), None);
    }

    #[tokio::test]
    async fn counts_that_nobody_uses_make_room_and_are_read_again() {
        let store = store();
        let tanks = Tanks::default();
        for _ in 0..3 {
            let mut attempt = tanks.attempt(store.as_ref(), &counted("a"), now()).unwrap();
            attempt.commit(store.as_ref(), Commit::default()).await.unwrap();
        }
        let held = tanks.attempt(store.as_ref(), &counted("held"), now()).unwrap();
        for n in 0..=MOST {
            tanks.attempt(store.as_ref(), &counted(&n.to_string()), now()).unwrap();
        }
        assert!(tanks.lock().len() <= MOST);
        assert!(tanks.lock().contains_key(b"theld".as_slice()), "it is under way");
        assert!(waits(&tanks, store.as_ref(), "a"), "it was written");
        drop(held);
    }
}
