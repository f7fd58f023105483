//! Random stories: whatever people, mail, the directory, the help desk and the clock do in whatever order, what must
//! always hold holds after each event.
//!
//! A story is a list of moves that mean something in any state ("browser 2 does what its page asks for"), so that it
//! shrinks to the few that matter. The seed is fixed: a failure comes again. `PROPTEST_CASES` makes it longer.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each suite uses a part of it")]
mod common;
mod story;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Enough to reach every place, and little enough for every build.
const CASES: u32 = 500;

#[test]
fn what_must_always_hold_holds_and_the_stories_go_everywhere() {
    let usual = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { CASES };
    let config = Config { cases, rng_seed: RngSeed::Fixed(1789), failure_persistence: None, ..usual };
    let been = RefCell::new(BTreeMap::<String, u32>::new());
    let outcome = TestRunner::new(config).run(&story::tale(), |tale| {
        for place in story::play(&tale).map_err(TestCaseError::fail)? {
            *been.borrow_mut().entry(place).or_default() += 1;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    // Invariants that no story comes near would hold in vain.
    let been = been.into_inner();
    for place in story::PLACES.iter().filter(|_| cases >= CASES) {
        assert!(been.contains_key(*place), "none of {cases} stories reaches {place}: {been:#?}");
    }
}
