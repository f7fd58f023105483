//! Writing a plan and the new password: one act where the server can, never half told.
//!
//! Every error says what became of the entry: unchanged for certain, or to be read again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ldap3::asn1::{StructureTag, parse_tag};
use ldap3::controls::{Assertion, MakeCritical, PostRead, RawControl};
use ldap3::exop::PasswordModify;
use ldap3::{LdapResult, Mod, Scope};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::authenticate::policy;
use super::ber::{self, PASSWORD_POLICY, PolicyError};
use super::handle::Learnt;
use super::link::{self, Fault, Link, Query, bare_control, refusal, within};
use super::plan::{Act, Plan};
use super::{Directory, DirectoryError, PasswordWrite, Standing};

/// The plan and the password are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The entry's stamp after the write; `None`: it could not be read.
    pub stamp: Option<String>,
    /// The server wants the password changed once more (`pwdReset`), and did not let us say otherwise: whoever holds
    /// OpenLDAP's `manage` counts as an administrator who hands out passwords.
    pub must_change: bool,
}

/// Why the directory does not take a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Too short.
    #[error("too short")]
    TooShort,
    /// The server's quality check.
    #[error("too simple")]
    TooSimple,
    /// Used before.
    #[error("used before")]
    Reused,
    /// Another rule of the server's, in its words.
    #[error("{0}")]
    Refused(String),
}

/// Why a plan was not written, by what the caller can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Ask for another password. The entry is unchanged.
    #[error("the directory refuses the password: {0}")]
    Password(PasswordFault),
    /// Read the entry and plan again: it changed meanwhile, and not by us. This write changed nothing.
    #[error("the entry changed meanwhile")]
    Moved,
    /// The entry is gone.
    #[error("the entry is gone")]
    Gone,
    /// The configuration, here or there, is wrong. The entry is unchanged.
    #[error("the directory refuses the change (result code {code}): {text}")]
    Refused {
        /// The LDAP result code.
        code: u32,
        /// What the server said.
        text: String,
    },
    /// Try again later. The entry is certainly unchanged.
    #[error("the directory cannot be written now: {0}")]
    Unavailable(String),
    /// Read the entry: it may have been written.
    #[error("whether the directory was written is not known: {0}")]
    Unknown(String),
    /// Read the entry and plan again: the password is set, nothing else is (two operations were needed).
    #[error("the password is set, but the rest is not: {0}")]
    PasswordOnly(Box<ApplyError>),
}

/// What must not be said twice for each request.
struct Target<'a> {
    link: &'a Link,
    learnt: &'a Learnt,
    until: Instant,
}

impl Target<'_> {
    /// What is left of the time for all of it.
    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

impl Directory {
    /// How this server is given a new password: as configured, else as its configuration says, else by RFC 3062.
    /// Never in a Modify to a server that says that it does not hash.
    pub fn password_write(&self) -> PasswordWrite {
        match (self.learnt().hashes, self.inner.prepared.settings.password_write) {
            // Whatever is stated: it would be stored in clear text.
            (Some(false), _) => PasswordWrite::Extended,
            (_, Some(stated)) => stated,
            (Some(true), None) => PasswordWrite::InModify,
            (None, None) => PasswordWrite::Extended,
        }
    }

    /// Write the plan and the password, if the entry is still provisional.
    ///
    /// # Errors
    /// [`ApplyError`]: only `Unknown` and `PasswordOnly` leave the entry possibly changed.
    pub async fn apply(&self, plan: &Plan, password: &SecretString) -> Result<Applied, ApplyError> {
        if password.expose_secret().is_empty() {
            return Err(ApplyError::Password(PasswordFault::TooShort));
        }
        self.write(plan, Some(password)).await
    }

    /// Write the plan alone, if the entry is still provisional: where a password is set and the rest is not
    /// ([`ApplyError::PasswordOnly`], or a crash between the two), and would now be refused as used before.
    ///
    /// # Errors
    /// As [`Directory::apply`].
    pub async fn finish(&self, plan: &Plan) -> Result<Applied, ApplyError> {
        self.write(plan, None).await
    }

