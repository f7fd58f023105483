//! Mail that comes back: the return path that says which mail it was, and what a delivery report says of it.
//!
//! Everything here comes from strangers. It is read within bounds, and what is kept of it is one clean line; whether the
//! return path is one that we made is for whoever holds the keys.

use mail_parser::{Message, MessageParser, MimeHeaders};

use super::address::{Address, AddressFault};
use super::verdict::fit;

/// The address that mail comes back to, before the word that names the mail: `local` + `delimiter` + word `@domain`
/// (variable envelope return path; the delimiter is what RFC 5233 calls a separator).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPath {
    local: String,
    delimiter: char,
    domain: String,
}

/// The longest word that can stand in a return path, in characters.
pub const WORD: usize = 48;
/// What is left for what stands before the delimiter: RFC 5321 section 4.5.3.1.1 has 64 octets for the local part.
const LOCAL: usize = 64 - 1 - WORD;

/// Why mail cannot come back to that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReturnPathFault {
    /// It is no address.
    #[error(transparent)]
    Address(#[from] AddressFault),
    /// Too long before the @, or more than letters, digits, dots, hyphens and underscores, or with the delimiter in it.
    #[error(
        "should have at most {LOCAL} letters, digits, dots, hyphens or underscores before the @, and not the delimiter"
    )]
    Local,
    /// Not one of `+`, `-`, `=`, `_`, `#`.
    #[error("should be one of + - = _ #")]
    Delimiter,
}

impl ReturnPath {
    /// Reads an address and the delimiter that the campus's mail system has.
    ///
    /// # Errors
    /// Why it cannot be one.
    pub fn new(address: &str, delimiter: &str) -> Result<Self, ReturnPathFault> {
        let delimiter = match delimiter.chars().next() {
            Some(one) if delimiter.len() == 1 && "+-=_#".contains(one) => one,
            Some(_) | None => return Err(ReturnPathFault::Delimiter),
        };
        let address = Address::parse(address)?;
        let plain = |c: char| (c.is_ascii_alphanumeric() || ".-_".contains(c)) && c != delimiter;
        let local = address.local();
        if local.len() > LOCAL || !local.chars().all(plain) {
            return Err(ReturnPathFault::Local);
        }
        Ok(Self { local: local.to_owned(), delimiter, domain: address.domain().to_owned() })
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The address of one mail, by the word that names it.
    ///
    /// # Errors
    /// When the word is too long or not of an address.
    pub fn of(&self, word: &str) -> Result<Address, AddressFault> {
        Address::parse(&format!("{}{}{word}@{}", self.local, self.delimiter, self.domain))
    }

    /// The word in an address of ours, whatever became of its case on the way.
    fn word<'a>(&self, address: &'a str) -> Option<&'a str> {
        let (local, domain) = address.rsplit_once('@')?;
        let (before, rest) = local.split_at_checked(self.local.len())?;
        let word = rest.strip_prefix(self.delimiter)?;
        let ours = before.eq_ignore_ascii_case(&self.local) && domain.eq_ignore_ascii_case(&self.domain);
        (ours && word.len() <= WORD).then_some(word)
    }
}

/// A mail that came back, as far as it was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    /// The words of the return paths that it was sent to, as its headers say; anybody can write them.
    pub words: Vec<String>,
    /// What it reports; `None`: it is no delivery report (RFC 3464), but a holiday notice or a person's words.
    pub report: Option<Report>,
}

/// What a delivery report says of its mail. The reason is one clean line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It will not arrive.
    Failed(String),
    /// It has not arrived yet, and is still tried.
    Delayed(String),
    /// It was delivered, or handed on to where nobody reports from.
    Delivered,
}

/// Where a mail system writes down to which address a mail was delivered: Postfix's, Exim's, and the sender's own.
const ADDRESSED: [&str; 5] = ["X-Original-To", "Delivered-To", "Envelope-To", "To", "Cc"];
/// How many words are looked at: each costs a keyed hash.
const MOST_WORDS: usize = 8;
/// How many recipients of one report are read.
const MOST_BLOCKS: usize = 32;

/// Reads a mail (RFC 5322) that was handed over by the mail system, perhaps cut short.
#[must_use]
pub fn read(message: &[u8], path: &ReturnPath) -> Returned {
    let Some(message) = MessageParser::new().with_mime_headers().default_header_raw().parse(message) else {
        return Returned::default();
    };
    let mut words: Vec<String> = Vec::new();
    for (name, value) in message.headers_raw() {
        if !ADDRESSED.iter().any(|header| header.eq_ignore_ascii_case(name)) {
            continue;
        }
        let addresses = value.split(|c: char| c.is_whitespace() || "<>,;:\"()".contains(c));
        for word in addresses.filter_map(|address| path.word(address)) {
            if words.len() < MOST_WORDS && !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
            }
        }
    }
    Returned { words, report: report(&message) }
}

