//! Plays a story: turns each move into events by what there is at that moment, lets the rules decide, and asks the
//! invariants after each.

use super::invariants::{self, Ledger};
use super::{ADDRESSES, BEGINNINGS, Change, Move, Tale, Wild};
use crate::common::{self, World};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use parvis_enrolment::enrolment::Stage;
use parvis_enrolment::event::{MailOutcome, Recovery, Report, WriteOutcome};
use parvis_enrolment::link::Usable;
use parvis_enrolment::policy::{Forwarding, Population};
use parvis_enrolment::refusal::PasswordFault;
use parvis_enrolment::{
    Answer, Decision, Enrolment, Event, Id, Purpose, Refusal, Request, Sighting, Standing, Step, decide, look,
};

pub const POPULATIONS: [&str; 4] = ["staff", "visitor", "student", "guest"];
const FAULTS: [Option<PasswordFault>; 4] = [None, None, None, Some(PasswordFault::TooShort)];

/// A story in progress.
pub struct Player {
    pub world: World,
    /// What the directory says of the person's state.
    pub standing: Standing,
    /// All that the entry ever was.
    pub history: Vec<Sighting>,
    /// All that the watch ever delivered.
    pub delivered: Vec<Sighting>,
    /// What each browser holds.
    held: [Option<Id>; 3],
    /// All sessions, tickets and links that were ever made.
    sessions: Vec<Id>,
    tickets: Vec<Id>,
    links: Vec<Id>,
    /// Populations that the configuration lost for now.
    pub lost: Vec<Population>,
    pub ledger: Ledger,
    /// What happened, for the failure's text.
    told: Vec<(Timestamp, Event, Result<Decision, Refusal>)>,
}

/// Where the story went; or the invariant that did not hold, with the story.
pub fn play(tale: &Tale) -> Result<Vec<String>, String> {
    let (zone, local) = BEGINNINGS[tale.beginning % BEGINNINGS.len()];
    let mut world = World::at("2026-09-01T10:00:00", POPULATIONS[tale.population % POPULATIONS.len()]);
    world.policy.zone = TimeZone::get(zone).expect("the bundled zones have it");
    world.now = common::instant(&world.policy, local);
    world.policy.limits.enrolment_idle = SignedDuration::from_hours(24 * 10);
    world.enrolment = Enrolment::unseen(common::person(), world.now);
    let mut player = Player {
        standing: Standing::Provisional,
        history: vec![world.sighting(Standing::Provisional, false)],
        delivered: Vec::new(),
        held: [None; 3],
        sessions: vec![common::alien(1)],
        tickets: vec![common::alien(2)],
        links: vec![common::alien(3)],
        lost: Vec::new(),
        ledger: Ledger::default(),
        told: Vec::new(),
        world,
    };
    for one in &tale.moves {
        player.make(one).map_err(|failure| player.failed(&failure))?;
    }
    Ok(player.ledger.places())
}

impl Player {
    fn failed(&self, failure: &str) -> String {
        use std::fmt::Write;
        let mut text = format!("{failure}\nthe story:\n");
        for (now, event, outcome) in &self.told {
            let here = now.to_zoned(self.world.policy.zone.clone());
            let told = match outcome {
                Ok(decision) => format!("{:?} {:?}", decision.answer, decision.effects),
                Err(refusal) => format!("refused: {refusal:?}"),
            };
            writeln!(text, "  {here}  {event:?}\n      -> {told}").expect("a String takes all");
        }
        write!(text, "the state: {:#?}", self.world.enrolment).expect("a String takes all");
        text
    }

    pub fn tell(&mut self, event: &Event, limited: bool) -> Result<Option<Answer>, String> {
        let mut moment = self.world.moment();
        moment.wait = limited.then_some(SignedDuration::from_secs(9));
        let before = self.world.enrolment.clone();
        let policy = self.world.policy.clone();
        let outcome = decide(&before, event.clone(), &policy, &moment);
        self.told.push((moment.now, event.clone(), outcome.clone()));
        if outcome != decide(&before, event.clone(), &policy, &moment) {
            return Err("the same input gave another output".to_owned());
        }
        if let Event::Sighted(sighting) = event
            && !sighting.in_person
        {
            self.delivered.push(sighting.clone());
        }
        if let Ok(decision) = &outcome {
            self.world.enrolment = decision.enrolment.clone();
            self.links.extend(
                decision
                    .enrolment
                    .links
                    .iter()
                    .map(|link| link.id)
                    .filter(|id| !before.links.iter().any(|link| link.id == *id)),
            );
            match decision.answer {
                Answer::Session(id) => self.sessions.push(id),
                Answer::Ticket(id) => self.tickets.push(id),
                Answer::State | Answer::SignIn | Answer::Write => {}
            }
        }
        self.ledger.check(&invariants::Happening {
            before: &before,
            event,
            policy: &policy,
            moment: &moment,
            outcome: &outcome,
        })?;
        Ok(outcome.ok().map(|decision| decision.answer))
    }

