//! The workers: they carry out what was committed. Today that is mail; a directory write waits for its person.

mod lanes;
mod night;
mod outbox;
mod post;
mod queue;
mod settle;

pub use outbox::{Outbox, deliver};
pub use post::{Post, campus, relay, relay_heard, sender, trial_path};
pub use settle::returned;
