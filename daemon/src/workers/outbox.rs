//! The outbox's worker: it takes the mails that are due, and sends each until it is done, overtaken or too late.
//!
//! Nothing is taken out before its outcome is committed. A mail is sent twice only where the server's "250" is not kept: it got
//! lost on the way, or we crashed before it was committed. Then it is the same message with the same Message-ID.

use super::lanes::{Heard, Rules};
use super::post::{Post, relay};
use super::queue::{Claim, Queue};
use super::settle::{Tried, settle};
use crate::config::Settings;
use crate::engine::Engine;
use crate::engine::outbox::{Due, Errand, get};
use crate::mail::{Composed, Connection, SendError};
use crate::service::clock;
use crate::service::health::{Board, State};
use crate::store::StoreError;
use parvis_enrolment::{Wanted, wanted};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// For so many connections, one mail more is written while they are busy: none of them waits for its next one.
const WRITTEN_AHEAD: usize = 4;
/// A message that waited longer than this for a connection is not what would be written now: its enrolment is looked at again.
const FRESH: Duration = Duration::from_millis(500);
/// For each connection, so many mails are sent or settled at once: as many as may arrive twice if the power fails.
const AHEAD: usize = 4;
/// When the mail server takes nothing at all, it is asked again after this.
const HELD: Duration = Duration::from_secs(30);
/// A mail has left its line after so many times the longest step, whatever hangs: nine steps, and four for the message.
const CLAIM_STEPS: u32 = 16;
/// A mail that holds its line for this share of the longest step is slow.
const SLOW_SHARE: u32 = 10;
/// A domain that says "later" to everything is tried again at least so often.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// What the senders share.
pub struct Outbox {
    pub(super) engine: Arc<Engine>,
    pub(super) board: Arc<Board>,
    post: RwLock<Arc<Post>>,
    /// Kept open, with the configuration under which they were made.
    connections: Mutex<Vec<(Arc<Settings>, Connection)>>,
    queue: Arc<Queue>,
    /// One permit a connection that may be in use.
    lines: Semaphore,
    /// One permit a mail that may be written or sent.
    hands: Arc<Semaphore>,
    /// One permit a mail that may be under way, its outcome not yet kept.
    places: Arc<Semaphore>,
    most_places: u32,
    held_until: Mutex<Option<Instant>>,
    stopping: AtomicBool,
}

