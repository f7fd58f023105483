//! Outcomes of mails wait a moment for company, so that one flush of the store serves several.
//!
//! A flush costs more than all that it keeps. It is short enough for whoever looks at how a mail went; how many mails are
//! under way, and so how many a power cut may repeat, is bounded elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Nobody waits for longer.
const PATIENCE: Duration = Duration::from_millis(20);

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Company {
    waiting: Mutex<usize>,
    leaving: Notify,
}

impl Company {
    /// Returns when so many wait, or somebody has waited for long enough: all who wait leave together.
    pub(super) async fn join(&self, enough: usize) {
        let mut leaving = std::pin::pin!(self.leaving.notified());
        // Before being counted: whoever counts this one as the last lets it go, too.
        leaving.as_mut().enable();
        let full = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            *waiting += 1;
            *waiting >= enough
        };
        if full || timeout(PATIENCE, leaving).await.is_err() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            *waiting = 0;
            self.leaving.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::time::Instant;

    /// How long each of these waits, who come so many milliseconds after the first.
    async fn waits(enough: usize, come: &[u64]) -> Vec<u64> {
        let company = Arc::new(Company::default());
        let come = come.iter().map(|after| {
            let (company, after) = (Arc::clone(&company), Duration::from_millis(*after));
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                let begun = Instant::now();
                company.join(enough).await;
                u64::try_from(begun.elapsed().as_millis()).unwrap()
            })
        });
        let mut all = Vec::new();
        for one in come.collect::<Vec<_>>() {
            all.push(one.await.unwrap());
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn all_leave_with_the_first_who_has_waited_for_long_enough() {
        assert_eq!(waits(9, &[0, 5, 15, 30, 31]).await, [20, 15, 5, 20, 19]);
    }

    #[tokio::test(start_paused = true)]
    async fn all_leave_with_the_one_who_makes_them_enough() {
        assert_eq!(waits(3, &[0, 5, 7, 8, 9]).await, [7, 2, 0, 20, 19]);
        assert_eq!(waits(1, &[0, 1, 2]).await, [0, 0, 0]);
        assert_eq!(waits(0, &[0]).await, [0]);
    }
}
