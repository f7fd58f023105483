//! How a new password is written, and whether the server's rules judge what the service writes.

use std::collections::HashSet;

use ldap3::Mod;
use ldap3::controls::{Assertion, MakeCritical, RawControl};

use super::Look;
use crate::directory::authenticate::policy;
use crate::directory::ber::{PASSWORD_POLICY, PolicyError};
use crate::directory::facts::{self, Database, Learnt};
use crate::directory::link::{self, Fault, Link, bare_control, refusal, within};
use crate::directory::settings::PasswordWrite;
use crate::directory::{Dialect, Entry};

/// No entry is without a class.
const NEVER: &str = "(!(objectClass=*))";
/// draft-zeilenga-ldap-relax-03: for whoever may manage what others may only write.
const RELAX: &str = "1.3.6.1.4.1.4203.666.5.12";

impl Look<'_> {
    /// Is the service the one for whom no rule counts?
    pub(super) async fn rooted(&mut self, link: &Link, database: &Database) -> Result<bool, Fault> {
        let Some(root) = &database.root else { return Ok(false) };
        let name = link.who_am_i(self.limit).await?;
        let is_root = name.strip_prefix("dn:").is_some_and(|dn| facts::same_name(dn, root));
        if is_root {
            let action = "give the service an identity of its own: for this one, no password rule is applied";
            self.fail(
                format!("the service is the database's root, {root}"),
                "an identity under the policy",
                action,
            );
            let add = self.remedies().instead_of_root().account();
            self.add(add);
        }
        Ok(is_root)
    }

    /// Does the server judge a password that the service writes? A password of one letter is offered in a write that
    /// cannot be carried out: its assertion is false of every entry, and it deletes a value that nobody has.
    pub(super) async fn judged(
        &mut self,
        link: &Link,
        learnt: &Learnt,
        sample: &Entry,
        root: Option<bool>,
        random: &(dyn Fn() -> u64 + Send + Sync),
    ) -> Result<(), Fault> {
        match self.dialect {
            Dialect::Openldap if learnt.capabilities.control(link::ASSERTION) => {}
            Dialect::Ds389 => {
                let nobodys = format!("parvis-{:016x}", random());
                return self.above_the_policy(link, learnt, sample, &nobodys).await;
            }
            Dialect::ActiveDirectory => {
                self.administrating(learnt);
                return Ok(());
            }
            Dialect::Openldap | Dialect::Standard => return Ok(()),
        }
        let mut ldap = link.ldap();
        ldap.with_controls(vec![
            bare_control(PASSWORD_POLICY),
            Assertion { filter: NEVER.to_owned() }.critical().into(),
        ]);
        let nobodys = format!("parvis-{:016x}", random());
        let offered = vec![
            replaced("userPassword", "a"),
            Mod::Delete(self.prepared.settings.login_attribute.clone().into_bytes(), one(&nobodys)),
        ];
        let result = within(self.limit, ldap.modify(&sample.dn, offered)).await?;
        match (result.rc, policy(&result)) {
            (_, Some(PolicyError::OldPasswordNeeded)) => {
                let action = "set pwdSafeModify to FALSE: nobody who activates an account knows a password that counts";
                self.fail(
                    "the policy wants the old password".to_owned(),
                    "a policy for new passwords",
                    action,
                );
            }
            (19 | 53, _) => self.ok("the server judges the passwords that the service writes".to_owned()),
            (122, _) => self.unjudged(link, learnt, sample, root, &nobodys).await?,
            _ => {
                let what = format!("whether passwords are judged cannot be told: {}", refusal(&result));
                let action = "name a probe-entry, and use parvisctl check --probe";
                self.warn(what, "a refusal of a password of one letter", action);
            }
        }
        Ok(())
    }

    /// The server would have taken a password of one letter: because of who we are, or because nothing judges?
    async fn unjudged(
        &mut self,
        link: &Link,
        learnt: &Learnt,
        sample: &Entry,
        root: Option<bool>,
        nobodys: &str,
    ) -> Result<(), Fault> {
        let mut ldap = link.ldap();
        ldap.with_controls(vec![RawControl { ctype: RELAX.to_owned(), crit: true, val: None }]);
        let impossible = Mod::Delete(b"creatorsName".to_vec(), one(&format!("cn={nobodys}")));
        let manages = within(self.limit, ldap.modify(&sample.dn, vec![impossible])).await?.rc == 16;
        if manages {
            let what =
                "the service is the database's root or has `manage`: the server takes any password from it"
                    .to_owned();
            let action = "give the service an identity of its own with `write`, no more; these rules come before those that \
                          give it more";
            self.fail(what, "an identity under the policy", action);
            let remedies = self.remedies();
            let account = || remedies.clone().instead_of_root().account();
            // The rules of the database do not count for its root.
            self.add(match root {
                Some(true) => account(),
                Some(false) => remedies.access(),
                None => [remedies.access(), account()].concat(),
            });
        } else if learnt.capabilities.control(PASSWORD_POLICY) {
            let what = "the server would take a password of one letter from the service".to_owned();
            let action = "let a policy with pwdCheckQuality and pwdMinLength apply to people; give the service `write` on \
                          userPassword, not `manage`";
            self.fail(what, "a policy that judges", action);
            let add = [self.remedies().policy(), self.remedies().access()].concat();
            self.add(add);
        } else {
            let what = "the server has no password policy: nobody but Parvis judges passwords".to_owned();
            self.warn(
                what,
                "the ppolicy overlay",
                "add it, with a policy; what others write is judged by it too",
            );
            let add = self.remedies().policy();
            self.add(add);
        }
        Ok(())
    }

    /// By its nature, the server takes a password with everything else.
    pub(super) fn in_one(&mut self, how: PasswordWrite, write: &mut Option<PasswordWrite>) {
        self.ok("the server judges and hashes a password itself: activation is one Modify".to_owned());
        *write = Some(how);
    }

    pub(super) fn decide(&mut self, hashes: Option<bool>, write: &mut Option<PasswordWrite>) {
        match (hashes, *write) {
            // Decided already.
            (_, Some(PasswordWrite::UnicodePwd)) => {}
            (Some(true), Some(PasswordWrite::InModify) | None) => {
                self.ok("the server hashes a clear password itself: activation is one Modify".to_owned());
                *write = Some(PasswordWrite::InModify);
            }
            (Some(false), Some(PasswordWrite::InModify)) => {
                let action = "set olcPPolicyHashCleartext to TRUE, or password-write to \"extended\"";
                self.fail("the server would store passwords in clear text".to_owned(), "a hash", action);
                let add = self.remedies().hashing();
                self.add(add);
                *write = Some(PasswordWrite::Extended);
            }
            (Some(true), Some(PasswordWrite::Extended)) => {
                let action = "password-write = \"modify\" would make activation one act";
                self.warn("activation takes two operations".to_owned(), "one", action);
            }
            (None, Some(PasswordWrite::InModify)) => {
                let action = "name an entry made for tests, so that it can be proven";
                self.warn(
                    "that the server hashes passwords is stated, not proven".to_owned(),
                    "a proof",
                    action,
                );
            }
            (_, Some(PasswordWrite::Extended) | None) => {
                let action = "olcPPolicyHashCleartext: TRUE would make activation one act";
                self.warn(
                    "activation takes two operations: RFC 3062, then a Modify".to_owned(),
                    "one",
                    action,
                );
                let add =
                    if self.dialect == Dialect::Openldap { self.remedies().hashing() } else { Vec::new() };
                self.add(add);
                *write = Some(PasswordWrite::Extended);
            }
        }
    }
}

pub(super) fn one(value: &str) -> HashSet<Vec<u8>> {
    HashSet::from([value.as_bytes().to_vec()])
}

pub(super) fn replaced(name: &str, value: &str) -> Mod<Vec<u8>> {
    Mod::Replace(name.as_bytes().to_vec(), one(value))
}
