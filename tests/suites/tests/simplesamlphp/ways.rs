//! The other ways to ask: `parvis-hook`. The socket is what the other tests use.

use std::collections::BTreeSet;

use anyhow::Result;
use parvis_stand::Visitor;
use parvis_stand::binaries::{Profile, binaries};

use crate::faults::closed_but_for_the_active;
use crate::support::{Outcome, Stage, person, socket};
use crate::tap::Mode;

fn hook(stage: &Stage) -> Result<String> {
    let hook = binaries(Profile::Dev)?.parvis_hook;
    Ok(format!("'hook' => '{}', {}", hook.display(), socket(stage.tap.path())))
}

#[test]
fn through_the_hook() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.gate(&hook(&stage)?)?;
    let came = stage.sign_in(&mut Visitor::new("fr"), &person("mdurand"))?;
    assert!(matches!(came, Outcome::Activation(_)), "{came:?} {}", stage.decision());
    let Outcome::Refused(page) = stage.sign_in(&mut Visitor::new("en"), &person("rlemoine"))? else {
        panic!("not refused")
    };
    assert!(page.body.contains("This account is locked"), "{}", page.body);
    stage.scene.daemon.pause()?;
    closed_but_for_the_active(&stage, "hung")?;
    stage.scene.daemon.resume()?;
    stage.scene.daemon.terminate()?;
    closed_but_for_the_active(&stage, "stopped")
}

#[test]
fn a_hook_that_is_none_opens_no_door() -> Result<()> {
    let stage = Stage::new()?;
    let dir = tempfile::tempdir()?;
    let script = |name: &str, text: &str| -> Result<String> {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n"))?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
        Ok(path.display().to_string())
    };
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
        stage.gate(&format!("'hook' => '{}'", script(name, &text)?))?;
        closed_but_for_the_active(&stage, name)?;
    }
    stage.gate("'hook' => '/nowhere/parvis-hook'")?;
    closed_but_for_the_active(&stage, "absent")
}

#[test]
fn no_command_line_has_a_secret_or_a_name() -> Result<()> {
    let stage = Stage::new()?;
    stage.gate(&hook(&stage)?)?;
    stage.tap.set(Mode::Silent);
    let marie = person("mdurand");
    let seen = std::thread::scope(|scope| -> Result<BTreeSet<String>> {
        let signing = scope.spawn(|| stage.sign_in(&mut Visitor::new("fr"), &marie));
        let mut seen = BTreeSet::new();
        while !signing.is_finished() {
            for entry in std::fs::read_dir("/proc")?.flatten() {
                let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
                let line = [read("cmdline"), b"\n".to_vec(), read("environ")].concat();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                if line.contains("parvis-hook check") || line.contains("php -d") {
                    seen.insert(line);
                }
            }
        }
        Ok(seen)
    })?;
    assert!(seen.iter().any(|line| line.contains("parvis-hook check")), "the hook was not seen: {seen:?}");
    for line in seen {
        for secret in ["mdurand", marie.provisional_password.as_str()] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    Ok(())
}
