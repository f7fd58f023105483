//! The engine: load, decide, commit. The one way in which anything changes.
//!
//! A request, an outcome or a sighting comes in; the person's dossier is loaded; the rules decide; the new state, its
//! mails and its audit records are committed in one transaction; only then is anybody answered. Workers carry out
//! what was committed, and their outcomes come in here again.

mod activation;
mod doubt;
pub mod fuse;
pub mod keys;
pub mod limits;
mod memo;
pub mod night;
pub mod ordered;
pub mod outbox;
mod pace;
mod people;
pub mod returned;
mod tanks;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub mod trial;
mod watching;

pub use activation::{Activated, activate, attempt, look_again, resume};
pub use people::{locale, person, sighting};
pub use watching::follow;

use crate::audit;
use crate::config::Settings;
use crate::directory::Directory;
use crate::dossier::{Actor, Dossier, Unreadable, key, press};
use crate::service::{chance, clock};
use crate::store::{Check, Commit, Store, StoreError, Write};
use jiff::Timestamp;
use keys::Keys;
use limits::Counted;
use memo::Memo;
use parvis_enrolment::{
    Answer, Effect, Enrolment, Event, Fact, MailKind, MailOrder, Moment, PersonId, Refusal, Stage, decide,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tanks::Tanks;
use tokio::sync::watch;

/// How often a commit is tried again when somebody else was faster.
const TRIES: usize = 32;

/// Everything that a change needs.
pub struct Engine {
    pub store: Arc<dyn Store>,
    pub keys: Keys,
    settings: RwLock<Arc<Settings>>,
    directory: RwLock<Directory>,
    waiting: Mutex<HashMap<PersonId, watch::Sender<u64>>>,
    tanks: Tanks,
    memo: Memo,
    /// The mails that were put into the outbox just now.
    pub mail: ordered::Ordered,
    /// What was seen of the last mails.
    pub fuse: fuse::Fuse,
    /// When mails leave that nobody asked for.
    pace: pace::Pace,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The rules say no.
    #[error("refused")]
    Refused(Refusal),
    /// The enrolment is over, and it was asked only of one that is not.
    #[error("the enrolment is over")]
    Over,
    /// The store cannot: try again later.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record is not what it should be.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Others were faster, again and again.
    #[error("too many changes of the same record at once")]
    Contended,
}

/// What was asked of one enrolment.
pub struct Ask {
    pub person: PersonId,
    /// In this order; where one is refused, those before it stand.
    pub events: Vec<Event>,
    pub by: Actor,
    /// The language of the page, for the mails that follow.
    pub locale: Option<String>,
    /// What this attempt counts towards.
    pub counted: Vec<Counted>,
    /// Written with it: the outbox entry that an outcome settles.
    pub extra: Vec<Write>,
    /// Nothing is decided where the enrolment is over: what is asked may be old news. It is seen in the same record that would
    /// be decided on, which may be younger than one that was read before.
    pub unless_over: bool,
}

/// What came of it.
pub struct Acted {
    dossier: Arc<Dossier>,
    pub answer: Answer,
}

impl Acted {
    /// The enrolment as it is now.
    pub fn enrolment(&self) -> &Enrolment {
        &self.dossier.enrolment
    }

    /// The dossier that holds it.
    pub fn dossier(self) -> Arc<Dossier> {
        self.dossier
    }
}

impl Ask {
    /// Something that is not counted.
    pub fn new(person: PersonId, by: Actor, event: Event) -> Self {
        Self::of(person, by, vec![event])
    }

    /// Several events, one after the other.
    pub fn of(person: PersonId, by: Actor, events: Vec<Event>) -> Self {
        let (counted, extra) = (Vec::new(), Vec::new());
        Self { person, events, by, locale: None, counted, extra, unless_over: false }
    }
}

impl Engine {
    pub fn new(store: Arc<dyn Store>, settings: Arc<Settings>, directory: Directory) -> Self {
        Self {
            store,
            keys: Keys::derive(&settings.key),
            settings: RwLock::new(settings),
            directory: RwLock::new(directory),
            waiting: Mutex::default(),
            tanks: Tanks::default(),
            memo: Memo::default(),
            mail: ordered::Ordered::default(),
            fuse: fuse::Fuse::default(),
            pace: pace::Pace::default(),
        }
    }

    /// The configuration in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The directory's handle.
    pub fn directory(&self) -> Directory {
        self.directory.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the configuration, after SIGHUP.
    pub fn reload(&self, settings: Arc<Settings>) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// A person's dossier; `None` where nothing is known of them.
    pub fn dossier(&self, person: PersonId) -> Result<Option<Arc<Dossier>>, Failure> {
        let held = self.store.get(&key::dossier(person))?;
        Ok(held.map(|held| self.memo.decode(person, &held.value)).transpose()?)
    }

    /// Everybody whose enrolment is open.
    pub fn open(&self) -> Result<Vec<PersonId>, StoreError> {
        let (mut open, mut from) = (Vec::new(), b"i".to_vec());
        loop {
            let page = self.store.scan(&from, b"j", 256)?;
            let Some((last, _)) = page.last() else { return Ok(open) };
            from = outbox::after(last);
            open.extend(page.iter().filter_map(|(key, _)| key::person(key)));
        }
    }

    /// Load, decide, commit: again and again until nobody else was faster.
    pub async fn act(&self, ask: Ask) -> Result<Acted, Failure> {
        let settings = self.settings();
        let mut attempt = self.tanks.attempt(self.store.as_ref(), &ask.counted, clock::now())?;
        for _ in 0..TRIES {
            let now = clock::now();
            let held = self.store.get(&key::dossier(ask.person))?;
            let version = held.as_ref().map(|held| held.version);
            let before = match held {
                Some(held) => self.memo.decode(ask.person, &held.value)?,
                None => Arc::new(Dossier::unseen(ask.person, chance::id(), now)),
            };
            if ask.unless_over && matches!(before.enrolment.stage, Stage::Done { .. }) {
                return Err(Failure::Over);
            }
            let mut draft = Draft::new(before, ask.by.clone(), ask.locale.clone(), now);
            let decided = draft.run(&ask.events, &settings, attempt.wait());
            draft.order(|order| self.leaves(&settings, order, now));
            let (commit, written) = draft.commit(version, &ask.extra);
            let mailed = std::mem::take(&mut draft.mails);
            // A request that changes nothing and is not refused is no attempt: it is given back.
            let attempted = !commit.writes.is_empty() || (decided.is_err() && attempt.counts());
            if attempted && !attempt.commit(self.store.as_ref(), commit).await? {
                continue;
            }
            // Whom only the directory speaks of is nobody at the steps.
            if let Some(written) = written.filter(|_| ask.by != Actor::Directory) {
                self.memo.keep(ask.person, written, draft.dossier.clone());
            }
            self.mail.tell(mailed);
            if draft.changes_enrolment() {
                self.tell(ask.person);
            }
            let answer = decided.map_err(Failure::Refused)?;
            return Ok(Acted { dossier: draft.dossier, answer });
        }
        Err(Failure::Contended)
    }

    /// When a mail that was ordered now leaves: at once where somebody waits for it or was counted for it, else as the
    /// limits have room.
    fn leaves(&self, settings: &Settings, order: &MailOrder, now: Timestamp) -> Timestamp {
        let wait = match order.kind {
            MailKind::Link | MailKind::Forward | MailKind::Reminder => return now,
            MailKind::Invitation | MailKind::Activated | MailKind::PasswordChanged => {
                self.pace.wait(&limits::of_mail(&self.keys, &settings.rates, &order.to))
            }
        };
        outbox::not_after_its_end(now.checked_add(wait).unwrap_or(Timestamp::MAX), order.deadline, now)
    }

    /// A receiver that changes whenever the person's enrolment does.
    pub fn changes(&self, person: PersonId) -> watch::Receiver<u64> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, sender| sender.receiver_count() > 0);
        waiting.entry(person).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    fn tell(&self, person: PersonId) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.get(&person) {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// How long to wait where one of these limits is reached already. Nothing is counted.
    pub fn exhausted(&self, counted: &[Counted]) -> Result<Option<jiff::SignedDuration>, Failure> {
        let attempt = self.tanks.attempt(self.store.as_ref(), counted, clock::now())?;
        Ok(attempt.wait())
    }

    /// Counts an attempt that is about no enrolment (an unknown login, a forged link); how long to wait if too many.
    pub async fn count(&self, counted: &[Counted]) -> Result<Option<jiff::SignedDuration>, Failure> {
        let mut attempt = self.tanks.attempt(self.store.as_ref(), counted, clock::now())?;
        if attempt.counts() {
            attempt.commit(self.store.as_ref(), Commit::default()).await?;
        }
        Ok(attempt.wait())
    }
}

/// A change in the making: the dossier before and after (the same one until something changes), and what goes with it.
struct Draft {
    before: Arc<Dossier>,
    dossier: Arc<Dossier>,
    by: Actor,
    locale: Option<String>,
    now: jiff::Timestamp,
    records: Vec<Vec<u8>>,
    writes: Vec<Write>,
    ordered: Vec<MailOrder>,
    /// Under which keys mails were ordered.
    mails: Vec<Vec<u8>>,
}

impl Draft {
    fn new(before: Arc<Dossier>, by: Actor, locale: Option<String>, now: jiff::Timestamp) -> Self {
        let dossier = Arc::clone(&before);
        let (records, writes, ordered, mails) = <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
        Self { before, dossier, by, locale, now, records, writes, ordered, mails }
    }

    /// Lets the rules decide on one event after the other, until one is refused.
    fn run(
        &mut self,
        events: &[Event],
        settings: &Settings,
        wait: Option<jiff::SignedDuration>,
    ) -> Result<Answer, Refusal> {
        let mut answer = Answer::State;
        for event in events {
            let moment = Moment { now: self.now, fresh: chance::ids(), wait };
            let decision = decide(&self.dossier.enrolment, event.clone(), &settings.policy, &moment)?;
            if self.dossier.enrolment != decision.enrolment {
                Arc::make_mut(&mut self.dossier).enrolment = decision.enrolment;
            }
            answer = decision.answer;
            for effect in decision.effects {
                self.effect(effect);
            }
        }
        Ok(answer)
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Mail(order) => self.ordered.push(order),
            Effect::Record(fact) => {
                if fact.what == "drift" {
                    let login = &self.dossier.enrolment.profile.login;
                    tracing::warn!(%login, "this person's entry was rolled back: provisional, and older than the activation");
                }
                self.record(fact);
            }
        }
    }

    /// Puts what was ordered into the outbox, each to leave when `leaves` says.
    fn order(&mut self, leaves: impl Fn(&MailOrder) -> Timestamp) {
        let person = self.dossier.enrolment.person;
        for order in std::mem::take(&mut self.ordered) {
            let at = leaves(&order);
            self.mails.push(key::mail(at, order.mail));
            let waiting = outbox::Waiting::new(person, order, self.locale.clone(), self.now);
            self.writes.push(outbox::put(&waiting, at));
        }
    }

    /// A fact in the dossier, and its digest in the chain.
    fn record(&mut self, fact: Fact) {
        let (person, salt) = (self.dossier.enrolment.person, self.dossier.salt);
        let kept = Arc::make_mut(&mut self.dossier).keep(fact, self.by.clone(), self.now);
        let record = audit::Record {
            at: self.now,
            subject: audit::subject(salt, person),
            n: kept.n,
            digest: audit::digest(salt, &audit::fact_text(&kept)),
            what: kept.fact.what,
        };
        self.records.push(record.encode());
    }

    fn changes_enrolment(&self) -> bool {
        !Arc::ptr_eq(&self.dossier, &self.before) && self.dossier.enrolment != self.before.enrolment
    }

    /// Everything in one commit, and the record's bytes where it has any; nothing to write where nothing changed.
    fn commit(
        &mut self,
        version: Option<crate::store::Version>,
        extra: &[Write],
    ) -> (Commit, Option<Vec<u8>>) {
        let person = self.dossier.enrolment.person;
        let mut writes = std::mem::take(&mut self.writes);
        let mut written = None;
        if !Arc::ptr_eq(&self.dossier, &self.before) {
            let mut text = self.dossier.text();
            if let Some(trimmed) = Arc::make_mut(&mut self.dossier).trim(text.len()) {
                self.record(trimmed);
                text = self.dossier.text();
            }
            let record = press(&text);
            if self.before.next == 0 && self.dossier.next > 0 {
                // The first record under this salt: from here on the audit can be led back to the person.
                let subject = audit::subject(self.dossier.salt, person);
                writes.push(Write::Put { key: key::subject(subject), value: person.0.to_vec() });
            }
            writes.push(Write::Put { key: key::dossier(person), value: record.clone() });
            written = Some(record);
            let (was, is) = (self.before.enrolment.open(), self.dossier.enrolment.open());
            if is && !was {
                writes.push(Write::Put { key: key::open(person), value: Vec::new() });
            } else if was && !is {
                writes.push(Write::Delete { key: key::open(person) });
            }
        }
        writes.extend(extra.iter().cloned());
        let checks = vec![Check { key: key::dossier(person), expect: version }];
        (Commit { checks, writes, records: std::mem::take(&mut self.records) }, written)
    }
}
