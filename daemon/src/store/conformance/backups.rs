//! Backups: one moment, whatever goes on; and what is restored is what was.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::{Commit, RestoreError, Store, open, restore};
use super::{Case, Fixture, check, commit, delete, linker, put, verify_chain, writes};

pub(super) const CASES: &[Case] = &[
    ("a backup restores everything", a_backup_restores_everything),
    ("a backup is of one moment", a_backup_is_of_one_moment),
    ("a damaged backup leaves nothing behind", a_damaged_backup_leaves_nothing_behind),
    ("two backups at once", two_at_once),
    ("a backup that is overtaken fails, not the commits", an_overtaken_backup),
];

type All = Vec<(Vec<u8>, super::Held)>;

fn all(store: &dyn Store) -> All {
    store.scan(b"", &[0xff; 500], usize::MAX).unwrap()
}

fn fill(store: &dyn Store) {
    for n in 0..20_u32 {
        let mut made = writes(
            (0..50).map(|m| put(format!("k/{m}/{n}").as_bytes(), &vec![n as u8; (n * m) as usize])).collect(),
        );
        made.records = vec![format!("record {n}").into_bytes(); 3];
        commit(store, made);
    }
    commit(store, writes(vec![delete(b"k/7/7"), put(b"large", &[9; 65_536]), put(b"large2", &[8; 65_536])]));
}

fn a_backup_restores_everything(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    fill(&*store);
    let mut backup = Vec::new();
    store.backup(&mut backup).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let summary = restore(dir.path(), &mut backup.as_slice()).unwrap();
    assert_eq!((summary.keys, summary.records, summary.commit), (1001, 60, 21));
    let restored = open(dir.path(), linker()).unwrap();
    assert_eq!(all(&*restored), all(&*store));
    assert_eq!(restored.head(), store.head());
    verify_chain(&*restored);
    assert_eq!(commit(&*restored, writes(vec![put(b"a", b"")])).0, 22, "versions go on");
    restored.close().unwrap();
    let again = restore(dir.path(), &mut backup.as_slice());
    assert!(matches!(again, Err(RestoreError::NotEmpty { .. })));
}

/// A slow disk for the backup: at each of its writes, the store goes on.
struct Busy<'a> {
    store: &'a dyn Store,
    out: Vec<u8>,
    n: &'a AtomicU64,
}

impl Write for Busy<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.n.fetch_add(1, Ordering::SeqCst);
        if n < 300 {
            let m = n * 7 % 50;
            let mut made = writes(vec![
                put(format!("k/{m}/{}", n % 20).as_bytes(), b"changed since"),
                put(format!("new/{n}").as_bytes(), b"since"),
                delete(format!("k/{}/{}", (n * 11) % 50, n % 20).as_bytes()),
                put(b"large", &[n as u8; 30_000]),
                if n.is_multiple_of(2) { delete(b"large2") } else { put(b"large2", b"small") },
            ]);
            made.records = vec![b"since".to_vec(); 5];
            commit(self.store, made);
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn a_backup_is_of_one_moment(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    fill(&*store);
    let (before, head) = (all(&*store), store.head());
    let mut busy = Busy { store: &*store, out: Vec::new(), n: &AtomicU64::new(0) };
    store.backup(&mut busy).unwrap();
    assert_ne!(all(&*store), before, "commits went on");
    let dir = tempfile::tempdir().unwrap();
    restore(dir.path(), &mut busy.out.as_slice()).unwrap();
    let restored = open(dir.path(), linker()).unwrap();
    assert_eq!(all(&*restored), before);
    assert_eq!(restored.head(), head);
    verify_chain(&*restored);
    verify_chain(&*store);
}

fn a_damaged_backup_leaves_nothing_behind(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    commit(
        &*store,
        Commit { records: vec![b"r".to_vec(); 3], ..writes(vec![put(b"a", b"1"), put(b"b", &[7; 9000])]) },
    );
    let mut good = Vec::new();
    store.backup(&mut good).unwrap();
    let ends: Vec<usize> =
        good.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let mut bad: Vec<Vec<u8>> = ends[..ends.len() - 1].iter().map(|end| good[..*end].to_vec()).collect();
    bad.push(good[..good.len() - 1].to_vec());
    bad.push([&good[..], b"\n"].concat());
    bad.push([&good[..ends[0]], &good[ends[1]..]].concat());
    bad.push(Vec::new());
    bad.push(vec![b'x'; 1_000_000]);
    bad.push(b"{\"parvis-backup\":2,\"what\":1}\n".to_vec());
    for at in (0..good.len()).step_by(97) {
        let mut changed = good.clone();
        changed[at] ^= 1;
        bad.push(changed);
    }
    for backup in bad {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("store");
        let error = restore(&dir, &mut backup.as_slice()).unwrap_err();
        let expected = matches!(error, RestoreError::Damaged { .. } | RestoreError::Newer { .. });
        assert!(expected, "{error}");
        assert!(!dir.exists(), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    restore(dir.path(), &mut &good[..good.len() - 9]).unwrap_err();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    restore(dir.path(), &mut good.as_slice()).unwrap();
}

/// Starts a second backup in the midst of the first.
struct Second(Arc<dyn Store>, bool);

impl Write for Second {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.1, true) {
            let error = self.0.backup(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn two_at_once(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    commit(&*store, Commit { checks: vec![check(b"a", None)], ..writes(vec![put(b"a", b"1")]) });
    store.backup(&mut Second(Arc::clone(&store), false)).unwrap();
    store.backup(&mut Vec::new()).unwrap();
}

/// Replaces everything, once, in the midst of the backup.
struct Replacing(Arc<dyn Store>, u8);

const LARGE: u8 = 64;

fn replace_all(store: &dyn Store, byte: u8) {
    for n in 0..LARGE {
        let key = |m: u8| [b'l', n, m];
        commit(store, writes((0..5).map(|m| put(&key(m), &[byte; 65_536])).collect()));
    }
}

impl Write for Replacing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1 == 1 {
            replace_all(&*self.0, 2);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn an_overtaken_backup(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    replace_all(&*store, 1);
    let error = store.backup(&mut Replacing(Arc::clone(&store), 0)).unwrap_err();
    assert!(error.to_string().contains("too much changed"), "{error}");
    let now = all(&*store);
    assert!(now.len() == usize::from(LARGE) * 5 && now.iter().all(|(_, held)| held.value == [2; 65_536]));
    store.backup(&mut io::sink()).unwrap();
}
