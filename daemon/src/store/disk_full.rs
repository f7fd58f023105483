//! A disk that really fills up: a small tmpfs, a small ext4.

use std::fs::{self, File};
use std::io::Write as _;
use std::time::{Duration, Instant};

use super::conformance::{linker, put, verify_chain, wait, writes};
use super::disks::{Mount, ext4};
use super::{Commit, Health, OpenError, Outcome, Store, StoreError, Version, open};

/// A file system of this size, until it is dropped.
struct Small {
    disk: Mount,
    _work: tempfile::TempDir,
}

impl Small {
    fn new(kind: &str, mebibytes: u64) -> Self {
        let work = tempfile::tempdir().unwrap();
        let at = work.path().join("disk");
        let disk = if kind == "tmpfs" {
            Mount::tmpfs(mebibytes, &at)
        } else {
            let image = work.path().join("image");
            ext4(&image, mebibytes);
            Mount::image(&image, &at)
        };
        Self { disk, _work: work }
    }

    /// Fills what is free, as another program would.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.disk.at.join("filler")).unwrap();
        for size in [65536, 4096, 512] {
            while file.write_all(&vec![0x55; size]).is_ok() {}
        }
        let _full = file.sync_all();
    }
}

/// Commits until the disk is full: what was acknowledged.
fn write_until_full(store: &dyn Store, name: &str) -> Vec<(Vec<u8>, Version)> {
    let mut acknowledged = Vec::new();
    for n in 0..100_000_u32 {
        let key = format!("{name}/{n}").into_bytes();
        let made =
            writes(vec![put(&key, &vec![n as u8; 12_000]), put(&[&b"x/"[..], &key].concat(), &[1; 100])]);
        match wait(store.commit(Commit { records: vec![key.clone()], ..made })) {
            Ok(Outcome::Committed(version)) => acknowledged.push((key, version)),
            Err(StoreError::Full) => return acknowledged,
            other => panic!("{n}: {other:?}"),
        }
    }
    panic!("the disk is never full");
}

fn until(store: &dyn Store, what: &str, holds: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < limit, "{what} never came: {:?}", store.health());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_whole(store: &dyn Store, acknowledged: &[(Vec<u8>, Version)]) {
    for (key, version) in acknowledged {
        let found = store.get(key).unwrap().map(|held| held.version);
        assert_eq!(found, Some(*version), "{}", String::from_utf8_lossy(key));
        assert_eq!(store.get(&[b"x/", &key[..]].concat()).unwrap().map(|held| held.version), found);
    }
    assert_eq!(
        store.scan(b"", b"\xff", usize::MAX).unwrap().len(),
        acknowledged.len() * 2,
        "half a commit is kept"
    );
    assert_eq!(verify_chain(store), acknowledged.len() as u64);
}

fn check(kind: &str) {
    let small = Small::new(kind, 64);
    let at = &small.disk.at;
    let other = at.join("other");
    fs::write(&other, vec![0x55; 24 * 1024 * 1024]).unwrap();
    let dir = at.join("store");
    let ballast = dir.join("ballast");
    let store = open(&dir, linker()).unwrap();
    let mut acknowledged = write_until_full(&*store, "first");
    println!("{kind}: {} commits until it was full", acknowledged.len());
    assert!(acknowledged.len() > 100);
    until(&*store, "the opening without ballast", || !ballast.exists() && store.get(b"any").is_ok());
    // Somebody else takes what the ballast freed.
    small.fill();
    assert_eq!(store.health(), Health::Full);
    assert_eq!(wait(store.commit(writes(vec![put(b"no", b"")]))), Err(StoreError::Full));
    assert_whole(&*store, &acknowledged);
    fs::remove_file(&other).unwrap();
    until(&*store, "room", || store.health() == Health::Working);
    assert_eq!(fs::metadata(&ballast).unwrap().len(), 4 * 1024 * 1024);
    acknowledged.extend(write_until_full(&*store, "second"));
    until(&*store, "the opening without ballast", || !ballast.exists() && store.get(b"any").is_ok());
    assert_whole(&*store, &acknowledged);
    store.close().unwrap();
    small.fill();
    match open(&dir, linker()) {
        Err(OpenError::NoRoom { .. }) => {}
        Err(error) => panic!("{error}"),
        // Some file systems find a little more.
        Ok(store) => store.close().unwrap(),
    }
    // Enough to open it, too little for the ballast.
    let filler = File::options().write(true).open(at.join("filler")).unwrap();
    filler.set_len(filler.metadata().unwrap().len() - 1536 * 1024).unwrap();
    let store = open(&dir, linker()).unwrap();
    assert_eq!(store.health(), Health::Full);
    assert_whole(&*store, &acknowledged);
    fs::remove_file(at.join("filler")).unwrap();
    drop(store);
    // Not closed in order: a copy is to be tried, and there is no room for it.
    let refused = open(&dir, linker()).err().map(|error| error.to_string());
    assert!(refused.is_some_and(|text| text.contains("disk is full") && text.contains("nothing was lost")));
    assert!(!dir.join("trial").exists());
}

#[test]
fn a_full_tmpfs() {
    check("tmpfs");
}

#[test]
fn a_full_ext4() {
    check("ext4");
}
