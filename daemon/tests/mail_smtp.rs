//! The conversation with a mail server, with one that behaves and with ones that do not.
#![cfg(test)]

#[path = "mail_support/peer.rs"]
mod peer;

use std::time::{Duration, Instant};

use parvisd::mail::{
    Address, Composed, Connection, Letter, Locale, Login, MailName, Relay, RelayFault, RelaySettings,
    Security, SendError, Sender, Templates, Values, compose,
};
use peer::{Act, Peer, Setup, Tls, certificate, say};

const TOKEN: &str = "kX2v9QfYw0mZ3bT7sLr5cN1hJ8pD6gEaUiOyRtWqVxM";
/// Long enough for a busy machine, and short enough to wait for.
const SHORT: Duration = Duration::from_millis(700);

fn mail_to(to: &str) -> Composed {
    let values = Values {
        link: Some(format!("https://activation.univ.example/l/{TOKEN}")),
        ..Values::sample(Locale::Fr, true)
    };
    let rendered = Templates::load(None).unwrap().render(MailName::Link, Locale::Fr, &values).unwrap();
    let sender = Sender::new("Université", "ne-pas-repondre@univ.example", None).unwrap();
    let date = "2026-09-01T12:30:00Z".parse().unwrap();
    let letter = Letter {
        return_path: None,
        kind: "link",
        to,
        name: None,
        rendered: &rendered,
        locale: Locale::Fr,
        date,
        message_id: "42@univ.example",
    };
    compose(&sender, &letter).unwrap()
}

fn mail() -> Composed {
    mail_to("jeanne@example.org")
}

fn settings(peer: &Peer) -> RelaySettings {
    RelaySettings { port: peer.port, ..RelaySettings::new("localhost", "parvis.univ.example") }
}

fn impatient(peer: &Peer) -> RelaySettings {
    RelaySettings { step_deadline: SHORT, message_deadline: SHORT, ..settings(peer) }
}

async fn peer(rules: Vec<(&'static str, Act)>) -> Peer {
    Peer::start(Setup::default(), rules).await
}

async fn connect(settings: RelaySettings) -> Result<Connection, SendError> {
    Relay::new(settings).unwrap().connect().await
}

/// Connects and sends one mail, wherever that ends.
async fn attempt(settings: RelaySettings) -> Result<String, SendError> {
    Ok(connect(settings).await?.send(&mail()).await?.reply)
}

fn kind(error: &SendError) -> &'static str {
    match error {
        SendError::Permanent { address_fault: true, .. } => "address",
        SendError::Permanent { .. } => "content",
        SendError::Transient { .. } => "later",
        SendError::Configuration { .. } => "us",
        SendError::MaybeSent { .. } => "maybe",
    }
}

const STAGES: [&str; 6] = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."];

#[tokio::test]
async fn mails_go_one_after_the_other_over_one_connection() {
    let peer = peer(vec![]).await;
    let mut connection = connect(settings(&peer)).await.unwrap();
    for _ in 0..3 {
        assert!(connection.fit().await);
        assert_eq!(connection.send(&mail()).await.unwrap().reply, "250 2.0.0 queued as 4Zx1");
    }
    connection.quit().await;
    let one = ["MAIL FROM:<ne-pas-repondre@univ.example>", "RCPT TO:<jeanne@example.org>", "DATA"];
    let mut expect = vec!["EHLO parvis.univ.example"];
    for _ in 0..3 {
        expect.extend(one);
    }
    expect.push("QUIT");
    assert_eq!(peer.commands(), expect);
    let sent = String::from_utf8(mail().bytes).unwrap();
    for got in peer.mails() {
        assert_eq!(got.trim_end(), sent.trim_end());
    }
    assert_eq!(peer.mails().len(), 3);
}

#[tokio::test]
async fn lines_that_begin_with_a_dot_arrive_as_they_were() {
    let peer = peer(vec![]).await;
    let mut mail = mail();
    mail.bytes = b"Subject: x\r\n\r\n.\r\n..two\r\n.\r\nend\r\n".to_vec();
    connect(settings(&peer)).await.unwrap().send(&mail).await.unwrap();
    assert_eq!(peer.mails()[0].trim_end(), "Subject: x\r\n\r\n.\r\n..two\r\n.\r\nend");
}

