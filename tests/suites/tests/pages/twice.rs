//! The same thing twice: two tabs, a button pressed twice, the back button. Nothing is done twice, nothing is lost, and
//! nobody's form counts for somebody else.

use anyhow::{Context, Result};
use parvis_stand::scene::BASE_URL;
use parvis_stand::{Browser, BrowserOptions};

use crate::support::{OWN, Stage, ask, charter, listing, password, person, post, prove, sign_in, url};

fn french() -> BrowserOptions {
    BrowserOptions::default()
}

#[test]
fn two_tabs_of_one_person() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&french())?;
    sign_in(&browser, &person("mdurand"))?;
    // Both tabs have the form of step 3. The second one's answer is the one that counts.
    let first = browser.tab()?;
    browser.goto(&url("/step"))?;
    let before = stage.scene.inbox.last_number();
    browser.fill("#address", "un@dehors.example")?;
    browser.press("main form .main")?;
    let old = stage.link("un@dehors.example", before)?;
    let second = browser.turn(first)?;
    browser.fill("#address", "deux@dehors.example")?;
    browser.press("main form .main")?;
    assert_eq!(browser.text("h1")?, "Consultez votre messagerie");
    let new = stage.link("deux@dehors.example", before)?;
    browser.goto(&old)?;
    assert_eq!(browser.text("h1")?, "Ce lien a été remplacé par un plus récent");
    // One tab uses the link, which changes the session; the other one, which waited, moves on by itself.
    browser.goto(&new)?;
    browser.press("main form .main")?;
    assert_eq!(browser.text("h1")?, "La charte informatique");
    let first = browser.turn(second)?;
    browser.wait_text("h1", "La charte informatique")?;
    // An answer that the other tab has given already is no fault.
    charter(&browser)?;
    listing(&browser, true)?;
    browser.turn(first)?;
    charter(&browser)?;
    assert!(!browser.has("#problem")?);
    assert_eq!(browser.text("h1")?, "Votre messagerie");
    Ok(())
}

#[test]
fn two_tabs_of_two_people() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&french())?;
    sign_in(&browser, &person("mdurand"))?;
    let marie = browser.tab()?;
    sign_in(&browser, &person("pmoreau"))?;
    // Marie's form is still on the screen of the first tab: it must not become Paul's answer.
    let paul = browser.turn(marie)?;
    browser.fill("#address", "marie@dehors.example")?;
    browser.press("main form .main")?;
    assert_eq!(browser.text("h1")?, "Ce formulaire n’a pas été accepté");
    assert!(!browser.source()?.contains("marie@dehors"));
    browser.turn(paul)?;
    browser.goto(&url("/step"))?;
    assert!(browser.text(".person")?.contains("Paul Moreau") && browser.has("#address")?);
    assert_eq!(stage.scene.inbox.last_number(), 0, "nobody was written to");
    Ok(())
}

/// Presses the button twice before the first press has an answer.
fn twice(browser: &Browser, css: &str, title: &str) -> Result<()> {
    browser.run(&format!(
        "const b = document.querySelector(\"{css}\"); b.click(); b.click(); b.form.submit();"
    ))?;
    browser.wait_text("h1", title)
}

#[test]
fn every_button_pressed_twice() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&french())?;
    let linh = person("lnguyen");
    browser.goto(&url("/sign-in"))?;
    browser.fill("#login", &linh.login)?;
    browser.fill("#password", &linh.provisional_password)?;
    twice(&browser, "main form .main", "Votre adresse mail de secours")?;
    browser.fill("#address", "linh@dehors.example")?;
    twice(&browser, "main form .main", "Consultez votre messagerie")?;
    browser.goto(&stage.link("linh@dehors.example", 0)?)?;
    twice(&browser, "main form .main", "La charte informatique")?;
    browser.click("#accepted")?;
    twice(&browser, "main form .main", "L’annuaire public de l’établissement")?;
    browser.click("#hidden")?;
    twice(&browser, "main form .main", "Votre messagerie")?;
    twice(&browser, "main form .main", "Votre nouveau mot de passe")?;
    browser.fill("#password", "Pivoine-Atlas-908")?;
    twice(&browser, "main form .main", "Votre compte informatique est activé")?;
    assert!(stage.scene.slapd.bind_works(&linh.dn, "Pivoine-Atlas-908")?);
    twice(&browser, "main form[action='/leave'] button", "Vous avez quitté l’activation")
}

