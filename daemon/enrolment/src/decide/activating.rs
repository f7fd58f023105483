//! Step 9: the one request that waits for the directory, and what comes back of it.

use super::work::Work;
use crate::address::Address;
use crate::enrolment::{Answers, Attempt, Closure, LateWrite, Stage, Step};
use crate::event::{Answer, MailKind, Recovery, Standing, WriteOutcome};
use crate::link::{Fate, Id};
use crate::refusal::{PasswordFault, Refusal};
use jiff::Timestamp;

/// The password itself never comes here; what the local rules found does.
pub(super) fn password(
    work: &mut Work,
    session: Id,
    fault: Option<PasswordFault>,
    attempt: Attempt,
) -> Result<Answer, Refusal> {
    work.session(session)?;
    let answers = match &work.next.stage {
        Stage::Choosing(answers) => answers.clone(),
        // Pressed twice, or the answer was lost on its way: it is done.
        Stage::Done { .. } => return Ok(Answer::State),
        Stage::Activating { .. } => return Err(Refusal::Busy),
        Stage::Unseen | Stage::Address { .. } | Stage::Proving | Stage::Closed { .. } => {
            return Err(work.out_of_order());
        }
    };
    match answers.step(work.population()?) {
        Step::Password => {}
        Step::ForwardLink => return Err(Refusal::ForwardUnconfirmed),
        Step::RecoveryAddress
        | Step::RecoveryLink
        | Step::Charter
        | Step::Listing
        | Step::Mail
        | Step::Done => return Err(work.out_of_order()),
    }
    work.not_too_often()?;
    if let Some(fault) = fault {
        return Err(Refusal::Password(fault));
    }
    work.note_seen(&attempt.stamp, Some(Standing::Provisional));
    work.next.stage = Stage::Activating { answers, attempt };
    work.record("activating", &[]);
    Ok(Answer::Write)
}

/// The directory answered. Whatever it said, the earlier answers are kept.
pub(super) fn written(work: &mut Work, outcome: WriteOutcome) -> Answer {
    let Stage::Activating { answers, .. } = &work.next.stage else { return Answer::State };
    let answers = answers.clone();
    match outcome {
        WriteOutcome::Applied(stamp) => finish(work, answers, stamp),
        WriteOutcome::PasswordRefused(fault) => {
            work.record("password-refused", &[("rule", rule(fault))]);
            go_back(work, answers);
        }
        WriteOutcome::NotDone(why) => {
            work.record("activation-failed", &[("why", &why)]);
            go_back(work, answers);
        }
    }
    Answer::State
}

/// After a crash or a silence, the entry itself says whether it was done.
pub(super) fn recovered(work: &mut Work, recovery: Recovery) -> Answer {
    let Stage::Activating { answers, attempt } = &work.next.stage else { return Answer::State };
    let (answers, attempt) = (answers.clone(), attempt.clone());
    match recovery {
        Recovery::Active(stamp) => finish(work, answers, stamp),
        Recovery::NotDone => {
            work.next.late = Some(LateWrite { answers: answers.clone(), attempt });
            work.record("activation-failed", &[("why", "it was interrupted before the directory changed")]);
            go_back(work, answers);
        }
        Recovery::Gone => work.close(Closure::Gone),
    }
    Answer::State
}

/// Step 9 again, unless the directory said meanwhile that there is nothing left to do: while we wrote, that waited.
fn go_back(work: &mut Work, answers: Answers) {
    let said = work.next.seen.as_ref().map_or(Some(Standing::Provisional), |seen| seen.standing);
    work.next.stage = Stage::Choosing(answers);
    match said {
        Some(Standing::Provisional | Standing::Active) => {}
        Some(Standing::Locked) => work.close(Closure::Locked),
        Some(Standing::Other) => work.close(Closure::Withdrawn),
        None => work.close(Closure::Gone),
    }
}

/// Step 10.
pub(super) fn finish(work: &mut Work, answers: Answers, stamp: Option<String>) {
    let now = work.now();
    work.end_links(None, Fate::Retired(now));
    work.next.tickets.clear();
    work.next.late = None;
    let to = answers.recovery.clone();
    let former = work.next.former.take().filter(|former| told_apart(work, former, &to));
    if let Some(stamp) = &stamp {
        work.note_seen(stamp, Some(Standing::Active));
    }
    work.next.stage = Stage::Done { answers, at: now, stamp, drift: None };
    let deadline = now.checked_add(work.policy.limits.notice).unwrap_or(Timestamp::MAX);
    work.order_mail(MailKind::Activated, None, &to, deadline);
    if let Some(former) = &former {
        work.order_notice(MailKind::PasswordChanged, former, deadline);
    }
    work.record("activated", &[("address", &to)]);
    if let Some(former) = &former {
        work.record("password-changed", &[("address", former)]);
    }
}

/// Whether the address of the round before is another one, outside the campus: then it is told of the new password.
fn told_apart(work: &Work, former: &str, present: &str) -> bool {
    let address = Address::parse(former);
    address.is_ok_and(|address| !address.same_as(present) && !address.within(&work.policy.own_domains))
}

fn rule(fault: PasswordFault) -> &'static str {
    match fault {
        PasswordFault::TooShort => "too-short",
        PasswordFault::TooSimple => "too-simple",
        PasswordFault::ContainsIdentity => "contains-identity",
        PasswordFault::Breached => "breached",
        PasswordFault::Reused => "reused",
        PasswordFault::Refused => "refused",
    }
}
