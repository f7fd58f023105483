//! The blocking client against servers that do what they should not: whatever they do, it ends by its deadline.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use parvis_protocol::client::{Client, ClientError, Reply};
use parvis_protocol::limits::MESSAGE_MAX;
use parvis_protocol::{hook, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the tests wait where waiting is the point.
const TIMEOUT: Duration = Duration::from_millis(300);

/// How late a busy machine may be: a server here goes on for ever, so any bound shows that the client does not.
const MARGIN: Duration = Duration::from_secs(2);

/// A server that reads one call and then does as it is told; it gives up when the client goes.
fn server(
    script: impl FnOnce(&mut UnixStream) -> std::io::Result<()> + Send + 'static,
) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hook.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut call = Vec::new();
        BufReader::new(&stream).read_until(0, &mut call).expect("a call");
        // The client may be gone before the script is done: that is what is tested.
        let _gone = script(&mut stream);
    });
    (directory, path)
}

fn ask(path: &Path, timeout: Duration) -> Result<Reply, ClientError> {
    let mut client = Client::connect(path, Instant::now() + timeout)?;
    client.call("org.parvis.Hook.State", &json!({ "session": "s" }))
}

/// The error, and that it came in time; `waited` where only the deadline can have brought it.
fn fails(path: &Path, waited: bool) -> ClientError {
    let started = Instant::now();
    let error = ask(path, TIMEOUT).expect_err("no answer");
    let elapsed = started.elapsed();
    assert!(elapsed < TIMEOUT + MARGIN, "{elapsed:?}: {error}");
    assert!(!waited || elapsed >= TIMEOUT, "{elapsed:?}: {error}");
    error
}

#[test]
fn an_answer() {
    let (_directory, path) = server(|stream| stream.write_all(b"{\"parameters\": {\"a\": 1}}\0"));
    let reply = ask(&path, MARGIN).expect("an answer");
    assert_eq!(reply.read::<Value>(), Ok(json!({ "a": 1 })));
}

#[test]
fn an_answer_in_pieces() {
    let (_directory, path) = server(|stream| {
        for byte in b"{\"parameters\": {\"a\": 1}}\0" {
            stream.write_all(&[*byte])?;
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    });
    assert!(ask(&path, MARGIN).is_ok());
}

#[test]
fn a_server_that_turns_away_before_it_is_asked_is_heard() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hook.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut client = Client::connect(&path, Instant::now() + MARGIN).expect("a connection");
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.write_all(b"{\"error\": \"org.parvis.Hook.Refused\", \"parameters\": {}}\0").expect("written");
    drop(stream);
    let error = client.call("org.parvis.Hook.State", &json!({ "session": "s" })).expect_err("a refusal");
    assert!(
        matches!(&error, ClientError::Answered(reply) if reply.name == "org.parvis.Hook.Refused"),
        "{error}"
    );
}

#[test]
fn nobody() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("none.sock");
    assert!(matches!(fails(&path, false), ClientError::Unreachable { .. }));
    let long = directory.path().join("x".repeat(200));
    assert!(matches!(fails(&long, false), ClientError::Unreachable { .. }));
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(matches!(fails(&path, false), ClientError::Unreachable { .. }));
}

#[test]
fn silence() {
    let (_directory, path) = server(|stream| stream.read_to_end(&mut Vec::new()).map(|_| ()));
    assert!(matches!(fails(&path, true), ClientError::TimedOut));
}

