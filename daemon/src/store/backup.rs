//! The online backup: JSON Lines, as of one moment, while commits go on.
//!
//! ```text
//! {"parvis-backup":1,"commit":1043,"records":512,"link":"<base64>"}
//! {"key":"<base64>","value":"<base64>","version":17}         each key, in order
//! {"record":0,"body":"<base64>","link":"<base64>"}           each record, in order
//! {"lines":1555,"sha256":"<hex>"}                            of all the lines before, newlines included
//! ```
//! It is a copy of what is stored, not of how: another engine can restore it. Commits are never held for longer than 256
//! pairs take to read: the committer keeps what the moment needs of values that it replaces, up to 16 MiB; beyond that
//! (a very slow reader under a very high load) the backup fails, not the commits.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::backend::Backend;
use super::room::after;
use super::stored::FIRST_FOREIGN;
use super::view::Shared;
use super::{Head, StoreError};

/// The format of a backup.
pub(super) const FORMAT: u32 = 1;
/// Pairs or records that are read at once.
const STRETCH: usize = 256;
/// No key is at or above this.
const END: &[u8] = &[0xff; super::MAX_KEY + 1];

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct First {
    #[serde(rename = "parvis-backup")]
    pub(super) format: u32,
    pub(super) commit: u64,
    pub(super) records: u64,
    pub(super) link: String,
}

/// A key's line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyLine {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) version: u64,
}

/// A record's line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordLine {
    pub(super) record: u64,
    pub(super) body: String,
    pub(super) link: String,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Last {
    pub(super) lines: u64,
    pub(super) sha256: String,
}

/// Writes a backup. One at a time.
pub(super) fn write<B: Backend>(shared: &Shared<B>, out: &mut dyn Write) -> io::Result<()> {
    let moment = Kept::begin(shared)?;
    let mut lines = Lines { out: &mut *out, sum: Sha256::new(), count: 0 };
    let (commit, head) = (moment.commit, moment.head);
    let link = BASE64.encode(head.link);
    lines.write(&First { format: FORMAT, commit, records: head.length, link })?;
    write_keys(shared, &mut lines)?;
    write_records(shared, head.length, &mut lines)?;
    lines.end()?;
    out.flush()
}

fn write_keys<B: Backend>(shared: &Shared<B>, lines: &mut Lines<'_>) -> io::Result<()> {
    let mut from = FIRST_FOREIGN.to_vec();
    loop {
        let pairs = shared.read().scan_moment(&from, END, STRETCH).map_err(io::Error::other)?;
        let Some((last, _)) = pairs.last() else { return Ok(()) };
        from = after(last);
        if let Some(moment) = &mut shared.write().moment {
            moment.forget_before(&from);
        }
        for (key, held) in pairs {
            let (key, value) = (BASE64.encode(key), BASE64.encode(held.value));
            lines.write(&KeyLine { key, value, version: held.version.0 })?;
        }
    }
}

fn write_records<B: Backend>(shared: &Shared<B>, length: u64, lines: &mut Lines<'_>) -> io::Result<()> {
    let mut from = 0;
    while from < length {
        let limit = usize::try_from(length - from).unwrap_or(STRETCH).min(STRETCH);
        for record in shared.read().records(from, limit).map_err(io::Error::other)? {
            from = record.number + 1;
            let (body, link) = (BASE64.encode(record.body), BASE64.encode(record.link));
            lines.write(&RecordLine { record: record.number, body, link })?;
        }
    }
    Ok(())
}

/// The moment, kept as long as this lives.
struct Kept<'a, B> {
    shared: &'a Shared<B>,
    commit: u64,
    head: Head,
}

impl<'a, B: Backend> Kept<'a, B> {
    fn begin(shared: &'a Shared<B>) -> io::Result<Self> {
        let mut view = shared.write();
        view.backend().map_err(io::Error::other)?;
        if !view.begin_moment() {
            let busy = StoreError::Unavailable("another backup is being written".into());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, busy));
        }
        Ok(Self { shared, commit: view.commit, head: view.tail.head() })
    }
}

impl<B> Drop for Kept<'_, B> {
    fn drop(&mut self) {
        self.shared.write().moment = None;
    }
}

struct Lines<'a> {
    out: &'a mut dyn Write,
    sum: Sha256,
    count: u64,
}

impl Lines<'_> {
    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.sum.update(&text);
        self.count += 1;
        self.out.write_all(&text)
    }

    fn end(self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&Last { lines: self.count, sha256: hex(self.sum) })?;
        text.push(b'\n');
        self.out.write_all(&text)
    }
}

/// A digest in lower-case hexadecimal.
pub(super) fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
