//! The outbox's worker: it takes the mails that are due, and sends each until it is done, overtaken or too late.
//!
//! Nothing is taken out before its outcome is committed. A crash between the server's "250" and that commit is the only
//! way to send a mail twice, and then it is the same message with the same Message-ID.

use super::post::{Post, relay};
use crate::config::Settings;
use crate::dossier::Actor;
use crate::engine::outbox::{self, Due};
use crate::engine::{Ask, Engine, Failure};
use crate::mail::{Connection, SendError};
use crate::service::health::{Board, State};
use crate::service::{chance, clock};
use crate::store::Write;
use jiff::{SignedDuration, Timestamp};
use parvis_enrolment::event::MailOutcome;
use parvis_enrolment::{Event, Wanted, wanted};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// When the mail server takes nothing at all, it is asked again after this.
const HELD: Duration = Duration::from_secs(30);

/// What the senders share.
pub struct Outbox {
    engine: Arc<Engine>,
    board: Arc<Board>,
    post: RwLock<Arc<Post>>,
    /// Kept open, with the configuration under which they were made.
    connections: Mutex<Vec<(Arc<Settings>, Connection)>>,
    under_way: Mutex<HashSet<Vec<u8>>>,
    finished: Notify,
    held_until: Mutex<Option<Timestamp>>,
}

/// What became of one try.
enum Tried {
    Sent,
    Refused(String),
    Later(String),
    /// The mail server does not answer, whatever the mail; tried again.
    Silent(String),
    /// Nothing can be sent now, whatever the mail.
    Held(String),
}

impl Outbox {
    pub fn new(engine: Arc<Engine>, board: Arc<Board>, post: Post) -> Self {
        Self {
            engine,
            board,
            post: RwLock::new(Arc::new(post)),
            connections: Mutex::default(),
            under_way: Mutex::default(),
            finished: Notify::new(),
            held_until: Mutex::default(),
        }
    }

    /// Other templates from now on.
    pub fn replace(&self, post: Post) {
        *self.post.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(post);
    }

    fn post(&self) -> Arc<Post> {
        self.post.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sends what is due, for as long as the daemon lives. When `stop` is rung, takes nothing more and waits for what is
/// under way.
pub async fn deliver(outbox: Arc<Outbox>, stop: Arc<Notify>) {
    let places = Arc::new(Semaphore::new(outbox.engine.settings().mail.connections));
    loop {
        let pause = match round(&outbox, &places).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "cannot read the outbox now");
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            () = outbox.engine.mail.notified() => {}
            () = outbox.finished.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.notified() => break,
        }
    }
    let all = u32::try_from(outbox.engine.settings().mail.connections).unwrap_or(1);
    let _ = tokio::time::timeout(Duration::from_secs(20), places.acquire_many(all)).await;
}

/// Starts what is due, as far as there are places; how long until the next is.
async fn round(outbox: &Arc<Outbox>, places: &Arc<Semaphore>) -> Result<Duration, crate::store::StoreError> {
    let now = clock::now();
    if let Some(until) = outbox.held(now) {
        return Ok(until);
    }
    let mut next = Duration::from_secs(60);
    // Those under way stand first, and are no more than there are connections.
    let page = outbox.engine.settings().mail.connections * 2 + 1;
    for due in outbox::first(outbox.engine.store.as_ref(), page)? {
        if due.at > now {
            let wait = Duration::try_from(due.at.duration_since(now)).unwrap_or(next);
            next = next.min(wait);
            break;
        }
        if outbox.is_under_way(&due) {
            continue;
        }
        let Ok(place) = places.clone().try_acquire_owned() else { break };
        outbox.mark(&due);
        let outbox = outbox.clone();
        tokio::spawn(async move {
            send(&outbox, &due).await;
            outbox.unmark(&due);
            drop(place);
            outbox.finished.notify_one();
        });
    }
    Ok(next)
}

/// One mail: still wanted? built, sent, its outcome committed.
async fn send(outbox: &Outbox, due: &Due) {
    let waiting = &due.waiting;
    let now = clock::now();
    // The page that it was found in may be older than the commit that settled it; nobody else sends it now.
    match outbox.engine.store.get(&due.key) {
        Ok(Some(_)) => {}
        Ok(None) => return,
        Err(error) => return tracing::warn!(%error, "cannot look at a mail now"),
    }
    let dossier = match outbox.engine.dossier(waiting.person) {
        Ok(dossier) => dossier,
        Err(error) => {
            return tracing::error!(%error, mail = %waiting.order.mail, "failed to look at a mail's person");
        }
    };
    let Some(dossier) = dossier else {
        return drop_it(outbox, due, "its person is no longer known").await;
    };
    match wanted(&dossier.enrolment, &waiting.order, now) {
        Wanted::Yes => {}
        Wanted::Overtaken => return drop_it(outbox, due, "it was overtaken").await,
        Wanted::TooLate => return drop_it(outbox, due, "its deadline has passed").await,
    }
    let composed = match outbox.post().compose(&outbox.engine, waiting, &dossier.enrolment) {
        Ok(composed) => composed,
        Err(why) => {
            tracing::error!(mail = %waiting.order.mail, %why, "failed to write a mail");
            return settle(outbox, due, Tried::Refused(why)).await;
        }
    };
    let tried = match outbox.connection().await {
        Ok((settings, mut connection)) => {
            let result = connection.send(&composed).await;
            let good =
                !matches!(result, Err(SendError::MaybeSent { .. } | SendError::Transient { code: None, .. }));
            if good {
                outbox.give_back(settings, connection);
            }
            result.map_or_else(tried, |_| Tried::Sent)
        }
        Err(error) => tried(error),
    };
    settle(outbox, due, tried).await;
}

