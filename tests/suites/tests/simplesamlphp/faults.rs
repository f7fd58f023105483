//! Nobody answers, or nonsense comes: who is active by the directory passes, nobody else does, in bounded time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use parvis_stand::Visitor;

use crate::support::{Outcome, Stage, is_in, no_assertion, person, socket};
use crate::tap::Mode;

/// The gate's own time, and what a busy machine adds to it.
const TIMEOUT: Duration = Duration::from_secs(2);
const BOUND: Duration = Duration::from_secs(8);

/// An active person passes, a provisional one does not, in words of both languages.
pub fn closed_but_for_the_active(stage: &Stage, why: &str) -> Result<()> {
    let came = stage.sign_in(&mut Visitor::new("fr"), &person("cbernard"))?;
    assert!(is_in(&came, "cbernard"), "{why}: {came:?}");
    for (language, words) in [("fr", "ne répond pas"), ("en", "is not answering")] {
        let mut visitor = Visitor::new(language);
        let begun = Instant::now();
        let came = stage.sign_in(&mut visitor, &person("mdurand"))?;
        let took = begun.elapsed();
        let Outcome::Refused(page) = came else { bail!("{why}: let through: {came:?}") };
        assert!(page.body.contains(words), "{why}: {}", page.body);
        assert!(took < BOUND, "{why}: {took:?}");
        no_assertion(&visitor);
        // And no session.
        let came = stage.begin(&mut visitor, "default-sp")?;
        assert!(matches!(came, Outcome::Form(_)), "{why}: {came:?}");
        let decision = stage.decision();
        assert!(decision.contains("login=\"mdurand\" no answer: "), "{why}: {decision}");
    }
    Ok(())
}

#[test]
fn the_daemon_is_stopped_and_then_hangs() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.gate(&socket(&stage.scene.daemon.layout().hook_socket()))?;
    stage.scene.daemon.pause()?;
    let begun = Instant::now();
    closed_but_for_the_active(&stage, "hung")?;
    assert!(begun.elapsed() > 2 * TIMEOUT, "it was not waited for");
    stage.scene.daemon.resume()?;
    stage.scene.daemon.terminate()?;
    closed_but_for_the_active(&stage, "stopped")?;
    stage.scene.daemon.restart()?;
    let came = stage.sign_in(&mut Visitor::new("fr"), &person("mdurand"))?;
    assert!(matches!(came, Outcome::Activation(_)), "{came:?}");
    Ok(())
}

#[test]
fn no_nonsense_opens_the_door() -> Result<()> {
    let stage = Stage::new()?;
    let mut modes = vec![Mode::Endless, Mode::Drip, Mode::Silent];
    let texts: [&[u8]; 11] = [
        b"",
        b"\0",
        b"garbage\0",
        b"{\"parameters\":{\"allow\":true}}",
        b"{\"parameters\":{\"allow\":\"true\"}}\0",
        b"{\"parameters\":{\"allow\":1}}\0",
        b"{\"parameters\":{}}\0",
        b"{\"parameters\":[true]}\0",
        b"{\"allow\":true}\0",
        b"[{\"parameters\":{\"allow\":true}}]\0",
        b"{\"error\":\"org.parvis.Hook.Fault\",\"parameters\":{\"allow\":true}}\0",
    ];
    modes.extend(texts.map(|text| Mode::Say(text.to_vec())));
    for mode in modes {
        let why = format!("{mode:?}");
        stage.tap.set(mode);
        closed_but_for_the_active(&stage, &why)?;
    }
    Ok(())
}

#[test]
fn a_refusal_of_the_daemons_own_is_no_yes() -> Result<()> {
    let stage = Stage::new()?;
    let says = |text: &str| stage.tap.set(Mode::Say(format!("{text}\0").into_bytes()));
    says(
        r#"{"error":"org.parvis.Hook.Refused","parameters":{"code":"unavailable","message":"<b>L’annuaire</b>","then":"wait","allow":true}}"#,
    );
    let mut visitor = Visitor::new("fr");
    let Outcome::Refused(page) = stage.sign_in(&mut visitor, &person("mdurand"))? else {
        panic!("let through")
    };
    assert!(page.body.contains("&lt;b&gt;L’annuaire&lt;/b&gt;"), "{}", page.body);
    assert!(stage.decision().ends_with("login=\"mdurand\" refused: unavailable"), "{}", stage.decision());
    // An address that is no web address is not gone to.
    for url in ["javascript:alert(1)", "//elsewhere.example/", "https://x.example/\\r\\nSet-Cookie: a=b", ""]
    {
        says(&format!(r#"{{"parameters":{{"allow":false,"status":"needs-activation","url":"{url}"}}}}"#));
        let came = stage.sign_in(&mut Visitor::new("fr"), &person("mdurand"))?;
        assert!(matches!(came, Outcome::Refused(_)), "{url}: {came:?}");
    }
    Ok(())
}

#[test]
fn a_fault_in_the_configuration_lets_nobody_through_and_says_which() -> Result<()> {
    let stage = Stage::new()?;
    for (keys, why) in [
        ("'sokcet' => '/x'", "the key 'sokcet' is not known"),
        ("'timeout' => 0", "timeout must be"),
        ("'timeout' => '2'", "timeout must be"),
        ("'active' => '('", "active is no regular expression"),
        ("'hook' => '/x', 'url' => 'https://x'", "hook and url exclude each other"),
        ("'url' => 'http://elsewhere.example'", "url must be https://"),
        ("'url' => 'ftp://x'", "url is no web address"),
        ("'url' => 'https://x', 'key' => '/x'", "certificate and key go together"),
        ("'token-file' => '/x'", "token-file is only for url"),
        ("'login-attribute' => 'absent'", "the attribute absent is not there"),
    ] {
        stage.gate(keys)?;
        for login in ["cbernard", "mdurand"] {
            let mut visitor = Visitor::new("fr");
            let came = stage.sign_in(&mut visitor, &person(login))?;
            assert!(matches!(came, Outcome::Refused(_)), "{keys}: {came:?}");
            no_assertion(&visitor);
            assert!(stage.decision().contains(why), "{keys}: {}", stage.decision());
        }
    }
    Ok(())
}

#[test]
fn what_the_directory_says_is_read_strictly() -> Result<()> {
    let stage = Stage::new()?;
    stage.tap.set(Mode::Say(b"no\0".to_vec()));
    let claire = person("cbernard");
    for (values, passes) in [
        (&["{COMPTE}A:SupannActif", "{MAIL}I:SupannCree"][..], true),
        (&["{COMPTE}A:SupannActif", "{COMPTE}S:SupannVerrouAdministratif"][..], false),
        (&["{MAIL}A:SupannActif"][..], false),
        (&["x{COMPTE}A"][..], false),
        (&[][..], false),
    ] {
        stage.scene.slapd.replace(&claire.dn, "supannRessourceEtat", values)?;
        let came = stage.sign_in(&mut Visitor::new("fr"), &claire)?;
        assert_eq!(is_in(&came, "cbernard"), passes, "{values:?}: {came:?}");
    }
    Ok(())
}
