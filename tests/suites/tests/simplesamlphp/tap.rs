//! A socket before the daemon's: it writes down what is asked, and passes it on, or answers as no daemon should.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// What it does with a call.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Passes it on to the daemon's socket, and the answer back.
    Relay(PathBuf),
    /// Answers this, whatever is asked, and closes.
    Say(Vec<u8>),
    /// Answers without an end.
    Endless,
    /// Answers a byte every tenth of a second, without an end.
    Drip,
    /// Says nothing, and does not close.
    Silent,
}

struct Shared {
    mode: Mutex<Mode>,
    asked: Mutex<Vec<Value>>,
    over: AtomicBool,
}

/// The socket.
pub struct Tap {
    path: PathBuf,
    shared: Arc<Shared>,
}

impl Tap {
    /// Listens in this directory.
    pub fn new(dir: &Path, mode: Mode) -> Result<Self> {
        let path = dir.join("tap.sock");
        let listener = UnixListener::bind(&path)?;
        let shared = Arc::new(Shared {
            mode: Mutex::new(mode),
            asked: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if own.over.load(Ordering::Relaxed) {
                    break;
                }
                let own = Arc::clone(&own);
                // The other side leaves when it has had enough: no fault of ours.
                std::thread::spawn(move || serve(&own, stream).ok());
            }
        });
        Ok(Self { path, shared })
    }

    /// Where to ask.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From the next call on.
    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().expect("no test panics here") = mode;
    }

    /// The parameters of every call until now, in order.
    pub fn asked(&self) -> Vec<Value> {
        self.shared.asked.lock().expect("no test panics here").clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let _ = UnixStream::connect(&self.path);
    }
}

fn serve(shared: &Shared, mut stream: UnixStream) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let call = message(&mut stream)?;
    let asked: Value = serde_json::from_slice(call.strip_suffix(b"\0").context("no NUL")?)?;
    let parameters = asked.get("parameters").cloned().unwrap_or_default();
    shared.asked.lock().expect("no test panics here").push(parameters);
    let mode = shared.mode.lock().expect("no test panics here").clone();
    match mode {
        Mode::Relay(path) => {
            let mut daemon = UnixStream::connect(path)?;
            daemon.set_read_timeout(Some(Duration::from_secs(60)))?;
            daemon.write_all(&call)?;
            stream.write_all(&message(&mut daemon)?)?;
        }
        Mode::Say(bytes) => stream.write_all(&bytes)?,
        Mode::Endless => loop {
            stream.write_all(&[b' '; 4096])?;
        },
        Mode::Drip => loop {
            stream.write_all(b" ")?;
            std::thread::sleep(Duration::from_millis(100));
        },
        // Until the other side closes.
        Mode::Silent => {
            let _ = stream.read(&mut [0; 1]);
        }
    }
    Ok(())
}

fn message(stream: &mut UnixStream) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut byte = [0];
    while all.last() != Some(&0) {
        stream.read_exact(&mut byte)?;
        all.extend(byte);
    }
    Ok(all)
}
