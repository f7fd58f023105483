//! What is not an answer: the exit code, the words, and the time it takes.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use serde_json::{Value, json};

use crate::daemon::{Daemon, nowhere};
use crate::run::{Ended, MARGIN, command, finish, run};

const INPUT: &[u8] = br#"{"login": "hunter2", "authenticated": true, "locale": "fr"}"#;
const TIMEOUT: Duration = Duration::from_millis(400);

/// A check that fails in time, printing a refusal with this code; `waited` where only the deadline ends it.
fn fails(daemon: &Daemon, exit: i32, code: &str, waited: bool) -> Ended {
    let ended = run(&daemon.socket(), &["check", "--timeout", "400ms"], INPUT);
    assert_eq!((ended.code, &ended.json()["refusal"]["code"]), (exit, &json!(code)), "{ended:?}");
    assert!(ended.elapsed < TIMEOUT + MARGIN, "{ended:?}");
    assert!(!waited || ended.elapsed > TIMEOUT * 9 / 10, "{ended:?}");
    assert!(
        ended.error.starts_with("parvis-hook: failed to ") && !ended.error.contains("hunter2"),
        "{ended:?}"
    );
    ended
}

#[test]
fn no_daemon() {
    let ended = run(nowhere(), &["check"], INPUT);
    assert_eq!(ended.code, 69);
    let refusal = json!({
        "code": "unavailable", "field": null, "then": "wait", "sign_in_url": null, "help": null, "lost_letter": null,
        "message": "Le service d’activation des comptes ne répond pas. Réessayez dans quelques minutes.",
        "retry_after": null, "at": null, "step": null
    });
    assert_eq!(ended.json(), json!({ "schema": 1, "ok": false, "refusal": refusal }));
    assert!(ended.error.contains("/nonexistent/parvis/hook.sock"), "{}", ended.error);
}

#[test]
fn a_silent_daemon() {
    let daemon = Daemon::new(|stream| stream.read_to_end(&mut Vec::new()).map(|_| ()));
    fails(&daemon, 69, "unavailable", true);
}

#[test]
fn a_daemon_that_drips() {
    let daemon = Daemon::new(|stream| {
        loop {
            stream.write_all(b" ")?;
            thread::sleep(Duration::from_millis(10));
        }
    });
    fails(&daemon, 69, "unavailable", true);
}

#[test]
fn a_daemon_whose_backlog_is_full() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hook.sock");
    let address = UnixAddr::new(&path).expect("a short path");
    let make = || {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket")
    };
    let listener = make();
    bind(listener.as_raw_fd(), &address).expect("a path that is free");
    listen(&listener, Backlog::new(0).expect("none")).expect("a listener");
    let mut waiting = vec![make()];
    while waiting.last().is_some_and(|last| connect(last.as_raw_fd(), &address).is_ok()) {
        waiting.push(make());
    }
    let ended = run(&path, &["check", "--timeout", "400ms"], INPUT);
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.elapsed > TIMEOUT * 9 / 10 && ended.elapsed < TIMEOUT + MARGIN, "{ended:?}");
}

#[test]
fn a_daemon_that_hangs_up() {
    fails(&Daemon::new(|_| Ok(())), 69, "unavailable", false);
    fails(&Daemon::new(|stream| stream.write_all(b"{\"parameters\"")), 69, "unavailable", false);
}

#[test]
fn a_daemon_that_never_ends() {
    let daemon = Daemon::new(|stream| {
        loop {
            stream.write_all(&[b'x'; 4096])?;
        }
    });
    fails(&daemon, 70, "fault", false);
}

#[test]
fn a_daemon_that_talks_nonsense() {
    for text in [
        "",
        "nonsense",
        "[]",
        "{}",
        "{\"parameters\": {}}",
        "{\"parameters\": {\"allow\": \"yes\", \"status\": \"active\"}}",
        "{\"parameters\": {\"allow\": true, \"status\": \"nonsense\"}}",
        "{\"parameters\": [true, \"active\", null, null, null]}",
        "{\"parameters\": {\"allow\": true, \"allow\": true, \"status\": \"active\"}}",
        "{\"parameters\": {\"allow\": true, \"status\": \"active\"}, \"continues\": true}",
        "{\"error\": \"org.parvis.Hook.Refused\", \"parameters\": {\"code\": \"nonsense\"}}",
        "{\"error\": \"org.parvis.Hook.Refused\"}",
    ] {
        let daemon = Daemon::new(move |stream| stream.write_all(format!("{text}\0").as_bytes()));
        let ended = fails(&daemon, 70, "fault", false);
        assert_eq!(ended.json()["ok"], json!(false), "{text}");
    }
    let not_utf8 = Daemon::new(|stream| {
        stream.write_all(b"{\"parameters\": {\"allow\": true, \"status\": \"\xff\"}}\0")
    });
    fails(&not_utf8, 70, "fault", false);
}

#[test]
fn an_error_of_the_daemon_s() {
    for (error, parameters, exit, code) in [
        ("org.parvis.Hook.Fault", json!({ "reference": "8f3a" }), 70, "fault"),
        ("org.parvis.Hook.NotPermitted", json!({ "call": "check", "role": "sso" }), 77, "not-permitted"),
        ("org.varlink.service.PermissionDenied", json!({}), 77, "not-permitted"),
        ("org.varlink.service.InvalidParameter", json!({ "parameter": "login" }), 65, "request-invalid"),
        ("org.varlink.service.MethodNotFound", json!({ "method": "m" }), 70, "fault"),
        ("org.example.Other", Value::Null, 70, "fault"),
    ] {
        let ended = fails(&Daemon::failing(error, &parameters), exit, code, false);
        let message = ended.json()["refusal"]["message"].to_string();
        assert_eq!(message.contains("référence 8f3a"), error.ends_with("Fault"), "{message}");
    }
}

#[test]
fn the_words_are_in_the_language_asked_for() {
    for (locale, french, english) in [
        (Some("fr"), true, false),
        (Some("en-GB"), false, true),
        (Some("de"), false, true),
        (None, true, true),
    ] {
        let input = json!({ "login": "l", "authenticated": true, "locale": locale }).to_string();
        let message = run(nowhere(), &["check"], input.as_bytes()).json()["refusal"]["message"].to_string();
        assert_eq!(
            (message.contains("Réessayez"), message.contains("try again")),
            (french, english),
            "{message}"
        );
    }
}

#[test]
fn a_wrong_command_line() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["Check"],
        &["check", "open"],
        &["check", "hunter2"],
        &["check", "--password=hunter2"],
        &["check", "-p", "hunter2"],
        &["check", "--as"],
        &["check", "--as", "yaml"],
        &["check", "--socket"],
        &["check", "--socket", ""],
        &["check", "--timeout"],
        &["check", "--timeout", "2"],
        &["check", "--timeout", "0s"],
        &["check", "--timeout", "-1s"],
        &["check", "--timeout", "1.5s"],
        &["check", "--timeout", "601s"],
        &["check", "--timeout", "99999999999999999999s"],
        &["check", "--timeout", "2é"],
    ] {
        let ended = finish(command(arguments), INPUT, true);
        assert_eq!(
            (ended.code, &ended.json()["refusal"]["code"]),
            (64, &json!("command-line")),
            "{arguments:?}"
        );
        assert!(!ended.error.contains("hunter2") && ended.error.lines().count() == 1, "{}", ended.error);
    }
}
