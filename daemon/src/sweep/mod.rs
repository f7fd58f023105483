//! The nightly sweep: what has ended is closed, what retention says is purged, the audit's head goes to the journal, and
//! the sysadmins get a report. Beside it, by day, the reminders.
//!
//! Nothing depends on it being on time: deadlines are checked when they are used. A run that was missed while the
//! machine was off is made up for at start.

mod census;
mod reminders;
mod when;

pub use reminders::Reminders;

#[cfg(test)]
mod reporting;
#[cfg(test)]
mod tests;

use crate::audit;
use crate::dossier::{Actor, Dossier, key};
use crate::engine::night::{List, Night, Trouble, quoted};
use crate::engine::ordered::Ordered;
use crate::engine::outbox::{Errand, ReportOrder, Waiting};
use crate::engine::{Ask, Engine, Failure, limits, outbox};
use crate::service::health::{Board, Part, State};
use crate::service::{chance, clock};
use crate::store::{Check, Commit, Held, Outcome, StoreError, Write};
use census::Census;
use jiff::Timestamp;
use jiff::civil::Date;
use parvis_enrolment::{Event, Moment, PersonId, Stage, decide};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// After a run that failed.
const AGAIN: Duration = Duration::from_secs(60);
/// How many records are looked at in one go.
const PAGE: usize = 256;
/// A part that has not worked for so long is reported.
const A_WHILE: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);
/// The most mails that are looked through for those of erased people; the worker drops the others.
const MOST_MAILS: usize = 100_000;

/// What the sweep did, or would do, to one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    pub login: String,
    pub person: PersonId,
    pub action: &'static str,
    pub reason: String,
}

/// The sweep, run by the clock or by hand.
pub struct Sweeper {
    engine: Arc<Engine>,
    board: Arc<Board>,
    /// One run at a time.
    running: tokio::sync::Mutex<()>,
}

impl Sweeper {
    pub fn new(engine: Arc<Engine>, board: Arc<Board>) -> Self {
        Self { engine, board, running: tokio::sync::Mutex::new(()) }
    }

    /// Runs at each time of the schedule, once a civil day, for as long as the daemon lives.
    pub async fn run(&self) {
        let mut told = None;
        loop {
            let now = clock::now();
            match when::due(&self.engine.settings(), self.last(), now) {
                when::Due::Now(date) => match self.all(false).await {
                    Ok((swept, night)) => {
                        if !self.finish(date, swept.len(), night).await {
                            // It is due still, and would be run again at once.
                            tokio::time::sleep(AGAIN).await;
                        }
                    }
                    Err(failure) => {
                        tracing::warn!(%failure, "the sweep failed; it will be tried again");
                        tokio::time::sleep(AGAIN).await;
                    }
                },
                // The clock may be set meanwhile: look again at least every minute.
                when::Due::At(at) => {
                    if told.take().is_some() {
                        self.board.set(
                            "sweep",
                            State::Idle,
                            "the clock was set; the sweep waits for its time",
                        );
                    }
                    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                    tokio::time::sleep(wait.clamp(Duration::from_millis(100), Duration::from_secs(60))).await;
                }
                when::Due::Held(date) => {
                    if told.replace(date) != Some(date) {
                        self.hold(date);
                    }
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
            }
        }
    }

    /// When the next run is due; none where it waits for a person.
    pub fn next(&self) -> Option<Timestamp> {
        let now = clock::now();
        match when::due(&self.engine.settings(), self.last(), now) {
            when::Due::Now(_) => Some(now),
            when::Due::At(at) => Some(at),
            when::Due::Held(_) => None,
        }
    }

    /// One run by hand; `dry` changes nothing and says what would be. A run that waited for it counts as done.
    pub async fn sweep(&self, dry: bool) -> Result<Vec<Swept>, Failure> {
        let held = match when::due(&self.engine.settings(), self.last(), clock::now()) {
            when::Due::Held(date) => Some(date),
            when::Due::Now(_) | when::Due::At(_) => None,
        };
        let (swept, night) = self.all(dry).await?;
        if let (Some(date), false) = (held, dry) {
            self.finish(date, swept.len(), night).await;
        }
        Ok(swept)
    }

    /// After more than a month without a run, the clock may be wrong, and what would be purged does not come back.
    fn hold(&self, date: Date) {
        let last = self.last().map(|last| last.to_string()).unwrap_or_default();
        let why = format!(
            "the last run was for {last}, and the clock says {date}: nothing is closed or purged until somebody has \
             looked at the clock and run parvisctl sweep"
        );
        tracing::error!(%why, "the sweep waits");
        self.board.set("sweep", State::Degraded, &why);
        self.anchor();
    }

    /// A run is over: its day is noted with the reports that it orders, in one commit, so that each night is reported
    /// once; and the audit's head is in the journal. False where that could not be noted.
    async fn finish(&self, date: Date, count: usize, night: Night) -> bool {
        tracing::info!(count, %date, "swept");
        self.anchor();
        self.board.set("sweep", State::Working, &format!("run for {date}"));
        let reports = self.reports(night.clone());
        let ordered = Ordered::among(&reports);
        let own = |name, value: String| Write::Put { key: key::own(name), value: value.into_bytes() };
        let marks = [own("swept", date.to_string()), own("reported", night.until.to_string())];
        let writes = marks.into_iter().chain(reports).collect();
        match self.engine.store.commit(Commit { writes, ..Commit::default() }).await {
            Ok(_) => {
                self.engine.mail.tell(ordered);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "failed to note that the sweep was run");
                false
            }
        }
    }

