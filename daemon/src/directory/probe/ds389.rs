//! Whether 389 DS's password policy counts for the service: for Directory Manager and for a password administrator it
//! does not (`passwordAdminDN`, of the server or of a local policy: an account, or a group of them).
//!
//! `cn=config` is usually hidden, so it is asked by a write that cannot succeed: the server looks at a new password before
//! it looks at anybody's rights, and nothing of a Modify is carried out that deletes a value which nobody has.

use std::sync::Arc;

use ldap3::{Ldap, LdapResult, Mod, Scope};

use super::Look;
use super::passwords::{one, replaced};
use super::remedy::Addition;
use crate::directory::facts::{self, Learnt};
use crate::directory::link::{Fault, Link, Query, refusal, search, within};
use crate::directory::{Entry, ber};

/// Of no password that anybody knows. Who is under the policy may not write a hash, whatever else it says.
const HASH: &str = "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g2S9S2";
/// Who is in a group, as the server looks at it.
const MEMBERS: [&str; 2] = ["member", "uniqueMember"];

/// Where it is said that the service is a password administrator.
struct Named {
    policy: String,
    /// The account itself, or a group that it is in.
    value: String,
    /// By which attribute it is in it.
    member: Option<&'static str>,
}

impl Look<'_> {
    /// Is the service above the password policy? On one person: a policy may be of a part of the tree.
    pub(super) async fn above_the_policy(
        &mut self,
        link: &Link,
        learnt: &Learnt,
        sample: &Entry,
        nobodys: &str,
    ) -> Result<(), Fault> {
        let name = link.who_am_i(self.limit).await?;
        let service = name.strip_prefix("dn:").unwrap_or_default().trim().to_owned();
        if facts::same_name(&service, "cn=Directory Manager") {
            let what = "the service is Directory Manager, for whom no password rule is applied".to_owned();
            let action = "give the service an identity of its own";
            self.fail(what, "an identity under the policy", action);
            let add = self.remedies().instead_of_root().account();
            self.add(add);
            return Ok(());
        }
        if let Some(named) = self.named(link, learnt, &service).await? {
            self.is_named(&named, &service);
            return Ok(());
        }
        let short = self.offered(link.ldap(), sample, "a", nobodys).await?;
        match short.rc {
            19 | 53 => self.ok("the server judges the passwords that the service writes".to_owned()),
            // The password was let through: the deletion was not (noSuchAttribute, insufficientAccessRights).
            16 | 50 => {
                let hash = self.offered(link.ldap(), sample, HASH, nobodys).await?;
                self.unjudged_by_389(matches!(hash.rc, 16 | 50));
            }
            _ => {
                let what = format!(
                    "whether the service is a password administrator cannot be told: {}",
                    refusal(&short)
                );
                let action = "ask as Directory Manager; the service must not be in what is answered";
                self.warn(what, "a refusal of a password of one letter", action);
                let add = self.remedies().administrators();
                self.add(add);
            }
        }
        Ok(())
    }

    /// In a Modify that cannot be carried out.
    async fn offered(
        &self,
        mut ldap: Ldap,
        sample: &Entry,
        password: &str,
        nobodys: &str,
    ) -> Result<LdapResult, Fault> {
        let login = self.prepared.settings.login_attribute.clone().into_bytes();
        let offered = vec![replaced("userPassword", password), Mod::Delete(login, one(nobodys))];
        within(self.limit, ldap.modify(&sample.dn, offered)).await
    }

    fn unjudged_by_389(&mut self, takes_a_hash: bool) {
        if takes_a_hash {
            let what = "the server's password policy does not count for the service, a password administrator: it would \
                        take a password of one letter from it, and one that is hashed already"
                .to_owned();
            let action = "take the service out of passwordAdminDN, or out of the group that it names (where it is in \
                          none: nsslapd-allow-hashed-passwords is on, and nothing judges)";
            self.fail(what, "an identity under the policy", action);
            let add = self.remedies().administrators();
            self.add(add);
        } else {
            let what = "the server has no rule for a password: nobody but Parvis judges passwords".to_owned();
            self.warn(what, "passwordCheckSyntax: on", "switch it on; what others write is judged by it too");
            let add = self.remedies().syntax();
            self.add(add);
        }
    }

    fn is_named(&mut self, named: &Named, service: &str) {
        let Named { policy, value, member } = named;
        let through = match member {
            None => String::new(),
            Some(_) => format!(" by the group {value}"),
        };
        let what = format!(
            "the service is a password administrator{through} (passwordAdminDN of {policy}): no password rule is applied"
        );
        self.fail(what, "an identity under the policy", "take that away from it");
        let lines = match member {
            None => format!("dn: {policy}\nchangetype: modify\ndelete: passwordAdminDN\n"),
            Some(member) => {
                format!("dn: {value}\nchangetype: modify\ndelete: {member}\n{member}: {service}\n")
            }
        };
        self.add(vec![Addition { form: "LDIF (ldapmodify, as Directory Manager)", lines }]);
    }

    /// What can be read of it: the server's policy, and those of parts of the tree.
    async fn named(&self, link: &Link, learnt: &Learnt, service: &str) -> Result<Option<Named>, Fault> {
        let settings = &self.prepared.settings;
        let lower = settings.base.to_lowercase();
        let holds = |context: &&String| !context.is_empty() && lower.ends_with(&context.to_lowercase());
        let suffix = learnt.capabilities.contexts.iter().find(holds).unwrap_or(&settings.base);
        let local = "(&(objectClass=ldapsubentry)(passwordAdminDN=*))";
        for (base, scope, filter) in
            [("cn=config", Scope::Base, "(objectClass=*)"), (suffix.as_str(), Scope::Subtree, local)]
        {
            let attributes: Arc<[String]> = ["passwordAdminDN".to_owned()].into();
            let query = Query { base, scope, filter, attributes, limit: 0 };
            let answer = search(link.ldap(), &query, self.limit).await?;
            for (policy, mut read) in answer.entries.into_iter().filter_map(ber::attributes) {
                for value in read.remove("passwordadmindn").unwrap_or_default() {
                    let Ok(value) = String::from_utf8(value) else { continue };
                    if facts::same_name(&value, service) {
                        return Ok(Some(Named { policy, value, member: None }));
                    }
                    if let Some(member) = self.member(link, &value, service).await? {
                        return Ok(Some(Named { policy, value, member: Some(member) }));
                    }
                }
            }
        }
        Ok(None)
    }

    async fn member(&self, link: &Link, group: &str, service: &str) -> Result<Option<&'static str>, Fault> {
        for member in MEMBERS {
            let filter = format!("({member}={})", ldap3::ldap_escape(service));
            let attributes: Arc<[String]> = ["1.1".to_owned()].into();
            let query = Query { base: group, scope: Scope::Base, filter: &filter, attributes, limit: 1 };
            if !search(link.ldap(), &query, self.limit).await?.entries.is_empty() {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }
}
