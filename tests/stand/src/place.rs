//! Where a private server lives: a directory that goes away with its owner, and a port that nobody else of ours takes.
//!
//! A directory is removed on drop; after a `kill -9` of the owner, the next process of the stand removes it: each
//! directory holds a locked file, and a lock that can be had is a dead owner's. It must not look at anything that
//! does not bear the stand's prefix.

use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PREFIX: &str = "parvis-stand-";
const ALIVE: &str = ".alive";

/// A private directory under `/tmp` (or `$PARVIS_STAND_DIR`), removed when dropped.
///
/// `/tmp` by default because Debian's and Ubuntu's AppArmor profiles let slapd work there and hardly anywhere else,
/// and because the path of a Unix socket has to stay under 108 bytes.
#[derive(Debug)]
pub struct Place {
    dir: tempfile::TempDir,
    _alive: File,
}

impl Place {
    /// Makes a directory that only its owner can enter; `name` tells people what it is for.
    pub fn new(name: &str) -> Result<Self> {
        static SWEPT: Once = Once::new();
        let base = base();
        SWEPT.call_once(Self::sweep);
        let dir = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{name}-"))
            .tempdir_in(&base)
            .with_context(|| format!("failed to make a private directory in {}", base.display()))?;
        let alive = File::create(dir.path().join(ALIVE)).context("failed to mark a private directory")?;
        alive.lock().context("failed to lock a private directory")?;
        Ok(Self { dir, _alive: alive })
    }

    /// Removes what processes that were killed have left; the first [`Place::new`] of a process does it.
    pub fn sweep() {
        sweep(&base());
    }

    /// Lets every user walk through the directory: for servers that give up root, such as Postfix.
    pub fn open_to_all(&self) -> Result<()> {
        std::fs::set_permissions(self.path(), Permissions::from_mode(0o755))
            .with_context(|| format!("failed to open {}", self.path().display()))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path inside the directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

fn base() -> PathBuf {
    std::env::var_os("PARVIS_STAND_DIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

/// Removes what dead owners left. Whatever cannot be opened, locked or removed is somebody else's: left alone.
fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(alive) = File::open(entry.path().join(ALIVE)) else { continue };
        if alive.try_lock().is_ok() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A TCP port of loopback, claimed for as long as the value lives.
///
/// The claim is an abstract Unix socket, so it holds between processes, ends with its owner, and leaves no file. The
/// range is below the kernel's ephemeral one: an outgoing connection cannot take the port while its server is down.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UnixListener,
}

/// Whether nothing listens there.
///
/// A listener of our own would tell as much, and stay for a moment after its end: in a child that another test has forked
/// and that has not become its own program yet.
pub(crate) fn is_silent(ip: Ipv4Addr, port: u16) -> bool {
    let refused = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
    TcpStream::connect_timeout(&(ip, port).into(), Duration::from_secs(1)).is_err_and(|error| refused(&error))
}

impl Port {
    /// Claims a port on which nothing listens.
    pub fn free() -> Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        const FIRST: u16 = 12_000;
        const COUNT: u16 = 18_000;
        let start = (std::process::id() % u32::from(COUNT)) as u16;
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + ((u32::from(start) * 61 + u32::from(step)) % u32::from(COUNT)) as u16;
            let name = SocketAddr::from_abstract_name(format!("{PREFIX}port-{number}"))?;
            let Ok(claim) = UnixListener::bind_addr(&name) else { continue };
            if is_silent(Ipv4Addr::LOCALHOST, number) {
                return Ok(Self { number, _claim: claim });
            }
        }
        bail!("no free port between {FIRST} and {}", FIRST + COUNT)
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_place_goes_away_with_its_owner() {
        let place = Place::new("test").unwrap();
        let path = place.path().to_owned();
        std::fs::write(path.join("file"), "x").unwrap();
        drop(place);
        assert!(!path.exists());
    }

    #[test]
    fn the_sweep_removes_the_dead_and_spares_the_living() {
        let base = tempfile::tempdir().unwrap();
        let dead = base.path().join(format!("{PREFIX}dead"));
        let living = base.path().join(format!("{PREFIX}living"));
        let foreign = base.path().join("foreign");
        for dir in [&dead, &living, &foreign] {
            std::fs::create_dir(dir).unwrap();
            File::create(dir.join(ALIVE)).unwrap();
        }
        let lock = File::open(living.join(ALIVE)).unwrap();
        lock.lock().unwrap();
        sweep(base.path());
        assert!(!dead.exists());
        assert!(living.exists());
        assert!(foreign.exists());
    }

    /// Children that are forked meanwhile hold whatever is open here, until they are programs of their own.
    #[test]
    fn a_port_can_be_listened_on_while_others_start_programs() {
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::process::Command::new("true").status().unwrap();
                }
            });
            let refused = (0..2_000).filter(|_| {
                let port = Port::free().unwrap();
                TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).is_err()
            });
            let refused = refused.count();
            over.store(true, Ordering::Relaxed);
            starting.join().unwrap();
            assert_eq!(refused, 0);
        });
    }

    #[test]
    fn no_port_is_handed_out_twice() {
        let ports: Vec<Port> = (0..200).map(|_| Port::free().unwrap()).collect();
        let numbers: std::collections::BTreeSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), 200);
    }
}
