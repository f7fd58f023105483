//! The board: how each part of the daemon is, for `STATUS=`, `parvisctl status` and the log.

use super::clock;
use crate::store::Health;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Working,
    /// Something does not work, and is being tried again.
    Degraded,
    /// Nothing of it works, and it is being tried again.
    Down,
    /// Not used yet.
    Idle,
    /// On its way: what it is needed for waits for it.
    Beginning,
}

/// One part, how it is, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How.
    pub state: State,
    /// Since when it is so.
    pub since: Timestamp,
    /// In words.
    pub detail: String,
}

/// All parts.
#[derive(Default)]
pub struct Board {
    parts: Mutex<BTreeMap<&'static str, Part>>,
    changed: Notify,
}

impl Board {
    /// Notes how a part is; a change is logged once.
    pub fn set(&self, name: &'static str, state: State, detail: &str) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = parts.get(name);
        if before.is_some_and(|before| before.state == state && before.detail == detail) {
            return;
        }
        match state {
            State::Working | State::Idle | State::Beginning => tracing::info!(part = name, "{detail}"),
            State::Degraded | State::Down => tracing::warn!(part = name, "{detail}"),
        }
        let since =
            before.filter(|before| before.state == state).map_or_else(clock::now, |before| before.since);
        parts.insert(name, Part { state, since, detail: detail.to_owned() });
        drop(parts);
        self.changed.notify_one();
    }

    /// Notes how the store is.
    pub fn set_store(&self, health: &Health) {
        match health {
            Health::Working => self.set("store", State::Working, "reads and commits work"),
            Health::Full => self.set("store", State::Degraded, "the disk is full: nothing new is accepted"),
            Health::Down(why) => self.set("store", State::Down, why),
        }
    }

    /// All parts by name.
    pub fn parts(&self) -> Vec<(&'static str, Part)> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().map(|(name, part)| (*name, part.clone())).collect()
    }

    /// Whether nothing of this part works.
    pub fn is_down(&self, name: &str) -> bool {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.get(name).is_some_and(|part| part.state == State::Down)
    }

    /// One line for `systemctl status`.
    pub fn summary(&self) -> String {
        let parts = self.parts();
        let said: Vec<String> = parts
            .iter()
            .filter(|(_, part)| matches!(part.state, State::Degraded | State::Down | State::Beginning))
            .map(|(name, part)| format!("{name}: {}", part.detail))
            .collect();
        if said.is_empty() { "everything works".to_owned() } else { said.join("; ") }
    }

    /// Waits for the next change.
    pub async fn change(&self) {
        self.changed.notified().await;
    }
}
