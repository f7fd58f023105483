//! What the committer does when the engine is slow, full or broken: on an engine that fails when it is told to.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::backend::{Backend, Batch, Fault, Pair, Place};
use super::conformance::{commit, delete, held, linker, put, value, verify_chain, wait, writes};
use super::memory::Memory;
use super::room::Room;
use super::{Commit, Health, Outcome, Store, StoreError};

/// What is to go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trouble {
    #[default]
    Nothing,
    /// `make_durable` waits.
    Slow,
    /// `apply` finds no room, and nothing lands.
    FullBefore,
    /// `apply` lands, `make_durable` finds no room.
    FullAfter,
    Broken,
    Panics,
}

#[derive(Debug, Default)]
struct State {
    trouble: Trouble,
    /// Somebody is held up in `make_durable`.
    held_up: bool,
    cannot_open: bool,
    no_room: bool,
    /// How often it was opened.
    opened: u32,
    closed: bool,
}

#[derive(Debug, Default)]
struct Switch {
    state: Mutex<State>,
    changed: Condvar,
}

impl Switch {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn wait_until(&self, holds: impl Fn(&State) -> bool) {
        let state = self.state.lock().unwrap();
        let limit = Duration::from_secs(20);
        let (_state, late) = self.changed.wait_timeout_while(state, limit, |state| !holds(state)).unwrap();
        assert!(!late.timed_out(), "it never came to that");
    }

    fn trouble(&self) -> Trouble {
        self.state.lock().unwrap().trouble
    }
}

#[derive(Clone, Debug, Default)]
struct Troubled {
    memory: Arc<Memory>,
    switch: Arc<Switch>,
}

impl Backend for Troubled {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.memory.get(key)
    }

    fn range(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Pair>, Fault> {
        self.memory.range(from, until, limit)
    }

    fn last(&self, from: &[u8], until: &[u8]) -> Result<Option<Pair>, Fault> {
        self.memory.last(from, until)
    }

    fn apply(&self, batch: &Batch) -> Result<(), Fault> {
        match self.switch.trouble() {
            Trouble::FullBefore => Err(Fault::Full("no room".into())),
            Trouble::Broken => Err(Fault::Broken("the disk is gone".into())),
            Trouble::Panics => panic!("as sled does"),
            Trouble::Nothing | Trouble::Slow | Trouble::FullAfter => self.memory.apply(batch),
        }
    }

    fn make_durable(&self) -> Result<(), Fault> {
        if self.switch.trouble() == Trouble::FullAfter {
            return Err(Fault::Full("no room".into()));
        }
        if self.switch.trouble() == Trouble::Slow {
            self.switch.set(|state| state.held_up = true);
            self.switch.wait_until(|state| state.trouble != Trouble::Slow);
            self.switch.set(|state| state.held_up = false);
        }
        Ok(())
    }
}

impl Place for Troubled {
    type Backend = Self;

    fn open(&mut self) -> Result<Self, Fault> {
        let mut state = self.switch.state.lock().unwrap();
        state.opened += 1;
        if state.cannot_open {
            return Err(Fault::Full("no room".into()));
        }
        // The full disk is what made it fail; there is room for the moment.
        if matches!(state.trouble, Trouble::FullBefore | Trouble::FullAfter) {
            state.trouble = Trouble::Nothing;
        }
        drop(state);
        self.switch.changed.notify_all();
        Ok(self.clone())
    }

    fn make_room(&mut self) {}

    fn take_room(&mut self) -> bool {
        !self.switch.state.lock().unwrap().no_room
    }

    fn closed(&mut self) -> Result<(), Fault> {
        self.switch.set(|state| state.closed = true);
        Ok(())
    }
}

fn start() -> (Arc<dyn Store>, Arc<Switch>) {
    let mut place = Troubled::default();
    let switch = Arc::clone(&place.switch);
    let backend = place.open().unwrap();
    (Room::start(place, backend, linker()).unwrap(), switch)
}

fn recorded(store: &dyn Store, text: &str) -> Commit {
    let large = text.repeat(3000);
    let mut made = writes(vec![put(b"a", text.as_bytes()), put(b"large", large.as_bytes()), delete(b"old")]);
    made.records = vec![text.as_bytes().to_vec(); 20];
    assert_eq!(store.health(), Health::Working);
    made
}

