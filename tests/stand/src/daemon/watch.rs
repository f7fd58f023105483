//! Listening to a daemon: systemd's notification protocol (sd_notify(3)) and its log, with waits and no polling.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::run::lock;

/// The other end of `NOTIFY_SOCKET`.
#[derive(Debug)]
pub(crate) struct Notifications {
    shared: Arc<(Mutex<Seen>, Condvar)>,
    socket: PathBuf,
    thread: Option<JoinHandle<()>>,
}

/// What came since the daemon was last started.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    begun: Option<Instant>,
    pub(crate) ready: Option<Duration>,
    pub(crate) statuses: Vec<String>,
    pub(crate) all: Vec<String>,
}

const STOP: &[u8] = b"X_STAND_STOP=1";

impl Notifications {
    pub(crate) fn listen(path: &Path) -> Result<Self> {
        let socket = UnixDatagram::bind(path).context("failed to listen for notifications")?;
        let shared = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let seen = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length) = socket.recv(&mut buffer) {
                let message = buffer.get(..length).unwrap_or_default();
                if message == STOP {
                    return;
                }
                lock(&seen.0).take(&String::from_utf8_lossy(message));
                seen.1.notify_all();
            }
        });
        Ok(Self { shared, socket: path.to_owned(), thread: Some(thread) })
    }

    pub(crate) fn forget(&self) {
        *lock(&self.shared.0) = Seen::default();
    }

    pub(crate) fn begun(&self, at: Instant) {
        lock(&self.shared.0).begun = Some(at);
    }

    pub(crate) fn statuses(&self) -> Vec<String> {
        lock(&self.shared.0).statuses.clone()
    }

    pub(crate) fn all(&self) -> Vec<String> {
        lock(&self.shared.0).all.clone()
    }

    /// Until `found` gives something. It is asked again at each notification, and every 50 ms, because a daemon that
    /// dies notifies nobody.
    pub(crate) fn wait<T>(&self, limit: Duration, found: impl Fn(&Seen) -> Option<T>) -> Option<T> {
        let end = Instant::now() + limit;
        let mut seen = lock(&self.shared.0);
        loop {
            if let Some(value) = found(&seen) {
                return Some(value);
            }
            let left = end.saturating_duration_since(Instant::now()).min(Duration::from_millis(50));
            if left.is_zero() {
                return None;
            }
            (seen, _) = self.shared.1.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        let stopped = UnixDatagram::unbound().and_then(|socket| socket.send_to(STOP, &self.socket));
        if let (Ok(_), Some(thread)) = (stopped, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn take(&mut self, message: &str) {
        for line in message.lines() {
            if line == "READY=1" && self.ready.is_none() {
                self.ready = Some(self.begun.map(|begun| begun.elapsed()).unwrap_or_default());
            }
            self.statuses.extend(line.strip_prefix("STATUS=").map(str::to_owned));
            self.all.push(line.to_owned());
        }
    }
}

/// What the daemon printed, in memory and in a file.
#[derive(Debug)]
pub(super) struct Log {
    state: Mutex<LogState>,
    changed: Condvar,
}

#[derive(Debug)]
struct LogState {
    text: String,
    file: std::fs::File,
    /// How many pipes are open: one while a daemon runs.
    open: usize,
}

impl Log {
    pub(super) fn new(path: &Path) -> Result<Self> {
        let file = std::fs::File::create(path).context("failed to make the daemon's log")?;
        Ok(Self {
            state: Mutex::new(LogState { text: String::new(), file, open: 0 }),
            changed: Condvar::new(),
        })
    }

    pub(super) fn begin(&self) {
        lock(&self.state).open += 1;
    }

    pub(super) fn end(&self) {
        lock(&self.state).open -= 1;
        self.changed.notify_all();
    }

    pub(super) fn push(&self, line: &str) {
        let mut state = lock(&self.state);
        let _ = writeln!(state.file, "{line}");
        state.text.push_str(line);
        state.text.push('\n');
        self.changed.notify_all();
    }

    pub(super) fn text(&self) -> String {
        lock(&self.state).text.clone()
    }

    /// The first line with `text`.
    pub(super) fn wait(&self, text: &str, limit: Duration) -> Option<String> {
        let state = lock(&self.state);
        let absent = |state: &mut LogState| !state.text.contains(text);
        let waited = self.changed.wait_timeout_while(state, limit, absent);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.text.lines().find(|line| line.contains(text)).map(str::to_owned)
    }

    /// Until everything that a dead daemon had printed has been read.
    pub(super) fn wait_end(&self, limit: Duration) {
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, limit, |state| state.open > 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
