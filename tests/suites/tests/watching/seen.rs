//! A listener of the watch, who believes what is told and can be asked what that is.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use parvisd::directory::{EntryUuid, Settings, Sighting, Way};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::ground::outside;

/// However long a machine under load takes for one thing.
pub const SOON: Duration = Duration::from_secs(120);

pub struct Seen {
    sightings: mpsc::Receiver<Sighting>,
    task: JoinHandle<()>,
    /// Who is provisional, as far as was told, and where.
    pub believed: BTreeMap<EntryUuid, String>,
    pub cookie: Option<Vec<u8>>,
    pub way: Option<Way>,
    /// How many entries were told since the last question.
    pub told: usize,
    /// What was said of interruptions.
    pub downs: Vec<String>,
    /// How many refreshes are over.
    pub refreshes: usize,
    /// How many of them named everybody.
    pub complete: usize,
}

impl Seen {
    pub fn from(settings: Settings, cookie: Option<Vec<u8>>) -> Seen {
        let (sink, sightings) = mpsc::channel(8);
        let task =
            tokio::spawn(parvisd::directory::watch(settings.prepare().unwrap(), outside(), cookie, sink));
        Seen {
            sightings,
            task,
            believed: BTreeMap::new(),
            cookie: None,
            way: None,
            told: 0,
            downs: Vec::new(),
            refreshes: 0,
            complete: 0,
        }
    }

    fn take(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Entry(entry) => {
                self.told += 1;
                self.believed.insert(entry.uuid, entry.dn);
            }
            Sighting::Left(uuid) => {
                self.believed.remove(&uuid);
            }
            Sighting::Refreshed { complete, cookie, way } => {
                self.refreshes += 1;
                self.way = Some(way);
                self.cookie = cookie;
                if let Some(complete) = complete {
                    self.complete += 1;
                    self.believed.retain(|uuid, _| complete.contains(uuid));
                }
            }
            Sighting::Cookie(cookie) => {
                assert!(!cookie.is_empty());
                self.cookie = Some(cookie);
            }
            Sighting::Down { why } => self.downs.push(why),
        }
    }

    /// Listen until it is so.
    pub async fn until(&mut self, what: &str, so: impl Fn(&Seen) -> bool) {
        let end = Instant::now() + SOON;
        while !so(self) {
            let next = timeout_at(end, self.sightings.recv()).await;
            let Ok(next) = next else {
                panic!("not {what}: {:?}, {:?}", self.believed, self.downs);
            };
            self.take(next.expect("the watch goes on"));
        }
    }

    pub async fn refreshed(&mut self) {
        let before = self.refreshes;
        self.until("refreshed", |seen| seen.refreshes > before).await;
    }

    /// Listen as long as that.
    pub async fn listen(&mut self, length: Duration) {
        let end = Instant::now() + length;
        while let Ok(next) = timeout_at(end, self.sightings.recv()).await {
            self.take(next.expect("the watch goes on"));
        }
    }

    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.believed.values().map(|dn| dn.to_lowercase()).collect();
        names.sort();
        names
    }

    pub fn knows(&self, dn: &str) -> bool {
        self.names().contains(&dn.to_lowercase())
    }

    pub fn who(&self, dn: &str) -> EntryUuid {
        let found = self.believed.iter().find(|(_, held)| held.eq_ignore_ascii_case(dn));
        *found.expect("somebody known").0
    }

    pub fn everybody(&self) -> HashSet<EntryUuid> {
        self.believed.keys().copied().collect()
    }

    /// Stop listening; the watch returns by itself.
    pub async fn end(self) -> Option<Vec<u8>> {
        drop(self.sightings);
        let ended = tokio::time::timeout(SOON, self.task).await;
        ended.expect("it returns").expect("it does not panic");
        self.cookie
    }
}
