//! What is said to a mail server and lettre has no words for: several commands at once, and a message in one write.
//!
//! It must not read an answer.

use std::fmt;

use lettre::transport::smtp::commands::{Data, Mail, Rcpt};

/// RFC 5321 section 4.1.1.5.
pub(super) struct Rset;

impl fmt::Display for Rset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RSET\r\n")
    }
}

/// A mail's three commands as one group, for a server that announces PIPELINING (RFC 2920): it answers each, and DATA is
/// the last of a group (section 3.1).
pub(super) struct Group {
    pub(super) from: Mail,
    pub(super) to: Rcpt,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{Data}", self.from, self.to)
    }
}

/// A message with its final dot, its own dots at the beginning of a line doubled (RFC 5321 section 4.5.2). As one write:
/// the dot alone would be another packet, and wake the server once more.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = 0;
        // By the dots, which are found faster than line ends before one are.
        for (at, _) in self.0.match_indices('.') {
            let (before, _) = self.0.split_at(at);
            if before.is_empty() || before.ends_with("\r\n") {
                f.write_str(self.0.get(written..at).unwrap_or_default())?;
                f.write_str(".")?;
                written = at;
            }
        }
        f.write_str(self.0.get(written..).unwrap_or_default())?;
        f.write_str("\r\n.\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_that_begin_a_line_are_doubled_and_others_are_not() {
        let texts = [
            ("a", "a\r\n.\r\n"),
            ("a\r\n", "a\r\n\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("a.b\r\n.c\r\n..\r\n.\r\nd", "a.b\r\n..c\r\n...\r\n..\r\nd\r\n.\r\n"),
            ("\r\n.\r\n.", "\r\n..\r\n..\r\n.\r\n"),
            ("", "\r\n.\r\n"),
        ];
        for (text, sent) in texts {
            assert_eq!(Text(text).to_string(), sent, "{text:?}");
        }
    }

    #[test]
    fn a_group_is_three_lines_and_data_the_last() {
        let address = |text: &str| Some(text.parse().unwrap());
        let (from, to) = (address("a@univ.example"), address("b@perso.example").unwrap());
        let group = Group { from: Mail::new(from, Vec::new()), to: Rcpt::new(to, Vec::new()) };
        let sent = group.to_string();
        assert_eq!(sent, "MAIL FROM:<a@univ.example>\r\nRCPT TO:<b@perso.example>\r\nDATA\r\n");
    }
}
