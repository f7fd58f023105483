//! People are added, renamed, moved between states, deleted and put back at random; then what the watch believes is
//! held against a fresh search. No difference.

use std::collections::BTreeSet;
use std::time::Duration;

use parvis_suites::Dice;
use parvisd::directory::Way;

use crate::ground::{COMPARE, Ground};
use crate::seen::Seen;

/// The same story each time.
const SEED: u64 = 0x2026_1122_0415_1623;

/// Changes in one story; more where it is asked for.
fn length() -> usize {
    std::env::var("PARVIS_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(150)
}

fn provisional(ground: &Ground) -> BTreeSet<String> {
    let filter = ground.settings().provisional;
    let found = ground.server.admin().search(ground.server.base(), &filter, &["1.1"]).unwrap();
    found.iter().map(|entry| entry.dn.to_lowercase()).collect()
}

async fn what_is_believed_is_so(mut ground: Ground) {
    let mut dice = Dice::new(SEED);
    let mut roll = |sides: usize| usize::try_from(dice.below(sides as u64)).unwrap();
    let mut seen = Seen::from(ground.settings(), None);
    seen.refreshed().await;
    let mut people: Vec<String> = Vec::new();
    for step in 0..length() {
        let at = (!people.is_empty()).then(|| roll(people.len()));
        match (roll(10), at) {
            (0..=3, _) | (_, None) => people.push(ground.add(&format!("hasard{step}")).dn),
            (4, Some(at)) => people[at] = ground.rename(&people[at], &format!("autre{step}")),
            (5, Some(at)) => {
                ground.server.admin().delete(&people.swap_remove(at)).unwrap();
            }
            (roll, Some(at)) => ground.set_state(&people[at], ["A", "I", "S", "I"][roll - 6]),
        }
        if step % 50 == 20 {
            ground.server.kill9();
            ground.server.restart().unwrap();
        }
        seen.listen(Duration::from_millis(5)).await;
    }
    let expected = provisional(&ground);
    let names = |seen: &Seen| seen.names().into_iter().collect::<BTreeSet<_>>();
    seen.until("as the directory says", |seen| names(seen) == expected).await;
    // And it stays so, over a comparison.
    seen.listen(COMPARE * 2).await;
    assert_eq!(names(&seen), expected);
    seen.end().await;
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
