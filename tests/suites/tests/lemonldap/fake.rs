//! Others in the daemon's place: one that writes down what it is asked and passes it on, and those that answer badly.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::place::Place;
use parvis_stand::run;
use serde_json::Value;

/// What it does with a question.
#[derive(Clone)]
pub enum Manner {
    /// Passes it on to the daemon.
    Relay(PathBuf),
    /// Answers with these bytes and closes.
    Says(Vec<u8>),
    /// Answers with these bytes, again and again.
    Endless(Vec<u8>),
    /// A byte of an answer that is never whole, now and then.
    Drips,
    /// Says nothing.
    Silent,
}

/// An answer with a NUL.
pub fn says(text: &str) -> Manner {
    Manner::Says(format!("{text}\0").into_bytes())
}

/// Somebody on a socket of their own.
pub struct Fake {
    place: Place,
    manner: Arc<Mutex<Manner>>,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Fake {
    pub fn new(manner: Manner) -> Result<Self> {
        let place = Place::new("fake")?;
        let listener = UnixListener::bind(place.join("hook.sock"))?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let manner = Arc::new(Mutex::new(manner));
        let (hears, manners) = (Arc::clone(&heard), Arc::clone(&manner));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(std::io::Result::ok) {
                let manner = manners.lock().expect("nobody panics with it").clone();
                let hears = Arc::clone(&hears);
                std::thread::spawn(move || serve(stream, &manner, &hears));
            }
        });
        Ok(Self { place, manner, heard })
    }

    /// From now on.
    pub fn becomes(&self, manner: Manner) {
        *self.manner.lock().expect("nobody panics with it") = manner;
    }

    pub fn socket(&self) -> String {
        self.place.join("hook.sock").display().to_string()
    }

    /// The parameters of the last question.
    pub fn heard(&self) -> Result<Value> {
        let all = self.heard.lock().expect("nobody panics with it");
        all.last().and_then(|call| call.get("parameters")).cloned().context("nobody asked")
    }

    /// How often it was asked.
    pub fn times(&self) -> usize {
        self.heard.lock().expect("nobody panics with it").len()
    }
}

fn serve(mut stream: UnixStream, manner: &Manner, heard: &Mutex<Vec<Value>>) -> Option<()> {
    let question = message(&mut stream)?;
    let call: Value = serde_json::from_slice(question.strip_suffix(b"\0")?).ok()?;
    heard.lock().expect("nobody panics with it").push(call);
    match manner {
        Manner::Relay(daemon) => {
            let mut other = UnixStream::connect(daemon).ok()?;
            other.write_all(&question).ok()?;
            stream.write_all(&message(&mut other)?).ok()
        }
        Manner::Says(bytes) => stream.write_all(bytes).ok(),
        Manner::Endless(bytes) => loop {
            stream.write_all(bytes).ok()?;
        },
        Manner::Drips => loop {
            stream.write_all(b" ").ok()?;
            std::thread::sleep(Duration::from_millis(50));
        },
        // Until the other side is tired of it.
        Manner::Silent => stream.read(&mut [0; 1]).ok().map(drop),
    }
}

fn message(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let (mut all, mut byte) = (Vec::new(), [0; 1]);
    while byte[0] != 0 || all.is_empty() {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        all.push(byte[0]);
    }
    Some(all)
}

/// A program that another user can run, in a place of its own.
pub fn program(place: &Place, text: &str) -> Result<String> {
    let path = place.join("program");
    run::script(&path, text)?;
    Ok(path.display().to_string())
}
