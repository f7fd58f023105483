//! The rules of an enrolment: what a person may do next, and what follows from it.
//!
//! Everything here is pure. No I/O, no clock, no randomness: the time, fresh identifiers, the zone's rules and what
//! others found out come in as values, so a test can replay a day. The heart is [`decide()`]; everything else is what
//! it speaks of. This crate must never know the protocol, the store, LDAP, mail or a runtime.

pub mod address;
pub mod deadline;
mod decide;
pub mod enrolment;
pub mod event;
pub mod link;
pub mod policy;
pub mod refusal;
pub mod session;

pub use decide::{Wanted, decide, look, reminder, wanted};
pub use enrolment::{Answers, Closure, Enrolment, PersonId, Stage, Step};
pub use event::{
    Answer, Decision, Effect, Event, Fact, MailKind, MailOrder, Moment, Request, Sighting, Standing,
};
pub use link::{Delivery, Id, Link, Purpose};
pub use policy::Policy;
pub use refusal::Refusal;
