//! Watching the provisional accounts: one seam, four ways, chosen by what the server offers or by configuration.
//!
//! It tells what the server said and concludes nothing from silence: whoever was not named is gone only where everybody
//! who is there was named. It never writes, and it mails nobody.

mod asking;
mod census;
mod dirsync;
mod live;
mod mark;
mod persistent;
mod poll;
mod proven;
mod sync;

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use ldap3::LdapResult;
use ldap3::controls::RawControl;
use tokio::sync::mpsc;
use tokio::time::sleep;

pub(super) use proven::proven;

use super::handle::backoff;
use super::link::{Answer, Capabilities, Fault, Link, Query, refusal, search};
use super::schema::Schema;
use super::settings::{Prepared, Way};
use super::{Dialect, Entry, EntryUuid, Outside, facts};

/// What the watch saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// This entry is provisional, and was added or changed.
    Entry(Box<Entry>),
    /// This entry is provisional no more, or is gone: read it to know. It may be anybody's.
    Left(EntryUuid),
    /// The refresh is over: all that happened up to now was told.
    Refreshed {
        /// Everybody who is provisional, where the refresh named them all: whoever is not among them is not.
        complete: Option<HashSet<EntryUuid>>,
        /// Where to go on from; never empty.
        cookie: Option<Vec<u8>>,
        /// How the server is watched.
        way: Way,
    },
    /// Everything told so far is before this; never empty.
    Cookie(Vec<u8>),
    /// The watch is interrupted; it goes on by itself.
    Down {
        /// Why, for the sysadmin.
        why: String,
    },
}

impl Way {
    /// For people, after "following the directory".
    pub fn words(self) -> &'static str {
        match self {
            Way::Sync => "by content synchronisation",
            Way::PersistentSearch => "by persistent search",
            Way::Dirsync => "by DirSync",
            Way::Poll => "by asking at intervals",
        }
    }

    /// The best that a server offers. Listing a control is not a promise: see [`Place::barred`].
    pub(super) fn offered(dialect: Dialect, capabilities: &Capabilities, barred: &[Way]) -> Way {
        let ways = [
            (Way::Sync, sync::CONTROL, dialect != Dialect::ActiveDirectory),
            (Way::Dirsync, dirsync::CONTROL, dialect == Dialect::ActiveDirectory),
            (Way::PersistentSearch, persistent::CONTROL, true),
        ];
        let good = |(way, control, fits): &(Way, &str, bool)| {
            *fits && capabilities.control(control) && !barred.contains(way)
        };
        ways.into_iter().find(good).map_or(Way::Poll, |(way, ..)| way)
    }
}

/// How a session ended.
enum End {
    /// Nobody listens any more.
    Unheard,
    /// The cookie is of no use: begin from nothing.
    Anew(String),
    /// Try again from where we are.
    Again(String),
    /// It is time to name everybody again.
    Renew,
    /// This way cannot be used here; another may.
    Barred(Way, String),
}

impl End {
    fn fault(link: &Link, fault: &Fault) -> End {
        End::Again(format!("{}: {}", link.place, fault.words()))
    }

    fn unreached(prepared: &Prepared, server: usize, fault: &Fault) -> End {
        End::Again(format!("{}: {}", prepared.settings.place(server), fault.words()))
    }

    fn refused(link: &Link, result: &LdapResult) -> End {
        End::Again(format!("{}: {}", link.place, refusal(result)))
    }
}

/// What outlives a session.
struct Place {
    cookie: Option<Vec<u8>>,
    /// Did this session come to the end of its refresh?
    fresh: bool,
    /// Ways that a server offered and then refused. Forgotten with the watch.
    barred: Vec<Way>,
}

/// One session with one server.
struct Session<'a> {
    prepared: &'a Prepared,
    outside: &'a Outside,
    /// Which of the servers.
    server: usize,
    dialect: Dialect,
    capabilities: Capabilities,
    schema: Schema,
    place: &'a mut Place,
    sink: &'a mpsc::Sender<Sighting>,
}

