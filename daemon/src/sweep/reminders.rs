//! The hour of the reminders: whoever stopped half-way gets one mail, by day.
//!
//! That somebody was reminded stands in their enrolment, so nothing needs to be kept here: a run that was missed, because
//! the machine was off, is not made up for at night but left to the next hour, and a run twice reminds nobody twice.

use super::when;
use crate::dossier::Actor;
use crate::engine::{Ask, Engine, Failure, limits};
use crate::service::clock;
use jiff::Timestamp;
use parvis_enrolment::{Event, PersonId, reminder};
use std::sync::Arc;
use std::time::Duration;

/// How many people are looked at in one go.
const PAGE: usize = 256;
/// The clock may be set meanwhile: it is looked at again after this.
const LOOK: Duration = Duration::from_secs(20);

/// The reminders, by the clock.
pub struct Reminders {
    engine: Arc<Engine>,
}

impl Reminders {
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Looks at each hour of the schedule, for as long as the daemon lives.
    pub async fn run(&self) {
        let mut done: Option<Timestamp> = None;
        loop {
            let hour = when::hour(&self.engine.settings(), clock::now());
            if let Some(hour) = hour.filter(|hour| done != Some(*hour)) {
                match self.all().await {
                    Ok(()) => done = Some(hour),
                    Err(failure) => {
                        tracing::warn!(%failure, "the reminders failed; they will be tried again")
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Everybody whose enrolment is open.
    pub async fn all(&self) -> Result<(), Failure> {
        if self.engine.settings().policy.reminder.is_none() {
            return Ok(());
        }
        if self.engine.fuse.left().is_some() {
            tracing::warn!("nobody is reminded now: mail is paused, because too much was refused for good");
            return Ok(());
        }
        let mut count = 0_usize;
        for page in self.engine.open()?.chunks(PAGE) {
            for person in page.iter().copied() {
                match self.person(person).await {
                    Ok(reminded) => count += usize::from(reminded),
                    Err(failure @ (Failure::Unreadable(_) | Failure::Refused(_) | Failure::Contended)) => {
                        tracing::error!(%failure, %person, "somebody cannot be reminded");
                    }
                    Err(failure) => return Err(failure),
                }
            }
            tokio::task::yield_now().await;
        }
        tracing::info!(count, "reminded who stopped half-way");
        Ok(())
    }

    /// One person, where it is time; counted as any mail is, to the address, its domain and the campus.
    async fn person(&self, person: PersonId) -> Result<bool, Failure> {
        let settings = self.engine.settings();
        let Some(dossier) = self.engine.dossier(person)? else { return Ok(false) };
        let enrolment = &dossier.enrolment;
        let Some(address) = reminder(enrolment, &settings.policy, clock::now()) else { return Ok(false) };
        let mut ask = Ask::new(person, Actor::Sweep, Event::Remind);
        ask.counted = limits::of_mail(&self.engine.keys, &settings.rates, &address).to_vec();
        // The language in which they read the charter, where the directory names none.
        let charter = enrolment.answers().and_then(|answers| answers.charter.as_ref());
        ask.locale = charter.map(|charter| charter.locale.clone());
        Ok(self.engine.act(ask).await?.enrolment().reminded)
    }
}
