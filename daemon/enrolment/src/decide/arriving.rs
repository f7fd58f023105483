//! Arriving: from the login page to a session.

use super::work::Work;
use crate::enrolment::Stage;
use crate::event::Answer;
use crate::link::{Id, Purpose};
use crate::refusal::{Field, Refusal};

/// `check`: the person has proven the provisional password, and goes on at our pages.
pub(super) fn admit(work: &mut Work, return_to: Option<String>) -> Result<Answer, Refusal> {
    admissible(work)?;
    let answer = work.issue_ticket(return_to);
    work.record("admitted", &[]);
    Ok(answer)
}

/// `open`, `authenticate`: a session at once.
pub(super) fn open(work: &mut Work, return_to: Option<String>) -> Result<Answer, Refusal> {
    admissible(work)?;
    let answer = work.begin_session(return_to);
    work.record("signed-in", &[]);
    Ok(answer)
}

/// `enter`: the ticket, once.
pub(super) fn enter(work: &mut Work, ticket: Id) -> Result<Answer, Refusal> {
    let now = work.now();
    let held = work.next.tickets.iter().position(|held| held.id == ticket && now <= held.until);
    let held = held.ok_or(Refusal::TicketUnusable)?;
    admissible(work)?;
    let held = work.next.tickets.remove(held);
    let answer = work.begin_session(held.return_to);
    work.record("signed-in", &[]);
    Ok(answer)
}

/// `state`: where the person is; a mail that was refused for good is said as a refusal, because nothing else helps.
pub(super) fn state(work: &mut Work, session: Id) -> Result<Answer, Refusal> {
    work.session(session)?;
    if matches!(work.next.stage, Stage::Choosing(_)) {
        work.population()?;
    }
    let (purpose, field) = match work.next.stage {
        Stage::Proving => (Purpose::Recovery, Field::Address),
        Stage::Choosing(_) if work.next.step(work.policy) == Some(crate::Step::ForwardLink) => {
            (Purpose::Forward, Field::Forward)
        }
        Stage::Choosing(_) | Stage::Address { .. } | Stage::Activating { .. } | Stage::Done { .. } => {
            return Ok(Answer::State);
        }
        Stage::Unseen | Stage::Closed { .. } => return Err(work.out_of_order()),
    };
    // Once the link has ended, the same address may be given again: that is the step's own page.
    let in_vain = work.next.newest(purpose).is_some_and(|link| link.in_vain(work.now()));
    if in_vain { Err(Refusal::AddressRefused(field)) } else { Ok(Answer::State) }
}

fn admissible(work: &Work) -> Result<(), Refusal> {
    work.not_too_often()?;
    match work.next.stage {
        Stage::Unseen | Stage::Done { .. } => Err(Refusal::NotProvisional),
        Stage::Closed { .. } => Err(work.out_of_order()),
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) | Stage::Activating { .. } => {
            work.population().map(|_| ())
        }
    }
}
