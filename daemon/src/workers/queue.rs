//! The mails that are due, as far as they are kept in mind: keys only, in lanes, never more than [`MOST`], and
//! [`SPARE_ROOM`] that somebody waits for.
//!
//! The store holds the truth. What is due is read from it in order, once; what is put in behind the place of reading is
//! told by whoever did it ([`crate::engine::ordered`]); and now and then all is read again, in case somebody did not. Each
//! mail has one claim at a time, which ends when it is dropped, whatever happened. A mail whose outcome is
//! not known to the store is never let go of.

use super::lanes::{Heard, Key, Lanes, Next, Rules};
use crate::engine::ordered::Told;
use crate::engine::outbox::{Bound, Listed, after, bounds, list, next};
use crate::store::{Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The most mails that are kept in mind.
pub const MOST: usize = 8192;
/// So many more that somebody waits for, where reading has not come to them.
const SPARE_ROOM: usize = 1024;
/// How many are read at once.
const PAGE: usize = 256;
/// How many pages are read before others get their turn.
const PAGES: usize = 8;
/// All of the outbox is read again after this …
const AGAIN: Duration = Duration::from_secs(60);
/// … or so many times as long as the last time took, where that is more.
const SPARE: u32 = 20;
/// What cannot be sent for a reason of ours is left alone so long at first, then twice as long each time.
const FIRST: Duration = Duration::from_secs(1);
/// … but no longer than this.
const LONGEST: Duration = Duration::from_secs(600);
/// The most mails of which that is remembered.
const MOST_PUT_OFF: usize = 1024;

/// The mails that are due.
pub struct Queue {
    state: Mutex<State>,
    /// Rung when something may be done that could not be done before.
    pub rung: Notify,
}

struct State {
    lanes: Lanes,
    /// Every key that is in a lane, claimed or put off: nobody else may begin it.
    held: HashSet<Key>,
    put_off: HashMap<Key, PutOff>,
    /// What is before this was offered.
    seen: Key,
    again: Again,
    /// There was no room for more.
    full: bool,
}

struct PutOff {
    bound: Bound,
    until: Instant,
    wait: Duration,
    /// It has its turn again, and is only remembered for how long it waited.
    over: bool,
}

/// Reading all of it again.
struct Again {
    /// Where it is; none between two times.
    at: Option<Stretch>,
    began: Instant,
    next: Instant,
}

#[derive(Clone)]
enum Stretch {
    /// Among what was seen.
    Seen(Key),
    /// Among what was put in under a clock that went ahead.
    Beyond(Key),
}

/// What reading has come to.
#[derive(Debug, PartialEq, Eq)]
pub struct Fed {
    /// There is more to be read at once.
    pub more: bool,
    /// When there may be something to do by itself.
    pub wait: Duration,
}

/// One mail's turn.
pub struct Claim {
    queue: Arc<Queue>,
    pub key: Key,
    bound: Bound,
    ticket: Option<u64>,
    after: After,
}

/// What becomes of a mail when its claim ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// It is settled, or stands elsewhere in the outbox.
    Gone,
    /// It waits for its next turn.
    Back,
    /// It is left alone for so long; without a time, twice as long as the last time.
    PutOff(Option<Duration>),
}

impl Queue {
    pub fn new(rules: Rules) -> Self {
        let now = Instant::now();
        let again = Again { at: Some(Stretch::Seen(b"o".to_vec())), began: now, next: now };
        let state = State {
            lanes: Lanes::new(rules),
            held: HashSet::new(),
            put_off: HashMap::new(),
            seen: b"o".to_vec(),
            again,
            full: false,
        };
        Self { state: Mutex::new(state), rung: Notify::new() }
    }

    /// Other rules; what was learned about domains is forgotten.
    pub fn replace(&self, rules: Rules) {
        self.state().lanes.replace(rules);
        self.rung.notify_one();
    }

    /// Reads what is due, a few pages of it.
    pub fn feed(
        &self,
        store: &dyn Store,
        told: Told,
        now: Timestamp,
        farthest: SignedDuration,
    ) -> Result<Fed, StoreError> {
        let (later, beyond) = bounds(now, farthest);
        self.state().hear(store, told, &later)?;
        let mut pages = PAGES;
        while pages > 0 && self.read_lane(store, &mut pages)? {}
        while pages > 0 && self.read_news(store, &later)? {
            pages -= 1;
        }
        while pages > 0 && self.read_again(store, &beyond)? {
            pages -= 1;
        }
        let mut state = self.state();
        let moment = Instant::now();
        let next = next(store, &state.seen)?.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
        let waits = [next, state.lanes.wakes(moment), state.put_off_until(moment), state.again.wait(moment)];
        state.full = state.held.len() >= MOST;
        let wait = waits.into_iter().flatten().fold(AGAIN, Duration::min);
        Ok(Fed { more: pages == 0 && !state.full, wait })
    }

