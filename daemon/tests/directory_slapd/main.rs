//! The directory room against a real OpenLDAP: each test starts a private slapd of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail tests; clippy excuses the tests alone"
)]

mod apply;
mod filters;
mod find;
mod hostile;
mod probe;
mod support;
mod watch;
