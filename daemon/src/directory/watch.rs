//! Watching the provisional accounts: content synchronisation, refresh and persist (RFC 4533).
//!
//! It tells what the server said and concludes nothing from silence: whoever was not named is gone only where a refresh
//! that ended well says so. It never writes, and it mails nobody.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use ldap3::controls::{Control, MakeCritical, RefreshMode, SyncRequest};
use ldap3::{ResultEntry, Scope, SearchStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::ber::{self, SyncEntryState, SyncInfo};
use super::handle::backoff;
use super::link::{Fault, Link, refusal, within};
use super::relay::Credits;
use super::settings::{Prepared, Timeouts};
use super::{Entry, EntryUuid, Outside};

/// What the watch saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// This entry is provisional, and was added or changed.
    Entry(Box<Entry>),
    /// This entry is provisional no more, or is gone: read it to know.
    Left(EntryUuid),
    /// The refresh is over: all that happened up to now was told.
    Refreshed {
        /// Everybody who is provisional, where the refresh named them all: whoever is not among them is not.
        complete: Option<HashSet<EntryUuid>>,
        /// Where to go on from; never empty.
        cookie: Option<Vec<u8>>,
    },
    /// Everything told so far is before this; never empty.
    Cookie(Vec<u8>),
    /// The watch is interrupted; it goes on by itself.
    Down {
        /// Why, for the sysadmin.
        why: String,
    },
}

/// How a session ended.
enum End {
    /// Nobody listens any more.
    Unheard,
    /// The cookie is of no use: begin from nothing.
    Anew(String),
    /// Try again from where we are.
    Again(String),
}

/// e-syncRefreshRequired (RFC 4533, section 2.6).
const REFRESH_REQUIRED: u32 = 4096;
/// unwillingToPerform: OpenLDAP's answer to a cookie from its own future (a directory restored from a backup).
const UNWILLING: u32 = 53;

/// Watch for ever, from where `cookie` says, and tell `sink`; returns only when the sink is closed.
pub async fn watch(
    prepared: Arc<Prepared>,
    outside: Outside,
    cookie: Option<Vec<u8>>,
    sink: mpsc::Sender<Sighting>,
) {
    let mut place = Place { cookie: cookie.filter(|cookie| !cookie.is_empty()), fresh: false };
    let mut server = 0;
    let mut failures = 0;
    let mut said = None;
    loop {
        place.fresh = false;
        let session = AssertUnwindSafe(session(&prepared, server, &mut place, &sink)).catch_unwind().await;
        let why = match session {
            Ok(End::Unheard) => return,
            Ok(End::Again(why)) => why,
            Ok(End::Anew(why)) => {
                place.cookie = None;
                why
            }
            Err(_) => "the server's answer is malformed".to_owned(),
        };
        if place.fresh {
            (failures, said) = (0, None);
        } else {
            failures += 1;
            server = (server + 1) % prepared.servers.len().max(1);
        }
        if said.as_ref() != Some(&why) {
            said = Some(why.clone());
            if sink.send(Sighting::Down { why }).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = sleep(backoff(failures, prepared.settings.timeouts.backoff, (outside.random)())) => {}
            () = sink.closed() => return,
        }
    }
}

/// Whether a server can go on from there. To a cookie of its own without a CSN, OpenLDAP names everybody who is there as
/// changed and nobody who is gone, and then says that it went on from it.
fn leads(cookie: &[u8]) -> bool {
    let dated = || cookie.windows(5).any(|part| matches!(part, [b'c', b's', b'n', b'=', b'0'..=b'9']));
    !cookie.is_empty() && (!cookie.starts_with(b"rid=") || dated())
}

/// What outlives a session.
struct Place {
    cookie: Option<Vec<u8>>,
    /// Did this session come to the end of its refresh?
    fresh: bool,
}

/// One refresh, as far as it went.
struct Refresh {
    /// Was a cookie sent?
    resumed: bool,
    /// Is it over?
    over: bool,
    /// Did the server name everybody who is still there?
    present: bool,
    named: HashSet<EntryUuid>,
}

