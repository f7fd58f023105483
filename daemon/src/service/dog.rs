//! The watchdog: fed only by proof that the runtime turns and the store answers.
//!
//! The store is read in a thread of its own: the shared blocking threads may all wait for something else (the system's
//! user database, a slow disk), and that is no reason to be killed.

use super::lifecycle::notify;
use crate::dossier::key;
use crate::store::Store;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// A question to the reader: does the store answer?
type Question = oneshot::Sender<bool>;

/// Feeds it for as long as the daemon lives; for ever idle where systemd keeps no watchdog.
pub async fn feed(store: Arc<dyn Store>) {
    let Some(period) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let reader = match reader(store) {
        Ok(reader) => reader,
        Err(error) => return tracing::error!(%error, "failed to start the watchdog's thread"),
    };
    loop {
        if proof(&reader, period / 2).await {
            notify(&[NotifyState::Watchdog]);
        }
        tokio::time::sleep(period / 3).await;
    }
}

/// A thread that reads when it is asked, and ends with whoever asks.
fn reader(store: Arc<dyn Store>) -> std::io::Result<SyncSender<Question>> {
    let (ask, asked) = sync_channel::<Question>(1);
    std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        while let Ok(question) = asked.recv() {
            // Nobody waits any more where the answer comes late.
            let _ = question.send(store.get(&key::own("key")).is_ok());
        }
    })?;
    Ok(ask)
}

async fn proof(reader: &SyncSender<Question>, patience: Duration) -> bool {
    let (answer, answered) = oneshot::channel();
    reader.try_send(answer).is_ok() && matches!(tokio::time::timeout(patience, answered).await, Ok(Ok(true)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Chain;
    use crate::store::memory;

    #[tokio::test]
    async fn a_store_that_answers_is_proof_also_while_every_blocking_thread_waits() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let proven = tokio::task::spawn_blocking(move || {
            let runtime = runtime.unwrap();
            let proven = runtime.block_on(async {
                let stuck = tokio::task::spawn_blocking(move || held.recv());
                let reader = reader(memory(Arc::new(Chain::new([0; 32])))).unwrap();
                let proven = proof(&reader, Duration::from_secs(10)).await;
                drop(hold);
                assert!(stuck.await.unwrap().is_err());
                proven
            });
            drop(runtime);
            proven
        });
        assert!(proven.await.unwrap());
    }

    #[tokio::test]
    async fn a_reader_that_hangs_or_is_gone_is_no_proof() {
        let (reader, questions) = sync_channel::<Question>(1);
        assert!(!proof(&reader, Duration::from_millis(10)).await, "nobody answers");
        assert!(!proof(&reader, Duration::from_secs(600)).await, "the question before is not even taken");
        drop(questions);
        assert!(!proof(&reader, Duration::from_secs(600)).await);
    }
}
