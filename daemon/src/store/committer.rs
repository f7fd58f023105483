//! The one thread that writes.
//!
//! It takes all commits that wait, plans them as one batch, applies the batch, makes it durable, and only then answers
//! them. Because nobody else writes, a check by reading is sound; because one flush serves all that wait, many
//! callers at once cost little more than one.
//!
//! When the disk is full, the engine is given up (its error sticks), the ballast freed, the engine opened anew, and what
//! the failed batch may have left is undone: nobody was told that it was committed. Commits are refused until the
//! ballast can be taken again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::backend::{Backend, Fault, Place};
use super::guard::said;
use super::plan::{Plan, Planned};
use super::view::{Shared, recover};
use super::{Commit, Health, Linker, Outcome, StoreError};

/// A group takes no further commit at this many commits, writes, or bytes of them and of what they replace. sled may write
/// over a segment two segments (1 MiB of log) after the last page was moved out of it, so a batch should be
/// synced before it makes that much; a write makes some 5 KiB.
const GROUP: usize = 64;
const GROUP_WRITES: usize = 128;
const GROUP_BYTES: usize = 256 * 1024;
/// Where so many came together, as many are on their way: they are waited for, because a flush costs more processor
/// time than all the commits that it serves.
const CROWD: usize = 2;
/// For how long.
const CROWD_WAIT: Duration = Duration::from_millis(2);
/// How often it is looked meanwhile whether they have come: to be woken by each would cost what is to be saved.
const CROWD_LOOKS: u32 = 5;
/// How often a full disk is looked at again.
const RETRY: Duration = Duration::from_millis(500);
/// How long to wait for a job when nothing else is to be done.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// How a commit went.
pub(super) type Answer = Result<Outcome, StoreError>;

/// What is sent to the committer.
pub(super) enum Job {
    /// Carry this out.
    Commit(Waiting),
    /// Close in order; everything sent before is carried out first.
    Close(SyncSender<Result<(), StoreError>>),
}

/// A commit, and who waits for it.
pub(super) struct Waiting {
    pub(super) commit: Commit,
    pub(super) reply: oneshot::Sender<Answer>,
    pub(super) _weight: Weight,
}

/// A commit's share of what may wait; given back when it is dropped.
pub(super) struct Weight(Arc<AtomicUsize>, usize);

impl Weight {
    /// Adds to the sum.
    pub(super) fn put(sum: &Arc<AtomicUsize>, weight: usize) -> Self {
        sum.fetch_add(weight, Ordering::AcqRel);
        Self(Arc::clone(sum), weight)
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::AcqRel);
    }
}

/// Commits that are carried out together.
struct Group {
    commits: Vec<Waiting>,
    writes: usize,
    weight: usize,
}

impl Group {
    fn of(first: Waiting) -> Self {
        let mut group = Self { commits: Vec::new(), writes: 0, weight: 0 };
        group.add(first);
        group
    }

    fn add(&mut self, next: Waiting) {
        self.weight += next.commit.weight();
        self.writes += next.commit.writes.len();
        self.commits.push(next);
    }

    /// Whether it takes no further commit.
    fn full(&self) -> bool {
        self.commits.len() >= GROUP || self.writes >= GROUP_WRITES || self.weight >= GROUP_BYTES
    }
}

/// The committer's own side of a store.
pub(super) struct Committer<P: Place> {
    place: P,
    linker: Arc<dyn Linker>,
    shared: Arc<Shared<P::Backend>>,
    jobs: Receiver<Job>,
    /// How many commits the last group had.
    crowd: usize,
    /// The batch that failed for want of room, until it is known to be gone.
    failed: Option<Planned>,
    /// The engine has failed for want of room: it must be opened anew.
    reopen: bool,
    /// When a full disk was last looked at.
    looked: Instant,
}

impl<P: Place> Committer<P> {
    /// A committer on a view that was just opened.
    pub(super) fn new(
        place: P,
        linker: Arc<dyn Linker>,
        shared: Arc<Shared<P::Backend>>,
        jobs: Receiver<Job>,
    ) -> Self {
        Self { place, linker, shared, jobs, crowd: 0, failed: None, reopen: false, looked: Instant::now() }
    }

