//! The heart: what an event makes of an enrolment.
//!
//! One function from values to values. It dispatches on the event here; each file beside it answers for every stage,
//! so that a new stage does not compile until every request has an answer for it.

mod activating;
mod arriving;
mod choosing;
mod passing;
mod proving;
mod reminding;
mod sighting;
mod work;

use crate::enrolment::Enrolment;
use crate::event::{Decision, Event, MailKind, MailOrder, Moment, Request};
use crate::link::{Id, Usable};
use crate::policy::Policy;
use crate::refusal::Refusal;
use jiff::Timestamp;
pub use reminding::reminder;
use work::Work;

/// What the event makes of the enrolment: the new state with its effects, or why nothing changes.
pub fn decide(
    enrolment: &Enrolment,
    event: Event,
    policy: &Policy,
    moment: &Moment,
) -> Result<Decision, Refusal> {
    let mut work = Work::on(enrolment, policy, moment);
    work.settle();
    let answer = match event {
        Event::Sighted(sighting) => sighting::sighted(&mut work, sighting),
        Event::Gone => sighting::gone(&mut work),
        Event::Asked(request) => asked(&mut work, request)?,
        Event::Mailed(mail, outcome) => passing::mailed(&mut work, mail, outcome),
        Event::Reported(link, report) => passing::reported(&mut work, link, report),
        Event::Written(outcome) => activating::written(&mut work, outcome),
        Event::Recovered(recovery) => activating::recovered(&mut work, recovery),
        Event::Elapsed => passing::elapsed(&mut work),
        Event::Remind => reminding::remind(&mut work),
        Event::AdminResend => passing::admin_resend(&mut work)?,
        Event::AdminCancel => passing::admin_cancel(&mut work)?,
    };
    Ok(Decision { enrolment: work.next, answer, effects: work.effects })
}

fn asked(work: &mut Work, request: Request) -> Result<crate::event::Answer, Refusal> {
    match request {
        Request::Admit { return_to } => arriving::admit(work, return_to),
        Request::Open { return_to } => arriving::open(work, return_to),
        Request::Enter { ticket } => arriving::enter(work, ticket),
        Request::State { session } => arriving::state(work, session),
        Request::RecoveryAddress { session, address, inward } => {
            proving::recovery_address(work, session, &address, inward)
        }
        Request::Redeem { link, session } => proving::redeem(work, link, session),
        Request::Resend { session } => proving::resend(work, session),
        Request::Restart { session } => proving::restart(work, session),
        Request::Charter { session, version, accepted, locale } => {
            choosing::charter(work, session, &version, accepted, &locale)
        }
        Request::Listing { session, listed } => choosing::listing(work, session, listed),
        Request::Mail { session, forward, inward, keep_copy } => {
            choosing::mail(work, session, forward.as_deref(), inward, keep_copy)
        }
        Request::Password { session, fault, attempt } => activating::password(work, session, fault, attempt),
    }
}

/// What a link is for and whether it can be used; changes nothing. `None`: this enrolment never had it.
pub fn look(enrolment: &Enrolment, link: Id, now: Timestamp) -> Option<(&crate::link::Link, Usable)> {
    enrolment.link(link).map(|link| (link, link.usable(now)))
}

/// Whether a mail is still worth sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Send it.
    Yes,
    /// Its deadline has passed.
    TooLate,
    /// Its link was used, superseded or retired, or a later mail carries it; or who was to be reminded has gone on.
    Overtaken,
}

/// Whether a mail is still worth sending now: asked right before it is sent.
pub fn wanted(enrolment: &Enrolment, order: &MailOrder, now: Timestamp) -> Wanted {
    let late = now.as_second() > order.deadline.as_second();
    let in_time = if late { Wanted::TooLate } else { Wanted::Yes };
    match (order.kind, order.link) {
        (MailKind::Activated | MailKind::PasswordChanged, _) => in_time,
        // Whoever has finished meanwhile, or begun again elsewhere, is not told that they stopped.
        (MailKind::Reminder, None) if reminding::proven(enrolment) == Some(order.to.as_str()) => in_time,
        (MailKind::Link | MailKind::Forward | MailKind::Invitation | MailKind::Reminder, None) => {
            Wanted::Overtaken
        }
        (MailKind::Link | MailKind::Forward | MailKind::Invitation | MailKind::Reminder, Some(id)) => {
            match enrolment.link(id).filter(|link| link.mail == order.mail).map(|link| link.usable(now)) {
                Some(Usable::Yes) => in_time,
                Some(Usable::Expired(_)) => Wanted::TooLate,
                Some(Usable::Superseded(_) | Usable::Used(_)) | None => Wanted::Overtaken,
            }
        }
    }
}
