//! Who is on the other end of a socket, and which roles they hold.
//!
//! The kernel says the user and the group (SO_PEERCRED); names and further groups come from the system's databases,
//! which may hang (they may be in the very directory that is down), so they are asked in a thread, with a deadline,
//! and remembered for a while.

use crate::config::{Roles, Who};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use parvis_protocol::Role;
use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer of the system's databases is believed.
const FRESH: Duration = Duration::from_secs(60);
/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The roles of each user, as far as they were asked for.
#[derive(Default)]
pub struct Peers {
    known: Mutex<HashMap<(u32, u32), Known>>,
}

/// What was found, and when.
type Known = (Instant, Vec<Role>);

impl Peers {
    /// The roles of a user with a primary group.
    pub async fn roles(&self, uid: u32, gid: u32, roles: &Roles) -> Vec<Role> {
        if let Some(known) = self.remembered(uid, gid) {
            return known;
        }
        let wanted = roles.clone();
        let asked = tokio::task::spawn_blocking(move || hold(uid, gid, &wanted));
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(found)) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert((uid, gid), (Instant::now(), found.clone()));
                found
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(uid, "the system's user database does not answer; only numbers are looked at");
                by_number(uid, gid, roles)
            }
        }
    }

    /// Forgets everything, after the configuration has changed.
    pub fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn remembered(&self, uid: u32, gid: u32) -> Option<Vec<Role>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(uid, gid)).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, roles)| roles.clone())
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
