//! What must hold after each event, whatever came before. It knows the rules' promises, and none of their code.

use super::promises::{records, round_trip, sizes, stages, watch};
use parvis_enrolment::enrolment::{Forward, Stage};
use parvis_enrolment::link::{Fate, Usable};
use parvis_enrolment::policy::Policy;
use parvis_enrolment::{
    Answer, Decision, Effect, Enrolment, Event, Id, MailKind, MailOrder, Moment, Purpose, Refusal, Request,
    Wanted, look, wanted,
};
use std::collections::{BTreeMap, BTreeSet};

use crate::common;

pub type Held = Result<(), String>;

/// One event and what was decided.
pub struct Happening<'a> {
    pub before: &'a Enrolment,
    pub event: &'a Event,
    pub policy: &'a Policy,
    pub moment: &'a Moment,
    pub outcome: &'a Result<Decision, Refusal>,
}

/// What was promised so far.
#[derive(Default)]
pub struct Ledger {
    /// Nothing may reach a person now: the watch only repeats itself.
    pub quiet: bool,
    orders: Vec<MailOrder>,
    invitations: BTreeMap<u32, u32>,
    /// The rounds in which somebody was reminded.
    reminders: BTreeSet<u32>,
    /// The recovery address of each round that ended well.
    recoveries: BTreeMap<u32, String>,
    proven: BTreeSet<(u32, String)>,
    used: BTreeSet<Id>,
    places: BTreeSet<String>,
}

pub fn hold(condition: bool, what: &str) -> Held {
    if condition { Ok(()) } else { Err(format!("does not hold: {what}")) }
}

impl Ledger {
    pub fn orders(&self) -> &[MailOrder] {
        &self.orders
    }

    pub fn places(self) -> Vec<String> {
        self.places.into_iter().collect()
    }

    pub fn check(&mut self, it: &Happening) -> Held {
        callers(it)?;
        match it.outcome {
            Ok(decision) => self.decided(it, decision),
            Err(refusal) => {
                self.visit("refusal", refusal);
                hold(
                    matches!(it.event, Event::Asked(_) | Event::AdminResend | Event::AdminCancel),
                    "only who asks is refused",
                )
            }
        }
    }

    fn decided(&mut self, it: &Happening, decision: &Decision) -> Held {
        let after = &decision.enrolment;
        self.redeemed(it, decision)?;
        self.mailed(it, decision)?;
        self.addresses(after)?;
        links(it, after)?;
        stages(it, decision)?;
        records(it, decision)?;
        watch(it, decision)?;
        sizes(after)?;
        round_trip(after)?;
        self.outbox(after, it.moment.now)?;
        if self.quiet {
            hold(mails(decision).next().is_none(), "a resynchronisation mails nobody")?;
            hold(after.round == it.before.round, "a resynchronisation begins nothing")?;
        }
        if let Stage::Done { answers, .. } = &after.stage {
            self.recoveries.insert(after.round, answers.recovery.clone());
        }
        let known = after.former.as_ref().is_none_or(|former| self.recoveries.values().any(|r| r == former));
        hold(known, "what is kept of a former round is its recovery address")?;
        self.visit_all(decision);
        Ok(())
    }

    /// A link is used once, by a request that names it, while it can be used.
    fn redeemed(&mut self, it: &Happening, decision: &Decision) -> Held {
        for link in decision.enrolment.links.iter().filter(|link| matches!(link.fate, Fate::Used(_))) {
            if self.used.contains(&link.id) {
                continue;
            }
            let by_name =
                matches!(it.event, Event::Asked(Request::Redeem { link: id, .. }) if *id == link.id);
            hold(by_name, "a link is used by who names it")?;
            let before = look(it.before, link.id, it.moment.now);
            hold(before.is_some_and(|(_, usable)| usable == Usable::Yes), "a link is used while it can be")?;
            hold(link.round == it.before.round, "a link is used in its round")?;
            self.used.insert(link.id);
            self.proven.insert((link.round, link.address.clone()));
        }
        if let Event::Asked(Request::Redeem { link, session }) = it.event {
            hold(self.used.contains(link), "who redeems a link uses it up")?;
            let anywhere = it.policy.recovery_continues_anywhere
                && decision.enrolment.link(*link).is_some_and(|link| link.purpose == Purpose::Recovery);
            let known = session.is_some_and(|id| lives(it, id));
            match decision.answer {
                Answer::Session(new) => {
                    hold(known || anywhere, "a link proves an address, never a person")?;
                    hold(*session != Some(new), "a session gets a new name when a link is used in it")?;
                    let old = session.filter(|_| known);
                    hold(
                        old.is_none_or(|old| decision.enrolment.session(old).is_none()),
                        "the session's old name is worth nothing",
                    )?;
                }
                Answer::SignIn => hold(!known, "a browser that is known goes on")?,
                Answer::State | Answer::Ticket(_) | Answer::Write => {
                    return Err("a link answers a session, or to sign in".to_owned());
                }
            }
        }
        Ok(())
    }

