//! Security descriptors, as Active Directory hands them out (MS-DTYP, section 2.4): whom they grant an extended right.
//!
//! They come from the network: whatever is not as it should be makes the whole of it `None`, never a panic.

use std::fmt::Write;

/// ADS_RIGHT_DS_CONTROL_ACCESS (MS-DTYP, section 2.4.4.3), and GENERIC_ALL, which has it.
const CONTROL_ACCESS: u32 = 0x100 | 0x1000_0000;
/// It counts for what is below, and not here.
const INHERIT_ONLY: u8 = 0x08;

/// An identifier as it is in the schema and in descriptors: its first three parts little end first.
pub(super) type Guid = [u8; 16];

/// What a descriptor says of access, in its own order, which is the order in which it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    grants: bool,
    mask: u32,
    /// The one right that it is about; none: all that the mask says.
    about: Option<Guid>,
    who: Vec<u8>,
}

impl Descriptor {
    /// Self-relative, with a DACL that counts. One without is taken for one that was not shown.
    pub(super) fn read(bytes: &[u8]) -> Option<Descriptor> {
        const SHOWN: u16 = 0x8000 | 0x0004;
        let mut head = Bytes(bytes);
        let (revision, _) = (head.byte()?, head.byte()?);
        let control = head.short()?;
        let [_owner, _group, _audit, access] = [head.long()?, head.long()?, head.long()?, head.long()?];
        if revision != 1 || control & SHOWN != SHOWN || access == 0 {
            return None;
        }
        let list = bytes.get(usize::try_from(access).ok()?..)?;
        let mut head = Bytes(list);
        let (_revision, _) = (head.byte()?, head.byte()?);
        let size = usize::from(head.short()?);
        let (count, _) = (head.short()?, head.short()?);
        let mut entries = Bytes(list.get(8..size)?);
        let mut rules = Vec::new();
        for _ in 0..count {
            let (kind, flags) = (entries.byte()?, entries.byte()?);
            let length = usize::from(entries.short()?).checked_sub(4)?;
            let entry = Bytes(entries.take(length)?);
            if let Some(rule) = rule(kind, entry)?
                && flags & INHERIT_ONLY == 0
            {
                rules.push(rule);
            }
        }
        Some(Descriptor { rules })
    }

    /// Is whoever has these identifiers granted an extended right? The first rule about it decides (MS-ADTS, section
    /// 5.1.3.3.4).
    pub(super) fn grants(&self, right: &Guid, token: &[Vec<u8>]) -> bool {
        let about = |rule: &&Rule| {
            rule.mask & CONTROL_ACCESS != 0
                && rule.about.as_ref().is_none_or(|about| about == right)
                && token.contains(&rule.who)
        };
        self.rules.iter().find(about).is_some_and(|rule| rule.grants)
    }
}

/// One entry of the list; none where it does not count: audits, and what is granted under a condition. What is denied
/// under one is taken for denied.
#[expect(clippy::option_option, reason = "what cannot be read is not what does not count")]
fn rule(kind: u8, mut entry: Bytes<'_>) -> Option<Option<Rule>> {
    let (grants, object) = match kind {
        0x00 => (true, false),
        0x01 | 0x0a => (false, false),
        0x05 => (true, true),
        0x06 | 0x0c => (false, true),
        _ => return Some(None),
    };
    let mask = entry.long()?;
    let mut about = None;
    if object {
        let present = entry.long()?;
        if present & 1 != 0 {
            about = Some(entry.take(16)?.try_into().ok()?);
        }
        if present & 2 != 0 {
            entry.take(16)?;
        }
    }
    Some(Some(Rule { grants, mask, about, who: sid(entry.0)?.to_vec() }))
}

/// The security identifier at the beginning.
fn sid(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [1, count @ 0..=15, ..] => bytes.get(..8 + 4 * usize::from(*count)),
        _ => None,
    }
}

/// `S-1-5-21-…` (MS-DTYP, section 2.4.2.1).
pub(super) fn sid_text(bytes: &[u8]) -> Option<String> {
    if sid(bytes)?.len() != bytes.len() {
        return None;
    }
    let authority = bytes.get(2..8)?.iter().fold(0u64, |sum, &byte| (sum << 8) | u64::from(byte));
    let mut text = format!("S-1-{authority}");
    let mut rest = Bytes(bytes.get(8..)?);
    while let Some(part) = rest.long() {
        let _ = write!(text, "-{part}");
    }
    Some(text)
}

