//! Step 9: one write to the directory, and what is done when its outcome is not known.
//!
//! The enrolment is `activating` before the directory is asked, and the entry says afterwards whether it happened.
//! The password is in this task's memory only.

use super::people::{person, sighting};
use super::{Acted, Ask, Engine, Failure};
use crate::config::Settings;
use crate::directory::{
    ApplyError, Charter, Chosen, DirectoryError, Entry, EntryUuid, PasswordFault as Refused, PasswordWrite,
    Plan, Standing,
};
use crate::dossier::{Actor, Dossier};
use crate::service::clock;
use crate::words::generalized;
use jiff::{SignedDuration, Timestamp};
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
    Done(Arc<Dossier>),
    /// Another password, please.
    PasswordRefused(PasswordFault),
    /// The directory cannot now; nothing was written.
    Unavailable,
    /// It may have been written: the daemon finds out by itself.
    Pending,
    /// The directory will not, and will not tomorrow either: the configuration, here or there, is wrong.
    Misconfigured(String),
    /// The daemon could not keep the outcome.
    Failed(Failure),
}

/// The directory's clock and ours may differ by so much.
const SAME_WRITE: SignedDuration = SignedDuration::from_mins(5);
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
    dossier: Arc<Dossier>,
    password: SecretString,
) -> Activated {
    let enrolment = &dossier.enrolment;
    let settings = engine.settings();
    let id = person(&entry);
    let plan = match plan(&settings, &entry, enrolment) {
        Ok(plan) => plan,
        Err(why) => {
            let told = Activated::Misconfigured(why.clone());
            return settle(&engine, id, WriteOutcome::NotDone(why), told).await;
        }
    };
    let result = engine.directory().apply(&plan, &password).await;
    drop(password);
    match result {
        Ok(applied) => {
            done(settle_event(&engine, id, Event::Written(WriteOutcome::Applied(applied.stamp))).await)
        }
        Err(ApplyError::Password(fault)) => {
            tracing::info!(login = %enrolment.profile.login, %fault, "the directory refuses a new password");
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
        Err(error @ ApplyError::Refused { .. }) => {
            let why = error.to_string();
            settle(&engine, id, WriteOutcome::NotDone(why.clone()), Activated::Misconfigured(why)).await
        }
        Err(error @ ApplyError::Unavailable(_)) => {
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
    match engine.directory().standing(&entry) {
        Standing::Active => {
            let event = Event::Recovered(Recovery::Active(Some(entry.stamp)));
            return act(engine, id, event).await.is_ok();
        }
        Standing::Provisional => {}
        // Locked or otherwise changed by somebody else: our write, if any, will be refused.
        Standing::Locked | Standing::Unknown => {
            let known = act(engine, id, Event::Recovered(Recovery::NotDone)).await.is_ok();
            look_again(engine, id).await;
            return known;
        }
    }
    if engine.directory().password_write() == PasswordWrite::Extended {
        if ours(&entry, attempt) {
            return finish(engine, id, &entry, &dossier.enrolment).await;
        }
        // RFC 3062 has no assertion: a write that is still on its way could overwrite the password of the next try.
        let timeout = engine.settings().directory.timeouts.operation * 4;
        let age = clock::now().duration_since(attempt.at);
        if Duration::try_from(age).is_ok_and(|age| age < timeout) {
            return false;
        }
    }
    act(engine, id, Event::Recovered(Recovery::NotDone)).await.is_ok()
}

/// Whether the password was changed by our own first operation, and not by the help desk or long after.
fn ours(entry: &Entry, attempt: &Attempt) -> bool {
    let changed =
        entry.first("pwdChangedTime").filter(|now| Some(*now) != attempt.password_changed.as_deref());
    let at = changed.and_then(|text| jiff::fmt::strtime::parse("%Y%m%d%H%M%S", text.get(..14)?).ok());
    let at = at.and_then(|parsed| parsed.to_datetime().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok());
    at.is_some_and(|at| at.timestamp().duration_since(attempt.at).abs() < SAME_WRITE)
}

/// The password is ours already (two operations were needed): the rest, from the stored choices.
async fn finish(engine: &Engine, id: PersonId, entry: &Entry, enrolment: &Enrolment) -> bool {
    let settings = engine.settings();
    let plan = match plan(&settings, entry, enrolment) {
        Ok(plan) => plan,
        Err(why) => {
            // The password is changed already: it waits for the configuration to be mended.
            tracing::error!(login = %enrolment.profile.login, %why, "failed to compute what activation writes");
            return false;
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

async fn settle(engine: &Arc<Engine>, id: PersonId, outcome: WriteOutcome, told: Activated) -> Activated {
    match settle_event(engine, id, Event::Written(outcome)).await {
        Ok(_) => told,
        Err(failure) => Activated::Failed(failure),
    }
}

/// The directory has answered: the outcome must be kept, whatever the store does meanwhile. If it cannot be, the
/// entry says it, as after a crash.
async fn settle_event(engine: &Arc<Engine>, id: PersonId, event: Event) -> Result<Acted, Failure> {
    for _ in 0..20 {
        match act(engine, id, event.clone()).await {
            Err(Failure::Store(_) | Failure::Contended) => {
                tokio::time::sleep(Duration::from_millis(100)).await
            }
            settled => return settled,
        }
    }
    let last = act(engine, id, event).await;
    if last.is_err() {
        tokio::spawn(resolve(engine.clone(), id));
    }
    last
}

fn done(acted: Result<Acted, Failure>) -> Activated {
    match acted {
        Ok(acted) => Activated::Done(acted.dossier()),
        Err(failure) => Activated::Failed(failure),
    }
}

async fn act(engine: &Engine, id: PersonId, event: Event) -> Result<Acted, Failure> {
    engine.act(Ask::new(id, Actor::Directory, event)).await
}

/// What to write for what this person chose.
pub fn plan(settings: &Settings, entry: &Entry, enrolment: &Enrolment) -> Result<Plan, String> {
    let answers = enrolment.answers().ok_or("there are no answers yet")?;
    let people = enrolment.population(&settings.policy).ok_or("the person's population is not configured")?;
    let chosen = chosen(settings, &enrolment.profile.login, answers, people.mailbox)?;
    settings.mapping.plan(entry, &chosen).map_err(|error| error.to_string())
}

fn chosen(settings: &Settings, login: &str, answers: &Answers, mailbox: bool) -> Result<Chosen, String> {
    let charter = answers.charter.as_ref().ok_or("the charter was not accepted")?;
    let now = clock::now();
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
pub async fn resume(engine: Arc<Engine>) {
    let interrupted = loop {
        match interrupted(&engine) {
            Ok(people) => break people,
            Err(failure) => {
                tracing::error!(%failure, "failed to look for activations that were interrupted; it is tried again");
                tokio::time::sleep(LOOKS.1).await;
            }
        }
    };
    for person in interrupted {
        tokio::spawn(resolve(engine.clone(), person));
    }
}

pub(super) fn interrupted(engine: &Engine) -> Result<Vec<PersonId>, Failure> {
    let mut people = Vec::new();
    for id in engine.open()? {
        match engine.dossier(id) {
            Ok(Some(dossier)) if matches!(dossier.enrolment.stage, Stage::Activating { .. }) => {
                people.push(id)
            }
            Ok(_) => {}
            // It holds nobody else up.
            Err(Failure::Unreadable(why)) => {
                tracing::error!(person = %id, %why, "a record cannot be read: whether it was being activated is not known");
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(people)
}
