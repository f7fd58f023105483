//! LDIF (RFC 2849), as far as ldap-utils print it and slapadd reads it. Change records are written by callers.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One entry of the directory, as a search gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The distinguished name, as the server writes it.
    pub dn: String,
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// The first value of an attribute, if it is text. Names are compared without regard to case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.bytes(name).first().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every value of an attribute that is text, in the server's order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.bytes(name).iter().filter_map(|value| std::str::from_utf8(value).ok()).collect()
    }

    /// Whether one of the values is `value`, byte for byte.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.bytes(name).iter().any(|held| held == value.as_bytes())
    }

    /// Every value of an attribute.
    pub fn bytes(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(held, _)| held.eq_ignore_ascii_case(name));
        found.map(|(_, values)| values.as_slice()).unwrap_or_default()
    }

    /// The names of the attributes, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str)
    }
}

/// The entry as people read it: decoded, one value a line, and of a password only how it is stored.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "dn: {}", self.dn)?;
        for (name, values) in &self.attributes {
            for value in values {
                let text = String::from_utf8_lossy(value);
                if name.eq_ignore_ascii_case("userPassword") {
                    let scheme = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                    let scheme = scheme.map_or("in clear", |(scheme, _)| scheme);
                    writeln!(f, "{name}: ({scheme})")?;
                } else {
                    writeln!(f, "{name}: {text}")?;
                }
            }
        }
        Ok(())
    }
}

/// Reads what `ldapsearch -LLL` prints. Comments and references are skipped.
pub fn parse(text: &str) -> Vec<Entry> {
    let unfolded = text.replace("\r\n", "\n").replace("\n ", "");
    let mut entries = Vec::new();
    let mut entry: Option<Entry> = None;
    for line in unfolded.lines().chain([""]) {
        if line.is_empty() {
            entries.extend(entry.take());
        } else if let Some((name, value)) = value_of(line) {
            if name.eq_ignore_ascii_case("dn") {
                // The server's own entry has an empty name.
                let dn = String::from_utf8_lossy(&value).into_owned();
                entries.extend(entry.replace(Entry { dn, ..Entry::default() }));
            } else if let Some(entry) = &mut entry {
                entry.attributes.entry(name.to_owned()).or_default().push(value);
            }
        }
    }
    entries
}

fn value_of(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, rest) = line.split_once(':')?;
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    match rest.strip_prefix(':') {
        Some(coded) => Some((name, STANDARD.decode(coded.trim()).ok()?)),
        None => Some((name, rest.trim_start_matches(' ').as_bytes().to_vec())),
    }
}

/// Appends `name: value` and a newline, in base64 where RFC 2849 asks for it.
pub fn push(ldif: &mut String, name: &str, value: &str) {
    let first = value.bytes().next();
    let plain = value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && !matches!(first, Some(b' ' | b':' | b'<'))
        && !value.ends_with(' ');
    if plain {
        ldif.push_str(&format!("{name}: {value}\n"));
    } else {
        ldif.push_str(&format!("{name}:: {}\n", STANDARD.encode(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_read_back() {
        for value in
            ["plain", "Éléonore", " leading", "trailing ", ":colon", "<file", "two\nlines", "", "a: b"]
        {
            let mut ldif = String::from("dn: uid=x,dc=y\n");
            push(&mut ldif, "cn", value);
            let entries = parse(&ldif);
            assert_eq!(entries.len(), 1, "{ldif}");
            assert_eq!(entries[0].get("CN"), Some(value), "{ldif}");
        }
    }

    #[test]
    fn folded_lines_comments_and_several_entries_are_read() {
        let text = "# c\ndn: uid=a\ncn: on\n e\ncn: two\n\ndn:: dWlkPWI=\nsn: x\n\n# refldap://elsewhere\n";
        let entries = parse(text);
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].values("cn"), ["one", "two"]);
        assert_eq!(entries[1].dn, "uid=b");
    }

    #[test]
    fn the_entry_without_a_name_is_one_too() {
        let entries = parse("dn:\nvendorName: x\n");
        assert_eq!((entries.len(), entries[0].get("vendorName")), (1, Some("x")));
    }

    #[test]
    fn a_printed_entry_keeps_the_password_to_itself() {
        let entry = parse("dn: uid=a\nuserPassword: {SSHA}abcdef\n").remove(0);
        assert_eq!(entry.to_string(), "dn: uid=a\nuserPassword: (SSHA)\n");
        let entry = parse("dn: uid=a\nuserPassword: kivo\n").remove(0);
        assert_eq!(entry.to_string(), "dn: uid=a\nuserPassword: (in clear)\n");
    }
}