    fn make(&mut self, one: &Move) -> Result<(), String> {
        match one {
            Move::Sensible { by, taste } => self.sensible(*by, *taste),
            Move::Wild(wild) => self.wild(wild),
            Move::Wait(wait) => {
                self.wait(wait);
                Ok(())
            }
            Move::Write { standing, change, seen } => self.write(*standing, *change, *seen),
            Move::Flap(standing) => self.deliver(self.world.sighting(*standing, false)),
            Move::Deliver(which) => self.deliver(pick(&self.history, *which)),
            Move::RollBack(which) => {
                let past = pick(&self.history, *which);
                self.standing = past.standing;
                self.world.profile = past.profile.clone();
                self.deliver(past)
            }
            Move::ReadBefore(which) => {
                let past = Sighting { in_person: true, ..pick(&self.history, *which) };
                self.tell(&Event::Sighted(past), false).map(|_| ())
            }
            Move::Remove => self.tell(&Event::Gone, false).map(|_| ()),
            Move::Mailed { mail, outcome } => self.mailed(*mail, *outcome),
            Move::Outcome(which) => self.outcome(*which),
            Move::Sweep => self.tell(&Event::Elapsed, false).map(|_| ()),
            Move::Remind { limited } => self.tell(&Event::Remind, *limited).map(|_| ()),
            Move::Desk { cancel } => {
                let event = if *cancel { Event::AdminCancel } else { Event::AdminResend };
                self.tell(&event, false).map(|_| ())
            }
            Move::Reload(reload) => {
                self.reload(*reload);
                Ok(())
            }
            Move::Resynchronise { turn } => self.resynchronise(*turn),
        }
    }

    fn outcome(&mut self, which: usize) -> Result<(), String> {
        let stamp = Some((self.world.stamp + 1).to_string());
        let event = match which {
            0 => Event::Written(WriteOutcome::Applied(stamp)),
            1 => Event::Written(WriteOutcome::Applied(None)),
            2 => Event::Written(WriteOutcome::PasswordRefused(PasswordFault::Reused)),
            3 => Event::Written(WriteOutcome::NotDone("the server said 53".to_owned())),
            4 => Event::Recovered(Recovery::Active(stamp)),
            5 => Event::Recovered(Recovery::Active(None)),
            6 => Event::Recovered(Recovery::NotDone),
            _ => Event::Recovered(Recovery::Gone),
        };
        if matches!(self.world.enrolment.stage, Stage::Activating { .. }) && matches!(which, 0 | 1 | 4 | 5) {
            self.standing = Standing::Active;
            self.world.stamp += 1;
            self.history.push(self.world.sighting(Standing::Active, false));
        }
        self.tell(&event, false).map(|_| ())
    }

    // ── people ──────────────────────────────────────────────────────────────────────────────────────────────────

    /// What the page of that browser asks for; without a page, the login page.
    fn sensible(&mut self, by: usize, taste: usize) -> Result<(), String> {
        let enrolment = &self.world.enrolment;
        if matches!(enrolment.stage, Stage::Unseen | Stage::Closed { .. })
            && self.standing != Standing::Provisional
        {
            return self.write(Standing::Provisional, Change::Nothing, true);
        }
        if matches!(enrolment.stage, Stage::Activating { .. }) {
            return self.outcome(taste % 4);
        }
        let (now, idle) = (self.world.now, self.world.policy.limits.session_idle);
        let session = self.held[by].filter(|held| {
            enrolment.session(*held).is_some_and(|session| session.live(now, idle)) && enrolment.open()
        });
        if matches!(enrolment.stage, Stage::Unseen) && taste.is_multiple_of(2) {
            return self.deliver(self.world.sighting(self.standing, false));
        }
        let invited = look(enrolment, self.world.newest(Purpose::Invitation), now);
        if invited.is_some_and(|(_, usable)| usable == Usable::Yes) && taste.is_multiple_of(3) {
            return self
                .say(by, self.redeem(Purpose::Invitation, session.unwrap_or(common::alien(4)), taste));
        }
        let Some(session) = session else { return self.arrive(by, taste) };
        let Some(step) = enrolment.step(&self.world.policy) else {
            return self.say(by, Request::State { session });
        };
        let request = match step {
            Step::RecoveryAddress => {
                Request::RecoveryAddress { session, address: address(taste % 5), inward: false }
            }
            Step::RecoveryLink => self.redeem(Purpose::Recovery, session, taste),
            Step::Charter => self.accept(session),
            Step::Listing => Request::Listing { session, listed: Some(taste.is_multiple_of(2)) },
            Step::Mail => self.choose_mail(session, taste),
            Step::ForwardLink => self.redeem(Purpose::Forward, session, taste),
            Step::Password => {
                Request::Password { session, fault: FAULTS[taste % 4], attempt: self.world.attempt() }
            }
            Step::Done => Request::State { session },
        };
        self.say(by, request)
    }

