//! What these tests share.

use anyhow::Result;
use parvis_stand::sso::{Sso, SsoOptions};
use parvis_stand::{Scene, SceneOptions};

/// A daemon and what stands before it.
pub struct Stage {
    pub sso: Sso,
    pub scene: Scene,
}

impl Stage {
    pub fn new() -> Result<Self> {
        Self::with("", SsoOptions::default())
    }

    /// The daemon's configuration, and parvis-sso's.
    pub fn with(daemon: &str, options: SsoOptions) -> Result<Self> {
        let scene = Scene::start(SceneOptions { config: daemon.to_owned(), ..SceneOptions::default() })?;
        Ok(Self { sso: Sso::start(&scene, options)?, scene })
    }
}