    /// Reads more of a lane that has few left. False where none has.
    fn read_lane(&self, store: &dyn Store, pages: &mut usize) -> Result<bool, StoreError> {
        let (hungry, until) = {
            let mut state = self.state();
            let hungry = if state.held.len() < MOST { state.lanes.hungry(Instant::now()) } else { None };
            (hungry, state.seen.clone())
        };
        let Some((domain, mut from)) = hungry else { return Ok(false) };
        loop {
            let page = if from < until { list(store, &from, &until, PAGE) } else { Ok(Vec::new()) };
            let mut state = self.state();
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    state.lanes.passed_over(&domain, from);
                    return Err(error);
                }
            };
            let whole = page.len() == PAGE;
            if let Some((last, _)) = page.last() {
                from = after(last);
            }
            for (key, bound) in &page {
                if let Some(bound) = bound.as_ref().filter(|bound| *bound.domain == *domain) {
                    state.offer(bound, key);
                }
            }
            *pages = pages.saturating_sub(1);
            if !whole {
                return Ok(true);
            }
            // Where it has had enough, the lane itself knows from where on.
            if *pages == 0 || !state.lanes.has_room(&domain) {
                state.lanes.passed_over(&domain, from);
                return Ok(true);
            }
        }
    }

    /// Reads what has become due. False where all has been read, or there is no room.
    fn read_news(&self, store: &dyn Store, later: &[u8]) -> Result<bool, StoreError> {
        let from = {
            let mut state = self.state();
            // The clock was set back: what is after it is not due any more.
            if state.seen.as_slice() > later {
                state.seen = later.to_vec();
            }
            if state.held.len() >= MOST || state.seen.as_slice() >= later {
                return Ok(false);
            }
            state.seen.clone()
        };
        let page = list(store, &from, later, PAGE)?;
        let mut state = self.state();
        let ended = state.offer_all(&page);
        state.seen = ended.unwrap_or_else(|| later.to_vec());
        Ok(state.seen.as_slice() < later)
    }

    /// Reads everything once more, every now and then.
    fn read_again(&self, store: &dyn Store, beyond: &[u8]) -> Result<bool, StoreError> {
        let (stretch, seen) = {
            let mut state = self.state();
            let now = Instant::now();
            if state.again.at.is_none() && state.again.next <= now {
                (state.again.at, state.again.began) = (Some(Stretch::Seen(b"o".to_vec())), now);
            }
            let Some(stretch) = state.again.at.clone() else { return Ok(false) };
            if state.held.len() >= MOST {
                return Ok(false);
            }
            (stretch, state.seen.clone())
        };
        let page = match &stretch {
            Stretch::Seen(from) if *from < seen => list(store, from, &seen, PAGE)?,
            Stretch::Seen(_) => Vec::new(),
            Stretch::Beyond(from) => list(store, from, b"p", PAGE)?,
        };
        let mut state = self.state();
        let ended = state.offer_all(&page);
        state.again.at = match (stretch, ended) {
            (Stretch::Seen(_), Some(place)) => Some(Stretch::Seen(place)),
            (Stretch::Seen(_), None) => Some(Stretch::Beyond(beyond.to_vec())),
            (Stretch::Beyond(_), Some(place)) => Some(Stretch::Beyond(place)),
            (Stretch::Beyond(_), None) => None,
        };
        if state.again.at.is_none() {
            let took = state.again.began.elapsed();
            state.again.next = Instant::now() + AGAIN.max(took * SPARE);
        }
        Ok(true)
    }

    /// The next mail that may go now.
    pub fn claim(self: &Arc<Self>) -> Option<Claim> {
        let now = Instant::now();
        let mut state = self.state();
        let Next { key, bound, ticket } = state.lanes.next(now)?;
        if state.lanes.wants_more(&bound.domain, now) {
            self.rung.notify_one();
        }
        Some(Claim { queue: self.clone(), key, bound, ticket: Some(ticket), after: After::Gone })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What was told since the last time, and what was put off until now.
    fn hear(&mut self, store: &dyn Store, told: Told, later: &[u8]) -> Result<(), StoreError> {
        let now = Instant::now();
        if told.missed {
            self.again.next = now;
        }
        for key in told.keys {
            // What is not due yet is come upon, and so is what was not read yet; but where that takes long, somebody may wait.
            let (read, crowded) = (key < self.seen, self.held.len() >= MOST / 2);
            if (read || crowded && self.held.len() < MOST + SPARE_ROOM)
                && key.as_slice() < later
                && let Some((_, Some(bound))) = list(store, &key, &after(&key), 1)?.pop()
                && (read || bound.awaited)
            {
                self.offer(&bound, &key);
            }
        }
        let over: Vec<Key> = self
            .put_off
            .iter()
            .filter(|(_, put_off)| !put_off.over && put_off.until <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            let Some(put_off) = self.put_off.get_mut(&key) else { continue };
            put_off.over = true;
            let bound = put_off.bound.clone();
            self.held.remove(&key);
            self.offer(&bound, &key);
        }
        Ok(())
    }

    /// Puts a mail into its lane, unless it is known or there is no room in it.
    fn offer(&mut self, to: &Bound, key: &Key) {
        if !self.held.contains(key) && self.lanes.offer(to, key, Instant::now()) {
            self.held.insert(key.clone());
        }
    }

    /// A page of mails; from where on to read, unless it was the last.
    fn offer_all(&mut self, page: &[Listed]) -> Option<Key> {
        for (key, bound) in page {
            if self.held.len() >= MOST {
                return Some(key.clone());
            }
            if let Some(bound) = bound {
                self.offer(bound, key);
            }
        }
        let last = page.last().filter(|_| page.len() == PAGE);
        last.map(|(key, _)| after(key))
    }

    fn put_off_until(&self, now: Instant) -> Option<Duration> {
        let waits = self.put_off.values().filter(|put_off| !put_off.over);
        waits.map(|put_off| put_off.until.saturating_duration_since(now)).min()
    }

    fn off(&mut self, ticket: u64, heard: Heard) {
        for key in self.lanes.done(ticket, heard, Instant::now()) {
            self.held.remove(&key);
        }
    }

    /// Whether reading should go on now that a mail is gone.
    fn reads_on(&self) -> bool {
        self.full && self.held.len() < MOST / 2
    }
}

