//! What befalls people half-way: an account that is locked or gone, a charter that changes, a session that ends.

use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::browser::PATIENCE;
use parvis_stand::{Browser, BrowserOptions, run};

use crate::support::{Stage, charter, listing, person, prove, sign_in, url};

const LOCKED: &str = "{COMPTE}S:SupannVerrouAdministratif";
const PROVISIONAL: &str = "{COMPTE}I:SupannCree";

fn options(language: &str) -> BrowserOptions {
    BrowserOptions { language: language.to_owned(), ..BrowserOptions::default() }
}

/// Reloads until the page has this heading: the daemon's watch sees the directory change in its own time.
fn comes_to(browser: &Browser, title: &str) -> Result<()> {
    let found = run::until(PATIENCE, || {
        browser.goto(&url("/step"))?;
        Ok((browser.text("h1")? == title).then_some(()))
    })?;
    found.with_context(|| format!("never {title}: {}", browser.text("body").unwrap_or_default()))
}

/// A page that cannot be gone on from still has whom to ask, and a way to leave nothing behind.
fn a_way_out(browser: &Browser) -> Result<()> {
    assert!(browser.has("main a[href^='mailto:assistance@univ.example']")?, "{}", browser.text("main")?);
    browser.press("main form[action='/leave'] button")?;
    assert_eq!(browser.path()?, "/left");
    Ok(())
}

#[test]
fn an_account_that_is_locked_half_way() -> Result<()> {
    let stage = Stage::new()?;
    let (marie, browser) = (person("mdurand"), stage.browser(&options("fr"))?);
    sign_in(&browser, &marie)?;
    prove(&stage, &browser, "marie@dehors.example")?;
    charter(&browser)?;
    stage.scene.slapd.replace(&marie.dn, "supannRessourceEtat", &[LOCKED])?;
    comes_to(&browser, "Ce compte est verrouillé")?;
    // The same where the form was open all the while.
    browser.back()?;
    a_way_out(&browser)?;
    // Signing in says no more of a locked account than of one that does not exist.
    sign_in(&browser, &marie)?;
    assert!(browser.text("#problem")?.contains("ne convient pas"));
    stage.scene.slapd.replace(&marie.dn, "supannRessourceEtat", &[PROVISIONAL])?;
    let again = run::until(PATIENCE, || {
        sign_in(&browser, &marie)?;
        Ok((browser.path()? == "/step").then_some(()))
    })?;
    again.context("who is unlocked cannot go on")?;
    assert_eq!(browser.text("h1")?, "Votre adresse mail de secours");
    Ok(())
}

#[test]
fn an_account_that_is_gone_half_way() -> Result<()> {
    let stage = Stage::new()?;
    let (dov, browser) = (person("dcohen"), stage.browser(&options("en"))?);
    sign_in(&browser, &dov)?;
    prove(&stage, &browser, "dov@outside.example")?;
    charter(&browser)?;
    let form = browser.tab()?;
    stage.scene.slapd.delete(&dov.dn)?;
    comes_to(&browser, "This account no longer exists")?;
    // The form that was open in the other tab says it as well, when it is sent.
    browser.turn(form)?;
    listing(&browser, true)?;
    assert_eq!(browser.text("h1")?, "This account no longer exists");
    a_way_out(&browser)
}

#[test]
fn a_charter_that_changes_between_being_shown_and_being_accepted() -> Result<()> {
    let stage = Stage::new()?;
    let (theo, browser) = (person("tpetit"), stage.browser(&options("fr"))?);
    sign_in(&browser, &theo)?;
    prove(&stage, &browser, "theo@petit.example")?;
    assert!(browser.text("main")?.contains("2026-09"));
    stage.reload("[charter]\nversion = \"2027-01\"\n")?;
    charter(&browser)?;
    // Nothing is recorded, the new one is shown, and the box is to be ticked anew.
    assert_eq!(browser.text("h1")?, "La charte informatique");
    assert!(browser.text("#problem")?.contains("vient de changer"));
    assert_eq!(browser.attribute("#problem a", "href")?.as_deref(), Some("#accepted"));
    assert!(browser.text("main")?.contains("2027-01") && !browser.text("main")?.contains("2026-09"));
    assert_eq!(browser.run("return document.getElementById('accepted').checked")?, false);
    charter(&browser)?;
    assert_eq!(browser.text("h1")?, "L’annuaire public de l’établissement");
    Ok(())
}

