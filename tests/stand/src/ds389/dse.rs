//! `dse.ldif`, 389's own configuration, as long as the server is stopped: entries that are found and changed by name.
//!
//! It must not know what any of it means.

use anyhow::{Context, Result};

/// The entries of the file, unfolded.
pub(super) struct Dse {
    entries: Vec<Vec<String>>,
}

impl Dse {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.replace("\n ", "");
        let entries = text.split("\n\n").map(|entry| {
            entry.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<String>>()
        });
        Self { entries: entries.filter(|entry| !entry.is_empty()).collect() }
    }

    pub(super) fn text(&self) -> String {
        let entries = self.entries.iter().map(|lines| lines.join("\n"));
        entries.collect::<Vec<String>>().join("\n\n") + "\n"
    }

    /// The one value of an attribute of the entry `dn`; an error where there is no such entry.
    pub(super) fn set(&mut self, dn: &str, attribute: &str, value: &str) -> Result<()> {
        let name = format!("dn: {dn}").to_lowercase();
        let entry = self
            .entries
            .iter_mut()
            .find(|lines| lines.first().is_some_and(|line| line.to_lowercase() == name));
        let entry = entry.with_context(|| format!("dse.ldif has no entry {dn}"))?;
        let head = format!("{attribute}:").to_lowercase();
        entry.retain(|line| !line.to_lowercase().starts_with(&head));
        entry.push(format!("{attribute}: {value}"));
        Ok(())
    }

    /// One more entry, as LDIF.
    pub(super) fn add(&mut self, ldif: &str) {
        self.entries.push(ldif.lines().map(str::to_owned).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_value_is_replaced_and_the_rest_stays() {
        let mut dse = Dse::parse("dn: cn=a\nb: on\n e\n\n\ndn: cn=Long, \n cn=config\nb: two\n");
        dse.set("cn=A", "B", "three").unwrap();
        dse.set("cn=long, cn=config", "c", "new").unwrap();
        dse.add("dn: cn=x\ny: z");
        let expected = "dn: cn=a\nB: three\n\ndn: cn=Long, cn=config\nb: two\nc: new\n\ndn: cn=x\ny: z\n";
        assert_eq!(dse.text(), expected);
        assert!(dse.set("cn=nobody", "b", "c").is_err());
    }
}
