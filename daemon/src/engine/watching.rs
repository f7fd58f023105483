//! Following the watch: what the directory says becomes events, and the place in its history is kept.

use super::activation::read_sighting;
use super::people::{person, sighting};
use super::{Ask, Engine, Failure};
use crate::directory::{EntryUuid, Sighting, watch};
use crate::dossier::{Actor, key};
use crate::service::health::{Board, State};
use crate::service::outside;
use crate::store::{Commit, Write};
use parvis_enrolment::{Event, Id, PersonId, Stage};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How many sightings may wait.
const WAITING: usize = 64;
/// How often the place in the directory's history is written, at most.
const KEPT_EVERY: Duration = Duration::from_secs(1);
/// More people than this, and more than half of those who are open, gone at once: the directory is not believed.
const FEW: usize = 20;

/// Watches the directory for as long as the daemon lives, and takes in what it says.
pub async fn follow(engine: Arc<Engine>, board: Arc<Board>) {
    let cookie = engine.store.get(&key::own("cookie")).ok().flatten().map(|held| held.value);
    let (sink, mut sightings) = mpsc::channel(WAITING);
    let prepared = match engine.settings().directory.clone().prepare() {
        Ok(prepared) => prepared,
        Err(_) => return,
    };
    let watching = tokio::spawn(watch(prepared, outside(), cookie, sink));
    let mut place = Place::default();
    loop {
        match tokio::time::timeout(place.rest(), sightings.recv()).await {
            Ok(Some(Sighting::Cookie(cookie))) => place.newest = Some(cookie),
            Ok(Some(sighting)) => take(&engine, &board, &mut place, sighting).await,
            Ok(None) => break,
            Err(_) => place.keep(&engine).await,
        }
        if place.rest().is_zero() {
            place.keep(&engine).await;
        }
    }
    watching.abort();
}

/// How far the directory's history was taken in. It is written once in a while: what came after the one that is kept
/// comes again after a restart, and changes nothing then.
#[derive(Default)]
struct Place {
    newest: Option<Vec<u8>>,
    kept: Option<Instant>,
}

impl Place {
    /// How long the newest may wait.
    fn rest(&self) -> Duration {
        match (&self.newest, self.kept) {
            (None, _) => Duration::MAX,
            (Some(_), None) => Duration::ZERO,
            (Some(_), Some(kept)) => KEPT_EVERY.saturating_sub(kept.elapsed()),
        }
    }

    async fn keep(&mut self, engine: &Engine) {
        if let Some(cookie) = self.newest.take() {
            keep(engine, cookie).await;
        }
        self.kept = Some(Instant::now());
    }
}

async fn take(engine: &Arc<Engine>, board: &Board, place: &mut Place, seen: Sighting) {
    match seen {
        Sighting::Entry(entry) => {
            let settings = engine.settings();
            let event = Event::Sighted(sighting(&settings, &engine.directory(), &entry, false));
            see(engine, person(&entry), event).await;
        }
        Sighting::Left(uuid) => read_and_see(engine, Id(uuid.0)).await,
        Sighting::Refreshed { complete, cookie } => {
            board.set("watch", State::Working, "following the directory");
            let whole = match complete {
                Some(complete) => absent(engine, board, &complete).await,
                None => true,
            };
            if let (true, Some(cookie)) = (whole, cookie) {
                place.newest = Some(cookie);
                place.keep(engine).await;
            }
        }
        Sighting::Cookie(cookie) => place.newest = Some(cookie),
        Sighting::Down { why } => board.set("watch", State::Degraded, &why),
    }
}

/// Whoever is open here and was not named by a whole refresh: read, then believed. False where the refresh itself
/// is not believed.
async fn absent(engine: &Arc<Engine>, board: &Board, complete: &HashSet<EntryUuid>) -> bool {
    let mut open = Vec::new();
    let mut from = b"i".to_vec();
    loop {
        let Ok(page) = engine.store.scan(&from, b"j", 256) else { return false };
        let Some((last, _)) = page.last() else { break };
        from = last.iter().copied().chain([0]).collect();
        open.extend(page.iter().filter_map(|(key, _)| key::person(key)));
    }
    let gone: Vec<PersonId> =
        open.iter().copied().filter(|id| !complete.contains(&EntryUuid(id.0))).collect();
    if gone.len() > FEW && gone.len() * 2 > open.len() {
        let why = format!(
            "{} of {} open enrolments are missing from the directory at once",
            gone.len(),
            open.len()
        );
        tracing::error!(%why, "the refresh is not believed where a read does not confirm it");
        board.set("watch", State::Degraded, &why);
    }
    for id in gone {
        read_and_see(engine, id).await;
    }
    true
}

/// What the watch only hinted at is read before it is believed.
async fn read_and_see(engine: &Arc<Engine>, id: PersonId) {
    if !matches!(engine.dossier(id), Ok(Some(_))) {
        return;
    }
    let mut wait = Duration::from_millis(100);
    loop {
        match read_sighting(engine, id).await {
            Ok(event) => return take_in(engine, id, event).await,
            Err(error) => {
                tracing::debug!(%error, "cannot read an entry that the watch named");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(10));
            }
        }
    }
}

/// What the watch said of an entry. A provisional entry of somebody who is done may be an old event on its way: it is
/// read again before a round begins.
async fn see(engine: &Arc<Engine>, id: PersonId, event: Event) {
    let done = matches!(engine.dossier(id), Ok(Some(dossier)) if matches!(dossier.enrolment.stage, Stage::Done { .. }));
    let read = if done { read_sighting(engine, id).await.ok() } else { None };
    take_in(engine, id, read.unwrap_or(event)).await;
}

/// One event, kept before the next is taken: a full store holds the watch back instead of losing people.
async fn take_in(engine: &Arc<Engine>, id: PersonId, event: Event) {
    let mut wait = Duration::from_millis(100);
    loop {
        match engine.act(Ask::new(id, Actor::Directory, event.clone())).await {
            Ok(_) | Err(Failure::Refused(_)) => return,
            Err(Failure::Unreadable(error)) => return tracing::error!(%error, "failed to take in a sighting"),
            Err(failure @ (Failure::Store(_) | Failure::Contended)) => {
                tracing::warn!(%failure, "a sighting waits");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(10));
            }
        }
    }
}

async fn keep(engine: &Engine, cookie: Vec<u8>) {
    let write = Write::Put { key: key::own("cookie"), value: cookie };
    let commit = Commit { writes: vec![write], ..Commit::default() };
    if let Err(error) = engine.store.commit(commit).await {
        tracing::warn!(%error, "failed to keep the place in the directory's history");
    }
}
