//! Every page beside the way: what is refused, what has ended, what is away. As `tour.rs`, in both languages.

use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::browser::PATIENCE;
use parvis_stand::scene::at;
use parvis_stand::{Behaviour, PagesOptions, SceneOptions, run};
use serde_json::json;

use crate::support::{Stage, charter, listing, person, prove, sign_in, url};
use crate::tour::Tour;

#[test]
fn every_refusal_in_french() -> Result<()> {
    refusals("fr", ["mdurand", "elefevre", "jdelarue", "tpetit", "lnguyen", "pmoreau"])
}

#[test]
fn every_refusal_in_english() -> Result<()> {
    refusals("en", ["sobrien", "elefevre", "jdelarue", "tpetit", "dcohen", "akovacs"])
}

fn refusals(language: &'static str, people: [&str; 6]) -> Result<()> {
    let [first, locked, gone, active, tired, late] = people;
    let stage = Stage::new()?;
    let mut tour = Tour::begin(&stage, language)?;
    half_way(&mut tour, first)?;
    mails(&mut tour)?;
    sessions(&mut tour, tired)?;
    too_late(&mut tour, late)?;
    standing(&mut tour, locked, gone, active)?;
    forms(&mut tour)?;
    // Elsewhere: an SSO in front, or nothing.
    let sso = Some("https://cas.univ.example/login".to_owned());
    let front = Stage::with(invited(), PagesOptions { sso, ..PagesOptions::default() })?;
    let mut tour = tour.at(&front)?;
    invitation(&mut tour)?;
    tour.go("/sign-in", "01-sign-in-elsewhere")?;
    tour.end(17);
    Ok(())
}

/// A charter that changes, a directory that is away.
fn half_way(tour: &mut Tour<'_>, login: &str) -> Result<()> {
    sign_in(&tour.browser, &person(login))?;
    prove(tour.stage, &tour.browser, "one@outside.example")?;
    tour.stage.reload("[charter]\nversion = \"2027-01\"\n")?;
    charter(&tour.browser)?;
    tour.look("05-charter-changed")?;
    charter(&tour.browser)?;
    listing(&tour.browser, false)
}

/// Mails that are late, refused, or asked for too often.
fn mails(tour: &mut Tour<'_>) -> Result<()> {
    let inbox = &tour.stage.scene.inbox;
    inbox.script("late@outside.example", Behaviour::Defer(50));
    inbox.script("never@outside.example", Behaviour::Reject);
    tour.browser.click("#forward-yes")?;
    tour.browser.fill("#forward", "late@outside.example")?;
    tour.browser.press("main form .main")?;
    let late = if tour.language == "fr" { "retardé" } else { "held back" };
    tour.browser.wait_text(".facts", late)?;
    tour.look("08-waiting-late")?;
    tour.browser.run("document.querySelector('form[action=\"/resend\"]').submit()")?;
    tour.browser.wait_text("#problem", ".")?;
    tour.look("08-waiting-too-soon")?;
    tour.browser.click("summary")?;
    tour.browser.fill("#forward", "never@outside.example")?;
    tour.browser.press("details form button")?;
    let refused = run::until(PATIENCE, || {
        tour.browser.goto(&url("/step"))?;
        Ok(tour.browser.has("#problem")?.then_some(()))
    })?;
    refused.context("a refused address was never said")?;
    tour.look("08-address-refused-by-mail")?;
    // Who may go without forwarding is not made to choose an address.
    tour.browser.press("main form.tight button")?;
    tour.browser.fill("#password", "")?;
    Ok(())
}

/// A session that ends in mid-form, and what is given back; a page that is about to close.
fn sessions(tour: &mut Tour<'_>, login: &str) -> Result<()> {
    let person = person(login);
    sign_in(&tour.browser, &person)?;
    tour.browser.run("const then = Date.now; Date.now = () => then() + 1170000;")?;
    tour.browser.wait_text("[data-closing]", "?")?;
    tour.look("11-closing")?;
    tour.browser.goto(&url("/step"))?;
    tour.browser.fill("#address", "typed@outside.example")?;
    tour.stage.reload("[limits]\nsession-idle = \"1s\"\n")?;
    // Nothing but time ends it.
    std::thread::sleep(Duration::from_millis(1600));
    tour.browser.press("main form .main")?;
    tour.look("80-session")?;
    tour.stage.reload("")?;
    sign_in(&tour.browser, &person)?;
    tour.look("03-address-restored")
}

