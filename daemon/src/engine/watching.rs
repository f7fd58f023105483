//! Following the watch: what the directory says becomes events, and the place in its history is kept.

use super::activation::read_sighting;
use super::doubt::{BELIEVED, Doubt, believed};
use super::people::{person, sighting};
use super::{Ask, Engine, Failure};
use crate::directory::{DirectoryError, EntryUuid, Sighting, watch};
use crate::dossier::{Actor, Dossier, key};
use crate::service::health::{Board, State};
use crate::service::outside;
use crate::store::{Commit, Write};
use parvis_enrolment::{Enrolment, Event, Id, PersonId, Stage, Standing};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// How many sightings may wait.
const WAITING: usize = 64;
/// How many are taken in at once: their commits share one flush.
const AT_ONCE: usize = 256;
/// How often the place in the directory's history is written, at most.
const KEPT_EVERY: Duration = Duration::from_secs(1);
/// How often an entry is asked for that the directory refuses to show.
const REFUSALS: u32 = 3;
/// How long the outcome of an activation is waited for that the watch seems to have seen.
const SETTLED: Duration = Duration::from_secs(1);
/// What a refresh said and was not believed is looked at again after this, by a whole refresh.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// So is what could not be taken in.
const MISSED: Duration = Duration::from_secs(3600);

/// Follows the directory.
struct Follower {
    engine: Arc<Engine>,
    board: Arc<Board>,
    doubt: Option<Doubt>,
    /// When to begin with a whole refresh; until then no place in the directory's history is kept.
    again: Option<Instant>,
    /// The newest place in the directory's history that is not kept yet.
    newest: Option<Vec<u8>>,
    /// When one was kept last.
    kept: Instant,
    /// The people whose last sighting is being taken in; each says whether it was.
    under_way: JoinSet<(PersonId, bool)>,
    whose: HashSet<PersonId>,
}

/// Watches the directory for as long as the daemon lives, and takes in what it says.
pub async fn follow(engine: Arc<Engine>, board: Arc<Board>) {
    let mut follower = Follower {
        engine,
        board,
        doubt: None,
        again: None,
        newest: None,
        kept: Instant::now(),
        under_way: JoinSet::new(),
        whose: HashSet::new(),
    };
    let mut cookie = follower.engine.store.get(&key::own("cookie")).ok().flatten().map(|held| held.value);
    loop {
        let prepared = match follower.engine.settings().directory.clone().prepare() {
            Ok(prepared) => prepared,
            Err(faults) => return tracing::error!(?faults, "the directory's settings cannot be used"),
        };
        let (sink, mut sightings) = mpsc::channel(WAITING);
        let watching = tokio::spawn(watch(prepared, outside(), cookie.take(), sink));
        follower.listen(&mut sightings).await;
        watching.abort();
        follower.settle().await;
    }
}

