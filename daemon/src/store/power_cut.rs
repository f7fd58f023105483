//! Power cuts, as near as a test can come: nothing that was acknowledged may be missing afterwards.
//!
//! A writer (this test binary once more) commits in an ext4 image and prints what was acknowledged to a pipe. It is stopped
//! at a random moment, the image is copied as the disk would be found, the copy is mounted and the store opened there.
//! What the image's file system still held in memory is lost, as in a power cut; what a real disk would reorder in its own
//! cache is not modelled.
//!
//! With the fdatasync taken out, the same test must find losses: else it would prove nothing.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::conformance::{commit, delete, linker, open_trusting, put, verify_chain};
use super::disks::{Mount, ext4};
use super::{Commit, Store, open};

const IMAGE_MEBIBYTES: u64 = 96;
const WRITERS: usize = 4;
/// Where the writer finds its store, and whether it trusts sled's flush.
const DIR: &str = "PARVIS_TEST_POWER_CUT_DIR";
const TRUSTING: &str = "PARVIS_TEST_POWER_CUT_TRUSTING";

/// How much of something: `PARVIS_FULL=1` asks for more.
fn much(few: usize, many: usize) -> usize {
    if std::env::var_os("PARVIS_FULL").is_some() { many } else { few }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let mut acknowledged = 0;
    for round in 0..much(3, 30) {
        let mut machine = Machine::new();
        // The second cut finds what the first left: a snapshot, and segments that were used before.
        for cut in 0..2 {
            let lost = machine.cut(round * 2 + cut, false);
            let of = machine.acknowledged.len();
            assert!(lost.is_empty(), "round {round}, cut {cut}: {} of {of}: {lost:?}", lost.len());
        }
        acknowledged += machine.acknowledged.len();
    }
    assert!(acknowledged > 100, "only {acknowledged} commits: the rounds prove nothing");
    println!("{acknowledged} commits acknowledged, none lost");
}

#[test]
fn without_the_fdatasync_the_test_finds_losses() {
    let mut losses = Vec::new();
    for round in 0..much(4, 12) {
        // A store that cannot even be looked through has lost something, too.
        let lost = std::panic::catch_unwind(|| Machine::new().cut(round, true).len()).unwrap_or(usize::MAX);
        println!("round {round}: {lost} lost");
        losses.push(lost);
    }
    assert!(losses.iter().any(|lost| *lost > 0), "nothing was lost, so the power cuts are none: {losses:?}");
}

/// A machine with one disk, whose power is cut.
struct Machine {
    work: tempfile::TempDir,
    image: PathBuf,
    cuts: usize,
    acknowledged: Vec<Acknowledged>,
}

impl Machine {
    fn new() -> Self {
        let work = tempfile::tempdir().unwrap();
        let image = work.path().join("disk");
        ext4(&image, IMAGE_MEBIBYTES);
        Self { work, image, cuts: 0, acknowledged: Vec::new() }
    }

    /// Lets the writer run, cuts the power, and says what is lost. `seed` varies the moment.
    fn cut(&mut self, seed: usize, trusting: bool) -> Vec<String> {
        self.cuts += 1;
        let path = |name: &str| self.work.path().join(format!("{name}-{}", self.cuts));
        let disk = Mount::image(&self.image, &path("running"));
        let mut writer = Writer(start_writer(&disk.at, trusting));
        let heard = collect(&mut writer.0);
        // Whatever the writer is doing when this many are acknowledged, is cut.
        for _ in 0..30 + (seed * 173) % much(700, 7000) {
            self.acknowledged.push(heard.recv_timeout(Duration::from_secs(60)).unwrap());
        }
        writer.stop();
        copy_at_rest(&self.image, &path("found"));
        drop(writer);
        self.acknowledged.extend(heard);
        drop(disk);
        fs::remove_file(&self.image).unwrap();
        self.image = path("found");
        let found = Mount::image(&self.image, &path("after"));
        lost(&found.at, &self.acknowledged)
    }
}

