//! The store: everything that Parvis knows, durable before anybody is answered.
//!
//! One narrow trait; nothing outside this folder names a backend. It must not know what it stores: keys and
//! values are bytes, and the meaning is `engine`'s. One tree of ordered keys; a value carries the version that
//! wrote it, so that a commit can say what it has read and be refused when that is no longer so.
//!
//! Records (the audit) are appended to the node's chain inside the same commit: the committer numbers and links
//! them, because only it knows which commits came before.

mod backend;
mod backup;
mod chain;
mod committer;
mod guard;
mod header;
mod limits;
mod memory;
mod opening;
mod plan;
mod restoring;
mod room;
mod sled;
mod stored;
mod view;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod disks;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod folder;
#[cfg(test)]
mod power_cut;

pub use opening::{OpenError, look, memory, open};
pub use restoring::{RestoreError, RestoreSummary, restore};

use std::future::Future;
use std::pin::Pin;

/// The number of the commit that wrote a value. It changes at every write of the key, and never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A value with the version that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What to name in a [`Check`].
    pub version: Version,
    /// The bytes as they were put.
    pub value: Vec<u8>,
}

/// What a commit relies on: the key still has this version (`None`: still absent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The key that was read.
    pub key: Vec<u8>,
    /// The version that was read.
    pub expect: Option<Version>,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Set the key's value, whatever was there.
    Put {
        /// At most [`MAX_KEY`] bytes.
        key: Vec<u8>,
        /// At most [`MAX_VALUE`] bytes.
        value: Vec<u8>,
    },
    /// Remove the key; removing an absent key is no fault.
    Delete {
        /// The key to remove.
        key: Vec<u8>,
    },
}

/// All of it happens, durably, or none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// What must still be so.
    pub checks: Vec<Check>,
    /// What changes.
    pub writes: Vec<Write>,
    /// Bodies to append to the node's chain, in this order.
    pub records: Vec<Vec<u8>>,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable: it survives `kill -9` and a power cut.
    Committed(Version),
    /// A check no longer held: nothing was written. Read again, decide again.
    Conflict,
}

/// The end of the node's chain: what an anchor in the journal names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many records there are.
    pub length: u64,
    /// The last record's link (zeroes in an empty chain).
    pub link: [u8; 32],
}

/// How a record is tied to the one before it. Implemented by `audit`, with a key that the store never sees.
pub trait Linker: Send + Sync {
    /// The link of record `number` (from 0) with this body, after the record whose link is `previous`.
    fn link(&self, previous: &[u8; 32], number: u64, body: &[u8]) -> [u8; 32];
}

/// One record as it stands in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Its place, from 0.
    pub number: u64,
    /// As it was given to `commit`.
    pub body: Vec<u8>,
    /// As [`Linker::link`] computed it when it was committed.
    pub link: [u8; 32],
}

/// What the store can do at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Reads and commits work.
    Working,
    /// The disk is full: commits are refused until there is room, which is looked for again and again. Reads work, but for
    /// the moment in which the engine is opened anew ([`StoreError::Unavailable`]).
    Full,
    /// Closed, or broken beyond what a retry can mend; the text is for the sysadmin.
    Down(String),
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// Try again later: nothing of the commit was kept.
    #[error("the disk that holds the store is full")]
    Full,
    /// Too many commits wait already, or the store is closing.
    #[error("the store does not take commits now: {0}")]
    Unavailable(String),
    /// A key or value beyond the limits: the caller's fault.
    #[error("a {what} of {size} bytes is over the store's limit of {limit}")]
    TooLarge {
        /// `key`, `value`, `record` or `commit`.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A key that no caller may use: the caller's fault.
    #[error("a key cannot be used: {0}")]
    BadKey(&'static str),
    /// The files are not what they should be.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    /// Whether trying the same again cannot help.
    pub fn lasting(&self) -> bool {
        match self {
            Self::Full | Self::Unavailable(_) => false,
            Self::TooLarge { .. } | Self::BadKey(_) | Self::Damaged(_) => true,
        }
    }
}

/// The longest key, in bytes: 257 of them must fit one of sled's index pages, which it writes as one message of under
/// 128 KiB (larger ones go to files that it neither syncs nor frees).
pub const MAX_KEY: usize = 448;
/// The largest value, in bytes.
pub const MAX_VALUE: usize = 64 * 1024;
/// The largest body of a record, in bytes.
pub const MAX_RECORD: usize = 16 * 1024;
/// The largest commit, in bytes, where each check, write and record counts 64 besides its keys and values.
pub const MAX_COMMIT: usize = 512 * 1024;

/// A commit on its way.
pub type Committing = Pin<Box<dyn Future<Output = Result<Outcome, StoreError>> + Send>>;

/// The one seam to what keeps the data.
pub trait Store: Send + Sync + 'static {
    /// The value of a key, as of the last durable commit or later.
    fn get(&self, key: &[u8]) -> Result<Option<Held>, StoreError>;

    /// At most `limit` keys with their values, in order, from `from` (included) to `until` (excluded). Each stretch of 256
    /// is of one moment; between them commits may come in.
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Held)>, StoreError>;

    /// At most `limit` records of the node's chain, from number `from` on.
    fn records(&self, from: u64, limit: usize) -> Result<Vec<Linked>, StoreError>;

    /// The end of the node's chain.
    fn head(&self) -> Head;

    /// What the store can do now.
    fn health(&self) -> Health;

    /// Writes everything to `out`, as of one moment, while the store goes on working. One at a time
    /// ([`std::io::ErrorKind::ResourceBusy`]); it fails when over 16 MiB of values change while it is written.
    fn backup(&self, out: &mut dyn std::io::Write) -> std::io::Result<()>;

    /// Carries out what was sent before, marks the clean stop and refuses everything from then on. It waits for the disk.
    fn close(&self) -> Result<(), StoreError>;

    /// Carries the commit out. When the answer is [`Outcome::Committed`], it is on the disk. It is sent at the call, and is
    /// carried out even if the future is dropped. Never waits for a full queue: that is [`StoreError::Unavailable`].
    fn commit(&self, commit: Commit) -> Committing;
}
