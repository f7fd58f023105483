//! Each call answers as `parvis-hook` prints it, with the status that goes with it.

use anyhow::{Context, Result};
use parvis_stand::scene::at;
use parvis_suites::Page;
use serde_json::{Value, json};

use crate::support::{Stage, refused};

fn no_url(mut answer: Value) -> Value {
    for key in ["url", "session", "expires"] {
        answer.as_object_mut().map(|fields| fields.insert(key.to_owned(), Value::Null));
    }
    answer
}

#[test]
fn check_says_what_parvis_hook_prints() -> Result<()> {
    let stage = Stage::new()?;
    let page = Page::of(&stage.scene.daemon)?;
    for (login, authenticated) in [("mdurand", true), ("mdurand", false), ("nobody-at-all", true)] {
        let request = json!({ "login": login, "authenticated": authenticated, "locale": "en" });
        let (_, printed) = page.ask("check", &request)?;
        let reply = stage.sso.ask("check", &request)?;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(no_url(reply.json()?), no_url(printed), "{login}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    Ok(())
}

/// A call in a session; the session that is answered is the next one.
fn next(stage: &Stage, session: &mut String, call: &str, mut request: Value, step: &str) -> Result<Value> {
    request.as_object_mut().context("an object")?.insert("session".to_owned(), json!(session));
    let reply = stage.sso.ask(call, &request)?;
    let answer = reply.json()?;
    assert_eq!((reply.status, at(&answer, "/step").as_str()), (200, Some(step)), "{call}: {answer}");
    at(&answer, "/session").as_str().context("a session")?.clone_into(session);
    Ok(answer)
}

#[test]
fn a_login_page_elsewhere_draws_all_the_steps_itself() -> Result<()> {
    let stage = Stage::new()?;
    let (address, scene) = ("marie@ailleurs.example", &stage.scene);
    let opened = stage.sso.ask("open", &json!({ "login": "mdurand", "locale": "fr" }))?;
    assert_eq!(opened.status, 200, "{opened:?}");
    let mut session = opened.json()?["session"].as_str().context("a session")?.to_owned();
    let s = &mut session;
    next(&stage, s, "recovery-address", json!({ "address": "wrong@ailleurs.example" }), "recovery-link")?;
    next(&stage, s, "restart", json!({}), "recovery-address")?;
    next(&stage, s, "recovery-address", json!({ "address": address }), "recovery-link")?;
    let token = parvis_stand::scene::link(&*scene.mail(address, 0)?)?;
    let looked = stage.sso.ask("look", &json!({ "link": token }))?;
    assert_eq!((looked.status, looked.json()?["usable"].as_str()), (200, Some("yes")));
    let soon = stage.sso.ask("resend", &json!({ "session": s }))?;
    refused(&soon, 429, "too-many-attempts")?;
    let wait: u32 = soon.header("retry-after").context("retry-after")?.parse()?;
    assert!((1..=60).contains(&wait), "{wait}");
    let shown = next(&stage, s, "redeem", json!({ "link": token }), "charter")?;
    let charter = &shown["view"]["charter"];
    let accepted = json!({ "version": charter["version"], "sha256": charter["sha256"], "accepted": true });
    next(&stage, s, "charter", accepted, "listing")?;
    next(&stage, s, "listing", json!({ "listed": true }), "mail")?;
    next(&stage, s, "mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    refused(
        &stage.sso.ask("password", &json!({ "session": s, "password": "short" }))?,
        422,
        "password-too-short",
    )?;
    next(&stage, s, "password", json!({ "password": "Grand-Bateau-Bleu-17" }), "done")?;
    next(&stage, s, "state", json!({}), "done")?;
    let check = stage.sso.ask("check", &json!({ "login": "mdurand", "authenticated": true }))?;
    assert_eq!(check.json()?["allow"], true);
    refused(&stage.sso.ask("restart", &json!({ "session": s }))?, 422, "out-of-order")?;
    refused(&stage.sso.ask("state", &json!({ "session": "none" }))?, 422, "session-unknown")?;
    // What people typed, their sessions and their links are nowhere in the log, which has a line for each decision.
    let log = stage.sso.log();
    for secret in [s.as_str(), &token, "Grand-Bateau-Bleu-17", address, parvis_stand::sso::TOKEN] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    assert!(log.contains("check of mdurand, asked by loopback: let through"), "{log}");
    Ok(())
}
