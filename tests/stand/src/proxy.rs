//! A TCP proxy with faults that a test turns on and off: what a network does to a daemon, without a network.
//!
//! It forwards bytes between a port of its own and a target on loopback, and must not look into them.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt};

use crate::place::Port;
use crate::run::lock;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it forwards.
    None,
    /// It accepts connections and forwards nothing, either way, until this ends; then everything arrives.
    Stall,
    /// Each packet arrives as much later.
    Delay(Duration),
    /// A connection is reset once the target has sent this many bytes on it.
    CutAfter(u64),
    /// New connections are reset at once.
    Reset,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    number: u16,
    _port: Option<Port>,
    accepting: Option<(TcpListener, JoinHandle<()>)>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    fault: Fault,
    /// Both ends of each open connection.
    open: HashMap<u64, (TcpStream, TcpStream)>,
    next: u64,
    ended: bool,
}

impl Proxy {
    /// Listens on a free port of loopback, before `target`, a port of loopback too.
    pub fn start(target: u16) -> Result<Self> {
        Self::before(SocketAddr::from((Ipv4Addr::LOCALHOST, target)))
    }

    /// The same before any address.
    pub fn before(target: SocketAddr) -> Result<Self> {
        let port = Port::free()?;
        let mut proxy =
            Self { shared: Shared::new(target), number: port.number(), _port: Some(port), accepting: None };
        proxy.accept()?;
        Ok(proxy)
    }

    /// The same on a socket that listens already, such as one of another network namespace. After [`Proxy::refuse`] it
    /// is gone for good.
    pub(crate) fn on(listener: TcpListener, target: SocketAddr) -> Result<Self> {
        let number = listener.local_addr()?.port();
        let mut proxy = Self { shared: Shared::new(target), number, _port: None, accepting: None };
        proxy.accept_on(listener)?;
        Ok(proxy)
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.number
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        lock(&self.shared.state).open.len()
    }

    /// From now on, this happens, on open connections too.
    pub fn fault(&self, fault: Fault) {
        lock(&self.shared.state).fault = fault;
        self.shared.changed.notify_all();
    }

    /// Resets every open connection, once; new ones are served as before.
    pub fn cut(&self) {
        for (_, (client, server)) in lock(&self.shared.state).open.drain() {
            reset(&client);
            reset(&server);
        }
        self.shared.changed.notify_all();
    }

    /// Nobody listens any more (ECONNREFUSED), and open connections are reset; until [`Proxy::accept`].
    pub fn refuse(&mut self) {
        if let Some((listener, thread)) = self.accepting.take() {
            let _ = nix::sys::socket::shutdown(listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
            let _ = thread.join();
        }
        self.cut();
    }

    /// Listens again after [`Proxy::refuse`], on the same port.
    pub fn accept(&mut self) -> Result<()> {
        if self.accepting.is_none() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port()))
                .context("failed to listen for the proxy")?;
            self.accept_on(listener)?;
        }
        Ok(())
    }

    fn accept_on(&mut self, listener: TcpListener) -> Result<()> {
        let (accept, shared) = (listener.try_clone()?, Arc::clone(&self.shared));
        let thread = std::thread::spawn(move || {
            while let Ok((client, _)) = accept.accept() {
                let _ = serve(client, &shared);
            }
        });
        self.accepting = Some((listener, thread));
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        lock(&self.shared.state).ended = true;
        self.refuse();
    }
}

fn serve(client: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    if lock(&shared.state).fault == Fault::Reset {
        reset(&client);
        return Ok(());
    }
    let server = TcpStream::connect(shared.target).inspect_err(|_| reset(&client))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let id = {
        let mut state = lock(&shared.state);
        state.next += 1;
        let id = state.next;
        state.open.insert(id, (client.try_clone()?, server.try_clone()?));
        id
    };
    let up = (client.try_clone()?, server.try_clone()?);
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        std::thread::scope(|scope| {
            scope.spawn(|| forward(up.0, up.1, &shared, false));
            forward(server, client, &shared, true);
        });
        lock(&shared.state).open.remove(&id);
    });
    Ok(())
}

/// One direction, until its end or a cut; `down` is from the target to the client.
fn forward(mut from: TcpStream, mut to: TcpStream, shared: &Shared, down: bool) {
    let mut buffer = [0; 16 * 1024];
    let mut sent: u64 = 0;
    while let Ok(length) = from.read(&mut buffer) {
        let Some(fault) = shared.after_stall() else { return };
        let mut bytes = buffer.get(..length).unwrap_or_default();
        if let Fault::Delay(delay) = fault {
            std::thread::sleep(delay);
        }
        let limit = match fault {
            Fault::CutAfter(limit) if down => Some(limit.saturating_sub(sent)),
            _ => None,
        };
        let cut = limit.is_some_and(|limit| limit < bytes.len() as u64);
        if let (true, Some(limit)) = (cut, limit) {
            bytes = bytes.get(..usize::try_from(limit).unwrap_or(usize::MAX)).unwrap_or_default();
        }
        if to.write_all(bytes).is_err() || length == 0 || cut {
            if cut {
                reset(&to);
                reset(&from);
            }
            break;
        }
        sent += length as u64;
    }
    let _ = to.shutdown(Shutdown::Write);
}

impl Shared {
    fn new(target: SocketAddr) -> Arc<Self> {
        let state = State { fault: Fault::None, open: HashMap::new(), next: 0, ended: false };
        Arc::new(Self { target, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Waits out a stall: the fault that then holds, or `None` if the proxy ends.
    fn after_stall(&self) -> Option<Fault> {
        let state = lock(&self.state);
        let stalled = |state: &mut State| state.fault == Fault::Stall && !state.ended;
        let state = self.changed.wait_while(state, stalled).unwrap_or_else(PoisonError::into_inner);
        (!state.ended).then_some(state.fault)
    }
}

/// RST instead of FIN: with a linger of zero the kernel throws away what is on its way.
fn reset(stream: &TcpStream) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    let _ = setsockopt(stream, sockopt::Linger, &linger);
    let _ = stream.shutdown(Shutdown::Both);
}
