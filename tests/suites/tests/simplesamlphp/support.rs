//! A campus whose applications sign people in through SimpleSAMLphp.

use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use parvis_stand::scene::BASE_URL;
use parvis_stand::simplesamlphp::Ports;
use parvis_stand::visitor::Page;
use parvis_stand::{Person, Scene, SceneOptions, Simplesamlphp, SimplesamlphpOptions, Visitor, small};

use crate::tap::{Mode, Tap};

/// The gate's place in the chain, as the documentation has it.
pub const PLACE: u32 = 5;

/// The scene, the identity provider and its application, and what the gate asks.
pub struct Stage {
    pub ssp: Simplesamlphp,
    pub tap: Tap,
    pub scene: Scene,
}

impl Stage {
    /// The gate asks the socket, which passes on to the daemon.
    pub fn new() -> Result<Self> {
        let ports = Ports::free()?;
        let config = format!("[pages]\nreturn-to = [\"{}/\"]\n", ports.idp());
        let scene = Scene::start(SceneOptions { config, ..SceneOptions::default() })?;
        let tap = Tap::new(scene.daemon.layout().path(), Mode::Relay(scene.daemon.layout().hook_socket()))?;
        let ssp = Simplesamlphp::start(&scene.slapd, ports, &asking_socket(tap.path()))?;
        Ok(Self { ssp, tap, scene })
    }

    /// Other words for the gate from now on.
    pub fn gate(&self, keys: &str) -> Result<()> {
        self.ssp.configure(&gate(keys))
    }

    /// A visitor goes to the application, and as far as that leads.
    pub fn begin(&self, visitor: &mut Visitor, source: &str) -> Result<Outcome> {
        let page = visitor.get(&self.ssp.application(source))?;
        outcome(visitor, page).with_context(|| self.ssp.last_words())
    }

    /// The same, and signs in with the provisional password (of active people, their own).
    pub fn sign_in(&self, visitor: &mut Visitor, who: &Person) -> Result<Outcome> {
        match self.begin(visitor, "default-sp")? {
            Outcome::Form(page) => prove(visitor, &page, &who.login, &who.provisional_password)
                .with_context(|| self.ssp.last_words()),
            other => bail!("{} met no sign-in form: {other:?}", who.login),
        }
    }

    /// The last line that the gate logged.
    pub fn decision(&self) -> String {
        let log = self.ssp.log();
        log.lines().rfind(|line| line.contains("parvis:")).unwrap_or_default().to_owned()
    }

    /// Makes an account provisional, active or locked, as the HR system would.
    pub fn state(&self, who: &Person, state: &str) -> Result<()> {
        self.scene.slapd.replace(&who.dn, "supannRessourceEtat", &[state])
    }
}

/// The gate with these keys, in PHP.
pub fn gate(keys: &str) -> SimplesamlphpOptions {
    let authproc = format!("{PLACE} => ['class' => 'parvis:Gate', {keys}],");
    SimplesamlphpOptions { authproc, ..SimplesamlphpOptions::default() }
}

fn asking_socket(path: &Path) -> SimplesamlphpOptions {
    gate(&socket(path))
}

/// The key for this socket.
pub fn socket(path: &Path) -> String {
    format!("'socket' => '{}'", path.display())
}

/// Where somebody has come to.
#[derive(Debug)]
pub enum Outcome {
    /// In the application, as this person.
    In(String),
    /// At the activation.
    Activation(String),
    /// At the gate's page with a reason.
    Refused(Page),
    /// At the sign-in form.
    Form(Page),
    /// Back at the application, which was told no.
    Told(String),
}

pub fn prove(visitor: &mut Visitor, form: &Page, login: &str, password: &str) -> Result<Outcome> {
    let page = visitor.submit(&form.form()?, &[("username", login), ("password", password)])?;
    outcome(visitor, page)
}

/// Brings the assertion over, where there is one, and says where that led.
pub fn outcome(visitor: &mut Visitor, page: Page) -> Result<Outcome> {
    if page.body.contains("name=\"SAMLResponse\"") {
        let answered = visitor.submit(&page.form()?, &[])?;
        if answered.body.contains("name=\"SAMLResponse\"") {
            bail!("the service provider asks again: {}", answered.body);
        }
        return outcome(visitor, answered);
    }
    let to = page.header("location").unwrap_or_default();
    Ok(match &page {
        _ if to.starts_with(&format!("{BASE_URL}/enter/")) => Outcome::Activation(to.to_owned()),
        Page { status: 200, body, .. } if body.starts_with("signed in: ") => {
            Outcome::In(body.trim_start_matches("signed in: ").trim().to_owned())
        }
        Page { status: 403, body, .. } if body.starts_with("told no: ") => Outcome::Told(body.clone()),
        Page { status: 403, url, .. } if url.path().ends_with("/parvis/refused.php") => {
            no_trace(&page);
            Outcome::Refused(page)
        }
        Page { status: 200, body, .. } if body.contains("name=\"password\"") => Outcome::Form(page),
        _ => bail!("a page that nobody expected ({}): {} {}", page.url, page.status, page.body),
    })
}

/// A page for people has no stack trace, and no blank either.
pub fn no_trace(page: &Page) {
    for needle in ["Backtrace", "#0 ", ".php:", "Exception", "Warning:", "Fatal"] {
        assert!(!page.body.contains(needle), "the page has {needle:?}: {}", page.body);
    }
    assert!(page.body.contains("<p>"), "a blank page: {}", page.body);
}

/// No assertion was brought to the service provider.
pub fn no_assertion(visitor: &Visitor) {
    let brought = visitor.trail.iter().find(|url| url.contains("saml2-acs"));
    assert!(brought.is_none(), "an assertion left: {:#?}", visitor.trail);
}

/// The SAML response in a page that brings one over.
pub fn response(page: &Page) -> Result<String> {
    let form = page.form()?;
    let text = form.field("SAMLResponse").context("no SAML response")?;
    Ok(String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text)?)?)
}

pub fn person(login: &str) -> Person {
    small().into_iter().find(|person| person.login == login).expect("the dozen have these logins")
}

/// A macro would hide the line that failed.
pub fn is_in(outcome: &Outcome, login: &str) -> bool {
    matches!(outcome, Outcome::In(who) if who == login)
}
