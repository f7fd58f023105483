//! A decision in the making: the state to come, the effects so far, and the moves that several requests share.

use crate::address::Address;
use crate::enrolment::{Answers, Closure, Enrolment, Seen, Stage, Step};
use crate::event::{Answer, Effect, Fact, MailKind, MailOrder, Moment, Standing};
use crate::link::{Delivery, Fate, Id, Link, Purpose};
use crate::policy::{Forwarding, Policy, Population};
use crate::refusal::{Field, Refusal};
use crate::session::{MOST_SESSIONS, MOST_TICKETS, Session, Ticket};
use jiff::{SignedDuration, Timestamp};

/// How many links an enrolment remembers, so that an old one can say what became of it.
const MOST_LINKS: usize = 16;
/// A session's use is noted this often at most, so that a page that asks again costs no write.
const NOTE_USE: SignedDuration = SignedDuration::from_secs(60);

pub(super) struct Work<'a> {
    pub next: Enrolment,
    pub policy: &'a Policy,
    pub moment: &'a Moment,
    pub effects: Vec<Effect>,
}

impl<'a> Work<'a> {
    pub fn on(enrolment: &Enrolment, policy: &'a Policy, moment: &'a Moment) -> Self {
        Self { next: enrolment.clone(), policy, moment, effects: Vec::new() }
    }

    pub fn now(&self) -> Timestamp {
        self.moment.now
    }

    /// What follows from time and configuration alone: a recovery link that has expired means step 3 again, whoever
    /// looks, and what the population may not choose any more is not chosen.
    pub fn settle(&mut self) {
        self.fit_population();
        let now = self.now();
        let link = self.next.newest(Purpose::Recovery);
        if !matches!(self.next.stage, Stage::Proving) || link.is_some_and(|link| link.live(now)) {
            return;
        }
        // It happened at the deadline, whoever notices when: the time without a change counts from there.
        let since = link.map_or(now, |link| link.deadline).clamp(self.next.changed.min(now), now);
        self.next.stage = Stage::Address { proven: None };
        self.record("link-expired", &[]);
        self.next.changed = since;
    }

    /// Leaves an audit record; every change of state has one.
    pub fn record(&mut self, what: &str, details: &[(&str, &str)]) {
        let details = details.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        self.effects.push(Effect::Record(Fact { what: what.to_owned(), details }));
        self.next.changed = self.now();
    }

    /// Notes what the directory says; never that it is older than it was.
    pub fn note_seen(&mut self, stamp: &str, standing: Option<Standing>) {
        let before = self.next.seen.take();
        let active =
            standing == Some(Standing::Active) || before.as_ref().is_some_and(|before| before.active);
        let stamp = match before {
            Some(before) if newer(&before.stamp, stamp) => before.stamp,
            Some(_) | None => stamp.to_owned(),
        };
        self.next.seen = Some(Seen { stamp, standing, active });
    }

    /// Whether that stamp is newer than all that was seen.
    pub fn seen_before(&self, stamp: &str) -> bool {
        self.next.seen.as_ref().is_none_or(|seen| newer(stamp, &seen.stamp))
    }

    /// Whether something newer than that stamp was seen.
    pub fn seen_after(&self, stamp: &str) -> bool {
        self.next.seen.as_ref().is_some_and(|seen| newer(&seen.stamp, stamp))
    }