impl Outbox {
    pub fn new(engine: Arc<Engine>, board: Arc<Board>, post: Post) -> Self {
        let settings = engine.settings();
        let lines = settings.mail.connections;
        let (rules, places) = (rules(&settings, lines), lines * AHEAD);
        Self {
            engine,
            board,
            post: RwLock::new(Arc::new(post)),
            connections: Mutex::default(),
            queue: Arc::new(Queue::new(rules)),
            lines: Semaphore::new(lines),
            hands: Arc::new(Semaphore::new(rules.most())),
            places: Arc::new(Semaphore::new(places)),
            most_places: u32::try_from(places).unwrap_or(u32::MAX),
            held_until: Mutex::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// The settings have changed: other templates from now on, no connection that was made before, and no waiting for a
    /// server that took nothing or refused too much, which may be another now.
    pub fn replace(&self, post: Post) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.post.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(post);
        *self.held_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if self.engine.fuse.replace() {
            self.board.set(
                "mail",
                State::Idle,
                "it goes on after a reload, and is looked at again with the next mail",
            );
        }
        let settings = self.engine.settings();
        self.queue.replace(rules(&settings, settings.mail.connections));
    }

    fn post(&self) -> Arc<Post> {
        self.post.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How the lanes share the lines.
fn rules(settings: &Settings, lines: usize) -> Rules {
    let mail = &settings.mail;
    let time = |time: jiff::SignedDuration| Duration::try_from(time).unwrap_or_default();
    Rules {
        lines,
        ahead: lines.div_ceil(WRITTEN_AHEAD),
        slow: step(settings) / SLOW_SHARE,
        rest_first: time(mail.retry_first),
        rest_longest: time(mail.retry_longest).min(LONGEST_REST),
    }
}

/// The longest step of a conversation.
fn step(settings: &Settings) -> Duration {
    Duration::try_from(settings.mail.timeout).unwrap_or(Duration::from_secs(30))
}

/// Sends what is due, for as long as the daemon lives. When `stop` is rung, takes nothing more and waits for what is
/// under way.
pub async fn deliver(outbox: Arc<Outbox>, stop: Arc<Notify>) {
    loop {
        let pause = match round(&outbox) {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "cannot read the outbox now");
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            biased;
            () = stop.notified() => break,
            () = outbox.engine.mail.rung.notified() => {}
            () = outbox.queue.rung.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    outbox.stopping.store(true, Ordering::Relaxed);
    let _ =
        tokio::time::timeout(Duration::from_secs(20), outbox.places.acquire_many(outbox.most_places)).await;
}

/// Reads what is due, and sets lines going for it; how long until there may be more to do.
fn round(outbox: &Arc<Outbox>) -> Result<Duration, StoreError> {
    if let Some(left) = outbox.held() {
        return Ok(left);
    }
    let mail = &outbox.engine.settings().mail;
    let farthest = mail.retry_longest.saturating_add(mail.retry_longest / 4);
    let (store, told) = (outbox.engine.store.as_ref(), outbox.engine.mail.take());
    let fed = outbox.queue.feed(store, told, clock::now(), farthest)?;
    // Each hand goes on for as long as there are mails that may go.
    while let Ok(permit) = outbox.hands.clone().try_acquire_owned() {
        let Some(claim) = outbox.queue.claim() else { break };
        tokio::spawn(hand(outbox.clone(), claim, permit));
    }
    Ok(if fed.more { Duration::ZERO } else { fed.wait })
}

/// One pair of hands: this mail, and then one after the other, while there are any.
async fn hand(outbox: Arc<Outbox>, first: Claim, permit: OwnedSemaphorePermit) {
    // However this ends: the permit is given back before the bell is rung.
    let _end = End { outbox: outbox.clone(), permit: Some(permit) };
    let mut next = Some(first);
    while let Some(mut claim) = next {
        let Ok(place) = outbox.places.clone().acquire_owned().await else { return };
        if let Some((due, tried)) = attempt(&outbox, &mut claim).await {
            let outbox = outbox.clone();
            // While the outcome is being kept, the next mail is on its way.
            tokio::spawn(async move {
                // Dropped in the other order: the place is free when the claim ends.
                let mut claim = claim;
                let _place = place;
                settle(&outbox, &due, &mut claim, tried).await;
            });
        }
        next = if outbox.goes_on() { outbox.queue.claim() } else { None };
    }
}

/// A hand's end.
struct End {
    outbox: Arc<Outbox>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for End {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.outbox.queue.rung.notify_one();
    }
}

/// One mail: still wanted? built, sent. What came of it; nothing where there is nothing to keep.
async fn attempt(outbox: &Outbox, claim: &mut Claim) -> Option<(Due, Tried)> {
    let mut line = None;
    let (settings, due, composed) = loop {
        let settings = outbox.engine.settings();
        let (due, written) = write(outbox, claim)?;
        let composed = match written {
            Ok(composed) => composed,
            Err(tried) => {
                claim.off_the_line(Heard::Nothing);
                return Some((due, tried));
            }
        };
        if line.is_some() {
            break (settings, due, composed);
        }
        let asked = Instant::now();
        line = outbox.lines.acquire().await.ok();
        if line.is_none() || !outbox.goes_on() {
            claim.give_back();
            return None;
        }
        claim.on_the_line();
        if asked.elapsed() < FRESH && Arc::ptr_eq(&settings, &outbox.engine.settings()) {
            break (settings, due, composed);
        }
    };
    // Whatever hangs, and wherever: the line is free again in bounded time. Each step has its own limit, so this is never
    // reached; if it were, the mail may have been sent.
    let limit = step(&settings) * CLAIM_STEPS;
    let tried = timeout(limit, converse(outbox, &composed)).await;
    let words = || format!("no end within {} s", limit.as_secs_f64());
    let tried = tried.unwrap_or_else(|_| SendError::MaybeSent { words: words() }.into());
    claim.off_the_line(tried.heard());
    if matches!(tried, Tried::Held(_)) {
        claim.give_back();
        // Where it was tried under a former configuration, the cause may be mended.
        outbox.hold(&settings).then_some((due, tried))
    } else {
        Some((due, tried))
    }
}

/// What the outbox has under this key, and its message, or what becomes of it without one.
fn write(outbox: &Outbox, claim: &mut Claim) -> Option<(Due, Result<Composed, Tried>)> {
    // The page that it was found in may be older than the commit that settled it; nobody else sends it now.
    let due = match get(outbox.engine.store.as_ref(), &claim.key) {
        Ok(due) => due?,
        Err(error) => {
            tracing::warn!(%error, "cannot look at a mail now");
            claim.put_off();
            return None;
        }
    };
    let composed = compose(outbox, &due, claim)?;
    Some((due, composed))
}

/// The message, or what becomes of the mail without one.
fn compose(outbox: &Outbox, due: &Due, claim: &mut Claim) -> Option<Result<Composed, Tried>> {
    let (waiting, now) = (&due.waiting, clock::now());
    let composed = match &waiting.errand {
        Errand::Person { person, order, locale } => {
            let dossier = match outbox.engine.dossier(*person) {
                Ok(dossier) => dossier,
                Err(error) => {
                    tracing::error!(%error, mail = %order.mail, "failed to look at a mail's person");
                    if now > order.deadline {
                        return Some(Err(Tried::GivenUp));
                    }
                    claim.put_off();
                    return None;
                }
            };
            let Some(dossier) = dossier else {
                return Some(Err(Tried::Unwanted("its person is no longer known")));
            };
            match wanted(&dossier.enrolment, order, now) {
                Wanted::Yes => {}
                Wanted::Overtaken => return Some(Err(Tried::Unwanted("it was overtaken"))),
                Wanted::TooLate => return Some(Err(Tried::GivenUp)),
            }
            let page = locale.as_deref();
            outbox.post().compose(&outbox.engine, (&dossier.enrolment, order, page), waiting.ordered)
        }
        Errand::Report(report) if now > report.deadline => {
            return Some(Err(Tried::GivenUp));
        }
        Errand::Report(report) => outbox.post().report(&outbox.engine, report, waiting.ordered),
    };
    Some(composed.map_err(|unwritten| {
        tracing::error!(mail = %waiting.mail(), %unwritten, "failed to write a mail");
        unwritten.into()
    }))
}

/// Over a kept connection, or a new one.
async fn converse(outbox: &Outbox, mail: &Composed) -> Tried {
    let (settings, mut connection) = match outbox.connection().await {
        Ok(connection) => connection,
        Err(error) => return error.into(),
    };
    let result = connection.send(mail).await;
    if !matches!(result, Err(SendError::MaybeSent { .. } | SendError::Transient { code: None, .. })) {
        outbox.give_back(settings, connection);
    }
    result.map_or_else(Tried::from, |_| Tried::Sent)
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

    /// Whether the next mail may be taken.
    fn goes_on(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed) && self.held().is_none()
    }

    /// Nothing more for a while, unless that is about settings that are no longer in force.
    fn hold(&self, under: &Arc<Settings>) -> bool {
        // A reload first takes the settings, then this: whichever comes later has the last word.
        let mut held = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        let in_force = Arc::ptr_eq(under, &self.engine.settings());
        if in_force {
            *held = Some(Instant::now() + HELD);
        }
        in_force
    }

    /// Says how mail is, unless nothing is sent now: that was said already, and a mail that was under way changes nothing of it.
    pub(super) fn tell(&self, state: State, detail: &str) {
        // Under the lock: whoever holds mail says so afterwards.
        let held = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none_or(|until| until <= Instant::now()) {
            self.engine.fuse.unless_blown(|| self.board.set("mail", state, detail));
        }
    }

    /// How long nothing is sent, because the mail server takes nothing, or refuses too much.
    fn held(&self) -> Option<Duration> {
        let until = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        let held = until.map(|until| until.saturating_duration_since(Instant::now()));
        held.filter(|left| !left.is_zero()).max(self.engine.fuse.left())
    }
}
