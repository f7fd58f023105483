//! The audit: what a record looks like, how records hang together, and how that is verified.
//!
//! A record says when something of which kind happened, and has the digest of the details under the person's salt.
//! The chain proves that none was altered, removed or reordered; with the details it proves what they were.

mod dossiers;
mod export;
mod record;
mod verify;

pub use export::{export, uuid};
pub use record::{Chain, PURGED, Record, anchor, digest, subject};
pub use verify::{fact_text, verify};

#[cfg(test)]
mod tests;