    async fn write(&self, plan: &Plan, password: Option<&SecretString>) -> Result<Applied, ApplyError> {
        // One operation's time for each that is needed; looking beforehand and reading afterwards are within it.
        let twice = password.filter(|_| self.password_write() == PasswordWrite::Extended);
        let operations = if twice.is_some() { 2 } else { 1 };
        let until = Instant::now() + self.inner.prepared.settings.timeouts.operation * operations;
        let (slot, link) = self.link(until).await.map_err(unasked)?;
        if !link.protected && password.is_some() {
            let text = "passwords are not sent in clear text: use ldaps:// or starttls".to_owned();
            return Err(ApplyError::Refused { code: 13, text });
        }
        let learnt = self.learnt();
        let target = Target { link: &link, learnt: &learnt, until };
        let written = match twice {
            Some(password) => self.extended(&target, plan, password).await,
            None => self.modify(&target, plan, password).await,
        };
        match written {
            Err(ApplyError::Gone) => Err(self.gone_or_moved(plan).await),
            Err(
                error @ (ApplyError::Unknown(_) | ApplyError::Unavailable(_) | ApplyError::PasswordOnly(_)),
            ) => {
                self.suspect(slot);
                Err(error)
            }
            written => written,
        }
    }

    /// Nothing is at that DN: was it renamed?
    async fn gone_or_moved(&self, plan: &Plan) -> ApplyError {
        match self.read(plan.uuid).await {
            Ok(None) => ApplyError::Gone,
            Ok(Some(_)) => ApplyError::Moved,
            Err(error) => ApplyError::Unavailable(error.to_string()),
        }
    }

    async fn modify(
        &self,
        target: &Target<'_>,
        plan: &Plan,
        password: Option<&SecretString>,
    ) -> Result<Applied, ApplyError> {
        let mut ldap = target.link.ldap();
        ldap.with_controls(self.controls(target.learnt));
        let request = ldap.modify(&plan.dn, modifications(plan, password));
        let result = within(target.left(), request).await.map_err(|fault| unsettled(&fault))?;
        if result.rc != 0 {
            return Err(refused(&result));
        }
        let applied = match post_read(&result) {
            Some(applied) => applied,
            None => look(target, &plan.dn).await.unwrap_or(Applied { stamp: None, must_change: false }),
        };
        if applied.must_change { Ok(clear_reset(target, plan, applied).await) } else { Ok(applied) }
    }

    /// RFC 3062 knows no assertion: the entry is looked at first, and the state changes last.
    async fn extended(
        &self,
        target: &Target<'_>,
        plan: &Plan,
        password: &SecretString,
    ) -> Result<Applied, ApplyError> {
        match self.read(plan.uuid).await {
            Ok(None) => return Err(ApplyError::Gone),
            Ok(Some(entry)) if entry.dn != plan.dn || self.standing(&entry) != Standing::Provisional => {
                return Err(ApplyError::Moved);
            }
            Ok(Some(_)) => {}
            Err(error) => return Err(unasked(error)),
        }
        let mut ldap = target.link.ldap();
        ldap.with_controls(vec![bare_control(PASSWORD_POLICY)]);
        let new_pass = Some(password.expose_secret());
        let request = PasswordModify { user_id: Some(&plan.dn), old_pass: None, new_pass };
        let answer =
            within(target.left(), ldap.extended(request)).await.map_err(|fault| unsettled(&fault))?;
        if answer.1.rc != 0 {
            return Err(refused(&answer.1));
        }
        self.modify(target, plan, None).await.map_err(|error| match error {
            ApplyError::Unknown(why) => ApplyError::Unknown(why),
            other => ApplyError::PasswordOnly(Box::new(other)),
        })
    }

    fn controls(&self, learnt: &Learnt) -> Vec<RawControl> {
        let settings = &self.inner.prepared.settings;
        let mut controls = vec![bare_control(PASSWORD_POLICY)];
        if learnt.capabilities.control(link::ASSERTION) {
            // An attribute that the server does not know would make the negation undefined, and refuse for ever.
            let mut known = true;
            self.inner.prepared.states.locked.attributes(&mut |name| known &= learnt.schema.knows(name));
            let filter = if settings.locked.trim().is_empty() || !known {
                settings.provisional.clone()
            } else {
                format!("(&{}(!{}))", settings.provisional, settings.locked)
            };
            // The constructor panics on a text that is no filter; these were parsed, but by our own parser.
            if ldap3::parse_filter(&filter).is_ok() {
                controls.push(Assertion { filter }.critical().into());
            }
        }
        if learnt.capabilities.control(link::POST_READ) {
            controls.push(PostRead::new(AFTER.to_vec()));
        }
        controls
    }
}

/// What is read after a write.
const AFTER: [&str; 3] = ["entryCSN", "modifyTimestamp", "pwdReset"];

