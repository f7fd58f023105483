//! The audit: what a record looks like, how records hang together, and how that is verified.
//!
//! A record says when something of which kind happened, and has the digest of the details under the person's salt.
//! The chain proves that none was altered, removed or reordered; with the details it proves what they were.

mod record;
mod verify;

pub use record::{Chain, Record, anchor, digest, subject};
pub use verify::{export, fact_text, uuid, verify};