/// What of the acknowledged commits is not in the store that was found.
fn lost(at: &Path, acknowledged: &[Acknowledged]) -> Vec<String> {
    let store = match open(&at.join("store"), linker()) {
        Ok(store) => store,
        Err(error) => return vec![format!("everything: {error}")],
    };
    // The last acknowledgement of a key counts; a later one may have been carried out without being heard of.
    let last: HashMap<&str, u64> = acknowledged.iter().map(|one| (one.key.as_str(), one.version)).collect();
    let mut lost = Vec::new();
    for (key, version) in last {
        match store.get(key.as_bytes()).unwrap() {
            Some(held) if held.version.0 >= version => {}
            found => lost.push(format!("{key}: {version}, found {:?}", found.map(|held| held.version))),
        }
    }
    // Each commit has one record.
    let records = usize::try_from(verify_chain(&*store)).unwrap();
    if records < acknowledged.len() {
        lost.push(format!("{} records of the chain", acknowledged.len() - records));
    }
    // What is one commit is there whole or not at all: each writer keeps a pair of equal keys.
    for writer in 0..WRITERS {
        let one = store.get(format!("pair/{writer}/a").as_bytes()).unwrap();
        assert_eq!(one, store.get(format!("pair/{writer}/b").as_bytes()).unwrap(), "a torn commit");
    }
    let next = commit(&*store, super::conformance::writes(vec![put(b"afterwards", b"")])).0;
    assert!(acknowledged.iter().all(|one| one.version < next) || !lost.is_empty(), "a version came twice");
    store.close().unwrap();
    lost
}

#[derive(Debug)]
struct Acknowledged {
    key: String,
    version: u64,
}

/// The writer, until it is dropped.
struct Writer(Child);

impl Writer {
    /// Stops it, and returns when all of its threads stand still: on a busy machine that takes a while after the signal,
    /// and whatever they acknowledge meanwhile must be on the image.
    fn stop(&self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        let status = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert_eq!(status, WaitStatus::Stopped(pid, Signal::SIGSTOP), "the writer ended by itself");
    }
}

/// Copies the image as it is at one moment: the kernel may still write to it, though nobody asks for it any more.
fn copy_at_rest(image: &Path, copy: &Path) {
    for _ in 0..100 {
        fs::copy(image, copy).unwrap();
        if run_for_status(Command::new("cmp").arg("-s").arg(image).arg(copy)) {
            return;
        }
    }
    panic!("the image never comes to rest");
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ended_by_itself = self.0.kill();
        self.0.wait().unwrap();
    }
}

fn start_writer(at: &Path, trusting: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::power_cut::writer_process", "--nocapture"]).env(DIR, at.join("store"));
    if trusting {
        command.env(TRUSTING, "1");
    }
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Reads the acknowledgements as they come: the pipe is never full.
fn collect(writer: &mut Child) -> Receiver<Acknowledged> {
    let out = BufReader::new(writer.stdout.take().unwrap());
    let (sender, heard) = channel();
    std::thread::spawn(move || {
        for line in out.lines() {
            let line = line.unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            if let ["acknowledged", key, version, "."] = words[..] {
                sender.send(Acknowledged { key: key.to_owned(), version: version.parse().unwrap() }).unwrap();
            }
        }
    });
    heard
}

/// Not a test of its own: what `cut` starts as its writer. Without its folder it only says so.
#[test]
fn writer_process() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else {
        assert!(std::env::var_os(TRUSTING).is_none(), "half of the writer's environment is missing");
        return;
    };
    let store = if std::env::var_os(TRUSTING).is_some() {
        open_trusting(&dir)
    } else {
        open(&dir, linker()).unwrap()
    };
    let count = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn({
                let (store, count) = (&*store, &count);
                move || write_for_ever(store, writer, count)
            });
        }
    });
}

fn write_for_ever(store: &dyn Store, writer: usize, count: &AtomicU64) {
    loop {
        let n = count.fetch_add(1, Ordering::SeqCst);
        let key = format!("k/{writer}/{}", n % 500);
        let size = if n.is_multiple_of(50) { 20_000 } else { (n % 1500) as usize };
        let writes = vec![
            put(key.as_bytes(), &vec![n as u8; size]),
            put(format!("pair/{writer}/a").as_bytes(), &n.to_be_bytes()),
            put(format!("pair/{writer}/b").as_bytes(), &n.to_be_bytes()),
            put(format!("outbox/{n}").as_bytes(), b"once"),
            delete(format!("outbox/{}", n.saturating_sub(10)).as_bytes()),
        ];
        let version =
            commit(store, Commit { writes, records: vec![key.clone().into_bytes()], ..Commit::default() });
        // One write: a line is there whole or cut, and cut ones are not read.
        let line = format!("acknowledged {key} {} .\n", version.0);
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

fn run_for_status(command: &mut Command) -> bool {
    command.status().unwrap_or_else(|error| panic!("{command:?}: {error}")).success()
}
