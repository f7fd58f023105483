//! Whoever answers on a daemon's socket and is no daemon: silent, endless, dripping, talking nonsense.
//!
//! It goes away with the test's process, and asserts nothing.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use parvis_stand::place::Place;
use serde_json::Value;

/// What a strange daemon does with each connection, after it has read something.
pub type Habit = fn(&mut UnixStream);

/// A socket on which somebody answers who is no daemon.
pub fn strange_daemon(habit: impl Fn(&mut UnixStream) + Clone + Send + 'static) -> Result<(Place, PathBuf)> {
    let place = Place::new("strange")?;
    let path = place.join("hook.sock");
    let listener = UnixListener::bind(&path)?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let habit = habit.clone();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                habit(&mut stream);
            });
        }
    });
    Ok((place, path))
}

/// Writes the same for ever.
pub fn endless(stream: &mut UnixStream) {
    while stream.write_all(&[b' '; 8192]).is_ok() {}
}

/// Says nothing, and stays.
pub fn silent(stream: &mut UnixStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// A byte now and then, of an answer that never ends.
pub fn dripping(stream: &mut UnixStream) {
    while stream.write_all(b" ").is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Something that is no answer.
pub fn garbage(stream: &mut UnixStream) {
    let _ = stream.write_all(b"[1, 2\0");
}

/// A yes to something else.
pub fn another_answer(stream: &mut UnixStream) {
    let _ = stream.write_all(b"{\"parameters\":{\"taken\":true}}\0");
}

/// An error that is none of the contract's.
pub fn another_error(stream: &mut UnixStream) {
    let _ = stream.write_all(
        b"{\"error\":\"org.example.Odd\",\"parameters\":{\"allow\":true,\"status\":\"active\"}}\0",
    );
}

/// Everything that was asked of a [`recorder`].
#[derive(Clone, Debug, Default)]
pub struct Asked(Arc<Mutex<Vec<Value>>>);

impl Asked {
    /// The last question's parameters; null where there was none.
    pub fn last(&self) -> Value {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.last().and_then(|call| call.get("parameters")).cloned().unwrap_or_default()
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A socket that writes down what it is asked and answers this reply to each.
pub fn recorder(reply: &'static str) -> Result<(Place, PathBuf, Asked)> {
    let place = Place::new("recorder")?;
    let path = place.join("hook.sock");
    let listener = UnixListener::bind(&path)?;
    let asked = Asked::default();
    let notes = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut bytes = Vec::new();
            let mut part = [0; 4096];
            while !bytes.contains(&0) {
                match stream.read(&mut part) {
                    Ok(count @ 1..) => bytes.extend(part.iter().take(count)),
                    Ok(_) | Err(_) => break,
                }
            }
            let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            if let Ok(call) = serde_json::from_slice(text) {
                notes.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
            }
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    Ok((place, path, asked))
}
