//! How a value lies in the engine: eight bytes of version, a byte of kind, the payload.
//!
//! A payload over [`PART`] bytes is cut in parts under keys of the store's own, because sled writes a leaf of up to 17
//! entries as one message, and moves messages over 128 KiB to files that it neither syncs nor frees. With at most
//! [`PART`] bytes an entry, no leaf comes near.

use super::backend::{Batch, Fault};
use super::{Held, Version};

/// The longest piece of a payload under one raw key, in bytes.
pub(super) const PART: usize = 4096;
/// Every key of the store's own begins with this byte, and no other does.
pub(super) const OWN: u8 = 0;
/// The first key that is not the store's own.
pub(super) const FIRST_FOREIGN: &[u8] = &[OWN + 1];

const PARTS_PREFIX: &[u8] = b"\0part/";
const WHOLE: u8 = 0;
const PARTED: u8 = 1;

/// What lies under a raw key that is not a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored<'raw> {
    /// The commit that wrote it.
    pub(super) version: u64,
    body: Body<'raw>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body<'raw> {
    Whole(&'raw [u8]),
    /// `ordinal` tells apart the parted values of one version; `count` parts.
    Parted {
        ordinal: u32,
        count: u32,
    },
}

impl<'raw> Stored<'raw> {
    /// Reads a raw value.
    pub(super) fn parse(raw: &'raw [u8]) -> Result<Self, Fault> {
        let (version, rest) =
            raw.split_first_chunk().ok_or_else(|| misshapen("a value without a version"))?;
        let body = match rest.split_first() {
            Some((&WHOLE, payload)) => Body::Whole(payload),
            Some((&PARTED, numbers)) => parted(numbers)?,
            _ => return Err(misshapen("a value of an unknown kind")),
        };
        Ok(Self { version: u64::from_be_bytes(*version), body })
    }

    /// The whole value; `fetch` looks up the parts.
    pub(super) fn held(self, fetch: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, Fault>) -> Result<Held, Fault> {
        let value = match self.body {
            Body::Whole(payload) => payload.to_vec(),
            Body::Parted { .. } => {
                let mut value = Vec::new();
                for key in self.part_keys() {
                    value.extend(fetch(&key)?.ok_or_else(|| misshapen("a part of a value is missing"))?);
                }
                value
            }
        };
        Ok(Held { version: Version(self.version), value })
    }

    /// The raw keys that go when this value goes.
    pub(super) fn part_keys(&self) -> Vec<Vec<u8>> {
        match self.body {
            Body::Whole(_) => Vec::new(),
            Body::Parted { ordinal, count } => {
                (0..count).map(|index| part_key(self.version, ordinal, index)).collect()
            }
        }
    }
}

/// Puts a payload under a key, in as many raw entries as it takes. `ordinal` is unique within the version.
pub(super) fn write(into: &mut Batch, key: Vec<u8>, version: u64, ordinal: u32, payload: &[u8]) {
    let mut raw = version.to_be_bytes().to_vec();
    if payload.len() <= PART {
        raw.push(WHOLE);
        raw.extend_from_slice(payload);
    } else {
        let mut count: u32 = 0;
        for part in payload.chunks(PART) {
            into.insert(part_key(version, ordinal, count), Some(part.to_vec()));
            count += 1;
        }
        raw.push(PARTED);
        raw.extend_from_slice(&ordinal.to_be_bytes());
        raw.extend_from_slice(&count.to_be_bytes());
    }
    into.insert(key, Some(raw));
}

fn part_key(version: u64, ordinal: u32, index: u32) -> Vec<u8> {
    [PARTS_PREFIX, &version.to_be_bytes(), &ordinal.to_be_bytes(), &index.to_be_bytes()].concat()
}

fn parted(numbers: &[u8]) -> Result<Body<'static>, Fault> {
    let split = numbers.split_first_chunk().and_then(|(ordinal, rest)| Some((ordinal, rest.first_chunk()?)));
    let (ordinal, count) = split.ok_or_else(|| misshapen("a value in parts without their number"))?;
    Ok(Body::Parted { ordinal: u32::from_be_bytes(*ordinal), count: u32::from_be_bytes(*count) })
}

fn misshapen(what: &str) -> Fault {
    Fault::Broken(format!("{what} was read from the disk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(length: usize, raw_entries: usize) {
        let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let mut batch = Batch::new();
        write(&mut batch, b"k".to_vec(), 7, 3, &payload);
        assert_eq!(batch.len(), raw_entries);
        assert!(batch.values().flatten().all(|raw| raw.len() <= PART + 9));
        let raw = batch[b"k".as_slice()].clone().unwrap();
        let stored = Stored::parse(&raw).unwrap();
        assert_eq!(stored.part_keys().len(), raw_entries - 1);
        let held = stored.held(|key| Ok(batch.get(key).cloned().flatten())).unwrap();
        assert_eq!(held, Held { version: Version(7), value: payload });
    }

    #[test]
    fn values_of_every_size_come_back() {
        check(0, 1);
        check(PART, 1);
        check(PART + 1, 3);
        check(64 * 1024, 17);
    }

    #[test]
    fn a_damaged_value_is_a_fault_and_no_panic() {
        for raw in [&b""[..], b"1234567", b"12345678", b"12345678\x02", b"12345678\x01\0\0\0\0\0\0"] {
            assert!(Stored::parse(raw).is_err(), "{raw:?}");
        }
        let lost = b"12345678\x01\0\0\0\0\0\0\0\x01";
        assert!(Stored::parse(lost).unwrap().held(|_| Ok(None)).is_err());
    }
}