    /// The night's report to each sysadmin who gets one, in the outbox.
    fn reports(&self, mut night: Night) -> Vec<Write> {
        let (settings, now) = (self.engine.settings(), clock::now());
        if let Some(left) = self.engine.fuse.left().filter(|_| !settings.reports.is_empty()) {
            let minutes = left.as_secs() / 60 + 1;
            tracing::warn!(
                minutes,
                "the nightly report waits with all other mail: too much was refused for good"
            );
        }
        night.troubles = List::of(lasting(self.board.parts(), now));
        night.anchor = audit::anchor(&self.engine.store.head());
        let deadline = now.checked_add(settings.policy.limits.notice).unwrap_or(Timestamp::MAX);
        let order = |to: &String| {
            let order = ReportOrder { mail: chance::id(), to: to.clone(), deadline, night: night.clone() };
            outbox::put(&Waiting::report(order, now), now)
        };
        settings.reports.iter().map(order).collect()
    }

    /// All of it: what was done, and what there is to report.
    async fn all(&self, dry: bool) -> Result<(Vec<Swept>, Night), Failure> {
        let _one = self.running.lock().await;
        let mut swept = Vec::new();
        let until = clock::now();
        let mut census = Census::begin(self.reported(until), until);
        self.people(dry, &mut swept, &mut census).await?;
        self.counts(dry).await?;
        swept.iter().for_each(|one| census.swept(one.action));
        Ok((swept, census.end()))
    }

    /// Until when things were reported; a day ago where that is not known, or cannot be.
    fn reported(&self, until: Timestamp) -> Timestamp {
        let held = self.engine.store.get(&key::own("reported")).ok().flatten();
        let known = held.and_then(|held| std::str::from_utf8(&held.value).ok()?.parse().ok());
        let day = until.checked_sub(jiff::SignedDuration::from_hours(24)).unwrap_or(until);
        known.filter(|at: &Timestamp| *at <= until).unwrap_or(day)
    }

