//! The bytes between us and a mail server: TCP, with or without TLS, or a Unix socket.
//!
//! It stands between lettre and the socket because lettre reads a reply's line to its end, however long that is, and
//! gives up on a reply that is not UTF-8, and because lettre does not tell whether the server announces PIPELINING. Of SMTP it
//! knows nothing else than that replies are lines.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::dial;

/// A connection to a mail server. Replies come out as ASCII lines of bounded length that end in CRLF.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    /// Given to the reader before anything from the network.
    unread: Vec<u8>,
    /// The length of the line that is being read, and how it begins.
    line: usize,
    head: Vec<u8>,
    /// Octets read and lines handed on since the last write.
    received: usize,
    lines: usize,
    written: Arc<AtomicU64>,
    pipelining: Arc<AtomicBool>,
    transcript: Option<Transcript>,
    /// LMTP is spoken; and its greeting has not been given yet.
    lmtp: bool,
    lhlo: bool,
}

/// What a server has said, line by line, over all connections that write it down. What it is told is not in it: that
/// may be a password.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<String>>);

impl Transcript {
    /// The lines until now, the newest last.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    fn hear(&self, bytes: &[u8]) {
        let mut text = self.text();
        if text.len() < MAX_RECEIVED {
            text.push_str(&String::from_utf8_lossy(bytes));
        }
    }

    fn text(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire {
    /// A connection to the first of `addresses` that answers. NODELAY, because a message and its final dot are two
    /// writes; keepalive, because a kept connection may die unseen.
    pub(crate) async fn connect(
        addresses: impl Iterator<Item = SocketAddr>,
        limit: Duration,
    ) -> io::Result<Self> {
        let stream = dial::first(addresses, limit).await?;
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(30))
            .with_interval(Duration::from_secs(10))
            .with_retries(3);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(Self::over(Stream::Plain(stream)))
    }

    /// A connection to a socket of this machine.
    pub(crate) async fn connect_unix(path: &Path) -> io::Result<Self> {
        Ok(Self::over(Stream::Unix(UnixStream::connect(path).await?)))
    }

    /// Speaks LMTP: with one recipient a mail, all that differs from SMTP is that EHLO is called LHLO (RFC 2033
    /// section 4.1), and lettre knows no other word than EHLO.
    pub(crate) fn in_lmtp(mut self, lmtp: bool) -> Self {
        (self.lmtp, self.lhlo) = (lmtp, lmtp);
        self
    }

    /// Writes down what the server says from now on.
    pub(crate) fn heard_by(mut self, transcript: Option<Transcript>) -> Self {
        self.transcript = transcript;
        self
    }

    /// The same connection under TLS. What was read before and not used is given up by the caller.
    pub(crate) async fn encrypt(self, tls: &TlsConnector, name: ServerName<'static>) -> io::Result<Self> {
        match self.stream {
            Stream::Plain(stream) => {
                let stream = tls.connect(name, stream).await?;
                let wire = Self::over(Stream::Tls(Box::new(stream))).in_lmtp(self.lmtp);
                Ok(wire.heard_by(self.transcript))
            }
            Stream::Tls(_) => Err(io::Error::other("the connection is under TLS already")),
            Stream::Unix(_) => Err(io::Error::other("there is no TLS on a Unix socket")),
        }
    }

    /// Puts bytes before what the network will bring.
    pub(crate) fn unread(mut self, bytes: &[u8]) -> Self {
        self.unread = bytes.to_vec();
        self
    }

    /// Counts the bytes that were written, before TLS.
    pub(crate) fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// Whether a reply has had the line PIPELINING (RFC 2920). Only what the server says before the first mail counts.
    pub(crate) fn pipelining(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.pipelining)
    }

    fn over(stream: Stream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            line: 0,
            head: Vec::new(),
            received: 0,
            lines: 0,
            written: Arc::default(),
            pipelining: Arc::default(),
            transcript: None,
            lmtp: false,
            lhlo: false,
        }
    }

    /// Cuts long lines, replaces what is not printable ASCII, and ends every line in CRLF.
    fn tidy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 8);
        for byte in bytes {
            match byte {
                b'\n' => {
                    // RFC 5321 section 4.2 has replies that are a code alone; lettre wants the space.
                    out.extend_from_slice(if self.line == 3 { b" \r\n" } else { b"\r\n" });
                    if is_pipelining(&self.head) {
                        self.pipelining.store(true, Ordering::Relaxed);
                    }
                    self.head.clear();
                    self.line = 0;
                    self.lines += 1;
                }
                b'\r' => {}
                _ if self.line >= MAX_LINE => {}
                byte => {
                    out.push(if byte.is_ascii_graphic() || *byte == b' ' { *byte } else { b'?' });
                    self.line += 1;
                    if self.head.len() <= b"250-".len() + PIPELINING.len() {
                        self.head.push(*byte);
                    }
                }
            }
        }
        out
    }
}

/// After the code and a hyphen, or a space, in the answer to EHLO.
const PIPELINING: &[u8] = b"PIPELINING";

/// Whether a line announces it.
fn is_pipelining(line: &[u8]) -> bool {
    let word = line.strip_prefix(b"250").and_then(|rest| rest.get(1..));
    word.is_some_and(|word| word.eq_ignore_ascii_case(PIPELINING))
}

/// What is kept of a reply's line; lettre refuses lines over 1,000 octets (RFC 5321 has 512).
const MAX_LINE: usize = 900;
/// How much one reply may be, as the server sends it.
const MAX_RECEIVED: usize = 64 * 1024;
/// How many lines one reply may have: lettre parses all of it again at each.
const MAX_LINES: usize = 100;

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.stream {
            Stream::Plain(stream) => stream.peer_addr(),
            Stream::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            Stream::Tls(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.unread.is_empty() {
                let rest = this.unread.split_off(buf.remaining().min(this.unread.len()));
                buf.put_slice(&std::mem::replace(&mut this.unread, rest));
                return Poll::Ready(Ok(()));
            }
            let mut space = [0; 2048];
            let mut fresh = ReadBuf::new(&mut space);
            ready!(this.stream.poll_read(cx, &mut fresh))?;
            if fresh.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let tidy = this.tidy(fresh.filled());
            if let Some(transcript) = &this.transcript {
                transcript.hear(&tidy);
            }
            this.received += fresh.filled().len();
            if this.received > MAX_RECEIVED || this.lines > MAX_LINES {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the reply does not end",
                )));
            }
            this.unread = tidy;
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // The first letter of the first command, and only that: L for E.
        let bytes = if this.lhlo { &b"L"[..] } else { bytes };
        let count = ready!(match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        })?;
        this.lhlo = this.lhlo && count == 0;
        this.received = 0;
        this.lines = 0;
        this.written.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}
