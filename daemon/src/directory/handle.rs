//! The handle on the directory: a few warm connections, each kept by a supervisor of its own.
//!
//! All of them lead to the same server while it answers, so that what one writes the next one reads. It neither parses
//! entries nor knows what the questions mean.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::authenticate::Binders;
use super::facts::Learnt;
use super::filter::Filter;
use super::link::{Answer, Fault, Link, Query, search};
use super::schema::Schema;
use super::settings::Prepared;
use super::{Dialect, DirectoryError, Entry, Outside, Standing, facts};

/// Can the directory be asked?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryHealth {
    /// Nothing is known yet: the first connection is being made.
    Connecting,
    /// At least one connection works.
    Up {
        /// The URI it leads to.
        server: String,
    },
    /// None does; it is being tried again.
    Down {
        /// Since when.
        since: Timestamp,
        /// Why, for the sysadmin.
        why: String,
    },
}

/// A handle on one directory. Clones share the connections, which close with the last clone.
#[derive(Clone, Debug)]
pub struct Directory {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) prepared: Arc<Prepared>,
    pub(super) binders: Binders,
    shared: Arc<Shared>,
    next: AtomicUsize,
    tasks: Vec<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// What the supervisors and the askers share.
#[derive(Debug)]
struct Shared {
    slots: Vec<Slot>,
    /// The server that all connections should lead to.
    current: AtomicUsize,
    health: watch::Sender<DirectoryHealth>,
    /// Counts the connections made, for whoever waits for one.
    made: watch::Sender<u64>,
    learnt: RwLock<Arc<Learnt>>,
    /// The server that `learnt` is about.
    learnt_of: tokio::sync::Mutex<Option<usize>>,
    outside: Outside,
}

#[derive(Debug, Default)]
struct Slot {
    link: Mutex<Option<Arc<Link>>>,
    suspect: Notify,
}

/// How long a question may take at most, whatever an operation may: a login page waits behind it, and `parvis-hook`
/// gives up after two seconds. Whoever asks must be told before that the directory does not answer.
pub(super) const ANSWER: Duration = Duration::from_millis(1500);
/// How long a question waits for a connection while there is none.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a suspected connection has to show a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

impl Directory {
    /// Begin to connect, in the background; return at once. Must be called inside a tokio runtime.
    pub fn connect(prepared: Arc<Prepared>, outside: Outside) -> Directory {
        let learnt = Learnt { schema: Schema::builtin(), ..Learnt::default() };
        let shared = Arc::new(Shared {
            slots: (0..prepared.settings.connections).map(|_| Slot::default()).collect(),
            current: AtomicUsize::new(0),
            health: watch::Sender::new(DirectoryHealth::Connecting),
            made: watch::Sender::new(0),
            learnt: RwLock::new(Arc::new(learnt)),
            learnt_of: tokio::sync::Mutex::new(None),
            outside: outside.clone(),
        });
        let tasks = (0..shared.slots.len())
            .map(|slot| tokio::spawn(supervise(prepared.clone(), shared.clone(), slot)).abort_handle())
            .collect();
        let binders = Binders::new(outside);
        Directory { inner: Arc::new(Inner { prepared, binders, shared, next: AtomicUsize::new(0), tasks }) }
    }

    /// Whether the directory can be asked, now and whenever that changes.
    pub fn health(&self) -> watch::Receiver<DirectoryHealth> {
        self.inner.shared.health.subscribe()
    }

    /// What the entry's state filters say, by the server's own matching rules.
    pub fn standing(&self, entry: &Entry) -> Standing {
        self.inner.prepared.states.standing(entry, &self.learnt().schema)
    }

    /// The population that the entry belongs to.
    pub fn population(&self, entry: &Entry) -> Option<&str> {
        self.inner.prepared.states.population(entry, &self.learnt().schema)
    }

    /// Does any filter match, by the server's own matching rules?
    pub fn matches(&self, filter: &Filter, entry: &Entry) -> bool {
        filter.holds(entry, &self.learnt().schema)
    }

    /// Which product the server is.
    pub fn dialect(&self) -> Dialect {
        self.learnt().dialect
    }

