//! The node's chain: records packed in pages, so that an enrolment's dozen of them cost less than one key.
//!
//! The last page (the tail) is kept in memory and written anew by every batch, with the batch's commit number as its
//! version: so one look at the last page recovers the chain's head and the commit counter. Pages before it never
//! change. The store knows no meaning of a record, and no key: links come from the [`Linker`].

use super::backend::{Batch, Fault};
use super::{Head, Linked, Linker};

/// Pages lie between these two keys.
pub(super) const FROM: &[u8] = b"\0chain/";
/// See [`FROM`].
pub(super) const UNTIL: &[u8] = b"\0chain0";

/// Records a page holds at most.
const RECORDS: usize = 16;
/// Bytes a page holds at most, unless a single record is larger.
const BYTES: usize = 4000;
const LINK: usize = 32;

/// A page of the chain: consecutive records. Only the page of an empty chain has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    first: u64,
    records: Vec<Linked>,
    bytes: usize,
}

impl Page {
    /// The raw key of the page.
    pub(super) fn key(&self) -> Vec<u8> {
        page_key(self.first)
    }

    /// The number of the first record.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The records, in order.
    pub(super) fn records(&self) -> &[Linked] {
        &self.records
    }

    /// The end of a chain whose tail this is.
    pub(super) fn head(&self) -> Head {
        self.records.last().map_or(Head { length: self.first, link: [0; LINK] }, |last| Head {
            length: last.number + 1,
            link: last.link,
        })
    }

    /// Appends a record; when it no longer fits, the full page is returned and this becomes the next one.
    pub(super) fn append(&mut self, linker: &dyn Linker, body: &[u8]) -> Option<Page> {
        let head = self.head();
        let link = linker.link(&head.link, head.length, body);
        self.push(Linked { number: head.length, body: body.to_vec(), link })
    }

    /// As [`append`](Self::append), with a record that is linked already.
    pub(super) fn push(&mut self, record: Linked) -> Option<Page> {
        let size = record.body.len() + LINK + 4;
        let full = self.records.len() >= RECORDS || (!self.records.is_empty() && self.bytes + size > BYTES);
        let before = full
            .then(|| std::mem::replace(self, Self { first: record.number, records: Vec::new(), bytes: 0 }));
        self.bytes += size;
        self.records.push(record);
        before
    }

    /// The page as it is stored.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes);
        for record in &self.records {
            let length =
                u32::try_from(record.body.len()).expect("a record is under 64 KiB, as `commit` checked");
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&record.link);
            out.extend_from_slice(&record.body);
        }
        out
    }

    /// Reads a page from its raw key and its value.
    pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<Self, Fault> {
        let number = key.strip_prefix(FROM).and_then(|rest| rest.try_into().ok()).map(u64::from_be_bytes);
        let first =
            number.ok_or_else(|| Fault::Broken("a page of the chain has a key of a wrong shape".into()))?;
        let mut page = Self { first, ..Self::default() };
        let mut rest = value;
        while !rest.is_empty() {
            let (record, after) = decode_record(page.head().length, rest).ok_or_else(|| {
                Fault::Broken(format!("the page of the chain from record {first} on is misshapen"))
            })?;
            rest = after;
            page.bytes += record.body.len() + LINK + 4;
            page.records.push(record);
        }
        Ok(page)
    }
}

/// The raw key of the page that begins with a record.
pub(super) fn page_key(first: u64) -> Vec<u8> {
    [FROM, &first.to_be_bytes()].concat()
}

/// Writes a page into a batch.
pub(super) fn write(into: &mut Batch, page: &Page, version: u64, ordinal: u32) {
    super::stored::write(into, page.key(), version, ordinal, &page.encode());
}

fn decode_record(number: u64, bytes: &[u8]) -> Option<(Linked, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (link, rest) = rest.split_first_chunk::<LINK>()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((Linked { number, body: body.to_vec(), link: *link }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum;
    impl Linker for Sum {
        fn link(&self, previous: &[u8; 32], number: u64, body: &[u8]) -> [u8; 32] {
            let mut link = *previous;
            link[0] = link[0].wrapping_add(number as u8).wrapping_add(body.len() as u8);
            link
        }
    }

    fn check(sizes: &[usize], expect_pages: &[usize]) {
        let mut tail = Page::default();
        let mut pages = Vec::new();
        for size in sizes {
            pages.extend(tail.append(&Sum, &vec![b'x'; *size]));
        }
        pages.push(tail);
        assert_eq!(pages.iter().map(|page| page.records.len()).collect::<Vec<_>>(), expect_pages);
        for page in &pages {
            assert_eq!(Page::decode(&page.key(), &page.encode()).unwrap(), *page);
        }
        let numbers: Vec<_> = pages.iter().flat_map(|page| page.records.iter().map(|r| r.number)).collect();
        assert_eq!(numbers, (0..sizes.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn pages_fill_by_number_and_by_size() {
        check(&[], &[0]);
        check(&[10; 33], &[16, 16, 1]);
        check(&[1500; 5], &[2, 2, 1]);
        check(&[10, 20_000, 10], &[1, 1, 1]);
    }

    #[test]
    fn a_damaged_page_is_a_fault_and_no_panic() {
        assert!(Page::decode(b"\0chain/123", b"").is_err());
        assert!(Page::decode(&page_key(0), &[0, 0, 0, 9]).is_err());
        assert!(Page::decode(&page_key(0), &[0xff; 40]).is_err());
    }
}
