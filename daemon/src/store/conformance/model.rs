//! Random stories against a plain map: the same answers, the same state.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::super::{Commit, Outcome, Version, Write};
use super::{Case, Fixture, check, delete, held, put, verify_chain, wait};

pub(super) const CASES: &[Case] = &[("random stories", random_stories)];

const STORIES: usize = 25;

#[derive(Clone, Debug)]
enum Step {
    /// A group of commits sent together; a check is on the version that the map has when it is sent, or on nothing.
    Group(Vec<Sketch>),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let checks = prop::collection::vec((0..12_u8, any::<bool>()), 0..3);
    let sizes = prop_oneof![Just(None), (0..200_u16).prop_map(Some), (4000..9000_u16).prop_map(Some)];
    let writes = prop::collection::vec((0..12_u8, sizes), 0..5);
    let group = prop::collection::vec((checks, writes, 0..4_u8), 1..6).prop_map(Step::Group);
    prop::collection::vec(prop_oneof![20 => group, 1 => Just(Step::Reopen)], 1..30)
}

/// A commit in short: checks (a key, and whether it is to be stale), writes (a key and a size, or none), records.
type Sketch = (Vec<(u8, bool)>, Vec<(u8, Option<u16>)>, u8);

type Map = BTreeMap<Vec<u8>, (Version, Vec<u8>)>;

fn random_stories(fixture: &mut dyn Fixture) {
    let mut map = Map::new();
    // The same stories each time: a failure can be looked at again.
    let mut runner = TestRunner::deterministic();
    for _ in 0..STORIES {
        let story = steps().new_tree(&mut runner).unwrap().current();
        for step in story {
            match step {
                Step::Reopen => drop(fixture.reopen()),
                Step::Group(group) => play(fixture, &mut map, &group),
            }
        }
        let store = fixture.store();
        let found: Map = store
            .scan(b"", b"\xff", usize::MAX)
            .unwrap()
            .into_iter()
            .map(|(key, held)| (key, (held.version, held.value)))
            .collect();
        assert_eq!(found, map);
        verify_chain(&*store);
    }
}

fn play(fixture: &mut dyn Fixture, map: &mut Map, group: &[Sketch]) {
    let store = fixture.store();
    let key = |n: u8| vec![b'k', n];
    let commits: Vec<Commit> = group
        .iter()
        .map(|(checks, writes, records)| Commit {
            checks: checks
                .iter()
                .map(|(n, stale)| {
                    let now = map.get(&key(*n)).map(|(version, _)| *version);
                    check(&key(*n), if *stale { None } else { now })
                })
                .collect(),
            writes: writes
                .iter()
                .map(|(n, size)| match size {
                    Some(size) => put(&key(*n), &vec![*n; usize::from(*size)]),
                    None => delete(&key(*n)),
                })
                .collect(),
            records: vec![b"story".to_vec(); usize::from(*records)],
        })
        .collect();
    let sent: Vec<_> = commits.iter().map(|commit| store.commit(commit.clone())).collect();
    for (commit, committing) in commits.iter().zip(sent) {
        let holds = commit
            .checks
            .iter()
            .all(|check| map.get(&check.key).map(|(version, _)| *version) == check.expect);
        match wait(committing).unwrap() {
            Outcome::Conflict => assert!(!holds, "refused without a reason"),
            Outcome::Committed(version) => {
                assert!(holds, "committed against a check");
                for write in &commit.writes {
                    match write {
                        Write::Put { key, value } => drop(map.insert(key.clone(), (version, value.clone()))),
                        Write::Delete { key } => drop(map.remove(key)),
                    }
                }
            }
        }
    }
    for n in 0..12 {
        let expect = map.get(&key(n)).and_then(|(version, value)| held(*version, value));
        assert_eq!(store.get(&key(n)).unwrap(), expect);
    }
}
