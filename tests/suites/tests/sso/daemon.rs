//! The daemon is stopped, hung, strange, or does not want us: nobody passes, in bounded time, and everybody is told.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parvis_stand::scene::at;
use parvis_stand::sso::{Reply, Sso, SsoOptions};
use parvis_suites::strange::{self, Habit, strange_daemon};
use serde_json::{Value, json};

use crate::support::{Stage, refused, slowly};

/// What is asked about somebody, and how long it took.
fn asked(sso: &Sso) -> Result<(Reply, Duration)> {
    let begun = Instant::now();
    let reply = sso.ask("check", &json!({ "login": "cbernard", "authenticated": true, "locale": "en" }))?;
    Ok((reply, begun.elapsed()))
}

/// CAS reads a no, whatever happens.
fn blocked(sso: &Sso) -> Result<Duration> {
    let begun = Instant::now();
    let reply = sso.get("/cas/interrupt?username=cbernard", "Accept-Language: en\r\n")?;
    let answer = reply.json()?;
    assert_eq!(reply.status, 200);
    assert_eq!(
        (at(&answer, "/interrupt"), at(&answer, "/block")),
        (&Value::Bool(true), &Value::Bool(true)),
        "{answer}"
    );
    assert!(at(&answer, "/message").as_str().is_some_and(|words| words.len() > 10), "{answer}");
    Ok(begun.elapsed())
}

#[test]
fn a_daemon_that_is_stopped_or_hung_lets_nobody_pass_and_is_back_when_it_is_back() -> Result<()> {
    let mut stage = Stage::new()?;
    assert_eq!(asked(&stage.sso)?.0.json()?["allow"], true);
    stage.scene.daemon.pause()?;
    let (reply, took) = asked(&stage.sso)?;
    refused(&reply, 503, "unavailable")?;
    assert!(reply.header("retry-after").is_some());
    assert!(took > Duration::from_millis(1500) && took < Duration::from_millis(3500), "{took:?}");
    assert!(blocked(&stage.sso)? < Duration::from_millis(3500));
    stage.scene.daemon.resume()?;
    assert_eq!(asked(&stage.sso)?.0.json()?["allow"], true);
    stage.scene.daemon.terminate()?;
    let (reply, took) = asked(&stage.sso)?;
    refused(&reply, 503, "unavailable")?;
    assert!(took < Duration::from_secs(2), "nobody is waited for: {took:?}");
    blocked(&stage.sso)?;
    stage.sso.wait_log("no answer from the daemon in time")?;
    stage.scene.daemon.restart()?;
    assert_eq!(asked(&stage.sso)?.0.json()?["allow"], true);
    Ok(())
}

#[test]
fn a_directory_that_is_down_is_said_as_unavailable() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.scene.slapd.stop()?;
    let (reply, _) = asked(&stage.sso)?;
    refused(&reply, 503, "unavailable")?;
    assert!(reply.header("retry-after").is_some());
    blocked(&stage.sso)?;
    Ok(())
}

#[test]
fn whatever_a_strange_daemon_answers_is_no_yes() -> Result<()> {
    let habits: [(&str, Habit, u16); 6] = [
        ("endless", strange::endless, 500),
        ("silent", strange::silent, 503),
        ("dripping", strange::dripping, 503),
        ("garbage", strange::garbage, 500),
        ("another answer", strange::another_answer, 500),
        ("another error", strange::another_error, 500),
    ];
    for (name, habit, status) in habits {
        let (_place, socket) = strange_daemon(habit)?;
        let sso = Sso::before(&socket, SsoOptions::default())?;
        let (reply, took) = asked(&sso)?;
        assert_eq!((reply.status, &reply.json()?["ok"]), (status, &Value::Bool(false)), "{name}: {reply:?}");
        assert!(took < Duration::from_millis(3500), "{name}: {took:?}");
        assert!(blocked(&sso)? < Duration::from_millis(3500), "{name}");
    }
    Ok(())
}

#[test]
fn a_daemon_that_does_not_give_us_the_role_is_said_so() -> Result<()> {
    let stage = Stage::with("[gate]\nsso = [\"@60001\"]\n", SsoOptions::default())?;
    refused(&asked(&stage.sso)?.0, 403, "not-permitted")?;
    stage.sso.wait_log("gate.sso")?;
    blocked(&stage.sso)?;
    Ok(())
}

#[test]
fn a_request_that_is_under_way_is_answered_though_it_is_told_to_stop() -> Result<()> {
    let (told, heard) = channel();
    let (_place, socket) = strange_daemon(move |stream| {
        let _ = told.send(());
        strange::silent(stream);
    })?;
    let mut sso = Sso::before(&socket, SsoOptions::default())?;
    let (reply, status) = std::thread::scope(|scope| -> Result<_> {
        sso.wait_log("listening")?;
        let port = sso.port();
        let asking = scope.spawn(move || slowly(port));
        heard.recv_timeout(Duration::from_secs(20)).context("the daemon was never asked")?;
        let ended = sso.terminate()?;
        Ok((asking.join().expect("the asker lives")?, ended))
    })?;
    assert!(reply.starts_with("HTTP/1.1 503"), "{reply}");
    assert!(status.success(), "{status}");
    Ok(())
}
