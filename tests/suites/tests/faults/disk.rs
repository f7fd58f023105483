//! The disk of the store is full: a small tmpfs of its own, which the test fills. Needs root to mount it.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use parvis_stand::{Scene, SceneOptions, Walk};
use parvis_suites::{LONG, admin, refusal, status_now};
use serde_json::json;

/// A file system of 64 MiB, until it is dropped.
struct Small {
    at: PathBuf,
    _work: tempfile::TempDir,
}

impl Small {
    fn new() -> Result<Self> {
        let work = tempfile::tempdir()?;
        let at = work.path().join("disk");
        std::fs::create_dir(&at)?;
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs"]).arg(&at).status()?;
        ensure!(status.success(), "mounting a tmpfs takes root");
        Ok(Self { at, _work: work })
    }

    /// Takes everything that is free, as another program would.
    fn fill(&self) -> Result<()> {
        let mut file = File::options().create(true).append(true).open(self.at.join("filler"))?;
        for size in [65536, 4096, 512] {
            while file.write_all(&vec![0x55; size]).is_ok() {}
        }
        Ok(())
    }

    fn make_room(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.at.join("filler"))?)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

#[test]
fn a_full_disk_is_said_nothing_acknowledged_is_lost_and_room_brings_everything_back() -> Result<()> {
    let disk = Small::new()?;
    let mut scene = Scene::start(SceneOptions {
        store: Some(disk.at.join("store")),
        config: "[limits]\naccount-requests = \"100000/1h\"\n".to_owned(),
        ..SceneOptions::default()
    })?;
    status_now(&scene.daemon, "everything works")?;
    let mut walk = Walk::open(&scene, "mdurand")?;
    walk.prove("marie@ailleurs.example")?;
    walk.charter()?;
    disk.fill()?;
    // sled has some room of its own left: answer until it has not.
    let (mut listed, end) = (None, Instant::now() + LONG);
    for choice in [true, false].into_iter().cycle() {
        ensure!(Instant::now() < end, "the disk is never full");
        let (code, answer) = walk.call("listing", json!({ "listed": choice }))?;
        if code != 0 {
            assert_eq!((code, refusal(&answer)), (75, "unavailable"), "{answer}");
            break;
        }
        listed = Some(choice);
    }
    disk.fill()?;
    status_now(&scene.daemon, "store: the disk is full").with_context(|| scene.daemon.log())?;
    for _ in 0..3 {
        let begun = Instant::now();
        // The other choice: what was chosen already writes nothing, and is answered.
        let (code, answer) = walk.call("listing", json!({ "listed": listed != Some(true) }))?;
        assert_eq!((code, refusal(&answer)), (75, "unavailable"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    // What writes nothing still works: above all, active people get in.
    let (code, answer) =
        scene.daemon.hook("check", &json!({ "login": "cbernard", "authenticated": true }))?;
    assert_eq!(code, 0, "{answer}");
    let (code, answer) = walk.call("state", json!({}))?;
    // sled writes when it is opened: where somebody has taken the very last room, it cannot even be read.
    let step = if listed.is_some() { "mail" } else { "listing" };
    assert!(code == 75 || (code == 0 && answer["step"] == step), "{answer}");
    let session = walk.session.clone();
    disk.make_room()?;
    status_now(&scene.daemon, "everything works")?;
    let (code, answer) =
        scene.daemon.hook("mail", &json!({ "session": session, "forward": null, "keep_copy": true }))?;
    match listed {
        Some(_) => assert_eq!((code, answer["step"].as_str()), (0, Some("password")), "{answer}"),
        None => assert_eq!(refusal(&answer), "out-of-order"),
    }
    // The store on the disk says the same as the one in memory.
    scene.daemon.kill9();
    scene.daemon.restart()?;
    let (code, state) = scene.daemon.hook("state", &json!({ "session": session }))?;
    let step = if listed.is_some() { "password" } else { "listing" };
    assert_eq!((code, state["step"].as_str()), (0, Some(step)), "{state}");
    let verdict = admin(&scene.daemon, "AuditVerify", &json!({}))?;
    assert_eq!(verdict["ok"], true, "{verdict}");
    scene.daemon.terminate()?;
    Ok(())
}
