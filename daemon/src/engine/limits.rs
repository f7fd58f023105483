//! Limits on attempts: for each account, address and client, kept in the store, so that a restart forgives nobody.
//!
//! Each count is one instant (the generic cell rate algorithm, ITU-T I.371): when the tank would be empty again.

use super::keys::Keys;
use super::outbox::domain_of;
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

/// The counts of a mail to an address, whoever asks: the address's, its domain's, and the campus's.
pub fn of_mail(keys: &Keys, rates: &Rates, address: &str) -> [Counted; 3] {
    let address = address.to_lowercase();
    let domain = domain_of(&address);
    let counted = |class, subject, rate| Counted { key: key::attempts(keys.counted(class, subject)), rate };
    [
        counted("address", &address, rates.address),
        counted("domain", &domain, rates.domain),
        counted("campus", "", rates.campus),
    ]
}

/// The count of guesses at a login, whether the directory has it or not. Where it has, they count by its entry's UUID as
/// well, however the login is spelt.
pub fn of_login(keys: &Keys, rates: &Rates, login: &str) -> Counted {
    Counted { key: key::attempts(keys.counted("login", &folded(login))), rate: rates.sign_in }
}

/// How many clients' worth of requests a caller may pass on that names no client.
const CLIENTS: u32 = 50;

/// The count of a login page that does not say, or not in a way that can be understood, for which client it asks: a
/// generous one, because everybody behind it shares it.
pub fn of_caller(keys: &Keys, rates: &Rates, uid: u32) -> Counted {
    let rate = Rate { burst: rates.client.burst.saturating_mul(CLIENTS), per: rates.client.per };
    Counted { key: key::attempts(keys.counted("caller", &uid.to_string())), rate }
}

/// The longest that a count of these rates can go on limiting anybody.
pub fn longest(rates: &Rates) -> SignedDuration {
    let all = [
        rates.sign_in,
        rates.address_changes,
        rates.password,
        rates.requests,
        rates.address,
        rates.domain,
        rates.campus,
        rates.client,
    ];
    all.iter().map(|rate| rate.per).max().unwrap_or(SignedDuration::ZERO)
}

