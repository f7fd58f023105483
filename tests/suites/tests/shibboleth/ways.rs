//! The other ways to ask, and that none puts a secret where others can read it.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::shibboleth::Generation;
use parvis_stand::sso::{Sso, SsoOptions};
use parvis_stand::{Visitor, certs, run};

use crate::faults::closed_but_for_the_active;
use crate::support::{Outcome, PROVISIONAL, Stage};
use crate::tap::Mode;

fn sends_to_activation(stage: &Stage, why: &str) -> Result<()> {
    let came = stage.judge(&mut Visitor::new("fr"), "mdurand", &[PROVISIONAL])?;
    assert!(matches!(came, Outcome::Activation(_)), "{why}: {came:?} {}", stage.decision());
    let came = stage.judge(&mut Visitor::new("en"), "rlemoine", &[PROVISIONAL])?;
    let Outcome::Refused(page) = came else { bail!("{why}: {came:?}") };
    assert!(page.body.contains("This account is locked"), "{}", page.body);
    Ok(())
}

#[test]
fn through_the_hook() -> Result<()> {
    for generation in [Generation::Four, Generation::Five] {
        let mut stage = Stage::new(generation)?;
        let hook = binaries(Profile::Dev)?.parvis_hook;
        stage.shibboleth.configure(&format!("hook = {}\n{}", hook.display(), stage.socket()))?;
        sends_to_activation(&stage, "hook")?;
        stage.scene.daemon.pause()?;
        closed_but_for_the_active(&stage, "hung")?;
        stage.scene.daemon.resume()?;
        stage.scene.daemon.terminate()?;
        closed_but_for_the_active(&stage, "stopped")?;
    }
    Ok(())
}

#[test]
fn a_hook_that_is_none_opens_no_door() -> Result<()> {
    let stage = Stage::new(Generation::Five)?;
    let dir = tempfile::tempdir()?;
    let yes = r#"echo '{"schema":1,"ok":true,"allow":true,"status":"active"}'"#;
    for (name, text) in [
        ("no-output", "exit 0".to_owned()),
        ("garbage", "echo yes".to_owned()),
        ("yes-but", format!("{yes}; exit 1")),
        ("endless", "exec yes".to_owned()),
        ("silent", "exec sleep 60".to_owned()),
        ("closes-and-stays", "exec >&- 2>&- <&-; exec sleep 60".to_owned()),
        ("says-and-stays", format!("{yes}; exec sleep 60")),
    ] {
        let path = dir.path().join(name);
        run::script(&path, &format!("#!/bin/sh\n{text}\n"))?;
        stage.shibboleth.configure(&format!("hook = {}\n", path.display()))?;
        closed_but_for_the_active(&stage, name)?;
    }
    stage.shibboleth.configure("hook = /nowhere/parvis-hook\n")?;
    closed_but_for_the_active(&stage, "absent")
}

#[test]
fn over_http_by_both_doors_of_parvis_sso() -> Result<()> {
    let mut stage = Stage::new(Generation::Five)?;
    let mut sso = Sso::start(&stage.scene, SsoOptions::default())?;
    let (tls, http) = (sso.tls_url(), sso.url());
    let by_token = format!("url = {http}\ntoken-file = {}\n", sso.token_file().display());
    let (client, ca) = (sso.client()?, sso.authority().file());
    let own = format!("certificate = {}\nkey = {}\n", client.certificate.display(), client.key.display());
    let by_certificate = format!("url = {tls}\nca = {}\n{own}", ca.display());
    for keys in [&by_token, &by_certificate] {
        // A machine of Java's that has just started may take more than two seconds for its first TLS, on a busy one of ours.
        stage.shibboleth.configure(&format!("{keys}timeout = 20\n"))?;
        sends_to_activation(&stage, keys)?;
        stage.shibboleth.configure(keys)?;
        stage.scene.daemon.pause()?;
        closed_but_for_the_active(&stage, "the daemon hangs")?;
        stage.scene.daemon.resume()?;
        sso.signal(Signal::SIGSTOP)?;
        closed_but_for_the_active(&stage, "parvis-sso hangs")?;
        sso.signal(Signal::SIGCONT)?;
    }
    let strange = tempfile::tempdir()?;
    let authority = certs::Authority::new(strange.path())?.file();
    for (keys, why) in [
        (format!("url = {tls}\nca = {}\n", ca.display()), "no certificate"),
        (format!("url = {tls}\nca = {}\n{own}", authority.display()), "another authority"),
        (format!("url = {tls}\n{own}"), "the world's authorities"),
        (format!("url = {http}\n"), "no token"),
        (format!("url = {http}\ntoken-file = {}\n", client.certificate.display()), "no token in it"),
    ] {
        stage.shibboleth.configure(&keys)?;
        closed_but_for_the_active(&stage, why)?;
    }
    stage.shibboleth.configure(&by_token)?;
    stage.scene.daemon.terminate()?;
    closed_but_for_the_active(&stage, "the daemon is stopped")?;
    sso.terminate()?;
    closed_but_for_the_active(&stage, "parvis-sso is stopped")
}

#[test]
fn no_command_line_has_a_name() -> Result<()> {
    let stage = Stage::new(Generation::Five)?;
    let hook = binaries(Profile::Dev)?.parvis_hook;
    stage.shibboleth.configure(&format!("hook = {}\n{}", hook.display(), stage.socket()))?;
    stage.tap.set(Mode::Silent);
    let seen = std::thread::scope(|scope| -> Result<BTreeSet<String>> {
        let signing = scope.spawn(|| stage.judge(&mut Visitor::new("fr"), "mdurand", &[PROVISIONAL]));
        let mut seen = BTreeSet::new();
        while !signing.is_finished() {
            for entry in std::fs::read_dir("/proc")?.flatten() {
                let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
                let line = [read("cmdline"), b"\n".to_vec(), read("environ")].concat();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                if line.contains("parvis-hook check") {
                    seen.insert(line);
                }
            }
        }
        Ok(seen)
    })?;
    assert!(!seen.is_empty(), "the hook was not seen");
    assert!(seen.iter().all(|line| !line.contains("mdurand")), "{seen:?}");
    Ok(())
}
