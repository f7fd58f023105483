//! Nobody answers, or nonsense comes: who is active by the directory passes, nobody else does, in bounded time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use parvis_stand::Visitor;
use parvis_stand::shibboleth::Generation;

use crate::support::{ACTIVE, Outcome, PROVISIONAL, Stage};
use crate::tap::Mode;

/// Two seconds, and what a busy machine adds to them.
const BOUND: Duration = Duration::from_secs(8);

pub fn closed_but_for_the_active(stage: &Stage, why: &str) -> Result<()> {
    let came = stage.judge(&mut Visitor::new("fr"), "cbernard", &[ACTIVE])?;
    assert!(matches!(came, Outcome::Proceed), "{why}: {came:?}");
    let begun = Instant::now();
    let came = stage.judge(&mut Visitor::new("fr"), "mdurand", &[PROVISIONAL])?;
    let Outcome::Refused(page) = came else { bail!("{why}: let through: {came:?}") };
    assert!(page.body.contains("ne répond pas"), "{why}: {}", page.body);
    let decision = stage.decision();
    assert!(decision.contains("login=\"mdurand\" no answer: "), "{why}: {decision}");
    // Without a page to show: the event.
    let came = stage.passively(&mut Visitor::new("en"), "mdurand", &[PROVISIONAL])?;
    assert!(matches!(came, Outcome::Denied), "{why}: {came:?}");
    assert!(begun.elapsed() < 2 * BOUND, "{why}: {:?}", begun.elapsed());
    Ok(())
}

#[test]
fn the_daemon_is_stopped_and_then_hangs() -> Result<()> {
    for generation in [Generation::Four, Generation::Five] {
        let mut stage = Stage::new(generation)?;
        let socket = stage.scene.daemon.layout().hook_socket();
        stage.shibboleth.configure(&format!("socket = {}\n", socket.display()))?;
        stage.scene.daemon.pause()?;
        let begun = Instant::now();
        closed_but_for_the_active(&stage, "hung")?;
        assert!(begun.elapsed() > Duration::from_secs(4), "it was not waited for");
        stage.scene.daemon.resume()?;
        stage.scene.daemon.terminate()?;
        closed_but_for_the_active(&stage, "stopped")?;
    }
    Ok(())
}

#[test]
fn no_nonsense_opens_the_door() -> Result<()> {
    let stage = Stage::new(Generation::Five)?;
    let mut modes = vec![Mode::Endless, Mode::Drip, Mode::Silent];
    let deep = [&b"{\"a\":"[..], &b"[".repeat(5000)[..], &b"\0"[..]].concat();
    let texts: [&[u8]; 15] = [
        b"",
        b"\0",
        b"garbage\0",
        b"{\"parameters\":{\"allow\":true}}",
        b"{\"parameters\":{\"allow\":true}}x\0",
        b"{\"parameters\":{\"allow\":true,}}\0",
        b"{\"parameters\":{\"allow\":true,\"allow\":true}}\0",
        b"{\"parameters\":{\"allow\":\"true\"}}\0",
        b"{\"parameters\":{\"allow\":1}}\0",
        b"{\"parameters\":{}}\0",
        b"{\"parameters\":[true]}\0",
        b"{\"allow\":true}\0",
        b"[{\"parameters\":{\"allow\":true}}]\0",
        b"{\"error\":\"org.parvis.Hook.Fault\",\"parameters\":{\"allow\":true}}\0",
        &deep,
    ];
    modes.extend(texts.map(|text| Mode::Say(text.to_vec())));
    for mode in modes {
        let why = format!("{mode:?}");
        stage.tap.set(mode);
        closed_but_for_the_active(&stage, why.get(..why.len().min(200)).unwrap_or_default())?;
    }
    Ok(())
}

#[test]
fn a_refusal_of_the_daemons_own_is_no_yes() -> Result<()> {
    let stage = Stage::new(Generation::Five)?;
    let says = |text: &str| stage.tap.set(Mode::Say(format!("{text}\0").into_bytes()));
    says(
        r#"{"error":"org.parvis.Hook.Refused","parameters":{"code":"unavailable","message":"<b>L\u2019annuaire \u00e9\"</b>","then":"wait","allow":true}}"#,
    );
    let Outcome::Refused(page) = stage.judge(&mut Visitor::new("fr"), "mdurand", &[PROVISIONAL])? else {
        panic!("let through")
    };
    assert!(page.body.contains("&lt;b&gt;L’annuaire é&quot;&lt;/b&gt;"), "{}", page.body);
    assert!(stage.decision().ends_with("login=\"mdurand\" refused: unavailable"), "{}", stage.decision());
    for url in ["javascript:alert(1)", "//elsewhere.example/", "https://x.example/\\r\\nSet-Cookie: a=b", ""]
    {
        says(&format!(r#"{{"parameters":{{"allow":false,"status":"needs-activation","url":"{url}"}}}}"#));
        let came = stage.judge(&mut Visitor::new("fr"), "mdurand", &[PROVISIONAL])?;
        assert!(matches!(came, Outcome::Refused(_)), "{url}: {came:?}");
    }
    Ok(())
}

#[test]
fn a_fault_in_the_configuration_lets_nobody_through_and_says_which() -> Result<()> {
    let stage = Stage::new(Generation::Five)?;
    for (keys, why) in [
        ("sokcet = /x", "the key sokcet is not known"),
        ("timeout = 0", "timeout must be"),
        ("timeout = soon", "soon"),
        ("active = (", "("),
        ("hook = /x\nurl = https://x", "hook and url exclude each other"),
        ("url = http://elsewhere.example", "url must be https://"),
        ("url = https://x\nkey = /x", "certificate and key go together"),
        ("token-file = /x", "token-file is only for url"),
    ] {
        stage.shibboleth.configure(keys)?;
        for (login, state) in [("cbernard", ACTIVE), ("mdurand", PROVISIONAL)] {
            let came = stage.judge(&mut Visitor::new("fr"), login, &[state])?;
            assert!(matches!(came, Outcome::Refused(_)), "{keys}: {came:?}");
            let decision = stage.decision();
            assert!(decision.contains("configuration: ") && decision.contains(why), "{keys}: {decision}");
        }
    }
    Ok(())
}
