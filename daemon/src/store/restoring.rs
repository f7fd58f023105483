//! Makes a new store from a backup, or leaves nothing behind.
//!
//! The database is built in a folder of its own and moved into place when the last line has proved the whole backup;
//! until the header is written, nothing will open it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::backend::{Backend, Batch, Fault};
use super::backup::{self, First, KeyLine, Last, RecordLine, hex};
use super::chain::{self, Page};
use super::header::{self, State};
use super::opening::{Folder, OpenError, RESTORING};
use super::sled::{FOLDER, Sled};
use super::stored::{self, OWN};
use super::{Linked, MAX_KEY, MAX_RECORD, MAX_VALUE};

/// The longest line of a backup, in bytes: the largest key and value in base64, with what is around them.
const LINE: u64 = 128 * 1024;
/// How much is applied at once, in bytes.
const BATCH: usize = 256 * 1024;

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreSummary {
    /// How many keys.
    pub keys: u64,
    /// How many records of the chain.
    pub records: u64,
    /// The number of the last commit that the backup holds: the next one is higher.
    pub commit: u64,
}

/// Why nothing was restored. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is something in the folder.
    #[error("restore into {}: it is not empty", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// The backup is damaged, cut off, or no backup.
    #[error("restore: line {line} of the backup: {why}")]
    Damaged {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A newer parvisd wrote the backup.
    #[error("restore: the backup has format {found}, and this parvisd knows formats up to {known}")]
    Newer {
        /// Its format.
        found: u64,
        /// Ours.
        known: u32,
    },
    /// The disk is full.
    #[error("restore into {}: the disk is full", dir.display())]
    Full {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder cannot be locked or written.
    #[error("restore: {0}")]
    Open(#[from] OpenError),
    /// The operating system or the database refused something.
    #[error("restore into {}: {why}", dir.display())]
    Failed {
        /// The folder.
        dir: PathBuf,
        /// What it said.
        why: String,
    },
}

/// Makes a store of a backup, in an empty or absent folder. `backup` is what [`Store::backup`](super::Store::backup) wrote.
pub fn restore(dir: &Path, backup: &mut dyn Read) -> Result<RestoreSummary, RestoreError> {
    let was_there = dir.exists();
    let folder = Folder::lock(dir)?;
    let result = refuse_unless_empty(dir).and_then(|()| {
        let building = dir.join(RESTORING);
        build(&building, backup).and_then(|summary| put_in_place(dir).map(|()| summary)).map_err(|error| {
            // A failed clean-up leaves a folder that `open` refuses and the next restore removes.
            let _left = fs::remove_dir_all(&building);
            error.at(dir)
        })
    });
    drop(folder);
    if result.is_err() && !was_there {
        let _left = fs::remove_dir(dir);
    }
    result
}

fn refuse_unless_empty(dir: &Path) -> Result<(), RestoreError> {
    let failed = |error: io::Error| Broken::from(error).at(dir);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name == RESTORING {
            fs::remove_dir_all(dir.join(RESTORING)).map_err(failed)?;
        } else if name != "lost+found" {
            return Err(RestoreError::NotEmpty { dir: dir.to_path_buf() });
        }
    }
    Ok(())
}

fn build(building: &Path, backup: &mut dyn Read) -> Result<RestoreSummary, Broken> {
    let sled = Sled::open(building)?;
    let mut lines = Lines::new(backup);
    let first = lines.next()?;
    let found =
        lines.read::<serde_json::Value>(&first)?.get("parvis-backup").and_then(serde_json::Value::as_u64);
    if let Some(found) = found.filter(|found| *found > u64::from(backup::FORMAT)) {
        return Err(RestoreError::Newer { found, known: backup::FORMAT }.into());
    }
    let first: First = lines.read(&first)?;
    let mut builder = Builder::new(&sled, first.commit);
    loop {
        let sum = lines.sum.clone();
        let line = lines.next()?;
        if line.starts_with(b"{\"key\"") {
            builder.key(&lines.read(&line)?).map_err(|error| lines.wrong_or(error))?;
        } else if line.starts_with(b"{\"record\"") {
            builder.record(&lines.read(&line)?).map_err(|error| lines.wrong_or(error))?;
        } else {
            let last: Last = lines.read(&line)?;
            if last.lines != lines.count - 1 || last.sha256 != hex(sum) {
                return Err(lines.wrong("the sum does not fit: the backup was changed or is incomplete"));
            }
            break;
        }
    }
    if lines.more()? {
        return Err(lines.wrong("more follows after the last line"));
    }
    let (length, link) = (builder.tail.head().length, BASE64.encode(builder.tail.head().link));
    if length != first.records || link != first.link {
        return Err(lines.wrong("the chain does not end as the first line says"));
    }
    Ok(builder.finish()?)
}

/// Writes the pairs and records of a backup into a fresh database.
struct Builder<'a> {
    sled: &'a Sled,
    batch: Batch,
    bytes: usize,
    tail: Page,
    last: Vec<u8>,
    summary: RestoreSummary,
    ordinal: u32,
}

