//! The connections on both doors, each with its limits: how many, how long a handshake, a head and a silence may take.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::caller::Caller;
use crate::doors::{Door, Way};
use crate::house::House;
use crate::room::{Guest, NoRoom, Room};

/// Connections at once, where there are descriptors for them.
const CONNECTIONS: usize = 2048;
/// Descriptors for everything else: a call to the daemon each, the log, what is read on SIGHUP.
const OTHERWISE: u64 = 256;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a request's head may take, and so how long a connection may be silent.
const HEAD: Duration = Duration::from_secs(15);
/// The longest head.
const HEAD_MAX: usize = 16 * 1024;
/// How long requests under way are waited for at the end: longer than the longest takes.
const FAREWELL: Duration = Duration::from_secs(12);

/// What a connection is told from outside.
#[derive(Debug, Clone)]
pub struct Signs {
    /// It is time to stop.
    pub stop: watch::Receiver<bool>,
    /// The keys are others from now on; the number counts how often.
    pub keys: watch::Receiver<u64>,
}

/// Everything that a connection needs.
#[derive(Clone)]
struct Hall {
    house: Arc<House>,
    router: Router,
    room: Arc<Room>,
    signs: Signs,
    /// Dropped with the last connection.
    _present: mpsc::Sender<()>,
}

/// Serves until told to stop; then those under way are answered, within a time.
pub async fn serve(doors: Vec<Door>, house: Arc<House>, router: Router, signs: Signs) {
    let (present, mut gone) = mpsc::channel(1);
    let room = Room::new(connections());
    let hall = Hall { house, router, room, signs, _present: present };
    let mut accepting = JoinSet::new();
    for door in doors {
        accepting.spawn(accept(door, hall.clone()));
    }
    drop(hall);
    while accepting.join_next().await.is_some() {}
    if timeout(FAREWELL, gone.recv()).await.is_err() {
        tracing::warn!("some requests were still under way at the end");
    }
}

/// As many connections as there may be. Were there fewer descriptors than places, nobody would ever be sent away, and
/// a crowd would keep everybody else out.
fn connections() -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    // A ninth more: those who are sent away leave a moment later.
    let wanted = hard.min(CONNECTIONS as u64 / 8 * 9 + OTHERWISE);
    let limit = match soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() {
        true => wanted,
        false => soft,
    };
    let places = limit.saturating_sub(OTHERWISE) / 9 * 8;
    usize::try_from(places).unwrap_or(CONNECTIONS).clamp(16, CONNECTIONS)
}

async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.map(|_| ());
}

async fn accept(door: Door, hall: Hall) {
    let mut stop = hall.signs.stop.clone();
    loop {
        let accepted = tokio::select! {
            () = told(&mut stop) => return,
            accepted = door.listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, as a rule: whoever leaves makes room.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let guest = loop {
            match hall.room.enter() {
                Ok(guest) => break Some(guest),
                Err(NoRoom::NotYet) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(NoRoom::Full) => break None,
            }
        };
        let Some(guest) = guest else {
            tracing::warn!("too many connections: one is turned away");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let task = tokio::spawn(receive(door.way, stream, hall.clone(), guest.clone()));
        guest.may_be_ended_by(task.abort_handle());
    }
}

async fn receive(way: Way, stream: TcpStream, mut hall: Hall, guest: Arc<Guest>) {
    // Before the keys are looked at: what changes from here on ends this connection.
    hall.signs.keys.mark_unchanged();
    match way {
        Way::Loopback => converse(stream, Caller::Local, hall, guest).await,
        Way::Tls => {
            let Some(config) = hall.house.keys().tls.clone() else { return };
            let Ok(Ok(stream)) = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await else {
                tracing::debug!("a handshake came to nothing");
                return;
            };
            let certificates = stream.get_ref().1.peer_certificates();
            let first = certificates.and_then(|all| all.first());
            let caller = Caller::certified(first, &hall.house.names);
            if matches!(caller, Caller::Certified(_)) {
                guest.has_proven_itself();
            }
            converse(stream, caller, hall, guest).await;
        }
    }
}

/// Requests on one connection, until one side leaves, or the keys change: who has proven themselves by a certificate
/// proves it anew.
async fn converse<S>(stream: S, caller: Caller, hall: Hall, guest: Arc<Guest>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Hall { router, mut signs, _present: _present_until_here, .. } = hall;
    let router = router.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(caller.clone());
        request.extensions_mut().insert(guest.clone());
        request
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_MAX).half_close(false);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // What went wrong on a connection is its own affair, and might quote it.
        _ = connection.as_mut() => return,
        () = told(&mut signs.stop) => {}
        _ = signs.keys.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(FAREWELL, connection).await;
}
