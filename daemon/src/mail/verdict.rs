//! What a server's reply means to whoever wants to send the mail.
//!
//! Pure: a stage, a code and words in, one of four verdicts out.

use std::fmt;

use super::clean;

/// Why a mail was not, or perhaps not, accepted: by what the caller can do about it. The words are the server's or the
/// network's, on one line, cut to 300 characters, without links.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// This mail will never be accepted. Give it up; with `address_fault`, ask the person for another address.
    #[error("refused for good: {words}")]
    Permanent {
        /// The reply's code; none where a program refused it.
        code: Option<u16>,
        /// The reply's enhanced code, where it had one.
        enhanced: Option<Enhanced>,
        /// Whether the recipient's address is at fault (unknown, disabled, full), and not the message or a policy.
        address_fault: bool,
        /// What the server said.
        words: String,
    },
    /// Nothing was sent, and nothing can be: the server lacks what the address needs (SMTPUTF8). Ask the person for
    /// another address.
    #[error("the mail server cannot send to this address: {words}")]
    Unable {
        /// What it lacks.
        words: String,
    },
    /// Try again later.
    #[error("not accepted for now: {words}")]
    Transient {
        /// The reply's code; none for a fault of the network.
        code: Option<u16>,
        /// Whether it was said before the recipient was named, or not said at all: it would be of any other mail, too.
        about_us: bool,
        /// What happened.
        words: String,
    },
    /// No mail will pass until the sysadmin acts: hold all of them, and say so.
    #[error("the mail server does not take our mails: {words}")]
    Configuration {
        /// The reply's code, where it was a reply.
        code: Option<u16>,
        /// What is wrong.
        words: String,
    },
    /// The connection failed after the whole message had left: it may have been accepted. Sending it again may repeat
    /// it, with the same Message-ID.
    #[error("the mail server did not say whether it took the mail: {words}")]
    MaybeSent {
        /// What happened.
        words: String,
    },
}

/// An enhanced status code of RFC 3463: class, subject, detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Enhanced(pub u16, pub u16, pub u16);

impl Enhanced {
    /// Reads `5.1.1` at the beginning of a reply's words. A class that contradicts the reply's code does not count
    /// (RFC 2034 section 4).
    fn read(code: u16, text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().next()?.split('.').map(|part| {
            let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        });
        let enhanced = Self(numbers.next()??, numbers.next()??, numbers.next()??);
        (numbers.next().is_none() && enhanced.0 == code / 100).then_some(enhanced)
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Where in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Connect,
    Greeting,
    StartTls,
    Tls,
    Auth,
    Noop,
    Rset,
    MailFrom,
    RcptTo,
    Data,
    Message,
}

impl Stage {
    /// Where no recipient is named yet: what is said can only be about us.
    pub(crate) const BEFORE_RECIPIENT: [Self; 8] = [
        Self::Connect,
        Self::Greeting,
        Self::StartTls,
        Self::Tls,
        Self::Auth,
        Self::Noop,
        Self::Rset,
        Self::MailFrom,
    ];

    fn is_before_recipient(self) -> bool {
        Self::BEFORE_RECIPIENT.contains(&self)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::StartTls => "STARTTLS",
            Self::Tls => "TLS",
            Self::Auth => "AUTH",
            Self::Noop => "NOOP",
            Self::Rset => "RSET",
            Self::MailFrom => "MAIL FROM",
            Self::RcptTo => "RCPT TO",
            Self::Data => "DATA",
            Self::Message => "end of message",
        }
    }
}

/// A negative reply, as the server gave it.
pub(crate) struct Reply<'a> {
    pub(crate) code: u16,
    pub(crate) text: &'a str,
}

