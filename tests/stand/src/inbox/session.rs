//! One SMTP dialogue a connection, on a thread of its own. It must not decide what is accepted: the script does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail};

use super::{Behaviour, Shared, Stage};
use crate::run::lock;

/// The largest message taken, in bytes, and announced by SIZE.
const SIZE: usize = 10 * 1024 * 1024;
/// The longest command line, with room for SMTPUTF8 addresses and parameters.
const LINE: u64 = 4096;

/// Until the listener is shut down.
pub(super) fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(shared);
        let Ok(kept) = stream.try_clone() else { continue };
        let (id, behaviour) = {
            let mut state = lock(&shared.state);
            let id = state.next_connection;
            state.next_connection += 1;
            state.open.insert(id, kept);
            (id, state.script.for_connection())
        };
        std::thread::spawn(move || {
            let _ = Session::new(stream, &shared, behaviour).and_then(Session::talk);
            // The registry holds a second handle: only this ends the connection for the client.
            if let Some(stream) = lock(&shared.state).open.remove(&id) {
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        });
    }
}

struct Session<'a> {
    read: BufReader<TcpStream>,
    /// Answers not sent yet: with PIPELINING many go out as one packet.
    out: Vec<u8>,
    shared: &'a Shared,
    connection: Behaviour,
    greeted: bool,
    from: Option<String>,
    to: Vec<String>,
    /// What the recipients of this message asked for at later stages.
    recipient: Vec<Behaviour>,
}

/// Whether the dialogue goes on.
enum Next {
    Go,
    End,
}

impl<'a> Session<'a> {
    fn new(stream: TcpStream, shared: &'a Shared, connection: Behaviour) -> Result<Self> {
        stream.set_nodelay(true)?;
        let (read, out) = (BufReader::with_capacity(16 * 1024, stream), Vec::new());
        Ok(Self { read, out, shared, connection, greeted: false, from: None, to: vec![], recipient: vec![] })
    }

    fn talk(mut self) -> Result<()> {
        if let Next::End = self.answer(Stage::Connect, "220 inbox.example ESMTP")? {
            return Ok(());
        }
        loop {
            if self.read.buffer().is_empty() {
                self.flush()?;
            }
            let Some(line) = self.line()? else { return Ok(()) };
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let next = match verb.to_ascii_uppercase().as_str() {
                "EHLO" | "LHLO" => self.hello(
                    "250-inbox.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
                     250-ENHANCEDSTATUSCODES\r\n250 SIZE 10485760",
                )?,
                "HELO" => self.hello("250 inbox.example")?,
                "MAIL" => self.mail(rest)?,
                "RCPT" => self.rcpt(rest)?,
                "DATA" => self.data()?,
                "RSET" => {
                    self.reset();
                    self.say("250 2.0.0 forgotten")
                }
                "NOOP" => self.say("250 2.0.0 yes"),
                "VRFY" => self.say("252 2.0.0 send it and see"),
                "QUIT" => {
                    self.say("221 2.0.0 goodbye");
                    return self.flush();
                }
                _ => self.say("500 5.5.1 no such command"),
            };
            if let Next::End = next {
                return Ok(());
            }
        }
    }

    fn hello(&mut self, answer: &str) -> Result<Next> {
        self.reset();
        self.greeted = true;
        self.answer(Stage::Hello, answer)
    }

    fn mail(&mut self, rest: &str) -> Result<Next> {
        let Some(path) = path(rest, "FROM:") else { return Ok(self.say("501 5.5.4 MAIL FROM:<address>")) };
        if !self.greeted || self.from.is_some() {
            return Ok(self.say("503 5.5.1 not now"));
        }
        if size(rest).is_some_and(|size| size > SIZE) {
            return Ok(self.say("552 5.3.4 too large"));
        }
        self.from = Some(path);
        self.answer(Stage::Mail, "250 2.1.0 ok")
    }

    fn rcpt(&mut self, rest: &str) -> Result<Next> {
        self.shared.recipients.fetch_add(1, Ordering::Relaxed);
        let Some(path) = path(rest, "TO:").filter(|path| path.contains('@')) else {
            return Ok(self.say("501 5.1.3 RCPT TO:<address>"));
        };
        if self.from.is_none() {
            return Ok(self.say("503 5.5.1 MAIL first"));
        }
        let behaviour = lock(&self.shared.state).script.for_recipient(&path);
        match &behaviour {
            Behaviour::Reject => return Ok(self.say("550 5.1.1 no such mailbox")),
            Behaviour::Defer(_) => return Ok(self.say("451 4.3.0 come back later")),
            Behaviour::Greylist(_) => return Ok(self.say("450 4.2.0 greylisted, come back later")),
            Behaviour::Answer(Stage::Recipient, line) => return Ok(self.say(&line.clone())),
            _ => {}
        }
        self.to.push(path);
        self.recipient.push(behaviour);
        self.answer(Stage::Recipient, "250 2.1.5 ok")
    }

