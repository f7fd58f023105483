//! One commit after the other: checks, versions, order, limits, closing.

use super::super::{Commit, Health, MAX_COMMIT, MAX_KEY, MAX_RECORD, MAX_VALUE, Outcome, StoreError};
use super::{Case, Fixture, check, commit, delete, held, put, value, wait, writes};

pub(super) const CASES: &[Case] = &[
    ("what is put is read", what_is_put_is_read),
    ("a check that no longer holds writes nothing", a_check_that_no_longer_holds_writes_nothing),
    ("an absent key can be relied on", an_absent_key_can_be_relied_on),
    ("writes of one commit apply in order", writes_of_one_commit_apply_in_order),
    ("versions never repeat", versions_never_repeat),
    ("scans are in order and limited", scans_are_in_order_and_limited),
    ("large values come back, and leave nothing", large_values),
    ("the store's own keys are out of reach", own_keys_are_out_of_reach),
    ("limits are refused before anything is written", limits),
    ("everything lasts", everything_lasts),
    ("a closed store refuses everything", closed),
];

fn what_is_put_is_read(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    assert_eq!(store.health(), Health::Working);
    assert_eq!(store.get(b"a").unwrap(), None);
    let first = commit(&*store, writes(vec![put(b"a", b"1"), put(b"b", b"")]));
    assert_eq!(store.get(b"a").unwrap(), held(first, b"1"));
    assert_eq!(store.get(b"b").unwrap(), held(first, b""));
    let second = commit(&*store, writes(vec![delete(b"a"), delete(b"never")]));
    assert!(second > first);
    assert_eq!(store.get(b"a").unwrap(), None);
    assert_eq!(store.get(b"b").unwrap(), held(first, b""));
}

fn a_check_that_no_longer_holds_writes_nothing(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let first = commit(&*store, writes(vec![put(b"a", b"1")]));
    let second = commit(&*store, writes(vec![put(b"a", b"2")]));
    let stale = Commit {
        checks: vec![check(b"b", None), check(b"a", Some(first))],
        writes: vec![put(b"a", b"3"), put(b"b", b"3")],
        records: vec![b"never".to_vec()],
    };
    assert_eq!(wait(store.commit(stale)), Ok(Outcome::Conflict));
    assert_eq!(store.get(b"a").unwrap(), held(second, b"2"));
    assert_eq!(store.get(b"b").unwrap(), None);
    assert_eq!(store.head().length, 0);
    let fresh = Commit { checks: vec![check(b"a", Some(second))], ..writes(vec![put(b"a", b"3")]) };
    let third = commit(&*store, fresh);
    assert_eq!(store.get(b"a").unwrap(), held(third, b"3"));
}

fn an_absent_key_can_be_relied_on(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let create = || Commit { checks: vec![check(b"a", None)], ..writes(vec![put(b"a", b"1")]) };
    let first = commit(&*store, create());
    assert_eq!(wait(store.commit(create())), Ok(Outcome::Conflict));
    commit(&*store, Commit { checks: vec![check(b"a", Some(first))], ..writes(vec![delete(b"a")]) });
    let gone = Commit { checks: vec![check(b"a", Some(first))], ..Commit::default() };
    assert_eq!(wait(store.commit(gone)), Ok(Outcome::Conflict));
    commit(&*store, create());
}

fn writes_of_one_commit_apply_in_order(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    commit(&*store, writes(vec![put(b"a", b"0"), put(b"gone", &[b'x'; 9000])]));
    let all = vec![put(b"a", b"1"), put(b"a", b"2"), put(b"b", b"1"), delete(b"b"), delete(b"gone")];
    let version = commit(&*store, writes(all));
    assert_eq!(store.get(b"a").unwrap(), held(version, b"2"));
    assert_eq!(store.get(b"b").unwrap(), None);
    let twice = vec![put(b"c", &[b'y'; 9000]), put(b"c", &[b'z'; 10_000]), delete(b"d"), put(b"d", b"1")];
    let version = commit(&*store, writes(twice));
    assert_eq!(store.get(b"c").unwrap(), held(version, &[b'z'; 10_000]));
    assert_eq!(value(&*store, b"d").as_deref(), Some("1"));
}

fn versions_never_repeat(fixture: &mut dyn Fixture) {
    let mut last = None;
    for round in 0..3 {
        let store = fixture.store();
        for _ in 0..5 {
            let put_it = commit(&*store, writes(vec![put(b"a", b"same")]));
            assert!(Some(put_it) > last, "round {round}");
            let emptied = commit(&*store, writes(vec![delete(b"a")]));
            let nothing = commit(&*store, Commit::default());
            assert!(put_it < emptied && emptied < nothing);
            last = Some(nothing);
        }
        drop(store);
        if !fixture.reopen() {
            break;
        }
    }
}

fn scans_are_in_order_and_limited(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let key = |n: u32| format!("k/{n:05}").into_bytes();
    for chunk in (0..1000_u32).rev().collect::<Vec<_>>().chunks(100) {
        commit(&*store, writes(chunk.iter().map(|n| put(&key(*n), &n.to_be_bytes())).collect()));
    }
    let keys = |from: &[u8], until: &[u8], limit| {
        store.scan(from, until, limit).unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys(b"k/", b"k0", usize::MAX), (0..1000).map(key).collect::<Vec<_>>());
    assert_eq!(keys(&key(3), &key(6), 10), [key(3), key(4), key(5)]);
    assert_eq!(keys(&key(3), &key(6), 2), [key(3), key(4)]);
    assert_eq!(keys(b"", b"\xff", 257).len(), 257);
    assert_eq!(keys(b"", b"\xff", 0).len(), 0);
    assert_eq!(keys(&key(6), &key(3), 10).len(), 0);
    assert_eq!(keys(&key(6), &key(6), 10).len(), 0);
    assert_eq!(keys(b"l", b"", 10).len(), 0);
    let (_, found) = store.scan(&key(7), &key(8), 1).unwrap().remove(0);
    assert_eq!(found, store.get(&key(7)).unwrap().unwrap());
}