#[tokio::test]
async fn refusals_at_every_stage_say_what_to_do() {
    for (stage, reply, expect, code) in [
        ("CONNECT", "554 5.7.1 you are listed", "us", Some(554)),
        ("CONNECT", "421 4.3.2 too busy", "later", Some(421)),
        ("EHLO", "550 5.7.1 bad name", "us", Some(550)),
        ("EHLO", "451 4.3.0 later", "later", Some(451)),
        ("MAIL", "530 5.7.0 authentication required", "us", Some(530)),
        ("MAIL", "550 5.7.1 sender refused", "us", Some(550)),
        ("MAIL", "452 4.3.1 no space", "later", Some(452)),
        ("RCPT", "550 5.1.1 no such user", "address", Some(550)),
        ("RCPT", "552 5.2.2 mailbox full", "address", Some(552)),
        ("RCPT", "550 no such user", "address", Some(550)),
        ("RCPT", "554 5.7.1 <jeanne@example.org>: Relay access denied", "us", Some(554)),
        ("RCPT", "550 5.7.1 policy", "content", Some(550)),
        ("RCPT", "450 4.2.0 greylisted", "later", Some(450)),
        ("RCPT", "421 4.7.0 slow down", "later", Some(421)),
        ("DATA", "554 5.5.1 no valid recipients", "content", Some(554)),
        ("DATA", "451 4.3.0 later", "later", Some(451)),
        (".", "554 5.7.1 spam", "content", Some(554)),
        (".", "552 5.3.4 too big", "content", Some(552)),
        (".", "550 5.1.1 no such user", "address", Some(550)),
        (".", "451 4.3.0 queue trouble", "later", Some(451)),
        (".", "421 4.3.0 shutting down", "later", Some(421)),
    ] {
        let peer = peer(vec![(stage, say(reply))]).await;
        let error = attempt(settings(&peer)).await.unwrap_err();
        assert_eq!(kind(&error), expect, "{stage} {reply}: {error:?}");
        let (SendError::Permanent { code: got, .. }
        | SendError::Transient { code: got, .. }
        | SendError::Configuration { code: got, .. }) = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(*got, code, "{stage} {reply}");
        assert!(error.to_string().contains(&reply[..3]), "{error}");
    }
}

#[tokio::test]
async fn a_refused_mail_does_not_cost_the_connection() {
    let peer = peer(vec![("RCPT", say("550 5.1.1 no such user")), (".", say("554 5.6.0 content"))]).await;
    let mut connection = connect(settings(&peer)).await.unwrap();
    assert_eq!(kind(&connection.send(&mail()).await.unwrap_err()), "address");
    assert!(connection.fit().await);
    assert_eq!(kind(&connection.send(&mail()).await.unwrap_err()), "content");
    connection.send(&mail()).await.unwrap();
    assert_eq!(peer.commands().iter().filter(|command| *command == "RSET").count(), 2);
    assert_eq!(peer.commands().iter().filter(|command| command.starts_with("EHLO")).count(), 1);
}

#[tokio::test]
async fn after_421_the_connection_is_not_used_again() {
    let peer = peer(vec![("RCPT", say("421 4.7.0 slow down"))]).await;
    let mut connection = connect(settings(&peer)).await.unwrap();
    assert_eq!(kind(&connection.send(&mail()).await.unwrap_err()), "later");
    assert!(!connection.fit().await);
    let before = peer.commands();
    assert_eq!(kind(&connection.send(&mail()).await.unwrap_err()), "later");
    assert_eq!(peer.commands(), before);
}

#[tokio::test]
async fn silence_at_every_stage_ends_at_the_deadline() {
    for stage in STAGES {
        let peer = peer(vec![(stage, Act::Silence)]).await;
        let begin = Instant::now();
        let error = attempt(impatient(&peer)).await.unwrap_err();
        assert_eq!(kind(&error), if stage == "." { "maybe" } else { "later" }, "{stage}: {error:?}");
        assert!(error.to_string().contains("no answer within 0.7 s"), "{stage}: {error}");
        assert!(begin.elapsed() >= SHORT, "{stage}");
    }
}

