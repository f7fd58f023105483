//! Step 9: one write to the directory, and what is done when its outcome is not known.
//!
//! The enrolment is `activating` before the directory is asked, and the entry says afterwards whether it happened.
//! The password is in this task's memory only.

use super::people::{person, sighting};
use super::{Acted, Ask, Engine, Failure};
use crate::config::Settings;
use crate::directory::{
    ApplyError, Charter, Chosen, DirectoryError, Entry, EntryUuid, PasswordFault as Refused, Plan, Standing,
};
use crate::dossier::{Actor, key};
use crate::service::clock;
use jiff::Timestamp;
use parvis_enrolment::enrolment::Attempt;
use parvis_enrolment::event::{Recovery, WriteOutcome};
use parvis_enrolment::refusal::PasswordFault;
use parvis_enrolment::{Answers, Enrolment, Event, PersonId, Stage};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// How activation ended, for the person who waits.
pub enum Activated {
    /// The account works.
    Done(Box<Enrolment>),
    /// Another password, please.
    PasswordRefused(PasswordFault),
    /// The directory cannot now; nothing was written.
    Unavailable,
    /// It may have been written: the daemon finds out by itself.
    Pending,
    /// The daemon could not keep the outcome.
    Failed(Failure),
}

/// The first and the longest wait between two looks at an entry whose write is uncertain.
const LOOKS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// What the entry is before the write.
pub fn attempt(entry: &Entry, now: Timestamp) -> Attempt {
    let changed = entry.first("pwdChangedTime").map(str::to_owned);
    Attempt { at: now, stamp: entry.stamp.clone(), password_changed: changed }
}

/// Writes the directory for an enrolment that is `activating`, and records the outcome.
pub async fn activate(
    engine: Arc<Engine>,
    entry: Entry,
    enrolment: Enrolment,
    password: SecretString,
) -> Activated {
    let settings = engine.settings();
    let id = person(&entry);
    let plan = match plan(&settings, &entry, &enrolment) {
        Ok(plan) => plan,
        Err(why) => {
            tracing::error!(login = %enrolment.profile.login, %why, "failed to compute what activation writes");
            return settle(&engine, id, WriteOutcome::NotDone(why), Activated::Unavailable).await;
        }
    };
    let result = engine.directory().apply(&plan, &password).await;
    drop(password);
    match result {
        Ok(applied) => {
            done(settle_event(&engine, id, Event::Written(WriteOutcome::Applied(applied.stamp))).await)
        }
        Err(ApplyError::Password(fault)) => {
            let fault = rule(&fault);
            settle(&engine, id, WriteOutcome::PasswordRefused(fault), Activated::PasswordRefused(fault)).await
        }
        Err(error @ (ApplyError::Unknown(_) | ApplyError::PasswordOnly(_))) => {
            tracing::warn!(login = %enrolment.profile.login, %error, "will look at the entry until it says what happened");
            tokio::spawn(resolve(engine, id));
            Activated::Pending
        }
        Err(ApplyError::Moved | ApplyError::Gone) => {
            let why = "the entry changed meanwhile".to_owned();
            let ended = settle(&engine, id, WriteOutcome::NotDone(why), Activated::Unavailable).await;
            look_again(&engine, id).await;
            ended
        }
        Err(error @ (ApplyError::Refused { .. } | ApplyError::Unavailable(_))) => {
            tracing::error!(login = %enrolment.profile.login, %error, "failed to activate");
            settle(&engine, id, WriteOutcome::NotDone(error.to_string()), Activated::Unavailable).await
        }
    }
}

