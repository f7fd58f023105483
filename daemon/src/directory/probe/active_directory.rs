//! Active Directory: who the service is there, what it may do to a person, and that it is no administrator.
//!
//! All of it is read: the attributes that may be written are told by the server, the right to reset a password by the
//! person's security descriptor, held against the identifiers that the server has for this connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use ldap3::Scope;
use ldap3::controls::RawControl;

use super::Look;
use super::descriptor::{Descriptor, Guid, guid_text, sid_text};
use crate::directory::apply::POLICY_HINTS;
use crate::directory::facts::Learnt;
use crate::directory::link::{self, Answer, Fault, Link, Query};
use crate::directory::settings::Bind;
use crate::directory::{Entry, ber};

/// What the groups of a domain's administrators end with, and the server's own group of them (MS-DTYP, section 2.4.2.4).
const ADMINISTRATORS: [u32; 3] = [512, 519, 544];
/// LDAP_SERVER_SD_FLAGS_OID, and SEQUENCE { DACL_SECURITY_INFORMATION }: whoever may not read the auditing rules is
/// shown nothing without it (MS-ADTS, section 3.1.1.3.4.1.11).
const PARTS: &str = "1.2.840.113556.1.4.801";
const ACCESS_ONLY: [u8; 5] = [0x30, 3, 0x02, 1, 4];
/// User-Force-Change-Password (MS-ADTS, section 5.1.3.2.1).
const RESET: Guid =
    [0x70, 0x95, 0x29, 0x00, 0x6d, 0x24, 0xd0, 0x11, 0xa7, 0x68, 0x00, 0xaa, 0x00, 0x6e, 0x05, 0x29];

/// Who the service is there, as far as it can be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// `DOMAIN\parvis`.
    pub(super) name: Option<String>,
    /// `S-1-5-21-…`.
    pub(super) sid: Option<String>,
    /// The schema's identifiers of the attributes that are written, by their names in lower case.
    pub(super) guids: BTreeMap<String, String>,
    /// Itself and every group that counts for this connection.
    token: Vec<Vec<u8>>,
}

/// Everyone, and Authenticated Users: an entry's own groups do not have them.
const EVERYBODY: [&[u8]; 2] = [&[1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], &[1, 1, 0, 0, 0, 0, 0, 5, 11, 0, 0, 0]];

type Values = BTreeMap<String, Vec<Vec<u8>>>;

