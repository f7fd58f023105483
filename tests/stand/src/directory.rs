//! The seam between the stand's directories: what a suite may ask of any of them, so that it runs on all.
//!
//! It must not start one, nor know how one keeps its data.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::campus::Person;
use crate::ldap::Client;
use crate::run::{expect, program};

/// A running directory with the campus in it.
pub trait DirectoryServer: Debug + Send {
    /// What people call it.
    fn name(&self) -> &'static str;
    /// `ldap://`, in clear.
    fn url(&self) -> String;
    /// `ldaps://`, with a certificate of [`DirectoryServer::ca_file`].
    fn ldaps_url(&self) -> String;
    /// Where `ldaps://` listens: what a fault proxy is put before.
    fn ldaps_address(&self) -> SocketAddr;
    /// The certificate to trust.
    fn ca_file(&self) -> PathBuf;
    /// The server's own log.
    fn log_file(&self) -> PathBuf;
    /// Where the people are.
    fn base(&self) -> &str;
    /// The name and the password that Parvis binds with.
    fn service(&self) -> (&str, &str);
    /// The stand's own way to look and to change: the directory's administrator.
    fn admin(&self) -> &Client;
    /// A person of the campus with the DN that they have in this directory.
    fn here(&self, person: &Person) -> Person;
    /// Adds one person as the campus provisions them; `dn` is taken as [`DirectoryServer::here`] gives it.
    fn add_person(&self, person: &Person) -> Result<()>;

    /// Stops it as a system would, if it runs.
    fn stop(&mut self) -> Result<()>;
    /// SIGKILL.
    fn kill9(&mut self);
    /// Starts it again on the same data and addresses; stops it first where it runs.
    fn restart(&mut self) -> Result<()>;
    /// Freezes it: connections are accepted by the kernel, and nothing answers.
    fn pause(&self) -> Result<()>;
    /// Goes on after [`DirectoryServer::pause`].
    fn resume(&self) -> Result<()>;
    /// The folder that holds the data and nothing else.
    fn data(&self) -> PathBuf;

    /// Stops it, keeps a copy of the data, and starts it again.
    fn backup(&mut self) -> Result<Backup> {
        self.stop()?;
        let (data, dir) = (self.data(), tempfile::tempdir()?);
        copy(&data, &dir.path().join("data"))?;
        self.restart()?;
        Ok(Backup { dir })
    }

    /// Goes back to what a backup holds, as an administrator would after a disaster.
    fn restore(&mut self, backup: &Backup) -> Result<()> {
        self.stop()?;
        let data = self.data();
        std::fs::remove_dir_all(&data)?;
        copy(&backup.dir.path().join("data"), &data)?;
        self.restart()
    }
}

/// The data of a directory at one moment; gone when dropped.
#[derive(Debug)]
pub struct Backup {
    dir: tempfile::TempDir,
}

/// A tree with its owners, modes and holes.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    expect(&program("cp")?, &["-a".as_ref(), from.as_os_str(), to.as_os_str()], b"").map(drop)
}
