//! The DNS, private: dnsmasq with a few mail domains, and servers that answer nonsense to whatever they are asked.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::place::{Place, Port};
use crate::run::{self, Running, leashed, program};

/// A running dnsmasq. It is asked for `.example` alone, and asks nobody.
#[derive(Debug)]
pub struct Dns {
    // Dropped in this order: first the process, then its directory, then its port.
    _running: Running,
    _place: Place,
    port: Port,
}

impl Dns {
    /// Starts it, and returns once it answers.
    pub fn start() -> Result<Self> {
        let (place, port) = (Place::new("dns")?, Port::free()?);
        let mut command = leashed(&program("dnsmasq")?);
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--user=",
        ]);
        command.args([
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
            "--local=/example/",
            "--log-facility=-",
        ]);
        command.arg(format!("--port={}", port.number()));
        // Its own: two that write the machine's at one moment end each other.
        command.arg(format!("--pid-file={}", place.join("pid").display()));
        command.args([
            "--mx-host=takes.example,mx.takes.example,10",
            "--mx-host=takes-by-two.example,mx.takes.example,1",
        ]);
        command.args([
            "--mx-host=takes-by-two.example,mx2.takes.example,2",
            "--host-record=mx.takes.example,192.0.2.1",
        ]);
        command.args([
            "--host-record=address-alone.example,192.0.2.2",
            "--mx-host=laposte.example,mx.takes.example,10",
        ]);
        // 15 is MX: preference 0, and the root.
        command.arg("--dns-rr=null.example,15,000000");
        let output = std::fs::File::create(place.join("start.log"))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let running = run::start("dnsmasq", command)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let ready = run::until(Duration::from_secs(20), || match running.status() {
            Some(status) => Err(anyhow!("dnsmasq ended ({status})")),
            None => Ok(answers(address).then_some(())),
        });
        let ready =
            ready.and_then(|ready| ready.ok_or_else(|| anyhow!("dnsmasq does not answer after 20 s")));
        ready.with_context(|| {
            format!("failed to start a private dnsmasq:\n{}", run::tail(&place.join("start.log"), 10))
        })?;
        Ok(Self { _running: running, _place: place, port })
    }

    /// Where it is, by UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()))
    }
}

/// One question by TCP, whose listener is made last.
fn answers(address: SocketAddr) -> bool {
    let question = b"\0\x1f\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x05takes\x07example\0\0\x0f\0\x01";
    let asked = || -> std::io::Result<usize> {
        let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        stream.write_all(question)?;
        stream.read(&mut [0; 64])
    };
    asked().is_ok_and(|count| count > 12)
}

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonsense {
    /// Not at all.
    Silence,
    /// It cannot (SERVFAIL).
    Failure,
    /// It will not (REFUSED).
    Refusal,
    /// An alias of itself.
    AliasOfItself,
    /// Truncated by UDP; by TCP, a null MX and eight kilobytes of text.
    LargeByTcp,
    /// Truncated by UDP; by TCP, the connection ends in the midst.
    TruncatedAndCut,
    /// No such domain, to another question than was asked.
    AnotherQuestion,
    /// Names that point at themselves, and counts of records that are not there.
    Broken,
    /// Two octets.
    Short,
}

impl Nonsense {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Silence,
        Self::Failure,
        Self::Refusal,
        Self::AliasOfItself,
        Self::LargeByTcp,
        Self::TruncatedAndCut,
        Self::AnotherQuestion,
        Self::Broken,
        Self::Short,
    ];

    /// Answers so, by UDP and TCP on one port, until the value is dropped.
    pub fn serve(self) -> Result<Nonsensical> {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = tcp.local_addr()?;
        let udp = UdpSocket::bind(address)?;
        udp.set_read_timeout(Some(Duration::from_millis(100)))?;
        tcp.set_nonblocking(true)?;
        let over = Arc::new(AtomicBool::new(false));
        let (by_udp, by_tcp) = (over.clone(), over.clone());
        let threads = vec![
            std::thread::spawn(move || {
                let mut space = [0; 4096];
                while !by_udp.load(Ordering::Relaxed) {
                    let Ok((count, from)) = udp.recv_from(&mut space) else { continue };
                    if let Some(answer) = space.get(..count).and_then(|asked| self.answer(asked, false)) {
                        let _ = udp.send_to(&answer, from);
                    }
                }
            }),
            std::thread::spawn(move || {
                while !by_tcp.load(Ordering::Relaxed) {
                    match tcp.accept() {
                        Ok((mut stream, _)) => {
                            let _ = self.by_tcp(&mut stream);
                        }
                        Err(_) => std::thread::sleep(Duration::from_millis(5)),
                    }
                }
            }),
        ];
        Ok(Nonsensical { address, over, threads })
    }

    fn by_tcp(self, stream: &mut std::net::TcpStream) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut asked = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut asked)?;
        let Some(answer) = self.answer(&asked, true) else { return Ok(()) };
        stream.write_all(&u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes())?;
        if self == Self::TruncatedAndCut {
            return stream.write_all(answer.get(..answer.len() / 2).unwrap_or_default());
        }
        stream.write_all(&answer)
    }

    /// The answer's octets; `None`: none.
    fn answer(self, asked: &[u8], tcp: bool) -> Option<Vec<u8>> {
        const SUCCESS: u8 = 0;
        let id = asked.get(..2)?.to_vec();
        let question = question(asked)?.to_vec();
        let message = |code: u8, truncated: bool, question: &[u8], records: &[Vec<u8>], count: u16| {
            let flags = [0x81 | if truncated { 2 } else { 0 }, 0x80 | code];
            let count = count.to_be_bytes();
            [&id[..], &flags, &[0, 1], &count, &[0, 0, 0, 0], question, &records.concat()].concat()
        };
        // A record about the question's own name (a pointer to octet 12).
        let record = |kind: u8, data: &[u8]| {
            let length = u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes();
            [&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60][..], &length, data].concat()
        };
        let null = record(15, &[0, 0, 0]);
        match self {
            Self::Silence => None,
            Self::Failure => Some(message(2, false, &question, &[], 0)),
            Self::Refusal => Some(message(5, false, &question, &[], 0)),
            Self::AliasOfItself => Some(message(SUCCESS, false, &question, &[record(5, &[0xc0, 12])], 1)),
            Self::LargeByTcp | Self::TruncatedAndCut if !tcp => {
                Some(message(SUCCESS, true, &question, &[], 0))
            }
            Self::LargeByTcp | Self::TruncatedAndCut => {
                let piece = [&[255][..], &[b'x'; 255]].concat();
                let text = record(16, &piece.repeat(32));
                Some(message(SUCCESS, false, &question, &[null, text], 2))
            }
            Self::AnotherQuestion => {
                let other = b"\x05other\x07example\0\0\x0f\0\x01";
                Some(message(3, false, other, &[], 0))
            }
            Self::Broken => {
                let looping = [&[0xc0, 0x40, 0, 15, 0, 1, 0, 0, 0, 60, 0xff, 0xff][..], &[0xc0; 60]].concat();
                Some(message(SUCCESS, false, &question, &[looping], 900))
            }
            Self::Short => Some(id),
        }
    }
}

/// The first question, as it stands.
fn question(asked: &[u8]) -> Option<&[u8]> {
    let rest = asked.get(12..)?;
    let end = rest.iter().position(|byte| *byte == 0)? + 5;
    rest.get(..end)
}

/// A server that answers nonsense. Dropping it ends it.
#[derive(Debug)]
pub struct Nonsensical {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Nonsensical {
    /// Where it is, by UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Nonsensical {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