    pub fn population(&self) -> Result<&'a Population, Refusal> {
        self.next.population(self.policy).ok_or(Refusal::NoPopulation)
    }

    /// What a request is told that comes at the wrong step.
    pub fn out_of_order(&self) -> Refusal {
        match &self.next.stage {
            Stage::Unseen => Refusal::NotProvisional,
            Stage::Closed { why, at } => match why {
                Closure::Withdrawn => Refusal::NotProvisional,
                Closure::Locked => Refusal::AccountLocked,
                Closure::Gone => Refusal::AccountGone,
                Closure::Expired | Closure::Cancelled => Refusal::SessionExpired(*at),
            },
            Stage::Address { .. } => Refusal::OutOfOrder(Step::RecoveryAddress),
            Stage::Proving => Refusal::OutOfOrder(Step::RecoveryLink),
            Stage::Choosing(answers) => match self.population() {
                Ok(people) => Refusal::OutOfOrder(answers.step(people)),
                Err(refusal) => refusal,
            },
            Stage::Activating { .. } => Refusal::Busy,
            Stage::Done { .. } => Refusal::OutOfOrder(Step::Done),
        }
    }

    /// Refuses where a limit on attempts is reached.
    pub fn not_too_often(&self) -> Result<(), Refusal> {
        self.moment.wait.map_or(Ok(()), |wait| Err(Refusal::TooManyAttempts(wait)))
    }

    // ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────

    /// Makes sure that the session lives, and notes its use.
    pub fn session(&mut self, id: Id) -> Result<(), Refusal> {
        let now = self.now();
        let idle = self.policy.limits.session_idle;
        let Some(session) = self.next.sessions.iter_mut().find(|session| session.id == id) else {
            return Err(Refusal::SessionUnknown);
        };
        if !session.live(now, idle) {
            return Err(Refusal::SessionExpired(session.ends(idle)));
        }
        if now.duration_since(session.seen) >= NOTE_USE {
            session.seen = now;
        }
        match self.next.stage {
            Stage::Unseen | Stage::Closed { .. } => Err(self.out_of_order()),
            Stage::Address { .. }
            | Stage::Proving
            | Stage::Choosing(_)
            | Stage::Activating { .. }
            | Stage::Done { .. } => Ok(()),
        }
    }

    /// A new session under the moment's fresh identifier.
    pub fn begin_session(&mut self, return_to: Option<String>) -> Answer {
        let (now, idle) = (self.now(), self.policy.limits.session_idle);
        let [id, ..] = self.moment.fresh;
        let until = self.session_end();
        self.next.sessions.retain(|session| session.live(now, idle));
        if self.next.sessions.len() >= MOST_SESSIONS {
            let oldest = self.next.sessions.iter().map(|session| session.seen).min();
            if let Some(at) = self.next.sessions.iter().position(|session| Some(session.seen) == oldest) {
                self.next.sessions.remove(at);
            }
        }
        self.next.sessions.push(Session { id, seen: now, until, return_to });
        Answer::Session(id)
    }

    /// The same session under a new identifier, after a link was used in it.
    pub fn rotate_session(&mut self, old: Id) -> Answer {
        let now = self.now();
        let [id, ..] = self.moment.fresh;
        let until = self.session_end();
        for session in self.next.sessions.iter_mut().filter(|session| session.id == old) {
            session.id = id;
            session.seen = now;
            session.until = session.until.max(until);
        }
        Answer::Session(id)
    }

    /// The later of the live links' deadlines and the configured length from now.
    pub fn session_end(&self) -> Timestamp {
        let now = self.now();
        let longest = now.checked_add(self.policy.limits.session_longest).unwrap_or(Timestamp::MAX);
        let newest = [Purpose::Recovery, Purpose::Forward].map(|purpose| self.next.newest(purpose));
        newest.iter().flatten().map(|link| link.deadline).fold(longest, Timestamp::max)
    }

    pub fn issue_ticket(&mut self, return_to: Option<String>) -> Answer {
        let now = self.now();
        let [id, ..] = self.moment.fresh;
        let until = now.checked_add(self.policy.limits.ticket).unwrap_or(Timestamp::MAX);
        self.next.tickets.retain(|ticket| now <= ticket.until);
        if self.next.tickets.len() >= MOST_TICKETS {
            self.next.tickets.remove(0);
        }
        self.next.tickets.push(Ticket { id, until, return_to });
        Answer::Ticket(id)
    }

    // ── links ───────────────────────────────────────────────────────────────────────────────────────────────────

    /// A new live link and its mail; the older ones of that purpose are superseded.
    pub fn send_link(&mut self, purpose: Purpose, address: &str) {
        let (id, deadline) = self.make_link(purpose, address);
        self.order_mail(kind(purpose), Some(id), address, deadline);
    }

    /// A new live link, for the mail that is to be ordered next, and its deadline.
    pub fn make_link(&mut self, purpose: Purpose, address: &str) -> (Id, Timestamp) {
        let now = self.now();
        self.end_links(Some(purpose), Fate::Superseded(now));
        let [_, id, mail] = self.moment.fresh;
        let deadline = self.policy.validity(purpose).deadline(now, &self.policy.zone);
        self.next.links.push(Link {
            id,
            purpose,
            address: address.to_owned(),
            round: self.next.round,
            made: now,
            deadline,
            fate: Fate::Live,
            mail,
            delivery: Delivery::Queued,
            mailed: now,
            mails: 1,
        });
        let surplus = self.next.links.len().saturating_sub(MOST_LINKS);
        self.next.links.drain(..surplus);
        self.record("link-made", &[("purpose", name(purpose)), ("address", address)]);
        (id, deadline)
    }

    /// The same link in one more mail.
    pub fn mail_again(&mut self, id: Id) {
        if let Some(link) = self.carry_again(id) {
            self.order_mail(kind(link.purpose), Some(id), &link.address, link.deadline);
        }
    }

    /// The same link, for the mail that is to be ordered next.
    pub fn carry_again(&mut self, id: Id) -> Option<Link> {
        let now = self.now();
        let [.., mail] = self.moment.fresh;
        let link = self.next.links.iter_mut().find(|link| link.id == id)?;
        link.mail = mail;
        link.mailed = now;
        link.mails = link.mails.saturating_add(1);
        link.delivery = Delivery::Queued;
        let link = link.clone();
        self.record("link-sent-again", &[("purpose", name(link.purpose)), ("address", &link.address)]);
        Some(link)
    }

    pub fn order_mail(&mut self, kind: MailKind, link: Option<Id>, to: &str, deadline: Timestamp) {
        let [.., mail] = self.moment.fresh;
        self.effects.push(Effect::Mail(MailOrder { mail, kind, link, to: to.to_owned(), deadline }));
    }

    /// A second mail of the same moment, under the name that a link would have had.
    pub fn order_notice(&mut self, kind: MailKind, to: &str, deadline: Timestamp) {
        let [_, mail, _] = self.moment.fresh;
        self.effects.push(Effect::Mail(MailOrder { mail, kind, link: None, to: to.to_owned(), deadline }));
    }

    /// Ends the live links of a purpose (or of all), whatever their deadline.
    pub fn end_links(&mut self, purpose: Option<Purpose>, fate: Fate) {
        let concerned = |link: &&mut Link| purpose.is_none_or(|purpose| link.purpose == purpose);
        for link in self.next.links.iter_mut().filter(concerned) {
            if link.fate == Fate::Live {
                link.fate = fate;
            }
        }
    }

    pub fn set_fate(&mut self, id: Id, fate: Fate) {
        for link in self.next.links.iter_mut().filter(|link| link.id == id) {
            link.fate = fate;
        }
    }

    // ── rounds and ends ─────────────────────────────────────────────────────────────────────────────────────────

    /// Back to step 3: in a new round nothing of the old one counts.
    pub fn begin(&mut self, new_round: bool) {
        let now = self.now();
        if new_round || self.next.round == 0 {
            self.next.round = self.next.round.saturating_add(1);
            self.next.invited = false;
            self.next.reminded = false;
        }
        if let Some(former) = self.former() {
            self.next.former = Some(former);
        }
        self.end_links(None, Fate::Retired(now));
        self.next.sessions.clear();
        self.next.tickets.clear();
        self.next.late = None;
        self.next.stage = Stage::Address { proven: None };
        let round = self.next.round.to_string();
        let login = self.next.profile.login.clone();
        self.record("begun", &[("login", &login), ("round", &round)]);
    }

    /// The address that knew of the password of the round that is over. Where it was erased, what the directory has,
    /// which is what that round wrote there.
    fn former(&self) -> Option<String> {
        let Stage::Done { answers, .. } = &self.next.stage else { return None };
        let kept = Some(answers.recovery.as_str()).filter(|address| !address.is_empty());
        kept.or(self.next.profile.offered.as_deref()).map(str::to_owned)
    }

    pub fn close(&mut self, why: Closure) {
        let now = self.now();
        self.end_links(None, Fate::Retired(now));
        self.next.tickets.clear();
        self.next.late = None;
        self.next.stage = Stage::Closed { why, at: now };
        let reason = match why {
            Closure::Withdrawn => "withdrawn",
            Closure::Locked => "locked",
            Closure::Gone => "gone",
            Closure::Expired => "expired",
            Closure::Cancelled => "cancelled",
        };
        self.record("closed", &[("reason", reason)]);
    }

    /// What was answered that the person's population does not have is dropped. A population that the configuration
    /// has no more decides nothing: the answers wait for it to come back.
    pub fn fit_population(&mut self) {
        let Some(people) = self.next.population(self.policy).cloned() else { return };
        let Stage::Choosing(Answers { mail: answer, .. }) = &mut self.next.stage else { return };
        let Some(mail) = answer else { return };
        let keep_copy = people.mailbox && (mail.keep_copy || mail.forward.is_none());
        if people.forwarding == Forwarding::Off {
            *answer = None;
            let now = self.now();
            self.end_links(Some(Purpose::Forward), Fate::Retired(now));
            self.record("mail-dropped", &[]);
        } else if mail.keep_copy != keep_copy {
            mail.keep_copy = keep_copy;
            self.record("copy-changed", &[("keep-copy", if keep_copy { "yes" } else { "no" })]);
        }
    }

    /// A mailbox that was not there when the person answered keeps a copy, as the page would have offered.
    pub fn keep_copy(&mut self) {
        let Stage::Choosing(Answers { mail: Some(mail), .. }) = &mut self.next.stage else { return };
        if !mail.keep_copy {
            mail.keep_copy = true;
            self.record("copy-changed", &[("keep-copy", "yes")]);
        }
    }

    /// An address that a mail may be sent to: well formed, and outside the campus. `inward`: the directory says that mail
    /// to it comes back here, which is told in the same words.
    pub fn outside(&self, field: Field, text: &str, inward: bool) -> Result<Address, Refusal> {
        let address = Address::parse(text).map_err(|fault| Refusal::AddressInvalid(field, fault))?;
        if inward || address.within(&self.policy.own_domains) {
            return Err(Refusal::AddressOwnDomain(field));
        }
        Ok(address)
    }

    /// The address that the directory has by now, where an invitation may go to it.
    pub fn invitable(&self) -> Option<Address> {
        self.next.population(self.policy).filter(|people| people.invite)?;
        let address = Address::parse(self.next.profile.offered.as_deref()?).ok()?;
        (!address.within(&self.policy.own_domains)).then_some(address)
    }
}

/// Whether a stamp is of a later write than another. A `uSNChanged` is a number; the others sort as texts.
pub(super) fn newer(stamp: &str, than: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if number(stamp) && number(than) {
        let (stamp, than) = (stamp.trim_start_matches('0'), than.trim_start_matches('0'));
        return (stamp.len(), stamp) > (than.len(), than);
    }
    stamp > than
}

fn kind(purpose: Purpose) -> MailKind {
    match purpose {
        Purpose::Recovery => MailKind::Link,
        Purpose::Forward => MailKind::Forward,
        Purpose::Invitation => MailKind::Invitation,
    }
}

pub(super) fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Recovery => "recovery",
        Purpose::Forward => "forward",
        Purpose::Invitation => "invitation",
    }
}