    fn mailed(&mut self, it: &Happening, decision: &Decision) -> Held {
        let after = &decision.enrolment;
        let several = mails(decision).count() > 1;
        let told = mails(decision).any(|order| order.kind == MailKind::PasswordChanged);
        hold(!several || told && mails(decision).count() == 2, "one mail at most, but for the notices")?;
        for order in mails(decision) {
            hold(
                order.deadline.as_second() >= it.moment.now.as_second(),
                "no mail is late when it is ordered",
            )?;
            hold(!self.orders.iter().any(|before| before.mail == order.mail), "each mail has its own name")?;
            match order.kind {
                MailKind::Activated => {
                    hold(order.link.is_none(), "the notice carries no link")?;
                    hold(
                        matches!(it.before.stage, Stage::Activating { .. }),
                        "the notice follows the write",
                    )?;
                    hold(
                        after.answers().is_some_and(|answers| answers.recovery == order.to),
                        "the notice goes to the recovery address",
                    )?;
                }
                MailKind::Link | MailKind::Forward | MailKind::Invitation => {
                    carries(it, after, order)?;
                    let link = order.link.and_then(|id| after.link(id));
                    hold(
                        link.is_some_and(|link| link.deadline == order.deadline),
                        "a mail says what its link says",
                    )?;
                }
                MailKind::Reminder => self.reminded(it, after, order)?,
                MailKind::PasswordChanged => self.told(it, after, order)?,
            }
            if order.kind == MailKind::Invitation && !matches!(it.event, Event::AdminResend) {
                let times = self.invitations.entry(after.round).or_default();
                *times += 1;
                hold(*times == 1, "nobody is invited twice in a round")?;
            }
            hold(wanted(after, order, it.moment.now) == Wanted::Yes, "a mail is wanted when it is ordered")?;
            self.orders.push(order.clone());
        }
        Ok(())
    }

    /// Once a round, after time without a step, only where the address is theirs, and never afterwards.
    fn reminded(&mut self, it: &Happening, after: &Enrolment, order: &MailOrder) -> Held {
        let (now, before) = (it.moment.now, it.before);
        hold(matches!(it.event, Event::Remind), "people are reminded at the hour for it")?;
        hold(it.moment.wait.is_none(), "nobody is reminded beyond the limits on mails")?;
        hold(self.reminders.insert(after.round), "nobody is reminded twice in a round")?;
        hold(
            after.open() && !matches!(after.stage, Stage::Activating { .. }),
            "who is through is left alone",
        )?;
        let patience = it.policy.reminder.ok_or("nobody is reminded where nobody should be")?;
        hold(now.duration_since(before.changed) >= patience, "who has just done something is left alone")?;
        let fresh = before.links.iter().any(|l| l.live(now) && now.duration_since(l.mailed) < patience);
        hold(!fresh, "who has a fresh link is left alone")?;
        hold(!order.to.ends_with("univ.example"), "no reminder goes to the campus's own addresses")?;
        let proven = self.proven.contains(&(after.round, order.to.clone()));
        match order.link {
            None => hold(proven, "an address that nobody proved gets no reminder"),
            Some(_) => {
                carries(it, after, order)?;
                let invited = before.links.iter().any(|link| {
                    link.purpose == Purpose::Invitation
                        && link.round == after.round
                        && link.address == order.to
                });
                hold(invited, "an invitation is carried again where there was one")?;
                let offered = before.profile.offered.as_deref().unwrap_or_default();
                hold(offered.eq_ignore_ascii_case(&order.to), "a link goes to the directory's own address")
            }
        }
    }

