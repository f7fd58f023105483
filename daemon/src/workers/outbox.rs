//! The outbox's worker: it takes the mails that are due, and sends each until it is done, overtaken or too late.
//!
//! Nothing is taken out before its outcome is committed. A crash between the server's "250" and that commit is the only
//! way to send a mail twice, and then it is the same message with the same Message-ID.

use super::post::{Post, Unwritten, relay};
use super::turns::{Turn, Turns};
use crate::config::Settings;
use crate::dossier::Actor;
use crate::engine::outbox::{self, Due, Errand};
use crate::engine::{Ask, Engine, Failure};
use crate::mail::{Connection, SendError};
use crate::service::health::{Board, State};
use crate::service::{chance, clock};
use crate::store::{Commit, StoreError, Write};
use jiff::{SignedDuration, Timestamp};
use parvis_enrolment::event::MailOutcome;
use parvis_enrolment::{Event, Wanted, wanted};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// For each connection, so many mails are composed, sent or settled at once.
const AHEAD: usize = 4;
/// When the mail server takes nothing at all, it is asked again after this.
const HELD: Duration = Duration::from_secs(30);
/// A mail whose outcome cannot be kept at all is left alone for so long: it may have been sent.
const UNKEPT: Duration = Duration::from_secs(3600);

const TOO_LATE: &str = "its deadline has passed";

/// What the senders share.
pub struct Outbox {
    engine: Arc<Engine>,
    board: Arc<Board>,
    post: RwLock<Arc<Post>>,
    /// Kept open, with the configuration under which they were made.
    connections: Mutex<Vec<(Arc<Settings>, Connection)>>,
    turns: Arc<Turns>,
    /// One permit a connection that may be open.
    lines: Semaphore,
    held_until: Mutex<Option<Instant>>,
}

/// What became of one try.
#[derive(Debug, PartialEq, Eq)]
enum Tried {
    Sent,
    /// Not to this address, ever: its person is asked for another.
    Refused(String),
    /// The same, because of what the message is or whom it comes from: somebody should look, too.
    Disliked(String),
    Later(String),
    /// Nothing that the person could mend, and worth saying at once: a server that does not answer, a template that
    /// cannot be rendered. Tried again until its deadline.
    Trouble(String),
    /// Nothing can be sent now, whatever the mail.
    Held(String),
}

impl Outbox {
    pub fn new(engine: Arc<Engine>, board: Arc<Board>, post: Post) -> Self {
        let lines = Semaphore::new(engine.settings().mail.connections);
        Self {
            lines,
            engine,
            board,
            post: RwLock::new(Arc::new(post)),
            connections: Mutex::default(),
            turns: Arc::default(),
            held_until: Mutex::default(),
        }
    }

    /// The settings have changed: other templates from now on, no connection that was made before, and no waiting for a
    /// server that took nothing or refused too much, which may be another now.
    pub fn replace(&self, post: Post) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.post.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(post);
        *self.held_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.engine.fuse.replace();
        self.engine.mail.notify_one();
    }

    fn post(&self) -> Arc<Post> {
        self.post.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sends what is due, for as long as the daemon lives. When `stop` is rung, takes nothing more and waits for what is
/// under way.
pub async fn deliver(outbox: Arc<Outbox>, stop: Arc<Notify>) {
    let places = Arc::new(Semaphore::new(outbox.engine.settings().mail.connections * AHEAD));
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
            () = outbox.turns.finished.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.notified() => break,
        }
    }
    let all = u32::try_from(outbox.engine.settings().mail.connections * AHEAD).unwrap_or(1);
    let _ = tokio::time::timeout(Duration::from_secs(20), places.acquire_many(all)).await;
}

/// Starts what is due, as far as there are places; how long until the next is.
async fn round(outbox: &Arc<Outbox>, places: &Arc<Semaphore>) -> Result<Duration, StoreError> {
    if let Some(left) = outbox.held() {
        return Ok(left);
    }
    let (now, mail) = (clock::now(), &outbox.engine.settings().mail);
    let look_again = outbox.turns.look_again();
    // The end of a turn calls again.
    let free = places.available_permits();
    if free == 0 {
        return Ok(Duration::from_secs(60));
    }
    let farthest = mail.retry_longest.saturating_add(mail.retry_longest / 4);
    let (store, taken) = (outbox.engine.store.as_ref(), |key: &[u8]| outbox.turns.taken(key));
    let (ready, next) = outbox::due(store, now, farthest, free, taken)?;
    for due in ready {
        let Ok(place) = places.clone().try_acquire_owned() else { break };
        let Some(turn) = outbox.turns.begin(&due.key) else { continue };
        let outbox = outbox.clone();
        tokio::spawn(async move {
            // Dropped in the other order: the place is free when the turn's end is told.
            let turn = turn;
            let _place = place;
            send(&outbox, &due, &turn).await;
        });
    }
    let next = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
    Ok([next, look_again].into_iter().flatten().fold(Duration::from_secs(60), Duration::min))
}

