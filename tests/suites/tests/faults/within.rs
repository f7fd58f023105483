//! The store of a daemon that is stopped, opened beside it: to look at what is kept, and to put in what a fault would
//! leave. Only through the daemon's own code, which opens and closes it in order.

use std::sync::Arc;

use anyhow::{Context, Result};
use parvis_stand::Daemon;
use parvisd::store::{self, Commit, Linker, Store, Write};

/// Links nothing: for commits that have no records.
struct Unlinked;

impl Linker for Unlinked {
    fn link(&self, _: &[u8; 32], _: u64, _: &[u8]) -> [u8; 32] {
        [0; 32]
    }
}

fn open(daemon: &Daemon) -> Result<Arc<dyn Store>> {
    Ok(store::open(&daemon.layout().state().join("store"), Arc::new(Unlinked))?)
}

/// Every key from one up to another (excluded), with its value.
pub fn kept(daemon: &Daemon, from: &[u8], until: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let store = open(daemon)?;
    let found = store.scan(from, until, 100_000)?;
    store.close()?;
    Ok(found.into_iter().map(|(key, held)| (key, held.value)).collect())
}

/// The value of one key.
pub fn value(daemon: &Daemon, key: &[u8]) -> Result<Vec<u8>> {
    let after = [key, &[0]].concat();
    let found = kept(daemon, key, &after)?.pop();
    Ok(found.with_context(|| format!("nothing under {:?}", String::from_utf8_lossy(key)))?.1)
}

/// Puts a value under a key.
pub fn put(daemon: &Daemon, key: &[u8], value: &[u8]) -> Result<()> {
    let store = open(daemon)?;
    let writes = vec![Write::Put { key: key.to_vec(), value: value.to_vec() }];
    let commit = store.commit(Commit { writes, ..Commit::default() });
    tokio::runtime::Builder::new_current_thread().build()?.block_on(commit)?;
    Ok(store.close()?)
}
