//! The gate: the hook socket and the admin socket. The only room that knows the protocol.
//!
//! It takes messages in, says who asks, translates requests to the rules' and answers back to the protocol's by total
//! matches, and has a limit for everything. What a request means is the rules' business.

mod admin;
mod bounce;
mod check;
mod connection;
mod hook;
mod inward;
mod password;
mod peers;
mod people;
mod refuse;
mod steps;
mod turns;
mod view;

pub use connection::{Socket, serve};
pub use peers::Peers;
pub use turns::Turns;

use crate::engine::Engine;
use crate::mail::MailDomains;
use crate::service::health::Board;
use crate::sweep::Sweeper;
use crate::words::Words;
use parvis_enrolment::PersonId;
use std::sync::Arc;

/// The most calls under way at once.
pub const CALLS: usize = 4096;

/// What every connection shares.
pub struct Gate {
    pub engine: Arc<Engine>,
    pub words: Words,
    pub board: Arc<Board>,
    pub peers: Peers,
    pub sweeper: Arc<Sweeper>,
    /// What the DNS has said of the domains of addresses.
    pub domains: MailDomains,
    pub since: jiff::Timestamp,
    /// One permit a call under way: all of them, when the last has ended.
    pub under_way: tokio::sync::Semaphore,
    /// The pages that wait for a change, by whose enrolment.
    pub followers: Turns<PersonId>,
    /// The passwords that are being judged or written.
    pub passwords: Turns<PersonId>,
}
