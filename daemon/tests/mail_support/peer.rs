//! A mail server that does as it is told, well or badly, for the tests of the conversation.
//!
//! The certificates beside this file are for `localhost` (and for somebody else), by an authority that nobody trusts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// What the server does when a stage is reached.
#[derive(Clone, Debug)]
pub enum Act {
    /// These bytes.
    Say(Vec<u8>),
    /// Nothing, for ever.
    Silence,
    /// These bytes below the encryption, and the connection ends.
    Raw(Vec<u8>),
    /// The connection ends.
    Cut,
    /// These bytes, and the connection ends.
    SayAndCut(Vec<u8>),
    /// These bytes, one every 50 ms.
    Drip(Vec<u8>),
    /// These bytes, again and again.
    Flood(Vec<u8>),
}

pub fn say(reply: &str) -> Act {
    Act::Say(format!("{reply}\r\n").into_bytes())
}

/// How the server encrypts: not, when asked (STARTTLS), or from the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    None,
    Asked,
    Implicit,
}

/// A running server. Dropping it ends it.
pub struct Peer {
    pub port: u16,
    seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    rules: Mutex<Vec<(&'static str, Act)>>,
    commands: Mutex<Vec<String>>,
    mails: Mutex<Vec<String>>,
    reached: Notify,
}

pub struct Setup {
    pub tls: Tls,
    pub certificate: &'static str,
    pub offers: &'static [&'static str],
}

impl Default for Setup {
    fn default() -> Self {
        Self { tls: Tls::None, certificate: "localhost", offers: &["8BITMIME", "SMTPUTF8"] }
    }
}

pub fn certificate(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/mail_support/certs").join(name)
}

impl Peer {
    /// A server that follows `rules` (each once, in order, when its stage is reached) and else behaves.
    /// Stages: `CONNECT`, the commands' verbs, and `.`.
    pub async fn start(setup: Setup, rules: Vec<(&'static str, Act)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen { rules: Mutex::new(rules), ..Seen::default() });
        let acceptor = acceptor(setup.certificate);
        let (shared, setup) = (Arc::clone(&seen), Arc::new(setup));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&setup), Arc::clone(&shared)));
            }
        });
        Self { port, seen, task }
    }

    pub fn commands(&self) -> Vec<String> {
        self.seen.commands.lock().unwrap().clone()
    }

    pub fn mails(&self) -> Vec<String> {
        self.seen.mails.lock().unwrap().clone()
    }

    /// Adds a rule while the server runs.
    pub fn rule(&self, stage: &'static str, act: Act) {
        self.seen.rules.lock().unwrap().push((stage, act));
    }

    /// Waits until a command that begins so has arrived.
    pub async fn reached(&self, verb: &str) {
        loop {
            let woken = self.seen.reached.notified();
            if self.commands().iter().any(|command| command.starts_with(verb)) {
                return;
            }
            woken.await;
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(name: &str) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(certificate(&format!("{name}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate(&format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

struct Session {
    io: Box<dyn Io>,
    heard: Vec<u8>,
    seen: Arc<Seen>,
    /// The connection below the encryption.
    below: Arc<std::net::TcpStream>,
}

/// A conversation ends when either side is gone: that is no fault of the test.
async fn serve(stream: TcpStream, tls: TlsAcceptor, setup: Arc<Setup>, seen: Arc<Seen>) {
    let stream = stream.into_std().unwrap();
    let below = Arc::new(stream.try_clone().unwrap());
    let stream = TcpStream::from_std(stream).unwrap();
    let io: Box<dyn Io> = if setup.tls == Tls::Implicit {
        let Ok(stream) = tls.accept(stream).await else { return };
        Box::new(stream)
    } else {
        Box::new(stream)
    };
    let mut session = Session { io, heard: Vec::new(), seen, below };
    let mut encrypted = setup.tls == Tls::Implicit;
    if session.act("CONNECT", "220 peer.example ESMTP").await.is_none() {
        return;
    }
    while let Some(line) = session.line().await {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        session.seen.commands.lock().unwrap().push(line.clone());
        session.seen.reached.notify_waiters();
        let going = match verb.as_str() {
            "EHLO" | "LHLO" => {
                let mut offers = vec!["peer.example"];
                if setup.tls == Tls::Asked && !encrypted {
                    offers.push("STARTTLS");
                }
                offers.extend(setup.offers);
                session.act("EHLO", &listed(&offers)).await
            }
            "STARTTLS" => {
                let going = session.act("STARTTLS", "220 go ahead").await;
                if going.is_some() {
                    let Ok(stream) = tls.accept(session.io).await else { return };
                    session = Session { io: Box::new(stream), heard: Vec::new(), ..session };
                    encrypted = true;
                }
                going
            }
            "AUTH" => session.act("AUTH", "235 2.7.0 welcome").await,
            "MAIL" => session.act("MAIL", "250 2.1.0 sender ok").await,
            "RCPT" => session.act("RCPT", "250 2.1.5 recipient ok").await,
            "DATA" => session.data().await,
            "RSET" => session.act("RSET", "250 2.0.0 reset").await,
            "NOOP" => session.act("NOOP", "250 2.0.0 here").await,
            "QUIT" => {
                session.act("QUIT", "221 2.0.0 bye").await;
                None
            }
            _ => session.act("?", "500 5.5.2 what").await,
        };
        if going.is_none() {
            return;
        }
    }
}

impl Session {
    /// Does what the rules say for the stage, or gives the reply. `None`: the connection is over.
    async fn act(&mut self, stage: &str, reply: &str) -> Option<String> {
        let rule = {
            let mut rules = self.seen.rules.lock().unwrap();
            rules.iter().position(|(at, _)| *at == stage).map(|at| rules.remove(at).1)
        };
        let said = match rule.unwrap_or_else(|| say(reply)) {
            Act::Say(bytes) => {
                self.write(&bytes).await?;
                bytes
            }
            Act::Silence => std::future::pending().await,
            Act::Raw(bytes) => {
                std::io::Write::write_all(&mut self.below.as_ref(), &bytes).unwrap();
                return None;
            }
            Act::Cut => return None,
            Act::SayAndCut(bytes) => {
                self.write(&bytes).await?;
                return None;
            }
            Act::Drip(bytes) => {
                for byte in &bytes {
                    self.write(&[*byte]).await?;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                bytes
            }
            Act::Flood(bytes) => loop {
                self.write(&bytes).await?;
            },
        };
        Some(String::from_utf8_lossy(&said).into_owned())
    }

    async fn data(&mut self) -> Option<String> {
        let said = self.act("DATA", "354 go on").await?;
        if !said.starts_with("354") {
            return Some(said);
        }
        let mut mail = String::new();
        loop {
            let line = self.line().await?;
            if line == "." {
                break;
            }
            mail.push_str(line.strip_prefix('.').unwrap_or(&line));
            mail.push_str("\r\n");
        }
        self.seen.mails.lock().unwrap().push(mail);
        self.act(".", "250 2.0.0 queued as 4Zx1").await
    }

    async fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.io.write_all(bytes).await.ok()?;
        self.io.flush().await.ok()
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            let mut space = vec![0; 16 * 1024];
            match self.io.read(&mut space).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.heard.extend_from_slice(&space[..count]),
            }
        }
    }
}

fn listed(offers: &[&str]) -> String {
    let last = offers.len() - 1;
    let line = |(at, offer): (usize, &&str)| format!("250{}{offer}", if at == last { ' ' } else { '-' });
    offers.iter().enumerate().map(line).collect::<Vec<_>>().join("\r\n")
}