/// The part that machines read (RFC 3464 section 2.1; RFC 6533 for addresses outside ASCII).
fn report(message: &Message<'_>) -> Option<Report> {
    let part = message.parts.iter().find(|part| {
        part.content_type().is_some_and(|kind| {
            let subtype = kind.c_subtype.as_deref().unwrap_or_default();
            kind.c_type.eq_ignore_ascii_case("message")
                && ["delivery-status", "global-delivery-status"]
                    .iter()
                    .any(|known| subtype.eq_ignore_ascii_case(known))
        })
    })?;
    let text = String::from_utf8_lossy(part.contents()).replace("\r\n", "\n");
    // The first block is about the report itself; each other one is about one recipient.
    let reports: Vec<Report> = text
        .split("\n\n")
        .filter(|block| !block.trim().is_empty())
        .take(MOST_BLOCKS)
        .filter_map(recipient)
        .collect();
    let delivered = reports.contains(&Report::Delivered);
    let failed = reports.iter().find(|report| matches!(report, Report::Failed(_)) && !delivered);
    let delayed = || reports.iter().find(|report| matches!(report, Report::Delayed(_)));
    failed.or_else(delayed).or_else(|| reports.iter().find(|report| **report == Report::Delivered)).cloned()
}

/// What one block says of its recipient; `None`: it is about none.
fn recipient(block: &str) -> Option<Report> {
    let fields = fields(block);
    let field = |name: &str| {
        let found = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let action = field("Action")?.split_whitespace().next()?.to_ascii_lowercase();
    let status = field("Status").unwrap_or_default();
    // "smtp; 550 5.1.1 …": what is before the semicolon says whose words these are (RFC 3464 section 2.3.6).
    let diagnostic =
        field("Diagnostic-Code").map(|code| code.split_once(';').map_or(code, |(_, words)| words));
    let words = || fit(diagnostic.unwrap_or(status), &[]);
    match action.as_str() {
        "failed" => Some(Report::Failed(words())),
        "delayed" => Some(Report::Delayed(words())),
        "delivered" | "relayed" | "expanded" => Some(Report::Delivered),
        _ => None,
    }
}

/// The fields of a block, unfolded (RFC 5322 section 2.2.3).
fn fields(block: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match fields.last_mut() {
            Some((_, value)) if line.starts_with([' ', '\t']) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            _ => {
                if let Some((name, value)) = line.split_once(':') {
                    fields.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> ReturnPath {
        ReturnPath::new("rebond@univ.example", "+").unwrap()
    }

    /// As Postfix writes it to pipe(8) with `flags=DORX`.
    fn postfix(status: &str) -> String {
        format!(
            "Return-Path: <>\r\nX-Original-To: rebond+abc234@univ.example\r\nDelivered-To: rebond+abc234@univ.example\r\n\
             From: MAILER-DAEMON@mx.example (Mail Delivery System)\r\nTo: rebond+abc234@univ.example\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"ABC.1/mx\"\r\n\r\n\
             This is a MIME-encapsulated message.\r\n\r\n--ABC.1/mx\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n\r\n\
             --ABC.1/mx\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; mx.example\r\nX-Postfix-Sender: rfc822; rebond+abc234@univ.example\r\n\
             Arrival-Date: Tue,  1 Sep 2026 12:00:00 +0200 (CEST)\r\n\r\n{status}\r\n\
             --ABC.1/mx\r\nContent-Type: message/rfc822\r\n\r\nSubject: Activez votre compte\r\n\r\n…\r\n--ABC.1/mx--\r\n"
        )
    }

    const FAILED: &str = "Final-Recipient: rfc822; j@example.org\r\nOriginal-Recipient: rfc822;j@example.org\r\n\
        Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.example.org\r\n\
        Diagnostic-Code: smtp; 550 5.1.1 <j@example.org>: Recipient address\r\n    rejected: User unknown\r\n";

    fn check(message: &str, words: &[&str], report: Option<Report>) {
        let read = read(message.as_bytes(), &path());
        assert_eq!(
            (read.words, read.report),
            (words.iter().map(|w| (*w).to_owned()).collect(), report),
            "{message}"
        );
    }

    #[test]
    fn reports_as_real_mail_systems_write_them() {
        let words = "550 5.1.1 <j@example.org>: Recipient address rejected: User unknown".to_owned();
        check(&postfix(FAILED), &["abc234"], Some(Report::Failed(words)));
        let delayed = "Final-Recipient: rfc822; j@example.org\r\nAction: delayed\r\nStatus: 4.4.1\r\n\
            Diagnostic-Code: X-Postfix; connect to mx.example.org[192.0.2.1]:25: Connection timed out\r\n\
            Will-Retry-Until: Sun, 6 Sep 2026 12:00:00 +0200 (CEST)\r\n";
        let words = "connect to mx.example.org[192.0.2.1]:25: Connection timed out".to_owned();
        check(&postfix(delayed), &["abc234"], Some(Report::Delayed(words)));
        let relayed = "Final-Recipient: rfc822; j@example.org\r\nAction: relayed (to a system without DSN)\r\nStatus: 2.0.0\r\n";
        check(&postfix(relayed), &["abc234"], Some(Report::Delivered));
        // No Diagnostic-Code: the status is all that there is (Exchange, when a rule refuses).
        let bare = "Final-Recipient: rfc822;j@example.org\r\nAction: failed\r\nStatus: 5.7.1\r\n";
        check(&postfix(bare), &["abc234"], Some(Report::Failed("5.7.1".to_owned())));
    }

    #[test]
    fn of_several_recipients_one_that_has_it_is_enough() {
        let delivered = "Final-Recipient: rfc822; k@example.org\r\nAction: delivered\r\nStatus: 2.0.0\r\n";
        check(&postfix(&format!("{FAILED}\r\n{delivered}")), &["abc234"], Some(Report::Delivered));
    }

    #[test]
    fn what_is_no_report_reports_nothing() {
        let holiday = "To: Rebond <REBOND+ABC234@Univ.Example>\r\nAuto-Submitted: auto-replied\r\nSubject: Absent\r\n\r\nAction: failed\r\n";
        check(holiday, &["ABC234"], None);
        check("To: help@univ.example, rebond@univ.example\r\n\r\n", &[], None);
        let complaint = postfix(FAILED).replace("message/delivery-status", "message/feedback-report");
        check(&complaint, &["abc234"], None);
        check("", &[], None);
        check("\u{0}\u{1}\u{2}", &[], None);
    }

    #[test]
    fn hostile_reports_are_bounded_and_clean() {
        let nasty = "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 550 \u{202e}see http://evil.example/ \u{7}\r\n \
            <script>\r\n";
        let read = read(postfix(nasty).as_bytes(), &path());
        let Some(Report::Failed(words)) = read.report else { panic!("not read") };
        assert!(words.contains("[link]") && !words.contains("evil"), "{words}");
        assert!(!words.contains('\u{202e}') && !words.contains('\u{7}') && !words.contains('\n'), "{words}");
        let long = format!("Action: failed\r\nDiagnostic-Code: smtp; {}\r\n", "x ".repeat(50_000));
        let many = format!("{}\r\n", "Action: delayed\r\n\r\n".repeat(10_000));
        for status in [long, many] {
            let read = super::read(postfix(&status).as_bytes(), &path());
            assert!(read.report.is_some());
        }
        let to: String = (0..5_000).map(|n| format!("rebond+w{n}@univ.example, ")).collect();
        let read = super::read(format!("To: {to}\r\n\r\n").as_bytes(), &path());
        assert_eq!(read.words.len(), MOST_WORDS);
        // Cut anywhere, it is read as far as it goes, and never panics.
        let whole = postfix(FAILED);
        (0..whole.len()).filter(|at| whole.is_char_boundary(*at)).for_each(|at| {
            assert!(super::read(&whole.as_bytes()[..at], &path()).words.len() <= 1);
        });
    }

    #[test]
    fn a_return_path_gives_back_its_word_and_no_other() {
        let word = "a".repeat(WORD);
        let address = path().of(&word).unwrap();
        assert_eq!(path().word(address.as_str()), Some(word.as_str()));
        for other in [
            "rebond@univ.example",
            "rebond+x@elsewhere.example",
            "help+x@univ.example",
            "+x@univ.example",
            "é",
            "",
        ] {
            assert_eq!(path().word(other), None, "{other}");
        }
        let dashed = ReturnPath::new("rebond@univ.example", "-").unwrap();
        assert_eq!(dashed.of("x").unwrap().as_str(), "rebond-x@univ.example");
        assert_eq!(ReturnPath::new("re-bond@univ.example", "-"), Err(ReturnPathFault::Local));
        assert_eq!(ReturnPath::new("much.longer.than.that@univ.example", "+"), Err(ReturnPathFault::Local));
        assert_eq!(ReturnPath::new("rebond@univ.example", "++"), Err(ReturnPathFault::Delimiter));
        assert_eq!(ReturnPath::new("rebond", "+"), Err(ReturnPathFault::Address(AddressFault::NoAt)));
    }
}
