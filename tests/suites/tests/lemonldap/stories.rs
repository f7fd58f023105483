//! The whole way, in a real Chromium: from an application behind the portal, through the activation, and back into the
//! application by the normal sign-in; and what the portal shows to those who may not pass.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use parvis_stand::lemon::HOSTS;
use parvis_stand::scene::{BASE_URL, SceneOptions};
use parvis_stand::{Browser, BrowserOptions, LemonOptions, Pages, PagesOptions, run};

use crate::support::{ACTIVE, Campus, LOCKED, NEW, TIMEOUT, person};

const PHONE: (u32, u32) = (390, 844);
const DESK: (u32, u32) = (1280, 900);
const ENTER: &str = "\u{e007}";

struct Person {
    campus: Campus,
    browser: Browser,
    // Stays until the browser is closed.
    _pages: Pages,
    name: String,
}

impl Person {
    fn new(language: &str, size: (u32, u32), params: &[(&str, &str)]) -> Result<Self> {
        let lemon = LemonOptions { app: true, ..LemonOptions::default() };
        let campus = Campus::with(SceneOptions::default(), lemon, params)?;
        let pages = Pages::start(&campus.scene, PagesOptions::default())?;
        let hosts = HOSTS.iter().map(|host| (*host).to_owned()).collect();
        let options =
            BrowserOptions { language: language.to_owned(), size, hosts, ..BrowserOptions::default() };
        let browser = Browser::start(&pages, &options)?;
        let shape = if size == PHONE { "phone" } else { "desk" };
        Ok(Self { campus, browser, _pages: pages, name: format!("lemonldap-{language}-{shape}") })
    }

    /// Waits until the address begins so.
    fn at(&self, begins: &str) -> Result<String> {
        let here = run::until(parvis_stand::browser::PATIENCE, || {
            Ok(self.browser.url().ok().filter(|url| url.starts_with(begins)))
        })?;
        here.with_context(|| {
            let log = self.campus.lemon.log() + &self.campus.lemon.app_log();
            format!(
                "never at {begins}, but at {:?}: {:?}\n{log}",
                self.browser.url(),
                self.browser.text("body")
            )
        })
    }

    /// The portal's own form.
    fn sign_in(&self, login: &str, password: &str) -> Result<()> {
        self.at(&self.campus.lemon.ports().portal_url())?;
        self.browser.fill("#userfield", login)?;
        self.browser.fill("#passwordfield", password)?;
        self.browser.keys(ENTER)
    }

    fn next(&self) -> Result<()> {
        self.browser.press("main form .main")
    }

    /// Steps 3 to 10, as the person sees them.
    fn activate(&self, address: &str, password: &str) -> Result<()> {
        let browser = &self.browser;
        self.at(&format!("{BASE_URL}/step"))?;
        let before = self.campus.scene.inbox.last_number();
        browser.fill("#address", address)?;
        self.next()?;
        let mail = self.campus.scene.mail(address, before)?;
        let link = mail.links().into_iter().find(|link| link.contains("/link/")).context("no link")?;
        browser.goto(&link)?;
        self.next()?;
        browser.click("#accepted")?;
        self.next()?;
        browser.click("#hidden")?;
        self.next()?;
        if browser.has("#forward-no")? {
            browser.click("#forward-no")?;
        } else {
            browser.fill("#forward", address)?;
        }
        self.next()?;
        browser.fill("#password", password)?;
        self.next()
    }

    fn picture(&self, what: &str) -> Result<()> {
        let Some(folder) = std::env::var_os("PARVIS_PICTURES") else { return Ok(()) };
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder)?;
        self.browser.picture(&folder.join(format!("{}-{what}.png", self.name)))
    }
}

