//! A backup of many finished enrolments, made of one of a few.
//!
//! Each person of the few becomes many, under identities of their own; records, sizes and the daemon's own values are
//! the real ones. Only the chain's links are made up, and whom a record names: opening a store looks at neither.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How many bytes of a value lie under one key of the database.
const PART: usize = 4096;
/// How many records, and bytes of them, a page of the chain holds.
const PAGE: (usize, usize) = (16, 4000);

/// What the few left.
pub struct Template {
    /// The daemon's own values.
    own: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Their records.
    people: Vec<Vec<u8>>,
    /// The bodies of the audit's records, in order.
    bodies: Vec<Vec<u8>>,
}

/// What one finished enrolment takes, on average.
pub struct Each {
    /// Keys of the database, its share of the chain's pages among them.
    pub keys: f64,
    /// Bytes of the record.
    pub record: f64,
    /// Bytes of the audit.
    pub audit: f64,
}

impl Template {
    /// Reads a backup in which everybody is done. Counts of attempts are left out: the sweep removes them.
    pub fn read(backup: &str) -> Result<Self> {
        let mut template = Self { own: BTreeMap::new(), people: Vec::new(), bodies: Vec::new() };
        for line in backup.lines() {
            let line: Value = serde_json::from_str(line).context("a line of the backup is no JSON")?;
            let bytes = |name: &str| -> Result<Vec<u8>> {
                Ok(BASE64.decode(line.get(name).and_then(Value::as_str).unwrap_or_default())?)
            };
            if line.get("key").is_some() {
                let (key, value) = (bytes("key")?, bytes("value")?);
                match key.split_first() {
                    Some((b'p', _)) => template.people.push(value),
                    Some((b'm', _)) => drop(template.own.insert(key, value)),
                    _ => {}
                }
            } else if line.get("record").is_some() {
                template.bodies.push(bytes("body")?);
            }
        }
        // Whoever has only been seen has a record of a third of that.
        let longest = template.people.iter().map(Vec::len).max().context("nobody in the backup")?;
        template.people.retain(|record| record.len() * 2 > longest);
        Ok(template)
    }

    /// Averages.
    pub fn each(&self) -> Each {
        let people = self.people.len() as f64;
        let parts = |record: &Vec<u8>| if record.len() <= PART { 1 } else { 1 + record.len().div_ceil(PART) };
        // Each has the key of its subject in the audit as well.
        let keys: usize = self.people.iter().map(|record| 1 + parts(record)).sum();
        let audit: usize = self.bodies.iter().map(|body| body.len() + 36).sum();
        let pages = (self.bodies.len() as f64 / PAGE.0 as f64).max(audit as f64 / PAGE.1 as f64);
        let record: usize = self.people.iter().map(Vec::len).sum();
        Each {
            keys: (keys as f64 + pages) / people,
            record: record as f64 / people,
            audit: audit as f64 / people,
        }
    }

    /// Writes a backup of so many people.
    pub fn write(&self, many: usize, out: &mut dyn Write) -> Result<()> {
        let records = many * self.bodies.len() / self.people.len();
        let mut lines = Lines { out, sum: Sha256::new(), count: 0 };
        let commit = records.max(1) as u64;
        let last = records.checked_sub(1).map_or([0; 32], link);
        let link64 = |link: [u8; 32]| BASE64.encode(link);
        lines.write(
            &json!({ "parvis-backup": 1, "commit": commit, "records": records, "link": link64(last) }),
        )?;
        let key = |key: &[u8], value: &[u8]| json!({ "key": BASE64.encode(key), "value": BASE64.encode(value), "version": 1 });
        // The letter of the daemon's own values comes before that of the people.
        for (name, value) in &self.own {
            lines.write(&key(name, value))?;
        }
        // Spread evenly, and in order.
        let id = |index: usize| (u128::MAX / (many as u128 + 1) * (index as u128 + 1)).to_be_bytes();
        let name = |kind: u8, index: usize| [kind].into_iter().chain(id(index)).collect::<Vec<u8>>();
        for (index, record) in self.people.iter().cycle().take(many).enumerate() {
            lines.write(&key(&name(b'p', index), record))?;
        }
        for index in 0..many {
            lines.write(&key(&name(b's', index), &id(many - 1 - index)))?;
        }
        for (index, body) in self.bodies.iter().cycle().take(records).enumerate() {
            let (body, link) = (BASE64.encode(body), link64(link(index)));
            lines.text(&format!("{{\"record\":{index},\"body\":\"{body}\",\"link\":\"{link}\"}}"))?;
        }
        lines.end()
    }
}

/// 32 bytes that nothing can compress.
fn link(index: usize) -> [u8; 32] {
    Sha256::digest(index.to_be_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Lines<'a> {
    out: &'a mut dyn Write,
    sum: Sha256,
    count: u64,
}

impl Lines<'_> {
    fn write(&mut self, line: &Value) -> Result<()> {
        self.text(&line.to_string())
    }

    /// A restore tells lines apart by their first name, so a record's order matters.
    fn text(&mut self, line: &str) -> Result<()> {
        let text = format!("{line}\n");
        self.sum.update(&text);
        self.count += 1;
        Ok(self.out.write_all(text.as_bytes())?)
    }

    fn end(self) -> Result<()> {
        let last = json!({ "lines": self.count, "sha256": hex(&self.sum.finalize()) });
        Ok(writeln!(self.out, "{last}")?)
    }
}