#[tokio::test]
async fn a_timed_out_connection_is_not_used_again() {
    let peer = peer(vec![("RCPT", Act::Silence)]).await;
    let mut connection = connect(impatient(&peer)).await.unwrap();
    connection.send(&mail()).await.unwrap_err();
    assert!(!connection.fit().await);
}

#[tokio::test]
async fn a_cancelled_send_takes_its_connection_with_it() {
    let peer = peer(vec![("RCPT", Act::Silence)]).await;
    let mut connection = connect(settings(&peer)).await.unwrap();
    let mail = mail();
    tokio::select! {
        outcome = connection.send(&mail) => panic!("{outcome:?}"),
        () = peer.reached("RCPT") => {}
    }
    assert!(!connection.fit().await);
    assert_eq!(kind(&connection.send(&mail).await.unwrap_err()), "later");
}

#[tokio::test]
async fn a_cut_is_only_doubtful_after_the_final_dot() {
    for stage in STAGES {
        let peer = peer(vec![(stage, Act::Cut)]).await;
        let error = attempt(settings(&peer)).await.unwrap_err();
        assert_eq!(kind(&error), if stage == "." { "maybe" } else { "later" }, "{stage}: {error:?}");
    }
}

#[tokio::test]
async fn a_message_that_did_not_leave_whole_was_not_sent() {
    // The server says 354 and reads no more: the message fills the buffers, and the dot never leaves.
    let mut big = mail();
    big.bytes = b"a line of thirty-two characters\r\n".repeat(1024 * 1024);
    let settings = RelaySettings {
        port: deaf_after_354().await,
        message_deadline: SHORT,
        ..RelaySettings::new("localhost", "parvis.univ.example")
    };
    let error = connect(settings).await.unwrap().send(&big).await.unwrap_err();
    assert_eq!(kind(&error), "later", "{error:?}");
}

