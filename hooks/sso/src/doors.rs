//! The two ways in, as sockets: handed over by systemd by their names, or made here. No other is taken.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::settings::Settings;

/// How a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From this machine; each request brings the token.
    Loopback,
    /// From anywhere, with a certificate.
    Tls,
}

impl Way {
    /// Its section in the configuration, and the name of its socket (FileDescriptorName).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Tls => "tls",
        }
    }
}

/// A socket that listens, and for whom.
#[derive(Debug)]
pub struct Door {
    /// How its callers prove themselves.
    pub way: Way,
    /// The socket.
    pub listener: TcpListener,
}

/// What systemd hands over, or what the configuration says.
/// `activated`: what systemd hands over, and nothing else.
pub fn open(settings: &Settings, activated: bool) -> Result<Vec<Door>, String> {
    let mut given = listenfd::ListenFd::from_env();
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let offered = [
        (Way::Loopback, settings.loopback.as_ref().map(|loopback| loopback.listen)),
        (Way::Tls, settings.tls.as_ref().map(|tls| tls.listen)),
    ];
    let offered = offered.into_iter().filter_map(|(way, listen)| Some((way, listen?)));
    if given.len() == 0 && activated {
        let wanted: Vec<String> = offered.map(|(way, _)| way.name().to_owned()).collect();
        return Err(format!("systemd handed over no socket, and {} is offered", wanted.join(" and ")));
    }
    if given.len() == 0 {
        return offered.map(|(way, listen)| bind(way, listen)).collect();
    }
    let doors = (0..given.len()).zip(names.split(':')).map(|(index, name)| taken(&mut given, index, name));
    let doors = doors.collect::<Result<Vec<Door>, String>>()?;
    matched(&doors, &offered.map(|(way, _)| way).collect::<Vec<Way>>())?;
    Ok(doors)
}

fn taken(given: &mut listenfd::ListenFd, index: usize, name: &str) -> Result<Door, String> {
    let way = [Way::Loopback, Way::Tls].into_iter().find(|way| way.name() == name);
    let way = way.ok_or("systemd handed over a socket that is named neither loopback nor tls")?;
    match given.take_tcp_listener(index) {
        Ok(Some(socket)) => listening(way, socket),
        Ok(None) | Err(_) => Err(format!("systemd handed over as {name} what is no listening socket of TCP")),
    }
}

/// A way that is offered and has no socket, or the other way round, is a mistake that nobody would notice otherwise.
fn matched(doors: &[Door], offered: &[Way]) -> Result<(), String> {
    for way in [Way::Loopback, Way::Tls] {
        let name = way.name();
        match (offered.contains(&way), doors.iter().any(|door| door.way == way)) {
            (true, false) => {
                return Err(format!(
                    "{name}.offered is true, and systemd handed over no socket of that name"
                ));
            }
            (false, true) => {
                return Err(format!(
                    "systemd handed over a socket named {name}, and {name}.offered is false"
                ));
            }
            (true, true) | (false, false) => {}
        }
    }
    Ok(())
}

/// As many as wait in a socket unit of ours.
const BACKLOG: u32 = 1024;

fn bind(way: Way, address: SocketAddr) -> Result<Door, String> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    });
    let listener = bound.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    checked(way, listener)
}

fn listening(way: Way, socket: std::net::TcpListener) -> Result<Door, String> {
    socket.set_nonblocking(true).map_err(|error| error.to_string())?;
    checked(way, TcpListener::from_std(socket).map_err(|error| error.to_string())?)
}

fn checked(way: Way, listener: TcpListener) -> Result<Door, String> {
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    if way == Way::Loopback && !address.ip().to_canonical().is_loopback() {
        return Err(format!("the socket named loopback listens on {address}, which others can reach"));
    }
    Ok(Door { way, listener })
}
