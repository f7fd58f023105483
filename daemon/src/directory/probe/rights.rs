//! What the service may read and write of a person, attribute by attribute, without changing anything.
//!
//! 389 DS and Active Directory say it when they are asked. OpenLDAP does not, but judges the rights of a whole Modify before
//! it carries out any part: so it is given one that cannot succeed, because it deletes a value that nobody has.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ldap3::controls::RawControl;
use ldap3::{Mod, Scope};

use super::Look;
use crate::directory::facts::Learnt;
use crate::directory::link::{self, Fault, Link, Query, within};
use crate::directory::matching::Kind;
use crate::directory::{Dialect, Entry, ber};

/// Get Effective Rights (draft-ietf-ldapext-acl-model), as 389 DS has it.
const EFFECTIVE_RIGHTS: &str = "1.3.6.1.4.1.42.2.27.9.5.2";

/// Whether something is allowed, as far as the server tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Given,
    Denied,
    /// The result code of an answer that says neither.
    Untold(u32),
}

impl Look<'_> {
    /// On somebody who is there: everything that the filters and the mapping need.
    pub(super) async fn rights(
        &mut self,
        link: &Link,
        learnt: &Learnt,
        sample: &Entry,
        writes: &[String],
        random: &(dyn Fn() -> u64 + Send + Sync),
    ) -> Result<(), Fault> {
        let mut wanted: Vec<String> = writes.to_vec();
        wanted.sort_by_key(|name| name.to_lowercase());
        wanted.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
        wanted.retain(|name| learnt.schema.knows(name) && learnt.writes(name));
        match self.dialect {
            Dialect::Openldap => self.tried_rights(link, learnt, sample, &wanted, random).await,
            Dialect::Ds389 => {
                // Of what an entry's classes do not have, it says that nothing may be done.
                wanted.retain(|name| learnt.schema.admits(sample, name));
                self.effective_rights(link, learnt, sample, wanted).await
            }
            Dialect::ActiveDirectory => self.allowed_attributes(link, sample, &wanted).await,
            Dialect::Standard => {
                let what = "whether the service may write is not told by this server".to_owned();
                self.warn(what, "a right to write", "activate a test account");
                Ok(())
            }
        }
    }

    async fn tried_rights(
        &mut self,
        link: &Link,
        learnt: &Learnt,
        sample: &Entry,
        wanted: &[String],
        random: &(dyn Fn() -> u64 + Send + Sync),
    ) -> Result<(), Fault> {
        let nobodys = format!("parvis-{:016x}", random());
        let password = "userPassword".to_owned();
        let (mut denied, mut untold) = (Vec::new(), Vec::new());
        for name in wanted.iter().chain([&password]) {
            let impossible = impossible(name, learnt, sample, &nobodys);
            let mut ldap = link.ldap();
            let result = within(self.limit, ldap.modify(&sample.dn, impossible)).await?;
            match right(result.rc) {
                Right::Given => {}
                Right::Denied => denied.push(name.clone()),
                Right::Untold(code) => untold.push(format!("{name} ({code})")),
            }
        }
        self.writable(&denied, wanted.len() + 1);
        if !untold.is_empty() {
            let what = format!("whether the service may write is not told for {}", untold.join(", "));
            self.warn(what, "a right to write", "activate a test account, and read the server's log");
        }
        let hidden = self.hidden(link, learnt, sample).await?;
        self.readable(&hidden);
        Ok(())
    }

    /// What is read has come with the entry; of what has not, a comparison says whether it may be known. What stands in
    /// a filter must be searchable too.
    async fn hidden(&self, link: &Link, learnt: &Learnt, sample: &Entry) -> Result<Vec<String>, Fault> {
        let mut hidden = Vec::new();
        let mut filtered = Vec::new();
        self.prepared.states.filters().for_each(|filter| {
            filter.attributes(&mut |name| filtered.push(name.to_lowercase()));
        });
        let others = ["nsuniqueid", "entryusn", "objectguid", "whenchanged", "usnchanged"];
        let named = self.prepared.attributes.iter().map(|name| name.to_lowercase());
        for name in named.filter(|name| !others.contains(&name.as_str()) && learnt.schema.knows(name)) {
            if matches!(name.as_str(), "*" | "+" | "1.1") {
                continue;
            }
            let there = sample.attributes.contains_key(&name);
            if there && filtered.contains(&name) {
                let filter = format!("({name}=*)");
                let attributes: Arc<[String]> = ["1.1".to_owned()].into();
                let query =
                    Query { base: &sample.dn, scope: Scope::Base, filter: &filter, attributes, limit: 1 };
                let answer = link::search(link.ldap(), &query, self.limit).await?;
                if answer.result.rc == 0 && answer.entries.is_empty() {
                    hidden.push(format!("{name} (by search)"));
                }
            } else if !there {
                let value = believable(&name, learnt, "parvis");
                let mut ldap = link.ldap();
                let compared = within(self.limit, ldap.compare(&sample.dn, &name, &value)).await?;
                if right(compared.0.rc) == Right::Denied {
                    hidden.push(name);
                }
            }
        }
        Ok(hidden)
    }

    /// What 389 DS says of ourselves.
    async fn effective_rights(
        &mut self,
        link: &Link,
        learnt: &Learnt,
        sample: &Entry,
        mut wanted: Vec<String>,
    ) -> Result<(), Fault> {
        wanted.push("userPassword".to_owned());
        let name = link.who_am_i(self.limit).await?;
        let mut ldap = link.ldap();
        let value = Some(name.to_lowercase().into_bytes());
        ldap.with_controls(vec![RawControl { ctype: EFFECTIVE_RIGHTS.to_owned(), crit: true, val: value }]);
        let attributes: Arc<[String]> =
            wanted.iter().chain(self.prepared.attributes.iter()).cloned().collect();
        let query =
            Query { base: &sample.dn, scope: Scope::Base, filter: "(objectClass=*)", attributes, limit: 1 };
        let answer = link::search(ldap, &query, self.limit).await?;
        let said = ber::first(answer.entries).map(|(_, read)| rights_said(&read));
        let Some(said) = said.filter(|said| !said.is_empty()) else {
            let what =
                format!("the server does not say what the service may do: {}", link::refusal(&answer.result));
            let action = "allow the control: an ACI with the right read on oid=1.3.6.1.4.1.42.2.27.9.5.2,cn=features,cn=config";
            self.warn(what, "Get Effective Rights", action);
            return Ok(());
        };
        let has = |name: &str, letters: &str| {
            let rights = said.get(&name.to_lowercase()).map(String::as_str).unwrap_or_default();
            letters.chars().all(|letter| rights.contains(letter))
        };
        let denied: Vec<String> = wanted.iter().filter(|name| !has(name, "wo")).cloned().collect();
        self.writable(&denied, wanted.len());
        let mut filtered = Vec::new();
        self.prepared.states.filters().for_each(|filter| {
            filter.attributes(&mut |name| filtered.push(name.to_lowercase()));
        });
        filtered.sort();
        filtered.dedup();
        let known = |name: &String| learnt.schema.knows(name) && learnt.schema.admits(sample, name);
        let told = filtered.into_iter().filter(|name| said.contains_key(name) && known(name));
        let hidden: Vec<String> = told.filter(|name| !has(name, "rs")).collect();
        self.readable(&hidden);
        Ok(())
    }

    pub(super) fn writable(&mut self, denied: &[String], all: usize) {
        if denied.is_empty() {
            self.ok(format!("the service may write all that activation writes: {all} attributes"));
            return;
        }
        let what = format!("the service may not write {}", denied.join(", "));
        self.fail(what, "the right to write what activation writes", "give it the right, on people only");
        let add = self.remedies().access();
        self.add(add);
    }

    fn readable(&mut self, hidden: &[String]) {
        if hidden.is_empty() {
            self.ok("nothing that the filters and the rules look at is hidden from the service".to_owned());
            return;
        }
        let what = format!("hidden from the service: {}", hidden.join(", "));
        self.fail(what, "the right to read and search all that is looked at", "give it the right");
        let add = self.remedies().access();
        self.add(add);
    }
}