    async fn people(&self, dry: bool, swept: &mut Vec<Swept>, census: &mut Census) -> Result<(), Failure> {
        let mails = self.mails()?;
        let mut from = b"p".to_vec();
        loop {
            let page = self.engine.store.scan(&from, b"q", PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            from = last.iter().copied().chain([0]).collect();
            for (key, held) in &page {
                let Some(person) = key::person(key) else { continue };
                let done = match Dossier::decode(person, &held.value) {
                    Ok(dossier) => self.person(&dossier, held, &mails, dry, census).await,
                    Err(error) => Err(error.into()),
                };
                match done {
                    Ok(one) => swept.extend(one),
                    // About this one alone, and no better tomorrow: the others are not kept waiting for it.
                    Err(
                        error @ (Failure::Unreadable(_)
                        | Failure::Refused(_)
                        | Failure::Contended
                        | Failure::Store(StoreError::TooLarge { .. } | StoreError::BadKey(_))),
                    ) => {
                        tracing::error!(%error, %person, "the sweep passes over a record");
                        census.passed_over();
                    }
                    Err(error) => return Err(error),
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// One person: purged, closed, put away, or left as they are.
    async fn person(
        &self,
        dossier: &Dossier,
        held: &Held,
        mails: &HashMap<PersonId, Vec<Vec<u8>>>,
        dry: bool,
        census: &mut Census,
    ) -> Result<Option<Swept>, Failure> {
        let settings = self.engine.settings();
        let now = clock::now();
        let enrolment = &dossier.enrolment;
        let person = enrolment.person;
        let swept = |action, reason: String| {
            Some(Swept { login: enrolment.profile.login.clone(), person, action, reason })
        };
        // Nothing more is to be erased of who is erased, and nothing tidied.
        if dossier.erased() {
            return Ok(None);
        }
        if let Some(since) = when::outlived(&settings, enrolment, now) {
            if !dry {
                self.purge(dossier, held, mails.get(&person).map(Vec::as_slice).unwrap_or_default()).await?;
            }
            return Ok(swept("purge", format!("kept long enough since {since}")));
        }
        let moment = Moment { now, fresh: [parvis_enrolment::Id([0; 16]); 3], wait: None };
        let Ok(decision) = decide(enrolment, Event::Elapsed, &settings.policy, &moment) else {
            return Ok(None);
        };
        census.person(&settings.policy, &dossier.facts, &decision.enrolment);
        if decision.enrolment == *enrolment {
            return Ok(None);
        }
        if !dry {
            self.engine.act(Ask::new(person, Actor::Sweep, Event::Elapsed)).await?;
        }
        Ok(match (&enrolment.stage, &decision.enrolment.stage) {
            (Stage::Proving, Stage::Address { .. }) => swept("expire", "its link has expired".to_owned()),
            (before, Stage::Closed { .. }) if !matches!(before, Stage::Closed { .. }) => {
                swept("close", format!("nothing happened since {}", enrolment.changed))
            }
            (..) => swept("tidy", "sessions, tickets or links that have ended".to_owned()),
        })
    }

    /// Erases a person: text, salt and waiting mails are gone, the chain still verifies and says that it was done. What
    /// stays names no person, but for the entry's uuid: see [`Dossier::tombstone`].
    async fn purge(&self, dossier: &Dossier, held: &Held, mails: &[Vec<u8>]) -> Result<(), Failure> {
        let person = dossier.enrolment.person;
        let subject = audit::subject(dossier.salt, person);
        let record = audit::Record {
            at: clock::now(),
            subject,
            n: dossier.next,
            digest: [0; 32],
            what: audit::PURGED.to_owned(),
        };
        let rest = match dossier.tombstone(chance::id()) {
            Some(stone) => Write::Put { key: key::dossier(person), value: stone.encode() },
            None => Write::Delete { key: key::dossier(person) },
        };
        let gone = [key::open(person), key::subject(subject)].into_iter().chain(mails.iter().cloned());
        let writes = std::iter::once(rest).chain(gone.map(|key| Write::Delete { key })).collect();
        let commit = Commit {
            checks: vec![Check { key: key::dossier(person), expect: Some(held.version) }],
            writes,
            records: vec![record.encode()],
        };
        match self.engine.store.commit(commit).await? {
            // Changed meanwhile: it is looked at again tomorrow.
            Outcome::Committed(_) | Outcome::Conflict => Ok(()),
        }
    }

    /// The mails that wait, by person.
    fn mails(&self) -> Result<HashMap<PersonId, Vec<Vec<u8>>>, Failure> {
        let mut mails: HashMap<PersonId, Vec<Vec<u8>>> = HashMap::new();
        for due in outbox::first(self.engine.store.as_ref(), MOST_MAILS)? {
            if let Errand::Person { person, .. } = due.waiting.errand {
                mails.entry(person).or_default().push(due.key);
            }
        }
        Ok(mails)
    }

    /// Counts of attempts that limit nobody any more.
    async fn counts(&self, dry: bool) -> Result<(), Failure> {
        let mut from = b"t".to_vec();
        let longest = limits::longest(&self.engine.settings().rates);
        loop {
            let now = clock::now();
            let page = self.engine.store.scan(&from, b"u", PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            from = last.iter().copied().chain([0]).collect();
            if dry {
                continue;
            }
            for (key, held) in page.iter().filter(|(_, held)| limits::spent(&held.value, longest, now)) {
                let commit = Commit {
                    checks: vec![Check { key: key.clone(), expect: Some(held.version) }],
                    writes: vec![Write::Delete { key: key.clone() }],
                    records: Vec::new(),
                };
                self.engine.store.commit(commit).await?;
            }
        }
    }

    /// The audit's head, where nobody who can write the store can take it back.
    fn anchor(&self) {
        tracing::info!(anchor = %audit::anchor(&self.engine.store.head()), "audit anchor");
    }

    fn last(&self) -> Option<Date> {
        let held = self.engine.store.get(&key::own("swept")).ok().flatten()?;
        std::str::from_utf8(&held.value).ok()?.parse().ok()
    }
}

/// What has not worked for a while. What has only just begun is being tried again: the directory at a start, say.
fn lasting(parts: Vec<(&'static str, Part)>, now: Timestamp) -> impl Iterator<Item = Trouble> {
    let bad = parts.into_iter().filter(move |(_, part)| {
        matches!(part.state, State::Degraded | State::Down) && now.duration_since(part.since) >= A_WHILE
    });
    bad.map(|(name, part)| Trouble { part: name.to_owned(), since: part.since, detail: quoted(&part.detail) })
}
