//! The limits of every text in a request, in bytes of UTF-8, and which characters each may hold.
//!
//! They are the contract's, stated in `docs/contract.md`. What is beyond them is refused while the request is
//! read, before anything acts on it.

/// The longest message on the wire, without the NUL that ends it: 64 KiB.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// The longest bounce, in bytes before base64, that fits into a message beside its envelope.
pub const BOUNCE_MAX: usize = 48_000;

/// The longest page of an administrator's list.
pub const PAGE_MAX: u32 = 1000;

/// Which characters a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// No control character (C0, DEL, C1).
    Plain,
    /// [`Alphabet::Plain`], and no mark that turns the direction of writing: what is compared and shown to
    /// people must read as it is.
    Identifier,
    /// Anything but NUL and line breaks: a passphrase is the person's own.
    Password,
}

/// One kind of text: how long it may be and what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// The most bytes of UTF-8.
    pub max: usize,
    /// The characters allowed.
    pub alphabet: Alphabet,
}

/// A login name.
pub const LOGIN: Text = Text { max: 256, alphabet: Alphabet::Identifier };
/// A mail address: 64 bytes, an `@` and 255 bytes (RFC 5321, section 4.5.3.1).
pub const ADDRESS: Text = Text { max: 320, alphabet: Alphabet::Identifier };
/// A password.
pub const PASSWORD: Text = Text { max: 1024, alphabet: Alphabet::Password };
/// A session, ticket or link.
pub const TOKEN: Text = Text { max: 512, alphabet: Alphabet::Plain };
/// Where the person wanted to go.
pub const RETURN_TO: Text = Text { max: 2048, alphabet: Alphabet::Plain };
/// A language tag (RFC 5646, section 4.4.1).
pub const LOCALE: Text = Text { max: 35, alphabet: Alphabet::Plain };
/// The address of whoever is on the other side of the login page: an IPv6 address with its zone.
pub const IP: Text = Text { max: 64, alphabet: Alphabet::Plain };
/// What a browser says it is: longer ones are clipped, because the person cannot help it.
pub const USER_AGENT: Text = Text { max: 512, alphabet: Alphabet::Plain };
/// The version of a charter.
pub const VERSION: Text = Text { max: 64, alphabet: Alphabet::Plain };
/// A SHA-256 in hexadecimal.
pub const DIGEST: Text = Text { max: 64, alphabet: Alphabet::Plain };
/// A bounce in base64.
pub const BOUNCE: Text = Text { max: MESSAGE_MAX, alphabet: Alphabet::Plain };
/// A person as an administrator names one: a login or an entry's UUID.
pub const PERSON: Text = Text { max: 256, alphabet: Alphabet::Identifier };
/// The state by which an administrator's list is narrowed.
pub const STATE: Text = Text { max: 64, alphabet: Alphabet::Plain };
/// Why an administrator did something: one line.
pub const REASON: Text = Text { max: 1024, alphabet: Alphabet::Plain };
/// A head of the audit chain.
pub const ANCHOR: Text = Text { max: 512, alphabet: Alphabet::Plain };
/// An interface's name.
pub const INTERFACE: Text = Text { max: 255, alphabet: Alphabet::Plain };

impl Text {
    /// Whether a text is of this kind.
    pub fn admits(self, text: &str) -> bool {
        text.len() <= self.max && text.chars().all(|character| self.alphabet.admits(character))
    }
}

impl Alphabet {
    /// Whether a character may stand in such a text.
    pub const fn admits(self, character: char) -> bool {
        match self {
            Self::Plain => !is_control(character),
            Self::Identifier => !is_control(character) && !is_directional(character),
            Self::Password => !matches!(character, '\0' | '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}'),
        }
    }
}

const fn is_control(character: char) -> bool {
    matches!(character, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}')
}

/// The marks by which a text can read otherwise than it is (Unicode Standard Annex 9, section 2).
const fn is_directional(character: char) -> bool {
    matches!(character,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}
