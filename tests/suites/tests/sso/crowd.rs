//! A crowd on both doors: whoever has proven who they are is answered all the same.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use parvis_stand::scene::at;
use parvis_stand::sso::{SsoOptions, TOKEN};
use serde_json::{Value, json};

use crate::support::{Stage, check_by_tls};

/// Descriptors for thousands of connections, in this process and in whatever it starts.
fn descriptors() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard.min(16_384), hard)?)
}

fn quickly(stage: &Stage) -> Result<Duration> {
    let begun = Instant::now();
    let reply = stage.sso.ask("check", &json!({ "login": "cbernard", "authenticated": true }))?;
    assert_eq!(at(&reply.json()?, "/allow"), true, "{reply:?}");
    Ok(begun.elapsed())
}

/// Silent connections, some of which have begun to say something.
fn crowd(port: u16, count: usize) -> Result<Vec<TcpStream>> {
    let mut all = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream =
            TcpStream::connect(("127.0.0.1", port)).with_context(|| format!("the {number}th"))?;
        if number % 2 == 0 {
            let _ = stream.write_all(b"POST /v1/check HTTP/1.1\r\nHost: a\r\nX: ");
        }
        all.push(stream);
    }
    Ok(all)
}

#[test]
fn three_thousand_silent_connections_on_each_door_keep_nobody_out() -> Result<()> {
    descriptors()?;
    let stage = Stage::with("", SsoOptions::default())?;
    let client = stage.sso.client()?;
    // Somebody who has proven themselves before the crowd came, and stays.
    let mut kept = TcpStream::connect(("127.0.0.1", stage.sso.port()))?;
    kept.set_read_timeout(Some(Duration::from_secs(10)))?;
    ask_on(&mut kept)?;
    let silent = crowd(stage.sso.port(), 3000)?;
    let took = quickly(&stage)?;
    assert!(took < Duration::from_secs(3), "{took:?}");
    ask_on(&mut kept)?;
    let handshaking = crowd(stage.sso.tls_port(), 3000)?;
    let begun = Instant::now();
    assert_eq!(check_by_tls(&stage.sso, Some(&client), "cbernard")?.0, 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    ask_on(&mut kept)?;
    assert!(quickly(&stage)? < Duration::from_secs(3));
    drop((silent, handshaking));
    let usage = stage.sso.process()?.usage()?;
    assert!(usage.resident_kib < 150 * 1024, "{usage:?}");
    Ok(())
}

/// One request on a connection that stays.
pub fn ask_on(stream: &mut TcpStream) -> Result<()> {
    let body = "{\"login\":\"cbernard\",\"authenticated\":true}";
    write!(
        stream,
        "POST /v1/check HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = [0; 4096];
    let count = stream.read(&mut answer)?;
    let said = String::from_utf8_lossy(answer.get(..count).unwrap_or_default()).into_owned();
    anyhow::ensure!(said.starts_with("HTTP/1.1 200") && said.contains("\"allow\":true"), "{said:?}");
    Ok(())
}

#[test]
fn a_silent_connection_ends_by_itself() -> Result<()> {
    let stage = Stage::new()?;
    let begun = Instant::now();
    let mut streams = crowd(stage.sso.port(), 2)?;
    streams.extend(crowd(stage.sso.tls_port(), 2)?);
    // One that has been answered, and then says nothing more.
    let mut answered = TcpStream::connect(("127.0.0.1", stage.sso.port()))?;
    ask_on(&mut answered)?;
    streams.push(answered);
    for stream in &mut streams {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    Ok(())
}

#[test]
fn thousands_of_calls_at_once_are_answered_each_with_its_own() -> Result<()> {
    descriptors()?;
    let stage = Stage::new()?;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..64)
            .map(|number| {
                let stage = &stage;
                scope.spawn(move || {
                    let active = number % 2 == 0;
                    let login = if active { "cbernard" } else { "nobody-at-all" };
                    let mut wrong = Vec::new();
                    for _ in 0..40 {
                        let request = json!({ "login": login, "authenticated": true });
                        match stage.sso.ask("check", &request).and_then(|reply| reply.json()) {
                            Ok(answer) if answer["allow"] == Value::Bool(active) => {}
                            other => wrong.push(format!("{login}: {other:?}")),
                        }
                    }
                    wrong
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().expect("a caller lives")).collect()
    });
    assert!(failures.is_empty(), "{} of 2560, first {:?}", failures.len(), failures.first());
    Ok(())
}

#[test]
fn while_the_daemon_hangs_everybody_is_told_in_time() -> Result<()> {
    descriptors()?;
    let stage = Stage::new()?;
    stage.scene.daemon.pause()?;
    let begun = Instant::now();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..300)
            .map(|_| {
                let stage = &stage;
                scope.spawn(move || {
                    let request = json!({ "login": "cbernard", "authenticated": true });
                    stage.sso.ask("check", &request).map(|reply| reply.status).unwrap_or_default()
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("a caller lives")).collect()
    });
    assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    stage.scene.daemon.resume()?;
    assert!(quickly(&stage)? < Duration::from_secs(2));
    Ok(())
}
