//! Links: looking does nothing, pressing does; and each link that cannot be used says why, with a way on.

use anyhow::Result;
use parvis_stand::scene::{BASE_URL, SceneOptions};
use parvis_stand::{Browser, BrowserOptions, PagesOptions};
use serde_json::json;

use crate::support::{Stage, ask, charter, listing, person, sign_in, url};

fn path(link: &str) -> &str {
    link.strip_prefix(BASE_URL).unwrap_or(link)
}

/// Gives an address and waits for its link.
fn mailed(stage: &Stage, browser: &Browser, address: &str) -> Result<String> {
    let before = stage.scene.inbox.last_number();
    browser.fill("#address", address)?;
    browser.press("form[action='/address'] button")?;
    stage.link(address, before)
}

#[test]
fn looking_does_nothing_however_often_and_with_whatever() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&BrowserOptions::default())?;
    sign_in(&browser, &person("mdurand"))?;
    let link = mailed(&stage, &browser, "marie@dehors.example")?;
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        ask(&stage, method, path(&link), &[])?;
    }
    let head = ask(&stage, "HEAD", path(&link), &[])?;
    assert!(head.cookies().is_empty() && head.header("location").is_none());
    let opened = ask(&stage, "GET", path(&link), &[])?;
    assert_eq!((opened.status, opened.header("location")), (303, Some("/link")));
    let token = opened.given("__Host-parvis-link").unwrap().to_owned();
    let cookie = format!("__Host-parvis-link={token}");
    let looked = ask(&stage, "GET", "/link", &[("Cookie", &cookie)])?;
    assert!(looked.status == 200 && !looked.body.contains(&token), "the page does not have the link");
    ask(&stage, "HEAD", "/link", &[("Cookie", &cookie)])?;
    // A scanner with a whole browser, scripts and all: it looks at everything and presses nothing.
    let scanner = stage.browser(&BrowserOptions::default())?;
    scanner.goto(&link)?;
    assert_eq!(scanner.path()?, "/link");
    scanner.run("for (const kind of ['load', 'scroll', 'mousemove', 'focus', 'visibilitychange']) dispatchEvent(new Event(kind))")?;
    scanner.reload()?;
    let (_, looked) = stage.scene.daemon.hook("look", &json!({ "link": token }))?;
    assert_eq!(looked["usable"], "yes", "{looked}");
    browser.goto(&link)?;
    browser.press("main form .main")?;
    assert_eq!(browser.text("h1")?, "La charte informatique");
    Ok(())
}

/// What the scanner of a mail system does with an address: a whole browser with scripts opens it three times, waits, moves
/// about, and follows every link on the page that it finds there. It presses nothing.
fn scanned(stage: &Stage, link: &str) -> Result<()> {
    let scanner = stage.browser(&BrowserOptions { network: true, ..BrowserOptions::default() })?;
    for _ in 0..3 {
        scanner.goto(link)?;
        assert_eq!(scanner.path()?, "/link");
        scanner.run(
            "for (const kind of ['load', 'scroll', 'mousemove', 'pointerdown', 'focus', 'visibilitychange', 'keydown']) \
             { dispatchEvent(new Event(kind)); document.dispatchEvent(new Event(kind)); }",
        )?;
        let follow = "return [...document.links].map((a) => a.href).filter((href) => href.startsWith(location.origin)).join(' ')";
        let links = scanner.run(follow)?;
        for href in links.as_str().unwrap_or_default().split(' ').filter(|href| !href.is_empty()) {
            scanner.goto(href)?;
        }
        scanner.goto(link)?;
        scanner.reload()?;
        scanner.back()?;
    }
    let asked = scanner.network()?;
    assert!(asked.iter().filter(|file| file.url == link).count() >= 3, "{asked:?}");
    assert!(asked.iter().any(|file| file.url.ends_with(".js")), "the scanner runs scripts: {asked:?}");
    Ok(())
}

#[test]
fn every_link_is_scanned_three_times_by_a_browser_with_scripts_and_still_works() -> Result<()> {
    let stage = Stage::new()?;
    let (marie, browser) = (person("mdurand"), stage.browser(&BrowserOptions::default())?);
    let usable = |link: &str, usable: &str| -> Result<()> {
        let token = link.rsplit('/').next().unwrap_or_default();
        let (_, looked) = stage.scene.daemon.hook("look", &json!({ "link": token }))?;
        assert_eq!(looked["usable"], usable, "{looked}");
        Ok(())
    };
    sign_in(&browser, &marie)?;
    let recovery = mailed(&stage, &browser, "marie@dehors.example")?;
    scanned(&stage, &recovery)?;
    usable(&recovery, "yes")?;
    assert_eq!(browser.text("h1")?, "Consultez votre messagerie", "the page that waits has not moved");
    browser.goto(&recovery)?;
    browser.press("main form .main")?;
    usable(&recovery, "used")?;
    charter(&browser)?;
    listing(&browser, true)?;
    let before = stage.scene.inbox.last_number();
    browser.click("#forward-yes")?;
    browser.fill("#forward", "marie@ailleurs.example")?;
    browser.press("main form .main")?;
    let forward = stage.link("marie@ailleurs.example", before)?;
    scanned(&stage, &forward)?;
    usable(&forward, "yes")?;
    let shown = stage.scene.slapd.entry(&marie.dn)?.unwrap();
    assert_eq!(shown.get("mailForwardingAddress"), None);
    browser.goto(&forward)?;
    browser.press("main form .main")?;
    usable(&forward, "used")?;
    // What is used already, scanned once more, takes nothing back.
    scanned(&stage, &recovery)?;
    browser.goto(&url("/step"))?;
    assert_eq!(browser.text("h1")?, "Votre nouveau mot de passe");
    Ok(())
}