impl Again {
    fn wait(&self, now: Instant) -> Option<Duration> {
        self.at.is_none().then(|| self.next.saturating_duration_since(now))
    }
}

impl Claim {
    /// The mail has its line.
    pub fn on_the_line(&self) {
        if let Some(ticket) = self.ticket {
            self.queue.state().lanes.begins(ticket, Instant::now());
        }
    }

    /// The mail needs its line no more; another may have it.
    pub fn off_the_line(&mut self, heard: Heard) {
        if let Some(ticket) = self.ticket.take() {
            self.queue.state().off(ticket, heard);
        }
    }

    /// It was not tried: it keeps its place.
    pub fn give_back(&mut self) {
        self.after = After::Back;
    }

    /// Not again for a while, twice as long as the last time.
    pub fn put_off(&mut self) {
        self.after = After::PutOff(None);
    }

    /// Not again for so long.
    pub fn put_off_for(&mut self, wait: Duration) {
        self.after = After::PutOff(Some(wait));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("sending a mail panicked; it will be tried again");
            self.put_off();
        }
        let mut state = self.queue.state();
        if let Some(ticket) = self.ticket.take() {
            state.off(ticket, Heard::Nothing);
        }
        let before = state.put_off.remove(&self.key);
        let mut ring = state.reads_on();
        match self.after {
            After::PutOff(wait) if state.put_off.len() < MOST_PUT_OFF => {
                let doubled = before.map_or(FIRST, |before| (before.wait * 2).min(LONGEST));
                let wait = wait.unwrap_or(doubled);
                let (bound, until) = (self.bound.clone(), Instant::now() + wait);
                state.put_off.insert(self.key.clone(), PutOff { bound, until, wait, over: false });
                ring = true;
            }
            After::Back => {
                state.held.remove(&self.key);
                state.offer(&self.bound, &self.key);
                // What it was given back for may have ended meanwhile.
                ring = true;
            }
            // What is put off beyond that is come upon when all is read again.
            After::Gone | After::PutOff(_) => drop(state.held.remove(&self.key)),
        }
        drop(state);
        if ring {
            self.queue.rung.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
