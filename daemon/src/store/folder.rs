//! The store's folder: made, locked, marked, and left alone when it should be.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::conformance::{commit, linker, open_trusting, put, value, verify_chain, writes};
use super::header::NAME;
use super::{Commit, OpenError, Store, open, restore};

/// Every file below a folder, with its bytes.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// What was there is there byte for byte; the ballast, which holds nothing, may come and go.
fn assert_unchanged(before: &BTreeMap<PathBuf, Vec<u8>>, dir: &Path) {
    let without = |files: &BTreeMap<PathBuf, Vec<u8>>| {
        files
            .iter()
            .filter(|(path, _)| !path.ends_with("ballast"))
            .map(|(path, bytes)| (path.clone(), bytes.clone()))
            .collect::<Vec<_>>()
    };
    assert!(without(before) == without(&snapshot(dir)), "the folder was changed");
}

fn refused(dir: &Path) -> OpenError {
    match open(dir, linker()) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

fn filled(dir: &Path) -> Arc<dyn Store> {
    let store = open(dir, linker()).unwrap();
    for n in 0..200_u8 {
        commit(&*store, Commit { records: vec![vec![n; 50]], ..writes(vec![put(&[b'k', n], &[n; 3000])]) });
    }
    store
}

/// A folder as `kill -9` leaves it.
fn killed(dir: &Path) {
    drop(filled(dir));
    assert!(fs::read_to_string(dir.join(NAME)).unwrap().contains("running"));
}

#[test]
fn a_new_folder_becomes_a_store() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("deeper/store");
    let store = filled(&dir);
    assert_eq!(fs::metadata(dir.join("ballast")).unwrap().len(), 4 * 1024 * 1024);
    store.close().unwrap();
    assert!(fs::read_to_string(dir.join(NAME)).unwrap().contains("stopped"));
    let again = open(&dir, linker()).unwrap();
    assert_eq!(verify_chain(&*again), 200);
    assert!(fs::read_dir(dir.join("sled/blobs")).unwrap().next().is_none(), "sled moved a message to a file");
}

#[test]
fn a_second_opener_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let before = snapshot(dir.path());
    assert!(matches!(refused(dir.path()), OpenError::Locked { .. }));
    assert!(restore(dir.path(), &mut &b""[..]).is_err());
    assert_unchanged(&before, dir.path());
    drop(store);
    open(dir.path(), linker()).unwrap();
}

#[test]
fn a_newer_or_damaged_header_stops_before_anything_is_touched() {
    for header in ["format = 2\nstate = \"stopped\"\n", "format = 1\n", "\0"] {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path()).close().unwrap();
        fs::write(dir.path().join(NAME), header).unwrap();
        let before = snapshot(dir.path());
        let error = refused(dir.path());
        assert_eq!(
            matches!(error, OpenError::Newer { found: 2, known: 1, .. }),
            header.contains('2'),
            "{error}"
        );
        assert_unchanged(&before, dir.path());
    }
}

#[test]
fn what_is_no_store_is_refused() {
    for lost in [NAME, "sled", "sled/db"] {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path()).close().unwrap();
        let path = dir.path().join(lost);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
        let before = snapshot(dir.path());
        let error = refused(dir.path());
        assert!(matches!(error, OpenError::NotAStore { .. }), "{lost}: {error}");
        assert_unchanged(&before, dir.path());
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("restoring")).unwrap();
    assert!(matches!(refused(dir.path()), OpenError::NotAStore { .. }));
}

#[test]
fn a_creation_that_was_cut_off_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sled")).unwrap();
    fs::write(dir.path().join("sled/db"), [0xff; 100_000]).unwrap();
    fs::write(dir.path().join(NAME), "format = 1\nstate = \"creating\"\n").unwrap();
    let store = filled(dir.path());
    assert_eq!(verify_chain(&*store), 200);
}

#[test]
fn after_a_kill_a_copy_is_tried_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    killed(dir.path());
    fs::create_dir(dir.path().join("trial")).unwrap();
    fs::write(dir.path().join("trial/rubbish"), "of an earlier trial").unwrap();
    let store = open(dir.path(), linker()).unwrap();
    assert!(!dir.path().join("trial").exists());
    assert_eq!(verify_chain(&*store), 200);
    assert_eq!(value(&*store, b"kA").unwrap().len(), 3000);
}

fn check_damage(damage: impl Fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    killed(dir.path());
    damage(&dir.path().join("sled"));
    let before = snapshot(dir.path());
    for _ in 0..2 {
        let error = refused(dir.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("exactly as they were") && text.contains("restore"), "{text}");
        assert!(text.contains(&dir.path().display().to_string()), "{text}");
        assert_unchanged(&before, dir.path());
    }
}

fn snap(sled: &Path) -> PathBuf {
    let mut found = fs::read_dir(sled).unwrap().map(|entry| entry.unwrap().path());
    found.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")).unwrap()
}

#[test]
fn a_damaged_database_is_left_as_it_is() {
    // A snapshot needs a second opening: the first writes it.
    let again = |sled: &Path| drop(open(sled.parent().unwrap(), linker()).unwrap());
    check_damage(|sled| {
        again(sled);
        fs::write(snap(sled), "rubbish that is long enough to be one").unwrap();
    });
    check_damage(|sled| {
        again(sled);
        let snap = snap(sled);
        let mut bytes = fs::read(&snap).unwrap();
        bytes[40] ^= 0xff;
        fs::write(snap, bytes).unwrap();
    });
    // The pages of the chain's end are gone from under the snapshot.
    check_damage(|sled| {
        again(sled);
        let db = File::options().write(true).open(sled.join("db")).unwrap();
        let length = db.metadata().unwrap().len();
        db.write_all_at(&vec![0; usize::try_from(length).unwrap()], 0).unwrap();
    });
    check_damage(|sled| {
        again(sled);
        fs::write(sled.join("conf"), "segment_size: 12\nuse_compression: false\nversion: 0.34\n0000")
            .unwrap();
    });
}

#[test]
fn values_at_every_limit_stay_within_sleds_messages() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_trusting(dir.path());
    // Long keys for the index pages, parts and whole values of the largest size for the leaves.
    for group in 0..60_u32 {
        let key = |n: u32| {
            [&vec![b'k'; super::MAX_KEY - 8][..], &n.to_be_bytes(), &(n ^ group).to_be_bytes()].concat()
        };
        let made = (0..70).map(|n| put(&key((n * 131_071) ^ (group * 524_287)), &[7; 4096])).collect();
        commit(&*store, writes(made));
    }
    for n in 0..40_u8 {
        commit(
            &*store,
            Commit {
                records: vec![vec![n; super::MAX_RECORD]],
                ..writes(vec![put(&[b'v', n % 7], &[n; super::MAX_VALUE])])
            },
        );
    }
    store.close().unwrap();
    assert!(
        fs::read_dir(dir.path().join("sled/blobs")).unwrap().next().is_none(),
        "sled moved a message to a file"
    );
    let again = open(dir.path(), linker()).unwrap();
    assert_eq!(again.scan(b"k", b"l", usize::MAX).unwrap().len(), 60 * 70);
    assert_eq!(verify_chain(&*again), 40);
}
