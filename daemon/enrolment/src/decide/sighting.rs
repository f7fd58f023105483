//! What the directory says: the gate. It opens enrolments, closes them, and begins new rounds.
//!
//! The watch may be late, may repeat itself, and after a restored backup speaks of the past. So a stamp older than
//! one already seen says nothing here, but for one thing: a finished person who is provisional again and older.

use super::activating::finish;
use super::work::{Work, newer};
use crate::enrolment::{Answers, Closure, Profile, Stage};
use crate::event::{Answer, Sighting, Standing};
use crate::link::Purpose;
use jiff::SignedDuration;

/// For so long after our own write, a person's entry that reads as provisional and older was read before it: another
/// browser was on its way, or a replica lags. Later, the directory was restored and the person has to begin again.
const SETTLING: SignedDuration = SignedDuration::from_mins(1);

/// A write of ours that is so old does not arrive any more.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// The entry was read or the watch saw it.
pub(super) fn sighted(work: &mut Work, sighting: Sighting) -> Answer {
    let late = !sighting.in_person && work.seen_after(&sighting.stamp);
    match sighting.standing {
        // Nothing is kept of people who never were provisional.
        Standing::Active | Standing::Locked | Standing::Other
            if late || matches!(work.next.stage, Stage::Unseen) => {}
        Standing::Provisional => provisional(work, sighting, late),
        Standing::Active => active(work, sighting),
        Standing::Locked => ended(work, &sighting, Closure::Locked),
        Standing::Other => ended(work, &sighting, Closure::Withdrawn),
    }
    Answer::State
}

/// The entry is no longer there.
pub(super) fn gone(work: &mut Work) -> Answer {
    match &work.next.stage {
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) => work.close(Closure::Gone),
        // To a watch of provisional entries our own write looks like this: the outcome decides.
        Stage::Activating { .. } => {
            if let Some(seen) = &mut work.next.seen {
                seen.standing = None;
            }
        }
        Stage::Unseen | Stage::Done { .. } | Stage::Closed { .. } => {}
    }
    Answer::State
}

fn provisional(work: &mut Work, sighting: Sighting, late: bool) {
    let in_person = sighting.in_person;
    match &work.next.stage {
        Stage::Done { stamp: ours, at, .. } => {
            let ours = ours.clone();
            let settling = work.now().duration_since(*at) < SETTLING;
            finished_before(work, sighting, ours.as_deref(), settling);
        }
        _ if late => return,
        Stage::Unseen => begin(work, sighting, true),
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) => {
            if marked(work, &sighting) {
                begin(work, sighting, true);
            } else {
                work.note_seen(&sighting.stamp, Some(Standing::Provisional));
                learn(work, sighting.profile);
            }
        }
        // Our own write, or its first half, may be what was seen: the outcome decides.
        Stage::Activating { .. } => work.note_seen(&sighting.stamp, Some(Standing::Provisional)),
        Stage::Closed { why, .. } => match why {
            _ if again(work, &sighting) => begin(work, sighting, true),
            Closure::Locked | Closure::Gone | Closure::Withdrawn => begin(work, sighting, false),
            // Closed by time or by the help desk: it opens again when the person comes.
            Closure::Expired | Closure::Cancelled if in_person => begin(work, sighting, false),
            Closure::Expired | Closure::Cancelled => {
                work.note_seen(&sighting.stamp, Some(Standing::Provisional));
            }
        },
    }
    invite(work, in_person);
}

/// Provisional again after step 10: a new round if it was written since, or if the person is there and has nothing
/// else left; else the directory was rolled back.
fn finished_before(work: &mut Work, sighting: Sighting, ours: Option<&str>, settling: bool) {
    let after_ours = ours.is_some_and(|ours| newer(&sighting.stamp, ours));
    if after_ours && work.seen_before(&sighting.stamp) {
        begin(work, sighting, true);
    } else if sighting.in_person {
        if !settling {
            rolled_back(work, &sighting.stamp);
            begin(work, sighting, true);
        }
    } else if !after_ours || !work.seen_after(&sighting.stamp) {
        rolled_back(work, &sighting.stamp);
    }
}

