//! The [`Store`] that callers hold: reads go straight to the shared view, commits to the committer's queue.
//!
//! It never makes a caller wait for the disk: a full queue is refused at once.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::backend::{Fault, Place};
use super::committer::{Answer, Committer, Job, Waiting, Weight};
use super::view::{Shared, View};
use super::{Commit, Committing, Head, Health, Held, Linked, Linker, Store, StoreError, backup};

/// Commits that may wait.
const QUEUE: usize = 1024;
/// What the waiting commits may weigh together, in bytes.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// A scan gives way to the committer after this many pairs.
const STRETCH: usize = 256;

/// A store on any engine.
pub(super) struct Room<P: Place> {
    shared: Arc<Shared<P::Backend>>,
    /// None only while it is dropped.
    jobs: Option<SyncSender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    waiting: Arc<AtomicUsize>,
}

impl<P: Place> Room<P> {
    /// Starts the committer on an engine that was just opened at its place.
    pub(super) fn start(
        mut place: P,
        backend: P::Backend,
        linker: Arc<dyn Linker>,
    ) -> Result<Arc<Self>, Fault> {
        let mut view = View::open(backend)?;
        if !place.take_room() {
            tracing::error!("the disk that holds the store is full: commits are refused until there is room");
            view.health = Health::Full;
        }
        let shared = Arc::new(Shared::new(view));
        let (sender, jobs) = sync_channel(QUEUE);
        let committer = Committer::new(place, linker, Arc::clone(&shared), jobs);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || committer.run())
            .map_err(|error| Fault::Broken(format!("no thread can be started: {error}")))?;
        let waiting = Arc::new(AtomicUsize::new(0));
        Ok(Arc::new(Self { shared, jobs: Some(sender), thread: Mutex::new(Some(thread)), waiting }))
    }

    fn send(&self, commit: Commit) -> Result<oneshot::Receiver<Answer>, StoreError> {
        let weight = commit.fits()?;
        let weight = Weight::put(&self.waiting, weight);
        if self.waiting.load(Ordering::Acquire) > QUEUE_BYTES {
            return Err(refused("too many commits wait"));
        }
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(|| refused("it is closed"))?;
        match jobs.try_send(Job::Commit(Waiting { commit, reply, _weight: weight })) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(refused("too many commits wait")),
            Err(TrySendError::Disconnected(_)) => Err(refused("it is closed")),
        }
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the committer has been answered as such already.
            let _ended = thread.join();
        }
    }
}

impl<P: Place> Store for Room<P> {
    fn get(&self, key: &[u8]) -> Result<Option<Held>, StoreError> {
        self.shared.read().get(key)
    }

    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Held)>, StoreError> {
        let mut all: Vec<(Vec<u8>, Held)> = Vec::new();
        let mut from = from.to_vec();
        while all.len() < limit {
            let stretch = STRETCH.min(limit - all.len());
            let pairs = self.shared.read().scan(&from, until, stretch)?;
            let done = pairs.len() < stretch;
            if let Some((last, _)) = pairs.last() {
                from = after(last);
            }
            all.extend(pairs);
            if done {
                break;
            }
        }
        Ok(all)
    }

    fn records(&self, from: u64, limit: usize) -> Result<Vec<Linked>, StoreError> {
        let mut all = Vec::new();
        let mut from = from;
        while all.len() < limit {
            let records = self.shared.read().records(from, limit - all.len())?;
            let Some(last) = records.last() else { break };
            from = last.number + 1;
            all.extend(records);
        }
        Ok(all)
    }

    fn head(&self) -> Head {
        self.shared.read().tail.head()
    }

    fn health(&self) -> Health {
        self.shared.read().health.clone()
    }

    fn backup(&self, out: &mut dyn io::Write) -> io::Result<()> {
        backup::write(&self.shared, out)
    }

    fn close(&self) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or_else(|| refused("it is closed"))?;
        let (reply, closed) = sync_channel(1);
        jobs.send(Job::Close(reply)).map_err(|_| refused("it is closed"))?;
        let result = closed.recv().unwrap_or_else(|_| Err(refused("it ended before it was closed")));
        self.join();
        result
    }

    fn commit(&self, commit: Commit) -> Committing {
        // Sent now, not when the future is polled: a caller that goes away does not undo what it asked for.
        let sent = self.send(commit);
        Box::pin(async move {
            let ended = || StoreError::Damaged("the committer ended without an answer".into());
            sent?.await.unwrap_or_else(|_| Err(ended()))
        })
    }
}

impl<P: Place> Drop for Room<P> {
    fn drop(&mut self) {
        self.jobs = None;
        self.join();
    }
}

/// The first key after this one.
pub(super) fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

fn refused(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}
