//! Whose turn it is: a lane for each domain that mails go to, and how many of the lines to the mail server it may have.
//!
//! Within a lane, mails that somebody waits for go before those that come of themselves, however many of these there are. A
//! few more mails than there are lines may be under way: while they are written, the lines are busy with others.
//! Lanes take turns, so a few mails to one domain never wait behind many to another. A new lane may have a quarter of the lines
//! and gains one with each mail that went quickly: whoever has all the mail has all the lines. A lane whose mails take long
//! is brought down to one line while others wait, and all such lanes together leave a quarter to the others; while there are
//! any, a new lane is taken for one of them. A lane that hears "later" again and again rests, then sends one mail to see. It knows no store, no clock and no network.

use crate::engine::outbox::Bound;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A mail's key in the outbox.
pub type Key = Vec<u8>;

/// How many mails of one lane are kept in mind, of those that somebody waits for and of the others; what comes after them is
/// read again when they are fewer than half.
pub const LANE: usize = 512;
/// The same for a lane that is slow or rests, of those that nobody waits for.
const IDLE_LANE: usize = 16;
/// So many "later" one after the other, and the lane rests.
const STRIKES: u32 = 5;
/// So long after a slow mail, a domain that is new has one line.
const WARY: Duration = Duration::from_secs(60);
/// What is known of a domain without mails is forgotten after this.
const FORGET: Duration = Duration::from_secs(900);
/// The most lanes that are remembered without mails.
const REMEMBERED: usize = 1024;

/// What the lanes go by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Lines to the mail server.
    pub lines: usize,
    /// So many mails more are being written, or wait for a line.
    pub ahead: usize,
    /// A mail that holds its line for longer is slow.
    pub slow: Duration,
    /// How long a lane rests at first, then twice as long each time …
    pub rest_first: Duration,
    /// … and at most.
    pub rest_longest: Duration,
}

impl Rules {
    /// How many mails may be under way.
    pub fn most(&self) -> usize {
        self.lines + self.ahead
    }
}

/// What the mail server said to a mail, as far as its domain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was taken, or refused for good.
    Settled,
    /// Later.
    Later,
    /// Nothing that is about the domain.
    Nothing,
}

/// Every lane.
pub struct Lanes {
    rules: Rules,
    lanes: HashMap<Arc<str>, Lane>,
    /// Those that have mails, in the order of their turns.
    turns: VecDeque<Arc<str>>,
    running: Vec<Running>,
    tickets: u64,
    /// When a mail was slow last.
    slow_lately: Option<Instant>,
}

struct Lane {
    /// Somebody waits for these; in order.
    awaited: VecDeque<Key>,
    /// The others, in order.
    ready: VecDeque<Key>,
    /// From here on in the outbox, mails of it were passed over.
    more: Option<Key>,
    /// Lines that it may have.
    share: usize,
    slow: bool,
    /// A mail of it has gone quickly.
    proven: bool,
    strikes: u32,
    rests_until: Option<Instant>,
    queued: bool,
    used: Instant,
}

struct Running {
    ticket: u64,
    domain: Arc<str>,
    /// When it had its line.
    since: Option<Instant>,
}

/// A mail that may go now.
pub struct Next {
    pub key: Key,
    pub bound: Bound,
    /// To give the line back by.
    pub ticket: u64,
}