fn begin(work: &mut Work, sighting: Sighting, new_round: bool) {
    work.next.profile = sighting.profile;
    work.note_seen(&sighting.stamp, Some(Standing::Provisional));
    if let Some(seen) = &mut work.next.seen {
        seen.active = false;
    }
    work.begin(new_round);
}

/// Provisional again after it was active by other means, or marked anew: a new letter, so a new round. A filter that
/// flaps is neither, because nothing was written.
fn again(work: &Work, sighting: &Sighting) -> bool {
    let was_active = work.next.seen.as_ref().is_some_and(|seen| seen.active);
    (was_active && work.seen_before(&sighting.stamp)) || marked(work, sighting)
}

/// Whether somebody wrote another value into the marker attribute.
fn marked(work: &Work, sighting: &Sighting) -> bool {
    match (&work.next.profile.marker, &sighting.profile.marker) {
        (Some(before), Some(now)) => before != now && work.seen_before(&sighting.stamp),
        (None, _) | (_, None) => false,
    }
}

/// A provisional entry that is older than our activation: the directory was restored from a backup. Nobody is
/// mailed; the sysadmin is told, once for each state that appears.
fn rolled_back(work: &mut Work, stamp: &str) {
    let Stage::Done { drift, .. } = &mut work.next.stage else { return };
    if drift.as_deref() != Some(stamp) {
        *drift = Some(stamp.to_owned());
        work.record("drift", &[("stamp", stamp)]);
    }
}

fn active(work: &mut Work, sighting: Sighting) {
    let Sighting { stamp: seen, profile, .. } = sighting;
    match &mut work.next.stage {
        Stage::Activating { answers, attempt } => {
            // What is not newer than what we began with is a memory of an earlier round.
            if newer(&seen, &attempt.stamp) {
                let answers = answers.clone();
                finish(work, answers, Some(seen));
            }
            return;
        }
        Stage::Done { stamp, drift, .. } => {
            let over = drift.take().is_some();
            if stamp.is_none() {
                *stamp = Some(seen.clone());
            }
            if over {
                work.record("drift-over", &[]);
            }
            if work.next.profile.marker != profile.marker {
                work.next.profile.marker = profile.marker;
                work.record("marker-changed", &[]);
            }
        }
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) => {
            if let Some(answers) = arrived_late(work, &seen) {
                finish(work, answers, Some(seen));
                return;
            }
            work.close(Closure::Withdrawn);
        }
        Stage::Unseen | Stage::Closed { .. } => {}
    }
    work.note_seen(&seen, Some(Standing::Active));
}

/// What was written, where it is our own write that is seen: the entry did not have it when it was asked.
fn arrived_late(work: &Work, seen: &str) -> Option<Answers> {
    let late = work.next.late.as_ref()?;
    let recent = work.now().duration_since(late.attempt.at) < LATE;
    (recent && newer(seen, &late.attempt.stamp)).then(|| late.answers.clone())
}

fn ended(work: &mut Work, sighting: &Sighting, why: Closure) {
    match work.next.stage {
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) => work.close(why),
        // While we write, the outcome decides; what is done stays done; what is closed stays closed.
        Stage::Unseen | Stage::Activating { .. } | Stage::Done { .. } | Stage::Closed { .. } => {}
    }
    work.note_seen(&sighting.stamp, Some(sighting.standing));
}

/// The directory's facts may change half-way: a new name, a new login, another population.
fn learn(work: &mut Work, profile: Profile) {
    if work.next.profile == profile {
        return;
    }
    let had_mailbox = work.population().is_ok_and(|people| people.mailbox);
    let login = profile.login.clone();
    work.next.profile = profile;
    work.record("profile-changed", &[("login", &login)]);
    if !had_mailbox && work.population().is_ok_and(|people| people.mailbox) {
        work.keep_copy();
    }
    work.fit_population();
}

/// One invitation a round at most, and none to somebody who is already here.
fn invite(work: &mut Work, in_person: bool) {
    if work.next.invited || !matches!(work.next.stage, Stage::Address { .. }) {
        return;
    }
    if in_person {
        work.next.invited = true;
        work.record("arrived", &[]);
        return;
    }
    let Some(address) = work.invitable() else { return };
    work.next.invited = true;
    work.send_link(Purpose::Invitation, &address.to_string());
}