    /// The new password is told of to the address of the round before, and to no other.
    fn told(&self, it: &Happening, after: &Enrolment, order: &MailOrder) -> Held {
        hold(order.link.is_none(), "a notice carries no link")?;
        hold(matches!(after.stage, Stage::Done { .. }), "the notice follows the write")?;
        hold(!matches!(it.before.stage, Stage::Done { .. }), "the notice follows the write at once")?;
        let before = self.recoveries.range(..after.round).next_back();
        hold(before.is_some_and(|(_, address)| *address == order.to), "it goes to the address of before")?;
        let present = after.answers().map(|answers| answers.recovery.as_str());
        hold(present != Some(order.to.as_str()), "who is told by the other notice is not told twice")?;
        hold(after.former.is_none(), "what was told is not kept")
    }

    /// What is believed of addresses was proven by somebody who used a link sent there, in this round.
    fn addresses(&self, after: &Enrolment) -> Held {
        let proven = |address: &str| self.proven.contains(&(after.round, address.to_owned()));
        match &after.stage {
            Stage::Address { proven: Some(address) } => {
                hold(proven(address), "an address kept is a proven one")
            }
            Stage::Unseen | Stage::Address { proven: None } | Stage::Proving | Stage::Closed { .. } => Ok(()),
            Stage::Choosing(answers) | Stage::Activating { answers, .. } | Stage::Done { answers, .. } => {
                hold(proven(&answers.recovery), "the recovery address is proven")?;
                let forward = answers.confirmed_forward();
                hold(forward.is_none_or(proven), "a confirmed forwarding address is proven")
            }
        }
    }

    /// The outbox asks about every mail that there ever was.
    fn outbox(&self, after: &Enrolment, now: jiff::Timestamp) -> Held {
        let mut live = BTreeSet::new();
        for order in &self.orders {
            let verdict = wanted(after, order, now);
            let late = now.as_second() > order.deadline.as_second();
            hold(late || verdict != Wanted::TooLate, "a mail is too late only after its deadline")?;
            hold(!late || verdict != Wanted::Yes, "a mail is not wanted after its deadline")?;
            let Some(id) = order.link else { continue };
            let link = after.link(id);
            let overtaken = link.is_none_or(|link| link.fate != Fate::Live || link.mail != order.mail);
            hold(
                overtaken == (verdict == Wanted::Overtaken),
                "what is superseded is overtaken, late or not",
            )?;
            if verdict == Wanted::Yes {
                hold(live.insert(format!("{:?}", order.kind)), "one mail a purpose is wanted at most")?;
            }
        }
        Ok(())
    }

    fn visit(&mut self, what: &str, value: &impl std::fmt::Debug) {
        let text = format!("{value:?}");
        let word = text.split(['(', ' ', '{']).next().unwrap_or(&text);
        self.places.insert(format!("{what} {word}"));
    }

    fn visit_all(&mut self, decision: &Decision) {
        let after = &decision.enrolment;
        let stage = match &after.stage {
            Stage::Unseen => "unseen".to_owned(),
            Stage::Address { proven: None } => "address".to_owned(),
            Stage::Address { proven: Some(_) } => "address proven".to_owned(),
            Stage::Proving => "proving".to_owned(),
            Stage::Choosing(_) => "choosing".to_owned(),
            Stage::Activating { .. } => "activating".to_owned(),
            Stage::Done { drift, .. } => {
                if drift.is_some() {
                    self.places.insert("drift".to_owned());
                }
                "done".to_owned()
            }
            Stage::Closed { why, .. } => format!("closed {why:?}"),
        };
        self.places.insert(format!("stage {stage}"));
        self.places.insert(format!("round {}", after.round));
        self.visit("answer", &decision.answer);
        for order in mails(decision) {
            self.visit("mail", &order.kind);
        }
    }
}

pub fn mails(decision: &Decision) -> impl Iterator<Item = &MailOrder> {
    decision.effects.iter().filter_map(|effect| match effect {
        Effect::Mail(order) => Some(order),
        Effect::Record(_) => None,
    })
}

/// A link's mail speaks of a link that lives, and says of it what is true.
fn carries(it: &Happening, after: &Enrolment, order: &MailOrder) -> Held {
    let link = order.link.and_then(|id| after.link(id)).ok_or("a mail carries a link that there is")?;
    hold(link.live(it.moment.now), "a mail carries a link that lives")?;
    hold(link.address == order.to && order.deadline <= link.deadline, "a mail says what its link says")?;
    hold(link.mail == order.mail, "a link knows its latest mail")?;
    let kind = match link.purpose {
        Purpose::Recovery => MailKind::Link,
        Purpose::Forward => MailKind::Forward,
        Purpose::Invitation => MailKind::Invitation,
    };
    let reminder = order.kind == MailKind::Reminder && link.purpose == Purpose::Invitation;
    hold(kind == order.kind || reminder, "a mail's text is of its link's purpose")?;
    hold(!link.address.ends_with("univ.example"), "no link goes to the campus's own addresses")
}