/// The verdict on a negative reply. `hidden` are words that may not be repeated, `to` the recipient.
pub(crate) fn verdict(stage: Stage, reply: &Reply<'_>, to: &str, hidden: &[String]) -> SendError {
    let code = Some(reply.code);
    let enhanced = Enhanced::read(reply.code, reply.text);
    let words = format!("{}: {} {}", stage.as_str(), reply.code, fit(reply.text, hidden));
    if !(500..600).contains(&reply.code) {
        return SendError::Transient { code, about_us: stage.is_before_recipient(), words };
    }
    // Asked to sign in, or not let in: true of every mail, at whatever stage it is said (RFC 4954 section 6).
    // So is that we may not send in this sender's name, which Exchange says only after the message (5.2.252, 5.7.60).
    let ours = matches!(enhanced, Some(Enhanced(5, 7, 8 | 60) | Enhanced(5, 2, 252)));
    if ours || matches!(reply.code, 530 | 534 | 535 | 538) {
        return SendError::Configuration { code, words };
    }
    match stage {
        _ if stage.is_before_recipient() => SendError::Configuration { code, words },
        Stage::RcptTo if is_about_us(enhanced, reply.text, to) => SendError::Configuration { code, words },
        Stage::RcptTo => {
            let address_fault = is_address_fault(reply.code, enhanced, true);
            SendError::Permanent { code, enhanced, address_fault, words }
        }
        _ => {
            let address_fault = is_address_fault(reply.code, enhanced, false);
            SendError::Permanent { code, enhanced, address_fault, words }
        }
    }
}

/// Whether the recipient's address is what the server did not like. Without an enhanced code, the reply's own decides
/// (RFC 5321 section 4.2.3, RFC 7504), and only where it answers RCPT.
fn is_address_fault(code: u16, enhanced: Option<Enhanced>, at_recipient: bool) -> bool {
    match enhanced {
        // 5.1.7 and 5.1.8 are about the sender, and judged before.
        Some(Enhanced(_, 1, _)) => true,
        // 5.2.3: the message is too long for that mailbox.
        Some(Enhanced(_, 2, detail)) => detail != 3,
        // Routing: only at RCPT does it speak of where the address leads (Exchange says 5.4.1 for the unknown).
        Some(Enhanced(_, 4, _)) => at_recipient,
        // 5.6.7: an address that is not ASCII. 5.7.13: the recipient's account is disabled.
        Some(Enhanced(_, 6, 7) | Enhanced(_, 7, 13)) => true,
        Some(Enhanced(_, 0, 0)) | None => at_recipient && matches!(code, 501 | 550..=553 | 556),
        Some(_) => false,
    }
}

/// A reply to RCPT that refuses us, not the recipient: the sender's address (5.1.7, 5.1.8), this machine, or relaying at
/// all. Servers have one code (5.7.1) for these and for a policy on one recipient, so it is read from how the words
/// begin, after the address that they quote. Only from the beginning: further on may stand another server's words, and
/// one odd recipient could hold everybody's mail.
fn is_about_us(enhanced: Option<Enhanced>, text: &str, to: &str) -> bool {
    const BEGINNINGS: [&str; 8] = [
        "relay",
        "unable to relay",
        "smtp; unable to relay",
        "we do not relay",
        "no relay",
        "client host rejected",
        "sender address rejected",
        "helo command rejected",
    ];
    match enhanced {
        Some(Enhanced(5, 1, 7 | 8)) => true,
        None | Some(Enhanced(5, 7, _)) => {
            let text = text.to_ascii_lowercase().replace(&to.to_ascii_lowercase(), "");
            let words = text.trim_start_matches(|c: char| !c.is_ascii_alphabetic() && c != '<');
            let words =
                words.strip_prefix('<').and_then(|w| w.split_once('>')).map_or(words, |(_, rest)| rest);
            let words = words.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
            BEGINNINGS.iter().any(|beginning| words.starts_with(beginning))
        }
        Some(_) => false,
    }
}

/// A server's or the network's words, fit to be kept and shown: one line, cut, without links or what is hidden.
pub(crate) fn fit(text: &str, hidden: &[String]) -> String {
    let mut text = text.to_owned();
    for word in hidden {
        text = text.replace(word, "[…]");
    }
    let line = clean::plain(&text, 4_000);
    let shown: Vec<&str> = line.split(' ').map(|word| if is_link(word) { "[link]" } else { word }).collect();
    clean::plain(&shown.join(" "), 300)
}

