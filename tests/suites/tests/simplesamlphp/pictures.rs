//! In a real browser: the whole way from an application through the activation and back, and every page of ours seen.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::{Browser, BrowserOptions, Pages, PagesOptions, SimplesamlphpOptions};

use crate::support::{Stage, gate, person, socket};
use crate::tap::Mode;

fn picture(browser: &Browser, name: &str) -> Result<()> {
    let Some(dir) = std::env::var_os("PARVIS_PICTURES").map(PathBuf::from) else { return Ok(()) };
    std::fs::create_dir_all(&dir)?;
    for width in [360, 1280] {
        browser.resize(width, 800)?;
        browser.picture(&dir.join(format!("simplesamlphp-{name}-{width}.png")))?;
    }
    Ok(())
}

fn browser(pages: &Pages, language: &str) -> Result<Browser> {
    Browser::start(pages, &BrowserOptions { language: language.to_owned(), ..BrowserOptions::default() })
}

fn sign_in(stage: &Stage, browser: &Browser, login: &str, password: &str) -> Result<()> {
    browser.goto(&stage.ssp.application("default-sp"))?;
    browser.fill("#username", login)?;
    browser.fill("#password", password)?;
    browser.keys("\u{e007}")
}

#[test]
fn from_the_application_through_the_activation_and_back() -> Result<()> {
    let stage = Stage::new()?;
    let pages = Pages::start(&stage.scene, PagesOptions::default())?;
    let browser = browser(&pages, "fr")?;
    let linh = person("lnguyen");
    sign_in(&stage, &browser, &linh.login, &linh.provisional_password)?;
    browser.wait_text("h1", "adresse")?;
    browser.fill("#address", "linh@ailleurs.example")?;
    browser.press("main form .main")?;
    let patience = Duration::from_secs(20);
    let mail =
        stage.scene.inbox.wait_for("linh@ailleurs.example", |mail| !mail.links().is_empty(), patience)?;
    browser.goto(mail.links().iter().find(|link| link.contains("/link/")).context("no link")?)?;
    browser.press("main form .main")?;
    browser.click("#accepted")?;
    browser.press("main form .main")?;
    browser.click("#hidden")?;
    browser.press("main form .main")?;
    browser.click("#forward-no")?;
    browser.press("main form .main")?;
    browser.fill("#password", "Violet-mandarine-77")?;
    browser.press("main form .main")?;
    let back = format!("main a[href^=\"{}\"]", stage.ssp.idp());
    browser.click(&back)?;
    browser.fill("#username", "lnguyen")?;
    browser.fill("#password", "Violet-mandarine-77")?;
    browser.keys("\u{e007}")?;
    browser.wait_text("body", "signed in: lnguyen")
}

#[test]
fn every_page_of_the_module_in_both_languages_and_both_themes() -> Result<()> {
    let stage = Stage::new()?;
    let pages = Pages::start(&stage.scene, PagesOptions::default())?;
    for new_ui in [false, true] {
        stage.ssp.configure(&SimplesamlphpOptions { new_ui, ..gate(&socket(stage.tap.path())) })?;
        let theme = if new_ui { "twig" } else { "php" };
        for language in ["fr", "en"] {
            let title = match language {
                "fr" => "Vous ne pouvez pas vous connecter pour le moment",
                _ => "You cannot sign in at the moment",
            };
            for (name, login, mode) in [
                ("locked", "rlemoine", Mode::Relay(stage.scene.daemon.layout().hook_socket())),
                ("no-answer", "mdurand", Mode::Say(vec![])),
            ] {
                stage.tap.set(mode);
                let browser = browser(&pages, language)?;
                sign_in(&stage, &browser, login, &person(login).provisional_password)?;
                browser.wait_text("#content", title)?;
                assert_eq!(browser.attribute("#content [lang]", "lang")?.as_deref(), Some(language));
                assert!(browser.has("#parvis-again")?);
                picture(&browser, &format!("{name}-{theme}-{language}"))?;
                browser.click("#parvis-again")?;
                // From there one can begin again.
                assert_eq!(browser.value("#password")?, "");
            }
            let browser = browser(&pages, language)?;
            browser.goto(&format!("{}/module.php/parvis/resume.php", stage.ssp.idp()))?;
            browser.wait_text("#content", title)?;
            picture(&browser, &format!("expired-{theme}-{language}"))?;
        }
    }
    Ok(())
}
