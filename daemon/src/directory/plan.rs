//! What will be written to one entry: computed from what was read and what the person chose, before anything is sent.
//!
//! Deletions name the values that were read, so that the write is also the check that nobody changed them meanwhile.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::EntryUuid;

/// The changes of one entry, in one act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whose entry.
    pub uuid: EntryUuid,
    /// Where it stood when it was read.
    pub dn: String,
    /// Its stamp when it was read.
    pub stamp: String,
    /// In this order; at most one `Delete` and one `Add`, or one `Replace`, for each attribute.
    pub changes: Vec<Change>,
}

/// The change of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which one.
    pub attribute: String,
    /// What happens to it.
    pub act: Act,
}

/// What happens to an attribute (RFC 4511, section 4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// These values go; each must be there.
    Delete(Vec<Vec<u8>>),
    /// These values come; none may be there.
    Add(Vec<Vec<u8>>),
    /// These values are the only ones afterwards; none: the attribute goes, if it is there.
    Replace {
        /// What was read.
        held: Vec<Vec<u8>>,
        /// What is left.
        only: Vec<Vec<u8>>,
    },
}

impl Plan {
    /// As it is sent: whatever was read and goes is deleted by its value, so that somebody else's change in between is
    /// noticed, where `compares` says that the server can find the attribute's values.
    pub fn lowered(&self, compares: impl Fn(&str) -> bool) -> Vec<Change> {
        let lower = |change: &Change| match &change.act {
            Act::Replace { held, only } if !held.is_empty() && compares(&change.attribute) => {
                let without = |values: &[Vec<u8>], other: &[Vec<u8>]| -> Vec<Vec<u8>> {
                    values.iter().filter(|value| !other.contains(value)).cloned().collect()
                };
                [Act::Delete(without(held, only)), Act::Add(without(only, held))]
                    .into_iter()
                    .filter(|act| !matches!(act, Act::Delete(values) | Act::Add(values) if values.is_empty()))
                    .map(|act| Change { attribute: change.attribute.clone(), act })
                    .collect()
            }
            _ => vec![change.clone()],
        };
        self.changes.iter().flat_map(lower).collect()
    }

    /// As a change record (RFC 2849), to be read by people. The password is not in it.
    pub fn to_ldif(&self) -> String {
        let mut text = String::new();
        line(&mut text, "dn", self.dn.as_bytes());
        text.push_str("changetype: modify\n");
        for change in &self.changes {
            let (act, values) = match &change.act {
                Act::Delete(values) => ("delete", values),
                Act::Add(values) => ("add", values),
                Act::Replace { only, .. } => ("replace", only),
            };
            line(&mut text, act, change.attribute.as_bytes());
            values.iter().for_each(|value| line(&mut text, &change.attribute, value));
            text.push_str("-\n");
        }
        text
    }
}

/// One line, in base64 where RFC 2849 asks for it.
fn line(text: &mut String, name: &str, value: &[u8]) {
    let safe = value.iter().all(|byte| (0x20..0x7f).contains(byte))
        && !value.starts_with(b" ")
        && !value.starts_with(b":")
        && !value.starts_with(b"<")
        && !value.ends_with(b" ");
    // Writing to a String cannot fail.
    let _ = match (safe, std::str::from_utf8(value)) {
        (true, Ok(plain)) => writeln!(text, "{name}: {plain}"),
        _ => writeln!(text, "{name}:: {}", STANDARD.encode(value)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ldif_has_each_change_and_encodes_what_is_not_plain() {
        let change = |attribute: &str, act| Change { attribute: attribute.to_owned(), act };
        let plan = Plan {
            uuid: EntryUuid([0; 16]),
            dn: "uid=é,dc=test".to_owned(),
            stamp: String::new(),
            changes: vec![
                change("a", Act::Delete(vec![b"old\ndn: x".to_vec()])),
                change("a", Act::Add(vec![b"new".to_vec()])),
                change("pwdReset", Act::Replace { held: vec![], only: vec![] }),
            ],
        };
        let expected = "dn:: dWlkPcOpLGRjPXRlc3Q=\nchangetype: modify\ndelete: a\na:: b2xkCmRuOiB4\n-\nadd: a\na: new\n-\nreplace: pwdReset\n-\n";
        assert_eq!(plan.to_ldif(), expected);
    }
}
