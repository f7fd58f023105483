//! Writing a plan and the new password: one act where the server can, never half told.
//!
//! Every error says what became of the entry: unchanged for certain, or to be read again.

mod request;
mod verdict;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ldap3::controls::PostRead;
use ldap3::exop::PasswordModify;
use ldap3::{Mod, Scope};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::ber::PASSWORD_POLICY;
use super::facts::Learnt;
use super::link::{self, Link, Query, bare_control, refusal, within};
use super::plan::Plan;
pub(super) use request::{POLICY_HINTS, written};
use request::{controls, modifications, read_after};
use verdict::{after, post_read, refused, unasked, unsettled};

use super::{Directory, PasswordWrite, Standing};

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
    /// How this server is given a new password.
    pub fn password_write(&self) -> PasswordWrite {
        self.learnt().password_write(self.inner.prepared.settings.password_write)
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
            Err(ApplyError::Gone) => Err(self.gone_or_moved(plan, ApplyError::Moved).await),
            // Of a name that nobody has, 389 DS says no more than that it may not be written.
            Err(refused @ ApplyError::Refused { code: 50, .. }) => {
                Err(self.gone_or_moved(plan, refused).await)
            }
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
    async fn gone_or_moved(&self, plan: &Plan, otherwise: ApplyError) -> ApplyError {
        match self.read(plan.uuid).await {
            Ok(None) => ApplyError::Gone,
            Ok(Some(entry)) if entry.dn != plan.dn => ApplyError::Moved,
            Ok(Some(_)) => otherwise,
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
        ldap.with_controls(controls(&self.inner.prepared, target.learnt, password.is_some()));
        let request = ldap.modify(&plan.dn, modifications(plan, password, target.learnt));
        let result =
            within(target.left(), request).await.map_err(|fault| unsettled(&fault, target.learnt.dialect))?;
        if result.rc != 0 {
            return Err(refused(&result, target.learnt.dialect));
        }
        let applied = match post_read(&result, target.learnt.dialect) {
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
        let answer = within(target.left(), ldap.extended(request))
            .await
            .map_err(|fault| unsettled(&fault, target.learnt.dialect))?;
        if answer.1.rc != 0 {
            return Err(refused(&answer.1, target.learnt.dialect));
        }
        self.modify(target, plan, None).await.map_err(|error| match error {
            ApplyError::Unknown(why) => ApplyError::Unknown(why),
            other => ApplyError::PasswordOnly(Box::new(other)),
        })
    }
}

async fn look(target: &Target<'_>, dn: &str) -> Option<Applied> {
    let attributes: Arc<[String]> = read_after(target.learnt.dialect).map(str::to_owned).collect();
    let query = Query { base: dn, scope: Scope::Base, filter: "(objectClass=*)", attributes, limit: 1 };
    let answer = link::search(target.link.ldap(), &query, target.left()).await.ok()?;
    after(answer.entries.into_iter().next()?, target.learnt.dialect)
}

/// The server took our write for a password that an administrator hands out: say that it is the person's own.
async fn clear_reset(target: &Target<'_>, plan: &Plan, applied: Applied) -> Applied {
    let mut ldap = target.link.ldap();
    if target.learnt.capabilities.control(link::POST_READ) {
        ldap.with_controls(vec![PostRead::new(read_after(target.learnt.dialect).collect())]);
    }
    let cleared: Mod<Vec<u8>> = Mod::Replace(b"pwdReset".to_vec(), HashSet::new());
    match within(target.left(), ldap.modify(&plan.dn, vec![cleared])).await {
        Ok(result) if result.rc == 0 => match post_read(&result, target.learnt.dialect) {
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
