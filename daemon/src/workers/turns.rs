//! Which mails are being sent, and which are left alone for a while: in memory only.
//!
//! Whatever happens to a turn, it ends: a panic gives its mail back like anything else.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What cannot be sent for a reason of ours is left alone so long at first, then twice as long each time.
const FIRST: Duration = Duration::from_secs(1);
/// … but no longer than this.
const LONGEST: Duration = Duration::from_secs(600);

/// The mails that nobody else may begin, by their key.
#[derive(Default)]
pub struct Turns {
    state: Mutex<State>,
    /// Rung at each turn's end.
    pub finished: Notify,
}

#[derive(Default)]
struct State {
    under_way: HashSet<Vec<u8>>,
    put_off: HashMap<Vec<u8>, PutOff>,
}

struct PutOff {
    until: Instant,
    wait: Duration,
}

impl State {
    fn put_off(&self, key: &[u8]) -> bool {
        self.put_off.get(key).is_some_and(|put_off| put_off.until > Instant::now())
    }
}

/// One mail's turn; it ends when this is dropped.
pub struct Turn {
    turns: Arc<Turns>,
    key: Vec<u8>,
}

impl Turns {
    /// The mail's turn, unless it has one already or was put off.
    pub fn begin(self: &Arc<Self>, key: &[u8]) -> Option<Turn> {
        let mut state = self.state();
        let begun = !state.put_off(key) && state.under_way.insert(key.to_vec());
        begun.then(|| Turn { turns: self.clone(), key: key.to_vec() })
    }

    /// Whether the mail could not begin now.
    pub fn taken(&self, key: &[u8]) -> bool {
        let state = self.state();
        state.under_way.contains(key) || state.put_off(key)
    }

    /// When the first of the mails that are left alone is to be looked at again.
    pub fn look_again(&self) -> Option<Duration> {
        let now = Instant::now();
        let state = self.state();
        let waits = state.put_off.values().map(|put_off| put_off.until.saturating_duration_since(now));
        waits.filter(|wait| !wait.is_zero()).min()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Not again for a while, twice as long as the last time.
    pub fn put_off(&self) {
        let before = self.turns.state().put_off.get(&self.key).map(|put_off| put_off.wait);
        self.put_off_for(before.map_or(FIRST, |wait| (wait * 2).min(LONGEST)));
    }

    /// Not again for so long.
    pub fn put_off_for(&self, wait: Duration) {
        let put_off = PutOff { until: Instant::now() + wait, wait };
        self.turns.state().put_off.insert(self.key.clone(), put_off);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("sending a mail panicked; it will be tried again");
            self.put_off();
        }
        let mut state = self.turns.state();
        state.under_way.remove(&self.key);
        if state.put_off.get(&self.key).is_some_and(|put_off| put_off.until <= Instant::now()) {
            state.put_off.remove(&self.key);
        }
        drop(state);
        self.turns.finished.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many mails are left alone, and when the first of them is to be looked at again.
    fn put_off(turns: &Turns) -> (usize, Option<Duration>) {
        let count = turns.state().put_off.len();
        (count, turns.look_again())
    }

    #[tokio::test(start_paused = true)]
    async fn a_mail_has_one_turn_at_a_time() {
        let turns = Arc::new(Turns::default());
        let turn = turns.begin(b"one").unwrap();
        assert!(turns.begin(b"one").is_none() && turns.begin(b"other").is_some());
        drop(turn);
        assert!(turns.begin(b"one").is_some());
        assert_eq!(put_off(&turns), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_put_off_waits_twice_as_long_each_time_and_is_forgotten_when_it_is_done() {
        let turns = Arc::new(Turns::default());
        for seconds in [1, 2, 4, 8] {
            turns.begin(b"one").unwrap().put_off();
            assert_eq!(put_off(&turns), (1, Some(Duration::from_secs(seconds))));
            assert!(turns.begin(b"one").is_none());
            tokio::time::advance(Duration::from_secs(seconds)).await;
        }
        assert_eq!(put_off(&turns), (1, None));
        drop(turns.begin(b"one").unwrap());
        assert_eq!(put_off(&turns), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_panics_ends_and_its_mail_is_not_begun_again_at_once() {
        let turns = Arc::new(Turns::default());
        let turn = turns.begin(b"one").unwrap();
        let task = tokio::spawn(async move {
            let _turn = turn;
            assert_eq!(1, 2, "on purpose");
        });
        assert!(task.await.unwrap_err().is_panic());
        turns.finished.notified().await;
        assert!(turns.begin(b"one").is_none());
        tokio::time::advance(FIRST).await;
        assert!(turns.begin(b"one").is_some());
    }
}
