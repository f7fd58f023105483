//! The fuse: when a large share of the last mails was refused for good, no more is sent for a while.
//!
//! A mail server that suddenly refuses everybody (a block list, a wrong SPF record, a relay misconfigured) would cost the
//! campus more of its reputation with each mail, and would tell each person that their address is wrong. It is in memory:
//! a restart or a reload puts in a new one. It decides nothing about any one mail.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Outcomes older than this say nothing about now.
const WINDOW: Duration = Duration::from_secs(600);
/// The most outcomes that are looked at.
const MOST: usize = 64;
/// So many refusals, and as many as all others together, blow it: people mistype addresses, but not half of them.
const REFUSALS: usize = 10;
/// For so long.
const PAUSE: Duration = Duration::from_secs(600);

/// What was seen of the last mails.
#[derive(Default)]
pub struct Fuse(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// When, and whether it was refused for good; oldest first.
    outcomes: VecDeque<(Instant, bool)>,
    blown_until: Option<Instant>,
}

/// It has blown just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blown {
    /// How many of the last mails were refused.
    pub refused: usize,
    /// Of how many.
    pub of: usize,
    /// For how long nothing is sent.
    pub pause: Duration,
}

impl Fuse {
    /// Notes what became of a mail, and says if that was too much.
    pub fn note(&self, refused: bool) -> Option<Blown> {
        let (mut seen, now) = (self.seen(), Instant::now());
        seen.outcomes.push_back((now, refused));
        let outdated = seen.outcomes.iter().take_while(|(at, _)| now.duration_since(*at) > WINDOW).count();
        let surplus = seen.outcomes.len().saturating_sub(MOST);
        seen.outcomes.drain(..outdated.max(surplus));
        let of = seen.outcomes.len();
        let bad = seen.outcomes.iter().filter(|(_, refused)| *refused).count();
        if !refused || bad < REFUSALS || bad * 2 < of || seen.left().is_some() {
            return None;
        }
        seen.blown_until = Some(now + PAUSE);
        // Afterwards it is judged by what comes then.
        seen.outcomes.clear();
        Some(Blown { refused: bad, of, pause: PAUSE })
    }

    /// How long nothing is to be sent.
    pub fn left(&self) -> Option<Duration> {
        self.seen().left()
    }

    /// Puts in a new one: somebody has looked after it.
    pub fn replace(&self) {
        *self.seen() = Seen::default();
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn left(&self) -> Option<Duration> {
        let left = self.blown_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_blows_when_half_are_refused_and_not_for_a_few() {
        let fuse = Fuse::default();
        for _ in 0..REFUSALS + 1 {
            assert_eq!(fuse.note(false), None);
        }
        for _ in 0..REFUSALS {
            assert_eq!(fuse.note(true), None, "fewer than the others");
        }
        assert_eq!(fuse.note(true), Some(Blown { refused: 11, of: 22, pause: PAUSE }));
        assert_eq!((fuse.note(true), fuse.left()), (None, Some(PAUSE)), "once");
        tokio::time::advance(PAUSE).await;
        assert_eq!(fuse.left(), None);
        for _ in 0..REFUSALS - 2 {
            assert_eq!(fuse.note(true), None);
        }
        assert!(fuse.note(true).is_some(), "the one that came during the pause counts");
        fuse.replace();
        assert_eq!(fuse.left(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_long_ago_counts_no_more_and_memory_is_bounded() {
        let fuse = Fuse::default();
        for _ in 0..REFUSALS - 1 {
            fuse.note(true);
        }
        tokio::time::advance(WINDOW + Duration::from_secs(1)).await;
        assert_eq!(fuse.note(true), None);
        for _ in 0..10_000 {
            fuse.note(false);
        }
        assert_eq!(fuse.seen().outcomes.len(), MOST);
    }
}
