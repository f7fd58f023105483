//! The reminder: who stopped half-way is written to once a round, and only at an address that is known to be theirs.
//!
//! An address that somebody typed and nobody proved gets none: it may be a stranger's. The directory's own address may
//! be written to as an invitation may, and then the mail carries the invitation's link, by the ordinary rules of links.

use super::work::Work;
use crate::address::Address;
use crate::deadline::Validity;
use crate::enrolment::{Enrolment, Stage};
use crate::event::{Answer, MailKind, Moment};
use crate::link::{Delivery, Fate, Id, Link, Purpose};
use crate::policy::Policy;
use jiff::{SignedDuration, Timestamp};

/// Until the end of the day on which it is ordered: a reminder that was held up does not arrive at night.
const TODAY: Validity = Validity::SameDay { minimum: SignedDuration::ZERO };

/// Whom the reminder goes to.
enum Whom {
    /// Somebody who proved this address, in this round.
    Proven(String),
    /// Somebody who was invited at the directory's address, and has not come.
    Invited(Link),
}

/// Whether a person is to be reminded now, and at which address: what the limits on mails count it by.
pub fn reminder(enrolment: &Enrolment, policy: &Policy, now: Timestamp) -> Option<String> {
    let moment = Moment { now, fresh: [Id([0; 16]); 3], wait: None };
    let mut work = Work::on(enrolment, policy, &moment);
    work.settle();
    match whom(&work)? {
        Whom::Proven(address) => Some(address),
        Whom::Invited(link) => Some(link.address),
    }
}

/// Orders the reminder, where one is due. Where a limit on mails is reached, it waits for another day.
pub(super) fn remind(work: &mut Work) -> Answer {
    let Some(whom) = whom(work).filter(|_| work.moment.wait.is_none()) else { return Answer::State };
    let tonight = TODAY.deadline(work.now(), &work.policy.zone);
    let (address, link, deadline) = match whom {
        Whom::Proven(address) => (address, None, tonight),
        Whom::Invited(link) => {
            let (id, deadline) = carry(work, &link);
            (link.address, Some(id), deadline.min(tonight))
        }
    };
    work.next.reminded = true;
    work.order_mail(MailKind::Reminder, link, &address, deadline);
    work.record("reminded", &[("address", &address)]);
    Answer::State
}

/// The invitation's link once more, or a new one where the old has ended.
fn carry(work: &mut Work, link: &Link) -> (Id, Timestamp) {
    let again = link.live(work.now()) && link.mails < work.policy.limits.mails_a_link;
    let carried = if again { work.carry_again(link.id) } else { None };
    carried
        .map_or_else(|| work.make_link(Purpose::Invitation, &link.address), |link| (link.id, link.deadline))
}

fn whom(work: &Work) -> Option<Whom> {
    let after = work.policy.reminder?;
    let (it, now) = (&work.next, work.now());
    // That a link was sent is a change too: whoever has a fresh one has not been waiting so long.
    if it.reminded || now.duration_since(it.changed) < after {
        return None;
    }
    it.population(work.policy)?;
    if let Some(address) = proven(it) {
        let outside = Address::parse(address).is_ok_and(|it| !it.within(&work.policy.own_domains));
        return outside.then(|| Whom::Proven(address.to_owned()));
    }
    if !matches!(it.stage, Stage::Address { .. }) {
        return None;
    }
    let invitation = it.newest(Purpose::Invitation)?;
    let same = work.invitable()?.same_as(&invitation.address);
    let arrives = !matches!(invitation.delivery, Delivery::Refused(..));
    (same && arrives).then(|| Whom::Invited(invitation.clone()))
}

/// The address that this person has proven in this round and can go on with; none where the write is under way, or
/// where there is nothing left to do.
pub(super) fn proven(enrolment: &Enrolment) -> Option<&str> {
    match &enrolment.stage {
        Stage::Choosing(answers) => Some(&answers.recovery),
        Stage::Address { proven: Some(address) } => Some(address),
        // They proved the directory's address, and started again.
        Stage::Address { proven: None } => {
            let link = enrolment.newest(Purpose::Invitation)?;
            matches!(link.fate, Fate::Used(_)).then_some(link.address.as_str())
        }
        Stage::Unseen
        | Stage::Proving
        | Stage::Activating { .. }
        | Stage::Done { .. }
        | Stage::Closed { .. } => None,
    }
}
