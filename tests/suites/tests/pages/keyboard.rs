//! Without a mouse: every step by the keyboard alone, and what is focused is seen.

use anyhow::Result;
use parvis_stand::{Browser, BrowserOptions};

use crate::support::{Stage, person, url};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const SPACE: &str = " ";

/// Tabs until this has the focus; each stop on the way must be seen to be one.
fn to(browser: &Browser, id: &str) -> Result<()> {
    for _ in 0..30 {
        browser.keys(TAB)?;
        let seen = browser.run(
            "const e = document.activeElement, s = getComputedStyle(e), c = e.closest('.choice'), t = c ? getComputedStyle(c) : s; \
             return e === document.body || s.outlineStyle !== 'none' || t.outlineStyle !== 'none'",
        )?;
        let focused =
            browser.run("const e = document.activeElement; return e.id || e.className || e.tagName")?;
        assert_eq!(seen, true, "the focus on {focused} cannot be seen");
        if focused == id {
            return Ok(());
        }
    }
    anyhow::bail!("the keyboard does not reach {id} at {}", browser.path()?)
}

fn enter(browser: &Browser, title: &str) -> Result<()> {
    browser.keys(ENTER)?;
    browser.wait_text("h1", title)
}

#[test]
fn all_steps_by_the_keyboard_alone() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&BrowserOptions::default())?;
    let theo = person("tpetit");
    browser.goto(&url("/sign-in"))?;
    // The first stop leads past the head of the page.
    to(&browser, "skip")?;
    enter(&browser, "Activer votre compte informatique")?;
    assert_eq!(browser.run("return document.activeElement.id")?, "main");
    to(&browser, "login")?;
    browser.keys(&theo.login)?;
    to(&browser, "password")?;
    browser.keys("faux")?;
    browser.keys(ENTER)?;
    browser.wait_text("#problem", "ne convient pas")?;
    // The summary has the focus, and leads to the field.
    assert_eq!(browser.run("return document.activeElement.id")?, "problem");
    assert_eq!(browser.value("#login")?, theo.login);
    browser.keys(TAB)?;
    browser.keys(ENTER)?;
    assert_eq!(browser.run("return document.activeElement.id")?, "password");
    browser.keys(&theo.provisional_password)?;
    enter(&browser, "Votre adresse mail de secours")?;
    to(&browser, "address")?;
    browser.keys("theo@petit.example")?;
    enter(&browser, "Consultez votre messagerie")?;
    browser.goto(&stage.link("theo@petit.example", 0)?)?;
    to(&browser, "main")?;
    enter(&browser, "La charte informatique")?;
    to(&browser, "accepted")?;
    browser.keys(SPACE)?;
    to(&browser, "main")?;
    enter(&browser, "L’annuaire public de l’établissement")?;
    to(&browser, "listed")?;
    browser.keys(SPACE)?;
    browser.keys("\u{e015}")?;
    assert_eq!(browser.run("return document.activeElement.id")?, "hidden");
    to(&browser, "main")?;
    enter(&browser, "Votre messagerie")?;
    to(&browser, "main")?;
    enter(&browser, "Votre nouveau mot de passe")?;
    to(&browser, "password")?;
    browser.keys("Pivoine-Atlas-908")?;
    enter(&browser, "Votre compte informatique est activé")?;
    assert!(stage.scene.slapd.bind_works(&theo.dn, "Pivoine-Atlas-908")?);
    Ok(())
}
