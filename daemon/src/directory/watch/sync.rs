//! Content synchronisation, refresh and persist (RFC 4533): OpenLDAP's present phase and 389 DS's delete phase.

use std::collections::HashSet;

use ldap3::controls::{Control, MakeCritical, RefreshMode, SyncRequest};
use ldap3::{LdapResult, ResultEntry, Scope};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::live::{Live, Stream};
use super::mark::ours;
use super::{End, Place, Sighting};
use crate::directory::ber::{self, SyncEntryState, SyncInfo};
use crate::directory::link::{Fault, Link, refusal, within};
use crate::directory::settings::{Prepared, Way};
use crate::directory::{Dialect, Entry, EntryUuid};

/// The sync request control.
pub(super) const CONTROL: &str = "1.3.6.1.4.1.4203.1.9.1.1";

/// e-syncRefreshRequired (RFC 4533, section 2.6).
const REFRESH_REQUIRED: u32 = 4096;
/// unwillingToPerform: OpenLDAP's answer to a cookie from its own future (a directory restored from a backup).
const UNWILLING: u32 = 53;

/// Whether a server can go on from there. To a cookie of its own without a CSN, OpenLDAP names everybody who is there as
/// changed and nobody who is gone, and then says that it went on from it.
fn leads(cookie: &[u8], dialect: Dialect) -> bool {
    let dated = || cookie.windows(5).any(|part| matches!(part, [b'c', b's', b'n', b'=', b'0'..=b'9']));
    let openldap = cookie.starts_with(b"rid=");
    let foreign = match dialect {
        Dialect::Openldap => !openldap,
        Dialect::Ds389 => openldap,
        Dialect::Standard | Dialect::ActiveDirectory => false,
    };
    !cookie.is_empty() && !ours(cookie) && !foreign && (!openldap || dated())
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

async fn begin<'a>(
    prepared: &Prepared,
    link: &Link,
    dialect: Dialect,
    cookie: Option<Vec<u8>>,
) -> Result<Stream<'a>, Fault> {
    let mut ldap = link.ldap();
    let request = SyncRequest { mode: RefreshMode::RefreshAndPersist, cookie, reload_hint: true };
    ldap.with_controls(request.critical());
    let filter = dialect.people(&prepared.settings.provisional);
    let attributes = prepared.attributes.clone();
    let search = ldap.streaming_search(&prepared.settings.base, Scope::Subtree, &filter, attributes);
    within(prepared.settings.timeouts.operation, search).await
}

/// Refresh, then tell what comes until the session ends.
pub(super) async fn session(
    prepared: &Prepared,
    server: usize,
    dialect: Dialect,
    place: &mut Place,
    sink: &mpsc::Sender<Sighting>,
) -> End {
    let (link, credits) = match Link::establish_relayed(prepared, server).await {
        Ok(made) => made,
        Err(fault) => return End::unreached(prepared, server, &fault),
    };
    let cookie = place.cookie.clone().filter(|cookie| leads(cookie, dialect));
    let resumed = cookie.is_some();
    let stream = match begin(prepared, &link, dialect, cookie).await {
        Ok(stream) => stream,
        Err(fault) => return End::fault(&link, &fault),
    };
    let refresh = Refresh { resumed, over: false, present: !resumed, named: HashSet::new() };
    let mut told = Teller { place, refresh, dialect, sink };
    let mut live = Live::new(&link, prepared.settings.timeouts, &credits, stream);
    // Where the server may lose a change, and 389 DS has been seen to, everybody is named again now and then.
    let renew = Instant::now() + prepared.settings.watch.compare;
    loop {
        let next = tokio::select! {
            next = live.next(sink) => next,
            () = sleep_until(renew), if dialect == Dialect::Ds389 && told.refresh.over => return End::Renew,
        };
        match next {
            Ok(Some(item)) => {
                if let Err(end) = told.item(item).await {
                    return end;
                }
            }
            Ok(None) => return ended(&link, &live.result().await, &told),
            Err(end) => return end,
        }
    }
}

/// The server ended the search: some of its reasons mean that the cookie is of no use.
fn ended(link: &Link, result: &LdapResult, told: &Teller<'_>) -> End {
    let why = format!("{}: {}", link.place, refusal(result));
    match result.rc {
        UNWILLING | REFRESH_REQUIRED if told.refresh.resumed => End::Anew(why),
        12 => End::Barred(Way::Sync, format!("{why}: the server does not synchronise this base")),
        _ => End::Again(why),
    }
}

/// Turns what the server says into sightings.
struct Teller<'a> {
    place: &'a mut Place,
    refresh: Refresh,
    dialect: Dialect,
    sink: &'a mpsc::Sender<Sighting>,
}

impl Teller<'_> {
    async fn item(&mut self, item: ResultEntry) -> Result<(), End> {
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
                let (dn, attributes) = ber::attributes(item.0).ok_or_else(malformed)?;
                let stamp = self.dialect.stamp(&attributes);
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
        self.tell(Sighting::Refreshed { complete, cookie, way: Way::Sync }).await
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