/// One mail: still wanted? built, sent, its outcome committed.
async fn send(outbox: &Outbox, due: &Due, turn: &Turn) {
    let line = outbox.lines.acquire().await;
    let waiting = &due.waiting;
    let now = clock::now();
    // The page that it was found in may be older than the commit that settled it; nobody else sends it now.
    match outbox.engine.store.get(&due.key) {
        Ok(Some(_)) => {}
        Ok(None) => return,
        Err(error) => return tracing::warn!(%error, "cannot look at a mail now"),
    }
    let composed = match &waiting.errand {
        Errand::Person { person, order, locale } => {
            let dossier = match outbox.engine.dossier(*person) {
                Ok(dossier) => dossier,
                Err(error) => {
                    tracing::error!(%error, mail = %order.mail, "failed to look at a mail's person");
                    if now > order.deadline {
                        return drop_it(outbox, due, turn, TOO_LATE).await;
                    }
                    return turn.put_off();
                }
            };
            let Some(dossier) = dossier else {
                return drop_it(outbox, due, turn, "its person is no longer known").await;
            };
            match wanted(&dossier.enrolment, order, now) {
                Wanted::Yes => {}
                Wanted::Overtaken => return drop_it(outbox, due, turn, "it was overtaken").await,
                Wanted::TooLate => return drop_it(outbox, due, turn, TOO_LATE).await,
            }
            let page = locale.as_deref();
            outbox.post().compose(&outbox.engine, (&dossier.enrolment, order, page), waiting.ordered)
        }
        Errand::Report(report) if now > report.deadline => {
            return drop_it(outbox, due, turn, TOO_LATE).await;
        }
        Errand::Report(report) => outbox.post().report(&outbox.engine, report, waiting.ordered),
    };
    let composed = match composed {
        Ok(composed) => composed,
        Err(unwritten) => {
            tracing::error!(mail = %waiting.mail(), %unwritten, "failed to write a mail");
            return settle(outbox, due, turn, unwritten.into()).await;
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
            result.map_or_else(Tried::from, |_| Tried::Sent)
        }
        Err(error) => error.into(),
    };
    // While the outcome is being kept, the next mail is on its way.
    drop(line);
    settle(outbox, due, turn, tried).await;
}

impl From<SendError> for Tried {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Permanent { address_fault: true, words, .. } => Self::Refused(words),
            // To try it again would cost the sender's good name, and another address may have another server.
            SendError::Permanent { address_fault: false, words, .. } => Self::Disliked(words),
            SendError::Transient { code: None, words } => Self::Trouble(words),
            SendError::Transient { words, .. } | SendError::MaybeSent { words } => Self::Later(words),
            SendError::Configuration { words, .. } => Self::Held(words),
        }
    }
}

impl From<Unwritten> for Tried {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Address(_) => Self::Refused(unwritten.to_string()),
            Unwritten::Ours(_) => Self::Trouble(unwritten.to_string()),
        }
    }
}

/// Commits what became of a try, with the outbox entry gone or due later.
async fn settle(outbox: &Outbox, due: &Due, turn: &Turn, tried: Tried) {
    let mail = due.waiting.mail();
    let gone = outbox::settle(due);
    if let Tried::Disliked(why) = &tried {
        outbox.board.set("mail", State::Degraded, why);
    }
    let (outcome, extra) = match tried {
        Tried::Sent => {
            outbox.board.set("mail", State::Working, "the mail server takes our mails");
            outbox.engine.fuse.note(false);
            (Some(MailOutcome::Sent), vec![gone])
        }
        Tried::Refused(why) | Tried::Disliked(why) => {
            tracing::warn!(%mail, %why, "a mail was refused for good");
            refused(&outbox.engine, &outbox.board, &why);
            (Some(MailOutcome::Refused(why)), vec![gone])
        }
        Tried::Later(why) => {
            if due.waiting.tries >= 2 {
                outbox.board.set("mail", State::Degraded, &why);
            }
            later(outbox, due, why)
        }
        Tried::Trouble(why) => {
            outbox.board.set("mail", State::Degraded, &why);
            later(outbox, due, why)
        }
        Tried::Held(why) => {
            outbox.board.set("mail", State::Down, &why);
            outbox.hold();
            (None, Vec::new())
        }
    };
    keep(outbox, due, turn, outcome, extra).await;
}

/// Notes that a mail was refused for good, by whomever; where that is one of too many, mail is paused, and everybody who
/// asks how it is going is told.
pub fn refused(engine: &Engine, board: &Board, why: &str) {
    let Some(blown) = engine.fuse.note(true) else { return };
    let minutes = blown.pause.as_secs() / 60;
    let detail = format!(
        "{} of the last {} mails were refused for good, the last with: {why}. Nothing is sent for {minutes} minutes, so as \
         not to ruin the sender's name; to go on at once: systemctl reload parvisd",
        blown.refused, blown.of
    );
    board.set("mail", State::Down, &detail);
}

