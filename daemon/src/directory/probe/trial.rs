//! What the server does with a password, tried on an entry made for that.
//!
//! It leaves a hash of a password that nobody knows.

use std::collections::HashSet;

use ldap3::Mod;
use ldap3::exop::PasswordModify;
use secrecy::SecretString;

use super::Look;
use crate::directory::Dialect;
use crate::directory::apply::written;
use crate::directory::link::{Fault, Link, refusal, within};

impl Look<'_> {
    /// Try it on an entry made for that: is a clear password hashed, is the policy applied to us?
    pub(super) async fn tried(
        &mut self,
        link: &Link,
        entry: &str,
        random: &(dyn Fn() -> u64 + Send + Sync),
    ) -> Result<Option<bool>, Fault> {
        let new = || format!("Pp1-{:016x}{:016x}", random(), random());
        let password = new();
        let mut ldap = link.ldap();
        // First: what is taken here is replaced at once by what follows.
        let skipped = self.skipped(link, entry).await?;
        let result = within(self.limit, ldap.modify(entry, self.set(&password))).await?;
        if result.rc != 0 {
            let what = format!("the password of {entry} cannot be set: {}", refusal(&result));
            self.fail(
                what,
                "an entry whose password the service may write",
                "check the entry and the service's rights",
            );
            return Ok(None);
        }
        let mut clear = None;
        // In Active Directory it is unicodePwd, which is hashed by its nature and read by nobody.
        if self.dialect != Dialect::ActiveDirectory {
            let compared = ldap.compare(entry, "userPassword", password.as_bytes());
            clear = match within(self.limit, compared).await?.0.rc {
                6 => Some(true),
                5 => Some(false),
                _ => None,
            };
            self.tidied(link, entry, &new(), clear).await?;
        }
        if skipped {
            let action = "check that the policy applies to the entry, and that the service is neither root, nor a password \
                          administrator, nor has `manage`: write is enough";
            self.fail(
                format!("the server accepted a password of one letter on {entry}"),
                "the password policy",
                action,
            );
        } else {
            self.ok("the password policy applies to what the service writes".to_owned());
        }
        Ok(clear.map(|clear| !clear))
    }

    /// Whatever was left behind is replaced by a hash of a password that nobody knows.
    async fn tidied(
        &mut self,
        link: &Link,
        entry: &str,
        last: &str,
        clear: Option<bool>,
    ) -> Result<(), Fault> {
        let request = PasswordModify { user_id: Some(entry), old_pass: None, new_pass: Some(last) };
        let mut ldap = link.ldap();
        let hashed = within(self.limit, ldap.extended(request)).await?;
        if hashed.1.rc != 0 && clear != Some(false) {
            let what = format!("{entry} keeps a password in clear text: {}", refusal(&hashed.1));
            self.warn(what, "RFC 3062", "reset the password of the test entry by hand");
        }
        Ok(())
    }

    async fn skipped(&self, link: &Link, entry: &str) -> Result<bool, Fault> {
        let mut ldap = link.ldap();
        Ok(within(self.limit, ldap.modify(entry, self.set("a"))).await?.rc == 0)
    }

    /// A password, as this server is given one.
    fn set(&self, password: &str) -> Vec<Mod<Vec<u8>>> {
        let (name, value) = written(self.dialect, &SecretString::from(password));
        vec![Mod::Replace(name.as_bytes().to_vec(), HashSet::from([value]))]
    }
}
