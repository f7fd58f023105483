//! A page in a Tomcat, and what it asks.

use anyhow::{Result, bail};
use parvis_stand::scene::BASE_URL;
use parvis_stand::shibboleth::Generation;
use parvis_stand::visitor::Page;
use parvis_stand::{Scene, Shibboleth, Visitor};

use crate::tap::{Mode, Tap};

pub const ACTIVE: &str = "{COMPTE}A:SupannActif";
pub const PROVISIONAL: &str = "{COMPTE}I:SupannCree";
pub const LOCKED: &str = "{COMPTE}S:SupannVerrouAdministratif";

pub struct Stage {
    pub shibboleth: Shibboleth,
    pub tap: Tap,
    pub scene: Scene,
}

/// Where somebody has come to.
#[derive(Debug)]
pub enum Outcome {
    /// Finished without an event.
    Proceed,
    /// Finished with `ContextCheckDenied`.
    Denied,
    /// At the activation.
    Activation(String),
    /// At the page with a reason.
    Refused(Page),
}

impl Stage {
    pub fn new(generation: Generation) -> Result<Self> {
        let scene = Scene::new()?;
        let tap = Tap::new(scene.daemon.layout().path(), Mode::Relay(scene.daemon.layout().hook_socket()))?;
        let shibboleth = Shibboleth::start(generation)?;
        let stage = Self { shibboleth, tap, scene };
        stage.shibboleth.configure(&stage.socket())?;
        Ok(stage)
    }

    /// The key for the tap's socket.
    pub fn socket(&self) -> String {
        format!("socket = {}\n", self.tap.path().display())
    }

    /// Somebody has proven their password, and the resolver has these values.
    pub fn judge(&self, visitor: &mut Visitor, login: &str, states: &[&str]) -> Result<Outcome> {
        self.begin(visitor, login, states, false)
    }

    /// The same in a passive request.
    pub fn passively(&self, visitor: &mut Visitor, login: &str, states: &[&str]) -> Result<Outcome> {
        self.begin(visitor, login, states, true)
    }

    fn begin(&self, visitor: &mut Visitor, login: &str, states: &[&str], passive: bool) -> Result<Outcome> {
        let mut query = vec![("login", login), ("passive", if passive { "1" } else { "0" })];
        query.extend(states.iter().map(|state| ("state", *state)));
        let query: Vec<String> =
            query.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
        let page = visitor.get(&format!("{}/stand/begin?{}", self.shibboleth.url(), query.join("&")))?;
        self.outcome(page)
    }

    pub fn outcome(&self, page: Page) -> Result<Outcome> {
        let to = page.header("location").unwrap_or_default();
        Ok(match (page.status, page.body.as_str()) {
            (302, _) if to.starts_with(&format!("{BASE_URL}/enter/")) => Outcome::Activation(to.to_owned()),
            (200, "event: proceed") => Outcome::Proceed,
            (200, "event: ContextCheckDenied") => Outcome::Denied,
            (403, body) if body.contains("<main>") => {
                no_trace(&page);
                Outcome::Refused(page)
            }
            _ => bail!(
                "nobody expected {} {}: {}\n{}",
                page.url,
                page.status,
                page.body,
                self.shibboleth.log()
            ),
        })
    }

    /// The last line that the page logged.
    pub fn decision(&self) -> String {
        let log = self.shibboleth.log();
        log.lines().rfind(|line| line.contains("parvis: ")).unwrap_or_default().to_owned()
    }
}

/// A page for people has no stack trace.
pub fn no_trace(page: &Page) {
    for needle in ["Exception", "\tat ", "java.", "HTTP Status"] {
        assert!(!page.body.contains(needle), "the page has {needle:?}: {}", page.body);
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
