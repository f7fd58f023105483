//! Mail addresses: what may stand for a person's own address outside the campus.

use email_address::{EmailAddress, Options};

/// The longest address that a mail can be sent to, in bytes (RFC 5321, 4.5.3.1.3).
pub const LONGEST: usize = 254;

/// An address that is well formed, as the person wrote it but for the domain, which is in lower-case ASCII form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    local: String,
    domain: String,
}

/// Why a text is no address that a mail can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// Nothing was given.
    #[error("no address was given")]
    Empty,
    /// Longer than [`LONGEST`].
    #[error("the address is longer than {LONGEST} characters")]
    TooLong,
    /// It has control characters or marks that change the direction of writing.
    #[error("the address has characters that cannot be seen")]
    Invisible,
    /// It is not `name@domain.example`.
    #[error("the address is not of the form name@domain")]
    Malformed,
}

impl Address {
    /// Reads an address (RFC 5321 mailbox, RFC 6531 where it is international). A display name, a domain without a
    /// dot, a domain literal, and a name that begins with `-` (an option to some mail programs) are refused. A quoted name
    /// (RFC 5321 section 4.1.2) is kept in its shortest form, without quotes where it needs none.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let text = text.trim_matches([' ', '\t', '\u{a0}', '\u{202f}']);
        if text.is_empty() {
            return Err(AddressFault::Empty);
        }
        if text.len() > LONGEST {
            return Err(AddressFault::TooLong);
        }
        if text.chars().any(invisible) {
            return Err(AddressFault::Invisible);
        }
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        let parsed = EmailAddress::parse_with_options(text, options).map_err(|_| AddressFault::Malformed)?;
        let domain = ascii_domain(parsed.domain()).ok_or(AddressFault::Malformed)?;
        // No top-level domain is a number (RFC 3696, section 2); 127.0.0.1 is no domain, and some mail systems take it.
        if domain.rsplit('.').next().is_none_or(|top| top.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(AddressFault::Malformed);
        }
        let local = shortest(parsed.local_part());
        let address = Self { local, domain };
        let bare = address.local.trim_matches('"');
        if bare.is_empty() || bare.starts_with('-') || address.local.len() > 64 {
            return Err(AddressFault::Malformed);
        }
        if address.to_string().len() > LONGEST { Err(AddressFault::TooLong) } else { Ok(address) }
    }

    /// Whether the address is in one of these domains, or in a domain below one of them.
    pub fn within(&self, domains: &[String]) -> bool {
        domains.iter().filter_map(|domain| ascii_domain(domain)).any(|own| {
            self.domain == own || self.domain.strip_suffix(&own).is_some_and(|above| above.ends_with('.'))
        })
    }

    /// Whether both reach the same mailbox as far as anybody outside can tell: local parts are compared without case.
    pub fn same_as(&self, other: &str) -> bool {
        Self::parse(other).is_ok_and(|other| {
            self.domain == other.domain && self.local.to_lowercase() == other.local.to_lowercase()
        })
    }

    /// The same without a detail: what stands before the first of these characters (RFC 5233's user part). A quoted name
    /// has none.
    pub fn bare(&self, delimiters: &str) -> Self {
        let local = self.local.as_str();
        let at = local.char_indices().skip(1).find(|(_, c)| delimiters.contains(*c)).map(|(at, _)| at);
        let user = at.filter(|_| !local.starts_with('"')).and_then(|at| local.get(..at)).unwrap_or(local);
        Self { local: user.to_owned(), domain: self.domain.clone() }
    }

    /// Whether both reach the same mailbox of a mail system where these characters begin a detail.
    pub fn reaches(&self, other: &str, delimiters: &str) -> bool {
        Self::parse(other)
            .is_ok_and(|other| self.bare(delimiters).same_as(&other.bare(delimiters).to_string()))
    }

    /// As shown to somebody who has not proven that it is theirs: `j•••@e•••.org`.
    pub fn masked(&self) -> String {
        let (name, top) = self.domain.rsplit_once('.').unwrap_or((&self.domain, ""));
        format!("{}•••@{}•••.{top}", first(&self.local), first(name))
    }
}

/// The same for a text that was an address when it was stored.
pub fn masked(address: &str) -> String {
    Address::parse(address).map_or_else(|_| "•••".to_owned(), |address| address.masked())
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// A local part as it is written shortest: a quoted one without quotes where they are not needed, and without backslashes
/// before what needs none (RFC 5321 section 4.1.2 forbids to tell these forms apart).
fn shortest(local: &str) -> String {
    let Some(quoted) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return local.to_owned();
    };
    let (mut plain, mut escaped) = (String::new(), false);
    for c in quoted.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            plain.push(c);
            escaped = false;
        }
    }
    let options = Options::default().without_display_text();
    let bare = !plain.contains('"')
        && EmailAddress::parse_with_options(&format!("{plain}@x.example"), options).is_ok();
    if bare {
        return plain;
    }
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