fn until(store: &dyn Store, health: &Health) {
    let limit = std::time::Instant::now() + Duration::from_secs(20);
    while store.health() != *health {
        assert!(std::time::Instant::now() < limit, "still {:?}", store.health());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_not_durable_is_not_shown() {
    let (store, switch) = start();
    commit(&*store, writes(vec![put(b"old", b"still here")]));
    let first = commit(&*store, Commit { writes: vec![put(b"a", b"one")], ..recorded(&*store, "one") });
    let (before, head) = (store.scan(b"", b"\xff", 10).unwrap(), store.head());
    switch.set(|state| state.trouble = Trouble::Slow);
    let waiting = store.commit(recorded(&*store, "two"));
    let later = store.commit(writes(vec![put(b"new", b"1")]));
    switch.wait_until(|state| state.held_up);
    assert_eq!(store.get(b"a").unwrap(), held(first, b"one"));
    assert_eq!(value(&*store, b"old").as_deref(), Some("still here"));
    assert_eq!(value(&*store, b"large"), None);
    assert_eq!(store.scan(b"", b"\xff", 10).unwrap(), before);
    assert_eq!((store.head(), verify_chain(&*store)), (head, 20));
    let mut backup = Vec::new();
    store.backup(&mut backup).unwrap();
    assert!(String::from_utf8(backup).unwrap().contains("\"records\":20,"), "a backup is of what is durable");
    switch.set(|state| state.trouble = Trouble::Nothing);
    assert!(matches!(wait(waiting), Ok(Outcome::Committed(_))));
    assert!(matches!(wait(later), Ok(Outcome::Committed(_))));
    assert_eq!(value(&*store, b"a").as_deref(), Some("two"));
    assert_eq!(value(&*store, b"old"), None);
    assert_eq!(value(&*store, b"large").map(|large| large.len()), Some(9000));
    assert_eq!(verify_chain(&*store), 40);
}

#[test]
fn a_full_disk_keeps_what_was_and_is_recovered_from() {
    for trouble in [Trouble::FullBefore, Trouble::FullAfter] {
        let (store, switch) = start();
        commit(&*store, writes(vec![put(b"old", b"still here"), put(b"large", &[b'l'; 20_000])]));
        let first = commit(&*store, Commit { writes: vec![put(b"a", b"one")], ..recorded(&*store, "one") });
        let (before, head) = (store.scan(b"", b"\xff", 10).unwrap(), store.head());
        switch.set(|state| (state.trouble, state.no_room) = (trouble, true));
        assert_eq!(wait(store.commit(recorded(&*store, "two"))), Err(StoreError::Full), "{trouble:?}");
        switch.wait_until(|state| state.opened == 2);
        until_read(&*store);
        assert_eq!(store.health(), Health::Full);
        assert_eq!(wait(store.commit(writes(vec![put(b"b", b"1")]))), Err(StoreError::Full));
        assert_eq!(store.get(b"a").unwrap(), held(first, b"one"));
        assert_eq!(store.scan(b"", b"\xff", 10).unwrap(), before);
        assert_eq!((store.head(), verify_chain(&*store)), (head, 20));
        switch.set(|state| state.no_room = false);
        until(&*store, &Health::Working);
        assert!(commit(&*store, recorded(&*store, "three")) > first);
        assert_eq!(verify_chain(&*store), 40);
        store.close().unwrap();
        switch.wait_until(|state| state.closed);
    }
}

#[test]
fn a_disk_that_stays_full_is_tried_again() {
    let (store, switch) = start();
    let first = commit(&*store, Commit { writes: vec![put(b"a", b"one")], ..recorded(&*store, "one") });
    switch.set(|state| (state.trouble, state.cannot_open) = (Trouble::FullAfter, true));
    let sent = store.commit(recorded(&*store, "two"));
    assert_eq!(wait(sent), Err(StoreError::Full));
    switch.wait_until(|state| state.opened >= 3);
    assert_eq!(store.health(), Health::Full);
    assert!(matches!(store.get(b"a"), Err(StoreError::Unavailable(_))));
    switch.set(|state| state.cannot_open = false);
    until(&*store, &Health::Working);
    assert_eq!(store.get(b"a").unwrap(), held(first, b"one"));
    assert_eq!(verify_chain(&*store), 20);
}

#[test]
fn a_broken_engine_is_not_written_to_again() {
    for trouble in [Trouble::Broken, Trouble::Panics] {
        let (store, switch) = start();
        commit(&*store, recorded(&*store, "one"));
        switch.set(|state| state.trouble = trouble);
        let refused = wait(store.commit(writes(vec![put(b"a", b"two")])));
        assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
        switch.set(|state| state.trouble = Trouble::Nothing);
        assert!(matches!(store.health(), Health::Down(_)));
        let refused = wait(store.commit(writes(vec![put(b"a", b"three")])));
        assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
        assert_eq!(value(&*store, b"a").as_deref(), Some("one"), "what was is still read");
        assert!(store.close().is_err());
        assert!(!switch.state.lock().unwrap().closed, "it is not marked as stopped in order");
    }
}

/// The store is opened again on the committer's thread; until then it says that it is not there.
fn until_read(store: &dyn Store) {
    let limit = std::time::Instant::now() + Duration::from_secs(20);
    while matches!(store.get(b"a"), Err(StoreError::Unavailable(_))) {
        assert!(std::time::Instant::now() < limit, "it never came back");
        std::thread::sleep(Duration::from_millis(5));
    }
}
