//! The few lines before TLS (RFC 3207): greeting, EHLO, STARTTLS.
//!
//! Not lettre's: it keeps what a server, or whoever sits before it, has sent after the answer to STARTTLS in the clear,
//! and reads it as an answer under TLS.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::verdict::{Reply, SendError, Stage, fit, verdict};
use super::wire::Wire;

/// Brings the conversation to where the TLS handshake begins.
pub(crate) async fn ask(mut wire: Wire, helo_name: &str) -> Result<Wire, SendError> {
    let mut heard = Vec::new();
    expect(Stage::Greeting, &mut wire, &mut heard).await?;
    say(&mut wire, &format!("EHLO {helo_name}\r\n")).await?;
    let offers = expect(Stage::Greeting, &mut wire, &mut heard).await?;
    let offered = |line: &str| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS"));
    if !offers.lines().skip(1).any(offered) {
        return Err(refused("the server does not offer it, and mails must not go unencrypted"));
    }
    say(&mut wire, "STARTTLS\r\n").await?;
    expect(Stage::StartTls, &mut wire, &mut heard).await?;
    if !heard.is_empty() {
        return Err(refused("more came before the encryption than the server's answer"));
    }
    Ok(wire)
}

/// Reads one reply, which must be positive. What follows it stays in `heard`.
async fn expect(stage: Stage, wire: &mut Wire, heard: &mut Vec<u8>) -> Result<String, SendError> {
    loop {
        if let Some(end) = end_of_reply(heard) {
            let rest = heard.split_off(end);
            let text = String::from_utf8_lossy(&std::mem::replace(heard, rest)).into_owned();
            return judge(stage, text);
        }
        let mut space = [0; 1024];
        match wire.read(&mut space).await {
            Ok(0) => return Err(lost(stage, "the server closed the connection")),
            Ok(count) => heard.extend_from_slice(space.get(..count).unwrap_or_default()),
            Err(e) => return Err(lost(stage, &e.to_string())),
        }
    }
}

fn judge(stage: Stage, text: String) -> Result<String, SendError> {
    let code = text.get(..3).and_then(|code| code.parse::<u16>().ok()).unwrap_or_default();
    match code {
        200..=299 => Ok(text),
        400..=599 => {
            let words: Vec<&str> = text.lines().filter_map(|line| line.get(4..)).collect();
            Err(verdict(stage, &Reply { code, text: &words.join(" ") }, "", &[]))
        }
        _ => Err(lost(stage, &format!("an answer out of order: {}", fit(&text, &[])))),
    }
}

/// The length of the first whole reply: lines up to one whose fourth character is not `-`.
fn end_of_reply(heard: &[u8]) -> Option<usize> {
    let mut end = 0;
    for line in heard.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") {
            return None;
        }
        end += line.len();
        if line.get(3) != Some(&b'-') {
            return Some(end);
        }
    }
    None
}

async fn say(wire: &mut Wire, command: &str) -> Result<(), SendError> {
    let fault = |e: std::io::Error| lost(Stage::StartTls, &e.to_string());
    wire.write_all(command.as_bytes()).await.map_err(fault)?;
    wire.flush().await.map_err(fault)
}

fn lost(stage: Stage, words: &str) -> SendError {
    SendError::Transient {
        code: None,
        about_us: true,
        words: format!("{}: {}", stage.as_str(), fit(words, &[])),
    }
}

fn refused(words: &str) -> SendError {
    SendError::Configuration { code: None, words: format!("{}: {words}", Stage::StartTls.as_str()) }
}