    fn say(&mut self, by: usize, request: Request) -> Result<(), String> {
        match self.tell(&Event::Asked(request), false)? {
            Some(Answer::Session(id)) => self.held[by] = Some(id),
            Some(Answer::State | Answer::Ticket(_) | Answer::SignIn | Answer::Write) | None => {}
        }
        Ok(())
    }

    fn arrive(&mut self, by: usize, taste: usize) -> Result<(), String> {
        let here = self.world.sighting(self.standing, true);
        self.tell(&Event::Sighted(here), false)?;
        if !taste.is_multiple_of(3) {
            return self.say(by, Request::Open { return_to: None });
        }
        let to = Some("https://app.univ.example/".to_owned());
        match self.tell(&Event::Asked(Request::Admit { return_to: to }), false)? {
            Some(Answer::Ticket(ticket)) => self.say(by, Request::Enter { ticket }),
            Some(Answer::State | Answer::Session(_) | Answer::SignIn | Answer::Write) | None => Ok(()),
        }
    }

    /// Sometimes on another device.
    fn redeem(&self, purpose: Purpose, session: Id, taste: usize) -> Request {
        Request::Redeem {
            link: self.world.newest(purpose),
            session: (!taste.is_multiple_of(4)).then_some(session),
        }
    }

    fn accept(&self, session: Id) -> Request {
        let version = self.world.policy.charter.version.clone();
        Request::Charter { session, version, accepted: true, locale: "fr".to_owned() }
    }

    fn choose_mail(&self, session: Id, taste: usize) -> Request {
        let people = self.world.enrolment.population(&self.world.policy);
        let must = people.is_some_and(|people| people.forwarding == Forwarding::Required);
        let forward = (must || !taste.is_multiple_of(3)).then(|| address(taste % 5));
        Request::Mail { session, forward, inward: false, keep_copy: taste.is_multiple_of(2) }
    }

    fn wild(&mut self, wild: &Wild) -> Result<(), String> {
        let Wild { session, taste, .. } = *wild;
        let session = recent(&self.sessions, session);
        let request = match wild.call {
            0 => Request::Admit { return_to: None },
            1 => Request::Open { return_to: None },
            2 => Request::Enter { ticket: recent(&self.tickets, taste) },
            3 => Request::RecoveryAddress {
                session,
                address: address(taste),
                inward: taste.is_multiple_of(11),
            },
            4 => Request::Redeem {
                link: recent(&self.links, wild.link),
                session: (!taste.is_multiple_of(3)).then_some(session),
            },
            5 => Request::Charter {
                session,
                version: if taste.is_multiple_of(3) {
                    "0".to_owned()
                } else {
                    self.world.policy.charter.version.clone()
                },
                accepted: taste.is_multiple_of(2),
                locale: ["fr", "en", "tlh"][taste % 3].to_owned(),
            },
            6 => Request::Listing { session, listed: [None, Some(true), Some(false)][taste % 3] },
            7 => Request::Mail {
                session,
                forward: (!taste.is_multiple_of(3)).then(|| address(taste)),
                inward: taste.is_multiple_of(11),
                keep_copy: taste.is_multiple_of(2),
            },
            8 => Request::Password { session, fault: FAULTS[taste % 4], attempt: self.world.attempt() },
            9 => Request::State { session },
            10 => Request::Resend { session },
            _ => Request::Restart { session },
        };
        self.tell(&Event::Asked(request), wild.limited).map(|_| ())
    }

    // ── the rest of the world ───────────────────────────────────────────────────────────────────────────────────

    fn mailed(&mut self, mail: usize, outcome: usize) -> Result<(), String> {
        let orders = self.ledger.orders();
        let Some(order) = mail.checked_rem(orders.len()).and_then(|at| orders.get(orders.len() - 1 - at))
        else {
            return Ok(());
        };
        let outcome = match outcome {
            0 => MailOutcome::Sent,
            1 => MailOutcome::Deferred("greylisted".to_owned()),
            2 => MailOutcome::Refused("no such user".to_owned()),
            3 => MailOutcome::Unconfirmed("cut off after the message".to_owned()),
            4 => MailOutcome::GivenUp,
            5 => return self.reported(order.link, Report::Delayed("still trying".to_owned())),
            _ => return self.reported(order.link, Report::Failed("no such user".to_owned())),
        };
        self.tell(&Event::Mailed(order.mail, outcome), false).map(|_| ())
    }

    fn reported(&mut self, link: Option<Id>, report: Report) -> Result<(), String> {
        self.tell(&Event::Reported(link, report), false).map(|_| ())
    }
}

fn pick<T: Clone>(among: &[T], which: usize) -> T {
    among[among.len() - 1 - which % among.len()].clone()
}

/// One of the last two more often than not: what is recent is what stories are about.
fn recent(among: &[Id], which: usize) -> Id {
    pick(among, if which.is_multiple_of(4) { which / 4 } else { which % 2 })
}

fn address(which: usize) -> String {
    ADDRESSES[which % ADDRESSES.len()].to_owned()
}
