//! The embedded default: sled 0.34, made durable.
//!
//! sled's `flush()` writes, but it is no `fsync`: in simulated power cuts it lost everything. So each batch is followed by
//! `flush()` and an `fdatasync` of a descriptor of our own on sled's file. One tree; no compression, merge operators or
//! background flusher; no message near the size that sled moves to files of its own (see `stored`).

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::sled::{Config, Db, Error, IVec, Tree};
use nix::fcntl::{FallocateFlags, fallocate, posix_fallocate};

use super::backend::{Backend, Batch, Fault, Pair, Place};
use super::guard::guarded;
use super::header::{self, State};
use super::opening::Folder;

/// sled's folder within the store's.
pub(super) const FOLDER: &str = "sled";
/// The file that is freed when the disk is full, so that sled can be opened again.
pub(super) const BALLAST: &str = "ballast";

const BALLAST_BYTES: i64 = 4 * 1024 * 1024;
/// Two of sled's segments.
const RESERVE_BYTES: i64 = 1024 * 1024;
/// What sled may keep of its pages in memory, in bytes. Its bookkeeping comes on top.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// A scan of this many pairs is a long one.
const MANY: usize = 128;
/// About the fewest pairs on one of sled's leaves.
const LEAF_FILL: usize = 8;
/// How often a page is asked for before sled's limit is looked at.
const ACCESSES: usize = 64;
/// Bytes of a leaf that are read once more for. As each of sled's 256 parts looks at its limit after 64 pages, a long scan
/// leaves at most 256 · 64 times as many in memory: 3 MiB.
const ANSWERED: usize = 192;
/// What a leaf takes in memory beside its keys and values, and what each pair does, in bytes.
const LEAF_OVERHEAD: usize = 512;
const PAIR_OVERHEAD: usize = 48;
/// sled moves one page out of a sparse segment each time it rewrites a page for its own reasons; with our writes that is
/// too seldom, and its file grows to nine times what it holds. So a page of a tree of its own (the broom) is
/// rewritten once for each so many bytes of log: with this figure the file stays below twice what it holds.
const SWEEP_EVERY: u64 = 12 * 1024;
/// So many writes to a page make sled rewrite it.
const STROKES: u64 = 10;
/// Sweeps at a time, at most: they move some 25 KiB each, and nobody should wait for long.
const SWEEPS: u64 = 32;
/// sled gives its lock back a little after it is dropped: how often and how long to wait for that.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// An open sled.
pub(super) struct Sled {
    tree: Db,
    broom: Tree,
    /// Bytes of sled's log that were not answered by sweeping yet.
    logged: AtomicU64,
    file: File,
    #[cfg(test)]
    pub(super) trusting: bool,
}

impl Sled {
    /// Opens or makes the database in this folder, and makes that durable.
    pub(super) fn open(folder: &Path) -> Result<Self, Fault> {
        forget_half_snapshots(folder)?;
        let mut tries = 0;
        let tree = loop {
            let path = folder.to_path_buf();
            let opened = guarded(move || {
                Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None).open()
            });
            match opened.map_err(Fault::Broken)? {
                Ok(tree) => break tree,
                Err(error) if is_locked(&error) && tries < LOCK_TRIES => {
                    tries += 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        };
        sync_folder(folder)?;
        let file = File::options().read(true).write(true).open(folder.join("db"))?;
        reserve(&file);
        let broom = tree.open_tree("broom")?;
        Ok(Self {
            tree,
            broom,
            logged: AtomicU64::new(0),
            file,
            #[cfg(test)]
            trusting: false,
        })
    }
}

impl Sled {
    /// Makes sled drop from its memory what a long scan has read: it looks at its limit only when one of its 256 parts has
    /// been asked for pages 64 times, and by then may hold hundreds of megabytes. Small leaves are asked for less often.
    fn let_go(&self, pairs: &[Pair]) -> Result<(), Fault> {
        for leaf in pairs.chunks(LEAF_FILL) {
            let held = |(key, value): &Pair| PAIR_OVERHEAD + key.len() + value.len();
            let bytes = LEAF_OVERHEAD + leaf.iter().map(held).sum::<usize>();
            let Some((key, _)) = leaf.first() else { continue };
            for _ in 0..(bytes / ANSWERED).min(ACCESSES) {
                self.tree.contains_key(key)?;
            }
        }
        Ok(())
    }
}

impl Backend for Sled {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.tree.get(key)?.map(|value| value.to_vec()))
    }

    fn range(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Pair>, Fault> {
        if from >= until {
            return Ok(Vec::new());
        }
        let pairs: Vec<Pair> =
            self.tree.range(from..until).take(limit).map(pair).collect::<Result<_, _>>()?;
        if pairs.len() >= MANY {
            self.let_go(&pairs)?;
        }
        Ok(pairs)
    }

    fn last(&self, from: &[u8], until: &[u8]) -> Result<Option<Pair>, Fault> {
        let found = self.tree.range(from..until).next_back().map(pair).transpose()?;
        if let Some((key, _)) = &found {
            // The chain is walked page by page.
            for _ in 0..ACCESSES / LEAF_FILL {
                self.tree.contains_key(key)?;
            }
        }
        Ok(found)
    }

    fn apply(&self, batch: &Batch) -> Result<(), Fault> {
        let mut all = ::sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => all.insert(key.as_slice(), value.as_slice()),
                None => all.remove(key.as_slice()),
            }
        }
        Ok(self.tree.apply_batch(all)?)
    }

    fn make_durable(&self) -> Result<(), Fault> {
        let logged = self.tree.flush()?;
        self.logged.fetch_add(u64::try_from(logged).unwrap_or_default(), Ordering::Relaxed);
        #[cfg(test)]
        if self.trusting {
            return Ok(());
        }
        Ok(self.file.sync_data()?)
    }

    fn tidy(&self) -> Result<(), Fault> {
        let due = (self.logged.load(Ordering::Relaxed) / SWEEP_EVERY).min(SWEEPS);
        self.logged.fetch_sub(due * SWEEP_EVERY, Ordering::Relaxed);
        for stroke in 0..due * STROKES {
            // The same value twice would be no write.
            self.broom.insert(b"broom", &stroke.to_be_bytes())?;
        }
        // What was moved must be safe before the room it left can be written over.
        if due > SWEEPS / 4 { self.make_durable() } else { Ok(()) }
    }
}