#[test]
fn a_ticket_is_not_used_by_head_nor_ahead_of_the_person() -> Result<()> {
    let stage = Stage::new()?;
    let (_, checked) =
        stage.scene.daemon.hook("check", &json!({ "login": "tpetit", "authenticated": true }))?;
    let ticket = checked["url"].as_str().unwrap().to_owned();
    assert!(ask(&stage, "HEAD", path(&ticket), &[])?.cookies().is_empty());
    let ahead = ask(&stage, "GET", path(&ticket), &[("Sec-Purpose", "prefetch;prerender")])?;
    assert_eq!((ahead.status, ahead.cookies().len()), (503, 0));
    let arrived = ask(&stage, "GET", path(&ticket), &[])?;
    assert_eq!((arrived.status, arrived.header("location")), (303, Some("/step")));
    assert!(arrived.given("__Host-parvis").is_some());
    assert_eq!(ask(&stage, "GET", path(&ticket), &[])?.status, 403);
    Ok(())
}

#[test]
fn superseded_used_foreign_and_garbled_links_say_why() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&BrowserOptions::default())?;
    sign_in(&browser, &person("mdurand"))?;
    let first = mailed(&stage, &browser, "un@dehors.example")?;
    browser.click("summary")?;
    let second = mailed(&stage, &browser, "deux@dehors.example")?;
    let stranger = stage.browser(&BrowserOptions::default())?;

    stranger.goto(&first)?;
    assert_eq!(stranger.text("h1")?, "Ce lien a été remplacé par un plus récent");
    assert!(stranger.has("main a.button.main[href='/sign-in']")? && !stranger.has("main form")?);
    // Whoever has begun here goes on here.
    browser.goto(&first)?;
    assert!(browser.has("main a.button.main[href='/step']")?);

    // Somebody else's enrolment: the address is proven, and nobody is let in anywhere.
    sign_in(&stranger, &person("pmoreau"))?;
    stranger.goto(&second)?;
    stranger.press("main form .main")?;
    assert_eq!(stranger.text("h1")?, "L’adresse est confirmée");
    stranger.goto(&url("/step"))?;
    assert!(stranger.text(".person")?.contains("Paul Moreau"), "each keeps their own");

    stranger.goto(&second)?;
    assert_eq!(stranger.text("h1")?, "Ce lien a déjà servi");
    browser.goto(&second)?;
    browser.press("main a.button.main[href='/step']")?;
    assert_eq!(browser.text("h1")?, "La charte informatique");

    for garbled in ["x", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "a%0d%0aSet-Cookie:%20x=y", &"a".repeat(600)]
    {
        browser.goto(&url(&format!("/link/{garbled}")))?;
        assert_eq!(browser.text("h1")?, "Ce lien n’est pas valable", "{garbled}");
        assert!(browser.has("main a.button.main")?);
        assert!(!browser.source()?.contains("<script>alert"));
    }
    Ok(())
}

#[test]
fn an_expired_link_says_when_and_leads_to_step_one() -> Result<()> {
    let scene = SceneOptions { config: "[links]\nrecovery = \"1s\"".to_owned(), ..SceneOptions::default() };
    let stage = Stage::with(scene, PagesOptions::default())?;
    for (language, title) in [("fr", "Ce lien a expiré"), ("en", "This link has expired")] {
        let options = BrowserOptions { language: language.to_owned(), ..BrowserOptions::default() };
        let browser = stage.browser(&options)?;
        let login = if language == "fr" { "tpetit" } else { "dcohen" };
        sign_in(&browser, &person(login))?;
        let link = mailed(&stage, &browser, &format!("{login}@tard.example"))?;
        let other = stage.browser(&options)?;
        let expired = parvis_stand::run::until(parvis_stand::browser::PATIENCE, || {
            other.goto(&link)?;
            Ok((other.text("h1")? == title).then_some(()))
        })?;
        assert!(expired.is_some(), "{}", other.text("body")?);
        other.press("main a.button.main")?;
        assert_eq!(other.path()?, "/sign-in");
    }
    Ok(())
}
