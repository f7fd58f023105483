//! The fuse: when a large share of the last mails was refused for good, no more is sent for a while.
//!
//! A mail server that suddenly refuses everybody (a block list, a wrong SPF record, a relay misconfigured) would cost the
//! campus more of its reputation with each mail, and would tell each person that their address is wrong. It is in memory:
//! a restart or a reload puts in a new one. It decides nothing about any one mail.

use parvis_enrolment::Id;
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
/// So many of them about one person: whoever types one wrong address after the other says nothing about the mail server.
const EACH: usize = 2;
/// For so long.
const PAUSE: Duration = Duration::from_secs(600);

/// What was seen of the last mails.
#[derive(Default)]
pub struct Fuse(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// When, and whom it was about if it was refused for good; oldest first.
    outcomes: VecDeque<(Instant, Option<Id>)>,
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
    /// Notes what became of a mail: taken, or refused for good, and about whom it was. Says if that was too much.
    pub fn note(&self, refused: Option<Id>) -> Option<Blown> {
        self.seen().note(refused, false)
    }

    /// Notes that a mail about this person was taken and came back: it counts once, as refused. Says if that was too much.
    pub fn returned(&self, about: Id) -> Option<Blown> {
        self.seen().note(Some(about), true)
    }

    /// How long nothing is to be sent.
    pub fn left(&self) -> Option<Duration> {
        self.seen().left()
    }

    /// Does this unless nothing is to be sent; it does not blow meanwhile.
    pub fn unless_blown(&self, act: impl FnOnce()) {
        let seen = self.seen();
        if seen.left().is_none() {
            act();
        }
    }

    /// Puts in a new one: somebody has looked after it. Whether the former one had blown.
    pub fn replace(&self) -> bool {
        std::mem::take(&mut *self.seen()).left().is_some()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn note(&mut self, refused: Option<Id>, came_back: bool) -> Option<Blown> {
        let now = Instant::now();
        let outdated = self.outcomes.iter().take_while(|(at, _)| now.duration_since(*at) > WINDOW).count();
        self.outcomes.drain(..outdated);
        if refused.is_some() && self.outcomes.iter().filter(|(_, about)| *about == refused).count() >= EACH {
            return None;
        }
        // It was noted as taken, some time ago.
        let taken = self.outcomes.iter().position(|(_, refused)| refused.is_none()).filter(|_| came_back);
        taken.map(|place| self.outcomes.remove(place));
        self.outcomes.push_back((now, refused));
        let surplus = self.outcomes.len().saturating_sub(MOST);
        self.outcomes.drain(..surplus);
        let of = self.outcomes.len();
        let bad = self.outcomes.iter().filter(|(_, refused)| refused.is_some()).count();
        if refused.is_none() || bad < REFUSALS || bad * 2 < of || self.left().is_some() {
            return None;
        }
        self.blown_until = Some(now + PAUSE);
        // Afterwards it is judged by what comes then.
        self.outcomes.clear();
        Some(Blown { refused: bad, of, pause: PAUSE })
    }

    fn left(&self) -> Option<Duration> {
        let left = self.blown_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each time another.
    fn somebody() -> Option<Id> {
        Some(crate::service::chance::id())
    }

    #[tokio::test(start_paused = true)]
    async fn it_blows_when_half_are_refused_and_not_for_a_few() {
        let fuse = Fuse::default();
        for _ in 0..REFUSALS + 1 {
            assert_eq!(fuse.note(None), None);
        }
        for _ in 0..REFUSALS {
            assert_eq!(fuse.note(somebody()), None, "fewer than the others");
        }
        assert_eq!(fuse.note(somebody()), Some(Blown { refused: 11, of: 22, pause: PAUSE }));
        assert_eq!((fuse.note(somebody()), fuse.left()), (None, Some(PAUSE)), "once");
        tokio::time::advance(PAUSE).await;
        assert_eq!(fuse.left(), None);
        for _ in 0..REFUSALS - 2 {
            assert_eq!(fuse.note(somebody()), None);
        }
        assert!(fuse.note(somebody()).is_some(), "the one that came during the pause counts");
        fuse.replace();
        assert_eq!(fuse.left(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_back_counts_once() {
        let fuse = Fuse::default();
        for _ in 0..20 {
            fuse.note(None);
        }
        for back in 1..REFUSALS {
            assert_eq!(fuse.returned(Id([u8::try_from(back).unwrap(); 16])), None);
        }
        // Twenty were sent, and half of them came back.
        assert_eq!(fuse.returned(Id([99; 16])), Some(Blown { refused: 10, of: 20, pause: PAUSE }));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_long_ago_counts_no_more_and_memory_is_bounded() {
        let fuse = Fuse::default();
        for _ in 0..REFUSALS - 1 {
            fuse.note(somebody());
        }
        tokio::time::advance(WINDOW + Duration::from_secs(1)).await;
        assert_eq!(fuse.note(somebody()), None);
        for _ in 0..10_000 {
            fuse.note(None);
        }
        assert_eq!(fuse.seen().outcomes.len(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn one_person_alone_does_not_blow_it() {
        let fuse = Fuse::default();
        for _ in 0..1_000 {
            assert_eq!(fuse.note(Some(Id([7; 16]))), None);
        }
        for _ in 0..REFUSALS - EACH - 1 {
            assert_eq!(fuse.note(somebody()), None);
        }
        assert_eq!(fuse.note(somebody()).map(|blown| blown.refused), Some(REFUSALS));
        let mut done = false;
        fuse.unless_blown(|| done = true);
        assert!(!done && fuse.replace() && !fuse.replace(), "it had blown, once");
        fuse.unless_blown(|| done = true);
        assert!(done);
    }
}
