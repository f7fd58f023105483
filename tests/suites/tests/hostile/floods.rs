//! Connections that are too many, too long, too slow or silent: each costs its own, and others are served in time.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parvis_stand::{Scene, SceneOptions, Walk};
use parvis_suites::{LONG, Page, Raw, refusal};
use serde_json::{Value, json};

use crate::unharmed;

const NOBODY: u32 = 65_534;

fn served(page: &Page, user: u32) -> Result<()> {
    let begun = Instant::now();
    let request = json!({ "login": "cbernard", "authenticated": true });
    let (code, answer) = page.ask_as(user, "check", &request)?;
    assert_eq!(code, 0, "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    Ok(())
}

#[test]
fn a_thousand_silent_connections_of_one_user_keep_nobody_else_out() -> Result<()> {
    let scene = Scene::start(SceneOptions {
        config: format!("[gate]\nsso = [\"0\", \"{NOBODY}\"]\n"),
        ..SceneOptions::default()
    })?;
    let page = Page::for_everybody(&scene.daemon)?;
    let session = Walk::open(&scene, "mdurand")?.session;
    served(&page, NOBODY)?;
    let socket = scene.daemon.layout().hook_socket();
    let mut all = Vec::new();
    for _ in 0..1000 {
        all.push(Raw::connect(&socket)?);
    }
    served(&page, NOBODY)?;
    // The user who took too many is told so, at once.
    let begun = Instant::now();
    let request = json!({ "login": "cbernard", "authenticated": true });
    let (code, answer) = page.ask("check", &request)?;
    assert_eq!((code, refusal(&answer)), (75, "unavailable"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    // Half a message each costs no more than silence.
    for raw in &mut all {
        let _ = raw.send(b"{\"method\":\"org.parvis.Hook.");
    }
    served(&page, NOBODY)?;
    let usage = scene.daemon.usage()?;
    assert!(usage.resident_kib < 200 * 1024, "{usage:?}");
    drop(all);
    let back = parvis_stand::run::until(LONG, || Ok((page.ask("check", &request)?.0 == 0).then_some(())))?;
    assert!(back.is_some(), "its places were not given back");
    unharmed(&scene, &session, "recovery-address")
}

/// Connects so often, asks what the socket speaks and prints each answer; then holds the connections until its input ends.
const STRANGER: &str = r#"
import socket, sys
path, count, first = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "first"
def connect():
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(60)
    one.connect(path)
    return one
def ask(one):
    try:
        one.sendall(b'{"method":"org.varlink.service.GetInfo","parameters":{}}\0')
    except (BrokenPipeError, ConnectionResetError):
        pass
    answer = b""
    while not answer.endswith(b"\0"):
        piece = one.recv(65536)
        if not piece:
            break
        answer += piece
    print(answer.rstrip(b"\0").decode() or "null", flush=True)
held = []
for _ in range(count):
    held.append(connect())
    if not first:
        ask(held[-1])
if first:
    for one in held:
        ask(one)
sys.stdin.read()
"#;

/// A user's connections, held until this is dropped, and what each was told. `first`: all connect before any asks.
struct Held {
    child: std::process::Child,
    told: Vec<Value>,
}

impl Held {
    fn by(user: u32, socket: &Path, count: usize, first: bool) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups", "--"]);
        command.args(["/usr/bin/python3", "-c", STRANGER]).arg(socket).arg(count.to_string());
        command.arg(if first { "first" } else { "one by one" });
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("its output")?;
        let lines = BufReader::new(out).lines().take(count);
        let told = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<Vec<_>>>()?;
        assert_eq!(told.len(), count, "{told:?}");
        Ok(Self { child, told })
    }

    fn served(&self) -> usize {
        self.told.iter().filter(|answer| answer["parameters"]["product"] == "parvisd").count()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn a_user_without_a_role_holds_eight_connections_and_others_are_served_meanwhile() -> Result<()> {
    const STRANGERS: [u32; 2] = [12_345, 12_346];
    let scene = Scene::start(SceneOptions {
        config: format!("[gate]\nsso = [\"0\", \"{NOBODY}\"]\n"),
        ..SceneOptions::default()
    })?;
    let page = Page::for_everybody(&scene.daemon)?;
    let socket = scene.daemon.layout().hook_socket();
    let session = Walk::open(&scene, "mdurand")?.session;
    let asks = |user: u32| page.ask_as(user, "check", &json!({ "login": "cbernard", "authenticated": true }));
    let held = Held::by(STRANGERS[0], &socket, 12, false)?;
    assert_eq!(held.served(), 8, "{:?}", held.told);
    for answer in held.told.iter().skip(8) {
        assert_eq!(answer["error"], "org.parvis.Hook.Refused", "{answer}");
        assert_eq!(answer["parameters"]["code"], "unavailable", "{answer}");
    }
    let (code, answer) = asks(STRANGERS[0])?;
    assert_eq!((code, refusal(&answer)), (75, "unavailable"), "{answer}");
    served(&page, NOBODY)?;
    served(&page, 0)?;
    // Another stranger has places of their own, and whoever has a role is not counted so.
    let (code, answer) = asks(STRANGERS[1])?;
    assert_eq!((code, refusal(&answer)), (77, "not-permitted"), "{answer}");
    assert_eq!(Held::by(NOBODY, &socket, 12, false)?.served(), 12);
    drop(held);
    let back = parvis_stand::run::until(LONG, || Ok((asks(STRANGERS[0])?.0 == 77).then_some(())))?;
    assert!(back.is_some(), "their places were not given back");
    // All at once, before anything is known of the user: no more than eight.
    let crowd = Held::by(23_456, &socket, 60, true)?;
    assert!(crowd.served() <= 8, "{}", crowd.served());
    served(&page, NOBODY)?;
    drop(crowd);
    unharmed(&scene, &session, "recovery-address")
}

#[test]
fn a_message_without_end_is_cut_off_and_a_slow_one_is_not_waited_for() -> Result<()> {
    let scene = Scene::new()?;
    let session = Walk::open(&scene, "mdurand")?.session;
    let socket = scene.daemon.layout().hook_socket();
    let mut endless = Raw::connect(&socket)?;
    let chunk = vec![b'x'; 16 * 1024];
    let mut sent = 0;
    while sent < 64 * 1024 * 1024 && endless.send(&chunk).is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 2 * 1024 * 1024, "{sent} bytes of one message were taken");
    let mut just_too_long = Raw::connect(&socket)?;
    just_too_long.send(&vec![b'x'; 65 * 1024])?;
    let answer = just_too_long.receive()?.context("an answer")?;
    assert_eq!(answer["error"], "org.varlink.service.InvalidParameter");
    assert!(just_too_long.receive()?.is_none(), "and the connection is closed");
    // One byte at a time, for ever: the deadline is the message's, not the byte's.
    let mut slow = Raw::connect(&socket)?;
    let begun = Instant::now();
    while slow.send(b"x").is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20), "a slow message is waited for");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() > Duration::from_secs(5), "{:?}", begun.elapsed());
    unharmed(&scene, &session, "recovery-address")
}

