//! Disks for tests: file systems of their own. They need root and loop devices; without them a test fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A file system that is mounted, until it is dropped.
pub(super) struct Mount {
    pub(super) at: PathBuf,
}

impl Mount {
    /// An image, through a loop device.
    pub(super) fn image(image: &Path, at: &Path) -> Self {
        Self::new(Command::new("mount").args(["-o", "loop"]).arg(image), at)
    }

    pub(super) fn tmpfs(mebibytes: u64, at: &Path) -> Self {
        let options = format!("size={mebibytes}m");
        Self::new(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]), at)
    }

    fn new(mount: &mut Command, at: &Path) -> Self {
        fs::create_dir(at).unwrap();
        run(mount.arg(at));
        Self { at: at.to_path_buf() }
    }
}

impl Drop for Mount {
    /// A child that another test has forked, and that has not become its own program yet, has everything open that this
    /// process had: until then the file system is busy, though all of it was closed.
    fn drop(&mut self) {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            match tried(Command::new("umount").arg(&self.at)) {
                Ok(()) => return,
                Err(said) if said.contains("busy") && Instant::now() < limit => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(said) if std::thread::panicking() => return eprintln!("{said}"),
                Err(said) => panic!("{said}"),
            }
        }
    }
}

/// An image with an empty ext4, all of it for everybody.
pub(super) fn ext4(image: &Path, mebibytes: u64) {
    File::create(image).unwrap().set_len(mebibytes * 1024 * 1024).unwrap();
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image));
}

/// Runs a tool of the system; a failure says what the test needs.
fn run(command: &mut Command) {
    tried(command).unwrap_or_else(|said| panic!("{said}"));
}

fn tried(command: &mut Command) -> Result<(), String> {
    let output =
        command.output().map_err(|error| format!("{command:?}: {error}: install e2fsprogs and mount"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {} (the test needs root and loop devices)",
        String::from_utf8_lossy(&output.stderr)
    ))
}

#[test]
fn a_disk_that_a_child_still_holds_is_waited_for() {
    let work = tempfile::tempdir().unwrap();
    let at = work.path().join("disk");
    let disk = Mount::tmpfs(1, &at);
    let held = File::create(at.join("held")).unwrap();
    let mut child = Command::new("sleep").arg("0.5").stdin(held).spawn().unwrap();
    drop(disk);
    assert_eq!(fs::read_dir(&at).unwrap().count(), 0, "it is still mounted");
    assert!(child.wait().unwrap().success());
}
