//! What every engine must do, as one suite: `conform` runs it on whatever the factory makes.
//!
//! A new engine joins by a fixture and one test. What belongs to one engine only (its files, its full disk) is elsewhere.

mod backups;
mod chain;
mod commits;
mod model;
mod together;

use std::cell::RefCell;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::opening::Folder;
use super::sled::SledPlace;
use super::{
    Check, Commit, Committing, Held, Linker, Outcome, Store, StoreError, Version, Write, memory, open,
    opening,
};

/// A store of its own for each case.
pub(super) trait Fixture {
    /// The store, opened.
    fn store(&self) -> Arc<dyn Store>;
    /// Closes it in order and opens it again; false when the engine's data do not last.
    fn reopen(&mut self) -> bool;
}

/// Runs the suite.
pub(super) fn conform(make: &dyn Fn() -> Box<dyn Fixture>) {
    let suites = [commits::CASES, chain::CASES, together::CASES, backups::CASES, model::CASES];
    for (name, case) in suites.into_iter().flatten() {
        println!("case: {name}");
        case(&mut *make());
    }
}

/// A case's name and what it does.
pub(super) type Case = (&'static str, fn(&mut dyn Fixture));

/// Links as `audit` does, with a digest instead of a keyed one.
#[derive(Debug)]
pub(super) struct Digesting;

impl Linker for Digesting {
    fn link(&self, previous: &[u8; 32], number: u64, body: &[u8]) -> [u8; 32] {
        let digest =
            Sha256::new().chain_update(previous).chain_update(number.to_be_bytes()).chain_update(body);
        digest.finalize().into()
    }
}

pub(super) fn linker() -> Arc<dyn Linker> {
    Arc::new(Digesting)
}

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> =
        RefCell::new(tokio::runtime::Builder::new_current_thread().build().unwrap());
}

/// Waits for a commit.
pub(super) fn wait(committing: Committing) -> Result<Outcome, StoreError> {
    RUNTIME.with(|runtime| runtime.borrow().block_on(committing))
}

pub(super) fn put(key: &[u8], value: &[u8]) -> Write {
    Write::Put { key: key.to_vec(), value: value.to_vec() }
}

pub(super) fn delete(key: &[u8]) -> Write {
    Write::Delete { key: key.to_vec() }
}

pub(super) fn check(key: &[u8], expect: Option<Version>) -> Check {
    Check { key: key.to_vec(), expect }
}

pub(super) fn writes(writes: Vec<Write>) -> Commit {
    Commit { writes, ..Commit::default() }
}

/// Commits, and expects no conflict.
pub(super) fn commit(store: &dyn Store, commit: Commit) -> Version {
    match wait(store.commit(commit)) {
        Ok(Outcome::Committed(version)) => version,
        other => panic!("not committed: {other:?}"),
    }
}

/// The value of a key, as text.
pub(super) fn value(store: &dyn Store, key: &[u8]) -> Option<String> {
    store.get(key).unwrap().map(|held| String::from_utf8(held.value).unwrap())
}

/// Walks the whole chain and computes every link again.
pub(super) fn verify_chain(store: &dyn Store) -> u64 {
    let mut previous = [0; 32];
    let mut number = 0;
    loop {
        let records = store.records(number, 100).unwrap();
        for record in &records {
            assert_eq!(record.number, number);
            assert_eq!(
                record.link,
                Digesting.link(&previous, number, &record.body),
                "link of record {number}"
            );
            previous = record.link;
            number += 1;
        }
        if records.is_empty() {
            break;
        }
    }
    assert_eq!((store.head().length, store.head().link), (number, previous));
    number
}

struct InMemory(Arc<dyn Store>);

impl Fixture for InMemory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0)
    }

    fn reopen(&mut self) -> bool {
        false
    }
}

/// A sled in a folder that goes with it.
pub(super) struct OnDisk {
    dir: tempfile::TempDir,
    store: Option<Arc<dyn Store>>,
}

impl OnDisk {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Some(open(&dir.path().join("store"), linker()).unwrap());
        Self { dir, store }
    }
}

impl Fixture for OnDisk {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(self.store.as_ref().unwrap())
    }

    fn reopen(&mut self) -> bool {
        self.store.take().unwrap().close().unwrap();
        self.store = Some(open(&self.dir.path().join("store"), linker()).unwrap());
        true
    }
}

/// A sled whose commits are not made durable: the suite must not need the disk to be slow or fast.
pub(super) fn open_trusting(dir: &std::path::Path) -> Arc<dyn Store> {
    let mut place = SledPlace::new(Folder::lock(dir).unwrap());
    place.trusting = true;
    opening::open_place(place, linker()).unwrap()
}

#[test]
fn memory_conforms() {
    conform(&|| Box::new(InMemory(memory(linker()))));
}

#[test]
fn sled_conforms() {
    conform(&|| Box::new(OnDisk::new()));
}

/// What is held under a key, for a comparison.
pub(super) fn held(version: Version, value: &[u8]) -> Option<Held> {
    Some(Held { version, value: value.to_vec() })
}
