//! A daemon that does as it is told: it takes connections, reads one call on each, and follows its script.

use std::io::{BufRead, BufReader, Result, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

pub struct Daemon {
    directory: TempDir,
    calls: Receiver<Value>,
}

impl Daemon {
    /// What it does with each connection once the call is read; an error means that the binary has gone.
    pub fn new(script: impl Fn(&mut UnixStream) -> Result<()> + Send + 'static) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(directory.path().join("hook.sock")).expect("a socket");
        let (seen, calls) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut call = Vec::new();
                BufReader::new(&stream).read_until(0, &mut call).expect("a call");
                call.pop();
                // A test that does not look at the calls has let go of this end.
                let _unseen = seen.send(serde_json::from_slice(&call).expect("a call is JSON"));
                let _gone = script(&mut stream);
            }
        });
        Self { directory, calls }
    }

    /// It answers every call with the same message.
    pub fn replying(message: &Value) -> Self {
        let bytes = format!("{message}\0");
        Self::new(move |stream| stream.write_all(bytes.as_bytes()))
    }

    /// It answers every call with these parameters.
    pub fn answering(parameters: &Value) -> Self {
        Self::replying(&json!({ "parameters": parameters }))
    }

    /// It answers every call with an error.
    pub fn failing(error: &str, parameters: &Value) -> Self {
        Self::replying(&json!({ "error": error, "parameters": parameters }))
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("hook.sock")
    }

    /// The next call that it was sent.
    pub fn call(&self) -> Value {
        self.calls.recv_timeout(Duration::from_secs(10)).expect("a call")
    }
}

/// A place where no daemon is.
pub fn nowhere() -> &'static Path {
    Path::new("/nonexistent/parvis/hook.sock")
}