/// Lets the session end: what it has left is then less than the time since it was used.
fn session_ends(stage: &Stage) -> Result<()> {
    stage.reload("[limits]\nsession-idle = \"1s\"\n")?;
    // Nothing but time ends it, and asking would keep it alive.
    std::thread::sleep(Duration::from_millis(1600));
    Ok(())
}

#[test]
fn a_session_that_ends_in_mid_form_keeps_what_was_typed_for_its_person() -> Result<()> {
    let stage = Stage::new()?;
    for script in [true, false] {
        let login = if script { "mdurand" } else { "elefevre" };
        let browser = stage.browser(&BrowserOptions { script, ..options("fr") })?;
        sign_in(&browser, &person(login))?;
        prove(&stage, &browser, &format!("{login}@dehors.example"))?;
        charter(&browser)?;
        listing(&browser, true)?;
        browser.click("#forward-yes")?;
        browser.fill("#forward", "une.longue.adresse+étiquette@ailleurs.example")?;
        browser.click("#keep_copy")?;
        session_ends(&stage)?;
        browser.press("main form .main")?;
        assert_eq!(browser.text("h1")?, "Votre session est terminée");
        assert!(browser.text("main")?.contains("conservé pendant dix minutes"));
        assert!(!browser.source()?.contains("une.longue"), "the page itself shows nothing of it");
        stage.reload("")?;
        sign_in(&browser, &person(login))?;
        assert_eq!(browser.text("h1")?, "Votre messagerie");
        assert!(browser.text(".note")?.contains("avant la fin de votre session"));
        assert_eq!(browser.value("#forward")?, "une.longue.adresse+étiquette@ailleurs.example");
        let chosen = browser.run(
            "return ['forward-yes', 'keep_copy'].map((id) => document.getElementById(id).checked).join()",
        )?;
        assert_eq!(chosen, "true,false");
        assert!(!has_kept(&browser)?, "it is given back once");
    }
    Ok(())
}

fn has_kept(browser: &Browser) -> Result<bool> {
    Ok(browser.cookies()?.iter().any(|(name, _)| name == "__Host-parvis-kept"))
}

#[test]
fn what_was_typed_is_nobody_elses() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&options("fr"))?;
    let ended = |login: &str| -> Result<()> {
        sign_in(&browser, &person(login))?;
        browser.fill("#address", "chez.moi@dehors.example")?;
        session_ends(&stage)?;
        browser.press("main form .main")?;
        stage.reload("")?;
        assert!(has_kept(&browser)?);
        Ok(())
    };
    // Somebody else begins at the same machine.
    ended("mdurand")?;
    sign_in(&browser, &person("pmoreau"))?;
    assert!(!browser.source()?.contains("chez.moi") && !has_kept(&browser)?);
    assert_eq!(Some(browser.value("#address")?), person("pmoreau").personal_mail);
    // The person comes back, and leaves.
    ended("mdurand")?;
    sign_in(&browser, &person("mdurand"))?;
    assert_eq!(browser.value("#address")?, "chez.moi@dehors.example");
    browser.press(".person button")?;
    sign_in(&browser, &person("mdurand"))?;
    assert_ne!(browser.value("#address")?, "chez.moi@dehors.example");
    Ok(())
}

#[test]
fn a_password_is_not_kept_by_a_session_that_ends() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&options("fr"))?;
    sign_in(&browser, &person("tpetit"))?;
    prove(&stage, &browser, "theo@petit.example")?;
    charter(&browser)?;
    listing(&browser, false)?;
    browser.press("main form .main")?;
    browser.fill("#password", "Pivoine-Atlas-908")?;
    session_ends(&stage)?;
    browser.press("main form .main")?;
    assert_eq!(browser.text("h1")?, "Votre session est terminée");
    assert!(!has_kept(&browser)? && !browser.source()?.contains("Pivoine"));
    assert!(!stage.scene.slapd.bind_works(&person("tpetit").dn, "Pivoine-Atlas-908")?);
    stage.reload("")?;
    // Nothing else is lost: they are at the same step.
    sign_in(&browser, &person("tpetit"))?;
    assert_eq!(browser.text("h1")?, "Votre nouveau mot de passe");
    Ok(())
}
