//! The least that a program asking a daemon can do: connect to a Unix socket, exchange one line, exit.
//!
//! What `parvis-hook check` is measured against. One file without dependencies: the benchmark compiles it by itself,
//! static and small. `bare-client SOCKET LINE`; exits 0 when a line came back.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(socket), Some(line)) = (arguments.next(), arguments.next()) else { return ExitCode::from(64) };
    match exchange(&socket, &line) {
        Ok(answer) => match std::io::stdout().lock().write_all(&answer) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(70),
        },
        Err(_) => ExitCode::from(69),
    }
}

fn exchange(socket: &str, line: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = Vec::with_capacity(256);
    let mut buffer = [0; 256];
    loop {
        let count = stream.read(&mut buffer)?;
        answer.extend(buffer.iter().take(count));
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if answer.last() == Some(&b'\n') {
            return Ok(answer);
        }
    }
}
