//! Addresses that mail can be sent to.
//!
//! Syntax only: whether an address belongs to the campus, or forwards to itself, is a rule and lives elsewhere.

use std::fmt;

use super::clean;

/// An address of RFC 5321 (or RFC 6531, where the local part is not ASCII), with its domain as ASCII (IDNA 2008) and
/// in lower case. The local part is as it was given: only its own domain knows what case means there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(lettre::Address);

impl Address {
    /// Reads one address, without a display name, a comment or space around it.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        if text.len() > MAX_ADDRESS * 2 {
            return Err(AddressFault::TooLong);
        }
        if text.chars().any(clean::is_unprintable) {
            return Err(AddressFault::Characters);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressFault::NoAt)?;
        let domain = ascii_domain(domain)?;
        check_local(local)?;
        if local.len() > MAX_LOCAL
            || domain.len() > MAX_DOMAIN
            || local.len() + 1 + domain.len() > MAX_ADDRESS
        {
            return Err(AddressFault::TooLong);
        }
        lettre::Address::new(local, &domain).map(Self).map_err(|_| AddressFault::Syntax)
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        self.0.user()
    }

    /// The domain, in ASCII and lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    /// Whether only a server that offers SMTPUTF8 (RFC 6531) can take it.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.as_str().is_ascii()
    }

    pub(crate) fn lettre(&self) -> &lettre::Address {
        &self.0
    }
}

/// Octets, RFC 5321 section 4.5.3.1. A path is 256 with its angle brackets.
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;
const MAX_ADDRESS: usize = 254;

/// Why a text is not an address that Parvis sends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// There is no `@`.
    #[error("the address has no @")]
    NoAt,
    /// Control characters, bidirectional controls or invisible marks.
    #[error("the address has characters that cannot be seen")]
    Characters,
    /// Over RFC 5321's limits: 64 octets before the `@`, 254 in all.
    #[error("the address is too long")]
    TooLong,
    /// Not a fully qualified domain name: one label, an IP address or literal, or not a name at all.
    #[error("the address has no full domain name after the @")]
    Domain,
    /// Not a local part, or one that a program could take for an option.
    #[error("the address is not written as addresses are")]
    Syntax,
}

/// Domain literals (`[192.0.2.1]`), bare IP addresses and names of one label are nobody's recovery address.
fn ascii_domain(domain: &str) -> Result<String, AddressFault> {
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| AddressFault::Domain)?;
    let (_, last) = ascii.rsplit_once('.').ok_or(AddressFault::Domain)?;
    if last.is_empty() || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressFault::Domain);
    }
    Ok(ascii)
}

/// A leading `-` is an option to a program that gets the address as an argument (sendmail does).
fn check_local(local: &str) -> Result<(), AddressFault> {
    let bare = local.strip_prefix('"').unwrap_or(local);
    if bare.is_empty() || bare.starts_with('-') { Err(AddressFault::Syntax) } else { Ok(()) }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, AddressFault>) {
        assert_eq!(
            Address::parse(text).map(|a| a.as_str().to_owned()),
            expect.map(str::to_owned),
            "{text:?}"
        );
    }

    #[test]
    fn good_addresses() {
        check("jeanne.dupont@example.org", Ok("jeanne.dupont@example.org"));
        check("Jeanne+uni@Example.ORG", Ok("Jeanne+uni@example.org"));
        check("o'brien@example.org", Ok("o'brien@example.org"));
        check("\"a b\"@example.org", Ok("\"a b\"@example.org"));
        check("j@bücher.example", Ok("j@xn--bcher-kva.example"));
        check("j@università.example", Ok("j@xn--universit-y1a.example"));
        check("josé@example.org", Ok("josé@example.org"));
        assert!(Address::parse("josé@example.org").unwrap().needs_smtputf8());
        assert!(!Address::parse("j@bücher.example").unwrap().needs_smtputf8());
    }

    #[test]
    fn limits_are_those_of_rfc_5321() {
        let local = "a".repeat(64);
        check(&format!("{local}@example.org"), Ok(&format!("{local}@example.org")));
        check(&format!("{local}a@example.org"), Err(AddressFault::TooLong));
        let domain = format!("{0}.{0}.{0}.example", "b".repeat(60));
        check(&format!("{}@{domain}", "a".repeat(63)), Ok(&format!("{}@{domain}", "a".repeat(63))));
        check(&format!("{local}@{domain}"), Err(AddressFault::TooLong));
        check(&format!("a@{}.org", "b".repeat(64)), Err(AddressFault::Domain));
        check(&"a".repeat(1_000_000), Err(AddressFault::TooLong));
    }

    #[test]
    fn hostile_and_hopeless_addresses() {
        use AddressFault::{Characters, Domain, NoAt, Syntax};
        for (text, fault) in [
            ("", NoAt),
            ("jeanne", NoAt),
            ("@example.org", Syntax),
            ("jeanne@", Domain),
            ("jeanne@localhost", Domain),
            ("jeanne@example.org.", Domain),
            ("jeanne@.example.org", Domain),
            ("jeanne@example..org", Domain),
            ("jeanne@[192.0.2.1]", Domain),
            ("jeanne@192.0.2.1", Domain),
            ("jeanne@-example.org", Domain),
            ("jeanne@exa mple.org", Domain),
            ("jeanne@exam_ple.org", Domain),
            ("-oQ/tmp@example.org", Syntax),
            ("\"-oQ\"@example.org", Syntax),
            ("a b@example.org", Syntax),
            ("a..b@example.org", Syntax),
            (".a@example.org", Syntax),
            ("a,b@example.org", Syntax),
            ("<a@example.org>", Domain),
            ("Jeanne <a@example.org", Syntax),
            ("a@example.org>\r\nDATA", Characters),
            ("a@example.org\r\nRCPT TO:<b@example.org>", Characters),
            ("a\0@example.org", Characters),
            ("a\u{202E}@example.org", Characters),
            ("\"a\r\nb\"@example.org", Characters),
            ("a@b@example.org", Syntax),
            ("a@example.org>", Domain),
        ] {
            check(text, Err(fault));
        }
    }
}
