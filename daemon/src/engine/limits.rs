//! Limits on attempts: for each account, address and client, kept in the store, so that a restart forgives nothing.
//!
//! Each count is one instant (the generic cell rate algorithm, ITU-T I.371): when the tank would be empty again.

use super::keys::Keys;
use crate::config::{Rate, Rates};
use crate::dossier::key;
use jiff::{SignedDuration, Timestamp};
use parvis_enrolment::PersonId;

/// One count that a request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Its key in the store.
    pub key: Vec<u8>,
    /// Its rate.
    pub rate: Rate,
}

/// What kind of attempt it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Proving a password.
    SignIn,
    /// Giving an address: a mail follows.
    AddressChange,
    /// A new password: the directory is written.
    Password,
    /// Anything that changes something.
    Request,
}

/// The counts of an attempt by an account.
pub fn of_account(keys: &Keys, rates: &Rates, class: Class, person: PersonId) -> Counted {
    let (name, rate) = match class {
        Class::SignIn => ("sign-in", rates.sign_in),
        Class::AddressChange => ("address-change", rates.address_changes),
        Class::Password => ("password", rates.password),
        Class::Request => ("request", rates.requests),
    };
    Counted { key: key::attempts(keys.counted(name, &person.to_string())), rate }
}

/// The count of mails to an address, whoever asks.
pub fn of_address(keys: &Keys, rates: &Rates, address: &str) -> Counted {
    Counted { key: key::attempts(keys.counted("address", &address.to_lowercase())), rate: rates.address }
}

/// The count of a login that may not exist.
pub fn of_login(keys: &Keys, rates: &Rates, login: &str) -> Counted {
    Counted { key: key::attempts(keys.counted("login", &login.to_lowercase())), rate: rates.sign_in }
}

/// The count of a client, unless its network is exempt. An IPv6 client has its whole /64.
pub fn of_client(keys: &Keys, rates: &Rates, ip: Option<&str>) -> Option<Counted> {
    let ip: std::net::IpAddr = ip?.parse().ok()?;
    if rates.exempt.iter().any(|network| network.contains(ip)) {
        return None;
    }
    let name = match ip {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => (u128::from(ip) >> 64).to_string(),
    };
    Some(Counted { key: key::attempts(keys.counted("client", &name)), rate: rates.client })
}

/// What one more attempt makes of a count: its new value, or how long to wait.
pub fn attempt(stored: Option<&[u8]>, rate: Rate, now: Timestamp) -> Result<[u8; 8], SignedDuration> {
    let now = now.as_millisecond();
    let per = i64::try_from(rate.per.as_millis()).unwrap_or(i64::MAX);
    let each = (per / i64::from(rate.burst.max(1))).max(1);
    let empty = stored.and_then(|bytes| bytes.try_into().ok()).map_or(now, i64::from_be_bytes).max(now);
    let next = empty.saturating_add(each);
    let over = next.saturating_sub(now).saturating_sub(per.max(each));
    if over > 0 { Err(SignedDuration::from_millis(over)) } else { Ok(next.to_be_bytes()) }
}

/// Whether a count no longer limits anything.
pub fn spent(stored: &[u8], now: Timestamp) -> bool {
    stored.try_into().map_or(true, |bytes| i64::from_be_bytes(bytes) <= now.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, per: SignedDuration::from_secs(30) };

    #[test]
    fn a_burst_then_a_steady_refill() {
        let start: Timestamp = "2026-09-01T12:00:00Z".parse().unwrap();
        let mut stored: Option<[u8; 8]> = None;
        for _ in 0..3 {
            stored = Some(attempt(stored.as_ref().map(|b| b.as_slice()), RATE, start).unwrap());
        }
        let full = stored.unwrap();
        assert_eq!(attempt(Some(&full), RATE, start), Err(SignedDuration::from_secs(10)));
        let later = start + SignedDuration::from_secs(10);
        assert!(attempt(Some(&full), RATE, later).is_ok());
        assert!(!spent(&full, later) && spent(&full, start + SignedDuration::from_secs(30)));
    }

    #[test]
    fn a_clock_that_went_back_and_a_broken_count_lock_nobody_out_for_ever() {
        let now: Timestamp = "2026-09-01T12:00:00Z".parse().unwrap();
        assert!(attempt(Some(b"nonsense-and-more"), RATE, now).is_ok());
        assert!(spent(b"short", now));
    }
}
