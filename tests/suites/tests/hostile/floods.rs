//! Connections that are too many, too long, too slow or silent: each costs its own, and others are served in time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parvis_stand::{Scene, SceneOptions, Walk};
use parvis_suites::{LONG, Page, Raw, refusal};
use serde_json::json;

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
