//! A search that never ends, on a connection that is asked for signs of life while it is quiet.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ldap3::{LdapResult, ResultEntry, SearchStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::{End, Sighting};
use crate::directory::link::{Fault, Link, within};
use crate::directory::relay::Credits;
use crate::directory::settings::Timeouts;

pub(super) type Stream<'a> = SearchStream<'a, String, Arc<[String]>>;

/// The search and its connection.
pub(super) struct Live<'a> {
    link: &'a Link,
    waits: Timeouts,
    credits: &'a Credits,
    stream: Stream<'a>,
    pulse: Pulse<'a>,
    /// Was the last message taken, and its place in the relay not given back yet?
    owed: bool,
}

impl<'a> Live<'a> {
    pub(super) fn new(link: &'a Link, waits: Timeouts, credits: &'a Credits, stream: Stream<'a>) -> Live<'a> {
        Live { link, waits, credits, stream, pulse: Pulse::new(link, waits), owed: false }
    }

    /// What comes next; `None`: the server ended the search. May be dropped and called again at any point.
    pub(super) async fn next(&mut self, sink: &mpsc::Sender<Sighting>) -> Result<Option<ResultEntry>, End> {
        if std::mem::take(&mut self.owed) {
            self.credits.give_back();
            // Telling it may have taken a while.
            self.pulse.seen();
        }
        loop {
            let item = tokio::select! {
                biased;
                () = sink.closed() => {
                    self.leave().await;
                    return Err(End::Unheard);
                }
                item = self.stream.next() => item,
                alive = self.pulse.beat() => match alive {
                    Ok(()) => {
                        self.credits.give_back();
                        continue;
                    }
                    Err(fault) => return Err(End::fault(self.link, &fault)),
                },
            };
            if self.pulse.seen() {
                self.credits.give_back();
            }
            return match item {
                Ok(item) => {
                    self.owed = item.is_some();
                    Ok(item)
                }
                Err(error) => {
                    let fault = within(self.waits.operation, async { Err::<(), _>(error) }).await.err();
                    Err(fault
                        .map_or_else(|| End::Again(String::new()), |fault| End::fault(self.link, &fault)))
                }
            };
        }
    }

    /// Why the server ended the search.
    pub(super) async fn result(&mut self) -> LdapResult {
        self.stream.finish().await
    }

    /// Tell the server that nobody listens any more.
    async fn leave(&mut self) {
        let id = self.stream.ldap_handle().last_id();
        let mut ldap = self.link.ldap();
        // The connection is dropped next, in any case.
        let _ = timeout(self.waits.operation, ldap.abandon(id)).await;
    }
}

type SignOfLife<'a> = Pin<Box<dyn Future<Output = Result<String, Fault>> + Send + 'a>>;

/// Asks a quiet connection for signs of life.
struct Pulse<'a> {
    link: &'a Link,
    heartbeat: Duration,
    limit: Duration,
    quiet_until: Instant,
    asked: Option<SignOfLife<'a>>,
}

impl<'a> Pulse<'a> {
    fn new(link: &'a Link, waits: Timeouts) -> Pulse<'a> {
        let (heartbeat, limit) = (waits.heartbeat, waits.operation);
        Pulse { link, heartbeat, limit, quiet_until: Instant::now() + heartbeat, asked: None }
    }

    /// Wait until it is quiet, ask, wait for the answer. May be dropped and called again at any point.
    async fn beat(&mut self) -> Result<(), Fault> {
        if self.asked.is_none() {
            sleep_until(self.quiet_until).await;
        }
        let asked = self.asked.get_or_insert_with(|| Box::pin(self.link.who_am_i(self.limit)));
        let answer = asked.await;
        self.asked = None;
        self.quiet_until = Instant::now() + self.heartbeat;
        answer.map(|_| ())
    }

    /// Something else was a sign of life. Was one being asked for? Its answer will come, and nobody will count it.
    fn seen(&mut self) -> bool {
        self.quiet_until = Instant::now() + self.heartbeat;
        self.asked.take().is_some()
    }
}
