//! How mail leaves: by which way, and who signs it.

use super::Notes;
use super::settings::within;
use crate::config::{MailSettings, Settings};
use crate::mail::Way;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The longest text in one piece of a TXT record, in bytes (RFC 1035 section 3.3).
const PIECE: usize = 255;

/// Who signs, with the record for the DNS; a signature counts for DMARC where its domain is the sender's, or one is
/// below the other (RFC 7489 section 3.1.1, relaxed).
pub fn signature(settings: &Settings, notes: &mut Notes) {
    let mail = &settings.mail;
    let Some(signer) = &mail.dkim else {
        return notes.ok("mails are signed (DKIM) by the mail server, or not at all: mail.dkim is not set");
    };
    notes.ok(format!("mails are signed for {} ({})", signer.domain(), signer.algorithm()));
    notes.ok(format!(
        "the record that has to be in the DNS: {}",
        zone_line(&signer.record_name(), &signer.record())
    ));
    let from = mail.from.rsplit('@').next().unwrap_or_default();
    let from = idna::domain_to_ascii(from).unwrap_or_else(|_| from.to_lowercase());
    if !within(signer.domain(), &from) && !within(&from, signer.domain()) {
        let action =
            "sign for the domain of mail.from, or one above it: for DMARC the signature counts for nothing";
        let what = format!("the signature is of {}, and mail.from in {from}", signer.domain());
        notes.warning(what, "one domain, or one below the other", action);
    }
}

/// Where mails are handed to.
pub fn place(mail: &MailSettings) -> String {
    match &mail.way {
        Way::Smtp => format!("{} port {}", mail.host, mail.port),
        Way::Lmtp(None) => format!("{} port {} (LMTP)", mail.host, mail.port),
        Way::Lmtp(Some(socket)) => format!("{} (LMTP)", socket.display()),
        Way::Sendmail(program) => program.display().to_string(),
    }
}

/// What can be said of a way that only a mail would show.
pub fn way(mail: &MailSettings, notes: &mut Notes) {
    match &mail.way {
        Way::Smtp => {}
        Way::Lmtp(_) => {
            let what =
                "LMTP takes a mail for mailboxes of its own: recovery addresses are elsewhere, as a rule";
            let action =
                "only where that server relays what comes by LMTP; parvisctl mail test you@elsewhere.example";
            notes.warning(what, "a server that sends mail to the world", action);
        }
        Way::Sendmail(program) => {
            for helper in [program.clone(), program.with_file_name("postdrop")] {
                if privileged(&helper) {
                    let what = format!(
                        "{} works by the rights of its own user or group, and the unit takes those away \
                         (NoNewPrivileges)",
                        helper.display()
                    );
                    let action = "use transport = \"smtp\" to localhost, which needs no such rights; or a sendmail \
                                  without them, such as msmtp's";
                    notes.warning(what, "a program without setuid and setgid", action);
                }
            }
        }
    }
}

fn privileged(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & 0o6000 != 0)
}

/// The record as a zone file has it: texts longer than [`PIECE`] in pieces.
fn zone_line(name: &str, record: &str) -> String {
    let pieces =
        (0..record.len()).step_by(PIECE).filter_map(|at| record.get(at..record.len().min(at + PIECE)));
    let pieces: Vec<String> = pieces.map(|piece| format!("\"{piece}\"")).collect();
    format!("{name}. IN TXT ( {} )", pieces.join(" "))
}

#[cfg(test)]
mod tests {
    use super::zone_line;

    #[test]
    fn a_long_record_is_in_pieces_that_a_zone_file_takes() {
        assert_eq!(zone_line("a._domainkey.b", "v=DKIM1"), "a._domainkey.b. IN TXT ( \"v=DKIM1\" )");
        let line = zone_line("a", &"x".repeat(600));
        assert_eq!(line.matches('x').count(), 600);
        assert!(line.split('"').all(|piece| piece.len() <= 255), "{line}");
    }
}
