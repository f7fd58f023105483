//! How many connections there are at once, and who goes when there are too many: whoever has been here longest without
//! proving anything. So a crowd that only connects cannot keep a login page out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// The connections that there are.
#[derive(Debug)]
pub struct Room {
    limit: usize,
    within: Mutex<Within>,
}

#[derive(Debug, Default)]
struct Within {
    next: u64,
    held: usize,
    /// In the order in which they came; with the way to end each.
    unproven: BTreeMap<u64, Option<AbortHandle>>,
}

/// Why there is no place for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// Those who were sent away have not left: ask again in a moment.
    NotYet,
    /// Everybody here has proven themselves.
    Full,
}

/// One connection's place; dropped with it.
#[derive(Debug)]
pub struct Guest {
    room: Arc<Room>,
    number: u64,
    proven: AtomicBool,
}

impl Room {
    /// Room for so many.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, within: Mutex::default() })
    }

    /// A place for one more: whoever has been here longest without proving anything leaves for it.
    pub fn enter(self: &Arc<Self>) -> Result<Arc<Guest>, NoRoom> {
        let mut within = self.within();
        // Who is sent away leaves a moment later; how many may be leaving at once has a limit too.
        if within.held >= self.limit + self.limit / 8 {
            return Err(NoRoom::NotYet);
        }
        if within.held >= self.limit {
            let oldest = within.unproven.iter().find_map(|(number, task)| Some((*number, task.clone()?)));
            let (number, task) = oldest.ok_or(NoRoom::Full)?;
            within.unproven.remove(&number);
            task.abort();
        }
        let number = within.next;
        within.next += 1;
        within.held += 1;
        within.unproven.insert(number, None);
        Ok(Arc::new(Guest { room: self.clone(), number, proven: AtomicBool::new(false) }))
    }

    fn within(&self) -> MutexGuard<'_, Within> {
        self.within.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// How to end this connection, should there be no room.
    pub fn may_be_ended_by(&self, task: AbortHandle) {
        if let Some(place) = self.room.within().unproven.get_mut(&self.number) {
            *place = Some(task);
        }
    }

    /// Its caller has proven who they are: from now on it is not sent away.
    pub fn has_proven_itself(&self) {
        if !self.proven.swap(true, Ordering::Relaxed) {
            self.room.within().unproven.remove(&self.number);
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut within = self.room.within();
        within.held -= 1;
        within.unproven.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_unproven_goes_and_the_proven_stay() {
        let room = Room::new(8);
        let mut tasks = Vec::new();
        let mut arrive = |proven: bool| {
            let guest = room.enter().ok()?;
            let inside = guest.clone();
            let task = tokio::spawn(async move {
                let _inside = inside;
                std::future::pending::<()>().await;
            });
            guest.may_be_ended_by(task.abort_handle());
            if proven {
                guest.has_proven_itself();
            }
            tasks.push(task);
            Some(())
        };
        for proven in [true, false, false, true, true, true, true, true] {
            arrive(proven).unwrap();
        }
        arrive(true).unwrap();
        assert!(arrive(true).is_none(), "the one before has not left yet");
        tokio::task::yield_now().await;
        arrive(true).unwrap();
        tokio::task::yield_now().await;
        let ended: Vec<bool> = tasks.iter().map(tokio::task::JoinHandle::is_finished).collect();
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 2, "{ended:?}");
        assert!(ended[1] && ended[2]);
        for task in &tasks {
            task.abort();
        }
    }

    #[test]
    fn where_all_have_proven_themselves_nobody_else_comes_in_and_who_leaves_makes_room() {
        let room = Room::new(16);
        let guests: Vec<_> = (0..16).map(|_| room.enter().unwrap()).collect();
        guests.iter().for_each(|guest| guest.has_proven_itself());
        assert_eq!(room.enter().err(), Some(NoRoom::Full));
        drop(guests);
        assert!(room.enter().is_ok());
    }
}