impl Look<'_> {
    /// What the printed commands need, and the rights are held against.
    pub(super) async fn identified(
        &self,
        link: &Link,
        learnt: &Learnt,
        writes: &[String],
    ) -> Result<Account, Fault> {
        let mut account = Account::default();
        let asked = self.read(link, "", Scope::Base, "(objectClass=*)", &["tokenGroups"]).await?;
        account.token = asked.first().and_then(|read| read.get("tokengroups").cloned()).unwrap_or_default();
        let mut login = None;
        if let Bind::Simple { dn, .. } = &self.prepared.settings.bind
            && let Some(dn) = self.account_of(link, learnt, dn).await?
        {
            let names = ["objectSid", "sAMAccountName", "tokenGroups"];
            let own = self.read(link, &dn, Scope::Base, "(objectClass=*)", &names).await?;
            let mut own = own.into_iter().next().unwrap_or_default();
            let sid = own.remove("objectsid").and_then(|sids| sids.into_iter().next());
            account.sid = sid.as_deref().and_then(sid_text);
            login = own.remove("samaccountname").and_then(|names| names.into_iter().next());
            if account.token.is_empty() {
                account.token = own.remove("tokengroups").unwrap_or_default();
                account.token.extend(EVERYBODY.map(<[u8]>::to_vec));
            }
            account.token.extend(sid);
        }
        let context = |start: &str| {
            learnt.capabilities.contexts.iter().find(|context| context.to_lowercase().starts_with(start))
        };
        if let (Some(base), Some(domain), Some(login)) = (context("cn=configuration,"), context("dc="), login)
        {
            let base = format!("CN=Partitions,{base}");
            let filter = format!("(nCName={})", ldap3::ldap_escape(domain.as_str()));
            let found = self.read(link, &base, Scope::OneLevel, &filter, &["nETBIOSName"]).await?;
            let short = found.into_iter().find_map(|mut read| read.remove("netbiosname"));
            let text = |value: Vec<u8>| String::from_utf8(value).ok();
            let short = short.and_then(|values| values.into_iter().next()).and_then(text);
            account.name = short.zip(text(login)).map(|(domain, login)| format!("{domain}\\{login}"));
        }
        if let Some(base) = context("cn=schema,").filter(|_| !writes.is_empty()) {
            let names =
                writes.iter().map(|name| format!("(lDAPDisplayName={})", ldap3::ldap_escape(name.as_str())));
            let filter = format!("(|{})", names.collect::<String>());
            let wanted = ["lDAPDisplayName", "schemaIDGUID"];
            for mut read in self.read(link, base, Scope::OneLevel, &filter, &wanted).await? {
                let mut one = |name: &str| read.remove(name).and_then(|values| values.into_iter().next());
                let (name, guid) = (one("ldapdisplayname"), one("schemaidguid"));
                let name = name.and_then(|name| String::from_utf8(name).ok());
                let guid = guid.and_then(|guid| Guid::try_from(guid).ok());
                if let (Some(name), Some(guid)) = (name, guid) {
                    account.guids.insert(name.to_lowercase(), guid_text(&guid));
                }
            }
        }
        Ok(account)
    }

    async fn read(
        &self,
        link: &Link,
        base: &str,
        scope: Scope,
        filter: &str,
        names: &[&str],
    ) -> Result<Vec<Values>, Fault> {
        let attributes: Arc<[String]> = names.iter().map(|name| (*name).to_owned()).collect();
        let query = Query { base, scope, filter, attributes, limit: 0 };
        let answer = link::search(link.ldap(), &query, self.limit).await?;
        Ok(answer.entries.into_iter().filter_map(ber::attributes).map(|(_, read)| read).collect())
    }

    /// What the server says that we may write (MS-ADTS, section 3.1.1.4.5.22), and whether we may reset the password.
    pub(super) async fn allowed_attributes(
        &mut self,
        link: &Link,
        sample: &Entry,
        wanted: &[String],
    ) -> Result<(), Fault> {
        const SAID: &str = "allowedAttributesEffective";
        let mut read = self.read(link, &sample.dn, Scope::Base, "(objectClass=*)", &[SAID]).await?;
        let said = read.pop().and_then(|mut read| read.remove(&SAID.to_lowercase())).unwrap_or_default();
        let given = |name: &String| said.iter().any(|one| one.eq_ignore_ascii_case(name.as_bytes()));
        let denied: Vec<String> = wanted.iter().filter(|name| !given(name)).cloned().collect();
        self.writable(&denied, wanted.len());
        self.resets(link, sample).await
    }

    async fn resets(&mut self, link: &Link, sample: &Entry) -> Result<(), Fault> {
        let mut ldap = link.ldap();
        let value = Some(ACCESS_ONLY.to_vec());
        ldap.with_controls(vec![RawControl { ctype: PARTS.to_owned(), crit: true, val: value }]);
        let attributes: Arc<[String]> = ["nTSecurityDescriptor".to_owned()].into();
        let query =
            Query { base: &sample.dn, scope: Scope::Base, filter: "(objectClass=*)", attributes, limit: 1 };
        let Answer { entries, .. } = link::search(ldap, &query, self.limit).await?;
        let shown = ber::first(entries).and_then(|(_, mut read)| read.remove("ntsecuritydescriptor"));
        let descriptor = shown.and_then(|values| Descriptor::read(values.first()?));
        let token = self.account.as_ref().map(|account| account.token.as_slice()).unwrap_or_default();
        let dn = &sample.dn;
        match descriptor {
            Some(descriptor) if !token.is_empty() => {
                if descriptor.grants(&RESET, token) {
                    self.ok(format!("the service may reset passwords: read on {dn}"));
                } else {
                    let what = format!("the service may not reset the password of {dn}");
                    let action =
                        "give it the right, on people only; what is denied on the entry itself counts before";
                    self.fail(what, "the right Reset Password", action);
                    let add = self.remedies().access();
                    self.add(add);
                }
            }
            _ => {
                let what = format!("whether the service may reset the password of {dn} cannot be read");
                let action = "let the service read the permissions of people (RC), or see for yourself that it is \
                              granted Reset Password";
                self.warn(what, "nTSecurityDescriptor, and the service's own groups", action);
                let add = self.remedies().permissions(&sample.dn);
                self.add(add);
            }
        }
        Ok(())
    }

    /// An administrator's new password is judged by no history but where the server takes hints.
    pub(super) fn administrating(&mut self, learnt: &Learnt) {
        if POLICY_HINTS.into_iter().any(|number| learnt.capabilities.control(number)) {
            self.ok("the server takes policy hints: a new password is held against the history".to_owned());
        } else {
            let what =
                "the server takes no policy hints: a new password is not held against the history".to_owned();
            self.warn(what, "LDAP_SERVER_POLICY_HINTS_OID", "nothing can be done on this version");
        }
        let token = self.account.as_ref().map(|account| account.token.as_slice()).unwrap_or_default();
        let last = |sid: &Vec<u8>| sid.last_chunk::<4>().map(|part| u32::from_le_bytes(*part));
        if token.iter().filter_map(last).any(|last| ADMINISTRATORS.contains(&last)) {
            let what = "the service is an administrator of the domain".to_owned();
            let action = "give it an account of its own with the rights below, no more";
            self.fail(what, "an account under the policy", action);
            let add = self.remedies().instead_of_root().account();
            self.add(add);
        }
    }

    /// Active Directory takes a login for a name: whose entry is it?
    async fn account_of(&self, link: &Link, learnt: &Learnt, name: &str) -> Result<Option<String>, Fault> {
        if name.contains('=') {
            return Ok(Some(name.to_owned()));
        }
        let base =
            learnt.capabilities.contexts.iter().find(|context| context.to_lowercase().starts_with("dc="));
        let Some(base) = base else { return Ok(None) };
        let short = name.split('@').next().and_then(|name| name.rsplit('\\').next()).unwrap_or_default();
        let [whole, short] = [name, short].map(|text| ldap3::ldap_escape(text).into_owned());
        let filter = format!("(|(userPrincipalName={whole})(sAMAccountName={short}))");
        let attributes = ["1.1".to_owned()].into();
        let query = Query { base, scope: Scope::Subtree, filter: &filter, attributes, limit: 1 };
        let answer = link::search(link.ldap(), &query, self.limit).await?;
        Ok(ber::first(answer.entries).map(|(dn, _)| dn))
    }
}