impl Follower {
    /// Until it is time for a whole refresh.
    async fn listen(&mut self, sightings: &mut mpsc::Receiver<Sighting>) {
        loop {
            let again = self.again;
            let time = async {
                match again {
                    Some(again) => tokio::time::sleep_until(again).await,
                    None => std::future::pending().await,
                }
            };
            // Written once in a while: what came after the one that is kept comes again after a restart, and changes
            // nothing then.
            let (waits, rest) = (self.newest.is_some(), self.kept + KEPT_EVERY);
            let rest = async move {
                match waits {
                    true => tokio::time::sleep_until(rest).await,
                    false => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = time => return self.again = None,
                () = rest => {
                    let newest = self.newest.take();
                    // What it is after must have been taken in.
                    self.settle().await;
                    self.keep(newest).await;
                }
                Some(ended) = self.under_way.join_next(), if !self.under_way.is_empty() => self.ended(ended),
                sighting = sightings.recv() => match sighting {
                    Some(sighting) => self.take(sighting).await,
                    // The watch has ended, which it never does by itself: from the beginning, after a while.
                    None => {
                        self.board.set("watch", State::Degraded, "the watch broke off and begins again");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        return;
                    }
                },
            }
        }
    }

    async fn take(&mut self, seen: Sighting) {
        match seen {
            Sighting::Entry(entry) => {
                let (id, engine) = (person(&entry), self.engine.clone());
                self.begin(id, async move {
                    let seen = sighting(&engine.settings(), &engine.directory(), &entry, false);
                    see(&engine, id, Event::Sighted(seen)).await;
                    true
                })
                .await;
            }
            Sighting::Left(uuid) => {
                let (id, engine) = (Id(uuid.0), self.engine.clone());
                self.begin(id, async move { read_and_see(&engine, id).await }).await;
            }
            Sighting::Refreshed { complete, cookie, way } => {
                self.settle().await;
                if let Some(complete) = complete {
                    self.absent(&complete).await;
                }
                if self.doubt.is_none() {
                    let detail = format!("following the directory {}", way.words());
                    self.board.set("watch", State::Working, &detail);
                }
                self.newest = None;
                self.keep(cookie).await;
            }
            Sighting::Cookie(cookie) => self.newest = Some(cookie),
            Sighting::Down { why } => self.board.set("watch", State::Degraded, &why),
        }
    }

    /// Whoever is open here and was not named by a whole refresh: read, then believed.
    async fn absent(&mut self, complete: &HashSet<EntryUuid>) {
        let Ok(open) = self.engine.open() else { return self.look_again(LOOK_AGAIN) };
        let gone = open.iter().copied().filter(|id| !complete.contains(&EntryUuid(id.0))).collect();
        let (missing, doubted) = (HashSet::len(&gone), self.doubt.is_some());
        let Some(gone) = believed(&mut self.doubt, gone, open.len(), Instant::now()) else {
            let why = format!(
                "{missing} of {} open enrolments are missing from the directory at once: nothing is concluded from it. \
                 Check that the directory that answers is whole; they are closed if it still says so {} minutes from \
                 the first time",
                open.len(),
                BELIEVED.as_secs() / 60
            );
            self.board.set("watch", State::Degraded, &why);
            return self.look_again(LOOK_AGAIN);
        };
        if doubted {
            tracing::warn!(
                missing = gone.len(),
                "what the directory said before is so still, and is taken in"
            );
        }
        for id in gone {
            if !read_and_see(&self.engine, id).await {
                self.look_again(MISSED);
            }
        }
    }

    /// Take in one sighting beside others, but each person's in their order, and no more at once than is bounded.
    async fn begin(&mut self, id: PersonId, taking: impl Future<Output = bool> + Send + 'static) {
        while self.whose.contains(&id) || self.under_way.len() >= AT_ONCE {
            match self.under_way.join_next().await {
                Some(ended) => self.ended(ended),
                None => self.whose.clear(),
            }
        }
        self.whose.insert(id);
        self.under_way.spawn(async move { (id, taking.await) });
    }

    /// Until everything that was told is taken in.
    async fn settle(&mut self) {
        while let Some(ended) = self.under_way.join_next().await {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<(PersonId, bool), JoinError>) {
        match ended {
            Ok((id, taken)) => {
                self.whose.remove(&id);
                if !taken {
                    self.look_again(MISSED);
                }
            }
            // Whose it was is not known: nobody is waited for, and everybody is looked at again.
            Err(error) => {
                tracing::error!(%error, "taking in a sighting ended in a panic");
                self.whose.clear();
                self.look_again(MISSED);
            }
        }
    }

    fn look_again(&mut self, after: Duration) {
        let at = Instant::now() + after;
        self.again = Some(self.again.map_or(at, |before| before.min(at)));
    }

    /// The place in the directory's history, unless something before it was not taken in.
    async fn keep(&mut self, cookie: Option<Vec<u8>>) {
        self.kept = Instant::now();
        let (None, Some(cookie)) = (self.again, cookie) else { return };
        let write = Write::Put { key: key::own("cookie"), value: cookie };
        let commit = Commit { writes: vec![write], ..Commit::default() };
        if let Err(error) = self.engine.store.commit(commit).await {
            tracing::warn!(%error, "failed to keep the place in the directory's history");
        }
    }
}

/// What the watch only hinted at is read before it is believed. False where the directory will not say.
async fn read_and_see(engine: &Arc<Engine>, id: PersonId) -> bool {
    match settled(engine, id).await {
        Ok(Some(dossier)) if !echoes(&dossier.enrolment) => {}
        _ => return true,
    }
    let mut wait = Duration::from_millis(100);
    let mut refusals = 0;
    loop {
        match read_sighting(engine, id).await {
            Ok(event) => {
                see(engine, id, event).await;
                return true;
            }
            Err(error @ DirectoryError::Refused { .. }) if refusals + 1 >= REFUSALS => {
                tracing::error!(%error, person = %id, "an entry that the watch named cannot be read; the watch goes on");
                return false;
            }
            Err(error) => {
                refusals += u32::from(matches!(error, DirectoryError::Refused { .. }));
                tracing::debug!(%error, "cannot read an entry that the watch named");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(10));
            }
        }
    }
}

/// The person's dossier; while an activation is under way, what comes of it is waited for, but not for long.
async fn settled(engine: &Engine, id: PersonId) -> Result<Option<Arc<Dossier>>, Failure> {
    let under_way = |held: &Arc<Dossier>| matches!(held.enrolment.stage, Stage::Activating { .. });
    let mut dossier = engine.dossier(id)?;
    if dossier.as_ref().is_some_and(under_way) {
        let mut changes = engine.changes(id);
        let limit = Instant::now() + SETTLED;
        // Once more: it may have changed before it was listened to.
        dossier = engine.dossier(id)?;
        while dossier.as_ref().is_some_and(under_way)
            && tokio::time::timeout_at(limit, changes.changed()).await.is_ok()
        {
            dossier = engine.dossier(id)?;
        }
    }
    Ok(dossier)
}

/// Whether somebody who left those that are watched did so by our own write, of which everything is known: then reading the
/// entry would say nothing new, and is one question less for each activation. What happens to it afterwards is no
/// affair of the watch, which follows provisional entries. A marker may be written by the activation itself: it is read.
fn echoes(enrolment: &Enrolment) -> bool {
    let known = matches!(&enrolment.stage, Stage::Done { stamp: Some(_), drift: None, .. });
    known && enrolment.profile.marker.is_none()
}

/// One event, kept before the next is taken: a full store holds the watch back instead of losing people.
///
/// A provisional entry of somebody who is done may be an old event on its way: read again before a round begins. Nothing
/// begins with any other, and an activation's own echo must not cost the directory another question.
async fn see(engine: &Arc<Engine>, id: PersonId, mut event: Event) {
    let mut certain = !matches!(&event, Event::Sighted(seen) if seen.standing == Standing::Provisional);
    let mut wait = Duration::from_millis(100);
    loop {
        let ask = Ask { unless_over: !certain, ..Ask::new(id, Actor::Directory, event.clone()) };
        match engine.act(ask).await {
            Ok(_) | Err(Failure::Refused(_)) => return,
            Err(Failure::Over) => {
                // Boxed: it is rare, and would be most of what each task of a refresh is made of.
                event = Box::pin(read_sighting(engine, id)).await.unwrap_or(event);
                certain = true;
            }
            Err(Failure::Unreadable(error)) => return tracing::error!(%error, "failed to take in a sighting"),
            // The same again would fail for ever, and hold back everybody after this one.
            Err(Failure::Store(error)) if error.lasting() => {
                return tracing::error!(%error, person = %id, "failed to take in a sighting");
            }
            Err(failure @ (Failure::Store(_) | Failure::Contended)) => {
                tracing::warn!(%failure, "a sighting waits");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(10));
            }
        }
    }
}