async fn look(target: &Target<'_>, dn: &str) -> Option<Applied> {
    let attributes: Arc<[String]> = AFTER.map(str::to_owned).into();
    let query = Query { base: dn, scope: Scope::Base, filter: "(objectClass=*)", attributes, limit: 1 };
    let answer = link::search(target.link.ldap(), &query, target.left()).await.ok()?;
    after(answer.entries.first()?)
}

/// The server took our write for a password that an administrator hands out: say that it is the person's own.
async fn clear_reset(target: &Target<'_>, plan: &Plan, applied: Applied) -> Applied {
    let mut ldap = target.link.ldap();
    if target.learnt.capabilities.control(link::POST_READ) {
        ldap.with_controls(vec![PostRead::new(AFTER.to_vec())]);
    }
    let cleared: Mod<Vec<u8>> = Mod::Replace(b"pwdReset".to_vec(), HashSet::new());
    match within(target.left(), ldap.modify(&plan.dn, vec![cleared])).await {
        Ok(result) if result.rc == 0 => match post_read(&result) {
            Some(applied) => applied,
            None => look(target, &plan.dn).await.unwrap_or(Applied { stamp: None, must_change: false }),
        },
        Ok(result) => {
            tracing::warn!(dn = plan.dn, refusal = refusal(&result), "pwdReset cannot be cleared");
            applied
        }
        Err(fault) => {
            tracing::warn!(dn = plan.dn, fault = fault.words(), "pwdReset was not cleared");
            applied
        }
    }
}

fn unasked(error: DirectoryError) -> ApplyError {
    match error {
        DirectoryError::Unavailable(why) => ApplyError::Unavailable(why),
        DirectoryError::Refused { code, text } => ApplyError::Refused { code, text },
    }
}

/// The password first, then the changes in their order.
fn modifications(plan: &Plan, password: Option<&SecretString>) -> Vec<Mod<Vec<u8>>> {
    let set = |values: &[Vec<u8>]| values.iter().cloned().collect::<HashSet<_>>();
    let password = password.map(|password| {
        Mod::Replace(b"userPassword".to_vec(), HashSet::from([password.expose_secret().as_bytes().to_vec()]))
    });
    let changes = plan.changes.iter().map(|change| {
        let name = change.attribute.as_bytes().to_vec();
        match &change.act {
            Act::Delete(values) => Mod::Delete(name, set(values)),
            Act::Add(values) => Mod::Add(name, set(values)),
            Act::Replace(values) => Mod::Replace(name, set(values)),
        }
    });
    password.into_iter().chain(changes).collect()
}

fn unsettled(fault: &Fault) -> ApplyError {
    match fault {
        Fault::NotSent(_) => ApplyError::Unavailable(fault.words()),
        Fault::Refused(result) => refused(result),
        Fault::Cut(_) | Fault::Late => ApplyError::Unknown(fault.words()),
    }
}

/// A result code other than success: the entry is unchanged (RFC 4511, section 4.6).
fn refused(result: &LdapResult) -> ApplyError {
    let words = || PasswordFault::Refused(result.text.clone());
    match (result.rc, policy(result)) {
        (_, Some(PolicyError::TooShort)) => ApplyError::Password(PasswordFault::TooShort),
        (_, Some(PolicyError::Quality)) => ApplyError::Password(PasswordFault::TooSimple),
        (_, Some(PolicyError::InHistory)) => ApplyError::Password(PasswordFault::Reused),
        (_, Some(PolicyError::TooYoung | PolicyError::Other(_))) => ApplyError::Password(words()),
        (16 | 20 | 122, _) => ApplyError::Moved,
        (32, _) => ApplyError::Gone,
        (51 | 52, _) => ApplyError::Unavailable(refusal(result)),
        (code, _) => ApplyError::Refused { code, text: refusal(result) },
    }
}

fn post_read(result: &LdapResult) -> Option<Applied> {
    let control = result.ctrls.iter().find(|control| control.1.ctype == link::POST_READ)?;
    let (_, entry) = parse_tag(control.1.val.as_deref()?).ok()?;
    after(&entry)
}

fn after(entry: &StructureTag) -> Option<Applied> {
    let (_, read) = ber::attributes(entry)?;
    let stamp = Some(ber::stamp(&read)).filter(|stamp| !stamp.is_empty());
    let must_change = read.get("pwdreset").is_some_and(|values| values.iter().any(|value| value == b"TRUE"));
    Some(Applied { stamp, must_change })
}