#[test]
fn two_presses_at_the_very_same_moment() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&french())?;
    let theo = person("tpetit");
    sign_in(&browser, &theo)?;
    prove(&stage, &browser, "theo@petit.example")?;
    charter(&browser)?;
    listing(&browser, false)?;
    browser.press("main form .main")?;
    let held = browser.cookies()?;
    let cookie: Vec<String> = held.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookie = cookie.join("; ");
    let form = browser.attribute("main input[name=form]", "value")?.context("no token")?;
    let body = format!("form={form}&password=Pivoine-Atlas-908");
    let headers = [&OWN[..], &[("Cookie", cookie.as_str())]].concat();
    let mails = stage.scene.inbox.last_number();
    std::thread::scope(|scope| -> Result<()> {
        let sent: Vec<_> =
            (0..4).map(|_| scope.spawn(|| post(&stage, "/password", &headers, body.as_bytes()))).collect();
        for answer in sent {
            let answer = answer.join().expect("no thread panics")?;
            // On to the step, or told in words that it is under way: never a fault of ours.
            assert!(matches!(answer.status, 303 | 422 | 503), "{}: {}", answer.status, answer.body);
        }
        Ok(())
    })?;
    browser.goto(&url("/step"))?;
    assert_eq!(browser.text("h1")?, "Votre compte informatique est activé");
    assert!(stage.scene.slapd.bind_works(&theo.dn, "Pivoine-Atlas-908")?);
    stage.scene.mail("theo@petit.example", mails)?;
    assert_eq!(stage.scene.inbox.messages_to("theo@petit.example").len(), 2, "one link, one notice");
    let page = ask(&stage, "GET", "/step", &[("Cookie", &cookie)])?;
    assert_eq!(page.status, 200, "{}", page.body);
    Ok(())
}

#[test]
fn the_back_button_repeats_nothing_and_breaks_nothing() -> Result<()> {
    let stage = Stage::new()?;
    for script in [true, false] {
        let browser = stage.browser(&BrowserOptions { script, ..french() })?;
        let who = person(if script { "tpetit" } else { "lnguyen" });
        let address = format!("{}@petit.example", who.login);
        sign_in(&browser, &who)?;
        prove(&stage, &browser, &address)?;
        let mails = stage.scene.inbox.last_number();
        let here = |title: &str| -> Result<()> {
            // Whatever lies behind: the page of the step where the person is, or the link's, which says that it is used.
            browser.back()?;
            browser.goto(&url("/step"))?;
            assert_eq!(browser.text("h1")?, title, "{}", browser.url()?);
            Ok(())
        };
        here("La charte informatique")?;
        charter(&browser)?;
        here("L’annuaire public de l’établissement")?;
        listing(&browser, false)?;
        here("Votre messagerie")?;
        browser.press("main form .main")?;
        here("Votre nouveau mot de passe")?;
        password(&browser, "Pivoine-Atlas-908")?;
        assert_eq!(browser.text("h1")?, "Votre compte informatique est activé");
        // Every page behind is now this one, or says that its link is used; none has a form that would change something.
        for _ in 0..6 {
            browser.back()?;
            if !browser.url()?.starts_with(BASE_URL) {
                break;
            }
            let seen = browser.text("h1")?;
            let known = [
                "Votre compte informatique est activé",
                "Ce lien a déjà servi",
                "Activer votre compte informatique",
            ];
            assert!(known.contains(&seen.as_str()), "{seen} at {}", browser.url()?);
            assert!(!browser.source()?.contains("Pivoine"));
        }
        stage.scene.mail(&address, mails)?;
        assert_eq!(stage.scene.inbox.messages_to(&address).len(), 2, "one link, one notice");
    }
    Ok(())
}
