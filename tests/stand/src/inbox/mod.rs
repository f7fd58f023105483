//! The outside world's mail: a private SMTP server that keeps what it is sent, and misbehaves when told to.
//!
//! It speaks ESMTP (RFC 5321) on loopback without TLS; where TLS matters, Postfix stands before it. Messages stay in
//! memory and, unless `quick`, in a folder that people can read. It must not deliver anything anywhere.

mod script;
mod session;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::message::Message;
use crate::place::{Place, Port};
use crate::run::lock;

use script::Script;
pub use script::{Behaviour, Stage};

/// How the inbox is to be.
#[derive(Clone, Debug, Default)]
pub struct InboxOptions {
    /// Messages in memory only: thousands a second, for benchmarks.
    pub quick: bool,
    /// Where the readable files go; by default a private directory, gone with the inbox.
    pub folder: Option<PathBuf>,
}

/// A running SMTP server.
#[derive(Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
    folder: PathBuf,
    _place: Place,
    port: Port,
    accepting: Option<(TcpListener, JoinHandle<()>)>,
}

/// How much came, for benchmarks and for tests of how often a client tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// RCPT commands seen.
    pub recipients: u64,
    /// Messages taken.
    pub messages: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// For those who wait for a count.
    arrived: Condvar,
    connections: AtomicU64,
    recipients: AtomicU64,
    folder: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct State {
    messages: Vec<Arc<Message>>,
    by_address: HashMap<String, Vec<Arc<Message>>>,
    waiting: HashMap<String, Arc<Condvar>>,
    taken: u64,
    script: Script,
    open: HashMap<u64, TcpStream>,
    next_connection: u64,
}

impl Inbox {
    /// Starts on a free port of loopback.
    pub fn start(options: InboxOptions) -> Result<Self> {
        let place = Place::new("inbox")?;
        let folder = options.folder.unwrap_or_else(|| place.path().to_owned());
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("failed to make the inbox's folder {}", folder.display()))?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            arrived: Condvar::new(),
            connections: AtomicU64::new(0),
            recipients: AtomicU64::new(0),
            folder: (!options.quick).then(|| folder.clone()),
        });
        let mut inbox = Self { shared, folder, _place: place, port: Port::free()?, accepting: None };
        inbox.open()?;
        Ok(inbox)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port()))
    }

    /// Where `0001-ADDRESS.eml` and `0001-ADDRESS.txt` are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// From now on, this recipient (`@domain`: everybody there) meets this.
    pub fn script(&self, recipient: &str, behaviour: Behaviour) {
        lock(&self.shared.state).script.recipient(recipient, behaviour);
    }

    /// The next `count` connections meet this (`None`: all of them); those that are open go on.
    pub fn script_connections(&self, count: Option<u32>, behaviour: Behaviour) {
        lock(&self.shared.state).script.connections(count, behaviour);
    }

    /// Behaves again.
    pub fn behave(&self) {
        lock(&self.shared.state).script.clear();
    }

    /// Refuses connections, and cuts those that are open.
    pub fn close(&mut self) {
        if let Some((listener, thread)) = self.accepting.take() {
            let _ = nix::sys::socket::shutdown(listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
            let _ = thread.join();
        }
        self.hang_up();
    }

    /// Listens again after [`Inbox::close`], on the same port.
    pub fn open(&mut self) -> Result<()> {
        if self.accepting.is_none() {
            let listener = TcpListener::bind(self.address()).context("failed to listen for mail")?;
            let accept = listener.try_clone()?;
            let shared = Arc::clone(&self.shared);
            self.accepting = Some((listener, std::thread::spawn(move || session::accept(&accept, &shared))));
        }
        Ok(())
    }

    /// Cuts every open connection, the silent ones too.
    pub fn hang_up(&self) {
        for stream in lock(&self.shared.state).open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Reading.
impl Inbox {
    /// The first message to `address` that satisfies `wanted`, come already or to come within `limit`.
    ///
    /// For the *next* message, ask for a [`Message::number`] above [`Inbox::last_number`] as it was before.
    pub fn wait_for(
        &self,
        address: &str,
        wanted: impl Fn(&Message) -> bool,
        limit: Duration,
    ) -> Result<Arc<Message>> {
        let address = address.to_lowercase();
        let mut state = lock(&self.shared.state);
        let woken = Arc::clone(state.waiting.entry(address.clone()).or_default());
        let end = Instant::now() + limit;
        let mut seen = 0;
        loop {
            let come = state.by_address.get(&address).map(Vec::as_slice).unwrap_or_default();
            if let Some(found) = come.iter().skip(seen).find(|message| wanted(message)) {
                return Ok(Arc::clone(found));
            }
            seen = come.len();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("no such mail to {address} within {limit:?}; {seen} of others came to it");
            }
            (state, _) = woken.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Waits until `count` messages have been taken in all.
    pub fn wait_count(&self, count: u64, limit: Duration) -> Result<()> {
        let state = lock(&self.shared.state);
        let (state, _) = self
            .shared
            .arrived
            .wait_timeout_while(state, limit, |state| state.taken < count)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.taken < count {
            bail!("{} mails within {limit:?}, not {count}", state.taken);
        }
        Ok(())
    }

    /// Every message, in order.
    pub fn messages(&self) -> Vec<Arc<Message>> {
        lock(&self.shared.state).messages.clone()
    }

    /// Every message to an address, in order.
    pub fn messages_to(&self, address: &str) -> Vec<Arc<Message>> {
        lock(&self.shared.state).by_address.get(&address.to_lowercase()).cloned().unwrap_or_default()
    }

    /// The number of the last message; 0 before the first.
    pub fn last_number(&self) -> u64 {
        lock(&self.shared.state).taken
    }

    /// How much came until now.
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.shared.connections.load(Ordering::Relaxed),
            recipients: self.shared.recipients.load(Ordering::Relaxed),
            messages: self.last_number(),
        }
    }

    /// Forgets the messages (not their files): a long benchmark would fill the memory.
    pub fn forget(&self) {
        let mut state = lock(&self.shared.state);
        state.messages.clear();
        state.by_address.clear();
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Keeps a message and wakes those who wait for it. An error is the client's 451: nothing is half kept.
    fn take(&self, from: &str, to: &[String], raw: Vec<u8>) -> Result<()> {
        let mut state = lock(&self.state);
        let number = state.taken + 1;
        let message =
            Arc::new(Message { number, from: from.to_owned(), to: to.to_vec(), raw, come: Instant::now() });
        if let Some(folder) = &self.folder {
            keep(folder, &message)?;
        }
        state.taken = number;
        for address in to {
            let address = address.to_lowercase();
            if let Some(waiting) = state.waiting.get(&address) {
                waiting.notify_all();
            }
            state.by_address.entry(address).or_default().push(Arc::clone(&message));
        }
        state.messages.push(message);
        self.arrived.notify_all();
        Ok(())
    }
}

fn keep(folder: &Path, message: &Message) -> Result<()> {
    let safe = |c: char| if c.is_alphanumeric() || "@._+-".contains(c) { c } else { '_' };
    let address: String =
        message.to.first().map(String::as_str).unwrap_or_default().chars().map(safe).take(60).collect();
    let stem = format!("{:04}-{address}", message.number);
    std::fs::write(folder.join(format!("{stem}.eml")), &message.raw)?;
    std::fs::write(folder.join(format!("{stem}.txt")), message.readable())?;
    Ok(())
}
