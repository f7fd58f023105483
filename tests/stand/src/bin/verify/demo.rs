//! `cargo demo` as a newcomer to the project starts it: it prints an address that has the sign-in page, and Enter ends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parvis_stand::binaries::cargo;

/// Starts it, opens the page, ends it.
pub fn in_a_browser(log: &Path) -> Result<String> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "parvis-stand", "--bin", "demo"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(std::fs::File::create(log)?);
    let mut demo = command.spawn().context("failed to start the demo")?;
    let said = BufReader::new(demo.stdout.take().context("no output")?);
    let mut lines = said.lines();
    let port = loop {
        let line = lines.next().context("the demo ended before it named an address")??;
        if let Some((_, rest)) = line.split_once("Open http://localhost:") {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            break digits.parse::<u16>()?;
        }
    };
    let page = get(port);
    drop(demo.stdin.take().map(|mut stdin| stdin.write_all(b"\n")));
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let status = demo.wait()?;
    if !status.success() {
        bail!("the demo ended with {status}: {}", rest.join("\n"));
    }
    let page = page?;
    if !page.starts_with("HTTP/1.1 200") || !page.contains("name=\"login\"") {
        bail!("the address does not show where to sign in: {page:.200}");
    }
    Ok(String::new())
}

fn get(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET /sign-in HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}
