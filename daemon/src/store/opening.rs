//! Opening the store's folder, so that nothing is lost by opening it.
//!
//! ```text
//! parvis-store.toml   the header: format, and how it was left
//! sled/               the database
//! ballast             freed when the disk is full
//! trial/              a copy of sled/, while it is tried after a stop that was not in order
//! restoring/          while a backup is restored
//! ```
//! Opening a sled that was not closed in order writes to it, and can panic. So it is opened as a copy first; if that fails,
//! the original is as it was.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backend::{Backend, Fault, Place};
use super::header::{self, State};
use super::memory::Nowhere;
use super::room::Room;
use super::sled::{FOLDER, Sled, SledPlace, free_ballast, is_full};
use super::view::recover;
use super::{Linker, Store, chain};

/// The copy that is tried first.
const TRIAL: &str = "trial";
/// Where a backup is being restored.
pub(super) const RESTORING: &str = "restoring";

/// Why the store was not opened. The texts are for the sysadmin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer parvisd wrote it. Nothing was touched.
    #[error(
        "open the store: {} says format {found}, and this parvisd knows formats up to {known}; nothing was changed. \
         Install the newer parvisd again, or restore a backup that this one wrote",
        path.display()
    )]
    Newer {
        /// The header.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another process has it open.
    #[error("open the store in {}: another parvisd has it open", dir.display())]
    Locked {
        /// The store's folder.
        dir: PathBuf,
    },
    /// The header cannot be understood. Nothing was touched.
    #[error("open the store: {} cannot be used: {why}; nothing was changed. Restore the folder from a backup", path.display())]
    Header {
        /// The header.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The folder holds something, but no store that can be used as it is. Nothing was touched.
    #[error("open the store in {}: {why}; nothing was changed", dir.display())]
    NotAStore {
        /// The store's folder.
        dir: PathBuf,
        /// What is there, and what to do.
        why: &'static str,
    },
    /// The database cannot be opened.
    #[error(
        "open the store in {}: the database cannot be read: {why}. {left}. Move the folder away, keep it, and restore \
         the last backup with parvisctl restore",
        dir.display()
    )]
    Damaged {
        /// The store's folder.
        dir: PathBuf,
        /// What the database said.
        why: String,
        /// In what condition the files are.
        left: &'static str,
    },
    /// There is too little room on the disk to open it safely. Try again when there is.
    #[error("open the store in {}: the disk is full: {needed} bytes must be free; nothing was lost", dir.display())]
    NoRoom {
        /// The store's folder.
        dir: PathBuf,
        /// How much it takes.
        needed: u64,
    },
    /// The operating system refused something.
    #[error("open the store: cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl OpenError {
    /// Whether it may go away by itself (exit 75), or needs the sysadmin's hands (exit 78).
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NoRoom { .. } | Self::Locked { .. } | Self::Io { .. } => true,
            Self::Newer { .. } | Self::Header { .. } | Self::NotAStore { .. } | Self::Damaged { .. } => false,
        }
    }
}

/// Opens the store in a folder; an empty or absent folder becomes an empty store.
pub fn open(dir: &Path, linker: Arc<dyn Linker>) -> Result<Arc<dyn Store>, OpenError> {
    let store: Arc<dyn Store> = open_place(SledPlace::new(Folder::lock(dir)?), linker)?;
    Ok(store)
}

/// What the header says of a folder, without opening, locking or changing anything: `creating`, `running` (open now, or
/// not closed in order) or `stopped`; none where no store was made yet.
pub fn look(dir: &Path) -> Result<Option<&'static str>, OpenError> {
    header::read(dir).map(|state| state.map(header::word))
}

/// A store in memory, for tests: it ends with the process.
#[must_use]
pub fn memory(linker: Arc<dyn Linker>) -> Arc<dyn Store> {
    let mut place = Nowhere;
    let backend = place.open().expect("a map in memory can always be made");
    Room::start(place, backend, linker).expect("a process that runs tests can start a thread")
}

/// As [`open`], on a place that is given.
pub(super) fn open_place(
    mut place: SledPlace,
    linker: Arc<dyn Linker>,
) -> Result<Arc<Room<SledPlace>>, OpenError> {
    let dir = place.folder.path().to_path_buf();
    let prepared = prepare(&dir).or_else(|error| match error {
        // What was kept for this moment is given up now.
        OpenError::NoRoom { .. } => {
            free_ballast(&dir);
            prepare(&dir)
        }
        other => Err(other),
    });
    let fresh = prepared?;
    let left = "It had been closed in order, and opening it may have changed its files";
    let damaged = |fault: Fault| match fault {
        Fault::Full(_) => OpenError::NoRoom { dir: dir.clone(), needed: size_of(&dir.join(FOLDER)) },
        Fault::Broken(why) => OpenError::Damaged { dir: dir.clone(), why, left },
    };
    let mut opened = place.open();
    if matches!(opened, Err(Fault::Full(_))) {
        free_ballast(&dir);
        opened = place.open();
    }
    let backend = opened.map_err(damaged)?;
    if fresh {
        mark(&dir, State::Running)?;
    }
    Room::start(place, backend, linker).map_err(damaged)
}

