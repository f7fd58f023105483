//! The private Postfix before the inbox.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use super::leash::working_in;
use parvis_stand::run::{feed, program, until};
use parvis_stand::{Behaviour, Inbox, InboxOptions, Postfix, PostfixOptions};

const SOON: Duration = Duration::from_secs(20);

fn started(inbox: &Inbox) -> Postfix {
    Postfix::start(&PostfixOptions { relay_to: inbox.port(), ..PostfixOptions::default() }).unwrap()
}

/// Sends one mail: a dialogue typed into openssl, for TLS.
fn submit(postfix: &Postfix, to: &str, tls: &[&str]) -> String {
    let mut command = Command::new(program("openssl").unwrap());
    command.args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "mx.univ.example"]);
    command.arg("-CAfile").arg(postfix.ca_file()).args(tls);
    let dialogue = format!(
        "EHLO test\r\nMAIL FROM:<campus@univ.example>\r\nRCPT TO:<{to}>\r\nDATA\r\n\
         Subject: through Postfix\r\n\r\nhello\r\n.\r\nQUIT\r\n"
    );
    command.arg("-ign_eof");
    String::from_utf8_lossy(&feed(command, dialogue.as_bytes()).unwrap().stdout).into_owned()
}

#[test]
fn mail_submitted_under_tls_reaches_the_inbox_and_a_bounce_comes_back() {
    let inbox = Inbox::start(InboxOptions::default()).unwrap();
    inbox.script("gone@x.example", Behaviour::Reject);
    inbox.script("later@x.example", Behaviour::Defer(1));
    let mut postfix = started(&inbox);
    let starttls = format!("127.0.0.1:{}", postfix.submission_port());
    let said = submit(&postfix, "a@x.example", &["-starttls", "smtp", "-connect", &starttls]);
    assert!(said.contains("queued as"), "{said}\n{}", postfix.log());
    let tls = format!("127.0.0.1:{}", postfix.submissions_port());
    submit(&postfix, "later@x.example", &["-connect", &tls]);
    submit(&postfix, "gone@x.example", &["-connect", &tls]);
    let mail = inbox.wait_for("a@x.example", |mail| mail.subject() == "through Postfix", SOON).unwrap();
    assert!(mail.header("Received").unwrap().contains("with ESMTPS"), "{:?}", mail.header("Received"));
    inbox.wait_for("later@x.example", |_| true, SOON).unwrap();
    let bounce = inbox.wait_for("campus@univ.example", |_| true, SOON).unwrap();
    assert_eq!(bounce.from, "");
    assert!(bounce.text().unwrap().contains("550 5.1.1"), "{}", bounce.readable());

    postfix.restart().unwrap();
    submit(&postfix, "b@x.example", &["-connect", &tls]);
    inbox.wait_for("b@x.example", |_| true, SOON).unwrap();
}

#[test]
fn submission_without_tls_is_refused_and_nothing_stays_after_a_drop() {
    let inbox = Inbox::start(InboxOptions::default()).unwrap();
    let postfix = started(&inbox);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", postfix.submission_port())).unwrap();
    stream.write_all(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nQUIT\r\n").unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stream, &mut said).unwrap();
    assert!(said.contains("530 5.7.0 Must issue a STARTTLS"), "{said}");
    let dir = postfix.ca_file().parent().unwrap().to_owned();
    assert!(working_in(&dir) > 1);
    drop(postfix);
    assert!(!dir.exists());
    // Postfix's parts work in its queue, and end a moment after their master.
    let gone = until(SOON, || Ok((working_in(&dir) == 0).then_some(()))).unwrap();
    assert!(gone.is_some(), "{} processes still work in {}", working_in(&dir), dir.display());
}
