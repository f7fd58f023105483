//! Reading the few BER values that ldap3 does not read, or reads by panicking: response controls, Sync Info, entries.
//!
//! Everything here answers `None` to bytes that are not what was expected; nothing here may panic.

use std::collections::{BTreeMap, btree_map};

use ldap3::asn1::{PL, StructureTag};

use super::{Dialect, Entry, EntryUuid};

/// One value: its tag byte, its content, and what follows it. Long tags and indefinite lengths are not LDAP.
pub(super) fn take(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let octets = usize::from(first & 0x7f);
        if octets == 0 || octets > 4 {
            return None;
        }
        let (length, rest) = rest.split_at_checked(octets)?;
        (length.iter().fold(0usize, |sum, &byte| (sum << 8) | usize::from(byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Every value inside a constructed one, as (tag byte, content).
pub(super) fn inside(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, content, rest) = take(bytes)?;
        found.push((tag, content));
        bytes = rest;
    }
    Some(found)
}

/// An OCTET STRING.
pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    tagged(0x04, content)
}

/// A SEQUENCE of what was written already.
pub(super) fn sequence(content: &[u8]) -> Vec<u8> {
    tagged(0x30, content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    let [.., last] = length;
    let mut whole = match content.len() {
        0..0x80 => vec![tag, last],
        _ => [&[tag, 0x84][..], &length].concat(),
    };
    whole.extend(content);
    whole
}

/// A small non-negative integer or enumeration.
pub(super) fn small(content: &[u8]) -> Option<u32> {
    if content.is_empty() || content.len() > 4 {
        return None;
    }
    Some(content.iter().fold(0u32, |sum, &byte| (sum << 8) | u32::from(byte)))
}

/// What the password policy's response control says (draft-behera-ldap-password-policy-10, section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PolicyError {
    Expired,
    Locked,
    ChangeAfterReset,
    ChangeNotAllowed,
    OldPasswordNeeded,
    Quality,
    TooShort,
    TooYoung,
    InHistory,
    Other(u32),
}

/// The policy control's identifier, the same for request and response.
pub(super) const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

/// The error in a policy control's value; `None` where it has none or cannot be read.
pub(super) fn policy_error(value: &[u8]) -> Option<PolicyError> {
    let (0x30, content, _) = take(value)? else { return None };
    let (_, code) = inside(content)?.into_iter().find(|(tag, _)| *tag == 0x81)?;
    Some(match small(code)? {
        0 => PolicyError::Expired,
        1 => PolicyError::Locked,
        2 => PolicyError::ChangeAfterReset,
        3 => PolicyError::ChangeNotAllowed,
        4 => PolicyError::OldPasswordNeeded,
        5 => PolicyError::Quality,
        6 => PolicyError::TooShort,
        7 => PolicyError::TooYoung,
        8 => PolicyError::InHistory,
        other => PolicyError::Other(other),
    })
}

/// The state of an entry in a synchronisation (RFC 4533, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyncEntryState {
    Present,
    Add,
    Modify,
    Delete,
}

/// A Sync State control's value: state, entry, cookie.
pub(super) fn sync_state(value: &[u8]) -> Option<(SyncEntryState, EntryUuid, Option<Vec<u8>>)> {
    let (0x30, content, _) = take(value)? else { return None };
    let mut parts = inside(content)?.into_iter();
    let state = match small(parts.next().filter(|(tag, _)| *tag == 0x0a)?.1)? {
        0 => SyncEntryState::Present,
        1 => SyncEntryState::Add,
        2 => SyncEntryState::Modify,
        3 => SyncEntryState::Delete,
        _ => return None,
    };
    let uuid = EntryUuid(parts.next().filter(|(tag, _)| *tag == 0x04)?.1.try_into().ok()?);
    let cookie = parts.next().filter(|(tag, _)| *tag == 0x04).map(|(_, cookie)| cookie.to_vec());
    Some((state, uuid, cookie))
}

/// A Sync Info message (RFC 4533, section 2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SyncInfo {
    NewCookie(Vec<u8>),
    RefreshDelete { cookie: Option<Vec<u8>>, done: bool },
    RefreshPresent { cookie: Option<Vec<u8>>, done: bool },
    IdSet { cookie: Option<Vec<u8>>, deletes: bool, uuids: Vec<EntryUuid> },
}

/// The identifier of the Sync Info intermediate response.
const SYNC_INFO: &[u8] = b"1.3.6.1.4.1.4203.1.9.1.4";