/// Looks at the entry until it says whether the write happened; used after a silence and at start.
pub async fn resolve(engine: Arc<Engine>, id: PersonId) {
    let (mut wait, longest) = LOOKS;
    while !resolved(&engine, id).await {
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

async fn resolved(engine: &Engine, id: PersonId) -> bool {
    let Ok(Some(dossier)) = engine.dossier(id) else { return false };
    let Stage::Activating { attempt, .. } = &dossier.enrolment.stage else { return true };
    let entry = match engine.directory().read(EntryUuid(id.0)).await {
        Ok(Some(entry)) => entry,
        Ok(None) => return act(engine, id, Event::Recovered(Recovery::Gone)).await.is_ok(),
        Err(error) => {
            tracing::debug!(%error, "cannot look at the entry yet");
            return false;
        }
    };
    if engine.directory().standing(&entry) == Standing::Active {
        let event = Event::Recovered(Recovery::Active(Some(entry.stamp)));
        return act(engine, id, event).await.is_ok();
    }
    let changed = entry.first("pwdChangedTime");
    if changed.is_some() && changed != attempt.password_changed.as_deref() {
        return finish(engine, id, &entry, &dossier.enrolment).await;
    }
    act(engine, id, Event::Recovered(Recovery::NotDone)).await.is_ok()
}

/// The password is ours already (two operations were needed): the rest, from the stored choices.
async fn finish(engine: &Engine, id: PersonId, entry: &Entry, enrolment: &Enrolment) -> bool {
    let settings = engine.settings();
    let plan = match plan(&settings, entry, enrolment) {
        Ok(plan) => plan,
        Err(why) => {
            tracing::error!(login = %enrolment.profile.login, %why, "failed to compute what activation writes");
            return act(engine, id, Event::Written(WriteOutcome::NotDone(why))).await.is_ok();
        }
    };
    match engine.directory().finish(&plan).await {
        Ok(applied) => act(engine, id, Event::Written(WriteOutcome::Applied(applied.stamp))).await.is_ok(),
        Err(error) => {
            tracing::warn!(login = %enrolment.profile.login, %error, "cannot finish the activation yet");
            false
        }
    }
}

/// What the directory says of the entry now, after somebody else changed it.
pub async fn look_again(engine: &Engine, id: PersonId) {
    let event = match read_sighting(engine, id).await {
        Ok(event) => event,
        Err(error) => {
            tracing::debug!(%error, "cannot look at the entry; the watch will");
            return;
        }
    };
    if let Err(failure) = act(engine, id, event).await {
        tracing::warn!(%failure, "failed to take in what the directory says");
    }
}

/// What reading the entry now amounts to.
pub async fn read_sighting(engine: &Engine, id: PersonId) -> Result<Event, DirectoryError> {
    let directory = engine.directory();
    let entry = directory.read(EntryUuid(id.0)).await?;
    Ok(match entry {
        Some(entry) => Event::Sighted(sighting(&engine.settings(), &directory, &entry, false)),
        None => Event::Gone,
    })
}

async fn settle(engine: &Engine, id: PersonId, outcome: WriteOutcome, told: Activated) -> Activated {
    match settle_event(engine, id, Event::Written(outcome)).await {
        Ok(_) => told,
        Err(failure) => Activated::Failed(failure),
    }
}

/// The directory has answered: the outcome must be kept, whatever the store does meanwhile. If it cannot be, the
/// entry will say it at the next start.
async fn settle_event(engine: &Engine, id: PersonId, event: Event) -> Result<Acted, Failure> {
    for _ in 0..20 {
        match act(engine, id, event.clone()).await {
            Err(Failure::Store(_) | Failure::Contended) => {
                tokio::time::sleep(Duration::from_millis(100)).await
            }
            settled => return settled,
        }
    }
    act(engine, id, event).await
}

fn done(acted: Result<Acted, Failure>) -> Activated {
    match acted {
        Ok(acted) => Activated::Done(Box::new(acted.enrolment)),
        Err(failure) => Activated::Failed(failure),
    }
}

async fn act(engine: &Engine, id: PersonId, event: Event) -> Result<Acted, Failure> {
    engine.act(Ask::new(id, Actor::Directory, event)).await
}

/// What to write for what this person chose.
pub fn plan(settings: &Settings, entry: &Entry, enrolment: &Enrolment) -> Result<Plan, String> {
    let answers = enrolment.answers().ok_or("there are no answers yet")?;
    let mailbox = enrolment.population(&settings.policy).is_some_and(|people| people.mailbox);
    let chosen = chosen(settings, &enrolment.profile.login, answers, mailbox)?;
    settings.mapping.plan(entry, &chosen).map_err(|error| error.to_string())
}

fn chosen(settings: &Settings, login: &str, answers: &Answers, mailbox: bool) -> Result<Chosen, String> {
    let charter = answers.charter.as_ref().ok_or("the charter was not accepted")?;
    let now = clock::now();
    let generalized = |at: Timestamp| at.strftime("%Y%m%d%H%M%SZ").to_string();
    Ok(Chosen {
        login: login.to_owned(),
        recovery_address: answers.recovery.clone(),
        listed: answers.listed.ok_or("whether to be listed was not chosen")?,
        mailbox,
        forward: answers.confirmed_forward().map(str::to_owned),
        keep_copy: answers.mail.as_ref().is_some_and(|mail| mail.keep_copy),
        charter: Charter {
            version: charter.version.clone(),
            sha256: charter.sha256.clone(),
            locale: charter.locale.clone(),
            at: generalized(charter.at),
        },
        today: now.to_zoned(settings.policy.zone.clone()).strftime("%Y%m%d").to_string(),
        now: generalized(now),
    })
}

fn rule(fault: &Refused) -> PasswordFault {
    match fault {
        Refused::TooShort => PasswordFault::TooShort,
        Refused::TooSimple => PasswordFault::TooSimple,
        Refused::Reused => PasswordFault::Reused,
        Refused::Refused(_) => PasswordFault::Refused,
    }
}

/// At start: every enrolment that was being written when the daemon stopped.
pub fn resume(engine: &Arc<Engine>) -> Result<(), Failure> {
    let mut from = b"i".to_vec();
    loop {
        let page = engine.store.scan(&from, b"j", 256)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = last.iter().copied().chain([0]).collect();
        for id in page.iter().filter_map(|(key, _)| key::person(key)) {
            if matches!(engine.dossier(id)?, Some(dossier) if matches!(dossier.enrolment.stage, Stage::Activating { .. }))
            {
                tokio::spawn(resolve(engine.clone(), id));
            }
        }
    }
}
