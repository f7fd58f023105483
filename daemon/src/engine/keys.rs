//! Keys and tokens: what is derived from the master key, and the tokens that people carry.
//!
//! A token is never stored. It is the identifier, a keyed hash of identifier and person, and the person under a
//! mask, so that it leads to its enrolment without an index and cannot be made without the key. A link's token is no
//! session's and no ticket's: each kind has its own key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use parvis_enrolment::{Id, PersonId};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A mailed link.
    Link,
    /// A browser at the steps.
    Session,
    /// A hand-over.
    Ticket,
}

/// A genuine token's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose enrolment.
    pub person: PersonId,
    /// Which link, session or ticket.
    pub id: Id,
}

/// The keys, each for one use.
pub struct Keys {
    link: Zeroizing<[u8; 32]>,
    session: Zeroizing<[u8; 32]>,
    ticket: Zeroizing<[u8; 32]>,
    mask: Zeroizing<[u8; 32]>,
    limits: Zeroizing<[u8; 32]>,
    audit: Zeroizing<[u8; 32]>,
    returned: Zeroizing<[u8; 32]>,
    check: [u8; 32],
}

impl Keys {
    /// Derives every key from the master key.
    pub fn derive(master: &SecretString) -> Self {
        let of = |purpose: &str| {
            let key = mac(master.expose_secret().as_bytes(), &[b"parvis 1 ", purpose.as_bytes()]);
            Zeroizing::new(key)
        };
        Self {
            link: of("link"),
            session: of("session"),
            ticket: of("ticket"),
            mask: of("mask"),
            limits: of("limits"),
            audit: of("audit"),
            returned: of("return path"),
            check: *of("check"),
        }
    }

    /// The token of an identifier: 64 characters of base64url.
    pub fn token(&self, kind: Kind, token: Token) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; 48]);
        let parts = token
            .id
            .0
            .iter()
            .chain(&self.tag(kind, token))
            .copied()
            .chain(self.masked(token))
            .collect::<Vec<_>>();
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
    }

    /// What a text is the token of; `None` where we did not make it.
    pub fn open(&self, kind: Kind, text: &str) -> Option<Token> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (tag, rest) = rest.split_first_chunk::<16>()?;
        let masked: [u8; 16] = rest.try_into().ok()?;
        let id = Id(*id);
        let person = Id(xor(masked, self.stream(id)));
        let token = Token { person, id };
        bool::from(self.tag(kind, token).ct_eq(tag)).then_some(token)
    }

    /// The key with which the audit chain is linked.
    pub fn audit(&self) -> [u8; 32] {
        *self.audit
    }

    /// The key of return paths: [`super::returned`].
    pub fn returned(&self) -> &[u8] {
        self.returned.as_slice()
    }

    /// Tells whether a store was written under the same master key, and nothing else.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.check
    }

    /// Under what name a subject (an address, a client) is counted: the store need not know it.
    pub fn counted(&self, class: &str, subject: &str) -> [u8; 16] {
        cut(mac(self.limits.as_slice(), &[class.as_bytes(), b"\0", subject.as_bytes()]))
    }

    fn tag(&self, kind: Kind, token: Token) -> [u8; 16] {
        let key = match kind {
            Kind::Link => &self.link,
            Kind::Session => &self.session,
            Kind::Ticket => &self.ticket,
        };
        cut(mac(key.as_slice(), &[&token.id.0, &token.person.0]))
    }

    fn stream(&self, id: Id) -> [u8; 16] {
        cut(mac(self.mask.as_slice(), &[&id.0]))
    }

    fn masked(&self, token: Token) -> [u8; 16] {
        xor(token.person.0, self.stream(token.id))
    }
}

/// HMAC-SHA-256 (RFC 2104) over the parts, one after the other.
pub fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// The beginning of a keyed hash (RFC 2104 section 5 permits to truncate it).
pub fn cut<const N: usize>(long: [u8; 32]) -> [u8; N] {
    let mut short = [0; N];
    short.iter_mut().zip(long).for_each(|(to, from)| *to = from);
    short
}

/// Each byte of one under that of the other.
pub fn xor<const N: usize>(mut a: [u8; N], b: [u8; N]) -> [u8; N] {
    a.iter_mut().zip(b).for_each(|(to, from)| *to ^= from);
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(master: &str) -> Keys {
        Keys::derive(&SecretString::from(master))
    }

    const TOKEN: Token = Token { person: Id([7; 16]), id: Id([9; 16]) };

    #[test]
    fn a_token_opens_what_it_was_made_for() {
        let keys = keys("0123456789abcdef0123456789abcdef");
        for kind in [Kind::Link, Kind::Session, Kind::Ticket] {
            let text = keys.token(kind, TOKEN);
            assert_eq!(text.len(), 64);
            assert_eq!(keys.open(kind, &text), Some(TOKEN));
        }
    }

    #[test]
    fn a_token_opens_nothing_else() {
        let (ours, theirs) =
            (keys("0123456789abcdef0123456789abcdef"), keys("another master key of enough bytes"));
        let text = ours.token(Kind::Link, TOKEN);
        assert_eq!(ours.open(Kind::Session, &text), None, "a link is no session");
        assert_eq!(ours.open(Kind::Ticket, &text), None, "a link is no ticket");
        assert_eq!(theirs.open(Kind::Link, &text), None, "another key");
        for bad in [
            "",
            "x",
            &text[1..],
            &text[..63],
            &format!("{}A", *text),
            &format!("{}=", *text),
            &text.to_lowercase(),
        ] {
            assert_eq!(ours.open(Kind::Link, bad), None, "{bad}");
        }
        for at in 0..64 {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(bytes).unwrap();
            assert_eq!(ours.open(Kind::Link, &other), None, "character {at} changed");
        }
    }

    #[test]
    fn a_token_does_not_show_whose_it_is() {
        let keys = keys("0123456789abcdef0123456789abcdef");
        let bytes = URL_SAFE_NO_PAD.decode(keys.token(Kind::Link, TOKEN).as_bytes()).unwrap();
        assert!(!bytes.windows(4).any(|window| window == [7; 4]));
    }
}