impl Lanes {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            running: Vec::new(),
            tickets: 0,
            slow_lately: None,
        }
    }

    /// Other rules, and everything that was learned about domains is forgotten.
    pub fn replace(&mut self, rules: Rules) {
        self.rules = rules;
        let start = self.start();
        for lane in self.lanes.values_mut() {
            (lane.share, lane.slow, lane.strikes, lane.rests_until) = (start, false, 0, None);
            lane.proven = false;
        }
    }

    fn start(&self) -> usize {
        (self.rules.lines / 4).max(1)
    }

    /// A mail that is due. False where its lane has enough to do: it is then among what is passed over.
    pub fn offer(&mut self, bound: &Bound, key: &[u8], now: Instant) -> bool {
        let start = self.start();
        let lane = self.lanes.entry(Arc::clone(&bound.domain)).or_insert_with(|| Lane::new(start, now));
        lane.used = now;
        let beyond = lane.more.as_deref().is_some_and(|more| key >= more);
        if beyond && !bound.awaited {
            return false;
        }
        let room = lane.room();
        let (place, room) = if bound.awaited { (&mut lane.awaited, LANE) } else { (&mut lane.ready, room) };
        if place.len() >= room {
            if !beyond {
                lane.more = Some(key.to_vec());
            }
            return false;
        }
        place.push_back(key.to_vec());
        if !lane.queued {
            lane.queued = true;
            self.turns.push_back(Arc::clone(&bound.domain));
        }
        true
    }

    /// The next mail that may go, and a line for it.
    pub fn next(&mut self, now: Instant) -> Option<Next> {
        for _ in 0..self.turns.len() {
            let domain = self.turns.pop_front()?;
            let may = self.may(&domain, now);
            let Some(lane) = self.lanes.get_mut(&domain) else { continue };
            let popped = if may { lane.pop() } else { None };
            lane.queued = lane.len() > 0;
            if lane.queued {
                self.turns.push_back(Arc::clone(&domain));
            }
            let Some((key, awaited)) = popped else { continue };
            self.tickets += 1;
            let ticket = self.tickets;
            self.running.push(Running { ticket, domain: Arc::clone(&domain), since: None });
            return Some(Next { key, bound: Bound { domain, awaited }, ticket });
        }
        None
    }

    fn may(&self, domain: &Arc<str>, now: Instant) -> bool {
        let Some(lane) = self.lanes.get(domain) else { return false };
        if self.running.len() >= self.rules.most() || lane.rests_until.is_some_and(|until| until > now) {
            return false;
        }
        let own = self.running.iter().filter(|one| one.domain == *domain).count();
        // After a rest, one mail to see.
        let share = if lane.rests_until.is_some() { 1 } else { lane.share };
        if !self.doubtful(domain, now) {
            return own < share;
        }
        let left_to_others = if self.rules.lines > 1 { (self.rules.lines / 4).max(1) } else { 0 };
        let others_wait = !self.turns.is_empty();
        let share = match (lane.proven, others_wait) {
            // A lane that nobody knows yet may be as slow as one that is known.
            (false, _) => 1,
            (true, true) => share.min(self.start()),
            (true, false) if lane.rests_until.is_none() => self.rules.lines,
            (true, false) => share,
        };
        let held = self.running.iter().filter(|one| self.doubtful(&one.domain, now)).count();
        own < share && held + left_to_others < self.rules.lines
    }

    /// Whether its last mail was slow, or one that is under way already is; or it is new, and another is slow.
    fn doubtful(&self, domain: &Arc<str>, now: Instant) -> bool {
        let Some(lane) = self.lanes.get(domain) else { return false };
        lane.slow
            || self.running.iter().any(|one| one.domain == *domain && self.overdue(one, now))
            || !lane.proven && self.slow_lately.is_some_and(|at| now < at + WARY)
    }

    fn overdue(&self, one: &Running, now: Instant) -> bool {
        one.since.is_some_and(|since| now.saturating_duration_since(since) >= self.rules.slow)
    }

    /// A mail has its line.
    pub fn begins(&mut self, ticket: u64, now: Instant) {
        if let Some(one) = self.running.iter_mut().find(|one| one.ticket == ticket) {
            one.since = Some(now);
        }
    }

    /// A mail has left its line. The keys that its lane lets go of, to be read again later.
    pub fn done(&mut self, ticket: u64, heard: Heard, now: Instant) -> Vec<Key> {
        let Some(place) = self.running.iter().position(|one| one.ticket == ticket) else { return Vec::new() };
        let one = self.running.swap_remove(place);
        let (rules, start, overdue) = (self.rules, self.start(), self.overdue(&one, now));
        let Some(lane) = self.lanes.get_mut(&one.domain) else { return Vec::new() };
        lane.used = now;
        match heard {
            Heard::Settled => (lane.strikes, lane.rests_until) = (0, None),
            Heard::Later => {
                lane.strikes = lane.strikes.saturating_add(1);
                if let Some(more) = lane.strikes.checked_sub(STRIKES) {
                    let rest = rules.rest_first.saturating_mul(2_u32.saturating_pow(more.min(16)));
                    lane.rests_until = Some(now + rest.min(rules.rest_longest));
                }
            }
            Heard::Nothing => {}
        }
        if overdue {
            self.slow_lately = Some(now);
            lane.slow = true;
            lane.proven |= heard == Heard::Settled;
            lane.share = (lane.share.min(start) / 2).max(1);
        } else if heard != Heard::Nothing {
            (lane.slow, lane.proven) = (false, true);
            lane.share = (lane.share + 1).min(rules.most());
        }
        let gone = lane.trim();
        self.forget(now);
        gone
    }

    /// What is known of domains that have had no mail for long.
    fn forget(&mut self, now: Instant) {
        if !self.tickets.is_multiple_of(256) {
            return;
        }
        let (start, running) = (self.start(), &self.running);
        let crowded = self.lanes.len() > REMEMBERED;
        self.lanes.retain(|domain, lane| {
            lane.queued
                || lane.more.is_some()
                || running.iter().any(|one| one.domain == *domain)
                || !crowded && !lane.blank(start) && now.saturating_duration_since(lane.used) < FORGET
        });
    }

    /// A lane that has few mails left and some that were passed over, and where they begin. It is for the caller to read
    /// from there.
    pub fn hungry(&mut self, now: Instant) -> Option<(Arc<str>, Key)> {
        let found = self.lanes.iter_mut().find(|(_, lane)| lane.hungry(now));
        found.and_then(|(domain, lane)| lane.more.take().map(|more| (Arc::clone(domain), more)))
    }

    /// Reading has ended here: what is beyond was not looked at.
    pub fn passed_over(&mut self, domain: &str, from: Key) {
        if let Some(lane) = self.lanes.get_mut(domain) {
            let before = lane.more.take().filter(|more| *more < from);
            lane.more = Some(before.unwrap_or(from));
        }
    }

    /// Whether another mail may be offered to it.
    pub fn has_room(&self, domain: &str) -> bool {
        self.lanes.get(domain).is_some_and(|lane| lane.len() < lane.room())
    }

    /// Whether a lane waits for more to be read.
    pub fn wants_more(&self, domain: &str, now: Instant) -> bool {
        self.lanes.get(domain).is_some_and(|lane| lane.hungry(now))
    }

    /// When the first of the lanes that rest may go on.
    pub fn wakes(&self, now: Instant) -> Option<Duration> {
        let resting = self.lanes.values().filter(|lane| lane.queued || lane.more.is_some());
        let rests = resting.filter_map(|lane| lane.rests_until.filter(|until| *until > now));
        rests.min().map(|until| until.saturating_duration_since(now))
    }
}