/// A login without what directories pass over when they compare (RFC 4518): case, width, surplus spaces, what cannot be
/// seen. Other compatibility forms (ligatures, letters of mathematics) stay apart: nobody is behind these spellings.
fn folded(login: &str) -> String {
    let narrow = |c: char| match c {
        '\u{3000}' => ' ',
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        other => other,
    };
    let seen = login.chars().filter(|c| c.is_whitespace() || !parvis_enrolment::address::invisible(*c));
    let lower: String = seen.map(narrow).flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What an address of a client is, in its one form: an IPv4 address that came in through IPv6 is IPv4, and the zone of a
/// link-local one is of the login page's machine. `None`: it is no address.
pub fn client(ip: &str) -> Option<std::net::IpAddr> {
    let bare = ip.split_once('%').map_or(ip, |(bare, _)| bare);
    bare.parse::<std::net::IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// The count of a client, unless its network is exempt. An IPv6 client has its whole /64. `None` also where no client is
/// named, or not by its address: [`of_caller`] counts those.
pub fn of_client(keys: &Keys, rates: &Rates, ip: Option<&str>) -> Option<Counted> {
    let ip = client(ip?)?;
    if rates.exempt.iter().any(|network| network.contains(ip)) {
        return None;
    }
    let name = match ip {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => (u128::from(ip) >> 64).to_string(),
    };
    Some(Counted { key: key::attempts(keys.counted("client", &name)), rate: rates.client })
}

/// What one more attempt makes of a count: its new value, or how long to wait. A count beyond a full tank is of a clock
/// that was wrong, or of another rate, and is a full tank.
pub fn attempt(full_until: i64, rate: Rate, now: Timestamp) -> Result<i64, SignedDuration> {
    let now = now.as_millisecond();
    let (per, each) = (per(rate), each(rate));
    let next = full_until.clamp(now, now.saturating_add(per)).saturating_add(each);
    let over = next.saturating_sub(now).saturating_sub(per);
    if over > 0 { Err(SignedDuration::from_millis(over)) } else { Ok(next) }
}

/// Whether half of all attempts or more were made: from then on it is kept in the store.
pub fn half_full(until: i64, rate: Rate, now: Timestamp) -> bool {
    until.saturating_sub(now.as_millisecond()) >= per(rate) / 2
}

/// What one attempt adds to a count, in milliseconds.
pub fn each(rate: Rate) -> i64 {
    (millis(rate) / i64::from(rate.burst.max(1))).max(1)
}

fn per(rate: Rate) -> i64 {
    millis(rate).max(each(rate))
}

fn millis(rate: Rate) -> i64 {
    i64::try_from(rate.per.as_millis()).unwrap_or(i64::MAX)
}

/// A count as it is stored; `None` where it is none.
pub fn stored(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_be_bytes)
}

/// Whether a count no longer limits anything: it has run out, or is further ahead than any rate reaches, from a clock
/// that was wrong.
pub fn spent(bytes: &[u8], longest: SignedDuration, now: Timestamp) -> bool {
    let now = now.as_millisecond();
    let furthest = now.saturating_add(i64::try_from(longest.as_millis()).unwrap_or(i64::MAX));
    stored(bytes).is_none_or(|until| !(now.saturating_add(1)..=furthest).contains(&until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    const RATE: Rate = Rate { burst: 3, per: SignedDuration::from_secs(30) };
    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn start() -> Timestamp {
        "2026-09-01T12:00:00Z".parse().unwrap()
    }

    fn used_up() -> i64 {
        (0..3).fold(0, |count, _| attempt(count, RATE, start()).unwrap())
    }

    #[test]
    fn a_burst_then_a_steady_refill() {
        let full = used_up();
        assert_eq!(attempt(full, RATE, start()), Err(SignedDuration::from_secs(10)));
        let later = start() + SignedDuration::from_secs(10);
        assert!(attempt(full, RATE, later).is_ok());
        let full = full.to_be_bytes();
        assert!(!spent(&full, HOUR, later) && spent(&full, HOUR, start() + SignedDuration::from_secs(30)));
    }

    #[test]
    fn a_clock_that_went_back_and_a_broken_count_lock_nobody_out_for_ever() {
        let ahead = used_up() + 10 * 365 * 24 * 3_600_000;
        assert_eq!(attempt(ahead, RATE, start()), Err(SignedDuration::from_secs(10)), "a full tank, no more");
        assert_eq!(attempt(i64::MAX, RATE, start()), Err(SignedDuration::from_secs(10)));
        assert!(attempt(i64::MIN, RATE, start()).is_ok());
        assert!(spent(&ahead.to_be_bytes(), HOUR, start()), "the sweep puts it away");
        assert!(!spent(&used_up().to_be_bytes(), HOUR, start()));
        assert_eq!(stored(b"nonsense-and-more"), None);
        assert!(spent(b"short", HOUR, start()));
    }

    fn rates() -> Rates {
        crate::config::trial::settings("[limits]\nexempt-networks = [\"10.0.0.0/8\"]\n").rates
    }

    fn keys() -> Keys {
        Keys::derive(&SecretString::from("0123456789abcdef0123456789abcdef"))
    }

    #[test]
    fn a_client_is_one_however_its_address_is_written() {
        let rates = rates();
        let count = |ip: &str| of_client(&keys(), &rates, Some(ip));
        assert!(count("192.0.2.1").is_some());
        assert_eq!(count("::ffff:192.0.2.1"), count("192.0.2.1"));
        assert_ne!(count("::ffff:192.0.2.1"), count("::ffff:192.0.2.2"), "they do not share a /64");
        assert_eq!(count("::ffff:10.1.2.3"), None, "exempt, as 10.1.2.3 is");
        assert_eq!(count("fe80::1%eth0"), count("fe80::1"));
        assert!(count("fe80::1%eth0").is_some());
        assert_eq!(count("2001:db8::1"), count("2001:db8::ffff"), "one /64");
        for none in ["", "garbage", "%eth0", "192.0.2.1:80", "192.0.2.1/24"] {
            assert_eq!((count(none), client(none)), (None, None), "{none}");
        }
        assert_eq!(of_client(&keys(), &rates, None), None);
        let caller = of_caller(&keys(), &rates, 33);
        assert_eq!(caller.rate.burst, rates.client.burst * 50);
        assert_ne!(caller, of_caller(&keys(), &rates, 34));
    }

    #[test]
    fn a_login_that_nobody_has_is_one_however_it_is_spelt() {
        let rates = rates();
        let count = |login: &str| of_login(&keys(), &rates, login);
        for same in
            [" Jeanne", "JEANNE ", "\u{FF2A}eanne", "je\u{AD}anne", "jeanne\u{3000}", "je\u{200B}anne"]
        {
            assert_eq!(count(same), count("jeanne"), "{same:?}");
        }
        assert_eq!(count("jeanne  dupont"), count("Jeanne Dupont"));
        assert_ne!(count("jeanne dupont"), count("jeannedupont"));
    }
}
