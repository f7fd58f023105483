//! Many at once: nothing lost, nothing half seen, nobody waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::{Commit, Outcome, StoreError};
use super::{Case, Fixture, check, commit, delete, put, value, verify_chain, wait, writes};

pub(super) const CASES: &[Case] = &[
    ("64 threads count", threads_count),
    ("a conflict inside a group", a_conflict_inside_a_group),
    ("a commit is seen whole", a_commit_is_seen_whole),
    ("a full queue is refused, and nothing of it is lost", a_full_queue_is_refused),
    ("a caller who leaves undoes nothing", a_caller_who_leaves),
];

fn threads_count(fixture: &mut dyn Fixture) {
    const THREADS: usize = 64;
    const EACH: usize = 10;
    let store = fixture.store();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    while !increment(&*store) {}
                }
            });
        }
    });
    assert_eq!(value(&*store, b"counter"), Some((THREADS * EACH).to_string()));
    assert_eq!(verify_chain(&*store), (THREADS * EACH) as u64);
    drop(store);
    if fixture.reopen() {
        assert_eq!(value(&*fixture.store(), b"counter"), Some((THREADS * EACH).to_string()));
    }
}

fn increment(store: &dyn super::Store) -> bool {
    let now = store.get(b"counter").unwrap();
    let count: u64 = now.as_ref().map_or(0, |held| String::from_utf8_lossy(&held.value).parse().unwrap());
    let next = (count + 1).to_string();
    let commit = Commit {
        checks: vec![check(b"counter", now.map(|held| held.version))],
        writes: vec![put(b"counter", next.as_bytes())],
        records: vec![next.clone().into_bytes()],
    };
    wait(store.commit(commit)).unwrap() != Outcome::Conflict
}

fn a_conflict_inside_a_group(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for round in 0..50_u8 {
        let key = [b'k', round];
        // Sent together: all but the first must be refused, whether or not they share a batch.
        let claims: Vec<_> = (0..20_u8)
            .map(|n| {
                store.commit(Commit {
                    checks: vec![check(&key, None)],
                    ..writes(vec![put(&key, &[b'0' + n])])
                })
            })
            .collect();
        let outcomes: Vec<_> = claims.into_iter().map(|claim| wait(claim).unwrap()).collect();
        assert!(matches!(outcomes[0], Outcome::Committed(_)));
        assert!(outcomes[1..].iter().all(|outcome| *outcome == Outcome::Conflict));
        assert_eq!(value(&*store, &key).as_deref(), Some("0"));
    }
}

fn a_commit_is_seen_whole(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let both =
        |text: &str| writes(vec![put(b"a", text.as_bytes()), put(b"z", text.as_bytes()), delete(b"m")]);
    commit(&*store, both("0"));
    let stop = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0_u64;
                    while !stop.load(Ordering::Acquire) {
                        let all = store.scan(b"a", b"zz", 10).unwrap();
                        assert!(all.len() == 2 && all[0].1 == all[1].1, "a torn commit: {all:?}");
                        let now = String::from_utf8_lossy(&all[0].1.value).parse().unwrap();
                        assert!(now >= seen, "time went back");
                        seen = now;
                    }
                })
            })
            .collect();
        for n in 1..300 {
            commit(&*store, both(&n.to_string()));
            assert_eq!(value(&*store, b"a"), Some(n.to_string()), "one's own commit is seen");
        }
        stop.store(true, Ordering::Release);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

fn a_full_queue_is_refused(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let all: Vec<_> = (0..5000_u32)
        .map(|n| store.commit(writes(vec![put(&[&b"k"[..], &n.to_be_bytes()].concat(), &[0; 4000])])))
        .collect();
    let answers: Vec<_> = all.into_iter().map(wait).collect();
    assert!(
        answers.iter().any(|answer| matches!(answer, Err(StoreError::Unavailable(_)))),
        "a queue without end"
    );
    for (n, answer) in (0..).zip(&answers) {
        let key = [&b"k"[..], &u32::to_be_bytes(n)].concat();
        assert_eq!(store.get(&key).unwrap().is_some(), answer.is_ok(), "{n}: {answer:?}");
    }
    commit(&*store, writes(vec![put(b"afterwards", b"")]));
}

fn a_caller_who_leaves(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    drop(store.commit(writes(vec![put(b"a", b"1")])));
    commit(&*store, Commit::default());
    assert_eq!(value(&*store, b"a").as_deref(), Some("1"));
}