/// An intermediate response as a Sync Info message.
pub(super) fn sync_info(message: &StructureTag) -> Option<SyncInfo> {
    let PL::C(parts) = &message.payload else { return None };
    let name = primitive(parts.iter().find(|part| part.id == 0)?)?;
    let value = primitive(parts.iter().find(|part| part.id == 1)?)?;
    if name != SYNC_INFO {
        return None;
    }
    let (tag, content, _) = take(value)?;
    if tag == 0x80 {
        return Some(SyncInfo::NewCookie(content.to_vec()));
    }
    let parts = inside(content)?;
    let of = |wanted: u8| parts.iter().find(|(tag, _)| *tag == wanted).map(|(_, content)| *content);
    let cookie = of(0x04).map(<[u8]>::to_vec);
    let flag = of(0x01).and_then(|content| content.first()).map(|byte| *byte != 0);
    match tag {
        0xa1 => Some(SyncInfo::RefreshDelete { cookie, done: flag.unwrap_or(true) }),
        0xa2 => Some(SyncInfo::RefreshPresent { cookie, done: flag.unwrap_or(true) }),
        0xa3 => {
            let uuids = inside(of(0x31)?)?
                .into_iter()
                .map(|(_, content)| content.try_into().ok().map(EntryUuid))
                .collect::<Option<Vec<_>>>()?;
            Some(SyncInfo::IdSet { cookie, deletes: flag.unwrap_or(false), uuids })
        }
        _ => None,
    }
}

/// Attribute descriptions in lower case, with their values.
type Attributes = BTreeMap<String, Vec<Vec<u8>>>;

/// A search result entry (or a Post-Read value, which has the same form): DN and attributes, names in lower case.
pub(super) fn attributes(entry: StructureTag) -> Option<(String, Attributes)> {
    let [dn, list] = constructed(entry)?.try_into().ok()?;
    let dn = String::from_utf8(content(dn)?).ok()?;
    let mut read = Attributes::new();
    for attribute in constructed(list)? {
        let [name, values] = constructed(attribute)?.try_into().ok()?;
        let mut name = String::from_utf8(content(name)?).ok()?;
        name.make_ascii_lowercase();
        let values = constructed(values)?.into_iter().map(content).collect::<Option<Vec<_>>>()?;
        match read.entry(name) {
            btree_map::Entry::Vacant(first) => {
                first.insert(values);
            }
            btree_map::Entry::Occupied(more) => more.into_mut().extend(values),
        }
    }
    Some((dn, read))
}

/// What the first entry of an answer has.
pub(super) fn first(entries: Vec<StructureTag>) -> Option<(String, Attributes)> {
    entries.into_iter().next().and_then(attributes)
}

/// An entry, if it can be read and says who it is.
pub(super) fn entry(found: StructureTag, dialect: Dialect) -> Option<Entry> {
    let (dn, attributes) = attributes(found)?;
    let (uuid, stamp) = (dialect.uuid(&attributes)?, dialect.stamp(&attributes));
    Some(Entry { uuid, dn, stamp, attributes })
}

fn primitive(tag: &StructureTag) -> Option<&[u8]> {
    match &tag.payload {
        PL::P(bytes) => Some(bytes),
        PL::C(_) => None,
    }
}

fn content(tag: StructureTag) -> Option<Vec<u8>> {
    match tag.payload {
        PL::P(bytes) => Some(bytes),
        PL::C(_) => None,
    }
}

fn constructed(tag: StructureTag) -> Option<Vec<StructureTag>> {
    match tag.payload {
        PL::P(_) => None,
        PL::C(parts) => Some(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_control_says_its_error_with_or_without_a_warning() {
        assert_eq!(policy_error(&[0x30, 3, 0x81, 1, 6]), Some(PolicyError::TooShort));
        assert_eq!(
            policy_error(&[0x30, 8, 0xa0, 3, 0x80, 1, 9, 0x81, 1, 2]),
            Some(PolicyError::ChangeAfterReset)
        );
        assert_eq!(policy_error(&[0x30, 0]), None);
    }

    #[test]
    fn a_sync_state_needs_sixteen_octets_of_identity() {
        let mut value = vec![0x30, 21, 0x0a, 1, 3, 0x04, 16];
        value.extend([7; 16]);
        assert_eq!(sync_state(&value), Some((SyncEntryState::Delete, EntryUuid([7; 16]), None)));
        assert_eq!(sync_state(&[0x30, 5, 0x0a, 1, 3, 0x04, 0]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let whole = StructureTag { class: ldap3::asn1::TagClass::Application, id: 25, payload: PL::C(vec![
                StructureTag { class: ldap3::asn1::TagClass::Context, id: 0, payload: PL::P(SYNC_INFO.to_vec()) },
                StructureTag { class: ldap3::asn1::TagClass::Context, id: 1, payload: PL::P(bytes.clone()) },
            ]) };
            let seen = (policy_error(&bytes).is_some(), sync_state(&bytes).is_some(), sync_info(&whole).is_some());
            proptest::prop_assert!(bytes.len() > 1 || seen == (false, false, false));
        }
    }
}
