//! What every request needs: the way to the daemon, the keys in force, and CAS's address.

use std::sync::{Arc, PoisonError, RwLock};

use url::Url;

use crate::daemon::Daemon;
use crate::keys::Keys;
use crate::settings::Settings;

/// All of it.
#[derive(Debug)]
pub struct House {
    /// The daemon.
    pub daemon: Daemon,
    /// Where people sign in to CAS.
    pub cas_login: Option<Url>,
    /// The names of certificates that may ask; empty: all.
    pub names: Vec<String>,
    keys: RwLock<Arc<Keys>>,
}

impl House {
    /// As the settings have it.
    pub fn new(settings: &Settings, keys: Keys) -> Self {
        Self {
            daemon: Daemon::at(settings.socket.clone()),
            cas_login: settings.cas_login.clone(),
            names: settings.tls.as_ref().map(|tls| tls.names.clone()).unwrap_or_default(),
            keys: RwLock::new(Arc::new(keys)),
        }
    }

    /// The keys in force.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Others from now on.
    pub fn replace(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}