/// A link whose time has passed.
fn too_late(tour: &mut Tour<'_>, login: &str) -> Result<()> {
    tour.stage.reload("[links]\nrecovery = \"1s\"\n")?;
    sign_in(&tour.browser, &person(login))?;
    let before = tour.stage.scene.inbox.last_number();
    tour.browser.fill("#address", "late.reader@outside.example")?;
    tour.browser.press("main form .main")?;
    let link = tour.stage.link("late.reader@outside.example", before)?;
    let expired = run::until(PATIENCE, || {
        tour.browser.goto(&link)?;
        Ok((!tour.browser.has("main form[action='/link']")?).then_some(()))
    })?;
    expired.context("the link never expired")?;
    tour.look("80-link-expired")?;
    tour.stage.reload("")
}

/// Accounts that are locked, gone, or active by another's hand.
fn standing(tour: &mut Tour<'_>, locked: &str, gone: &str, active: &str) -> Result<()> {
    let slapd = &tour.stage.scene.slapd;
    let comes = |tour: &Tour<'_>| {
        let seen = run::until(PATIENCE, || {
            tour.browser.goto(&url("/step"))?;
            Ok((!tour.browser.has("#address")?).then_some(()))
        })?;
        seen.context("the directory's change was never seen")
    };
    for (login, name) in [(locked, "85-locked"), (gone, "85-gone"), (active, "85-active")] {
        sign_in(&tour.browser, &person(login))?;
        let dn = person(login).dn;
        match name {
            "85-locked" => {
                slapd.replace(&dn, "supannRessourceEtat", &["{COMPTE}S:SupannVerrouAdministratif"])?
            }
            "85-gone" => slapd.delete(&dn)?,
            _ => slapd.replace(&dn, "supannRessourceEtat", &["{COMPTE}A:SupannActif"])?,
        }
        comes(tour)?;
        tour.look(name)?;
    }
    Ok(())
}

/// Forms that are not ours, too large, or sent too often; a directory that is away.
fn forms(tour: &mut Tour<'_>) -> Result<()> {
    tour.browser.goto(&url("/sign-in"))?;
    tour.browser.run("document.querySelector('[name=form]').value = ''")?;
    tour.send("90-foreign-form")?;
    tour.browser.goto(&url("/sign-in"))?;
    tour.browser.run("document.querySelector('[name=login]').name = 'password'")?;
    tour.send("90-no-form")?;
    tour.stage.reload("[limits]\nclient = \"2/1h\"\n")?;
    let often = run::until(PATIENCE, || {
        sign_in(&tour.browser, &person("pmoreau"))?;
        Ok(tour
            .browser
            .run("return performance.getEntriesByType('navigation')[0].responseStatus")?
            .eq(&429)
            .then_some(()))
    })?;
    often.context("never too often")?;
    tour.look("02-sign-in-too-often")?;
    tour.stage.reload("")
}

/// A campus that invites people by a mail to the address that the directory has.
fn invited() -> SceneOptions {
    let config = "[[populations]]\nname = \"staff\"\nfilter = \"(eduPersonAffiliation=employee)\"\nmailbox = true\n\
                  forwarding = \"optional\"\ninvite = true\n";
    SceneOptions { config: config.to_owned(), ..SceneOptions::default() }
}

fn invitation(tour: &mut Tour<'_>) -> Result<()> {
    let who = person(if tour.language == "fr" { "mdurand" } else { "sobrien" });
    let address = who.personal_mail.context("no address")?;
    let link = tour.stage.link(&address, 0)?;
    tour.browser.goto(&link)?;
    tour.look("00-link-invitation")?;
    tour.send("00-link-invitation-confirmed")?;
    let token = link.rsplit('/').next().unwrap_or_default();
    let (_, looked) = tour.stage.scene.daemon.hook("look", &json!({ "link": token }))?;
    assert_eq!(at(&looked, "/usable"), "used", "{looked}");
    Ok(())
}
