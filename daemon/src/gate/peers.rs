//! Who is on the other end of a socket, and which roles they hold.
//!
//! The kernel says the user and the group (SO_PEERCRED); names and further groups come from the system's databases,
//! which may hang (they may be in the very directory that is down). So they are asked in few threads, once for each user
//! at a time, with a deadline; and the last answer holds until there is a new one.

use crate::config::{Roles, Who};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use parvis_protocol::Role;
use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How long an answer of the system's databases is believed without asking again.
const FRESH: Duration = Duration::from_secs(60);
/// How long a caller waits for them; `parvis-hook` gives up after two seconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many threads may hang in them.
const LOOKUPS: usize = 4;

/// The roles of each user, as far as they were asked for.
pub struct Peers {
    known: Arc<Mutex<HashMap<(u32, u32), Known>>>,
    lookups: Arc<Semaphore>,
    look: Arc<Look>,
}

/// Finds the roles of a user with a primary group; it may hang.
type Look = dyn Fn(u32, u32, &Roles) -> Vec<Role> + Send + Sync;

/// What a lookup will have found.
type Answer = watch::Receiver<Option<Vec<Role>>>;

/// What is known of one user, under one configuration of the roles.
struct Known {
    roles: Roles,
    found: Option<(Instant, Vec<Role>)>,
    /// The lookup under way: since when, and what it will find.
    under_way: Option<(Instant, Answer)>,
}

/// A lookup to wait for.
struct Asked {
    since: Instant,
    answer: Answer,
    /// What was known before.
    stale: Option<Vec<Role>>,
}

impl Default for Peers {
    fn default() -> Self {
        Self { known: Arc::default(), lookups: Arc::new(Semaphore::new(LOOKUPS)), look: Arc::new(hold) }
    }
}

impl Peers {
    /// The roles of a user with a primary group.
    pub async fn roles(&self, uid: u32, gid: u32, roles: &Roles) -> Vec<Role> {
        let Asked { since, mut answer, stale } = match self.known(uid, gid, roles) {
            Ok(fresh) => return fresh,
            Err(asked) => asked,
        };
        match tokio::time::timeout_at(since + PATIENCE, answer.wait_for(Option::is_some)).await {
            Ok(Ok(found)) => found.clone().unwrap_or_default(),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(uid, "the system's user database does not answer");
                stale.unwrap_or_else(|| by_number(uid, gid, roles))
            }
        }
    }

    /// Forgets everything, after the configuration has changed.
    pub fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What is known and fresh; else the one lookup to wait for.
    fn known(&self, uid: u32, gid: u32, roles: &Roles) -> Result<Vec<Role>, Asked> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry((uid, gid)).or_insert_with(|| Known::nothing(roles));
        if known.roles != *roles {
            *known = Known::nothing(roles);
        }
        let stale = match &known.found {
            Some((at, held)) if at.elapsed() < FRESH => return Ok(held.clone()),
            found => found.as_ref().map(|(_, held)| held.clone()),
        };
        let (since, answer) =
            known.under_way.get_or_insert_with(|| (Instant::now(), self.ask(uid, gid, roles))).clone();
        Err(Asked { since, answer, stale })
    }

    /// Begins a lookup, which ends when the system answers, whoever still waits.
    fn ask(&self, uid: u32, gid: u32, roles: &Roles) -> Answer {
        let (sender, receiver) = watch::channel(None);
        let (known, lookups, look, roles) =
            (self.known.clone(), self.lookups.clone(), self.look.clone(), roles.clone());
        tokio::spawn(async move {
            let permit = lookups.acquire_owned().await;
            let wanted = roles.clone();
            let found = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                look(uid, gid, &wanted)
            });
            let found = found.await.ok();
            let mut all = known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = all.get_mut(&(uid, gid)).filter(|known| known.roles == roles) {
                known.under_way = None;
                known.found = found.clone().map(|found| (Instant::now(), found)).or(known.found.take());
            }
            sender.send_replace(found);
        });
        receiver
    }
}

impl Known {
    fn nothing(roles: &Roles) -> Self {
        Self { roles: roles.clone(), found: None, under_way: None }
    }
}

fn lists(roles: &Roles) -> [(Role, &[Who]); 4] {
    [
        (Role::Sso, &roles.sso),
        (Role::Pages, &roles.pages),
        (Role::Mta, &roles.mta),
        (Role::Admin, &roles.admin),
    ]
}

/// root and the daemon's own user administer; nothing else follows from who they are.
fn always_admin(uid: u32) -> bool {
    uid == 0 || uid == Uid::effective().as_raw()
}

