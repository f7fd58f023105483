//! The nightly sweep: what has ended is closed, what retention says is purged, and the audit's head goes to the journal.
//!
//! Nothing depends on it being on time: deadlines are checked when they are used. A run that was missed while the
//! machine was off is made up for at start.

mod when;

use crate::audit;
use crate::dossier::{Actor, Dossier, key};
use crate::engine::{Ask, Engine, Failure, limits};
use crate::service::clock;
use crate::store::{Check, Commit, Held, Outcome, Write};
use jiff::Timestamp;
use jiff::civil::Date;
use parvis_enrolment::{Event, Moment, PersonId, Stage, decide};
use std::sync::Arc;
use std::time::Duration;

/// How many records are looked at in one go.
const PAGE: usize = 256;

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
    /// One run at a time.
    running: tokio::sync::Mutex<()>,
}

impl Sweeper {
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, running: tokio::sync::Mutex::new(()) }
    }

    /// Runs at each time of the schedule, once a civil day, for as long as the daemon lives.
    pub async fn run(&self) {
        loop {
            let now = clock::now();
            match when::due(&self.engine.settings(), self.last(), now) {
                when::Due::Now(date) => match self.sweep(false).await {
                    Ok(swept) => {
                        tracing::info!(count = swept.len(), %date, "swept");
                        self.anchor();
                        self.done(date).await;
                    }
                    Err(failure) => {
                        tracing::warn!(%failure, "the sweep failed; it will be tried again");
                        tokio::time::sleep(Duration::from_secs(60)).await;
                    }
                },
                // The clock may be set meanwhile: look again at least every minute.
                when::Due::At(at) => {
                    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                    tokio::time::sleep(wait.clamp(Duration::from_millis(100), Duration::from_secs(60))).await;
                }
            }
        }
    }

    /// When the next run is due.
    pub fn next(&self) -> Option<Timestamp> {
        let now = clock::now();
        match when::due(&self.engine.settings(), self.last(), now) {
            when::Due::Now(_) => Some(now),
            when::Due::At(at) => Some(at),
        }
    }

    /// One run; `dry` changes nothing and says what would be.
    pub async fn sweep(&self, dry: bool) -> Result<Vec<Swept>, Failure> {
        let _one = self.running.lock().await;
        let mut swept = Vec::new();
        self.people(dry, &mut swept).await?;
        self.counts(dry).await?;
        Ok(swept)
    }

    async fn people(&self, dry: bool, swept: &mut Vec<Swept>) -> Result<(), Failure> {
        let mut from = b"p".to_vec();
        loop {
            let page = self.engine.store.scan(&from, b"q", PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            from = last.iter().copied().chain([0]).collect();
            for (key, held) in &page {
                let Some(person) = key::person(key) else { continue };
                match Dossier::decode(person, &held.value) {
                    Ok(dossier) => swept.extend(self.person(&dossier, held, dry).await?),
                    Err(error) => tracing::error!(%error, "the sweep passes over a record"),
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// One person: purged, closed, put away, or left as they are.
    async fn person(&self, dossier: &Dossier, held: &Held, dry: bool) -> Result<Option<Swept>, Failure> {
        let settings = self.engine.settings();
        let now = clock::now();
        let enrolment = &dossier.enrolment;
        let person = enrolment.person;
        let swept = |action, reason: String| {
            Some(Swept { login: enrolment.profile.login.clone(), person, action, reason })
        };
        if let Some(since) = when::outlived(&settings, enrolment, now) {
            if !dry {
                self.purge(dossier, held).await?;
            }
            return Ok(swept("purge", format!("kept long enough since {since}")));
        }
        let moment = Moment { now, fresh: [parvis_enrolment::Id([0; 16]); 3], wait: None };
        let Ok(decision) = decide(enrolment, Event::Elapsed, &settings.policy, &moment) else {
            return Ok(None);
        };
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

    /// Erases a person: text and salt are gone, the chain still verifies and says that it was done.
    async fn purge(&self, dossier: &Dossier, held: &Held) -> Result<(), Failure> {
        let person = dossier.enrolment.person;
        let record = audit::Record {
            at: clock::now(),
            subject: audit::subject(dossier.salt, person),
            n: dossier.next,
            digest: [0; 32],
            what: audit::PURGED.to_owned(),
        };
        let commit = Commit {
            checks: vec![Check { key: key::dossier(person), expect: Some(held.version) }],
            writes: vec![
                Write::Delete { key: key::dossier(person) },
                Write::Delete { key: key::open(person) },
            ],
            records: vec![record.encode()],
        };
        match self.engine.store.commit(commit).await? {
            // Changed meanwhile: it is looked at again tomorrow.
            Outcome::Committed(_) | Outcome::Conflict => Ok(()),
        }
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

    async fn done(&self, date: Date) {
        let write = Write::Put { key: key::own("swept"), value: date.to_string().into_bytes() };
        let commit = Commit { writes: vec![write], ..Commit::default() };
        if let Err(error) = self.engine.store.commit(commit).await {
            tracing::warn!(%error, "failed to note that the sweep was run");
        }
    }
}
