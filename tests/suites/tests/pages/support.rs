//! A scene with pages, and a person at a browser.

use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::scene::{BASE_URL, SceneOptions};
use parvis_stand::{Browser, BrowserOptions, Pages, PagesOptions, Person, Scene, small};

/// The scene and its pages.
pub struct Stage {
    pub pages: Pages,
    pub scene: Scene,
}

impl Stage {
    pub fn new() -> Result<Self> {
        Self::with(SceneOptions::default(), PagesOptions::default())
    }

    pub fn with(scene: SceneOptions, pages: PagesOptions) -> Result<Self> {
        let scene = Scene::start(scene)?;
        let pages = Pages::start(&scene, pages)?;
        Ok(Self { pages, scene })
    }

    pub fn browser(&self, options: &BrowserOptions) -> Result<Browser> {
        Browser::start(&self.pages, options)
    }

    /// The link in the newest mail to an address after this number, as the mail has it.
    pub fn link(&self, address: &str, after: u64) -> Result<String> {
        let mail = self.scene.inbox.wait_for(
            address,
            |mail| mail.number > after && !mail.links().is_empty(),
            Duration::from_secs(20),
        )?;
        let prefix = format!("{BASE_URL}/link/");
        let link = mail.links().into_iter().find(|link| link.starts_with(&prefix));
        link.context("the mail has no link")
    }
}

pub fn person(login: &str) -> Person {
    small().into_iter().find(|person| person.login == login).unwrap()
}

pub fn url(path: &str) -> String {
    format!("{BASE_URL}{path}")
}

/// Steps 1 and 2.
pub fn sign_in(browser: &Browser, person: &Person) -> Result<()> {
    browser.goto(&url("/sign-in"))?;
    browser.fill("#login", &person.login)?;
    browser.fill("#password", &person.provisional_password)?;
    browser.press("main form .main")
}

/// Steps 3 and 4, the link opened in the same browser.
pub fn prove(stage: &Stage, browser: &Browser, address: &str) -> Result<()> {
    let before = stage.scene.inbox.last_number();
    browser.fill("#address", address)?;
    browser.press("main form .main")?;
    let link = stage.link(address, before)?;
    browser.goto(&link)?;
    browser.press("main form .main")
}

/// Step 5.
pub fn charter(browser: &Browser) -> Result<()> {
    browser.click("#accepted")?;
    browser.press("main form .main")
}

/// Step 6.
pub fn listing(browser: &Browser, listed: bool) -> Result<()> {
    browser.click(if listed { "#listed" } else { "#hidden" })?;
    browser.press("main form .main")
}

/// Step 9.
pub fn password(browser: &Browser, password: &str) -> Result<()> {
    browser.fill("#password", password)?;
    browser.press("main form .main")
}

/// A picture, where somebody wants them.
pub fn picture(browser: &Browser, name: &str) -> Result<()> {
    let Some(folder) = std::env::var_os("PARVIS_PICTURES") else { return Ok(()) };
    let folder = std::path::PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    browser.picture(&folder.join(format!("{name}.png")))
}
