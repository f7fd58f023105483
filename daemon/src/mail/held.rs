//! What the words of a mail server, which are kept, mean to the person who waits for the mail.
//!
//! Only for what is said to them: whether a mail is tried again is decided from the reply itself, in `verdict`.

use super::verdict::Stage;

/// Why a mail has not been taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Its mail system asks us to come back later.
    Later,
    /// The mailbox is full.
    Full,
    /// It is our own mail server's trouble: it does not answer, or has not got as far as the address.
    Ours,
}

/// Reads it from the words that [`super::SendError`] or a delivery report (RFC 3464) has.
#[must_use]
pub fn held(words: &str) -> Held {
    let early = Stage::BEFORE_RECIPIENT
        .iter()
        .any(|stage| words.strip_prefix(stage.as_str()).is_some_and(|rest| rest.starts_with([':', ' '])));
    let tokens = || words.split(|c: char| c.is_whitespace() || ":;,()[]<>=-".contains(c));
    let enhanced = tokens().find_map(subject_and_detail);
    let lower = words.to_lowercase();
    let full = ["mailbox full", "mailbox is full", "over quota", "overquota", "quota exceeded"];
    if early {
        Held::Ours
    } else if enhanced == Some((2, 2)) || full.iter().any(|sign| lower.contains(sign)) {
        Held::Full
    } else if matches!(enhanced, Some((3, _))) {
        // The mail system itself (RFC 3463 section 3.4): its disk, its queue.
        Held::Ours
    } else if enhanced.is_some() || tokens().any(is_basic) {
        Held::Later
    } else {
        Held::Ours
    }
}

/// A reply's code (RFC 5321 section 4.2) that says no.
fn is_basic(token: &str) -> bool {
    token.len() == 3 && token.parse().is_ok_and(|code: u16| (400..600).contains(&code))
}

/// The two numbers after the class of an enhanced code (RFC 3463) that says no.
fn subject_and_detail(token: &str) -> Option<(u16, u16)> {
    let mut numbers = token.split('.').map(|part| part.parse::<u16>().ok());
    let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
    (numbers.next().is_none() && matches!(class, 4 | 5)).then_some((subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_told_in_one_of_three_ways() {
        for (words, expected) in [
            ("RCPT TO: 450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted", Held::Later),
            ("RCPT TO: 451 later", Held::Later),
            ("RCPT TO: 421 too many messages", Held::Later),
            ("end of message: 451 4.7.1 try again in 300 seconds", Held::Later),
            ("smtp; 450 4.7.1 rate limited", Held::Later),
            ("4.4.1 connection to mx.b.example timed out", Held::Later),
            ("RCPT TO: 452 4.2.2 The email account that you tried to reach is over quota", Held::Full),
            ("RCPT TO: 452 Mailbox full", Held::Full),
            ("smtp; 452-4.2.2 mailbox full", Held::Full),
            ("end of message: 451 4.3.0 Error: queue file write error", Held::Ours),
            ("RCPT TO: 451 4.3.0 <a@b.example>: Temporary lookup failure", Held::Ours),
            ("greeting: 421 4.3.2 too many connections", Held::Ours),
            ("MAIL FROM: 451 4.1.8 cannot look up the sender", Held::Ours),
            ("connect to 192.0.2.1 port 587: connection refused", Held::Ours),
            ("RCPT TO: no answer within 30 s", Held::Ours),
            ("sendmail: exit 75", Held::Ours),
            ("", Held::Ours),
        ] {
            assert_eq!(held(words), expected, "{words}");
        }
    }
}