    pub(super) fn learnt(&self) -> Arc<Learnt> {
        self.inner.shared.learnt.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A search on a warm connection; tried on a second one if the first turns out to be gone.
    pub(super) async fn ask(&self, query: &Query<'_>) -> Result<Answer, DirectoryError> {
        let until = Instant::now() + self.inner.prepared.settings.timeouts.operation.min(ANSWER);
        let mut last = None;
        for _ in 0..=self.inner.shared.slots.len() {
            let (slot, link) = self.link(until).await?;
            match search(link.ldap(), query, until.saturating_duration_since(Instant::now())).await {
                Ok(answer) => return Ok(answer),
                Err(fault @ Fault::Late) => {
                    self.suspect(slot);
                    return Err(DirectoryError::Unavailable(fault.words()));
                }
                Err(fault) => {
                    self.suspect(slot);
                    self.drop_link(slot, &link);
                    last = Some(fault.words());
                }
            }
        }
        Err(DirectoryError::Unavailable(last.unwrap_or_default()))
    }

    /// A connection that works as far as is known, by turns; waits a little where there is none.
    pub(super) async fn link(&self, until: Instant) -> Result<(usize, Arc<Link>), DirectoryError> {
        let shared = &self.inner.shared;
        let until = until.min(Instant::now() + PATIENCE);
        let mut made = shared.made.subscribe();
        loop {
            made.mark_unchanged();
            let start = self.inner.next.fetch_add(1, Ordering::Relaxed);
            let count = shared.slots.len();
            let found = (0..count)
                .map(|step| (start + step) % count)
                .find_map(|at| Some((at, shared.open_link(at)?)));
            if let Some(found) = found {
                return Ok(found);
            }
            if timeout_at(until, made.changed()).await.is_err() {
                return Err(DirectoryError::Unavailable(match &*shared.health.borrow() {
                    DirectoryHealth::Down { why, .. } => why.clone(),
                    DirectoryHealth::Connecting => "not connected yet".to_owned(),
                    DirectoryHealth::Up { .. } => "every connection was lost".to_owned(),
                }));
            }
        }
    }

    /// Ask the slot's supervisor to look whether its connection still lives.
    pub(super) fn suspect(&self, slot: usize) {
        if let Some(slot) = self.inner.shared.slots.get(slot) {
            slot.suspect.notify_one();
        }
    }

    fn drop_link(&self, slot: usize, gone: &Arc<Link>) {
        let Some(slot) = self.inner.shared.slots.get(slot) else { return };
        let mut held = slot.link.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, gone)) {
            *held = None;
        }
    }
}

impl Shared {
    fn open_link(&self, slot: usize) -> Option<Arc<Link>> {
        let held = self.slots.get(slot)?.link.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        (!held.closed()).then_some(held)
    }

    fn set_link(&self, slot: usize, link: Option<Arc<Link>>) {
        if let Some(slot) = self.slots.get(slot) {
            *slot.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
        }
    }

    /// A connection works: say so, and wake whoever waits for one.
    fn report_up(&self, server: &str) {
        let up = DirectoryHealth::Up { server: server.to_owned() };
        self.health.send_if_modified(|health| {
            let changed = *health != up;
            *health = up;
            changed
        });
        self.made.send_modify(|made| *made += 1);
    }

    /// A connection failed: the directory is down if no other works. The time is that of the first failure.
    fn report_down(&self, why: String) {
        if (0..self.slots.len()).any(|slot| self.open_link(slot).is_some()) {
            return;
        }
        let now = (self.outside.now)();
        self.health.send_if_modified(|health| {
            let since = match health {
                DirectoryHealth::Down { since, .. } => *since,
                DirectoryHealth::Connecting | DirectoryHealth::Up { .. } => now,
            };
            let next = DirectoryHealth::Down { since, why };
            let changed = *health != next;
            *health = next;
            changed
        });
    }
}

