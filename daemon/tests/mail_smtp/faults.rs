//! Servers that fall silent, hang up, drip, flood, or answer what is no answer.

use super::peer::{Act, say};
use super::{SHORT, STAGES, TOKEN, attempt, connect, impatient, kind, mail, peer, peers, settings};
use parvisd::mail::RelaySettings;
use std::time::{Duration, Instant};

#[tokio::test]
async fn silence_at_every_stage_ends_at_the_deadline() {
    for stage in STAGES {
        for peer in peers(vec![(stage, Act::Silence)]).await {
            let begin = Instant::now();
            let error = attempt(impatient(&peer)).await.unwrap_err();
            assert_eq!(kind(&error), if stage == "." { "maybe" } else { "later" }, "{stage}: {error:?}");
            assert!(error.to_string().contains("no answer within 0.7 s"), "{stage}: {error}");
            assert!(begin.elapsed() >= SHORT, "{stage}");
        }
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
        for peer in peers(vec![(stage, Act::Cut)]).await {
            let error = attempt(settings(&peer)).await.unwrap_err();
            assert_eq!(kind(&error), if stage == "." { "maybe" } else { "later" }, "{stage}: {error:?}");
        }
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