fn first(text: &str) -> String {
    text.chars().take(1).collect()
}

/// IDNA 2008 by UTS 46 as browsers do it; `None` where there is no such form.
fn ascii_domain(domain: &str) -> Option<String> {
    idna::domain_to_ascii_strict(domain.trim_end_matches('.')).ok().filter(|ascii| !ascii.is_empty())
}

/// Characters that a reader cannot see and that have no business in an address or a login.
pub fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}'
            | '\u{ad}' | '\u{180e}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, AddressFault>) {
        let found = Address::parse(text).map(|address| address.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn addresses_that_people_have() {
        check("jeanne@example.org", Ok("jeanne@example.org"));
        check("  Jeanne.D'Arc+parvis@Example.ORG\u{a0}", Ok("Jeanne.D'Arc+parvis@example.org"));
        check("jeanne@bücher.example", Ok("jeanne@xn--bcher-kva.example"));
        check("józef@example.pl", Ok("józef@example.pl"));
        check("\"a b\"@example.org", Ok("\"a b\"@example.org"));
        check("\"jeanne.dupont\"@example.org", Ok("jeanne.dupont@example.org"));
        check("\"j\\\\ean\\ne\"@example.org", Ok("\"j\\\\eanne\"@example.org"));
        check("\"a@b\"@example.org", Ok("\"a@b\"@example.org"));
        check("jeanne@example.org.", Err(AddressFault::Malformed));
    }

    #[test]
    fn addresses_that_nobody_has() {
        check("", Err(AddressFault::Empty));
        check("   ", Err(AddressFault::Empty));
        check("jeanne", Err(AddressFault::Malformed));
        check("\"-oQ\"@example.org", Err(AddressFault::Malformed));
        check("\"\"@example.org", Err(AddressFault::Malformed));
        check("\"a\"b\"@example.org", Err(AddressFault::Malformed));
        check("jeanne@localhost", Err(AddressFault::Malformed));
        check("jeanne@[127.0.0.1]", Err(AddressFault::Malformed));
        check("-oQ/tmp@example.org", Err(AddressFault::Malformed));
        check("a@b@example.org", Err(AddressFault::Malformed));
        check("Jeanne <jeanne@example.org>", Err(AddressFault::Malformed));
        check("a@example.org, b@example.org", Err(AddressFault::Malformed));
        check("a@exa mple.org", Err(AddressFault::Malformed));
        check("a@-example.org", Err(AddressFault::Malformed));
        check("a@example..org", Err(AddressFault::Malformed));
        check("jeanne@example.org\r\nBcc: all@example.org", Err(AddressFault::Invisible));
        check("jeanne\0@example.org", Err(AddressFault::Invisible));
        check("jeanne\u{202e}@example.org", Err(AddressFault::Invisible));
        check(&format!("{}@example.org", "a".repeat(65)), Err(AddressFault::Malformed));
        check(&format!("a@{}.org", "b".repeat(300)), Err(AddressFault::TooLong));
    }

    #[test]
    fn own_domains_are_seen_through_case_and_idn() {
        let own = ["univ.example".to_owned(), "bücher.example".to_owned()];
        let within = |text: &str| Address::parse(text).unwrap().within(&own);
        assert!(within("a@univ.example") && within("a@UNIV.example") && within("a@etu.univ.example"));
        assert!(within("a@xn--bcher-kva.example"));
        assert!(!within("a@notuniv.example") && !within("a@univ.example.org"));
    }

    #[test]
    fn a_detail_is_seen_through_where_the_mail_system_knows_details() {
        let reaches = |text: &str, own: &str, marks: &str| Address::parse(text).unwrap().reaches(own, marks);
        assert!(reaches("Jeanne+a+b@univ.example", "jeanne@univ.example", "+"));
        assert!(reaches("jeanne@univ.example", "jeanne+x@univ.example", "+"));
        assert!(reaches("jeanne-x@UNIV.example", "jeanne@univ.example", "+-"));
        assert!(!reaches("jeanne-x@univ.example", "jeanne@univ.example", "+"));
        assert!(!reaches("jeanne+x@univ.example", "jeanne@univ.example", ""));
        assert!(!reaches("+x@univ.example", "x@univ.example", "+"));
        assert!(!reaches("\"jeanne +x\"@univ.example", "jeanne@univ.example", "+"));
        assert!(!reaches("jeanne+x@univ.example", "jeanne@etu.univ.example", "+"));
    }

    #[test]
    fn a_mask_shows_enough_to_recognise_and_no_more() {
        assert_eq!(masked("jeanne@example.org"), "j•••@e•••.org");
        assert_eq!(masked("élise@etu.example.org"), "é•••@e•••.org");
        assert_eq!(masked("nonsense"), "•••");
    }
}
