//! What the directory says: the gate. It opens enrolments, closes them, and begins new rounds.

use super::activating::finish;
use super::work::Work;
use crate::address::Address;
use crate::enrolment::{Closure, Profile, Stage};
use crate::event::{Answer, Sighting, Standing};
use crate::link::Purpose;

/// The entry was read or the watch saw it.
pub(super) fn sighted(work: &mut Work, sighting: Sighting) -> Answer {
    match sighting.standing {
        Standing::Provisional => provisional(work, sighting),
        Standing::Active => active(work, sighting),
        Standing::Locked => ended(work, Closure::Locked),
        Standing::Other => ended(work, Closure::Withdrawn),
    }
    Answer::State
}

/// The entry is no longer there.
pub(super) fn gone(work: &mut Work) -> Answer {
    match &work.next.stage {
        Stage::Activating { .. } => work.close(Closure::Gone),
        Stage::Unseen
        | Stage::Done { .. }
        | Stage::Address { .. }
        | Stage::Proving
        | Stage::Choosing(_)
        | Stage::Closed { .. } => ended(work, Closure::Gone),
    }
    Answer::State
}

fn provisional(work: &mut Work, sighting: Sighting) {
    let Sighting { stamp, profile, in_person, .. } = sighting;
    match &work.next.stage {
        Stage::Unseen => {
            work.next.profile = profile;
            work.begin(true);
        }
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) => learn(work, profile),
        // Our own write, or its first half, may be what was seen: the outcome decides.
        Stage::Activating { .. } => return,
        Stage::Done { stamp: ours, drift, .. } => {
            let newer = ours.as_ref().is_some_and(|ours| *ours < stamp);
            let marked = profile.marker != work.next.profile.marker;
            if newer || marked || in_person {
                work.next.profile = profile;
                work.begin(true);
            } else if drift.as_ref() != Some(&stamp) {
                rolled_back(work, stamp);
                return;
            }
        }
        Stage::Closed { why, .. } => match why {
            Closure::Locked | Closure::Gone => {
                work.next.profile = profile;
                work.begin(false);
            }
            Closure::Withdrawn => {
                work.next.profile = profile;
                work.begin(true);
            }
            // Closed by time or by the help desk: it opens again when the person comes.
            Closure::Expired | Closure::Cancelled if in_person => {
                work.next.profile = profile;
                work.begin(false);
            }
            Closure::Expired | Closure::Cancelled => return,
        },
    }
    invite(work, in_person);
}

/// A provisional entry that is older than our activation: the directory was restored from a backup. Nobody is
/// mailed; the sysadmin is told, once for each state that appears.
fn rolled_back(work: &mut Work, stamp: String) {
    if let Stage::Done { drift, .. } = &mut work.next.stage {
        *drift = Some(stamp);
    }
    work.record("drift", &[]);
}

fn active(work: &mut Work, sighting: Sighting) {
    match &mut work.next.stage {
        Stage::Unseen | Stage::Closed { .. } => {}
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) => work.close(Closure::Withdrawn),
        Stage::Activating { answers, attempt } => {
            if attempt.stamp != sighting.stamp {
                let answers = answers.clone();
                finish(work, answers, Some(sighting.stamp));
            }
        }
        Stage::Done { stamp, drift, .. } => {
            *drift = None;
            if stamp.is_none() {
                *stamp = Some(sighting.stamp);
            }
            work.next.profile.marker = sighting.profile.marker;
        }
    }
}

fn ended(work: &mut Work, why: Closure) {
    match work.next.stage {
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) => work.close(why),
        // While we write, the outcome decides; what is done stays done; what is closed stays closed.
        Stage::Unseen | Stage::Activating { .. } | Stage::Done { .. } | Stage::Closed { .. } => {}
    }
}

/// The directory's facts may change half-way: a new name, a new login, another population.
fn learn(work: &mut Work, profile: Profile) {
    if work.next.profile != profile {
        let login = profile.login.clone();
        work.next.profile = profile;
        work.fit_population();
        work.record("profile-changed", &[("login", &login)]);
    }
}

/// One invitation a round at most, and none to somebody who is already here.
fn invite(work: &mut Work, in_person: bool) {
    if work.next.invited || !matches!(work.next.stage, Stage::Address { .. }) {
        return;
    }
    if in_person {
        work.next.invited = true;
        return;
    }
    if !work.next.population(work.policy).is_some_and(|people| people.invite) {
        return;
    }
    let Some(offered) = work.next.profile.offered.as_deref() else { return };
    let Ok(address) = Address::parse(offered) else { return };
    if address.within(&work.policy.own_domains) {
        return;
    }
    work.next.invited = true;
    work.send_link(Purpose::Invitation, &address.to_string());
}
