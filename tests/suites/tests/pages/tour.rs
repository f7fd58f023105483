//! Every page on the way, in both languages, light and dark, on a phone and on a desk: no violation of WCAG 2.2 AA that
//! axe-core knows, nothing to scroll sideways at 320 px and at 200 %, a title, one heading, and pictures. What is beside
//! the way is in `refusals.rs`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use parvis_stand::install::npm_package;

use parvis_stand::binaries::workspace;
use parvis_stand::place::Place;
use parvis_stand::{Behaviour, Browser, BrowserOptions, PagesOptions, SceneOptions};
use serde_json::Value;

use crate::support::{Stage, charter, listing, password, person, sign_in, url};

/// The axe-core that the rules below are of.
const AXE: &str = "4.14.1";

/// A campus's logo.
const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 48"><rect width="96" height="48" rx="6" fill="#17498f"/><path d="M12 38 48 10l36 28z" fill="#fff"/></svg>"##;

/// A person with a browser who looks at each page.
pub struct Tour<'s> {
    pub stage: &'s Stage,
    pub browser: Browser,
    pub language: &'static str,
    axe: String,
    faults: Vec<String>,
    seen: usize,
}

impl<'s> Tour<'s> {
    pub fn begin(stage: &'s Stage, language: &'static str) -> Result<Self> {
        let package = npm_package("axe-core", AXE, &mut parvis_stand::install::say)?;
        let axe = std::fs::read_to_string(package.join("axe.min.js"))?;
        let options = BrowserOptions { language: language.to_owned(), ..BrowserOptions::default() };
        let browser = stage.browser(&options)?;
        Ok(Self { stage, browser, language, axe, faults: Vec::new(), seen: 0 })
    }

    /// The verdict, after at least so many pages.
    pub fn end(self, least: usize) {
        assert!(self.seen >= least, "{} pages only", self.seen);
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
    }

    /// Goes on at another stage.
    pub fn at<'t>(self, stage: &'t Stage) -> Result<Tour<'t>> {
        let options = BrowserOptions { language: self.language.to_owned(), ..BrowserOptions::default() };
        let Self { language, axe, faults, seen, .. } = self;
        Ok(Tour { stage, browser: stage.browser(&options)?, language, axe, faults, seen })
    }

    /// Looks at the page that is open.
    pub fn look(&mut self, name: &str) -> Result<()> {
        self.seen += 1;
        let browser = &self.browser;
        let title = browser.title()?;
        let here = format!("{} {name} ({title})", self.language);
        if browser.run("return document.querySelectorAll('h1').length")? != 1 {
            self.faults.push(format!("{here}: not one h1"));
        }
        if !title.contains(&browser.text("h1")?) {
            self.faults.push(format!("{here}: the title is not the heading's"));
        }
        for dark in [false, true] {
            browser.dark(dark)?;
            let scheme = if dark { "dark" } else { "light" };
            self.faults.extend(
                violations(browser, &self.axe)?.into_iter().map(|fault| format!("{here} {scheme}: {fault}")),
            );
        }
        pictures(browser, &format!("{name}.{}", self.language))?;
        browser.dark(false)?;
        // 320 px is also what 1280 px are at 400 %, and 640 px at 200 %.
        for width in [320, 640] {
            browser.resize(width, 800)?;
            let over = browser.run(
                "const w = document.documentElement.clientWidth; \
                 return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > w + 1 \
                 && !e.closest('.text, .away, .skip')).map((e) => e.tagName + '.' + e.className).concat(\
                 document.documentElement.scrollWidth > w ? ['scroll ' + document.documentElement.scrollWidth] : []).join(' ')",
            )?;
            if over != "" {
                self.faults.push(format!("{here}: wider than {width} px: {over}"));
            }
        }
        self.browser.resize(1280, 900)
    }

    pub fn go(&mut self, path: &str, name: &str) -> Result<()> {
        self.browser.goto(&url(path))?;
        self.look(name)
    }

    pub fn send(&mut self, name: &str) -> Result<()> {
        self.browser.press("main form .main")?;
        self.look(name)
    }
}

/// `cargo verify --screenshots DIR`: as on a phone, by day and in the dark, and as on a desk.
fn pictures(browser: &Browser, name: &str) -> Result<()> {
    let Some(folder) = std::env::var_os("PARVIS_PICTURES").map(PathBuf::from) else { return Ok(()) };
    std::fs::create_dir_all(&folder)?;
    for (shape, width, height, dark) in
        [("360", 360, 740, false), ("1280", 1280, 900, false), ("360.dark", 360, 740, true)]
    {
        browser.dark(dark)?;
        browser.resize(width, height)?;
        browser.picture(&folder.join(format!("{name}.{shape}.png")))?;
    }
    Ok(())
}