#[test]
fn a_caller_who_asks_and_does_not_read_costs_only_itself() -> Result<()> {
    let scene = Scene::new()?;
    let session = Walk::open(&scene, "mdurand")?.session;
    let socket = scene.daemon.layout().hook_socket();
    let mut deaf: Vec<Raw> = (0..20).map(|_| Raw::connect(&socket)).collect::<Result<_>>()?;
    let call = "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"org.parvis.Hook\"}}\0";
    for raw in &mut deaf {
        raw.send(call.repeat(400).as_bytes())?;
    }
    for _ in 0..5 {
        let begun = Instant::now();
        let request = json!({ "login": "cbernard", "authenticated": true });
        let (code, answer) = scene.daemon.hook("check", &request)?;
        assert_eq!(code, 0, "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    // Gone in the middle of everything.
    drop(deaf);
    let mut leaver = Raw::connect(&socket)?;
    leaver.call("org.parvis.Hook.State", &json!({ "session": session }), true)?;
    drop(leaver);
    unharmed(&scene, &session, "recovery-address")
}

#[test]
fn a_caller_without_the_role_gets_77_and_one_with_it_gets_no_more_than_it_allows() -> Result<()> {
    let scene = Scene::start(SceneOptions {
        config: format!("[gate]\nsso = [\"0\"]\npages = [\"{NOBODY}\"]\nmta = []\nadmin = []\n"),
        ..SceneOptions::default()
    })?;
    let page = Page::for_everybody(&scene.daemon)?;
    let session = Walk::open(&scene, "mdurand")?.session;
    let expect = |user: u32, call: &str, request: serde_json::Value, wanted: i32| -> Result<()> {
        let (code, answer) = page.ask_as(user, call, &request)?;
        assert_eq!(code, wanted, "{user} {call}: {answer}");
        if wanted == 77 {
            assert_eq!(refusal(&answer), "not-permitted");
        }
        Ok(())
    };
    let login = || json!({ "login": "mdurand", "authenticated": true });
    // The public pages vouch for nobody.
    expect(NOBODY, "check", login(), 77)?;
    expect(NOBODY, "open", json!({ "login": "mdurand" }), 77)?;
    expect(NOBODY, "state", json!({ "session": session }), 0)?;
    expect(NOBODY, "look", json!({ "link": "x" }), 0)?;
    // A user whom the configuration does not name: nothing at all.
    for (call, request) in [
        ("check", login()),
        ("open", json!({ "login": "mdurand" })),
        ("enter", json!({ "ticket": "x" })),
        ("authenticate", json!({ "login": "mdurand", "password": "Kivo-4821-Tepa" })),
        ("state", json!({ "session": session })),
        ("look", json!({ "link": "x" })),
        ("redeem", json!({ "link": "x" })),
        ("restart", json!({ "session": session })),
        ("password", json!({ "session": session, "password": "Violet-mandarine-77" })),
        ("bounce", json!({})),
    ] {
        expect(12_345, call, request, 77)?;
    }
    // The admin socket does not even open for them.
    let script = format!(
        "import socket\ns=socket.socket(socket.AF_UNIX)\ns.connect({:?})\n",
        scene.daemon.layout().admin_socket().display().to_string()
    );
    let args = ["--reuid=65534", "--regid=65534", "--clear-groups", "--", "/usr/bin/python3", "-c", &script];
    let out = parvis_stand::run::output(&parvis_stand::run::program("setpriv")?, &args, b"")?;
    assert!(String::from_utf8_lossy(&out.stderr).contains("Permission"), "{out:?}");
    unharmed(&scene, &session, "recovery-address")
}
