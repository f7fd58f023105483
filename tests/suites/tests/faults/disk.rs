//! The disk of the store is full: a small tmpfs of its own, which the test fills. Or it fails, as disks do: nothing that
//! is synced arrives. Needs root to mount them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use parvis_stand::{Scene, SceneOptions, Walk, run};
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

/// A disk that begins to fail when it is told to: a file system in a file of another one, which is shut down under it.
/// Writing goes on into memory, and syncing says EIO; what was not synced before is lost, as by a power cut.
struct Failing {
    work: tempfile::TempDir,
}

impl Failing {
    fn new() -> Result<Self> {
        let disk = Self { work: tempfile::tempdir()? };
        for (image, size) in [("outer.img", "160M"), ("outer/inner.img", "96M")] {
            let image = disk.work.path().join(image);
            let folder = disk.work.path().join(if size == "160M" { "outer" } else { "inner" });
            std::fs::create_dir(&folder)?;
            run::expect(&run::program("truncate")?, &["-s".as_ref(), size.as_ref(), image.as_os_str()], b"")?;
            run::expect(
                &run::program("mkfs.ext4")?,
                &["-q".as_ref(), "-F".as_ref(), image.as_os_str()],
                b"",
            )?;
            disk.mount(&image, &folder)?;
        }
        Ok(disk)
    }

    fn inner(&self) -> PathBuf {
        self.work.path().join("inner")
    }

    fn mount(&self, image: &Path, folder: &Path) -> Result<()> {
        let args = ["-o".as_ref(), "loop".as_ref(), image.as_os_str(), folder.as_os_str()];
        run::expect(&run::program("mount")?, &args, b"").map(drop).context("a loop device takes root")
    }

    fn fail(&self) -> Result<()> {
        // EXT4_IOC_SHUTDOWN, without writing its journal.
        let script = "import fcntl, os, struct, sys\n\
                      fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))\n";
        let outer = self.work.path().join("outer");
        let args = ["-c".as_ref(), script.as_ref(), outer.as_os_str()];
        run::expect(Path::new("/usr/bin/python3"), &args, b"").map(drop)
    }

    /// The same disk in another machine: what had arrived on it is there.
    fn mend(&self) -> Result<()> {
        for name in ["inner", "outer"] {
            // The kernel lets go of a loop device a moment after its file system, and the inner one's is on the outer.
            let gone = run::until(Duration::from_secs(30), || {
                match run::expect(&run::program("umount")?, &[self.work.path().join(name)], b"") {
                    Err(error) if format!("{error:#}").contains("busy") => Ok(None),
                    ended => ended.map(Some),
                }
            })?;
            gone.with_context(|| format!("{name} stays busy"))?;
        }
        self.mount(&self.work.path().join("outer.img"), &self.work.path().join("outer"))?;
        self.mount(&self.work.path().join("outer/inner.img"), &self.inner())
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        for name in ["inner", "outer"] {
            let _ = Command::new("umount").arg("-l").arg(self.work.path().join(name)).status();
        }
    }
}

#[test]
fn a_disk_that_fails_is_said_and_nothing_acknowledged_is_missing_on_a_healthy_one() -> Result<()> {
    let disk = Failing::new()?;
    let mut scene =
        Scene::start(SceneOptions { store: Some(disk.inner().join("store")), ..SceneOptions::default() })?;
    status_now(&scene.daemon, "everything works")?;
    let mut walk = Walk::open(&scene, "mdurand")?;
    walk.prove("marie@ailleurs.example")?;
    let other = Walk::open(&scene, "tpetit")?.session;
    walk.charter()?;
    let session = walk.session.clone();
    disk.fail()?;
    let (code, answer) = walk.call("listing", json!({ "listed": true }))?;
    assert_eq!((code, refusal(&answer)), (75, "unavailable"), "{answer}");
    let status = scene.daemon.ctl(&["status"])?;
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    let store = said.lines().find(|line| line.starts_with("store"));
    let store = store.with_context(|| format!("{status:?}"))?;
    assert!(store.contains("down") && store.contains("Input/output error"), "{said}");
    assert_eq!(status.status.code(), Some(1), "{said}");
    // Whatever is asked: it is not done, and answered at once.
    for (call, request) in [
        ("listing", json!({ "session": session, "listed": false })),
        ("recovery-address", json!({ "session": other, "address": "theo@ailleurs.example" })),
        ("open", json!({ "login": "dcohen" })),
    ] {
        let (code, answer) = scene.daemon.hook(call, &request)?;
        assert_eq!((code, refusal(&answer)), (75, "unavailable"), "{call}: {answer}");
    }
    // Who is active is the directory's to say.
    let (code, answer) =
        scene.daemon.hook("check", &json!({ "login": "cbernard", "authenticated": true }))?;
    assert_eq!(code, 0, "{answer}");
    scene.daemon.wait_status("store: ", LONG)?;
    // It stops, so that systemd starts it again; and says why it cannot, for as long as that is so.
    assert_eq!(scene.daemon.wait_exit(LONG)?.code(), Some(75));
    assert!(scene.daemon.log_contains("the store is down: stopping"), "{}", scene.daemon.log());
    assert!(scene.daemon.restart().is_err(), "the disk fails still");
    assert_eq!(scene.daemon.wait_exit(LONG)?.code(), Some(75), "{}", scene.daemon.log());

    disk.mend()?;
    scene.daemon.restart()?;
    // What was acknowledged is there; what was refused may have arrived.
    let (code, state) = scene.daemon.hook("state", &json!({ "session": session }))?;
    let step = state["step"].as_str().unwrap_or_default();
    assert!(code == 0 && ["listing", "mail"].contains(&step), "{state}");
    let (code, state) = scene.daemon.hook("state", &json!({ "session": other }))?;
    assert!(code == 0 && state["step"] == "recovery-address", "{state}");
    let (code, answer) = scene.daemon.hook("listing", &json!({ "session": session, "listed": true }))?;
    assert_eq!((code, answer["step"].as_str()), (0, Some("mail")), "{answer}");
    assert!(scene.inbox.messages_to("theo@ailleurs.example").is_empty(), "nothing was done");
    let verdict = admin(&scene.daemon, "AuditVerify", &json!({}))?;
    assert_eq!(verdict["ok"], true, "{verdict}");
    status_now(&scene.daemon, "everything works")?;
    scene.daemon.terminate()?;
    Ok(())
}
