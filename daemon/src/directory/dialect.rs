//! Which product a server is, and what follows: who an entry is, when it was written, how its writes are asked for.
//!
//! Everything that differs between products by nature, not by configuration, is said here and nowhere else.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::EntryUuid;
use super::link::Capabilities;

/// A family of servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// One that keeps to the RFCs, and of which nothing else is known.
    #[default]
    Standard,
    /// OpenLDAP's slapd.
    Openldap,
    /// 389 Directory Server, Red Hat Directory Server, FreeIPA.
    #[serde(rename = "389ds")]
    Ds389,
    /// Active Directory, and Samba as a domain controller.
    ActiveDirectory,
}

/// Attribute descriptions in lower case, with their values.
type Attributes = BTreeMap<String, Vec<Vec<u8>>>;

/// LDAP_CAP_ACTIVE_DIRECTORY_OID (MS-ADTS, section 3.1.1.3.4.3.1).
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";

impl Dialect {
    /// What the server says of itself.
    pub(super) fn of(capabilities: &Capabilities) -> Dialect {
        let vendor = capabilities.vendor.to_ascii_lowercase();
        if capabilities.features.iter().any(|feature| feature == ACTIVE_DIRECTORY) {
            Dialect::ActiveDirectory
        } else if vendor.contains("389") || vendor.contains("red hat") {
            Dialect::Ds389
        } else if vendor.contains("openldap")
            || capabilities.classes.iter().any(|class| class.eq_ignore_ascii_case("OpenLDAProotDSE"))
        {
            Dialect::Openldap
        } else {
            Dialect::Standard
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Standard => "an LDAP server",
            Dialect::Openldap => "OpenLDAP",
            Dialect::Ds389 => "389 Directory Server",
            Dialect::ActiveDirectory => "Active Directory",
        }
    }

    /// The attribute that says who an entry is, whatever it is called: RFC 4530, or what 389 DS names in its
    /// synchronisation instead, or MS-ADTS's.
    pub fn identity(self) -> &'static str {
        match self {
            Dialect::Standard | Dialect::Openldap => "entryUUID",
            Dialect::Ds389 => "nsUniqueId",
            Dialect::ActiveDirectory => "objectGUID",
        }
    }

    /// The attributes that make the stamp.
    pub(super) fn stamps(self) -> &'static [&'static str] {
        match self {
            Dialect::Standard => &["modifyTimestamp"],
            Dialect::Openldap => &["entryCSN", "modifyTimestamp"],
            Dialect::Ds389 => &["modifyTimestamp", "entryusn"],
            Dialect::ActiveDirectory => &["whenChanged", "uSNChanged"],
        }
    }

    /// Who an entry is.
    pub(super) fn uuid(self, attributes: &Attributes) -> Option<EntryUuid> {
        let value = attributes.get(&self.identity().to_ascii_lowercase())?.first()?;
        match self {
            Dialect::ActiveDirectory => value.as_slice().try_into().ok().map(EntryUuid),
            Dialect::Ds389 => quartets(std::str::from_utf8(value).ok()?),
            Dialect::Standard | Dialect::Openldap => EntryUuid::parse(std::str::from_utf8(value).ok()?),
        }
    }

    /// The filter for one entry.
    pub(super) fn uuid_filter(self, uuid: EntryUuid) -> String {
        let digits = format!("{:032x}", u128::from_be_bytes(uuid.0));
        match self {
            Dialect::Standard | Dialect::Openldap => format!("(entryUUID={uuid})"),
            Dialect::Ds389 => {
                let mut text = String::from("(nsUniqueId=");
                for (at, digit) in digits.chars().enumerate() {
                    if matches!(at, 8 | 16 | 24) {
                        text.push('-');
                    }
                    text.push(digit);
                }
                text.push(')');
                text
            }
            Dialect::ActiveDirectory => {
                let mut text = String::from("(objectGUID=");
                // Writing to a String cannot fail.
                uuid.0.iter().for_each(|octet| {
                    let _ = write!(text, "\\{octet:02x}");
                });
                text.push(')');
                text
            }
        }
    }

    /// The filter for those of `filter` who may be people: an alias is another name of somebody, and is never followed.
    /// Active Directory has none, and to it an unknown class might make the whole filter undefined.
    pub(super) fn people(self, filter: &str) -> String {
        match self {
            Dialect::ActiveDirectory => format!("(&(objectClass=*){filter})"),
            Dialect::Standard | Dialect::Openldap | Dialect::Ds389 => {
                format!("(&(objectClass=*)(!(objectClass=alias)){filter})")
            }
        }
    }

    /// When an entry was written, in a text that grows: entryCSN, else the second of its change and, within it, the
    /// server's own counter where it has one. A counter alone belongs to one server, and another one's would run ahead
    /// of it or behind.
    pub(super) fn stamp(self, attributes: &Attributes) -> String {
        let first = |name: &str| {
            let value = attributes.get(&name.to_ascii_lowercase())?.first()?;
            String::from_utf8(value.clone()).ok()
        };
        let counted = |time: &str, counter: &str| {
            let time = first(time).unwrap_or_default();
            match first(counter).and_then(|text| text.parse::<u64>().ok()) {
                Some(count) if !time.is_empty() => format!("{time}#{count:020}"),
                _ => time,
            }
        };
        match self {
            Dialect::Standard | Dialect::Openldap => {
                first("entryCSN").or_else(|| first("modifyTimestamp")).unwrap_or_default()
            }
            Dialect::Ds389 => counted("modifyTimestamp", "entryusn"),
            Dialect::ActiveDirectory => counted("whenChanged", "uSNChanged"),
        }
    }
}