    /// Runs until the store is closed or its last handle is dropped.
    pub(super) fn run(mut self) {
        loop {
            let full = self.shared.read().health == Health::Full;
            let wait = if full { RETRY } else { FOREVER };
            match self.jobs.recv_timeout(wait) {
                Ok(Job::Commit(first)) => {
                    let mut group = Group::of(first);
                    let mut close = self.gather(&mut group);
                    let mut looks = if self.crowd >= CROWD { CROWD_LOOKS } else { 0 };
                    // Nobody else has room in a full one.
                    while looks > 0 && close.is_none() && !group.full() {
                        std::thread::sleep(CROWD_WAIT / CROWD_LOOKS);
                        close = self.gather(&mut group);
                        looks -= 1;
                    }
                    self.crowd = group.commits.len();
                    self.serve(group.commits);
                    self.tidy();
                    if let Some(reply) = close {
                        return self.end(&reply);
                    }
                }
                Ok(Job::Close(reply)) => return self.end(&reply),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.shared.write().backend = None;
                    return;
                }
            }
            if (self.reopen && !full) || (full && self.looked.elapsed() >= RETRY) {
                self.look_again();
            }
        }
    }

    /// Takes along what waits already.
    fn gather(&self, group: &mut Group) -> Option<SyncSender<Result<(), StoreError>>> {
        while !group.full() {
            match self.jobs.try_recv() {
                Ok(Job::Commit(next)) => group.add(next),
                Ok(Job::Close(reply)) => return Some(reply),
                Err(_) => break,
            }
        }
        None
    }

    /// Carries a group out, in one batch or (when it replaces much) in a few, and answers all of it.
    fn serve(&mut self, mut group: Vec<Waiting>) {
        while !group.is_empty() {
            let commits: Vec<&Commit> = group.iter().map(|waiting| &waiting.commit).collect();
            let answers = match catch_unwind(AssertUnwindSafe(|| self.carry_out(&commits))) {
                Ok(answers) => answers,
                Err(panic) => self.broken(&format!("it panicked: {}", said(&*panic))),
            };
            match answers {
                Ok(outcomes) => {
                    for (waiting, outcome) in group.drain(..outcomes.len()).zip(outcomes) {
                        let _gone = waiting.reply.send(Ok(outcome));
                    }
                }
                Err(error) => {
                    for waiting in group.drain(..) {
                        let _gone = waiting.reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Lets the engine tidy up, now that all are answered.
    fn tidy(&self) {
        let backend = {
            let view = self.shared.read();
            view.backend.clone().filter(|_| view.health == Health::Working)
        };
        let Some(backend) = backend else { return };
        match catch_unwind(AssertUnwindSafe(|| backend.tidy())) {
            // A full disk shows again at the next commit, which can be refused.
            Ok(Ok(()) | Err(Fault::Full(_))) => {}
            Ok(Err(Fault::Broken(why))) => drop(self.broken::<()>(&why)),
            Err(panic) => drop(self.broken::<()>(&format!("it panicked: {}", said(&*panic)))),
        }
    }

    fn end(&mut self, reply: &SyncSender<Result<(), StoreError>>) {
        let closed = catch_unwind(AssertUnwindSafe(|| self.close()));
        let closed = closed.unwrap_or_else(|panic| self.broken(&format!("it panicked: {}", said(&*panic))));
        let _gone = reply.send(closed);
    }

    /// Carries out the first of the commits, at least one: how they went, once that is durable.
    fn carry_out(&mut self, commits: &[&Commit]) -> Result<Vec<Outcome>, StoreError> {
        match self.shared.read().health.clone() {
            Health::Working => {}
            Health::Full => return Err(StoreError::Full),
            Health::Down(why) => return Err(StoreError::Damaged(why)),
        }
        let (planned, outcomes) = match self.plan(commits) {
            Ok(planned) => planned,
            // sled tidies up while it reads.
            Err(StoreError::Full) => return self.full(None),
            Err(error) => return self.broken(&error.to_string()),
        };
        if planned.batch.is_empty() {
            return Ok(outcomes);
        }
        self.shared.write().hide(planned.before.clone());
        let written = self.write(&planned);
        match written {
            Ok(()) => {
                self.shared.write().show(planned.tail, planned.commit);
                Ok(outcomes)
            }
            Err(StoreError::Full) => self.full(Some(planned)),
            Err(error) => self.broken(&error.to_string()),
        }
    }

    fn plan(&self, commits: &[&Commit]) -> Result<(Planned, Vec<Outcome>), StoreError> {
        let (backend, tail, from) = {
            let view = self.shared.read();
            (Arc::clone(view.backend()?), view.tail.clone(), view.commit)
        };
        let mut plan = Plan::new(&*backend, &*self.linker, tail, from);
        let mut outcomes = Vec::with_capacity(commits.len());
        for commit in commits {
            outcomes.push(plan.add(commit)?);
            if plan.bytes() >= GROUP_BYTES {
                break;
            }
        }
        Ok((plan.finish(from)?, outcomes))
    }

    fn write(&self, planned: &Planned) -> Result<(), StoreError> {
        let backend = Arc::clone(self.shared.read().backend()?);
        backend.apply(&planned.batch)?;
        Ok(backend.make_durable()?)
    }

    /// From here on commits are refused, until `look_again` succeeds.
    fn full<T>(&mut self, failed: Option<Planned>) -> Result<T, StoreError> {
        self.failed = failed;
        self.reopen = true;
        self.shared.write().health = Health::Full;
        tracing::error!("the disk that holds the store is full: commits are refused until there is room");
        Err(StoreError::Full)
    }

    /// From here on nothing is written: what the disk holds is for the next start to find out.
    fn broken<T>(&self, why: &str) -> Result<T, StoreError> {
        tracing::error!(why, "the store is down");
        self.shared.write().health = Health::Down(why.to_owned());
        Err(StoreError::Damaged(why.to_owned()))
    }

    /// Tries to come back from a full disk.
    fn look_again(&mut self) {
        self.looked = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| self.recover())) {
            Ok(Ok(true)) => {
                self.shared.write().health = Health::Working;
                tracing::info!("there is room on the disk again: the store takes commits");
            }
            Ok(Ok(false) | Err(Fault::Full(_))) => {}
            Ok(Err(Fault::Broken(why))) => drop(self.broken::<()>(&why)),
            Err(panic) => drop(self.broken::<()>(&format!("it panicked: {}", said(&*panic)))),
        }
    }

    /// Opens the engine anew if it has failed, then takes the ballast again: true when both succeeded.
    fn recover(&mut self) -> Result<bool, Fault> {
        let fresh = self.reopen;
        if fresh {
            self.open_anew(true)?;
        }
        let room = self.place.take_room();
        if room && !fresh {
            // A read may have met the full disk since, and the engine's error sticks.
            self.open_anew(false)?;
        }
        Ok(room)
    }

    fn open_anew(&mut self, make_room: bool) -> Result<(), Fault> {
        self.reopen = true;
        let old = self.shared.write().backend.take();
        drop(old);
        if make_room {
            self.place.make_room();
        }
        let backend = self.place.open()?;
        if let Some(failed) = &self.failed {
            let (_, commit) = recover(&backend)?;
            if commit >= failed.commit {
                backend.apply(&failed.undo())?;
            }
        }
        // Also what was only found in the file again must be durable before it is shown.
        backend.make_durable()?;
        self.failed = None;
        self.reopen = false;
        let mut view = self.shared.write();
        view.before.clear();
        view.backend = Some(Arc::new(backend));
        Ok(())
    }

    /// Gives the engine back to the disk, and says so in the header.
    fn close(&mut self) -> Result<(), StoreError> {
        let (backend, healthy) = {
            let mut view = self.shared.write();
            let healthy = !matches!(view.health, Health::Down(_));
            view.health = Health::Down("it is closed".into());
            (view.backend.take(), healthy)
        };
        let Some(backend) = backend.filter(|_| healthy) else {
            return Err(StoreError::Unavailable("it was not in order when it was closed".into()));
        };
        backend.make_durable()?;
        drop(backend);
        Ok(self.place.closed()?)
    }
}
