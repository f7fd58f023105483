//! Sessions and tickets: how a browser holds on to an enrolment, and for how long.

use crate::link::Id;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The most sessions that one enrolment keeps; the one longest unused makes room.
pub const MOST_SESSIONS: usize = 8;
/// The most unused tickets that one enrolment keeps.
pub const MOST_TICKETS: usize = 8;

/// One browser that goes through the steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What its token is derived from.
    pub id: Id,
    /// When it was last used.
    pub seen: Timestamp,
    /// When it ends however much it is used.
    pub until: Timestamp,
    /// Where the SSO wants the person back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
}

/// A one-time hand-over from the login page to the pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// What its token is derived from.
    pub id: Id,
    /// When it ends.
    pub until: Timestamp,
    /// Where the SSO wants the person back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
}

impl Session {
    /// When it ends if it is not used again.
    pub fn ends(&self, idle: SignedDuration) -> Timestamp {
        self.seen.checked_add(idle).map_or(self.until, |idle_end| idle_end.min(self.until))
    }

    /// Whether it can still be used.
    pub fn live(&self, now: Timestamp, idle: SignedDuration) -> bool {
        now <= self.ends(idle)
    }
}
