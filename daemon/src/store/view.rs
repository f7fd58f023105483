//! What readers see: the last durable state, never what is applied but could still be lost by a power cut.
//!
//! An answer made from an undurable value might outlive that value. So, before a batch is applied, the committer puts
//! what the batch's keys held until then into `before`, and readers look there first; once the batch is durable,
//! `before` is emptied, and only then are the commits answered. The lock is held for these two moments, not while the disk
//! works. A backup's moment is kept the same way (`Moment`), for longer.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::backend::{Backend, Batch, Fault, Pair};
use super::chain::{self, Page};
use super::stored::{FIRST_FOREIGN, OWN, Stored};
use super::{Health, Held, Linked, StoreError};

/// What a backup may keep of values that changed since its moment, in bytes; beyond it, the backup fails.
const MOMENT_BYTES: usize = 16 * 1024 * 1024;

/// The durable state, for any number of readers and one writer.
pub(super) struct Shared<B>(RwLock<View<B>>);

impl<B> Shared<B> {
    pub(super) fn new(view: View<B>) -> Self {
        Self(RwLock::new(view))
    }

    /// For a reader. Never held while the disk is written.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, View<B>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the committer's short moments of change.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, View<B>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The durable state, and what it takes to show it while the next batch is on its way.
pub(super) struct View<B> {
    /// None while it is opened anew, and once it is closed.
    pub(super) backend: Option<Arc<B>>,
    /// What the keys of the batch under way held before it.
    pub(super) before: Batch,
    /// The last page of the chain.
    pub(super) tail: Page,
    /// The number of the last durable commit.
    pub(super) commit: u64,
    pub(super) health: Health,
    /// The moment that a running backup shows.
    pub(super) moment: Option<Moment>,
}

/// A moment that is kept while commits go on.
#[derive(Default)]
pub(super) struct Moment {
    kept: Batch,
    bytes: usize,
    overrun: bool,
}

impl<B: Backend> View<B> {
    /// The state as an engine has it that was just opened: the tail and the counter are read from it.
    pub(super) fn open(backend: B) -> Result<Self, Fault> {
        let (tail, commit) = recover(&backend)?;
        Ok(Self {
            backend: Some(Arc::new(backend)),
            before: Batch::new(),
            tail,
            commit,
            health: Health::Working,
            moment: None,
        })
    }

    /// The engine, or why there is none.
    pub(super) fn backend(&self) -> Result<&Arc<B>, StoreError> {
        self.backend.as_ref().ok_or_else(|| match &self.health {
            Health::Down(why) => StoreError::Unavailable(why.clone()),
            Health::Full | Health::Working => StoreError::Unavailable("it is being opened again".into()),
        })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Held>, StoreError> {
        if key.first() == Some(&OWN) {
            return Ok(None);
        }
        let backend = self.backend()?;
        let fetch = |key: &[u8]| match self.before.get(key) {
            Some(before) => Ok(before.clone()),
            None => backend.get(key),
        };
        let Some(raw) = fetch(key)? else { return Ok(None) };
        Ok(Some(Stored::parse(&raw)?.held(fetch)?))
    }

    /// At most `limit` pairs that are not the store's own.
    pub(super) fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Held)>, StoreError> {
        let (backend, from) = (self.backend()?, from.max(FIRST_FOREIGN));
        let pairs = overlaid(&self.before, from, until, limit, |limit| backend.range(from, until, limit))?;
        let fetch = |key: &[u8]| match self.before.get(key) {
            Some(before) => Ok(before.clone()),
            None => backend.get(key),
        };
        pairs.into_iter().map(|(key, raw)| Ok((key, Stored::parse(&raw)?.held(fetch)?))).collect()
    }

    /// As [`scan`](Self::scan), as of the backup's moment.
    pub(super) fn scan_moment(
        &self,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Held)>, StoreError> {
        let (backend, from) = (self.backend()?, from.max(FIRST_FOREIGN));
        let moment = self.moment.as_ref().filter(|moment| !moment.overrun).ok_or_else(|| {
            StoreError::Unavailable("too much changed while the backup was being written; try again".into())
        })?;
        let now =
            |limit| overlaid(&self.before, from, until, limit, |limit| backend.range(from, until, limit));
        let pairs = overlaid(&moment.kept, from, until, limit, now)?;
        let fetch = |key: &[u8]| match moment.kept.get(key).or_else(|| self.before.get(key)) {
            Some(before) => Ok(before.clone()),
            None => backend.get(key),
        };
        pairs.into_iter().map(|(key, raw)| Ok((key, Stored::parse(&raw)?.held(fetch)?))).collect()
    }