impl Lane {
    fn new(share: usize, now: Instant) -> Self {
        Self {
            awaited: VecDeque::new(),
            ready: VecDeque::new(),
            more: None,
            share,
            slow: false,
            proven: false,
            strikes: 0,
            rests_until: None,
            queued: false,
            used: now,
        }
    }

    fn room(&self) -> usize {
        if self.slow || self.rests_until.is_some() { IDLE_LANE } else { LANE }
    }

    fn len(&self) -> usize {
        self.awaited.len() + self.ready.len()
    }

    /// The next mail, and whether somebody waits for it.
    fn pop(&mut self) -> Option<(Key, bool)> {
        let awaited = self.awaited.pop_front().map(|key| (key, true));
        awaited.or_else(|| self.ready.pop_front().map(|key| (key, false)))
    }

    fn hungry(&self, now: Instant) -> bool {
        self.more.is_some()
            && self.len() < self.room() / 2
            && self.rests_until.is_none_or(|until| until <= now)
    }

    /// Whether it is as a new one would be.
    fn blank(&self, start: usize) -> bool {
        self.share >= start && !self.slow && self.strikes == 0
    }

    /// Lets go of what it will not come to for a while.
    fn trim(&mut self) -> Vec<Key> {
        let room = self.room();
        let gone = Vec::from(self.ready.split_off(room.min(self.ready.len())));
        let first = gone.iter().min().cloned();
        self.more = [self.more.take(), first].into_iter().flatten().min();
        gone
    }
}

#[cfg(test)]
mod tests;
