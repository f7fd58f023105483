//! The sockets and the connections on them: handed over by systemd, or made here; each with its limits.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::client::Peer;
use crate::settings::Listen;

/// Connections at once. A proxy in front holds those of people; this is for the proxy, or for whoever reaches us
/// without one.
const CONNECTIONS: usize = 2048;
/// How long a request's head may take, and so how long a connection may be silent.
const HEAD: Duration = Duration::from_secs(15);
/// The longest head.
const HEAD_MAX: usize = 16 * 1024;
/// How long requests under way are waited for at the end.
const FAREWELL: Duration = Duration::from_secs(20);

/// A socket that listens.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix.
    Unix(UnixListener),
}

/// What systemd hands over, or what the configuration says.
pub fn open(listen: &Listen) -> Result<Vec<Listener>, String> {
    let mut given = listenfd::ListenFd::from_env();
    if given.len() > 0 {
        return (0..given.len()).map(|index| taken(&mut given, index)).collect();
    }
    match listen {
        Listen::Tcp(address) => {
            let failed = |error| format!("cannot listen on {address}: {error}");
            let socket = std::net::TcpListener::bind(address).map_err(failed)?;
            tcp(socket).map(|listener| vec![listener])
        }
        Listen::Unix(path) => bind(path).and_then(unix).map(|listener| vec![listener]),
    }
}

fn taken(given: &mut listenfd::ListenFd, index: usize) -> Result<Listener, String> {
    if let Ok(Some(socket)) = given.take_tcp_listener(index) {
        return tcp(socket);
    }
    match given.take_unix_listener(index) {
        Ok(Some(socket)) => unix(socket),
        Ok(None) | Err(_) => Err("systemd handed over what is no listening stream socket".to_owned()),
    }
}

fn tcp(socket: std::net::TcpListener) -> Result<Listener, String> {
    socket.set_nonblocking(true).map_err(|error| error.to_string())?;
    TcpListener::from_std(socket).map(Listener::Tcp).map_err(|error| error.to_string())
}

fn unix(socket: std::os::unix::net::UnixListener) -> Result<Listener, String> {
    socket.set_nonblocking(true).map_err(|error| error.to_string())?;
    UnixListener::from_std(socket).map(Listener::Unix).map_err(|error| error.to_string())
}

fn bind(path: &Path) -> Result<std::os::unix::net::UnixListener, String> {
    let failed = |error: std::io::Error| format!("cannot listen on {}: {error}", path.display());
    if path.exists() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(format!("cannot listen on {}: another process does", path.display()));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    Ok(listener)
}

/// Serves until told to stop; then those under way are answered, within a time.
pub async fn serve(listeners: Vec<Listener>, router: Router, stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, router.clone(), room.clone(), stop.clone()));
    }
    while accepting.join_next().await.is_some() {}
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    if tokio::time::timeout(FAREWELL, room.acquire_many(all)).await.is_err() {
        tracing::warn!("some requests were still under way at the end");
    }
}

/// Comes back once it is time to stop.
pub async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.map(|_| ());
}

async fn accept(listener: Listener, router: Router, room: Arc<Semaphore>, mut stop: watch::Receiver<bool>) {
    loop {
        let permit = tokio::select! {
            () = told(&mut stop) => return,
            permit = room.clone().acquire_owned() => permit,
        };
        let Ok(permit) = permit else { return };
        let accepted = async {
            match &listener {
                Listener::Tcp(listener) => {
                    let (stream, address) = listener.accept().await?;
                    let _ = stream.set_nodelay(true);
                    hold(stream, Peer::Address(address.ip()), &router, permit, stop.clone());
                }
                Listener::Unix(listener) => {
                    let (stream, _) = listener.accept().await?;
                    hold(stream, Peer::Local, &router, permit, stop.clone());
                }
            }
            Ok::<(), std::io::Error>(())
        };
        let mut stopped = stop.clone();
        tokio::select! {
            () = told(&mut stopped) => return,
            result = accepted => if let Err(error) = result {
                // Out of descriptors, as a rule: whoever leaves makes room.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            },
        }
    }
}

fn hold<S>(
    stream: S,
    peer: Peer,
    router: &Router,
    permit: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = router.clone().map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
    tokio::spawn(async move {
        let _permit = permit;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_MAX).half_close(false);
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        tokio::pin!(connection);
        tokio::select! {
            // What went wrong on a connection is its own affair, and might quote it.
            _ = connection.as_mut() => return,
            () = told(&mut stop) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    });
}