    fn data(&mut self) -> Result<Next> {
        if self.to.is_empty() {
            return Ok(self.say("503 5.5.1 RCPT first"));
        }
        if let Some(line) = self.scripted_answer(Stage::Data) {
            return Ok(self.say(&line));
        }
        if let Next::End = self.answer(Stage::Data, "354 go on, end with a dot")? {
            return Ok(Next::End);
        }
        self.flush()?;
        let Some(raw) = self.text()? else {
            self.reset();
            return Ok(self.say("552 5.3.4 too large"));
        };
        self.dot(raw)
    }

    fn dot(&mut self, raw: Vec<u8>) -> Result<Next> {
        let refused = self.scripted_answer(Stage::Dot);
        if refused.is_none() && !self.ends_at(Stage::Dot) {
            let from = self.from.take().unwrap_or_default();
            if let Err(fault) = self.shared.take(&from, &self.to, raw) {
                self.reset();
                return Ok(
                    self.say(&format!("451 4.3.0 failed to keep it: {fault}").replace(['\r', '\n'], " "))
                );
            }
        }
        if self.behaviours().any(|behaviour| *behaviour == Behaviour::CutAfterDot) {
            return Ok(Next::End);
        }
        if self.behaviours().any(|behaviour| *behaviour == Behaviour::SilenceAfterDot) {
            return self.silence();
        }
        let answer = refused.unwrap_or_else(|| "250 2.0.0 taken".to_owned());
        let next = self.answer(Stage::Dot, &answer);
        self.reset();
        next
    }

    /// The text without dot-stuffing (RFC 5321, section 4.5.2); `None` if it was larger than [`SIZE`].
    fn text(&mut self) -> Result<Option<Vec<u8>>> {
        let (mut raw, mut line, mut too_large) = (Vec::new(), Vec::new(), false);
        loop {
            line.clear();
            if self.read.by_ref().take(SIZE as u64).read_until(b'\n', &mut line)? == 0 {
                bail!("the client left in the middle of its message");
            }
            match line.as_slice() {
                b".\r\n" => return Ok((!too_large).then_some(raw)),
                [b'.', rest @ ..] => raw.extend_from_slice(rest),
                whole => raw.extend_from_slice(whole),
            }
            if raw.len() > SIZE {
                too_large = true;
                raw.clear();
            }
        }
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
        self.recipient.clear();
    }

    fn behaviours(&self) -> impl Iterator<Item = &Behaviour> {
        std::iter::once(&self.connection).chain(&self.recipient)
    }

    fn scripted_answer(&self, at: Stage) -> Option<String> {
        self.behaviours().find_map(|behaviour| match behaviour {
            Behaviour::Answer(stage, line) if *stage == at => Some(line.clone()),
            _ => None,
        })
    }

    fn ends_at(&self, at: Stage) -> bool {
        self.behaviours()
            .any(|behaviour| *behaviour == Behaviour::Silence(at) || *behaviour == Behaviour::Cut(at))
    }

    /// Answers at a stage, as scripted.
    fn answer(&mut self, at: Stage, line: &str) -> Result<Next> {
        if self.behaviours().any(|behaviour| *behaviour == Behaviour::Cut(at)) {
            return Ok(Next::End);
        }
        if self.behaviours().any(|behaviour| *behaviour == Behaviour::Silence(at)) {
            return self.silence();
        }
        let late = self.behaviours().filter_map(|behaviour| match behaviour {
            Behaviour::Slow(late) => Some(*late),
            _ => None,
        });
        if let Some(late) = late.max().filter(|late| *late > Duration::ZERO) {
            std::thread::sleep(late);
        }
        let line = self.scripted_answer(at).unwrap_or_else(|| line.to_owned());
        let dripping = self.behaviours().find_map(|behaviour| match behaviour {
            Behaviour::Drip(stage, pause) if *stage == at => Some(*pause),
            _ => None,
        });
        if let Some(pause) = dripping {
            self.flush()?;
            for byte in line.bytes() {
                std::thread::sleep(pause);
                self.read.get_mut().write_all(&[byte])?;
            }
            return Ok(self.say(""));
        }
        Ok(self.say(&line))
    }

    /// Until the client gives up, or the inbox hangs up.
    fn silence(&mut self) -> Result<Next> {
        self.flush()?;
        std::io::copy(&mut self.read, &mut std::io::sink())?;
        Ok(Next::End)
    }

    /// A 421 is the last that the server says (RFC 5321, section 3.8).
    fn say(&mut self, line: &str) -> Next {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        if !line.starts_with("421") {
            return Next::Go;
        }
        // Whether it arrives or not, this is the end.
        let _ = self.flush();
        Next::End
    }

    fn flush(&mut self) -> Result<()> {
        if !self.out.is_empty() {
            self.read.get_mut().write_all(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    fn line(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        self.read.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            bail!("a line over {LINE} bytes, or cut short");
        }
        Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
    }
}

/// The address of `FROM:<address> PARAMETERS` or `TO:<address>`.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let head = rest.get(..keyword.len()).filter(|head| head.eq_ignore_ascii_case(keyword))?;
    let (address, _) = rest.get(head.len()..)?.trim_start().strip_prefix('<')?.split_once('>')?;
    Some(address.to_owned())
}

fn size(rest: &str) -> Option<usize> {
    rest.split_whitespace().find_map(|word| word.to_ascii_uppercase().strip_prefix("SIZE=")?.parse().ok())
}
