//! What a group of commits comes to: one batch, and an answer for each.
//!
//! Pure but for reads of the engine. A commit's checks are judged against the engine and against what the commits before it
//! in the same group will have written. That is sound because only the committer writes.

use super::backend::{Backend, Batch, Fault};
use super::chain::{self, Page};
use super::stored::{self, Stored};
use super::{Commit, Linker, Outcome, Version, Write};

/// A batch in the making.
pub(super) struct Plan<'a, B> {
    backend: &'a B,
    linker: &'a dyn Linker,
    tail: Page,
    commit: u64,
    batch: Batch,
    before: Batch,
    /// What was read for a check: as a rule, the same commit replaces it.
    checked: Batch,
    pages: Vec<Page>,
    bytes: usize,
}

/// A batch that is ready to be applied.
#[derive(Debug)]
pub(super) struct Planned {
    /// What is to be applied; empty when nothing was committed.
    pub(super) batch: Batch,
    /// What the batch's keys held before.
    pub(super) before: Batch,
    /// The tail of the chain afterwards.
    pub(super) tail: Page,
    /// The number of the last commit in it.
    pub(super) commit: u64,
}

impl<'a, B: Backend> Plan<'a, B> {
    /// An empty plan, on a state whose last commit and tail are these.
    pub(super) fn new(backend: &'a B, linker: &'a dyn Linker, tail: Page, commit: u64) -> Self {
        let (batch, before, checked) = (Batch::new(), Batch::new(), Batch::new());
        Self { backend, linker, tail, commit, batch, before, checked, pages: Vec::new(), bytes: 0 }
    }

    /// Adds a commit, if its checks hold.
    pub(super) fn add(&mut self, commit: &Commit) -> Result<Outcome, Fault> {
        for check in &commit.checks {
            if self.version(&check.key)? != check.expect {
                return Ok(Outcome::Conflict);
            }
        }
        self.commit += 1;
        for (ordinal, write) in (0..).zip(&commit.writes) {
            match write {
                Write::Put { key, value } => self.replace(key, Some((value, ordinal)))?,
                Write::Delete { key } => self.replace(key, None)?,
            }
        }
        for body in &commit.records {
            self.pages.extend(self.tail.append(self.linker, body));
        }
        Ok(Outcome::Committed(Version(self.commit)))
    }

    /// What the batch and what it replaces weigh so far, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Closes the plan: the chain's pages join the batch, the tail as its bearer of the commit's number.
    pub(super) fn finish(mut self, from: u64) -> Result<Planned, Fault> {
        if self.commit > from {
            let mut pages = std::mem::take(&mut self.pages);
            pages.push(self.tail.clone());
            for (page, ordinal) in pages.iter().zip((0..=u32::MAX).rev()) {
                self.displace(&page.key())?;
                chain::write(&mut self.batch, page, self.commit, ordinal);
            }
        }
        // What is new (a part, a fresh page) was not there before.
        for key in self.batch.keys() {
            self.before.entry(key.clone()).or_insert(None);
        }
        Ok(Planned { batch: self.batch, before: self.before, tail: self.tail, commit: self.commit })
    }

    fn version(&mut self, key: &[u8]) -> Result<Option<Version>, Fault> {
        let raw = self.raw(key)?;
        let version = raw.as_deref().map(Stored::parse).transpose()?.map(|stored| Version(stored.version));
        self.checked.insert(key.to_vec(), raw);
        Ok(version)
    }

    fn raw(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        match (self.batch.get(key), self.checked.remove(key)) {
            (Some(pending), _) => Ok(pending.clone()),
            (None, Some(read)) => Ok(read),
            (None, None) => self.backend.get(key),
        }
    }

    fn replace(&mut self, key: &[u8], value: Option<(&[u8], u32)>) -> Result<(), Fault> {
        let was_there = self.displace(key)?;
        match value {
            Some((value, ordinal)) => {
                self.bytes += key.len() + value.len();
                stored::write(&mut self.batch, key.to_vec(), self.commit, ordinal, value);
            }
            None if was_there => {
                self.batch.insert(key.to_vec(), None);
            }
            None => {}
        }
        Ok(())
    }

    /// Notes what a key and its parts held before the batch, and takes the parts away.
    fn displace(&mut self, key: &[u8]) -> Result<bool, Fault> {
        let Some(raw) = self.raw(key)? else { return Ok(false) };
        for part in Stored::parse(&raw)?.part_keys() {
            let held = self.raw(&part)?;
            self.note(part.clone(), held);
            self.batch.insert(part, None);
        }
        self.note(key.to_vec(), Some(raw));
        Ok(true)
    }

    /// Keeps what a key held, unless an earlier commit of the group has written it already.
    fn note(&mut self, key: Vec<u8>, held: Option<Vec<u8>>) {
        if !self.batch.contains_key(&key) {
            self.bytes += key.len() + held.as_ref().map_or(0, Vec::len);
            self.before.entry(key).or_insert(held);
        }
    }
}

impl Planned {
    /// The batch that undoes this one after it was found on the disk, though nobody had been told so.
    pub(super) fn undo(&self) -> Batch {
        self.before.clone()
    }
}
