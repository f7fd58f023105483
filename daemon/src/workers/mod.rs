//! The workers: they carry out what was committed. Today that is mail; a directory write waits for its person.

mod night;
mod outbox;
mod post;
mod turns;

pub use outbox::{Outbox, deliver, refused};
pub use post::{Post, campus, relay, relay_heard, sender};
