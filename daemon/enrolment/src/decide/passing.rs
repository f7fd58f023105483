//! What happens around the person: mails arrive or not, time passes, the help desk acts.

use super::work::{Work, name};
use crate::enrolment::{Closure, Stage, Step};
use crate::event::{Answer, MailOutcome, Report};
use crate::link::{Delivery, Fate, Id, Link, Purpose};
use crate::refusal::Refusal;
use jiff::SignedDuration;

/// A finished enrolment's links are remembered for so long, to say "already done".
const KEEP_LINKS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What became of a mail. Of somebody who was erased while it was under way, nothing is written down again.
pub(super) fn mailed(work: &mut Work, mail: Id, outcome: MailOutcome) -> Answer {
    if erased(work) {
        return Answer::State;
    }
    let now = work.now();
    let (what, delivery) = match outcome {
        MailOutcome::Sent => ("mail-sent", Delivery::Sent(now)),
        MailOutcome::Deferred(why) => ("mail-deferred", Delivery::Deferred(now, why)),
        MailOutcome::Refused(why) => ("mail-refused", Delivery::Refused(now, why)),
        MailOutcome::Unconfirmed(why) => ("mail-unconfirmed", Delivery::Unconfirmed(now, why)),
        MailOutcome::GivenUp => ("mail-given-up", Delivery::GivenUp(now, too_late(&work.next.links, mail))),
    };
    let why = delivery.why().unwrap_or_default().to_owned();
    let mut purpose = "other";
    for link in work.next.links.iter_mut().filter(|link| link.mail == mail) {
        purpose = name(link.purpose);
        // A bounce may be told before the word that the mail was handed over; it is the last word.
        if !matches!(link.delivery, Delivery::Refused(..)) {
            link.delivery = delivery.clone();
        }
    }
    if why.is_empty() {
        work.record(what, &[("purpose", purpose)]);
    } else {
        work.record(what, &[("purpose", purpose), ("why", &why)]);
    }
    Answer::State
}

/// Why a mail was not sent in time: with what it was last put off, where that is known.
fn too_late(links: &[Link], mail: Id) -> String {
    let before = links.iter().find(|link| link.mail == mail).and_then(|link| link.delivery.why());
    let last = before.map(|why| format!("; before that: {why}")).unwrap_or_default();
    format!("its deadline has passed{last}")
}

/// What another mail system says of a mail that ours had taken. Said twice, it is one report; of a link that was used it
/// is not believed, because its mail arrived.
pub(super) fn reported(work: &mut Work, link: Option<Id>, report: Report) -> Answer {
    if erased(work) {
        return Answer::State;
    }
    let now = work.now();
    let (what, why, delivery) = match report {
        Report::Failed(why) => ("mail-bounced", why.clone(), Delivery::Refused(now, why)),
        Report::Delayed(why) => ("mail-delayed", why.clone(), Delivery::Deferred(now, why)),
    };
    let purpose = match link {
        None => "notice",
        Some(id) => {
            let Some(link) = work.next.links.iter_mut().find(|link| link.id == id) else {
                return Answer::State;
            };
            let news = match (&link.delivery, &delivery) {
                (Delivery::Refused(..), _) | (Delivery::Deferred(..), Delivery::Deferred(..)) => false,
                (Delivery::Queued | Delivery::Sent(_) | Delivery::Deferred(..), _)
                | (Delivery::Unconfirmed(..) | Delivery::GivenUp(..), _) => true,
            };
            if !news || matches!(link.fate, Fate::Used(_)) {
                return Answer::State;
            }
            link.delivery = delivery;
            name(link.purpose)
        }
    };
    work.record(what, &[("purpose", purpose), ("why", &why)]);
    Answer::State
}

/// Whether this is what stays of somebody who was erased: nothing is written down again.
fn erased(work: &Work) -> bool {
    let nameless = work.next.profile.login.is_empty() && work.next.links.is_empty() && !work.next.open();
    nameless || matches!(work.next.stage, Stage::Unseen)
}

/// Time passed: what has ended is put away. Nothing here decides whether a link or a session is good; the clock
/// does that when they are used.
pub(super) fn elapsed(work: &mut Work) -> Answer {
    let (now, idle) = (work.now(), work.policy.limits.session_idle);
    work.next.sessions.retain(|session| session.live(now, idle));
    work.next.tickets.retain(|ticket| now <= ticket.until);
    match &work.next.stage {
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) => {
            if now.duration_since(work.next.changed) > work.policy.limits.enrolment_idle {
                work.close(Closure::Expired);
            }
        }
        Stage::Done { at, .. } | Stage::Closed { at, .. } => {
            if now.duration_since(*at) > KEEP_LINKS {
                work.next.links.clear();
            }
        }
        Stage::Unseen | Stage::Activating { .. } => {}
    }
    Answer::State
}

/// The help desk sends the live link once more, whatever the cooldown; or a new one where the old has ended. An
/// invitation goes to the address that the directory has by now.
pub(super) fn admin_resend(work: &mut Work) -> Result<Answer, Refusal> {
    let purpose = match (&work.next.stage, work.next.step(work.policy)) {
        (Stage::Proving, _) => Purpose::Recovery,
        (Stage::Address { .. }, _) => return invite_again(work),
        (Stage::Choosing(_), Some(Step::ForwardLink)) => Purpose::Forward,
        (Stage::Choosing(_) | Stage::Activating { .. } | Stage::Done { .. }, _)
        | (Stage::Unseen | Stage::Closed { .. }, _) => return Err(work.out_of_order()),
    };
    let Some(link) = work.next.newest(purpose).cloned() else { return Err(Refusal::LinkUnknown) };
    match link.fate {
        Fate::Live if link.live(work.now()) => work.mail_again(link.id),
        Fate::Live | Fate::Superseded(_) | Fate::Retired(_) => work.send_link(purpose, &link.address),
        Fate::Used(at) => return Err(Refusal::LinkUsed(at)),
    }
    Ok(Answer::State)
}

/// Somebody at step 3 gives an address themselves; all that can be sent is an invitation.
fn invite_again(work: &mut Work) -> Result<Answer, Refusal> {
    let address = work.invitable().ok_or(Refusal::LinkUnknown)?;
    // One that was used says nothing of an address that was corrected since.
    let before = work.next.newest(Purpose::Invitation).filter(|link| address.same_as(&link.address)).cloned();
    if let Some(Fate::Used(at)) = before.as_ref().map(|link| link.fate) {
        return Err(Refusal::LinkUsed(at));
    }
    match before.filter(|link| link.live(work.now())) {
        Some(link) => work.mail_again(link.id),
        None => work.send_link(Purpose::Invitation, &address.to_string()),
    }
    work.next.invited = true;
    Ok(Answer::State)
}

/// The help desk ends it; the account stays provisional.
pub(super) fn admin_cancel(work: &mut Work) -> Result<Answer, Refusal> {
    match work.next.stage {
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) => {
            work.close(Closure::Cancelled);
            Ok(Answer::State)
        }
        Stage::Activating { .. } => Err(Refusal::Busy),
        Stage::Unseen | Stage::Done { .. } | Stage::Closed { .. } => Err(work.out_of_order()),
    }
}
