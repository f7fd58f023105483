//! What the committer asks of a key-value engine, and no more.
//!
//! An engine holds one tree of raw keys and knows nothing of versions, records or conflicts: those are the
//! committer's. A new engine implements the two traits here and passes the conformance suite.

use std::collections::BTreeMap;

/// Raw keys with what becomes of them: a value, or gone.
pub(super) type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A raw key and its raw value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// What went wrong beneath the committer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// There is no room for what was to be written. The engine must be opened anew before it is written to again.
    #[error("no room is left on the disk: {0}")]
    Full(String),
    /// Anything else: a retry would not mend it.
    #[error("{0}")]
    Broken(String),
}

/// An open engine. One thread writes; any number read.
pub(super) trait Backend: Send + Sync + 'static {
    /// The value of a key, as last applied (durable or not).
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// At most `limit` pairs in order, from `from` (included) to `until` (excluded).
    fn range(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Pair>, Fault>;

    /// The last pair from `from` (included) to `until` (excluded).
    fn last(&self, from: &[u8], until: &[u8]) -> Result<Option<Pair>, Fault>;

    /// Applies all of the batch or, after a crash, none of it. It need not be durable when this returns.
    fn apply(&self, batch: &Batch) -> Result<(), Fault>;

    /// Returns when everything applied before survives a power cut.
    fn make_durable(&self) -> Result<(), Fault>;

    /// Tidies up a little, when nobody waits for the batch before any more.
    fn tidy(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// Where an engine's data is: what it takes to open it, and to open it again after the disk was full.
pub(super) trait Place: Send + 'static {
    /// The engine.
    type Backend: Backend;

    /// Opens the engine. The one opened before has been dropped.
    fn open(&mut self) -> Result<Self::Backend, Fault>;

    /// Frees the room that was kept for this moment.
    fn make_room(&mut self);

    /// Takes that room again; false while the disk has too little.
    fn take_room(&mut self) -> bool;

    /// Notes that the engine was closed in order.
    fn closed(&mut self) -> Result<(), Fault>;
}
