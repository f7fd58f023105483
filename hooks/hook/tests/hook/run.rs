//! Runs the binary and says how it went.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How late a busy machine may be, where the point is that the binary ends at all.
pub const MARGIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub output: String,
    pub error: String,
    pub elapsed: Duration,
}

impl Ended {
    /// The one JSON object and newline that it printed.
    pub fn json(&self) -> Value {
        let line = self.output.strip_suffix('\n').expect("a newline at the end");
        assert!(!line.contains('\n'), "one line: {line}");
        let value: Value = serde_json::from_str(line).expect("JSON");
        assert!(value.is_object());
        value
    }
}

/// The binary with nothing of this process's environment that it reads.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parvis-hook"));
    command.args(arguments).env_remove("PARVIS_SOCKET");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it with an input that ends.
pub fn run(socket: &Path, arguments: &[&str], input: &[u8]) -> Ended {
    let mut command = command(arguments);
    command.arg("--socket").arg(socket);
    finish(command, input, true)
}

/// Runs a command to its end; `closes`: whether its input ends.
pub fn finish(mut command: Command, input: &[u8], closes: bool) -> Ended {
    let started = Instant::now();
    let mut child = command.spawn().expect("it starts");
    let mut pipe = child.stdin.take().expect("it was piped");
    let input = input.to_vec();
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let writing = thread::spawn(move || {
        // It may end without reading everything: that is for the test to judge.
        let _unread = pipe.write_all(&input);
        if !closes {
            let _let_go = held.recv();
        }
    });
    let mut output = child.stdout.take().expect("it was piped");
    let reading = thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let ended = child.wait_with_output().expect("it ends");
    let elapsed = started.elapsed();
    drop(let_go);
    writing.join().expect("no panic");
    Ended {
        code: ended.status.code().expect("it was not killed"),
        output: reading.join().expect("no panic").expect("UTF-8"),
        error: String::from_utf8(ended.stderr).expect("UTF-8"),
        elapsed,
    }
}