fn is_link(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.contains("://") || word.contains("www.") || word.contains("%3a%2f%2f")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(stage: Stage, code: u16, text: &str) -> &'static str {
        match verdict(stage, &Reply { code, text }, "relay@example.org", &[]) {
            SendError::Permanent { address_fault: true, .. } => "address",
            SendError::Permanent { address_fault: false, .. } => "content",
            SendError::Transient { .. } => "later",
            SendError::Configuration { .. } => "us",
            SendError::MaybeSent { .. } => "maybe",
            SendError::Unable { .. } => "unable",
        }
    }

    #[test]
    fn replies_as_real_servers_give_them() {
        use Stage::{Auth, Data, Greeting, MailFrom, Message, RcptTo, StartTls};
        for (stage, code, text, expect) in [
            // Postfix
            (RcptTo, 550, "5.1.1 <relay@example.org>: Recipient address rejected: User unknown", "address"),
            (RcptTo, 450, "4.2.0 <relay@example.org>: Recipient address rejected: Greylisted", "later"),
            (RcptTo, 554, "5.7.1 <relay@example.org>: Relay access denied", "us"),
            (RcptTo, 550, "5.7.1 <relay@example.org>: Recipient address rejected: Access denied", "content"),
            (RcptTo, 553, "5.7.1 <a@b.fr>: Sender address rejected: not logged in", "us"),
            (RcptTo, 554, "5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", "us"),
            (RcptTo, 550, "5.1.8 <a@b.fr>: Sender address rejected: Domain not found", "us"),
            (RcptTo, 556, "5.1.10 <relay@example.org>: Recipient address rejected: nullMX", "address"),
            (RcptTo, 552, "5.2.2 Mailbox full", "address"),
            (MailFrom, 552, "5.3.4 Message size exceeds fixed limit", "us"),
            (MailFrom, 530, "5.7.0 Must issue a STARTTLS command first", "us"),
            (Message, 552, "5.3.4 Error: message file too big", "content"),
            (Message, 554, "5.7.1 Spam message rejected", "content"),
            (Message, 550, "5.1.1 No such user", "address"),
            (Data, 554, "5.5.1 Error: no valid recipients", "content"),
            (Message, 451, "4.3.0 Error: queue file write error", "later"),
            (Greeting, 554, "5.7.1 you are listed", "us"),
            (Greeting, 421, "4.3.2 too many connections", "later"),
            (StartTls, 454, "4.7.0 TLS not available due to local problem", "later"),
            (Auth, 535, "5.7.8 Error: authentication failed", "us"),
            (Auth, 454, "4.7.0 Temporary authentication failure", "later"),
            // Exim, sendmail, Exchange
            (RcptTo, 550, "relay not permitted", "us"),
            (RcptTo, 550, "5.7.1 relay@example.org... Relaying denied", "us"),
            (RcptTo, 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "us"),
            (RcptTo, 550, "5.4.1 Recipient address rejected: Access denied.", "address"),
            (RcptTo, 550, "Unknown user", "address"),
            (RcptTo, 554, "Refused", "content"),
            (RcptTo, 501, "5.1.3 Bad recipient address syntax", "address"),
            (RcptTo, 553, "5.6.7 SMTPUTF8 required", "address"),
            (Message, 554, "5.2.252 SendAsDenied; a@b.fr not allowed to send as c@d.fr", "us"),
            (Message, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender", "us"),
            // One recipient's server cannot make it look as if all relaying were refused.
            (RcptTo, 550, "5.1.1 x: undeliverable: host mx said: 554 5.7.1 Relay access denied", "address"),
            (RcptTo, 550, "5.7.1 undeliverable: host mx said: 554 5.7.1 Relay access denied", "content"),
            // A code out of order
            (RcptTo, 354, "go on", "later"),
            (RcptTo, 550, "4.1.1 contradicts itself", "address"),
        ] {
            assert_eq!(judge(stage, code, text), expect, "{stage:?} {code} {text}");
        }
    }

    #[test]
    fn words_are_one_clipped_line_without_links() {
        let token = "kX2v9QfYw0mZ3bT7sLr5cN1hJ8pD6gEaUiOyRtWqVxM".to_owned();
        let text =
            format!("5.7.1 see\r\n https://a.example/l/{token} token={token}\u{7}{}", "x".repeat(9_000));
        let words = fit(&text, std::slice::from_ref(&token));
        assert!(words.starts_with("5.7.1 see [link] token=[…]x"), "{words}");
        assert!(words.chars().count() <= 301 && !words.contains(&token) && !words.contains(char::is_control));
    }
}