/// Keep one slot connected, for ever.
async fn supervise(prepared: Arc<Prepared>, shared: Arc<Shared>, slot: usize) {
    let mut failures: u32 = 0;
    loop {
        match reach(&prepared, &shared).await {
            Ok(link) => {
                let link = Arc::new(link);
                let learnt = learn(&prepared, &shared, &link, slot == 0).await;
                if learnt.is_ok() {
                    failures = 0;
                    shared.set_link(slot, Some(link.clone()));
                    shared.report_up(&link.place);
                }
                let why = match learnt {
                    Ok(()) => tend(&prepared, &shared, slot, &link).await,
                    Err(fault) => format!("{}: {}", link.place, fault.words()),
                };
                shared.set_link(slot, None);
                shared.report_down(why);
            }
            Err(why) => shared.report_down(why),
        }
        sleep(pause(failures, &prepared, &shared)).await;
        failures = failures.saturating_add(1);
    }
}

/// Connect to the current server, or else to the next that answers, which becomes the current one.
async fn reach(prepared: &Prepared, shared: &Shared) -> Result<Link, String> {
    let first = shared.current.load(Ordering::Relaxed);
    let count = prepared.servers.len();
    let mut whys = Vec::new();
    for step in 0..count {
        let index = (first + step) % count;
        match Link::establish(prepared, index).await {
            Ok(link) => {
                shared.current.store(index, Ordering::Relaxed);
                return Ok(link);
            }
            Err(fault) => {
                whys.push(format!("{}: {}", prepared.settings.place(index), fault.words()));
            }
        }
    }
    Err(whys.join("; "))
}

/// Watch over a connection until it must be given up, and say why.
async fn tend(prepared: &Prepared, shared: &Shared, slot: usize, link: &Link) -> String {
    let Some(suspect) = shared.slots.get(slot).map(|slot| &slot.suspect) else { return String::new() };
    loop {
        let suspected = tokio::select! {
            () = link.end() => return format!("{}: the connection was closed", link.place),
            () = suspect.notified() => true,
            () = sleep(prepared.settings.timeouts.heartbeat) => false,
        };
        let limit = if suspected { SIGN_OF_LIFE } else { prepared.settings.timeouts.operation };
        if let Err(fault) = link.who_am_i(limit.min(prepared.settings.timeouts.operation)).await {
            return format!("{}: {}", link.place, fault.words());
        }
        if link.index != shared.current.load(Ordering::Relaxed) {
            return format!("{}: another server took over", link.place);
        }
    }
}

/// Read what the server can do and its schema, unless another connection has; the first one does so anew each time.
async fn learn(prepared: &Prepared, shared: &Shared, link: &Link, anew: bool) -> Result<(), Fault> {
    let mut learnt_of = shared.learnt_of.lock().await;
    if !anew && *learnt_of == Some(link.index) {
        return Ok(());
    }
    let limit = prepared.settings.timeouts.connect;
    let learnt = Arc::new(facts::learnt(prepared, link, limit).await?);
    *shared.learnt.write().unwrap_or_else(PoisonError::into_inner) = learnt;
    *learnt_of = Some(link.index);
    Ok(())
}

/// Exponential from 50 ms to the configured limit, between half and whole of it by chance.
fn pause(failures: u32, prepared: &Prepared, shared: &Shared) -> Duration {
    backoff(failures, prepared.settings.timeouts.backoff, (shared.outside.random)())
}

/// The wait before attempt `failures` + 1.
pub(super) fn backoff(failures: u32, limit: Duration, random: u64) -> Duration {
    let whole = Duration::from_millis(50).saturating_mul(1 << failures.min(12)).min(limit);
    let half = whole / 2;
    let share = u32::try_from(random >> 32).unwrap_or(u32::MAX);
    half + half.mul_f64(f64::from(share) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_limit_and_is_spread() {
        let limit = Duration::from_secs(15);
        assert_eq!(backoff(0, limit, 0), Duration::from_millis(25));
        assert_eq!(backoff(0, limit, u64::MAX), Duration::from_millis(50));
        assert_eq!(backoff(40, limit, u64::MAX), limit);
        assert!(backoff(40, limit, 1 << 63) > backoff(40, limit, 1 << 62));
    }
}
