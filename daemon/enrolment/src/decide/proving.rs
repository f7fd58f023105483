//! Proving an address: step 3, the links of steps 4 and 8, the mail once more, and starting again.

use super::work::{Work, name};
use crate::enrolment::{Answers, Stage};
use crate::event::Answer;
use crate::link::{Fate, Id, Link, Purpose, Usable};
use crate::refusal::{Field, Refusal};

/// Step 3, and again while its link is not used.
pub(super) fn recovery_address(
    work: &mut Work,
    session: Id,
    text: &str,
    inward: bool,
) -> Result<Answer, Refusal> {
    work.session(session)?;
    let kept = match &work.next.stage {
        Stage::Address { proven } => proven.clone(),
        Stage::Proving => None,
        Stage::Unseen
        | Stage::Closed { .. }
        | Stage::Choosing(_)
        | Stage::Activating { .. }
        | Stage::Done { .. } => return Err(work.out_of_order()),
    };
    work.population()?;
    let address = work.outside(Field::Address, text, inward)?;
    if let Some(recovery) = kept.filter(|proven| address.same_as(proven)) {
        work.not_too_often()?;
        work.record("address-kept", &[("address", &recovery)]);
        work.next.stage = Stage::Choosing(Answers::under(recovery));
        return Ok(Answer::State);
    }
    if let Some(link) = work.next.newest(Purpose::Recovery).filter(|link| address.same_as(&link.address)) {
        if link.in_vain(work.now()) {
            return Err(Refusal::AddressRefused(Field::Address));
        }
        // The button pressed twice: the mail is on its way already.
        if matches!(work.next.stage, Stage::Proving) && cooling(work, link).is_some() {
            return Ok(Answer::State);
        }
    }
    work.not_too_often()?;
    let now = work.now();
    work.end_links(Some(Purpose::Invitation), Fate::Superseded(now));
    work.send_link(Purpose::Recovery, &address.to_string());
    work.next.stage = Stage::Proving;
    extend(work, session);
    Ok(Answer::State)
}

/// A link was used by somebody who pressed the button.
pub(super) fn redeem(work: &mut Work, id: Id, session: Option<Id>) -> Result<Answer, Refusal> {
    work.not_too_often()?;
    let now = work.now();
    let link = work.next.link(id).cloned().ok_or(Refusal::LinkUnknown)?;
    match link.usable(now) {
        Usable::Yes => {}
        Usable::Expired(at) => return Err(Refusal::LinkExpired(at)),
        Usable::Superseded(at) => return Err(Refusal::LinkSuperseded(at)),
        Usable::Used(at) => return Err(Refusal::LinkUsed(at)),
    }
    // Without a population there is no step to go to: the link stays good until the configuration has one again.
    work.population()?;
    let session = session.filter(|session| work.session(*session).is_ok());
    confirm(work, &link)?;
    work.set_fate(id, Fate::Used(now));
    work.record("link-used", &[("purpose", name(link.purpose)), ("address", &link.address)]);
    Ok(match (session, link.purpose) {
        (Some(session), _) => work.rotate_session(session),
        (None, Purpose::Recovery) if work.policy.recovery_continues_anywhere => work.begin_session(None),
        (None, _) => Answer::SignIn,
    })
}

/// What the proof of that address means at this stage.
fn confirm(work: &mut Work, link: &Link) -> Result<(), Refusal> {
    let now = work.now();
    let superseded = Err(Refusal::LinkSuperseded(now));
    match (&mut work.next.stage, link.purpose) {
        (Stage::Proving, Purpose::Recovery) => {
            work.next.stage = Stage::Choosing(Answers::under(link.address.clone()));
            Ok(())
        }
        (Stage::Address { proven }, Purpose::Invitation) => {
            *proven = Some(link.address.clone());
            Ok(())
        }
        (Stage::Choosing(answers), Purpose::Forward) => {
            match answers.mail.as_mut().and_then(|mail| mail.forward.as_mut()) {
                Some(forward) if forward.address == link.address => {
                    forward.confirmed = Some(now);
                    Ok(())
                }
                Some(_) | None => superseded,
            }
        }
        (Stage::Unseen | Stage::Closed { .. }, _) => Err(work.out_of_order()),
        (Stage::Activating { .. } | Stage::Done { .. }, _)
        | (Stage::Proving, Purpose::Forward | Purpose::Invitation)
        | (Stage::Address { .. }, Purpose::Recovery | Purpose::Forward)
        | (Stage::Choosing(_), Purpose::Recovery | Purpose::Invitation) => superseded,
    }
}

/// The same link's mail once more; for a forwarding link that has expired, a new one.
pub(super) fn resend(work: &mut Work, session: Id) -> Result<Answer, Refusal> {
    work.session(session)?;
    let purpose = match work.next.stage {
        Stage::Proving => Purpose::Recovery,
        Stage::Choosing(_) if work.next.step(work.policy) == Some(crate::Step::ForwardLink) => {
            Purpose::Forward
        }
        Stage::Unseen
        | Stage::Closed { .. }
        | Stage::Address { .. }
        | Stage::Choosing(_)
        | Stage::Activating { .. }
        | Stage::Done { .. } => return Err(work.out_of_order()),
    };
    let Some(link) = work.next.newest(purpose).cloned() else { return Err(Refusal::LinkUnknown) };
    if link.in_vain(work.now()) {
        return Err(Refusal::AddressRefused(match purpose {
            Purpose::Forward => Field::Forward,
            Purpose::Recovery | Purpose::Invitation => Field::Address,
        }));
    }
    work.not_too_often()?;
    if !link.live(work.now()) {
        work.send_link(purpose, &link.address);
        extend(work, session);
        return Ok(Answer::State);
    }
    if let Some(wait) = cooling(work, &link) {
        return Err(Refusal::TooManyAttempts(wait));
    }
    if link.mails >= work.policy.limits.mails_a_link {
        let wait = link.deadline.duration_since(work.now()).max(work.policy.limits.resend_cooldown);
        return Err(Refusal::TooManyAttempts(wait));
    }
    work.mail_again(link.id);
    Ok(Answer::State)
}

/// Back to step 3; every link is retired.
pub(super) fn restart(work: &mut Work, session: Id) -> Result<Answer, Refusal> {
    work.session(session)?;
    let now = work.now();
    match work.next.stage {
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) => {
            work.not_too_often()?;
            work.end_links(None, Fate::Retired(now));
            work.next.stage = Stage::Address { proven: None };
            work.record("restarted", &[]);
            Ok(Answer::State)
        }
        Stage::Unseen | Stage::Closed { .. } | Stage::Activating { .. } | Stage::Done { .. } => {
            Err(work.out_of_order())
        }
    }
}

/// How long the person must wait before the link's mail may be sent again.
pub(super) fn cooling(work: &Work, link: &Link) -> Option<jiff::SignedDuration> {
    let ready = link.mailed.checked_add(work.policy.limits.resend_cooldown).ok()?;
    let wait = ready.duration_since(work.now());
    wait.is_positive().then_some(wait)
}

/// A session lasts as long as the link that was made in it.
pub(super) fn extend(work: &mut Work, id: Id) {
    let until = work.session_end();
    for session in work.next.sessions.iter_mut().filter(|session| session.id == id) {
        session.until = session.until.max(until);
    }
}