impl<'a> Builder<'a> {
    fn new(sled: &'a Sled, commit: u64) -> Self {
        let summary = RestoreSummary { keys: 0, records: 0, commit };
        Self {
            sled,
            batch: Batch::new(),
            bytes: 0,
            tail: Page::default(),
            last: Vec::new(),
            summary,
            ordinal: 0,
        }
    }

    fn key(&mut self, line: &KeyLine) -> Result<(), Broken> {
        let (key, value) = (unbase64(&line.key)?, unbase64(&line.value)?);
        if key <= self.last || key.first() == Some(&OWN) || key.len() > MAX_KEY || value.len() > MAX_VALUE {
            return Err(Broken::Line("a key that cannot be".into()));
        }
        if line.version == 0 || line.version > self.summary.commit {
            return Err(Broken::Line("a version that cannot be".into()));
        }
        self.summary.keys += 1;
        self.bytes += key.len() + value.len();
        let ordinal = self.next_ordinal();
        stored::write(&mut self.batch, key.clone(), line.version, ordinal, &value);
        self.last = key;
        self.apply_at(BATCH)
    }

    fn record(&mut self, line: &RecordLine) -> Result<(), Broken> {
        let (body, link) = (unbase64(&line.body)?, unbase64(&line.link)?);
        let link = link.try_into().map_err(|_| Broken::Line("a link of a wrong length".into()))?;
        if line.record != self.summary.records || body.len() > MAX_RECORD {
            return Err(Broken::Line("a record that cannot be".into()));
        }
        self.summary.records += 1;
        self.bytes += body.len();
        if let Some(full) = self.tail.push(Linked { number: line.record, body, link }) {
            self.page(&full);
        }
        self.apply_at(BATCH)
    }

    fn finish(mut self) -> Result<RestoreSummary, Fault> {
        let tail = std::mem::take(&mut self.tail);
        self.page(&tail);
        self.sled.apply(&self.batch)?;
        self.sled.make_durable()?;
        Ok(self.summary)
    }

    fn page(&mut self, page: &Page) {
        let ordinal = self.next_ordinal();
        chain::write(&mut self.batch, page, self.summary.commit, ordinal);
    }

    fn apply_at(&mut self, bytes: usize) -> Result<(), Broken> {
        if self.bytes >= bytes {
            self.sled.apply(&std::mem::take(&mut self.batch))?;
            self.sled.make_durable()?;
            self.bytes = 0;
        }
        Ok(())
    }

    fn next_ordinal(&mut self) -> u32 {
        self.ordinal = self.ordinal.wrapping_add(1);
        self.ordinal
    }
}

/// The lines of a backup, with the sum of those that were read.
struct Lines<'a> {
    input: BufReader<&'a mut dyn Read>,
    sum: Sha256,
    count: u64,
}

impl<'a> Lines<'a> {
    fn new(input: &'a mut dyn Read) -> Self {
        Self { input: BufReader::new(input), sum: Sha256::new(), count: 0 }
    }

    fn next(&mut self) -> Result<Vec<u8>, Broken> {
        let mut line = Vec::new();
        self.count += 1;
        (&mut self.input).take(LINE).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err(self.wrong(if line.is_empty() {
                "the backup is cut off"
            } else {
                "the line has no end"
            }));
        }
        self.sum.update(&line);
        Ok(line)
    }

    fn read<T: DeserializeOwned>(&self, line: &[u8]) -> Result<T, Broken> {
        serde_json::from_slice(line).map_err(|_| self.wrong("it is not what a backup holds"))
    }

    fn more(&mut self) -> Result<bool, Broken> {
        Ok(!self.input.fill_buf()?.is_empty())
    }

    fn wrong(&self, why: &str) -> Broken {
        RestoreError::Damaged { line: self.count, why: why.to_owned() }.into()
    }

    fn wrong_or(&self, error: Broken) -> Broken {
        match error {
            Broken::Line(why) => self.wrong(&why),
            other => other,
        }
    }
}

/// What stops a restore, before it is known where it was.
enum Broken {
    Said(RestoreError),
    Line(String),
    Fault(Fault),
}

impl Broken {
    fn at(self, dir: &Path) -> RestoreError {
        let dir = dir.to_path_buf();
        match self {
            Self::Said(error) => error,
            Self::Fault(Fault::Full(_)) => RestoreError::Full { dir },
            Self::Fault(Fault::Broken(why)) | Self::Line(why) => RestoreError::Failed { dir, why },
        }
    }
}

impl From<RestoreError> for Broken {
    fn from(error: RestoreError) -> Self {
        Self::Said(error)
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Fault(error.into())
    }
}

fn put_in_place(dir: &Path) -> Result<(), Broken> {
    fs::rename(dir.join(RESTORING), dir.join(FOLDER))?;
    File::open(dir)?.sync_all()?;
    let written = header::write(dir, State::Stopped);
    if written.is_err() {
        fs::rename(dir.join(FOLDER), dir.join(RESTORING))?;
    }
    Ok(written?)
}

fn unbase64(text: &str) -> Result<Vec<u8>, Broken> {
    BASE64.decode(text).map_err(|_| Broken::Line("a value that is not base64".into()))
}