    /// At most `limit` records of the page that holds record `from`, from there on.
    pub(super) fn records(&self, from: u64, limit: usize) -> Result<Vec<Linked>, StoreError> {
        if from >= self.tail.first() {
            return Ok(taken(&self.tail, from, limit));
        }
        let backend = self.backend()?;
        let until = chain::page_key(from.saturating_add(1));
        let (key, raw) = backend.last(chain::FROM, &until)?.ok_or_else(|| missing(from))?;
        let page = Page::decode(&key, &Stored::parse(&raw)?.held(|key| backend.get(key))?.value)?;
        let records = taken(&page, from, limit);
        if records.is_empty() { Err(missing(from)) } else { Ok(records) }
    }

    /// Before a batch is applied: readers go on seeing what was.
    pub(super) fn hide(&mut self, before: Batch) {
        if let Some(moment) = &mut self.moment {
            moment.keep(&before);
        }
        self.before = before;
    }

    /// Once a batch is durable: readers see it.
    pub(super) fn show(&mut self, tail: Page, commit: u64) {
        self.before.clear();
        self.tail = tail;
        self.commit = commit;
    }

    /// Keeps this moment, until it is taken out again. False if another one is kept already.
    pub(super) fn begin_moment(&mut self) -> bool {
        if self.moment.is_some() {
            return false;
        }
        let mut moment = Moment::default();
        moment.keep(&self.before);
        self.moment = Some(moment);
        true
    }
}

impl Moment {
    fn keep(&mut self, before: &Batch) {
        for (key, value) in before {
            if key.starts_with(chain::FROM) || self.overrun || self.kept.contains_key(key) {
                continue;
            }
            self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            self.kept.insert(key.clone(), value.clone());
            if self.bytes > MOMENT_BYTES {
                self.overrun = true;
                self.kept.clear();
            }
        }
    }

    /// Keys before `passed` will not be asked for again (but for the parts of large values).
    pub(super) fn forget_before(&mut self, passed: &[u8]) {
        let mut bytes = 0;
        self.kept.retain(|key, value| {
            let stays = key.first() == Some(&OWN) || key.as_slice() >= passed;
            bytes += if stays { key.len() + value.as_ref().map_or(0, Vec::len) } else { 0 };
            stays
        });
        self.bytes = bytes;
    }
}

/// The tail of the chain and the commit counter, as an engine holds them.
pub(super) fn recover<B: Backend>(backend: &B) -> Result<(Page, u64), Fault> {
    let Some((key, raw)) = backend.last(chain::FROM, chain::UNTIL)? else { return Ok((Page::default(), 0)) };
    let held = Stored::parse(&raw)?.held(|key| backend.get(key))?;
    Ok((Page::decode(&key, &held.value)?, held.version.0))
}

/// What `fetch` finds in the range, with what `over` says of it instead.
fn overlaid(
    over: &Batch,
    from: &[u8],
    until: &[u8],
    limit: usize,
    fetch: impl Fn(usize) -> Result<Vec<Pair>, Fault>,
) -> Result<Vec<Pair>, Fault> {
    if from >= until || limit == 0 {
        return Ok(Vec::new());
    }
    let over: Vec<_> =
        over.range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(until))).collect();
    // Each of `over` may take one pair away: with as many more fetched, the first `limit` are right.
    let mut pairs: BTreeMap<_, _> = fetch(limit.saturating_add(over.len()))?.into_iter().collect();
    for (key, value) in over {
        match value {
            Some(value) => pairs.insert(key.clone(), value.clone()),
            None => pairs.remove(key),
        };
    }
    Ok(pairs.into_iter().take(limit).collect())
}

fn taken(page: &Page, from: u64, limit: usize) -> Vec<Linked> {
    page.records().iter().filter(|record| record.number >= from).take(limit).cloned().collect()
}

fn missing(number: u64) -> StoreError {
    StoreError::Damaged(format!("record {number} of the chain is missing"))
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full(_) => Self::Full,
            Fault::Broken(why) => Self::Damaged(why),
        }
    }
}
