//! Whether to believe that many people are gone at once: a server that was emptied, or restored by half, says so too.

use parvis_enrolment::PersonId;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// More people than this, and more than half of those who are open, missing at once: nothing is concluded from it.
const FEW: usize = 20;
/// It is believed when a refresh so much later says it still.
pub const BELIEVED: Duration = Duration::from_secs(600);

/// A refresh that was not believed.
pub struct Doubt {
    since: Instant,
    gone: HashSet<PersonId>,
}

/// Who of those missing is really to be taken for missing; `None`: nothing is concluded, and the refresh is remembered.
pub fn believed(
    doubt: &mut Option<Doubt>,
    gone: HashSet<PersonId>,
    open: usize,
    now: Instant,
) -> Option<HashSet<PersonId>> {
    if gone.len() <= FEW || gone.len() * 2 <= open {
        *doubt = None;
        return Some(gone);
    }
    match doubt {
        // The same thing, seen again: nobody who was there then is missing now.
        Some(before) if gone.is_subset(&before.gone) => {
            if now.saturating_duration_since(before.since) < BELIEVED {
                return None;
            }
            *doubt = None;
            Some(gone)
        }
        Some(_) | None => {
            *doubt = Some(Doubt { since: now, gone });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parvis_enrolment::Id;

    /// Refreshes, by minute and by who is missing, of forty open enrolments: how many are believed missing at each.
    fn check(refreshes: &[(u64, std::ops::Range<u8>)], expected: &[Option<usize>]) {
        let start = Instant::now();
        let mut doubt = None;
        let found: Vec<Option<usize>> = refreshes
            .iter()
            .map(|(minute, missing)| {
                let gone = missing.clone().map(|number| Id([number; 16])).collect();
                let now = start + Duration::from_secs(minute * 60);
                believed(&mut doubt, gone, 40, now).map(|gone| gone.len())
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_few_are_believed_at_once() {
        check(&[(0, 0..0), (1, 0..20)], &[Some(0), Some(20)]);
    }

    #[test]
    fn many_are_believed_when_it_is_still_so_ten_minutes_later() {
        check(&[(0, 0..40), (5, 0..40), (9, 0..40), (10, 0..40)], &[None, None, None, Some(40)]);
        check(&[(0, 0..40), (10, 0..30)], &[None, Some(30)]);
    }

    #[test]
    fn a_directory_that_came_back_is_no_second_witness() {
        check(&[(0, 0..40), (5, 0..2), (10, 0..40), (15, 0..40)], &[None, Some(2), None, None]);
    }

    #[test]
    fn others_missing_is_another_thing() {
        check(&[(0, 0..30), (10, 5..35), (19, 5..35), (20, 5..35)], &[None, None, None, Some(30)]);
    }
}
