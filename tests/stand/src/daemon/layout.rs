//! Where a private daemon keeps what: the answer to a test's "which path do I write into the configuration?".

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::DaemonOptions;
use crate::place::Place;

/// A daemon's private directory.
#[derive(Debug)]
pub struct Layout {
    place: Place,
}

impl Layout {
    /// Makes it, with the empty directories `state`, `run`, `credentials` and `conf.d`.
    pub fn new() -> Result<Self> {
        let place = Place::new("parvisd")?;
        for (name, mode) in [("state", 0o700), ("run", 0o755), ("credentials", 0o700), ("conf.d", 0o755)] {
            let dir = place.join(name);
            std::fs::create_dir(&dir)?;
            std::fs::set_permissions(&dir, Permissions::from_mode(mode))?;
        }
        Ok(Self { place })
    }

    /// Lets other users reach the sockets: for tests of who may call what.
    pub fn open_to_all(&self) -> Result<()> {
        self.place.open_to_all()
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// parvis.toml.
    pub fn config_file(&self) -> PathBuf {
        self.place.join("parvis.toml")
    }

    /// What `StateDirectory=` would be: the store's home.
    pub fn state(&self) -> PathBuf {
        self.place.join("state")
    }

    /// What `RuntimeDirectory=` would be.
    pub fn run(&self) -> PathBuf {
        self.place.join("run")
    }

    /// The hook socket.
    pub fn hook_socket(&self) -> PathBuf {
        self.run().join("hook.sock")
    }

    /// The admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.run().join("admin.sock")
    }

    /// What `CREDENTIALS_DIRECTORY` names.
    pub fn credentials(&self) -> PathBuf {
        self.place.join("credentials")
    }

    /// Everything that the daemon printed.
    pub fn log_file(&self) -> PathBuf {
        self.place.join("parvisd.log")
    }

    pub(super) fn notify_socket(&self) -> PathBuf {
        self.place.join("notify.sock")
    }

    pub(super) fn write(&self, options: &DaemonOptions) -> Result<()> {
        std::fs::write(self.config_file(), &options.config)?;
        for (name, content) in &options.credentials {
            let file = self.credentials().join(name);
            std::fs::write(&file, content)
                .with_context(|| format!("failed to write the credential {name}"))?;
            std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        }
        Ok(())
    }
}