/// The store's folder: sled's folder, the ballast, the header.
#[derive(Debug)]
pub(super) struct SledPlace {
    pub(super) folder: Folder,
    #[cfg(test)]
    pub(super) trusting: bool,
}

impl SledPlace {
    /// The place in this folder.
    pub(super) fn new(folder: Folder) -> Self {
        Self {
            folder,
            #[cfg(test)]
            trusting: false,
        }
    }
}

impl Place for SledPlace {
    type Backend = Sled;

    fn open(&mut self) -> Result<Sled, Fault> {
        #[cfg_attr(not(test), expect(unused_mut, reason = "only tests change it"))]
        let mut sled = Sled::open(&self.folder.path().join(FOLDER))?;
        #[cfg(test)]
        {
            sled.trusting = self.trusting;
        }
        Ok(sled)
    }

    fn make_room(&mut self) {
        free_ballast(self.folder.path());
    }

    fn take_room(&mut self) -> bool {
        match take_ballast(self.folder.path()) {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "no room for the ballast");
                false
            }
        }
    }

    fn closed(&mut self) -> Result<(), Fault> {
        let written = header::write(self.folder.path(), State::Stopped);
        if written.as_ref().is_err_and(is_full) {
            free_ballast(self.folder.path());
            return Ok(header::write(self.folder.path(), State::Stopped)?);
        }
        Ok(written?)
    }
}

/// Frees the ballast; the freed room is there when this returns.
pub(super) fn free_ballast(dir: &Path) {
    let freed = fs::remove_file(dir.join(BALLAST)).and_then(|()| File::open(dir)?.sync_all());
    if let Err(error) = freed {
        tracing::warn!(%error, "the ballast of the store cannot be freed");
    }
}

/// Takes the ballast, if it is not held yet and as much again stays free.
fn take_ballast(dir: &Path) -> io::Result<()> {
    let path = dir.join(BALLAST);
    let size = u64::try_from(BALLAST_BYTES).unwrap_or_default();
    if fs::metadata(&path).is_ok_and(|found| found.len() == size) {
        return Ok(());
    }
    let file = File::options().write(true).create(true).truncate(false).open(&path)?;
    let taken = posix_fallocate(&file, 0, 2 * BALLAST_BYTES).map_err(io::Error::from);
    let taken = taken.and_then(|()| file.set_len(size)).and_then(|()| file.sync_all());
    if taken.is_err() {
        drop(file);
        // Half a ballast would hold what others need now.
        fs::remove_file(&path)?;
    }
    taken
}

/// Takes a little room beyond the end of sled's file: sled tidies up while it reads, so that even reading fails
/// where nothing can be written.
fn reserve(file: &File) {
    let end = file.metadata().map(|found| found.len()).unwrap_or_default();
    let end = i64::try_from(end).unwrap_or(i64::MAX - RESERVE_BYTES);
    if let Err(error) = fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, end, RESERVE_BYTES) {
        tracing::debug!(%error, "no room beyond the database's end");
    }
}

/// Removes snapshots that were never finished. sled writes `snap.X.generating` at each opening and renames it when it is
/// whole; but it takes one that a crash or a full disk has left for the newest, and refuses to open.
fn forget_half_snapshots(folder: &Path) -> Result<(), Fault> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Makes sled's files durable, with their names: sled syncs neither `conf` nor a folder, and its snapshot is renamed
/// into place at each opening.
fn sync_folder(folder: &Path) -> Result<(), Fault> {
    for name in ["conf", "db", "blobs", ""] {
        File::open(folder.join(name))?.sync_all()?;
    }
    for above in folder.ancestors().skip(1).take(2) {
        // The folder above the store's may be closed to us; then whoever made it has to have synced it.
        match File::open(above).and_then(|above| above.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn pair(found: Result<(IVec, IVec), Error>) -> Result<Pair, Fault> {
    let (key, value) = found?;
    Ok((key.to_vec(), value.to_vec()))
}

/// sled says so in words only.
fn is_locked(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::Full(error.to_string()) } else { Self::Broken(error.to_string()) }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error.into(),
            other => Self::Broken(other.to_string()),
        }
    }
}