#[test]
fn in_french_on_a_phone_from_the_application_through_the_activation_into_the_application() -> Result<()> {
    let marie = Person::new("fr", PHONE, &[])?;
    let wanted = format!("{}/notes?year=2026", marie.campus.lemon.ports().app_url());
    marie.browser.goto(&wanted)?;
    marie.picture("1-sign-in")?;
    marie.sign_in(NEW, &person(NEW).provisional_password)?;
    marie.at(BASE_URL)?;
    ensure!(marie.campus.lemon.sessions()?.is_empty(), "a session before the activation");
    assert_eq!(marie.browser.attribute("html", "lang")?.as_deref(), Some("fr"));
    marie.activate("marie@ailleurs.example", "Violet-mandarine-77")?;
    assert_eq!(marie.browser.text("h1")?, "Votre compte informatique est activé");
    marie.picture("2-done")?;
    marie.browser.click("main a.button")?;
    // Nobody is signed in by the activation: the normal way, with the new password.
    marie.at(&marie.campus.lemon.ports().portal_url())?;
    ensure!(marie.campus.lemon.sessions()?.is_empty(), "a session without a sign-in");
    marie.sign_in(NEW, "Violet-mandarine-77")?;
    marie.at(&wanted)?;
    assert_eq!(marie.browser.text("#who")?, NEW);
    assert_eq!(marie.browser.text("#where")?, "/notes?year=2026");
    marie.picture("3-application")
}

#[test]
fn in_english_on_a_desk_from_a_cas_client_through_the_activation_with_a_ticket() -> Result<()> {
    let siobhan = Person::new("en", DESK, &[])?;
    let course = format!("{}/cas-app/course?id=7", siobhan.campus.lemon.ports().app_url());
    siobhan.browser.goto(&course)?;
    siobhan.sign_in("sobrien", &person("sobrien").provisional_password)?;
    siobhan.at(BASE_URL)?;
    assert_eq!(siobhan.campus.lemon.tickets()?, 0, "a ticket before the activation");
    assert_eq!(siobhan.browser.attribute("html", "lang")?.as_deref(), Some("en"));
    siobhan.activate("siobhan@elsewhere.example", "Violet-mandarine-77")?;
    assert_eq!(siobhan.browser.text("h1")?, "Your account is active");
    siobhan.browser.click("main a.button")?;
    siobhan.sign_in("sobrien", "Violet-mandarine-77")?;
    siobhan.at(&course)?;
    assert_eq!(siobhan.browser.text("h1")?, "CAS application");
    assert_eq!(siobhan.browser.text("#who")?, "sobrien");
    siobhan.picture("3-application")?;
    // Now everywhere without another sign-in.
    siobhan.browser.goto(&siobhan.campus.lemon.ports().app_url())?;
    assert_eq!(siobhan.browser.text("#who")?, "sobrien");
    Ok(())
}

#[test]
fn who_may_not_pass_reads_why_in_french_on_a_phone() -> Result<()> {
    refused("fr", PHONE, "Ce compte est verrouillé", "Nous ne pouvons pas vérifier", "Continuer")
}

#[test]
fn who_may_not_pass_reads_why_in_english_on_a_desk() -> Result<()> {
    refused("en", DESK, "This account is locked", "We cannot check", "Continue")
}

fn refused(language: &str, size: (u32, u32), locked: &str, unanswered: &str, button: &str) -> Result<()> {
    let someone = Person::new(language, size, &[("parvisTimeout", TIMEOUT)])?;
    let (browser, portal) = (&someone.browser, someone.campus.lemon.ports().portal_url());
    browser.goto(&portal)?;
    someone.sign_in(LOCKED, &person(LOCKED).provisional_password)?;
    browser.wait_text("[role=alert]", locked)?;
    assert_eq!(browser.attribute("[role=alert]", "lang")?.as_deref(), Some(language));
    browser.wait_text("button[type=submit]", button)?;
    ensure!(!browser.has("#timer")?, "the page goes away by itself");
    someone.picture("4-locked")?;
    let width = browser.run("return document.documentElement.scrollWidth")?;
    ensure!(width.as_u64().unwrap_or(9999) <= u64::from(size.0), "wider than the window: {width}");
    // The way on is the sign-in form again.
    browser.click("button[type=submit]")?;
    someone.campus.scene.daemon.pause()?;
    let signed = someone.sign_in(NEW, &person(NEW).provisional_password);
    let told = signed.and_then(|()| browser.wait_text("[role=alert]", unanswered));
    someone.campus.scene.daemon.resume()?;
    told?;
    someone.picture("5-no-answer")?;
    ensure!(someone.campus.lemon.sessions()?.is_empty());
    browser.goto(&portal)?;
    someone.sign_in(ACTIVE, &person(ACTIVE).provisional_password)?;
    let entered = run::until(parvis_stand::browser::PATIENCE, || {
        Ok((someone.campus.lemon.sessions()?.len() == 1).then_some(()))
    })?;
    entered.context("an active person does not enter")
}
