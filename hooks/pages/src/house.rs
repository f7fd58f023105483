//! What every request shares: the settings, the words, the assets, the way to the daemon.

use crate::assets::Assets;
use crate::daemon::Daemon;
use crate::settings::Settings;
use crate::words::Words;
use tokio::sync::{Semaphore, watch};

/// The largest body: a form of ours is a fraction of it.
pub const BODY_MAX: usize = 16 * 1024;

/// The one value that all share.
pub struct House {
    /// The configuration.
    pub settings: Settings,
    /// The texts.
    pub words: Words,
    /// The files.
    pub assets: Assets,
    /// The daemon.
    pub daemon: Daemon,
    /// Estimates of strength at once: each is a fraction of a second of one processor.
    pub estimates: Semaphore,
    /// True once the process is to end: whoever only waits is answered then.
    pub stopping: watch::Receiver<bool>,
}

impl House {
    /// Opens nothing.
    pub fn new(settings: Settings, stopping: watch::Receiver<bool>) -> Self {
        Self {
            words: Words::shipped(),
            assets: Assets::of(&settings.campus),
            daemon: Daemon::at(settings.socket.clone()),
            estimates: Semaphore::new(2),
            stopping,
            settings,
        }
    }

    /// A path of ours as a browser has to ask for it.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base)
    }

    /// Where a person signs in with the letter.
    pub fn sign_in_url(&self) -> String {
        match (&self.settings.sign_in_url, self.settings.sign_in) {
            (Some(url), false) => url.clone(),
            (_, true) | (None, false) => self.url("/sign-in"),
        }
    }
}
