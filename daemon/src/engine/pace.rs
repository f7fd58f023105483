//! When mails that nobody waits for may leave: as many in a time as people may ask for, and the others later.
//!
//! An invitation or a notice is never refused, because nobody is there who could be told to wait. Where many come at once, an import
//! or the beginning of term, each gets the next free place. It is in memory: what was put off stands in the outbox with its
//! instant, and a restart begins with empty counts. It keeps its own counts, so that a thousand invitations take nothing
//! from whoever sits before a page.

use super::limits::{self, Counted};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many counts are held; beyond it, they begin anew.
const MOST: usize = 100_000;

/// For each count, when its tank would be empty again.
#[derive(Default)]
pub struct Pace(Mutex<HashMap<Vec<u8>, Instant>>);

impl Pace {
    /// Takes the next place in all of these; how long until then. Each mail takes one, so that the wait grows evenly.
    pub fn wait(&self, counted: &[Counted]) -> Duration {
        let now = Instant::now();
        let mut tanks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tanks.len() >= MOST {
            tanks.retain(|_, until| *until > now);
        }
        if tanks.len() >= MOST {
            tanks.clear();
        }
        let mut wait = Duration::ZERO;
        for one in counted {
            let (per, each) = (one.rate.per.unsigned_abs(), limits::each(one.rate).unsigned_abs());
            let before = tanks.get(&one.key).copied().unwrap_or(now).max(now);
            let until = before.checked_add(Duration::from_millis(each)).unwrap_or(before);
            wait = wait.max(until.duration_since(now).saturating_sub(per));
            tanks.insert(one.key.clone(), until);
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;
    use jiff::SignedDuration;

    fn counted(name: &str, burst: u32) -> Counted {
        Counted { key: name.as_bytes().to_vec(), rate: Rate { burst, per: SignedDuration::from_secs(60) } }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_leave_at_once_and_the_others_one_after_the_other() {
        let pace = Pace::default();
        let waits: Vec<u64> = (0..5).map(|_| pace.wait(&[counted("a", 2)]).as_secs()).collect();
        assert_eq!(waits, [0, 0, 30, 60, 90]);
        assert_eq!(pace.wait(&[counted("b", 2)]), Duration::ZERO, "another domain waits for none of them");
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(pace.wait(&[counted("a", 2)]).as_secs(), 30, "those that were put off hold their places");
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(pace.wait(&[counted("a", 2)]), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_of_its_counts_decides_and_memory_is_bounded() {
        let pace = Pace::default();
        let both = [counted("domain", 1), counted("campus", 1_000)];
        assert_eq!((0..3).map(|_| pace.wait(&both).as_secs()).collect::<Vec<_>>(), [0, 60, 120]);
        for number in 0..=MOST {
            pace.wait(&[counted(&number.to_string(), 2)]);
        }
        assert!(pace.0.lock().unwrap().len() <= MOST);
    }
}
