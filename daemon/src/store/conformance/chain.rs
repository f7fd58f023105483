//! The chain: numbered, linked, paged out of sight, and no longer than what was committed.

use super::super::{Commit, Head, MAX_RECORD};
use super::{Case, Fixture, check, commit, put, verify_chain, wait, writes};

pub(super) const CASES: &[Case] = &[
    ("an empty chain has a head", an_empty_chain_has_a_head),
    ("records are numbered and linked", records_are_numbered_and_linked),
    ("records of any size", records_of_any_size),
    ("the chain goes on after a reopening", the_chain_goes_on),
];

fn records(bodies: Vec<Vec<u8>>) -> Commit {
    Commit { records: bodies, ..Commit::default() }
}

fn an_empty_chain_has_a_head(fixture: &mut dyn Fixture) {
    let empty = Head { length: 0, link: [0; 32] };
    assert_eq!(fixture.store().head(), empty);
    assert!(fixture.store().records(0, 10).unwrap().is_empty());
    commit(&*fixture.store(), writes(vec![put(b"a", b"no record")]));
    fixture.reopen();
    assert_eq!(fixture.store().head(), empty);
    assert_eq!(verify_chain(&*fixture.store()), 0);
}

fn records_are_numbered_and_linked(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let body = |n: u64| format!("record {n} {}", "x".repeat((n * 37 % 400) as usize)).into_bytes();
    let mut n = 0;
    for size in [1, 2, 13, 16, 17, 0, 40, 1, 300] {
        commit(&*store, records((n..n + size).map(body).collect()));
        n += size;
        assert_eq!(store.head().length, n);
    }
    assert_eq!(verify_chain(&*store), n);
    for (from, limit, expect) in
        [(0, 5, 0..5), (15, 3, 15..18), (n - 2, 9, n - 2..n), (n, 9, n..n), (7, 0, 7..7)]
    {
        let found = store.records(from, limit).unwrap();
        assert_eq!(found.iter().map(|record| record.number).collect::<Vec<_>>(), expect.collect::<Vec<_>>());
        assert!(found.iter().all(|record| record.body == body(record.number)));
    }
    assert!(store.records(u64::MAX, 1).unwrap().is_empty());
    let refused =
        Commit { checks: vec![check(b"absent", Some(super::Version(1)))], ..records(vec![b"no".to_vec()]) };
    wait(store.commit(refused)).unwrap();
    assert_eq!(store.head().length, n, "a conflict leaves no record");
}

fn records_of_any_size(fixture: &mut dyn Fixture) {
    for size in [0, 3900, 3964, 3965, 4096, MAX_RECORD, 1, MAX_RECORD, MAX_RECORD, 0] {
        commit(&*fixture.store(), records(vec![vec![b'r'; size]]));
        verify_chain(&*fixture.store());
    }
    fixture.reopen();
    assert_eq!(verify_chain(&*fixture.store()), 10);
}

fn the_chain_goes_on(fixture: &mut dyn Fixture) {
    for n in 1..=20 {
        commit(&*fixture.store(), records(vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]));
        fixture.reopen();
        assert_eq!(verify_chain(&*fixture.store()), 3 * n);
    }
}
