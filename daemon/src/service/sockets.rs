//! The two sockets: handed over by systemd, or made here.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::Path;
use tokio::net::UnixListener;

/// The names under which systemd's socket units hand them over.
const NAMES: [&str; 2] = ["hook", "admin"];

/// Hook socket and admin socket.
pub struct Sockets {
    pub hook: UnixListener,
    pub admin: UnixListener,
}

/// Takes what systemd hands over, and makes the rest.
pub fn open(hook: &Path, admin: &Path) -> Result<Sockets, String> {
    let [mut given_hook, mut given_admin] = [None, None];
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut fds = listenfd::ListenFd::from_env();
    for (index, name) in names.split(':').enumerate().take(fds.len()) {
        let listener =
            fds.take_unix_listener(index).map_err(|error| format!("the socket {name}: {error}"))?;
        match NAMES.iter().position(|known| name.starts_with(known)) {
            Some(0) => given_hook = listener,
            Some(_) => given_admin = listener,
            None => {
                return Err(format!("systemd handed over a socket named {name:?}; hook and admin are known"));
            }
        }
    }
    // Who may call what is decided for each call; the admin socket is closed to others besides.
    Ok(Sockets {
        hook: ready(given_hook.map_or_else(|| bind(hook, 0o666), Ok)?)?,
        admin: ready(given_admin.map_or_else(|| bind(admin, 0o660), Ok)?)?,
    })
}

fn ready(listener: StdListener) -> Result<UnixListener, String> {
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    UnixListener::from_std(listener).map_err(|error| error.to_string())
}

fn bind(path: &Path, mode: u32) -> Result<StdListener, String> {
    let failed = |error: std::io::Error| format!("cannot listen on {}: {error}", path.display());
    if path.exists() {
        if UnixStream::connect(path).is_ok() {
            return Err(format!("cannot listen on {}: another process does", path.display()));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = StdListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok(listener)
}