/// The session that a request names, where it cannot be without one.
fn named(request: &Request) -> Option<Id> {
    match request {
        Request::Admit { .. } | Request::Open { .. } | Request::Enter { .. } | Request::Redeem { .. } => None,
        Request::RecoveryAddress { session, .. }
        | Request::Charter { session, .. }
        | Request::Listing { session, .. }
        | Request::Mail { session, .. }
        | Request::Password { session, .. }
        | Request::State { session }
        | Request::Resend { session }
        | Request::Restart { session } => Some(*session),
    }
}

fn lives(it: &Happening, id: Id) -> bool {
    let session = it.before.session(id);
    session.is_some_and(|session| session.live(it.moment.now, it.policy.limits.session_idle))
}

/// Who may ask at all.
fn callers(it: &Happening) -> Held {
    let (Event::Asked(request), Ok(decision)) = (it.event, it.outcome) else { return Ok(()) };
    hold(
        !matches!(it.before.stage, Stage::Unseen | Stage::Closed { .. }),
        "nobody gets on with what is closed, or was never begun",
    )?;
    hold(named(request).is_none_or(|id| lives(it, id)), "only a live session of this enrolment asks")?;
    if let Request::Enter { ticket } = request {
        let held = it.before.tickets.iter().any(|held| held.id == *ticket && it.moment.now <= held.until);
        hold(held, "a ticket is one of ours, and in time")?;
        hold(!decision.enrolment.tickets.iter().any(|held| held.id == *ticket), "a ticket is used once")?;
    }
    let alien = |id: Id| id >= common::alien(9);
    let enrolment = &decision.enrolment;
    hold(!enrolment.sessions.iter().any(|session| alien(session.id)), "nobody else's session comes in")?;
    hold(!enrolment.links.iter().any(|link| alien(link.id)), "nobody else's link comes in")
}

fn links(it: &Happening, after: &Enrolment) -> Held {
    for purpose in [Purpose::Recovery, Purpose::Forward, Purpose::Invitation] {
        let live = after.links.iter().filter(|link| link.purpose == purpose && link.fate == Fate::Live);
        hold(live.count() <= 1, "one live link a purpose at most")?;
    }
    for link in &after.links {
        match it.before.link(link.id) {
            Some(old) => {
                let bound = |link: &parvis_enrolment::Link| {
                    (link.purpose, link.address.clone(), link.round, link.made, link.deadline)
                };
                hold(bound(old) == bound(link), "a link is bound for ever")?;
                hold(old.fate == Fate::Live || old.fate == link.fate, "a link's end is final")?;
            }
            None => {
                hold(link.round == after.round && link.fate == Fate::Live, "a new link is of this round")?
            }
        }
        if link.live(it.moment.now) {
            hold(link.round == after.round, "no link outlives its round")?;
            hold(meant(link, after), "a live link means something where the person is")?;
        }
    }
    hold(
        !matches!(after.stage, Stage::Proving)
            || after.newest(Purpose::Recovery).is_some_and(|link| link.live(it.moment.now)),
        "who waits for a link waits for one that lives",
    )
}

/// Whether using it would do something.
fn meant(link: &parvis_enrolment::Link, after: &Enrolment) -> bool {
    match (&after.stage, link.purpose) {
        (Stage::Proving, Purpose::Recovery) | (Stage::Address { .. }, Purpose::Invitation) => true,
        (Stage::Choosing(answers), Purpose::Forward) => {
            let staged = answers.mail.as_ref().and_then(|mail| mail.forward.as_ref());
            matches!(staged, Some(Forward { address, confirmed: None }) if *address == link.address)
        }
        (Stage::Proving, Purpose::Forward | Purpose::Invitation)
        | (Stage::Address { .. }, Purpose::Recovery | Purpose::Forward)
        | (Stage::Choosing(_), Purpose::Recovery | Purpose::Invitation)
        | (Stage::Unseen | Stage::Activating { .. } | Stage::Done { .. } | Stage::Closed { .. }, _) => false,
    }
}
