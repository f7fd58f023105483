//! Random stories: whatever people, mail, the directory, the help desk and the clock do in whatever order, what must
//! always hold holds after each event.
//!
//! A story is a list of moves that mean something in any state ("browser 2 does what its page asks for"), so that it
//! shrinks to the few that matter. The seed is fixed: a failure comes again. `PROPTEST_CASES` makes it longer.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each suite uses a part of it")]
mod common;
mod story;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::collections::BTreeMap;
use story::{Tale, tale};

/// Enough to reach everything (the second test says so), and little enough for every build.
const CASES: u32 = 400;

fn config() -> Config {
    let usual = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { CASES };
    Config { cases, rng_seed: RngSeed::Fixed(1789), failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_must_always_hold_holds(tale in tale()) {
        play(&tale)?;
    }
}

/// Invariants that no story comes near would hold in vain.
#[test]
fn the_stories_go_everywhere() {
    let mut runner = TestRunner::new(config());
    let mut been: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..CASES {
        let tale = tale().new_tree(&mut runner).expect("a tale can always be made up").current();
        let reached = play(&tale).unwrap_or_else(|failure| panic!("{failure}"));
        for place in reached {
            *been.entry(place).or_default() += 1;
        }
    }
    for place in story::PLACES {
        let times = been.get(*place).copied().unwrap_or(0);
        assert!(times > 0, "none of {CASES} stories reaches {place}: {been:#?}");
    }
}

fn play(tale: &Tale) -> Result<Vec<String>, TestCaseError> {
    story::play(tale).map_err(TestCaseError::fail)
}