/// `00299570-246d-11d0-a768-00aa006e0529`.
pub(super) fn guid_text(guid: &Guid) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *guid;
    let mut text = String::new();
    for (at, byte) in [d, c, b, a, f, e, h, g].into_iter().chain(rest).enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What is left to be read, little end first.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RIGHT: Guid =
        [0x70, 0x95, 0x29, 0x00, 0x6d, 0x24, 0xd0, 0x11, 0xa7, 0x68, 0x00, 0xaa, 0x00, 0x6e, 0x05, 0x29];
    const OTHER: Guid = [7; 16];

    fn who(number: u32) -> Vec<u8> {
        [&[1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0][..], &number.to_le_bytes()].concat()
    }

    /// One entry: kind, flags, mask, the right, the kind of object below for which it was meant, who.
    fn entry(kind: u8, flags: u8, mask: u32, about: Option<Guid>, below: bool, whose: u32) -> Vec<u8> {
        let mut body = mask.to_le_bytes().to_vec();
        if matches!(kind, 5..=8 | 11 | 12) {
            let present = u32::from(about.is_some()) | (u32::from(below) << 1);
            body.extend(present.to_le_bytes());
            body.extend(about.into_iter().flatten());
            body.extend(below.then_some(OTHER).into_iter().flatten());
        }
        body.extend(who(whose));
        let size = u16::try_from(body.len() + 4).unwrap().to_le_bytes();
        [&[kind, flags][..], &size, &body].concat()
    }

    fn descriptor(entries: &[Vec<u8>]) -> Vec<u8> {
        let size = u16::try_from(8 + entries.iter().map(Vec::len).sum::<usize>()).unwrap().to_le_bytes();
        let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
        let head = [&[1, 0, 4, 0x84][..], &[0; 12], &20u32.to_le_bytes()].concat();
        [head, vec![4, 0], size.to_vec(), count.to_vec(), vec![0, 0], entries.concat()].concat()
    }

    #[track_caller]
    fn check(entries: &[Vec<u8>], granted: bool) {
        let read = Descriptor::read(&descriptor(entries)).unwrap();
        assert_eq!(read.grants(&RIGHT, &[who(1), who(2)]), granted);
    }

    #[test]
    fn the_first_rule_about_the_right_and_about_us_decides() {
        let grant = |about, whose| entry(5, 0x10, 0x100, about, true, whose);
        let deny = |about, whose| entry(6, 0, 0x100, about, false, whose);
        check(&[], false);
        check(&[grant(Some(RIGHT), 1)], true);
        check(&[grant(Some(RIGHT), 2)], true);
        check(&[grant(Some(RIGHT), 3)], false);
        check(&[grant(Some(OTHER), 1)], false);
        check(&[grant(None, 1)], true);
        check(&[deny(Some(RIGHT), 2), grant(Some(RIGHT), 1)], false);
        check(&[grant(Some(RIGHT), 1), deny(Some(RIGHT), 2)], true);
        check(&[deny(Some(OTHER), 1), deny(Some(RIGHT), 3), grant(Some(RIGHT), 1)], true);
        check(&[entry(0, 0, 0x000f_01ff, None, false, 1)], true);
        check(&[entry(0, 0, 0x1000_0000, None, false, 1)], true);
        check(&[entry(0, 0, 0x0000_0034, None, false, 1)], false);
        check(&[entry(1, 0, 0x100, None, false, 1), grant(Some(RIGHT), 1)], false);
        // For what is below only; an audit, and conditions, which are not evaluated.
        check(&[entry(5, 0x0a, 0x100, Some(RIGHT), true, 1)], false);
        check(&[entry(2, 0, 0x100, None, false, 1), entry(9, 0, 0x100, None, false, 1)], false);
        check(&[entry(10, 0, 0x100, None, false, 1), grant(Some(RIGHT), 1)], false);
        check(&[entry(12, 0, 0x100, Some(RIGHT), false, 1), grant(Some(RIGHT), 1)], false);
    }

    #[test]
    fn one_without_a_list_is_not_shown_and_a_cut_one_is_none() {
        let whole = descriptor(&[entry(5, 0, 0x100, Some(RIGHT), true, 1), entry(0, 0, 1, None, false, 2)]);
        assert!(Descriptor::read(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(Descriptor::read(&whole[..length]), None, "{length}");
        }
        let mut absent = whole.clone();
        absent[2] = 0;
        assert_eq!(Descriptor::read(&absent), None);
        absent = whole;
        absent[16] = 0;
        assert_eq!(Descriptor::read(&absent), None);
    }

    #[test]
    fn identifiers_are_written_as_administrators_know_them() {
        assert_eq!(guid_text(&RIGHT), "00299570-246d-11d0-a768-00aa006e0529");
        assert_eq!(sid_text(&who(1102)).unwrap(), "S-1-5-21-1102");
        assert_eq!(sid_text(&[1, 1, 0, 0, 0, 0, 0, 5, 11, 0, 0, 0]).unwrap(), "S-1-5-11");
        assert_eq!(sid_text(&[1, 2, 0, 0, 0, 0, 0, 5, 11, 0, 0, 0]), None);
        assert_eq!(sid_text(&[who(1), vec![0]].concat()), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Descriptor::read(&bytes), sid_text(&bytes));
        }

        #[test]
        fn nothing_panics_where_much_is_right(
            kinds in proptest::collection::vec((0u8..16, any::<u8>(), any::<u32>(), any::<bool>()), 0..6),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let made = kinds.iter().map(|(kind, flags, mask, about)| {
                entry(*kind, *flags, *mask, about.then_some(RIGHT), *about, *mask % 4)
            });
            let mut bytes = descriptor(&made.collect::<Vec<_>>());
            prop_assert!(Descriptor::read(&bytes).is_some());
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Some(read) = Descriptor::read(&bytes) {
                let _ = read.grants(&RIGHT, &[who(1)]);
            }
        }
    }
}
