//! Proving a password by a bind, on connections that are never the service's own.
//!
//! An unknown person costs a bind as well, and as much time: nobody learns who exists from how long the answer takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ldap3::LdapResult;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::ber::{self, PASSWORD_POLICY, PolicyError};
use super::handle::ANSWER;
use super::link::{Fault, Link, bare_control, refusal, within};
use super::{Dialect, Directory, DirectoryError, Outside};

/// What the directory said to a name and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindOutcome {
    /// The password is right.
    Accepted {
        /// The policy wants it changed before anything else (`pwdReset`).
        must_change: bool,
    },
    /// Wrong password, no such person, or no password at all.
    Refused,
    /// The policy has locked the account; the password was not judged.
    Locked,
    /// The password has expired.
    Expired,
}

/// Connections for binds of people.
#[derive(Debug)]
pub(super) struct Binders {
    idle: Mutex<Vec<(Link, Instant)>>,
    room: Semaphore,
    /// What a bind of a real entry takes, in microseconds, averaged.
    cost: AtomicU64,
    outside: Outside,
}

/// Binds at the same time.
const MAX_BINDS: usize = 16;
/// Connections kept between binds.
const MAX_IDLE: usize = 4;
/// A kept connection older than this is not trusted to be alive.
const KEPT: Duration = Duration::from_secs(30);

impl Binders {
    pub(super) fn new(outside: Outside) -> Binders {
        let idle = Mutex::new(Vec::new());
        Binders { idle, room: Semaphore::new(MAX_BINDS), cost: AtomicU64::new(0), outside }
    }

    fn reuse(&self) -> Option<Link> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(link, since)| !link.closed() && since.elapsed() < KEPT);
        idle.pop().map(|(link, _)| link)
    }

    fn keep(&self, link: Link) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push((link, Instant::now()));
        }
    }

    /// Move the average an eighth of the way.
    fn learn_cost(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX / 16);
        let old = self.cost.load(Ordering::Relaxed);
        let new = if old == 0 { took } else { old - old / 8 + took / 8 };
        self.cost.store(new, Ordering::Relaxed);
    }
}

impl Directory {
    /// Is this the password of that entry? `None`: there is no entry; a bind that fails is made all the same.
    ///
    /// An empty password is refused without asking (RFC 4513, section 5.1.2).
    ///
    /// # Errors
    /// [`DirectoryError`], within the time of a question; `Refused` also where the connection is not protected.
    pub async fn authenticate(
        &self,
        dn: Option<&str>,
        password: &SecretString,
    ) -> Result<BindOutcome, DirectoryError> {
        if password.expose_secret().is_empty() {
            return Ok(BindOutcome::Refused);
        }
        let limit = self.inner.prepared.settings.timeouts.operation.min(ANSWER);
        match timeout(limit, self.prove(dn, password)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(DirectoryError::Unavailable("no answer in time".to_owned())),
        }
    }

    async fn prove(&self, dn: Option<&str>, password: &SecretString) -> Result<BindOutcome, DirectoryError> {
        let binders = &self.inner.binders;
        let settings = &self.inner.prepared.settings;
        let closing = |_| DirectoryError::Unavailable("too many binds at once".to_owned());
        let _room = binders.room.acquire().await.map_err(closing)?;
        let decoy = match &settings.decoy {
            Some(decoy) => decoy.clone(),
            None => format!("uid=nobody-{:016x},{}", (binders.outside.random)(), settings.base),
        };
        let began = Instant::now();
        let result = self.bind(dn.unwrap_or(&decoy), password).await?;
        let outcome = judged(&result, self.dialect())?;
        if dn.is_some() {
            binders.learn_cost(began.elapsed());
        }
        if dn.is_none() {
            let usual = Duration::from_micros(binders.cost.load(Ordering::Relaxed));
            sleep(usual.saturating_sub(began.elapsed())).await;
            return Ok(BindOutcome::Refused);
        }
        Ok(outcome)
    }

