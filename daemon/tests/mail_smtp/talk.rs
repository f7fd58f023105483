//! The conversation: what is said when all goes well, and what each refusal means.

use super::peer::{Act, Peer, Setup, say};
use super::{STAGES, attempt, connect, kind, mail, mail_to, peer, peers, settings};
use parvisd::mail::{RelaySettings, SendError};
use std::time::{Duration, Instant};

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
        for peer in peers(vec![(stage, say(reply))]).await {
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
            assert!(stage == "." || peer.mails().is_empty(), "{stage} {reply}");
        }
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
async fn addresses_outside_ascii_need_a_server_that_takes_them() {
    let mail = mail_to("josé@bücher.example");
    let able = peer(vec![]).await;
    connect(settings(&able)).await.unwrap().send(&mail).await.unwrap();
    assert!(able.commands()[1].contains(" SMTPUTF8"), "{:?}", able.commands());
    assert_eq!(able.commands()[2], "RCPT TO:<josé@xn--bcher-kva.example>");

    let unable = Peer::start(Setup { offers: &["8BITMIME"], ..Setup::default() }, vec![]).await;
    let mut connection = connect(settings(&unable)).await.unwrap();
    assert_eq!(kind(&connection.send(&mail).await.unwrap_err()), "unable");
    connection.send(&mail_to("jose@bücher.example")).await.unwrap();
    // A sender that is one is nobody's address, and every mail's.
    let mut ours = mail_to("jose@example.org");
    ours.from = parvisd::mail::Address::parse("ne-pas-répondre@univ.example").unwrap();
    assert_eq!(kind(&connection.send(&ours).await.unwrap_err()), "us");
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    // Ours, so that nobody else listens there; and we do not.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port();
    let error =
        attempt(RelaySettings { port, ..RelaySettings::new("localhost", "x.example") }).await.unwrap_err();
    assert_eq!(kind(&error), "later");
    assert!(error.to_string().contains(&format!("localhost port {port}")), "{error}");
    let error = attempt(RelaySettings::new("nowhere.invalid", "x.example")).await.unwrap_err();
    assert_eq!(kind(&error), "later", "{error:?}");
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
