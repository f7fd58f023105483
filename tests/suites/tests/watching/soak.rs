//! People are added, renamed, moved within what is watched, out of it and back, locked, activated, made provisional again
//! and deleted at random, while the server is killed now and then; then what the watch believes is held against a fresh
//! search. No difference.
//!
//! `PARVIS_FULL=1` goes on for minutes, with another story each time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use parvis_suites::Dice;
use parvisd::directory::Way;

use crate::ground::{COMPARE, Ground};
use crate::seen::Seen;

/// The short story is the same each time.
const SEED: u64 = 0x2026_1122_0415_1623;
/// Its changes.
const CHANGES: usize = 150;
/// How long a long one goes on.
const LONG: Duration = Duration::from_secs(180);
/// After so many changes, all is held against a fresh search.
const HELD_EVERY: usize = 150;
/// People at most: beyond that, one goes for each who comes.
const MOST: usize = 200;

/// The whole of a story: its changes so far, and how long it has been told.
fn over(changes: usize, begun: Instant) -> bool {
    if full() { begun.elapsed() >= LONG && changes.is_multiple_of(HELD_EVERY) } else { changes >= CHANGES }
}

fn full() -> bool {
    std::env::var_os("PARVIS_FULL").is_some()
}

fn seed() -> u64 {
    SEED ^ if full() { std::process::id().into() } else { 0 }
}

fn provisional(ground: &Ground) -> BTreeSet<String> {
    let filter = ground.settings().provisional;
    let found = ground.server.admin().search(ground.server.base(), &filter, &["1.1"]).unwrap();
    found.iter().map(|entry| entry.dn.to_lowercase()).collect()
}

async fn what_is_believed_is_so(mut ground: Ground) {
    let seed = seed();
    println!("the dice begin with {seed:#x}");
    let mut dice = Dice::new(seed);
    let mut roll = |sides: usize| usize::try_from(dice.below(sides as u64)).unwrap();
    let mut seen = Seen::from(ground.settings(), None);
    seen.refreshed().await;
    let base = ground.server.base().to_owned();
    let (within, beyond) = (format!("ou=arrivants,{base}"), base.replacen("people", "services", 1));
    let branch = format!("dn: {within}\nobjectClass: organizationalUnit\nou: arrivants\n");
    ground.server.admin().add(&branch).unwrap();
    let (mut people, mut changes, begun) = (Vec::<String>::new(), 0, Instant::now());
    while !over(changes, begun) {
        let at = (!people.is_empty()).then(|| roll(people.len()));
        match (roll(14), at) {
            (0..=4, _) | (_, None) if people.len() < MOST => {
                people.push(ground.add(&format!("hasard{changes}")).dn);
            }
            (0..=5, Some(at)) => ground.server.admin().delete(&people.swap_remove(at)).unwrap(),
            (6 | 7, Some(at)) => people[at] = ground.rename(&people[at], &format!("autre{changes}")),
            (8 | 9, Some(at)) => {
                let parent = [&base, &within, &beyond][roll(3)];
                if people[at].split_once(',').unwrap().1 != parent {
                    people[at] = ground.move_under(&people[at], parent);
                }
            }
            (_, Some(at)) => ground.set_state(&people[at], ["A", "I", "S", "I"][roll(4)]),
            (_, None) => {}
        }
        changes += 1;
        if changes % 50 == 20 {
            ground.server.kill9();
            ground.server.restart().unwrap();
        }
        seen.listen(Duration::from_millis(5)).await;
        if changes % HELD_EVERY == 0 {
            as_it_is(&ground, &mut seen).await;
        }
    }
    println!("{changes} changes in {} s", begun.elapsed().as_secs());
    // And it stays so, over a comparison.
    seen.listen(COMPARE * 2).await;
    assert_eq!(names(&seen), provisional(&ground));
    seen.end().await;
}

fn names(seen: &Seen) -> BTreeSet<String> {
    seen.names().into_iter().collect()
}

async fn as_it_is(ground: &Ground, seen: &mut Seen) {
    let expected = provisional(ground);
    seen.until("as the directory says", |seen| names(seen) == expected).await;
}

on_each! {
    [what_is_believed_is_so]
    openldap_by_synchronisation: Ground::slapd(Way::Sync);
    openldap_by_asking: Ground::slapd(Way::Poll);
    ds389_by_synchronisation: Ground::ds389(Way::Sync);
    ds389_by_persistent_search: Ground::ds389(Way::PersistentSearch);
    ds389_by_asking: Ground::ds389(Way::Poll);
    active_directory_by_dirsync: Ground::samba(Way::Dirsync);
    active_directory_by_asking: Ground::samba(Way::Poll);
}
