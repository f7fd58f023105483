//! What the store costs: the time to open it, its bytes on the disk and in memory, its durable commits a second.
//!
//! A process of its own, so that the memory is the store's. It prints figures and asserts only what a loaded machine
//! cannot change. `PARVIS_FULL=1` gives the figures for 100,000 finished enrolments.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "all of this file is a test")]

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parvisd::store::{Commit, Linker, Outcome, Store, Write, open};
use sha2::{Digest, Sha256};

struct Digesting;

impl Linker for Digesting {
    fn link(&self, previous: &[u8; 32], number: u64, body: &[u8]) -> [u8; 32] {
        Sha256::new()
            .chain_update(previous)
            .chain_update(number.to_be_bytes())
            .chain_update(body)
            .finalize()
            .into()
    }
}

fn linker() -> Arc<dyn Linker> {
    Arc::new(Digesting)
}

fn full() -> bool {
    std::env::var_os("PARVIS_FULL").is_some()
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn bytes_of(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()).fold(0, |sum, entry| {
        let found = entry.metadata().unwrap();
        sum + if found.is_dir() { bytes_of(&entry.path()) } else { found.len() }
    })
}

/// As keys by UUID are: spread evenly, the same in each run.
fn key(n: u64) -> Vec<u8> {
    let digest = Sha256::digest(n.to_be_bytes());
    let uuid: Vec<u8> = digest.iter().take(16).copied().collect();
    [b"enrolment/", uuid.as_slice()].concat()
}

fn value(n: u64, step: u64) -> Vec<u8> {
    Sha256::digest(n.to_be_bytes()).iter().cycle().take(300 + 100 * step as usize).copied().collect()
}

/// Enrolments that go through their twelve steps, 256 at once.
fn enrol(runtime: &tokio::runtime::Runtime, store: &dyn Store, enrolments: u64) {
    for first in (0..enrolments).step_by(256) {
        for step in 1..=12 {
            let all: Vec<_> = (first..(first + 256).min(enrolments))
                .map(|n| {
                    store.commit(Commit {
                        checks: Vec::new(),
                        writes: vec![Write::Put { key: key(n), value: value(n, step) }],
                        records: vec![vec![b'r'; 150]],
                    })
                })
                .collect();
            for committing in all {
                assert!(matches!(runtime.block_on(committing), Ok(Outcome::Committed(_))));
            }
        }
    }
}

/// Scans as the sweep does: a few hundred at a time.
fn count(store: &dyn Store) -> u64 {
    let (mut from, mut count) = (b"enrolment/".to_vec(), 0);
    loop {
        let some = store.scan(&from, b"enrolment0", 500).unwrap();
        let Some((last, _)) = some.last() else { return count };
        from = [last.as_slice(), &[0]].concat();
        count += some.len() as u64;
    }
}

fn time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{what}: {:?}", start.elapsed());
    result
}

#[test]
fn finished_enrolments() {
    let enrolments = if full() { 100_000 } else { 2_000 };
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let before = resident();
    let store = time("open, new", || open(dir, linker()).unwrap());
    println!("memory with an empty store: {before} -> {} KiB", resident());
    time("enrol", || enrol(&runtime, &*store, enrolments));
    println!("memory after enrolling: {} KiB", resident());
    time("close", || store.close().unwrap());
    drop(store);
    let (bytes, held) = (bytes_of(dir), enrolments * (1500 + 12 * 190));
    println!("on the disk: {} MiB for {} MiB", bytes / 1024 / 1024, held / 1024 / 1024);
    // Without the sweeping it is nine times as much. The ballast and sled's tip come on top.
    assert!(bytes < 3 * held + 8 * 1024 * 1024, "sled's file grows");
    for start in 1..=3 {
        let before = resident();
        let store = time(&format!("open, start {start}"), || open(dir, linker()).unwrap());
        println!("memory: {before} -> {} KiB", resident());
        assert_eq!(store.head().length, enrolments * 12);
        assert_eq!(store.get(&key(enrolments / 2)).unwrap().unwrap().value, value(enrolments / 2, 12));
        store.close().unwrap();
    }
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_of_its_own", "--nocapture"])
        .env(DIR, dir)
        .env(EXPECT, enrolments.to_string())
        .status();
    assert!(again.unwrap().success());
    let store = time("open after an unclean stop", || open(dir, linker()).unwrap());
    assert_eq!(store.head().length, enrolments * 12);
    store.close().unwrap();
}

/// Where the process of its own finds the store, and how many enrolments are in it.
const DIR: &str = "PARVIS_TEST_MEASURE_DIR";
const EXPECT: &str = "PARVIS_TEST_MEASURE_EXPECT";

/// Not a test of its own: what `finished_enrolments` starts, so that the memory is only that of opening and reading.
/// It ends without closing the store.
#[test]
fn a_process_of_its_own() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else {
        assert!(std::env::var_os(EXPECT).is_none(), "half of the environment is missing");
        return;
    };
    let before = resident();
    let store = time("open, in a process of its own", || open(&dir, linker()).unwrap());
    println!("memory: {before} -> {} KiB", resident());
    assert_eq!(time("scan of all", || count(&*store)).to_string(), std::env::var(EXPECT).unwrap());
    println!("memory after the scan: {} KiB", resident());
    time("backup", || store.backup(&mut std::io::sink()).unwrap());
    println!("memory after the backup: {} KiB", resident());
}

#[test]
fn durable_commits() {
    let dir = tempfile::tempdir().unwrap();
    let length = Duration::from_millis(if full() { 5000 } else { 300 });
    let file = std::fs::File::create(dir.path().join("raw")).unwrap();
    file.set_len(64 * 1024 * 1024).unwrap();
    let raw = rate(1, length, |_, n| {
        file.write_all_at(&[7; 4096], n % 16_000 * 4096).unwrap();
        file.sync_data().unwrap();
    });
    println!("write and fdatasync of 4 KiB: {raw:.0}/s");
    let store = open(&dir.path().join("store"), linker()).unwrap();
    for waiters in [1, 16, 64] {
        let rate = rate(waiters, length, |thread, n| {
            let write = Write::Put { key: key(n % 1000 * 100 + thread), value: value(n, 6) };
            let commit = Commit { writes: vec![write], records: vec![vec![b'r'; 150]], ..Commit::default() };
            let answer = RUNTIME.with(|runtime| runtime.block_on(store.commit(commit)));
            assert!(matches!(answer, Ok(Outcome::Committed(_))));
        });
        println!("{waiters} waiters: {rate:.0} durable commits/s, {:.1} times the fdatasync", rate / raw);
        assert!(rate > 0.0);
    }
    store.close().unwrap();
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
}

fn rate(threads: u64, length: Duration, work: impl Fn(u64, u64) + Sync) -> f64 {
    let start = Instant::now();
    let done: u64 = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|thread| {
                let work = &work;
                scope.spawn(move || {
                    let mut n = 0;
                    while start.elapsed() < length {
                        work(thread, n);
                        n += 1;
                    }
                    n
                })
            })
            .collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    done as f64 / start.elapsed().as_secs_f64()
}