/// A server that never reads what follows its 354.
async fn deaf_after_354() -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 deaf\r\n").await.unwrap();
        for reply in ["250 deaf", "250 ok", "250 ok", "354 go on"] {
            let mut line = Vec::new();
            while !line.ends_with(b"\n") {
                line.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    port
}

#[tokio::test]
async fn long_replies_are_cut_and_endless_ones_end() {
    let long = format!("550 5.1.1 {}", "x".repeat(8_000));
    let peer_long = peer(vec![("RCPT", say(&long))]).await;
    let error = attempt(settings(&peer_long)).await.unwrap_err();
    assert_eq!(kind(&error), "address");
    assert!(error.to_string().chars().count() < 400, "{error}");

    for stage in STAGES {
        for flood in ["250 x".repeat(100), "250-x\r\n".repeat(50), "\u{0}".repeat(500), "\r\n".repeat(200)] {
            let peer = peer(vec![(stage, Act::Flood(flood.clone().into_bytes()))]).await;
            let begin = Instant::now();
            let error = attempt(settings(&peer)).await.unwrap_err();
            assert_eq!(
                kind(&error),
                if stage == "." { "maybe" } else { "later" },
                "{stage} {flood:.9?}: {error:?}"
            );
            assert!(begin.elapsed() < Duration::from_secs(10), "{stage}: it waited for the deadline");
        }
    }
}

#[tokio::test]
async fn a_server_that_drips_does_not_stretch_the_deadline() {
    let slow = format!("250-{}\r\n250 ok\r\n", "x".repeat(500));
    let peer = peer(vec![("MAIL", Act::Drip(slow.into_bytes()))]).await;
    let begin = Instant::now();
    assert_eq!(kind(&attempt(impatient(&peer)).await.unwrap_err()), "later");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn replies_that_are_no_replies() {
    for (stage, bytes, expect) in [
        ("RCPT", "550 5.1.1 utilisateur désactivé\r\n".as_bytes(), "address"),
        ("RCPT", b"550 5.1.1 d\xe9sactiv\xe9\0\x1b[2J\r\n".as_slice(), "address"),
        ("RCPT", b"550 5.1.1 bare line end\n", "address"),
        ("RCPT", b"550\r\n", "address"),
        (".", b"554\r\n", "content"),
        ("RCPT", b"550-5.1.1 several\r\n550-5.1.1 lines\r\n550 5.1.1 end\r\n", "address"),
        ("RCPT", b"354 out of order\r\n", "later"),
        ("RCPT", b"hello\r\n", "later"),
        ("RCPT", b"999 what\r\n", "later"),
        ("RCPT", b"55\r\n", "later"),
        ("RCPT", b"\xff\xff\xff\xff\r\n", "later"),
        ("DATA", b"250 out of order\r\n", "later"),
        (".", b"354 out of order\r\n", "maybe"),
        (".", b"nonsense\r\n", "maybe"),
    ] {
        let peer = peer(vec![(stage, Act::Say(bytes.to_vec()))]).await;
        let error = attempt(settings(&peer)).await.unwrap_err();
        assert_eq!(kind(&error), expect, "{stage} {:?}: {error:?}", String::from_utf8_lossy(bytes));
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
}

#[tokio::test]
async fn a_bare_250_is_enough() {
    let rules = STAGES[1..]
        .iter()
        .filter(|s| **s != "DATA")
        .map(|s| (*s, say(if *s == "EHLO" { "250 x" } else { "250" })));
    let peer = peer(rules.collect()).await;
    assert_eq!(attempt(settings(&peer)).await.unwrap(), "250");
    assert_eq!(peer.mails().len(), 1);
}

#[tokio::test]
async fn a_reply_that_repeats_the_link_does_not_pass_it_on() {
    for reply in [
        format!("554 5.7.1 rejected: https://activation.univ.example/l/{TOKEN} is listed"),
        format!("554 5.7.1 rejected: token={TOKEN}, sorry"),
        format!("250 2.0.0 took <{TOKEN}>"),
    ] {
        let peer = peer(vec![(".", say(&reply))]).await;
        let words = format!("{:?}", attempt(settings(&peer)).await);
        assert!(words.contains("[…]") || words.contains("[link]"), "{words}");
        assert!(!words.contains(&TOKEN[..12]), "{words}");
    }
}

#[tokio::test]
async fn a_kept_connection_is_asked_after_a_pause_and_given_up_after_its_limits() {
    let peer = peer(vec![]).await;
    let mut connection = connect(settings(&peer)).await.unwrap();
    pause(Duration::from_secs(6)).await;
    assert!(connection.fit().await);
    assert_eq!(peer.commands().last().unwrap(), "NOOP");
    pause(Duration::from_secs(61)).await;
    assert!(!connection.fit().await);

    peer.rule("NOOP", Act::Cut);
    let mut connection = connect(settings(&peer)).await.unwrap();
    pause(Duration::from_secs(6)).await;
    assert!(!connection.fit().await);

    let mut connection = connect(RelaySettings { mails_per_connection: 1, ..settings(&peer) }).await.unwrap();
    connection.send(&mail()).await.unwrap();
    assert!(!connection.fit().await);
}

/// Lets the clock of the timers run ahead.
async fn pause(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn encrypted_by_starttls_and_from_the_first_byte() {
    for (theirs, ours) in [(Tls::Asked, Security::StartTls), (Tls::Implicit, Security::Tls)] {
        let peer = Peer::start(Setup { tls: theirs, ..Setup::default() }, vec![]).await;
        let with = |ca: Option<&str>, host: &str| RelaySettings {
            security: ours,
            host: host.to_owned(),
            ca_file: ca.map(certificate),
            ..settings(&peer)
        };
        attempt(with(Some("ca.pem"), "localhost")).await.unwrap();
        attempt(with(Some("ca.pem"), "127.0.0.1")).await.unwrap();
        assert_eq!(peer.mails().len(), 2);
        let unknown = attempt(with(None, "localhost")).await.unwrap_err();
        assert_eq!(kind(&unknown), "us", "{unknown:?}");
        let not_ours = attempt(with(Some("other.pem"), "localhost")).await.unwrap_err();
        assert_eq!(kind(&not_ours), "us", "{not_ours:?}");

        let other =
            Peer::start(Setup { tls: theirs, certificate: "other", ..Setup::default() }, vec![]).await;
        let settings = RelaySettings { port: other.port, ..with(Some("ca.pem"), "localhost") };
        let wrong_name = attempt(settings).await.unwrap_err();
        assert_eq!(kind(&wrong_name), "us", "{wrong_name:?}");
        assert!(wrong_name.to_string().contains("not valid for name"), "{wrong_name}");
        assert!(other.mails().is_empty());
    }
}

#[tokio::test]
async fn starttls_that_breaks_never_falls_back_to_clear_text() {
    let trusting = |peer: &Peer| RelaySettings {
        security: Security::StartTls,
        ca_file: Some(certificate("ca.pem")),
        step_deadline: SHORT,
        ..settings(peer)
    };
    let plain = peer(vec![]).await;
    let error = attempt(trusting(&plain)).await.unwrap_err();
    assert_eq!(kind(&error), "us");
    assert!(error.to_string().contains("does not offer it"), "{error}");

    for (stage, act, expect) in [
        ("STARTTLS", say("454 4.7.0 not now"), "later"),
        ("STARTTLS", say("500 5.5.1 what"), "us"),
        ("STARTTLS", Act::Silence, "later"),
        ("STARTTLS", Act::Cut, "later"),
        ("STARTTLS", Act::SayAndCut(b"220 go\r\n".to_vec()), "later"),
        ("STARTTLS", say("220 go ahead\r\n250-peer.example\r\n250 AUTH PLAIN"), "us"),
        ("STARTTLS", say("354 out of order"), "later"),
        ("CONNECT", say("554 5.7.1 no"), "us"),
        ("CONNECT", Act::Silence, "later"),
        ("EHLO", Act::Flood(b"250-x\r\n".to_vec()), "later"),
    ] {
        let peer =
            Peer::start(Setup { tls: Tls::Asked, ..Setup::default() }, vec![(stage, act.clone())]).await;
        let error = attempt(trusting(&peer)).await.unwrap_err();
        assert_eq!(kind(&error), expect, "{stage} {act:?}: {error:?}");
        assert!(!peer.commands().iter().any(|command| command.starts_with("MAIL")));
    }

    let settings = RelaySettings { security: Security::Tls, ..trusting(&plain) };
    let error = attempt(settings).await.unwrap_err();
    assert_eq!(kind(&error), "us", "a server without TLS: {error:?}");
}

fn login(xoauth2: bool) -> Option<Login> {
    Some(Login { username: "parvis".into(), password: "s3cret-word".to_owned().into(), xoauth2 })
}

#[tokio::test]
async fn signing_in() {
    for (offers, xoauth2, rules, expect) in [
        (&["AUTH PLAIN LOGIN"][..], false, vec![], "ok"),
        (&["AUTH XOAUTH2 PLAIN"], true, vec![], "ok"),
        (&["AUTH PLAIN"], false, vec![("AUTH", say("535 5.7.8 wrong"))], "us"),
        (&["AUTH PLAIN"], false, vec![("AUTH", say("454 4.7.0 later"))], "later"),
        (&["AUTH PLAIN"], false, vec![("AUTH", Act::Silence)], "later"),
        (&["AUTH PLAIN"], false, vec![("AUTH", say("334 VXNlcm5hbWU6"))], "us"),
        (&["AUTH PLAIN"], false, vec![("AUTH", say("334 "))], "later"),
        (&["AUTH XOAUTH2"], true, vec![("AUTH", say("334 eyJzdGF0dXMiOiI0MDEifQ=="))], "us"),
        (&["AUTH GSSAPI"], false, vec![], "us"),
        (&[], false, vec![], "us"),
    ] {
        let peer = Peer::start(Setup { offers, ..Setup::default() }, rules).await;
        let settings = RelaySettings { login: login(xoauth2), step_deadline: SHORT, ..settings(&peer) };
        assert!(!format!("{settings:?}").contains("s3cret"));
        let outcome = attempt(settings).await;
        assert_eq!(outcome.as_ref().map_or_else(kind, |_| "ok"), expect, "{offers:?}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("s3cret"));
        if expect == "ok" && !xoauth2 {
            // "\0parvis\0s3cret-word"
            assert_eq!(peer.commands()[1], "AUTH PLAIN AHBhcnZpcwBzM2NyZXQtd29yZA==");
        }
    }
}

#[tokio::test]
async fn addresses_outside_ascii_need_a_server_that_takes_them() {
    let mail = mail_to("josé@bücher.example");
    let able = peer(vec![]).await;
    connect(settings(&able)).await.unwrap().send(&mail).await.unwrap();
    assert!(able.commands()[1].contains(" SMTPUTF8"), "{:?}", able.commands());
    assert_eq!(able.commands()[2], "RCPT TO:<josé@xn--bcher-kva.example>");

    let unable = Peer::start(Setup { offers: &["8BITMIME"], ..Setup::default() }, vec![]).await;
    let mut connection = connect(settings(&unable)).await.unwrap();
    assert_eq!(kind(&connection.send(&mail).await.unwrap_err()), "address");
    connection.send(&mail_to("jose@bücher.example")).await.unwrap();
}

#[tokio::test]
async fn a_probe_goes_through_everything_but_a_mail() {
    let peer = Peer::start(Setup { offers: &["AUTH PLAIN", "SMTPUTF8"], ..Setup::default() }, vec![]).await;
    let relay = Relay::new(RelaySettings { login: login(false), ..settings(&peer) }).unwrap();
    let from = Address::parse("ne-pas-repondre@univ.example").unwrap();
    let probe = relay.probe(&from).await.unwrap();
    assert_eq!((probe.encrypted, probe.signed_in, probe.smtputf8), (false, true, true));
    assert_eq!(probe.sender_reply.as_deref(), Some("250 2.1.0 sender ok"));
    let verbs: Vec<_> = peer.commands().iter().map(|c| c.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(verbs, ["EHLO", "AUTH", "MAIL", "RSET", "QUIT"]);

    peer.rule("MAIL", say("553 5.1.8 not your address"));
    assert_eq!(kind(&relay.probe(&from).await.unwrap_err()), "us");
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error =
        attempt(RelaySettings { port, ..RelaySettings::new("localhost", "x.example") }).await.unwrap_err();
    assert_eq!(kind(&error), "later");
    assert!(error.to_string().contains(&format!("localhost port {port}")), "{error}");
    let error = attempt(RelaySettings::new("nowhere.invalid", "x.example")).await.unwrap_err();
    assert_eq!(kind(&error), "later", "{error:?}");
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let new = |change: fn(&mut RelaySettings)| {
        let mut settings = RelaySettings::new("mail.univ.example", "parvis.univ.example");
        change(&mut settings);
        Relay::new(settings).map(|_| ()).unwrap_err()
    };
    assert_eq!(new(|s| s.host = String::new()), RelayFault::Host);
    assert_eq!(new(|s| s.helo_name = "a b\r\nMAIL".into()), RelayFault::HeloName);
    assert_eq!(new(|s| s.login = login(false)), RelayFault::PasswordInClear);
    for file in ["absent.pem", "localhost.key"] {
        let mut settings = RelaySettings::new("mail.univ.example", "x.example");
        (settings.security, settings.ca_file) = (Security::Tls, Some(certificate(file)));
        let fault = Relay::new(settings).map(|_| ()).unwrap_err();
        assert!(matches!(fault, RelayFault::CaFile { .. }) && fault.to_string().contains(file), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_does_not_wait_for_delayed_acknowledgements() {
    const MAILS: u32 = 1_000;
    let peer = peer(vec![]).await;
    let mut connection = connect(settings(&peer)).await.unwrap();
    let mail = mail();
    let begin = Instant::now();
    for _ in 0..MAILS {
        connection.send(&mail).await.unwrap();
    }
    let taken = begin.elapsed();
    println!("{:.0} mails a second of {} bytes", f64::from(MAILS) / taken.as_secs_f64(), mail.bytes.len());
    // Nagle's algorithm against delayed acknowledgements costs 40 ms a mail: 40 s. A tenth of that is no accident.
    assert!(taken < Duration::from_secs(4), "{taken:?}");
}