    async fn bind(&self, dn: &str, password: &SecretString) -> Result<LdapResult, DirectoryError> {
        let binders = &self.inner.binders;
        let limit = self.inner.prepared.settings.timeouts.operation;
        if let Some(link) = binders.reuse()
            && let Ok(result) = bind_on(&link, dn, password, limit).await
        {
            binders.keep(link);
            return Ok(result);
        }
        let unavailable = |fault: Fault| DirectoryError::Unavailable(fault.words());
        let (_, service) = self.link(Instant::now() + limit).await?;
        let link = Link::dial(&self.inner.prepared, service.index).await.map_err(unavailable)?;
        if !link.protected {
            let text = "passwords are not sent in clear text: use ldaps:// or starttls".to_owned();
            return Err(DirectoryError::Refused { code: 13, text });
        }
        let result = bind_on(&link, dn, password, limit).await.map_err(unavailable)?;
        binders.keep(link);
        Ok(result)
    }
}

async fn bind_on(
    link: &Link,
    dn: &str,
    password: &SecretString,
    limit: Duration,
) -> Result<LdapResult, Fault> {
    let mut ldap = link.ldap();
    ldap.with_controls(vec![bare_control(PASSWORD_POLICY)]);
    within(limit, ldap.simple_bind(dn, password.expose_secret())).await
}

/// The policy's error in a result, where there is one.
pub(super) fn policy(result: &LdapResult) -> Option<PolicyError> {
    let control = result.ctrls.iter().find(|control| control.1.ctype == PASSWORD_POLICY)?;
    ber::policy_error(control.1.val.as_deref()?)
}

/// What Active Directory says after `data` in the text of a refused bind, in hexadecimal: the reason, which it gives
/// only where the password itself was right (MS-ERREF, section 2.2; MS-ADTS, section 5.1.1.1.1).
fn reason(text: &str) -> Option<BindOutcome> {
    let (_, code) = text.split_once("data ")?;
    let code = code.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    match u32::from_str_radix(code, 16).ok()? {
        0x773 => Some(BindOutcome::Accepted { must_change: true }),
        0x532 => Some(BindOutcome::Expired),
        // Disabled, expired, locked out: an administrator's business.
        0x533 | 0x701 | 0x775 => Some(BindOutcome::Locked),
        _ => None,
    }
}

fn judged(result: &LdapResult, dialect: Dialect) -> Result<BindOutcome, DirectoryError> {
    if dialect == Dialect::ActiveDirectory
        && result.rc == 49
        && let Some(outcome) = reason(&result.text)
    {
        return Ok(outcome);
    }
    match (result.rc, policy(result)) {
        (0, Some(PolicyError::ChangeAfterReset)) => Ok(BindOutcome::Accepted { must_change: true }),
        (0, _) => Ok(BindOutcome::Accepted { must_change: false }),
        (_, Some(PolicyError::Locked)) => Ok(BindOutcome::Locked),
        (_, Some(PolicyError::Expired)) => Ok(BindOutcome::Expired),
        (51 | 52, _) => Err(DirectoryError::Unavailable(refusal(result))),
        (32 | 34 | 48 | 49, _) => Ok(BindOutcome::Refused),
        // Only entries that exist are answered so, and nobody may learn which do.
        (code, _) => {
            tracing::warn!(code, text = %refusal(result), "the directory refuses a bind for another reason");
            Ok(BindOutcome::Refused)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_directory_says_in_hexadecimal_why_it_refuses_the_right_password() {
        let said = |data: &str| {
            reason(&format!(
                "80090308: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data {data}, v4f7c"
            ))
        };
        assert_eq!(said("773"), Some(BindOutcome::Accepted { must_change: true }));
        assert_eq!(said("532"), Some(BindOutcome::Expired));
        assert_eq!(said("775"), Some(BindOutcome::Locked));
        for wrong in ["52e", "525", "", "zz"] {
            assert_eq!(said(wrong), None, "{wrong}");
        }
        assert_eq!(reason("data"), None);
    }

    #[test]
    fn every_refusal_is_alike_but_an_outage() {
        let answered = |rc| {
            let (matched, text) = (String::new(), "why".to_owned());
            judged(&LdapResult { rc, matched, text, refs: Vec::new(), ctrls: Vec::new() }, Dialect::Openldap)
        };
        for code in [1, 8, 13, 19, 32, 34, 48, 49, 50, 53, 80] {
            assert_eq!(answered(code), Ok(BindOutcome::Refused), "{code}");
        }
        for code in [51, 52] {
            assert!(matches!(answered(code), Err(DirectoryError::Unavailable(_))), "{code}");
        }
        assert_eq!(answered(0), Ok(BindOutcome::Accepted { must_change: false }));
    }
}
