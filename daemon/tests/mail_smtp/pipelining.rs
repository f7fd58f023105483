//! Several commands at once, for a server that announces it (RFC 2920), and for no other.

use super::peer::{Peer, Setup, say};
use super::{attempt, connect, kind, mail, peer, settings};
use parvisd::mail::RelaySettings;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub fn announced() -> Setup {
    Setup { offers: &["PIPELINING", "8BITMIME", "SMTPUTF8"], ..Setup::default() }
}

/// A server with these words for EHLO, which answers MAIL when it has read so many lines; what it read until then, and
/// whether more had come within 100 ms.
async fn patient(hello: &'static str, lines: usize) -> (u16, tokio::task::JoinHandle<(Vec<String>, bool)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 patient\r\n").await.unwrap();
        line(&mut stream).await;
        stream.write_all(hello.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        for _ in 0..lines {
            read.push(line(&mut stream).await);
        }
        let more = tokio::time::timeout(Duration::from_millis(100), stream.fill_buf()).await.is_ok();
        stream.write_all(b"451 4.3.0 that is all\r\n".repeat(lines).as_slice()).await.unwrap();
        (read, more)
    });
    (port, seen)
}

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    line
}

#[tokio::test]
async fn all_three_commands_come_before_the_first_answer_and_only_where_it_is_announced() {
    let commands =
        ["MAIL FROM:<ne-pas-repondre@univ.example>\r\n", "RCPT TO:<jeanne@example.org>\r\n", "DATA\r\n"];
    for (hello, lines) in [
        ("250-patient\r\n250-pipelining\r\n250 8BITMIME\r\n", 3),
        ("250-patient\r\n250-8BITMIME\r\n250 PIPELINING\r\n", 3),
        ("250-patient\r\n250-PIPELININGS\r\n250 8BITMIME\r\n", 1),
        ("250-patient\r\n250-X PIPELINING\r\n250 8BITMIME\r\n", 1),
        ("250 patient\r\n", 1),
    ] {
        let (port, seen) = patient(hello, lines).await;
        let settings = RelaySettings { port, ..RelaySettings::new("localhost", "parvis.univ.example") };
        assert_eq!(kind(&attempt(settings).await.unwrap_err()), "later", "{hello}");
        assert_eq!(
            seen.await.unwrap(),
            (commands[..lines].iter().map(|&line| line.to_owned()).collect(), false),
            "{hello}"
        );
    }
}

#[tokio::test]
async fn mails_go_one_after_the_other_over_one_connection() {
    let peer = Peer::start(announced(), vec![]).await;
    let mut connection = connect(settings(&peer)).await.unwrap();
    for _ in 0..3 {
        assert!(connection.fit().await);
        assert_eq!(connection.send(&mail()).await.unwrap().reply, "250 2.0.0 queued as 4Zx1");
    }
    assert_eq!(peer.mails().len(), 3);
    assert_eq!(peer.commands().iter().filter(|command| command.starts_with("EHLO")).count(), 1);
}

#[tokio::test]
async fn a_refused_recipient_costs_the_connection_only_where_the_server_waits_for_a_message_all_the_same() {
    let refused = ("RCPT", say("550 5.1.1 no such user"));
    let none = ("DATA", say("554 5.5.1 no valid recipients"));
    let peer = Peer::start(announced(), vec![refused.clone(), none, refused]).await;
    let mut connection = connect(settings(&peer)).await.unwrap();
    assert_eq!(kind(&connection.send(&mail()).await.unwrap_err()), "address");
    assert!(connection.fit().await);
    // This time DATA is answered with 354.
    assert_eq!(kind(&connection.send(&mail()).await.unwrap_err()), "address");
    assert!(!connection.fit().await);
    assert_eq!(peer.commands().iter().filter(|command| *command == "RSET").count(), 1);
    assert_eq!(peer.mails(), [""; 0], "no message without a recipient");
}

#[tokio::test]
async fn what_the_server_minded_first_is_why() {
    let refusals = |from: &str| {
        vec![
            ("MAIL", say(from)),
            ("RCPT", say("503 5.5.1 MAIL first")),
            ("DATA", say("503 5.5.1 RCPT first")),
        ]
    };
    let peer = Peer::start(announced(), refusals("452 4.3.1 no space")).await;
    let mut connection = connect(settings(&peer)).await.unwrap();
    let error = connection.send(&mail()).await.unwrap_err();
    assert_eq!(kind(&error), "later");
    assert!(error.to_string().contains("452 4.3.1 no space"), "{error}");
    connection.send(&mail()).await.unwrap();
    assert_eq!(peer.mails().len(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_announce_it_is_answered_one_by_one() {
    let peer = peer(vec![("RCPT", say("550 5.1.1 no such user"))]).await;
    attempt(settings(&peer)).await.unwrap_err();
    assert!(!peer.commands().contains(&"DATA".to_owned()), "{:?}", peer.commands());
}
