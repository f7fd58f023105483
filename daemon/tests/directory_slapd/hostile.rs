//! Servers that are not what they say: each answer to our first request is wrong in its own way.

use std::time::{Duration, Instant};

use parvisd::directory::{Directory, DirectoryError, Settings, Sighting, Timeouts, watch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{outside, quick};

/// A server that answers every request with these bytes, and then says nothing more.
async fn liar(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ldap://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                    if answer.is_empty() || stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    uri
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_an_answer_is_an_outage_and_nothing_worse() {
    let bind_done = [0x30, 12, 2, 1, 1, 0x61, 7, 0x0a, 1, 0, 4, 0, 4, 0];
    let answers: [Vec<u8>; 9] = [
        Vec::new(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0x30, 3, 2, 1, 1],
        vec![0x30, 0],
        vec![0x30, 5, 4, 1, 1, 0x61, 0],
        vec![0x30, 7, 2, 1, 1, 0x61, 2, 5, 0],
        vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 2, 1, 1],
        vec![0x30, 0x80, 0, 0],
        bind_done.to_vec(),
    ];
    for answer in answers {
        let settings = Settings {
            uris: vec![liar(answer.clone()).await],
            bind: parvisd::directory::Bind::Simple { dn: "cn=x".into(), password: "x".into() },
            base: "dc=test".into(),
            timeouts: Timeouts {
                connect: Duration::from_millis(500),
                operation: Duration::from_millis(500),
                heartbeat: Duration::from_millis(500),
                ..quick()
            },
            ..Settings::default()
        };
        let prepared = settings.prepare().unwrap();
        let directory = Directory::connect(prepared.clone(), outside());
        let began = Instant::now();
        let found = directory.find("jdupont").await;
        assert!(matches!(found, Err(DirectoryError::Unavailable(_))), "{answer:?}: {found:?}");
        let proven = directory.authenticate(Some("uid=x"), &"x".into()).await;
        assert!(matches!(proven, Err(DirectoryError::Unavailable(_))), "{answer:?}: {proven:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{answer:?}");

        let (sink, mut sightings) = mpsc::channel(4);
        let watching = tokio::spawn(watch(prepared, outside(), None, sink));
        let seen = tokio::time::timeout(Duration::from_secs(5), sightings.recv()).await.unwrap();
        assert!(matches!(seen, Some(Sighting::Down { .. })), "{answer:?}: {seen:?}");
        drop(sightings);
        tokio::time::timeout(Duration::from_secs(5), watching).await.unwrap().unwrap();
    }
}
