//! Every kind of person × both languages × phone and desk × with and without scripts: each from the letter to an account
//! that works. Twenty-four people of one campus, six in each browser, one after the other as at a welcome desk.

use anyhow::{Context, Result, ensure};
use parvis_stand::{
    Browser, BrowserOptions, PagesOptions, Person, Population, SceneOptions, SlapdOptions, campus,
};

use crate::support::{Stage, charter, listing, password, prove, sign_in};

const PASSWORD: &str = "Violet-mandarine-77";
const DESK: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (360, 740);

#[test]
fn in_french_with_scripts() -> Result<()> {
    six("fr", true)
}

#[test]
fn in_french_without_scripts() -> Result<()> {
    six("fr", false)
}

#[test]
fn in_english_with_scripts() -> Result<()> {
    six("en", true)
}

#[test]
fn in_english_without_scripts() -> Result<()> {
    six("en", false)
}

fn six(language: &str, script: bool) -> Result<()> {
    let people: Vec<Person> = campus(40).into_iter().skip(12).collect();
    let slapd = SlapdOptions { people: people.clone(), ..SlapdOptions::default() };
    let stage = Stage::with(SceneOptions { slapd, ..SceneOptions::default() }, PagesOptions::default())?;
    let options = BrowserOptions { script, language: language.to_owned(), ..BrowserOptions::default() };
    let browser = stage.browser(&options)?;
    for population in [Population::Permanent, Population::Vacataire, Population::Student] {
        let of_it = people.iter().filter(|person| person.population == population);
        for (person, size) in of_it.zip([PHONE, DESK]) {
            browser.resize(size.0, size.1)?;
            one(&stage, &browser, person, language)
                .with_context(|| format!("{} ({population:?}), {language}, {size:?}", person.login))?;
        }
    }
    Ok(())
}

/// Nothing to scroll sideways, one heading, in the right language.
fn seen(browser: &Browser, language: &str) -> Result<()> {
    let seen = browser.run(
        "const r = document.documentElement; \
         return [r.scrollWidth > r.clientWidth, document.querySelectorAll('h1').length, r.lang].join()",
    )?;
    ensure!(seen == format!("false,1,{language}"), "{seen} at {}", browser.path()?);
    Ok(())
}

fn one(stage: &Stage, browser: &Browser, person: &Person, language: &str) -> Result<()> {
    let (recovery, forward) =
        (format!("{}@maison.example", person.login), format!("{}@ailleurs.example", person.login));
    sign_in(browser, person)?;
    // The person's own language is what the directory has; who chooses another is spoken to in that.
    if browser.attribute("html", "lang")?.as_deref() != Some(language) {
        browser.press("a.language")?;
    }
    seen(browser, language)?;
    prove(stage, browser, &recovery)?;
    seen(browser, language)?;
    charter(browser)?;
    seen(browser, language)?;
    listing(browser, true)?;
    seen(browser, language)?;
    let forwarded = match person.population {
        Population::Permanent => {
            let before = stage.scene.inbox.last_number();
            browser.click("#forward-yes")?;
            browser.fill("#forward", &forward)?;
            browser.press("main form .main")?;
            seen(browser, language)?;
            browser.goto(&stage.link(&forward, before)?)?;
            seen(browser, language)?;
            browser.press("main form .main")?;
            Some(&forward)
        }
        Population::Vacataire => {
            ensure!(browser.value("#forward")? == recovery, "the recovery address is offered");
            browser.press("main form .main")?;
            Some(&recovery)
        }
        Population::Student => {
            browser.press("main form .main")?;
            None
        }
    };
    seen(browser, language)?;
    password(browser, PASSWORD)?;
    seen(browser, language)?;
    ensure!(browser.has("main .good")?, "{}", browser.text("main")?);
    ensure!(stage.scene.slapd.bind_works(&person.dn, PASSWORD)?, "the password does not work");
    let entry = stage.scene.slapd.entry(&person.dn)?.context("the entry is gone")?;
    ensure!(entry.get("mailForwardingAddress") == forwarded.map(String::as_str), "{entry:?}");
    ensure!(entry.get("supannListeRouge") == Some("FALSE"), "{entry:?}");
    browser.press(".person button")?;
    seen(browser, language)
}