async fn session(
    prepared: &Prepared,
    server: usize,
    place: &mut Place,
    sink: &mpsc::Sender<Sighting>,
) -> End {
    let (link, credits) = match Link::establish_relayed(prepared, server).await {
        Ok(made) => made,
        Err(fault) => {
            let uri = prepared.settings.uris.get(server).map(String::as_str).unwrap_or_default();
            return End::Again(format!("{uri}: {}", fault.words()));
        }
    };
    let cookie = place.cookie.clone().filter(|cookie| leads(cookie));
    let resumed = cookie.is_some();
    let mut stream = match begin(prepared, &link, cookie).await {
        Ok(stream) => stream,
        Err(fault) => return End::Again(format!("{}: {}", link.place, fault.words())),
    };
    let refresh = Refresh { resumed, over: false, present: !resumed, named: HashSet::new() };
    let mut told = Teller { place, refresh, sink };
    follow(&link, prepared.settings.timeouts, &credits, &mut stream, &mut told).await
}

type Stream<'a> = SearchStream<'a, String, Arc<[String]>>;

async fn begin<'a>(prepared: &Prepared, link: &Link, cookie: Option<Vec<u8>>) -> Result<Stream<'a>, Fault> {
    let mut ldap = link.ldap();
    let request = SyncRequest { mode: RefreshMode::RefreshAndPersist, cookie, reload_hint: true };
    ldap.with_controls(request.critical());
    let filter = format!("(&(objectClass=*){})", prepared.settings.provisional);
    let attributes = prepared.attributes.clone();
    let search = ldap.streaming_search(&prepared.settings.base, Scope::Subtree, &filter, attributes);
    within(prepared.settings.timeouts.operation, search).await
}

type SignOfLife<'a> = Pin<Box<dyn Future<Output = Result<String, Fault>> + Send + 'a>>;

/// Asks a quiet connection for signs of life.
struct Pulse<'a> {
    link: &'a Link,
    waits: Timeouts,
    quiet_until: Instant,
    asked: Option<SignOfLife<'a>>,
}

impl<'a> Pulse<'a> {
    fn new(link: &'a Link, waits: Timeouts) -> Pulse<'a> {
        Pulse { link, waits, quiet_until: Instant::now() + waits.heartbeat, asked: None }
    }

    /// Wait until it is quiet, ask, wait for the answer. May be dropped and called again at any point.
    async fn beat(&mut self) -> Result<(), Fault> {
        if self.asked.is_none() {
            sleep_until(self.quiet_until).await;
        }
        let asked = self.asked.get_or_insert_with(|| Box::pin(self.link.who_am_i(self.waits.operation)));
        let answer = asked.await;
        self.asked = None;
        self.quiet_until = Instant::now() + self.waits.heartbeat;
        answer.map(|_| ())
    }

    /// Something else was a sign of life. Was one being asked for? Its answer will come, and nobody will count it.
    fn seen(&mut self) -> bool {
        self.quiet_until = Instant::now() + self.waits.heartbeat;
        self.asked.take().is_some()
    }
}

/// Tell what comes until the session ends.
async fn follow(
    link: &Link,
    waits: Timeouts,
    credits: &Credits,
    stream: &mut Stream<'_>,
    told: &mut Teller<'_>,
) -> End {
    let mut pulse = Pulse::new(link, waits);
    loop {
        let item = tokio::select! {
            biased;
            () = told.sink.closed() => {
                leave(link, stream, waits.operation).await;
                return End::Unheard;
            }
            item = stream.next() => item,
            alive = pulse.beat() => match alive {
                Ok(()) => {
                    credits.give_back();
                    continue;
                }
                Err(fault) => return End::Again(format!("{}: {}", link.place, fault.words())),
            },
        };
        if pulse.seen() {
            credits.give_back();
        }
        match item {
            Ok(Some(item)) => {
                if let Err(end) = told.item(&item).await {
                    return end;
                }
                credits.give_back();
                pulse.seen();
            }
            Ok(None) => return ended(link, stream, told).await,
            Err(error) => {
                let fault = within(waits.operation, async { Err::<(), _>(error) }).await.err();
                return End::Again(format!(
                    "{}: {}",
                    link.place,
                    fault.map(|f| f.words()).unwrap_or_default()
                ));
            }
        }
    }
}

/// The server ended the search: some of its reasons mean that the cookie is of no use.
async fn ended(link: &Link, stream: &mut Stream<'_>, told: &Teller<'_>) -> End {
    let result = stream.finish().await;
    let why = format!("{}: {}", link.place, refusal(&result));
    match result.rc {
        UNWILLING | REFRESH_REQUIRED if told.refresh.resumed => End::Anew(why),
        12 => End::Again(format!("{why}: the server has no syncprov overlay for this base")),
        _ => End::Again(why),
    }
}

/// Tell the server that nobody listens any more.
async fn leave(link: &Link, stream: &mut Stream<'_>, limit: std::time::Duration) {
    let id = stream.ldap_handle().last_id();
    let mut ldap = link.ldap();
    // The connection is dropped next, in any case.
    let _ = timeout(limit, ldap.abandon(id)).await;
}

/// Turns what the server says into sightings.
struct Teller<'a> {
    place: &'a mut Place,
    refresh: Refresh,
    sink: &'a mpsc::Sender<Sighting>,
}