fn tried(error: SendError) -> Tried {
    match error {
        SendError::Permanent { words, .. } => Tried::Refused(words),
        SendError::Transient { code: None, words } => Tried::Silent(words),
        SendError::Transient { words, .. } | SendError::MaybeSent { words } => Tried::Later(words),
        SendError::Configuration { words, .. } => Tried::Held(words),
    }
}

/// Commits what became of a try, with the outbox entry gone or due later.
async fn settle(outbox: &Outbox, due: &Due, tried: Tried) {
    let mail = due.waiting.order.mail;
    let gone = outbox::settle(due);
    let (outcome, extra) = match tried {
        Tried::Sent => {
            outbox.board.set("mail", State::Working, "the mail server takes our mails");
            (Some(MailOutcome::Sent), vec![gone])
        }
        Tried::Refused(why) => {
            tracing::warn!(%mail, %why, "a mail was refused for good");
            (Some(MailOutcome::Refused(why)), vec![gone])
        }
        Tried::Later(why) => {
            if due.waiting.tries >= 2 {
                outbox.board.set("mail", State::Degraded, &why);
            }
            later(outbox, due, why)
        }
        Tried::Silent(why) => {
            outbox.board.set("mail", State::Degraded, &why);
            later(outbox, due, why)
        }
        Tried::Held(why) => {
            outbox.board.set("mail", State::Down, &why);
            outbox.hold(clock::now());
            (None, Vec::new())
        }
    };
    keep(outbox, due, outcome, extra).await;
}

/// The outcome to tell, once, and the mail due again.
fn later(outbox: &Outbox, due: &Due, why: String) -> (Option<MailOutcome>, Vec<Write>) {
    tracing::info!(mail = %due.waiting.order.mail, %why, tries = due.waiting.tries + 1, "a mail will be tried again");
    let told = (due.waiting.tries == 0).then_some(MailOutcome::Deferred(why));
    (told, vec![outbox::settle(due), again(outbox, due)])
}

/// The same mail, due later: twice as long as before, never exactly when the others are.
fn again(outbox: &Outbox, due: &Due) -> Write {
    let mail = &outbox.engine.settings().mail;
    let doubled = (0..due.waiting.tries.min(16)).fold(mail.retry_first, |wait, _| wait.saturating_mul(2));
    let wait = doubled.min(mail.retry_longest);
    let mut byte = [0; 1];
    chance::fill(&mut byte);
    let [chance] = byte;
    let jitter =
        SignedDuration::from_millis(i64::try_from(wait.as_millis()).unwrap_or(0) * i64::from(chance) / 1024);
    let mut waiting = due.waiting.clone();
    waiting.tries = waiting.tries.saturating_add(1);
    let at = clock::now().checked_add(wait + jitter).unwrap_or(Timestamp::MAX);
    // Not before: in the deadline's last second it could be tried again and again. What is due after it is dropped then.
    let too_late =
        due.waiting.order.deadline.checked_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
    outbox::put(&waiting, at.min(too_late.max(clock::now())))
}

async fn drop_it(outbox: &Outbox, due: &Due, why: &str) {
    tracing::info!(mail = %due.waiting.order.mail, %why, "a mail is not sent");
    keep(outbox, due, None, vec![outbox::settle(due)]).await;
}

/// Until the store has it: an outcome that is not kept would send the mail again.
async fn keep(outbox: &Outbox, due: &Due, outcome: Option<MailOutcome>, extra: Vec<Write>) {
    if outcome.is_none() && extra.is_empty() {
        return;
    }
    let events = outcome.map(|outcome| Event::Mailed(due.waiting.order.mail, outcome));
    let mut wait = Duration::from_millis(50);
    loop {
        let ask = Ask {
            person: due.waiting.person,
            events: Vec::from_iter(events.clone()),
            by: Actor::Mail,
            locale: None,
            counted: Vec::new(),
            extra: extra.clone(),
        };
        match outbox.engine.act(ask).await {
            Ok(_) => return,
            Err(failure @ (Failure::Store(_) | Failure::Contended)) => {
                tracing::warn!(%failure, mail = %due.waiting.order.mail, "a mail's outcome cannot be kept yet");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(5));
            }
            Err(failure) => return tracing::error!(%failure, "failed to keep a mail's outcome"),
        }
    }
}

impl Outbox {
    /// A kept connection, or a new one; none that was made under another configuration.
    async fn connection(&self) -> Result<(Arc<Settings>, Connection), SendError> {
        let settings = self.engine.settings();
        loop {
            let kept = self.connections.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((under, mut kept)) = kept else { break };
            if Arc::ptr_eq(&under, &settings) && kept.fit().await {
                return Ok((settings, kept));
            }
        }
        let relay = relay(&settings.mail)
            .map_err(|fault| SendError::Configuration { code: None, words: fault.to_string() })?;
        Ok((settings, relay.connect().await?))
    }

    fn give_back(&self, settings: Arc<Settings>, connection: Connection) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push((settings, connection));
    }

    fn is_under_way(&self, due: &Due) -> bool {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).contains(&due.key)
    }

    fn mark(&self, due: &Due) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(due.key.clone());
    }

    fn unmark(&self, due: &Due) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&due.key);
    }

    fn hold(&self, now: Timestamp) {
        let until = now.checked_add(SignedDuration::try_from(HELD).unwrap_or(SignedDuration::ZERO)).ok();
        *self.held_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// How long nothing is sent, because the mail server takes nothing.
    fn held(&self, now: Timestamp) -> Option<Duration> {
        let mut until = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.map(|until| until.duration_since(now)).filter(|left| left.is_positive());
        if left.is_none() {
            *until = None;
        }
        left.and_then(|left| Duration::try_from(left).ok())
    }
}
