//! A mail server of the outside world that hands over one mail, and tells each reply: which recipient was taken, put
//! off or refused. Our own daemon's client must not be what its mail is tested with.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use socket2::{Domain, Socket, Type};

/// Loopback too, but no server's own address: who connects from here is a stranger to a server that knows 127.0.0.1.
pub const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How a mail was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replies {
    /// To each recipient, in order: "250 2.1.5 Ok".
    pub recipients: Vec<String>,
    /// To the mail itself, if it had a recipient.
    pub message: Option<String>,
}

/// Sends a mail as a stranger, by SMTP in clear. An error only where the server does not keep to the protocol, or
/// refuses the greeting or the sender.
pub fn send(port: u16, from: &str, to: &[&str], mail: &str) -> Result<Replies> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(IpAddr::V4(STRANGER), 0).into())?;
    socket.connect(&SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port).into())?;
    let mut talk = Talk::new(socket.into())?;
    talk.must("", "220")?;
    talk.must("EHLO mx.elsewhere.example\r\n", "250")?;
    talk.must(&format!("MAIL FROM:<{from}>\r\n"), "250")?;
    let recipients =
        to.iter().map(|one| talk.ask(&format!("RCPT TO:<{one}>\r\n"))).collect::<Result<Vec<String>>>()?;
    let mut message = None;
    if recipients.iter().any(|reply| reply.starts_with("250")) {
        talk.must("DATA\r\n", "354")?;
        let text = mail.replace("\r\n", "\n").replace("\n.", "\n..").replace('\n', "\r\n");
        message = Some(talk.ask(&format!("{text}\r\n.\r\n"))?);
    }
    talk.ask("QUIT\r\n")?;
    Ok(Replies { recipients, message })
}

struct Talk {
    write: TcpStream,
    read: BufReader<TcpStream>,
}

impl Talk {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { write: stream.try_clone()?, read: BufReader::new(stream) })
    }

    /// The reply's last line, without its end.
    fn ask(&mut self, command: &str) -> Result<String> {
        self.write.write_all(command.as_bytes())?;
        loop {
            let mut line = String::new();
            if self.read.read_line(&mut line)? == 0 {
                bail!("the server hung up after {command:?}");
            }
            if line.get(3..4) != Some("-") {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    fn must(&mut self, command: &str, code: &str) -> Result<()> {
        let reply = self.ask(command).with_context(|| format!("failed at {command:?}"))?;
        if !reply.starts_with(code) {
            bail!("{command:?} should have been answered by {code}: {reply}");
        }
        Ok(())
    }
}