/// The outcome to tell, once, and the mail due again.
fn later(outbox: &Outbox, due: &Due, why: String) -> (Option<MailOutcome>, Vec<Write>) {
    tracing::info!(mail = %due.waiting.mail(), %why, tries = due.waiting.tries + 1, "a mail will be tried again");
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
    let too_late = due.waiting.deadline().checked_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
    outbox::put(&waiting, at.min(too_late.max(clock::now())))
}

async fn drop_it(outbox: &Outbox, due: &Due, turn: &Turn, why: &str) {
    tracing::info!(mail = %due.waiting.mail(), %why, "a mail is not sent");
    write(outbox, due, turn, vec![outbox::settle(due)]).await;
}

/// Until the store has it: an outcome that is not kept would send the mail again.
async fn keep(outbox: &Outbox, due: &Due, turn: &Turn, outcome: Option<MailOutcome>, extra: Vec<Write>) {
    // Of a report, nobody's enrolment is told.
    let (Some(outcome), Errand::Person { person, .. }) = (outcome, &due.waiting.errand) else {
        return write(outbox, due, turn, extra).await;
    };
    let event = Event::Mailed(due.waiting.mail(), outcome);
    let mut wait = Duration::from_millis(50);
    loop {
        let mut ask = Ask::new(*person, Actor::Mail, event.clone());
        ask.extra.clone_from(&extra);
        match outbox.engine.act(ask).await {
            // What is refused is known already; the outbox was written with it.
            Ok(_) | Err(Failure::Refused(_)) => return,
            Err(failure) if passing(&failure) => {
                tracing::warn!(%failure, mail = %due.waiting.mail(), "a mail's outcome cannot be kept yet");
            }
            Err(failure) => {
                tracing::error!(%failure, mail = %due.waiting.mail(), "failed to keep a mail's outcome");
                return write(outbox, due, turn, extra).await;
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

/// The outbox alone, until the store has it; where it never will, the mail is left alone.
async fn write(outbox: &Outbox, due: &Due, turn: &Turn, writes: Vec<Write>) {
    let mut wait = Duration::from_millis(50);
    while !writes.is_empty() {
        match outbox.engine.store.commit(Commit { writes: writes.clone(), ..Commit::default() }).await {
            Ok(_) => return,
            Err(error) if error.lasting() => {
                tracing::error!(%error, mail = %due.waiting.mail(), "failed to write the outbox");
                return turn.put_off_for(UNKEPT);
            }
            Err(error) => {
                tracing::warn!(%error, mail = %due.waiting.mail(), "the outbox cannot be written yet");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

/// Whether the same may succeed later.
fn passing(failure: &Failure) -> bool {
    match failure {
        Failure::Store(error) => !error.lasting(),
        Failure::Contended => true,
        Failure::Refused(_) | Failure::Unreadable(_) => false,
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
        if Arc::ptr_eq(&settings, &self.engine.settings()) {
            self.connections.lock().unwrap_or_else(PoisonError::into_inner).push((settings, connection));
        }
    }

    fn hold(&self) {
        *self.held_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + HELD);
    }

    /// How long nothing is sent, because the mail server takes nothing, or refuses too much.
    fn held(&self) -> Option<Duration> {
        let until = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        let held = until.map(|until| until.saturating_duration_since(Instant::now()));
        held.filter(|left| !left.is_zero()).max(self.engine.fuse.left())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{AddressFault, ComposeError};

    /// What becomes of a mail after this fault.
    fn check(fault: impl Into<Tried>, expected: fn(String) -> Tried) {
        let words = "the words".to_owned();
        assert_eq!(fault.into(), expected(words));
    }

    #[test]
    fn a_refusal_for_good_is_final_and_our_own_troubles_are_not() {
        let permanent = |address_fault| SendError::Permanent {
            code: Some(554),
            enhanced: None,
            address_fault,
            words: "the words".to_owned(),
        };
        check(permanent(true), Tried::Refused);
        check(permanent(false), Tried::Disliked);
        assert!(matches!(Tried::from(Unwritten::Ours(String::new())), Tried::Trouble(_)));
        let unwritten = Unwritten::Address(ComposeError::Recipient(AddressFault::NoAt));
        assert!(matches!(Tried::from(unwritten), Tried::Refused(_)));
        check(SendError::Transient { code: Some(451), words: "the words".to_owned() }, Tried::Later);
        check(SendError::Transient { code: None, words: "the words".to_owned() }, Tried::Trouble);
        check(SendError::MaybeSent { words: "the words".to_owned() }, Tried::Later);
        check(SendError::Configuration { code: None, words: "the words".to_owned() }, Tried::Held);
    }
}
