//! What the suites share: a campus, a person, and the means to ask. It must not know what the right answers are.

pub mod person;
pub mod scene;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use parvis_enrolment::deadline::Validity;
use parvis_enrolment::enrolment::{Attempt, Profile};
use parvis_enrolment::policy::{Charter, Forwarding, Limits, Population};
use parvis_enrolment::{
    Answer, Decision, Effect, Enrolment, Event, Id, MailOrder, Moment, Policy, Purpose, Refusal, Request,
    Sighting, Standing, decide,
};

/// The person's mailbox.
pub const MAILBOX: &str = "jeanne@univ.example";
/// What the directory had before they came.
pub const OFFERED: &str = "jeanne@old.example.org";

/// The person of every story.
pub fn person() -> Id {
    Id([7; 16])
}

/// Identifiers by number; what is numbered is never of another enrolment.
pub fn id(number: u64) -> Id {
    Id(u128::from(number).to_be_bytes())
}

/// A genuine identifier of somebody else's session or link.
pub fn alien(number: u64) -> Id {
    Id((u128::MAX - u128::from(number)).to_be_bytes())
}

/// A campus in Paris: `staff` may forward, `visitor` must, `student` cannot, `guest` has neither and is not invited.
pub fn policy() -> Policy {
    let people = |name: &str, mailbox, forwarding, invite| Population {
        name: name.to_owned(),
        mailbox,
        forwarding,
        invite,
    };
    Policy {
        zone: TimeZone::get("Europe/Paris").expect("the bundled zones have Paris"),
        own_domains: vec!["univ.example".to_owned()],
        delimiters: "+".to_owned(),
        recovery: Validity::SameDay { minimum: SignedDuration::ZERO },
        forward: Validity::SameDay { minimum: SignedDuration::ZERO },
        invitation: Validity::NextDay,
        recovery_continues_anywhere: false,
        charter: charter("1"),
        populations: vec![
            people("staff", true, Forwarding::Optional, true),
            people("visitor", false, Forwarding::Required, true),
            people("student", true, Forwarding::Off, true),
            people("guest", false, Forwarding::Off, false),
        ],
        reminder: Some(SignedDuration::from_hours(72)),
        limits: Limits {
            session_idle: SignedDuration::from_mins(30),
            session_longest: SignedDuration::from_hours(2),
            ticket: SignedDuration::from_mins(5),
            resend_cooldown: SignedDuration::from_secs(60),
            mails_a_link: 3,
            enrolment_idle: SignedDuration::from_hours(24 * 90),
            notice: SignedDuration::from_hours(48),
        },
    }
}

/// A version of the charter, in two languages.
pub fn charter(version: &str) -> Charter {
    let text = |locale: &str| (locale.to_owned(), format!("sha256 of {version} in {locale}"));
    Charter { version: version.to_owned(), texts: vec![text("fr"), text("en")] }
}

/// What the directory says of a person of that population.
pub fn profile(population: &str) -> Profile {
    Profile {
        login: "jeanne".to_owned(),
        name: Some("Jeanne".to_owned()),
        mail: Some(MAILBOX.to_owned()),
        offered: Some(OFFERED.to_owned()),
        locale: Some("fr".to_owned()),
        population: Some(population.to_owned()),
        marker: None,
    }
}

/// A small world around one enrolment: the clock, the configuration, and all that was mailed.
pub struct World {
    pub enrolment: Enrolment,
    pub policy: Policy,
    pub now: Timestamp,
    /// The directory's last stamp, a number as `uSNChanged` is.
    pub stamp: u64,
    /// What the directory says of the person now.
    pub profile: Profile,
    pub mails: Vec<MailOrder>,
    fresh: u64,
}

impl World {
    /// Somebody whom nobody has seen yet, at that local time in the policy's zone.
    pub fn at(local: &str, population: &str) -> Self {
        let policy = policy();
        let now = instant(&policy, local);
        Self {
            enrolment: Enrolment::unseen(person(), now),
            policy,
            now,
            stamp: 98,
            profile: profile(population),
            mails: Vec::new(),
            fresh: 0,
        }
    }

    /// The clock is set, by local time.
    pub fn until(&mut self, local: &str) -> &mut Self {
        self.now = instant(&self.policy, local);
        self
    }

    pub fn moment(&mut self) -> Moment {
        self.fresh += 3;
        Moment { now: self.now, fresh: [1, 2, 3].map(|n| id(self.fresh + n)), wait: None }
    }

    /// Lets it happen; what is refused changes nothing.
    pub fn tell(&mut self, event: Event) -> Result<Decision, Refusal> {
        let moment = self.moment();
        let decision = decide(&self.enrolment, event, &self.policy, &moment)?;
        self.enrolment = decision.enrolment.clone();
        for effect in &decision.effects {
            match effect {
                Effect::Mail(order) => self.mails.push(order.clone()),
                Effect::Record(_) => {}
            }
        }
        Ok(decision)
    }

    pub fn ask(&mut self, request: Request) -> Result<Answer, Refusal> {
        self.tell(Event::Asked(request)).map(|decision| decision.answer)
    }

    /// What the directory says now, to the watch or to a person's own call.
    pub fn sighting(&self, standing: Standing, in_person: bool) -> Sighting {
        Sighting { standing, stamp: self.stamp.to_string(), profile: self.profile.clone(), in_person }
    }

    /// Something is written into the entry, and the watch sees it.
    pub fn written(&mut self, standing: Standing) -> Decision {
        self.stamp += 1;
        let sighting = self.sighting(standing, false);
        self.tell(Event::Sighted(sighting)).expect("the watch is never refused")
    }

    /// The person signs in with the letter; the entry is provisional.
    pub fn sign_in(&mut self) -> Result<Id, Refusal> {
        let sighting = self.sighting(Standing::Provisional, true);
        self.tell(Event::Sighted(sighting))?;
        match self.ask(Request::Open { return_to: None })? {
            Answer::Session(session) => Ok(session),
            other @ (Answer::State | Answer::Ticket(_) | Answer::SignIn | Answer::Write) => {
                unreachable!("open answers a session, not {other:?}")
            }
        }
    }

    /// What the entry is now, as `password` reads it.
    pub fn attempt(&self) -> Attempt {
        Attempt { at: self.now, stamp: self.stamp.to_string(), password_changed: None }
    }

    /// The newest link of that purpose; an identifier that nobody has, where there is none.
    pub fn newest(&self, purpose: Purpose) -> Id {
        self.enrolment.newest(purpose).map_or(id(u64::MAX), |link| link.id)
    }

    /// Our own write succeeds.
    pub fn applied(&mut self) -> Decision {
        self.stamp += 1;
        let stamp = Some(self.stamp.to_string());
        self.tell(Event::Written(parvis_enrolment::event::WriteOutcome::Applied(stamp)))
            .expect("an outcome is never refused")
    }
}

/// A local time in the campus's zone; the earlier one where there are two.
pub fn instant(policy: &Policy, local: &str) -> Timestamp {
    let civil: jiff::civil::DateTime = local.parse().expect("the test names a civil time");
    policy.zone.to_timestamp(civil).expect("the zone has that time")
}