impl Teller<'_> {
    async fn item(&mut self, item: &ResultEntry) -> Result<(), End> {
        if item.is_intermediate() {
            return match ber::sync_info(&item.0) {
                Some(info) => self.info(info).await,
                None => Ok(()),
            };
        }
        if item.is_ref() {
            return Ok(());
        }
        let malformed = || End::Again("the server sent an entry without its state".to_owned());
        let (state, uuid, cookie) = sync_state(&item.1).ok_or_else(malformed)?;
        if state != SyncEntryState::Delete && !self.refresh.over {
            self.refresh.named.insert(uuid);
        }
        match state {
            SyncEntryState::Present => {}
            SyncEntryState::Delete => self.tell(Sighting::Left(uuid)).await?,
            SyncEntryState::Add | SyncEntryState::Modify => {
                let (dn, attributes) = ber::attributes(&item.0).ok_or_else(malformed)?;
                let stamp = ber::stamp(&attributes);
                self.tell(Sighting::Entry(Box::new(Entry { uuid, dn, stamp, attributes }))).await?;
            }
        }
        self.cookie(cookie).await
    }

    async fn info(&mut self, info: SyncInfo) -> Result<(), End> {
        match info {
            SyncInfo::NewCookie(cookie) => self.cookie(Some(cookie)).await,
            SyncInfo::IdSet { cookie, deletes: true, uuids } => {
                for uuid in uuids {
                    self.tell(Sighting::Left(uuid)).await?;
                }
                self.cookie(cookie).await
            }
            SyncInfo::IdSet { cookie, deletes: false, uuids } => {
                self.refresh.named.extend(uuids);
                self.cookie(cookie).await
            }
            SyncInfo::RefreshPresent { cookie, done } => {
                self.refresh.present = true;
                self.phase(cookie, done).await
            }
            SyncInfo::RefreshDelete { cookie, done } => self.phase(cookie, done).await,
        }
    }

    /// A phase of the refresh is over, and with `done` the refresh.
    async fn phase(&mut self, cookie: Option<Vec<u8>>, done: bool) -> Result<(), End> {
        if !done || self.refresh.over {
            return self.cookie(cookie).await;
        }
        // OpenLDAP leaves the cookie out where nothing has changed since ours, and empties it where ours meant nothing.
        let cookie = match cookie {
            Some(cookie) if cookie.is_empty() && self.refresh.resumed => {
                return Err(End::Anew("the server did not recognise where the watch had come to".to_owned()));
            }
            Some(cookie) => Some(cookie).filter(|cookie| !cookie.is_empty()),
            None => self.place.cookie.clone(),
        };
        self.refresh.over = true;
        self.place.fresh = true;
        self.place.cookie.clone_from(&cookie);
        let named = std::mem::take(&mut self.refresh.named);
        let complete = self.refresh.present.then_some(named);
        self.tell(Sighting::Refreshed { complete, cookie }).await
    }

    /// A cookie is told only once the refresh is over: before, it may be ahead of what was told.
    async fn cookie(&mut self, cookie: Option<Vec<u8>>) -> Result<(), End> {
        match cookie.filter(|cookie| !cookie.is_empty()) {
            Some(cookie) if self.refresh.over => {
                self.place.cookie = Some(cookie.clone());
                self.tell(Sighting::Cookie(cookie)).await
            }
            _ => Ok(()),
        }
    }

    async fn tell(&self, sighting: Sighting) -> Result<(), End> {
        self.sink.send(sighting).await.map_err(|_| End::Unheard)
    }
}

fn sync_state(controls: &[Control]) -> Option<(SyncEntryState, EntryUuid, Option<Vec<u8>>)> {
    let control = controls.iter().find(|control| control.1.ctype == "1.3.6.1.4.1.4203.1.9.1.2")?;
    ber::sync_state(control.1.val.as_deref()?)
}
