//! The way to the daemon: the contract's own blocking client, each call on a thread, with a limit to how many.
//!
//! What an answer or its absence comes to is said by the contract's crate, for `parvis-hook` and for us alike.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parvis_protocol::Client;
use parvis_protocol::hook::{Call, Method};
use parvis_protocol::outcome::{Fault, Outcome};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

/// Calls at once; whoever comes then waits within their deadline.
pub const AT_ONCE: usize = 128;

/// How long a whole exchange may take, from the request's head to the answer, as `parvis-hook`'s; what is kept of it is
/// for saying how it went.
pub const fn patience(method: Method) -> Duration {
    match method {
        Method::Password => Duration::from_millis(9_950),
        _ => Duration::from_millis(1_950),
    }
}

/// The way to the daemon.
#[derive(Debug, Clone)]
pub struct Daemon {
    socket: PathBuf,
    calls: Arc<Semaphore>,
}

impl Daemon {
    /// Nothing is opened before it is needed.
    pub fn at(socket: PathBuf) -> Self {
        Self { socket, calls: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Makes a call; it ends by the deadline, whatever the daemon does.
    pub async fn ask(&self, call: Call, deadline: Instant) -> Outcome {
        let late = || Outcome::Failed(Fault::Unreachable);
        let Ok(Ok(permit)) = timeout_at(deadline.into(), self.calls.clone().acquire_owned()).await else {
            return late();
        };
        let socket = self.socket.clone();
        // Whoever asked may leave: the call goes on, as a password that is being set must.
        let asked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            Client::connect(&socket, deadline).and_then(|mut client| client.ask(&call))
        });
        match asked.await {
            Ok(result) => {
                if let Err(error) = &result {
                    tracing::debug!(%error, "the daemon gave no answer to act on");
                }
                Outcome::of(result)
            }
            Err(_) => Outcome::Failed(Fault::Own { reference: None }),
        }
    }
}