#[test]
fn a_byte_at_a_time_for_ever() {
    let (_directory, path) = server(|stream| {
        loop {
            stream.write_all(b" ")?;
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(matches!(fails(&path, true), ClientError::TimedOut));
}

#[test]
fn an_end_that_does_not_come() {
    let (_directory, path) = server(|stream| {
        loop {
            stream.write_all(&[b' '; 1024])?;
        }
    });
    assert!(matches!(fails(&path, false), ClientError::Wire(wire::WireError::TooLong)));
}

#[test]
fn a_connection_that_ends() {
    let (_directory, path) = server(|_| Ok(()));
    assert!(matches!(fails(&path, false), ClientError::Closed));
    let (_directory, path) = server(|stream| stream.write_all(b"{\"parameters\": "));
    assert!(matches!(fails(&path, false), ClientError::Closed));
}

#[test]
fn what_is_no_answer() {
    for text in
        ["", "nonsense", "[]", "{\"error\": 5}", "\u{7f}", "{\"parameters\": {}, \"continues\": true}"]
    {
        let (_directory, path) = server(move |stream| stream.write_all(format!("{text}\0").as_bytes()));
        assert!(matches!(fails(&path, false), ClientError::Wire(_)), "{text}");
    }
}

/// A socket whose backlog is full, and the connections that fill it.
fn full(path: &Path) -> (OwnedFd, Vec<OwnedFd>) {
    let address = UnixAddr::new(path).expect("a short path");
    let make = |flags| socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket");
    let listener = make(SockFlag::SOCK_CLOEXEC);
    bind(std::os::fd::AsRawFd::as_raw_fd(&listener), &address).expect("a path that is free");
    listen(&listener, Backlog::new(0).expect("none")).expect("a listener");
    let mut waiting = Vec::new();
    loop {
        let client = make(SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK);
        match connect(std::os::fd::AsRawFd::as_raw_fd(&client), &address) {
            Ok(()) => waiting.push(client),
            Err(_) => return (listener, waiting),
        }
    }
}

#[test]
fn a_backlog_that_stays_full() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hook.sock");
    let _kept = full(&path);
    assert!(matches!(fails(&path, true), ClientError::TimedOut));
}

#[test]
fn a_backlog_that_empties() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hook.sock");
    let (listener, waiting) = full(&path);
    let asking = thread::spawn(move || ask(&path, Duration::from_secs(20)).map(|_| ()));
    let listener = UnixListener::from(listener);
    for _ in &waiting {
        listener.accept().expect("one that waited");
    }
    let (mut stream, _) = listener.accept().expect("the client");
    stream.write_all(b"{\"parameters\": {}}\0").expect("it waits");
    asking.join().expect("no panic").expect("an answer");
}

#[test]
fn a_server_that_does_not_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hook.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let started = Instant::now();
    let mut client = Client::connect(&path, started + TIMEOUT).expect("a connection");
    let (_unread, _) = listener.accept().expect("the client");
    let long = json!({ "session": "s".repeat(MESSAGE_MAX - 200) });
    let error = client.call("org.parvis.Hook.State", &long).expect_err("no answer");
    assert!(matches!(error, ClientError::TimedOut), "{error}");
    assert!(started.elapsed() < TIMEOUT + MARGIN);
}

#[test]
fn more_answers_to_one_call() {
    let (_directory, path) = server(|stream| {
        stream.write_all(
            b"{\"parameters\": {\"n\": 1}, \"continues\": true}\0{\"parameters\": {\"n\": 2}, \"con",
        )?;
        stream.write_all(b"tinues\": true}\0{\"parameters\": {\"n\": 3}}\0")
    });
    let mut client = Client::connect(&path, Instant::now() + MARGIN).expect("a connection");
    let mut reply = client.call_more("org.parvis.Admin.Backup", &json!({})).expect("an answer");
    let mut seen = vec![reply.read::<Value>().expect("parameters")];
    while reply.continues {
        reply = client.receive().expect("another");
        seen.push(reply.read::<Value>().expect("parameters"));
    }
    assert_eq!(seen, [json!({ "n": 1 }), json!({ "n": 2 }), json!({ "n": 3 })]);
}

#[test]
fn an_error_is_read_as_its_interfaces() {
    let text = r#"{"error": "org.parvis.Hook.Fault", "parameters": {"reference": "17"}}"#;
    let (_directory, path) = server(move |stream| stream.write_all(format!("{text}\0").as_bytes()));
    let ClientError::Answered(error) = ask(&path, MARGIN).expect_err("an error") else { panic!("an answer") };
    assert_eq!(error.name, "org.parvis.Hook.Fault");
    assert_eq!(error.read(), Some(hook::Failure::Fault { reference: "17".into() }));
    assert_eq!(error.read::<parvis_protocol::admin::Failure>(), None);
}

#[test]
fn an_answer_of_another_call_is_none() {
    let (_directory, path) = server(|stream| stream.write_all(b"{\"parameters\": {\"taken\": true}}\0"));
    let raw = serde_json::value::to_raw_value(&json!({ "session": "s" })).expect("JSON");
    let call = hook::Call::parse("org.parvis.Hook.State", Some(&raw)).expect("a call");
    let mut client = Client::connect(&path, Instant::now() + MARGIN).expect("a connection");
    assert!(matches!(client.ask(&call), Err(ClientError::Wire(_))));
}
