//! What a story's person does, and where they are then: the words in which the told stories are told.

use super::World;
use parvis_enrolment::{Answer, Closure, Id, MailKind, Purpose, Refusal, Request, Stage, Step};

/// The person's own address.
pub const ADDRESS: &str = "jeanne@example.org";

impl World {
    pub fn give(&mut self, session: Id, address: &str) -> Result<Answer, Refusal> {
        self.ask(Request::RecoveryAddress { session, address: address.to_owned(), inward: false })
    }

    pub fn redeem(&mut self, purpose: Purpose, session: Option<Id>) -> Result<Answer, Refusal> {
        let link = self.newest(purpose);
        self.ask(Request::Redeem { link, session })
    }

    pub fn accept(&mut self, session: Id, version: &str) -> Result<Answer, Refusal> {
        let (version, locale) = (version.to_owned(), "fr".to_owned());
        self.ask(Request::Charter { session, version, accepted: true, locale })
    }

    pub fn mail(&mut self, session: Id, forward: Option<&str>) -> Result<Answer, Refusal> {
        let forward = forward.map(str::to_owned);
        self.ask(Request::Mail { session, forward, inward: false, keep_copy: true })
    }

    pub fn password(&mut self, session: Id) -> Result<Answer, Refusal> {
        let attempt = self.attempt();
        self.ask(Request::Password { session, fault: None, attempt })
    }

    pub fn state(&mut self, session: Id) -> Result<Option<Step>, Refusal> {
        self.ask(Request::State { session }).map(|_| self.step())
    }

    /// A person at step 5, and the session that brought them there.
    pub fn proven(local: &str, population: &str) -> (World, Id) {
        let mut world = World::at(local, population);
        let session = world.sign_in().expect("the letter is good");
        world.give(session, ADDRESS).expect("the person does what is right");
        let Ok(Answer::Session(session)) = world.redeem(Purpose::Recovery, Some(session)) else {
            unreachable!("a link in its own browser goes on there")
        };
        (world, session)
    }

    /// A person at step 9.
    pub fn at_password(local: &str) -> (World, Id) {
        let (mut world, session) = World::proven(local, "staff");
        world.accept(session, "1").expect("the person does what is right");
        world.ask(Request::Listing { session, listed: Some(false) }).expect("the person does what is right");
        world.mail(session, None).expect("the person does what is right");
        (world, session)
    }

    /// A person whose password is being written.
    pub fn activating(local: &str) -> (World, Id) {
        let (mut world, session) = World::at_password(local);
        assert_eq!(world.password(session), Ok(Answer::Write));
        (world, session)
    }

    pub fn mailed(&self, kind: MailKind) -> usize {
        self.mails.iter().filter(|order| order.kind == kind).count()
    }

    pub fn step(&self) -> Option<Step> {
        self.enrolment.step(&self.policy)
    }

    pub fn closed(&self, why: Closure) -> bool {
        matches!(self.enrolment.stage, Stage::Closed { why: found, .. } if found == why)
    }
}