/// What axe-core finds: the rules of WCAG 2.0 to 2.2, A and AA, and its best practices.
fn violations(browser: &Browser, axe: &str) -> Result<Vec<String>> {
    if browser.run("return typeof window.axe")? == "undefined" {
        browser.run(axe)?;
    }
    let found = browser.run_async(
        "const done = arguments[arguments.length - 1]; \
         axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }) \
         .then((r) => done({ passes: r.passes.length, violations: r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html).join(' | ')) }), \
         (e) => done({ passes: 0, violations: [String(e)] }))",
    )?;
    let passes = found.get("passes").and_then(Value::as_u64).unwrap_or_default();
    ensure!(passes > 10, "axe-core passed {passes} rules only: {found}");
    let all = found.get("violations").and_then(Value::as_array).context("axe-core said nothing")?;
    Ok(all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

#[test]
fn every_page_in_french() -> Result<()> {
    tour("fr", "mdurand", "pmoreau")
}

#[test]
fn every_page_in_english() -> Result<()> {
    tour("en", "sobrien", "akovacs")
}

fn tour(language: &'static str, permanent: &str, vacataire: &str) -> Result<()> {
    let logo = Place::new("logo")?;
    std::fs::write(logo.join("logo.svg"), LOGO)?;
    let charters = workspace().join("conf/charters");
    let config = format!(
        "[campus]\nlogo = {:?}\nhelp-url = {{ fr = \"https://aide.univ.example\", en = \"https://help.univ.example\" }}\n\
         [charter]\nfile = {{ fr = {:?}, en = {:?} }}",
        logo.join("logo.svg").display().to_string(),
        charters.join("charter.fr.md").display().to_string(),
        charters.join("charter.en.md").display().to_string(),
    );
    let mut stage = Stage::with(SceneOptions::default(), PagesOptions { config, ..PagesOptions::default() })?;
    let mut tour = Tour::begin(&stage, language)?;
    beginning(&mut tour, permanent)?;
    middle(&mut tour)?;
    end(&mut tour)?;
    without_mailbox(&mut tour, vacataire)?;
    asides(&mut tour)?;
    let Tour { browser, axe, faults, seen, .. } = tour;
    // At the end, nobody answers any more.
    stage.scene.daemon.terminate()?;
    let mut tour = Tour { stage: &stage, browser, language, axe, faults, seen };
    sign_in(&tour.browser, &person("tpetit"))?;
    tour.look("90-unreachable")?;
    tour.end(38);
    Ok(())
}

/// Steps 1 to 4.
fn beginning(tour: &mut Tour<'_>, login: &str) -> Result<()> {
    tour.go("/sign-in", "01-sign-in")?;
    tour.browser.fill("#login", login)?;
    tour.browser.fill("#password", "wrong")?;
    tour.send("02-sign-in-refused")?;
    tour.browser.fill("#password", &person(login).provisional_password)?;
    tour.send("03-address")?;
    tour.browser.fill("#address", "nonsense")?;
    tour.send("03-address-refused")?;
    tour.browser.fill("#address", "one@outside.example")?;
    tour.send("04-waiting")?;
    tour.go("/step?clicked=yes", "04-waiting-not-yet")?;
    tour.browser.click("summary")?;
    tour.browser.fill("#address", "x@univ.example")?;
    tour.browser.press("details form button")?;
    tour.look("04-waiting-correction-refused")?;
    let old = tour.stage.link("one@outside.example", 0)?;
    let full = Behaviour::Answer(parvis_stand::Stage::Recipient, "452 4.2.2 over quota".to_owned());
    tour.stage.scene.inbox.script("full@outside.example", full);
    tour.browser.fill("#address", "full@outside.example")?;
    tour.browser.press("details form button")?;
    let why = if tour.language == "fr" { "La boîte est pleine" } else { "The mailbox is full" };
    tour.browser.wait_text("dl.facts", why)?;
    tour.look("04-waiting-deferred")?;
    tour.browser.click("summary")?;
    tour.browser.fill("#address", "two@outside.example")?;
    tour.browser.press("details form button")?;
    let new = tour.stage.link("two@outside.example", 0)?;
    tour.browser.goto(&old)?;
    tour.look("80-link-superseded")?;
    tour.browser.goto(&url("/link/garbled"))?;
    tour.look("80-link-unknown")?;
    tour.browser.goto(&new)?;
    tour.look("04-link")?;
    tour.send("05-charter")?;
    // The very text whose acceptance is recorded.
    assert!(tour.browser.has(".text h2, .text p")? && tour.browser.has("img.logo")?);
    tour.browser.goto(&new)?;
    tour.look("80-link-used")?;
    tour.browser.goto(&url("/step"))
}

/// Steps 5 to 8.
fn middle(tour: &mut Tour<'_>) -> Result<()> {
    tour.send("05-charter-refused")?;
    charter(&tour.browser)?;
    tour.look("06-listing")?;
    tour.send("06-listing-refused")?;
    listing(&tour.browser, true)?;
    tour.look("07-mail")?;
    tour.browser.click("#forward-yes")?;
    tour.look("07-mail-forward")?;
    tour.browser.fill("#forward", "me@univ.example")?;
    tour.send("07-mail-refused")?;
    let before = tour.stage.scene.inbox.last_number();
    tour.browser.fill("#forward", "three@outside.example")?;
    tour.send("08-waiting")?;
    tour.browser.click("summary")?;
    tour.look("08-waiting-correction")?;
    tour.browser.goto(&tour.stage.link("three@outside.example", before)?)?;
    tour.look("08-link")?;
    tour.send("09-password")
}

/// Steps 9 and 10.
fn end(tour: &mut Tour<'_>) -> Result<()> {
    tour.browser.fill("#password", "abc")?;
    tour.browser.wait_text("[data-strength] strong", "")?;
    tour.look("09-password-weak")?;
    tour.browser.fill("#password", "Violet-mandarine-77")?;
    tour.browser.wait_text("[data-rule=strength] .said", "(")?;
    tour.browser.click(".show")?;
    tour.look("09-password-strong")?;
    tour.browser.click(".show")?;
    tour.browser.fill("#password", "abc")?;
    tour.send("09-password-refused")?;
    tour.go("/step/listing", "09-change-listing")?;
    tour.go("/step/mail", "09-change-mail")?;
    tour.browser.goto(&url("/step"))?;
    password(&tour.browser, "Violet-mandarine-77")?;
    tour.look("10-done")?;
    tour.browser.press(".person button")?;
    tour.look("11-left")
}

/// Step 7 bis, an address that the mail system refuses, and a link that somebody else opened.
fn without_mailbox(tour: &mut Tour<'_>, login: &str) -> Result<()> {
    tour.stage.scene.inbox.script("gone@outside.example", Behaviour::Reject);
    sign_in(&tour.browser, &person(login))?;
    tour.browser.fill("#address", "gone@outside.example")?;
    tour.browser.press("main form .main")?;
    let refused = parvis_stand::run::until(parvis_stand::browser::PATIENCE, || {
        tour.browser.goto(&url("/step"))?;
        Ok(tour.browser.has("#problem")?.then_some(()))
    })?;
    refused.context("a refused address was never said")?;
    tour.look("04-address-refused-by-mail")?;
    tour.browser.fill("#address", "four@outside.example")?;
    tour.browser.press("main form .main")?;
    let link = tour.stage.link("four@outside.example", 0)?;
    let options = BrowserOptions { language: tour.language.to_owned(), ..BrowserOptions::default() };
    let phone = tour.stage.browser(&options)?;
    phone.goto(&link)?;
    phone.press("main form .main")?;
    let mine = std::mem::replace(&mut tour.browser, phone);
    tour.look("04-link-confirmed")?;
    tour.browser = mine;
    tour.browser.goto(&url("/step"))?;
    charter(&tour.browser)?;
    listing(&tour.browser, false)?;
    tour.look("07bis-mail")?;
    tour.browser.fill("#forward", "")?;
    tour.send("07bis-mail-refused")?;
    tour.browser.fill("#forward", "four@outside.example")?;
    tour.browser.press("main form .main")?;
    password(&tour.browser, "Trottoir-cerise-41")?;
    tour.look("10-done-without-mailbox")
}

/// What is beside the way.
fn asides(tour: &mut Tour<'_>) -> Result<()> {
    tour.go("/timed-out", "11-timed-out")?;
    tour.go("/no/such/page", "90-nowhere")?;
    tour.go("/enter/used-up", "80-ticket")
}