fn by_number(uid: u32, gid: u32, roles: &Roles) -> Vec<Role> {
    let holds = |who: &Who| {
        matches!(who, Who::Uid(own) if *own == uid) || matches!(who, Who::Gid(own) if *own == gid)
    };
    let held = lists(roles)
        .into_iter()
        .filter(|(role, list)| list.iter().any(holds) || (*role == Role::Admin && always_admin(uid)));
    held.map(|(role, _)| role).collect()
}

fn hold(uid: u32, gid: u32, roles: &Roles) -> Vec<Role> {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let name = user.as_ref().map(|user| user.name.clone());
    let groups = name
        .as_deref()
        .and_then(|name| CString::new(name).ok())
        .and_then(|name| getgrouplist(&name, Gid::from_raw(gid)).ok())
        .unwrap_or_else(|| vec![Gid::from_raw(gid)]);
    let holds = |who: &Who| match who {
        Who::Uid(own) => *own == uid,
        Who::User(own) => Some(own) == name.as_ref(),
        Who::Gid(own) => groups.contains(&Gid::from_raw(*own)),
        Who::Group(own) => {
            Group::from_name(own).ok().flatten().is_some_and(|group| groups.contains(&group.gid))
        }
    };
    let held = lists(roles)
        .into_iter()
        .filter(|(role, list)| list.iter().any(holds) || (*role == Role::Admin && always_admin(uid)));
    held.map(|(role, _)| role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Condvar;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn roles(sso: Vec<Who>) -> Roles {
        Roles { sso, pages: Vec::new(), mta: Vec::new(), admin: Vec::new() }
    }

    /// A database that answers `pages` to everybody, once it is let.
    #[derive(Default)]
    struct Database {
        open: Mutex<bool>,
        opened: Condvar,
        asked: AtomicUsize,
    }

    impl Database {
        fn peers(self: &Arc<Self>) -> Peers {
            let database = self.clone();
            let look: Arc<Look> = Arc::new(move |_, _, _: &Roles| {
                database.asked.fetch_add(1, Ordering::SeqCst);
                let open = database.open.lock().unwrap();
                drop(database.opened.wait_while(open, |open| !*open).unwrap());
                vec![Role::Pages]
            });
            Peers { look, ..Peers::default() }
        }

        fn open(&self) {
            *self.open.lock().unwrap() = true;
            self.opened.notify_all();
        }
    }

    #[tokio::test]
    async fn who_has_a_number_or_a_name_in_the_list_has_the_role() {
        let (uid, gid) = (Uid::effective().as_raw(), Gid::effective().as_raw());
        let peers = Peers::default();
        assert_eq!(peers.roles(uid, gid, &roles(vec![Who::Uid(uid)])).await, [Role::Sso, Role::Admin]);
        assert_eq!(peers.roles(uid, gid, &roles(vec![Who::Gid(gid)])).await, [Role::Sso, Role::Admin]);
        // Another configuration is not answered from what was known under the last.
        assert_eq!(peers.roles(uid, gid, &roles(Vec::new())).await, [Role::Admin]);
        assert_eq!(peers.roles(uid + 4242, gid + 4242, &roles(vec![Who::Uid(uid)])).await, []);
    }

    #[tokio::test]
    async fn a_database_that_hangs_costs_four_threads_and_the_numbers_still_hold() {
        let database = Arc::new(Database::default());
        let (peers, roles) = (database.peers(), roles((0..8).map(Who::Uid).collect()));
        let askers = (0..40).map(|n| peers.roles(n % 8, 0, &roles));
        for held in futures_util::future::join_all(askers).await {
            assert!(held.contains(&Role::Sso) && !held.contains(&Role::Pages));
        }
        assert_eq!(database.asked.load(Ordering::SeqCst), LOOKUPS);
        // The patience was had: whoever comes now does not wait again.
        let again = Instant::now();
        peers.roles(3, 0, &roles).await;
        assert!(again.elapsed() < PATIENCE / 2);
        // The answers that come late are taken, one lookup for each user.
        database.open();
        for uid in 0..8 {
            while peers.roles(uid, 0, &roles).await != [Role::Pages] {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(database.asked.load(Ordering::SeqCst), 8);
    }

    #[tokio::test]
    async fn the_last_answer_holds_while_there_is_no_new_one() {
        let database = Arc::new(Database::default());
        let (peers, roles) = (database.peers(), roles(Vec::new()));
        let before = Instant::now().checked_sub(FRESH * 2).unwrap();
        let known = Known { found: Some((before, vec![Role::Mta])), ..Known::nothing(&roles) };
        peers.known.lock().unwrap().insert((7, 7), known);
        assert_eq!(peers.roles(7, 7, &roles).await, [Role::Mta]);
        database.open();
        while peers.roles(7, 7, &roles).await != [Role::Pages] {
            tokio::task::yield_now().await;
        }
    }
}
