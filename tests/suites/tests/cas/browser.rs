//! A person at a real Chromium: from an application behind CAS, through every page of the activation, back into the
//! application. `PARVIS_PICTURES=DIR` keeps a picture of each page that CAS shows on the way.

use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::djangocas::DjangoCas;
use parvis_stand::scene::{BASE_URL, SceneOptions};
use parvis_stand::sso::{Sso, SsoOptions};
use parvis_stand::{Browser, BrowserOptions, Pages, PagesOptions, Scene};

use crate::protocol::{PASSWORD, by_url};

fn picture(browser: &Browser, name: &str) -> Result<()> {
    match std::env::var_os("PARVIS_PICTURES") {
        Some(dir) => browser.picture(&std::path::Path::new(&dir).join(format!("cas-{name}.png"))),
        None => Ok(()),
    }
}

fn sign_in(browser: &Browser, password: &str) -> Result<()> {
    browser.fill("#id_username", "mdurand")?;
    browser.fill("#id_password", password)?;
    browser.click("form button[type=submit], form input[type=submit]")
}

#[test]
fn from_the_application_through_activation_into_the_application() -> Result<()> {
    let options = SceneOptions {
        config: "[pages]\nreturn-to = [\"http://localhost/\"]\n".to_owned(),
        ..SceneOptions::default()
    };
    let scene = Scene::start(options)?;
    let pages = Pages::start(&scene, PagesOptions::default())?;
    let sso = Sso::start(&scene, SsoOptions::default())?;
    let cas = DjangoCas::start(&scene, &by_url(&sso))?;
    let over = scene.daemon.layout().path().join("conf.d/60-return.toml");
    std::fs::write(over, format!("[pages]\nreturn-to = [{:?}]\n", cas.url()))?;
    scene.daemon.hangup()?;
    scene.daemon.wait_log("was reloaded", Duration::from_secs(20))?;
    let browser = Browser::start(&pages, &BrowserOptions::default())?;
    browser.goto(&cas.app_url())?;
    picture(&browser, "sign-in-fr")?;
    sign_in(&browser, PASSWORD)?;
    browser.wait_text("main", "adresse")?;
    assert!(browser.url()?.starts_with(&format!("{BASE_URL}/step")), "{}", browser.url()?);
    browser.fill("#address", "marie@ailleurs.example")?;
    browser.press("main form .main")?;
    let mail = scene.mail("marie@ailleurs.example", 0)?;
    let link = mail.links().into_iter().find(|link| link.contains("/link/")).context("a link")?;
    browser.goto(&link)?;
    browser.press("main form .main")?;
    browser.click("#accepted")?;
    browser.press("main form .main")?;
    browser.click("#listed")?;
    browser.press("main form .main")?;
    browser.press("main form .main")?;
    browser.fill("#password", "Grand-Bateau-Bleu-17")?;
    browser.press("main form .main")?;
    browser.click(&format!("main a[href^=\"{}\"]", cas.url()))?;
    browser.wait_text("form", "utilisateur")?;
    sign_in(&browser, "Grand-Bateau-Bleu-17")?;
    browser.wait_text("main", "signed in as mdurand")?;
    assert_eq!(browser.url()?, cas.app_url());
    Ok(())
}

#[test]
fn the_page_of_who_cannot_pass_has_words_in_both_languages() -> Result<()> {
    let mut scene = Scene::new()?;
    let pages = Pages::start(&scene, PagesOptions::default())?;
    let sso = Sso::start(&scene, SsoOptions::default())?;
    let cas = DjangoCas::start(&scene, &by_url(&sso))?;
    scene.daemon.terminate()?;
    for (language, words) in [("fr", "Réessayez dans quelques minutes"), ("en", "try again in a few minutes")]
    {
        let options = BrowserOptions { language: language.to_owned(), ..BrowserOptions::default() };
        let browser = Browser::start(&pages, &options)?;
        browser.goto(&cas.app_url())?;
        sign_in(&browser, PASSWORD)?;
        browser.wait_text("body", words)?;
        picture(&browser, &format!("no-answer-{language}"))?;
    }
    Ok(())
}