/// Adds a value and takes it away twice. The server judges the rights to all of it, then fails at the last part.
fn impossible(name: &str, learnt: &Learnt, sample: &Entry, nobodys: &str) -> Vec<Mod<Vec<u8>>> {
    let mut value = believable(name, learnt, nobodys).into_bytes();
    if value == b"FALSE" && sample.values(name).any(|held| held == "FALSE") {
        value = b"TRUE".to_vec();
    }
    let one = || HashSet::from([value.clone()]);
    let name = || name.as_bytes().to_vec();
    let deletion = || Mod::Delete(name(), one());
    let text = String::from_utf8_lossy(&name()).to_lowercase();
    // The policy overlay has rules of its own for changes of a password.
    match text == "userpassword" || learnt.schema.operational(&text) {
        true => vec![deletion()],
        false => vec![Mod::Add(name(), one()), deletion(), deletion()],
    }
}

/// A value of the attribute's kind that nobody has.
fn believable(name: &str, learnt: &Learnt, nobodys: &str) -> String {
    match learnt.schema.equality(name) {
        Some(Kind::Boolean) => "FALSE".to_owned(),
        Some(Kind::Integer) => "2147483646".to_owned(),
        Some(Kind::Time) => "19700101000001Z".to_owned(),
        Some(Kind::Name) => format!("cn={nobodys}"),
        Some(Kind::Digits) => "000000000000001".to_owned(),
        Some(Kind::Uuid) => "00000000-0000-4000-8000-000000000001".to_owned(),
        Some(Kind::Oid) => "1.1.1.1".to_owned(),
        _ => nobodys.to_owned(),
    }
}

fn right(code: u32) -> Right {
    match code {
        // compareFalse, compareTrue, noSuchAttribute, attributeOrValueExists: it came so far.
        5 | 6 | 16 | 20 => Right::Given,
        50 => Right::Denied,
        code => Right::Untold(code),
    }
}

/// `attributeLevelRights: cn:rsc, userPassword:wo`: letters by attribute, in lower case.
fn rights_said(read: &BTreeMap<String, Vec<Vec<u8>>>) -> BTreeMap<String, String> {
    let texts = read.get("attributelevelrights").into_iter().flatten();
    let texts = texts.filter_map(|value| std::str::from_utf8(value).ok());
    let pairs = texts.flat_map(|text| text.split(',')).filter_map(|pair| pair.trim().split_once(':'));
    pairs.map(|(name, letters)| (name.to_lowercase(), letters.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_rights_are_read_by_attribute() {
        let text = b"uid:rscwo, userPassword:wo, cn:none".to_vec();
        let said = rights_said(&BTreeMap::from([("attributelevelrights".to_owned(), vec![text])]));
        assert_eq!(said.get("userpassword").map(String::as_str), Some("wo"));
        assert_eq!((said.len(), said.get("cn").map(String::as_str)), (3, Some("none")));
    }
}