/// `66446001-1dd211b2-8d1ae4a2-ac76a7e7`: the same sixteen octets as in 389 DS's synchronisation.
fn quartets(text: &str) -> Option<EntryUuid> {
    let hyphens = text.char_indices().filter(|(_, c)| *c == '-').map(|(at, _)| at);
    if text.len() != 35 || !hyphens.eq([8, 17, 26]) {
        return None;
    }
    let digits = text.replace('-', "");
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Some(EntryUuid(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &[u8])]) -> Attributes {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), vec![value.to_vec()])).collect()
    }

    #[test]
    fn an_identity_is_read_and_asked_for_in_each_dialect_s_form() {
        let uuid = EntryUuid(u128::to_be_bytes(0x6644_6001_1dd2_11b2_8d1a_e4a2_ac76_a7e7));
        let held: [(Dialect, &str, &[u8], &str); 3] = [
            (
                Dialect::Openldap,
                "entryuuid",
                b"66446001-1dd2-11b2-8d1a-e4a2ac76a7e7",
                "(entryUUID=66446001-1dd2-11b2-8d1a-e4a2ac76a7e7)",
            ),
            (
                Dialect::Ds389,
                "nsuniqueid",
                b"66446001-1dd211b2-8d1ae4a2-ac76a7e7",
                "(nsUniqueId=66446001-1dd211b2-8d1ae4a2-ac76a7e7)",
            ),
            (
                Dialect::ActiveDirectory,
                "objectguid",
                &uuid.0,
                r"(objectGUID=\66\44\60\01\1d\d2\11\b2\8d\1a\e4\a2\ac\76\a7\e7)",
            ),
        ];
        for (dialect, name, value, filter) in held {
            assert_eq!(dialect.uuid(&read(&[(name, value)])), Some(uuid));
            assert_eq!(dialect.uuid_filter(uuid), filter);
            for wrong in [&b""[..], b"66446001", b"\xff\xff", &[b'-'; 35], &[b'-'; 36]] {
                assert_eq!(dialect.uuid(&read(&[(name, wrong)])), None, "{dialect:?}");
            }
        }
    }

    #[test]
    fn a_stamp_grows_within_one_second_where_the_server_counts() {
        let at = |time: &[u8], count: &[u8]| {
            Dialect::ActiveDirectory.stamp(&read(&[("whenchanged", time), ("usnchanged", count)]))
        };
        assert!(at(b"20261122101112.0Z", b"9") < at(b"20261122101112.0Z", b"10"));
        assert!(at(b"20261122101112.0Z", b"900") < at(b"20261122101113.0Z", b"10"), "another server's count");
        assert_eq!(at(b"", b"10"), "");
        let both = read(&[("entrycsn", b"2#1"), ("modifytimestamp", b"1Z")]);
        assert_eq!(Dialect::Openldap.stamp(&both), "2#1");
        assert_eq!(Dialect::Ds389.stamp(&both), "1Z");
    }

    #[test]
    fn a_server_says_what_it_is() {
        let said = |vendor: &str, class: &str, feature: &str| {
            Dialect::of(&Capabilities {
                vendor: vendor.to_owned(),
                classes: vec!["top".to_owned(), class.to_owned()],
                features: vec![feature.to_owned()],
                ..Capabilities::default()
            })
        };
        assert_eq!(said("", "OpenLDAProotDSE", ""), Dialect::Openldap);
        assert_eq!(said("389 Project 389-Directory/2.3.1 B2023", "", ""), Dialect::Ds389);
        assert_eq!(
            said("Samba Team (https://www.samba.org)", "", ACTIVE_DIRECTORY),
            Dialect::ActiveDirectory
        );
        assert_eq!(said("ForgeRock AS.", "", ""), Dialect::Standard);
    }
}