/// Watch for ever, from where `cookie` says, and tell `sink`; returns only when the sink is closed.
pub async fn watch(
    prepared: Arc<Prepared>,
    outside: Outside,
    cookie: Option<Vec<u8>>,
    sink: mpsc::Sender<Sighting>,
) {
    let cookie = cookie.filter(|cookie| !cookie.is_empty());
    let mut place = Place { cookie, fresh: false, barred: Vec::new() };
    let mut server = 0;
    let mut failures = 0;
    let mut said = None;
    loop {
        place.fresh = false;
        let session = session(&prepared, &outside, server, &mut place, &sink);
        let why = match AssertUnwindSafe(session).catch_unwind().await {
            Ok(End::Unheard) => return,
            Ok(End::Again(why)) => why,
            Ok(End::Renew) => {
                place.cookie = None;
                (failures, said) = (0, None);
                continue;
            }
            Ok(End::Anew(why)) => {
                place.cookie = None;
                why
            }
            Ok(End::Barred(way, why)) => {
                let automatic = prepared.settings.watch.way.is_none();
                if automatic && !place.barred.contains(&way) {
                    tracing::warn!(%why, "the directory cannot be watched {}; another way is tried", way.words());
                    place.barred.push(way);
                    place.cookie = None;
                    continue;
                }
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

async fn session(
    prepared: &Prepared,
    outside: &Outside,
    server: usize,
    place: &mut Place,
    sink: &mpsc::Sender<Sighting>,
) -> End {
    let link = match Link::establish(prepared, server).await {
        Ok(link) => link,
        Err(fault) => return End::unreached(prepared, server, &fault),
    };
    let limit = prepared.settings.timeouts.connect;
    let capabilities = match link.capabilities(limit).await {
        Ok(capabilities) => capabilities,
        Err(fault) => return End::fault(&link, &fault),
    };
    let dialect = prepared.settings.dialect(&capabilities);
    let way = prepared.settings.watch.way;
    let way = way.unwrap_or_else(|| Way::offered(dialect, &capabilities, &place.barred));
    if way == Way::Sync {
        drop(link);
        return sync::session(prepared, server, dialect, place, sink).await;
    }
    // The other ways are told of everybody, and tell who is provisional themselves.
    let schema = match facts::schema(&link, &capabilities, dialect, limit).await {
        Ok(schema) => schema.unwrap_or_else(Schema::builtin),
        Err(fault) => return End::fault(&link, &fault),
    };
    let session = Session { prepared, outside, server, dialect, capabilities, schema, place, sink };
    let ended = match way {
        Way::PersistentSearch => persistent::session(session, link).await,
        Way::Dirsync => asking::session(session, link, dirsync::Dirsync).await,
        Way::Sync | Way::Poll => asking::session(session, link, poll::Poll::default()).await,
    };
    let Err(end) = ended;
    end
}

impl Session<'_> {
    /// A search that may take as long as one of a filter without an index. What the server answers is the caller's to judge.
    async fn search(&self, link: &Link, controls: Vec<RawControl>, query: &Query<'_>) -> Result<Answer, End> {
        let mut ldap = link.ldap();
        if !controls.is_empty() {
            ldap.with_controls(controls);
        }
        let limit = self.prepared.settings.timeouts.operation * 8;
        search(ldap, query, limit).await.map_err(|fault| End::fault(link, &fault))
    }

    async fn tell(&self, sighting: Sighting) -> Result<(), End> {
        self.sink.send(sighting).await.map_err(|_| End::Unheard)
    }

    /// Is this somebody to be told of?
    fn provisional(&self, entry: &Entry) -> bool {
        !entry.is_alias() && self.prepared.states.provisional.holds(entry, &self.schema)
    }

    /// An entry that changed: is it still, or again, provisional?
    async fn changed(&self, entry: Entry) -> Result<(), End> {
        self.tell(match self.provisional(&entry) {
            true => Sighting::Entry(Box::new(entry)),
            false => Sighting::Left(entry.uuid),
        })
        .await
    }

    /// The refresh is over.
    async fn refreshed(
        &mut self,
        complete: Option<HashSet<EntryUuid>>,
        cookie: Option<Vec<u8>>,
        way: Way,
    ) -> Result<(), End> {
        self.place.fresh = true;
        self.place.cookie.clone_from(&cookie);
        self.tell(Sighting::Refreshed { complete, cookie, way }).await
    }
}