/// Brings the folder to where sled may open it: the header says what a crash from here on leaves. True when the
/// database is to be made.
fn prepare(dir: &Path) -> Result<bool, OpenError> {
    let has = |name: &str| dir.join(name).exists();
    let not = |why| Err(OpenError::NotAStore { dir: dir.to_path_buf(), why });
    let state = header::read(dir)?;
    if has(RESTORING) {
        return not("a restore was not finished; run it again");
    }
    match state {
        None if has(FOLDER) => not("it holds a database without a header; restore the folder from a backup"),
        None | Some(State::Creating) => {
            // Nothing in a database that was still being made has been acknowledged.
            clear(&dir.join(FOLDER))?;
            mark(dir, State::Creating).map(|()| true)
        }
        Some(_) if !has(FOLDER) || !dir.join(FOLDER).join("db").exists() => {
            not("it has a header but no database; restore the folder from a backup")
        }
        Some(State::Running) => try_copy(dir).map(|()| false),
        Some(State::Stopped) => mark(dir, State::Running).map(|()| false),
    }
}

fn mark(dir: &Path, state: State) -> Result<(), OpenError> {
    header::write(dir, state).map_err(|source| failed("write", &dir.join(header::NAME), source))
}

/// Opens a copy of the database, looks at it, and throws it away.
fn try_copy(dir: &Path) -> Result<(), OpenError> {
    let (from, trial) = (dir.join(FOLDER), dir.join(TRIAL));
    tracing::warn!(dir = %dir.display(), "the store was not closed in order: a copy of it is opened first");
    clear(&trial)?;
    let result = copy(&from, &trial)
        .map_err(|source| match is_full(&source) {
            true => OpenError::NoRoom { dir: dir.to_path_buf(), needed: size_of(&from) },
            false => failed("copy", &from, source),
        })
        .and_then(|()| {
            Sled::open(&trial).and_then(|sled| look_through(&sled)).map_err(|fault| match fault {
                Fault::Full(_) => OpenError::NoRoom { dir: dir.to_path_buf(), needed: size_of(&from) },
                Fault::Broken(why) => {
                    let left = "Its files are exactly as they were";
                    OpenError::Damaged { dir: dir.to_path_buf(), why, left }
                }
            })
        });
    clear(&trial)?;
    result
}

/// Reads what every start depends on: the end of the chain, and the page before it.
fn look_through(sled: &Sled) -> Result<(), Fault> {
    let (tail, _) = recover(sled)?;
    if tail.first() > 0 && sled.last(chain::FROM, &tail.key())?.is_none() {
        return Err(Fault::Broken("the chain has a last page, but none before it".into()));
    }
    Ok(())
}

/// Copies a folder of files and folders. Where the file system can, the copy shares its blocks.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}

/// Removes a folder, if it is there.
pub(super) fn clear(folder: &Path) -> Result<(), OpenError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed("remove", folder, source)),
        _ => Ok(()),
    }
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> OpenError {
    if is_full(&source) {
        let dir = path.parent().unwrap_or(path).to_path_buf();
        return OpenError::NoRoom { dir, needed: 64 * 1024 };
    }
    OpenError::Io { what, path: path.to_path_buf(), source }
}

/// The store's folder, locked against every other process for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the folder if it is absent, and locks it. The lock is on the folder itself: no file is made for it.
    pub(super) fn lock(dir: &Path) -> Result<Self, OpenError> {
        // What is stored is about people: nobody else's to read.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| failed("make", dir, source))?;
        let lock = File::open(dir).map_err(|source| failed("open", dir, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_path_buf(), lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_path_buf() }),
            Err(TryLockError::Error(source)) => Err(failed("lock", dir, source)),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.dir
    }
}

/// Said, not left to the descriptor's end: a child that was forked meanwhile holds a copy of it until it is its own program.
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_given_back_though_a_child_still_has_a_copy_of_its_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::lock(dir.path()).unwrap();
        let copy = folder.lock.try_clone().unwrap();
        assert!(matches!(Folder::lock(dir.path()), Err(OpenError::Locked { .. })));
        drop(folder);
        Folder::lock(dir.path()).unwrap();
        drop(copy);
    }
}
