//! Input and output that misbehave: the timeout counts for them too.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use serde_json::json;

use crate::daemon::{Daemon, nowhere};
use crate::run::{Ended, MARGIN, command, finish, run};

fn refuses(call: &str, input: &[u8], field: Option<&str>) -> Ended {
    let ended = run(nowhere(), &[call], input);
    let refusal = &ended.json()["refusal"];
    let place = String::from_utf8_lossy(&input[..input.len().min(100)]);
    assert_eq!((ended.code, &refusal["code"]), (65, &json!("request-invalid")), "{place}");
    assert_eq!(refusal["field"], json!(field), "{place}");
    ended
}

#[test]
fn an_input_that_is_no_request() {
    for input in [
        &b"nonsense"[..],
        b"[]",
        b"null",
        b"7",
        b"\"\"",
        b"{",
        b"{}x",
        b"{} {}",
        b"{\"login\": }",
        b"\0",
        b"{\"login\": \"\xff\", \"authenticated\": true}",
        b"{\"login\": \"a\nb\", \"authenticated\": true} \x00",
    ] {
        refuses("check", input, None);
    }
}

#[test]
fn a_field_at_fault_is_named() {
    for (call, input, field) in [
        ("check", json!({}), "login"),
        ("check", json!({ "login": "l" }), "authenticated"),
        ("check", json!({ "login": "l", "authenticated": "true" }), "authenticated"),
        ("check", json!({ "login": "l", "authenticated": true, "x": 1 }), "x"),
        ("check", json!({ "login": "l", "authenticated": true, "client": { "ip": 1 } }), "client.ip"),
        ("password", json!({ "session": "s", "password": "a\nb" }), "password"),
        ("recovery-address", json!({ "session": "s", "address": "a\r\nBcc: b" }), "address"),
    ] {
        refuses(call, input.to_string().as_bytes(), Some(field));
    }
    refuses("check", b"", Some("login"));
    refuses("check", b" \n", Some("login"));
}

#[test]
fn what_a_person_typed_can_be_typed_again() {
    let input = json!({ "session": "s", "address": "a\u{202e}b", "locale": "en" }).to_string();
    let ended = refuses("recovery-address", input.as_bytes(), Some("address"));
    assert_eq!(ended.json()["refusal"]["then"], json!("correct"));
    let input = json!({ "session": 5, "address": "a", "locale": "en" }).to_string();
    let ended = refuses("recovery-address", input.as_bytes(), Some("session"));
    assert_eq!(ended.json()["refusal"]["then"], json!("contact"));
}

#[test]
fn an_input_that_is_too_long() {
    let fits = format!("{{\"login\": \"l\", \"authenticated\": true{}}}", " ".repeat(65_490));
    assert_eq!(run(nowhere(), &["check"], fits.as_bytes()).code, 69);
    refuses("check", " ".repeat(65_537).as_bytes(), None);
}

#[test]
fn an_input_that_does_not_end() {
    for (call, input) in [("check", &b"{\"login\""[..]), ("check", b""), ("bounce", b"From: x")] {
        let mut command = command(&[call, "--timeout", "300ms", "--socket"]);
        command.arg(nowhere());
        let ended = finish(command, input, false);
        assert_eq!(ended.code, 65, "{call}");
        assert!(ended.elapsed > Duration::from_millis(270) && ended.elapsed < MARGIN, "{:?}", ended.elapsed);
    }
}

#[test]
fn an_input_that_floods() {
    for (call, timeout) in [("check", "5s"), ("bounce", "300ms")] {
        let mut command = command(&[call, "--timeout", timeout, "--socket"]);
        command.arg(nowhere()).stdin(File::open("/dev/zero").expect("it is always there"));
        let started = Instant::now();
        let ended = command.output().expect("it ends");
        assert_eq!(ended.status.code(), Some(65), "{call}");
        assert!(started.elapsed() < MARGIN, "{:?}", started.elapsed());
    }
}

#[test]
fn a_closed_input_is_an_empty_one() {
    let mut command = command(&["check"]);
    command.stdin(Stdio::null());
    assert_eq!(command.output().expect("it ends").status.code(), Some(65));
}

/// A pipe that nobody reads, full to the brim.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let size = fcntl(&writer, FcntlArg::F_GETPIPE_SZ).expect("a pipe has a size");
    writer.write_all(&vec![0; usize::try_from(size).expect("a size")]).expect("it takes so much");
    (reader, writer)
}

fn allowing() -> Daemon {
    Daemon::answering(&json!({ "allow": true, "status": "active" }))
}

const INPUT: &[u8] = br#"{"login": "l", "authenticated": true}"#;

#[test]
fn an_answer_that_nobody_reads_is_no_yes() {
    let daemon = allowing();
    let (_reader, writer) = full_pipe();
    let mut stuck = command(&["check", "--timeout", "300ms", "--socket"]);
    stuck.arg(daemon.socket()).stdout(writer);
    let started = Instant::now();
    let mut child = stuck.spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(INPUT).expect("it is read");
    assert_eq!(child.wait().expect("it ends").code(), Some(70));
    assert!(started.elapsed() < MARGIN, "{:?}", started.elapsed());
}

#[test]
fn an_answer_to_a_closed_pipe_is_no_yes() {
    let daemon = allowing();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut closed = command(&["check", "--socket"]);
    closed.arg(daemon.socket()).stdout(writer);
    let mut child = closed.spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(INPUT).expect("it is read");
    assert_eq!(child.wait().expect("it ends").code(), Some(70));
}

#[test]
fn nobody_need_read_the_errors() {
    let (_reader, writer) = full_pipe();
    let mut stuck = command(&["check", "--timeout", "300ms", "--socket"]);
    stuck.arg(nowhere()).stderr(writer);
    let started = Instant::now();
    let mut child = stuck.spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(INPUT).expect("it is read");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(69));
    assert!(started.elapsed() < MARGIN, "{:?}", started.elapsed());
}