fn large_values(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for size in [4095, 4096, 4097, 8192, 8193, MAX_VALUE] {
        let value: Vec<u8> = (0..size).map(|n| (n % 253) as u8).collect();
        let version = commit(&*store, writes(vec![put(b"large", &value), put(b"other", &value)]));
        assert_eq!(store.get(b"large").unwrap(), held(version, &value));
        let all = store.scan(b"", b"\xff", 10).unwrap();
        assert_eq!(all.len(), 2, "parts are not shown");
        assert_eq!(all[1], (b"other".to_vec(), held(version, &value).unwrap()));
    }
    commit(&*store, writes(vec![delete(b"large"), put(b"other", b"small")]));
    assert_eq!(store.scan(b"", b"\xff", 10).unwrap().len(), 1);
}

fn own_keys_are_out_of_reach(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let mut made = writes(vec![put(b"\x01", b"1"), put(b"large", &[0; 20_000])]);
    made.records.push(b"a record".to_vec());
    commit(&*store, made);
    assert_eq!(store.scan(b"", b"\xff", 10).unwrap().len(), 2);
    assert_eq!(store.scan(b"\0", b"\x01", 10).unwrap().len(), 0);
    assert_eq!(store.get(b"\0chain/\0\0\0\0\0\0\0\0").unwrap(), None);
    for key in [&b""[..], b"\0", b"\0chain/\0\0\0\0\0\0\0\0", b"\0part/"] {
        for bad in [writes(vec![put(key, b"")]), writes(vec![delete(key)])] {
            assert!(matches!(wait(store.commit(bad)), Err(StoreError::BadKey(_))));
        }
        let bad = Commit { checks: vec![check(key, None)], ..Commit::default() };
        assert!(matches!(wait(store.commit(bad)), Err(StoreError::BadKey(_))));
    }
}

fn limits(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let over = |limit: usize| vec![b'k'; limit + 1];
    let sixteen = (0..16_u8).map(|n| put(&[b'k', n], &[0; MAX_VALUE])).collect();
    let refused = [
        ("key", writes(vec![put(b"fine", b"1"), put(&over(MAX_KEY), b"")])),
        ("key", writes(vec![delete(&over(MAX_KEY))])),
        ("key", Commit { checks: vec![check(&over(MAX_KEY), None)], ..Commit::default() }),
        ("value", writes(vec![put(b"fine", b"1"), put(b"k", &over(MAX_VALUE))])),
        ("record", Commit { records: vec![over(MAX_RECORD)], ..writes(vec![put(b"fine", b"1")]) }),
        ("commit", writes(sixteen)),
        ("commit", Commit { records: vec![Vec::new(); MAX_COMMIT / 64 + 1], ..Commit::default() }),
    ];
    for (expect, bad) in refused {
        match wait(store.commit(bad)) {
            Err(StoreError::TooLarge { what, .. }) => assert_eq!(what, expect),
            other => panic!("{expect}: {other:?}"),
        }
    }
    assert_eq!(store.get(b"fine").unwrap(), None);
    let mut largest =
        writes((0..7_u8).map(|n| put(&[&[b'k'; MAX_KEY - 1][..], &[n]].concat(), &[n; MAX_VALUE])).collect());
    largest.records = vec![vec![b'r'; MAX_RECORD]; 2];
    commit(&*store, largest);
    assert_eq!(store.scan(b"k", b"l", 10).unwrap().len(), 7);
    assert_eq!(super::verify_chain(&*store), 2);
}

fn everything_lasts(fixture: &mut dyn Fixture) {
    let large = vec![7; 50_000];
    let mut made = writes(vec![put(b"a", b"1"), put(b"large", &large)]);
    made.records = vec![b"one".to_vec(), b"two".to_vec()];
    let version = commit(&*fixture.store(), made);
    let head = fixture.store().head();
    if fixture.reopen() {
        let store = fixture.store();
        assert_eq!(store.get(b"a").unwrap(), held(version, b"1"));
        assert_eq!(store.get(b"large").unwrap(), held(version, &large));
        assert_eq!(store.head(), head);
        assert_eq!(super::verify_chain(&*store), 2);
    }
}

fn closed(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let pending: Vec<_> = (0..50_u8).map(|n| store.commit(writes(vec![put(&[1, n], b"1")]))).collect();
    store.close().unwrap();
    for committing in pending {
        assert!(matches!(wait(committing), Ok(Outcome::Committed(_))), "what was sent before is carried out");
    }
    assert!(matches!(store.health(), Health::Down(_)));
    assert!(matches!(store.get(b"a"), Err(StoreError::Unavailable(_))));
    assert!(matches!(store.scan(b"a", b"b", 1), Err(StoreError::Unavailable(_))));
    assert!(matches!(wait(store.commit(writes(vec![put(b"a", b"")]))), Err(StoreError::Unavailable(_))));
    assert!(store.backup(&mut Vec::new()).is_err());
    assert!(store.close().is_err(), "once is enough");
}
