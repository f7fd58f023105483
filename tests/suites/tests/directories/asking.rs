//! One question to a directory, through the library that the daemon uses, and its answer in a few words.
//!
//! Certificates are not looked at here: `life.rs` does.

use std::collections::HashSet;
use std::fmt;

use ldap3::controls::RawControl;
use ldap3::exop::PasswordModify;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapResult, Mod, Scope, SearchEntry};
use tokio::runtime::{Builder, Runtime};

/// The password policy control (draft-behera-ldap-password-policy).
pub const POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// Netscape's "password expired", which 389 sends whether or not it was asked.
const EXPIRED: &str = "2.16.840.1.113730.3.4.4";

pub type Change = Mod<Vec<u8>>;

/// A connection, bound or not.
pub struct Asker {
    runtime: Runtime,
    ldap: Ldap,
}

impl Asker {
    pub fn at(url: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let settings = LdapConnSettings::new().set_no_tls_verify(true);
        let ldap = runtime.block_on(async {
            let (connection, ldap) = LdapConnAsync::with_settings(settings, url).await.unwrap();
            ldap3::drive!(connection);
            ldap
        });
        Self { runtime, ldap }
    }

    pub fn bound(url: &str, (dn, password): (&str, &str)) -> Self {
        let mut asker = Self::at(url);
        let answer = asker.bind(dn, password);
        assert_eq!(answer.code, 0, "{dn}: {answer}");
        asker
    }

    pub fn bind(&mut self, dn: &str, password: &str) -> Answer {
        self.ldap.with_controls(vec![control(POLICY, false)]);
        Answer::of(self.runtime.block_on(self.ldap.simple_bind(dn, password)).unwrap())
    }

    pub fn modify(&mut self, dn: &str, changes: Vec<Change>) -> Answer {
        self.modify_with(dn, changes, control(POLICY, false))
    }

    pub fn modify_with(&mut self, dn: &str, changes: Vec<Change>, control: RawControl) -> Answer {
        self.ldap.with_controls(vec![control]);
        Answer::of(self.runtime.block_on(self.ldap.modify(dn, changes)).unwrap())
    }

    /// RFC 3062, without the old password.
    pub fn set_password(&mut self, dn: &str, new: &str) -> Answer {
        self.ldap.with_controls(vec![control(POLICY, false)]);
        let operation = PasswordModify { user_id: Some(dn), old_pass: None, new_pass: Some(new) };
        Answer::of(self.runtime.block_on(self.ldap.extended(operation)).unwrap().1)
    }

    /// One entry's attributes, text or not; an error's code where there is none.
    pub fn read(&mut self, dn: &str, attributes: &[&str]) -> Result<SearchEntry, u32> {
        let search = self.ldap.search(dn, Scope::Base, "(objectClass=*)", attributes);
        let found = self.runtime.block_on(search).unwrap();
        match (found.1.rc, found.0.into_iter().next()) {
            (0, Some(entry)) => Ok(SearchEntry::construct(entry)),
            (code, _) => Err(code),
        }
    }
}

pub fn control(number: &str, critical: bool) -> RawControl {
    RawControl { ctype: number.to_owned(), crit: critical, val: None }
}

pub fn replace(attribute: &str, values: &[&[u8]]) -> Change {
    Mod::Replace(attribute.into(), set(values))
}

pub fn delete(attribute: &str, values: &[&[u8]]) -> Change {
    Mod::Delete(attribute.into(), set(values))
}

pub fn add(attribute: &str, values: &[&[u8]]) -> Change {
    Mod::Add(attribute.into(), set(values))
}

fn set(values: &[&[u8]]) -> HashSet<Vec<u8>> {
    values.iter().map(|value| value.to_vec()).collect()
}

/// What a server answered. In words: the result's code, what AD's text adds to it, and what a control says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub code: u32,
    text: String,
    policy: Option<u8>,
    expired: bool,
}

impl Answer {
    fn of(result: LdapResult) -> Self {
        let found = |number: &str| result.ctrls.iter().find(|control| control.1.ctype == number);
        // PasswordPolicyResponseValue: error is [1] ENUMERATED, so these two bytes and the number.
        let value = found(POLICY).and_then(|control| control.1.val.clone()).unwrap_or_default();
        let policy = value.windows(3).find(|bytes| bytes.starts_with(&[0x81, 1])).map(|bytes| bytes[2]);
        Self { code: result.rc, policy, expired: found(EXPIRED).is_some(), text: result.text }
    }

    /// What AD's own texts begin with, or name as data.
    fn detail(&self) -> Option<&str> {
        if let Some((_, rest)) = self.text.split_once(", data ") {
            return rest.split(',').next();
        }
        let head = self.text.split(':').next().filter(|_| self.code != 0)?;
        (head.len() == 8 && head.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(head)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(detail) = self.detail() {
            write!(f, " {detail}")?;
        }
        if let Some(error) = self.policy {
            write!(f, ", policy {error}")?;
        }
        if self.expired {
            write!(f, ", expired")?;
        }
        Ok(())
    }
}
