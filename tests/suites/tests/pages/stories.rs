//! All ten steps, by every kind of person, in both languages, with scripts and without.

use anyhow::{Context, Result};
use parvis_stand::scene::at;
use parvis_stand::{BrowserOptions, Entry};
use serde_json::json;

use crate::support::{Stage, charter, listing, password, person, prove, sign_in, url};

fn options(language: &str, script: bool) -> BrowserOptions {
    BrowserOptions { language: language.to_owned(), script, ..BrowserOptions::default() }
}

fn entry(stage: &Stage, login: &str) -> Result<Entry> {
    stage.scene.slapd.entry(&person(login).dn)?.context("the entry is gone")
}

#[test]
fn a_permanent_member_in_french_with_scripts_forwards_elsewhere() -> Result<()> {
    permanent("mdurand", "fr", true, "Votre compte informatique est activé")
}

#[test]
fn a_permanent_member_in_english_without_scripts_forwards_elsewhere() -> Result<()> {
    permanent("sobrien", "en", false, "Your account is active")
}

fn permanent(login: &str, language: &str, script: bool, title: &str) -> Result<()> {
    let stage = Stage::new()?;
    let marie = person(login);
    let browser = stage.browser(&options(language, script))?;
    sign_in(&browser, &marie)?;
    assert_eq!(browser.attribute("html", "lang")?.as_deref(), Some(language));
    // What the directory has is offered.
    assert_eq!(Some(browser.value("#address")?), marie.personal_mail);
    prove(&stage, &browser, "marie.durand@laposte.example")?;
    charter(&browser)?;
    listing(&browser, true)?;
    let before = stage.scene.inbox.last_number();
    browser.click("#forward-yes")?;
    browser.fill("#forward", "marie@ailleurs.example")?;
    assert_eq!(browser.run("return document.getElementById('keep_copy').checked")?, true);
    browser.press("main form .main")?;
    assert!(browser.text("main")?.contains("m•••@a•••.example"));
    browser.goto(&stage.link("marie@ailleurs.example", before)?)?;
    assert_eq!(browser.path()?, "/link");
    browser.press("main form .main")?;
    password(&browser, "Violet-mandarine-77")?;
    assert_eq!(browser.text("h1")?, title);
    assert!(stage.scene.slapd.bind_works(&marie.dn, "Violet-mandarine-77")?);
    assert!(!stage.scene.slapd.bind_works(&marie.dn, &marie.provisional_password)?);
    let entry = entry(&stage, login)?;
    assert_eq!(entry.get("supannListeRouge"), Some("FALSE"));
    assert_eq!(entry.get("mailForwardingAddress"), Some("marie@ailleurs.example"));
    stage.no_secret_in_the_logs(&["Violet-mandarine-77", "marie@ailleurs.example", login])
}

#[test]
fn a_vacataire_in_french_without_scripts_must_forward() -> Result<()> {
    vacataire("fr", false)
}

#[test]
fn a_vacataire_in_english_with_scripts_must_forward() -> Result<()> {
    vacataire("en", true)
}

fn vacataire(language: &str, script: bool) -> Result<()> {
    let stage = Stage::new()?;
    let paul = person("pmoreau");
    let browser = stage.browser(&options(language, script))?;
    sign_in(&browser, &paul)?;
    prove(&stage, &browser, "paul.moreau@courriel.example")?;
    charter(&browser)?;
    listing(&browser, false)?;
    assert!(!browser.has("#forward-no")?, "there is no mailbox to choose");
    browser.fill("#forward", "")?;
    browser.press("main form .main")?;
    assert!(browser.has("#problem")? && browser.has("#forward-fault")?);
    // The recovery address is proven already.
    browser.fill("#forward", "paul.moreau@courriel.example")?;
    browser.press("main form .main")?;
    // A password that is refused costs nothing.
    password(&browser, "court")?;
    assert!(browser.has("#password-fault")?);
    assert_eq!(browser.value("#password")?, "", "a password is never shown again");
    password(&browser, "Trottoir-cerise-41")?;
    assert!(stage.scene.slapd.bind_works(&paul.dn, "Trottoir-cerise-41")?);
    assert_eq!(entry(&stage, "pmoreau")?.get("mailForwardingAddress"), Some("paul.moreau@courriel.example"));
    Ok(())
}

#[test]
fn a_student_comes_from_the_sso_reloads_and_is_led_back() -> Result<()> {
    let stage = Stage::new()?;
    let linh = person("lnguyen");
    let browser = stage.browser(&options("fr", true))?;
    let enter = || -> Result<String> {
        let asked = json!({ "login": "lnguyen", "authenticated": true, "return_to": "https://ent.univ.example/accueil" });
        let (_, checked) = stage.scene.daemon.hook("check", &asked)?;
        at(&checked, "/url").as_str().map(str::to_owned).context("no url")
    };
    let ticket = enter()?;
    browser.goto(&ticket)?;
    assert_eq!(browser.path()?, "/step");
    // A reload, and the back button, meet the address with the ticket once more: the same browser goes on.
    browser.goto(&ticket)?;
    assert_eq!(browser.path()?, "/step");
    assert!(browser.has("#address")?);
    // Another browser does not.
    let other = stage.browser(&options("fr", true))?;
    other.goto(&ticket)?;
    assert_eq!(other.text("h1")?, "Ce passage n’est plus valable");
    assert!(other.has("main a.button.main")?);
    prove(&stage, &browser, "linh.nguyen@etu.example")?;
    charter(&browser)?;
    listing(&browser, false)?;
    browser.click("#forward-no")?;
    browser.press("main form .main")?;
    // An answer can be changed until the password is set.
    assert!(browser.text("main")?.contains("Vous n’y apparaissez pas"));
    browser.press("a.change[href='/step/listing']")?;
    assert_eq!(browser.run("return document.getElementById('hidden').checked")?, true);
    listing(&browser, true)?;
    assert!(browser.text("main")?.contains("Vous y apparaissez"));
    // Another recovery address means the beginning, and a link of its own; the answers stay to be confirmed.
    browser.click("summary")?;
    assert!(browser.text("details")?.contains("linh.nguyen@etu.example"));
    browser.press("form[action='/restart'] button")?;
    assert_eq!(browser.text("h1")?, "Votre adresse mail de secours");
    prove(&stage, &browser, "linh@ailleurs.example")?;
    charter(&browser)?;
    listing(&browser, true)?;
    browser.press("main form .main")?;
    password(&browser, "Pivoine-Atlas-908")?;
    assert_eq!(
        browser.attribute("main a.button", "href")?.as_deref(),
        Some("https://ent.univ.example/accueil")
    );
    assert!(stage.scene.slapd.bind_works(&linh.dn, "Pivoine-Atlas-908")?);
    let entry = entry(&stage, "lnguyen")?;
    assert_eq!(entry.get("supannListeRouge"), Some("FALSE"));
    assert_eq!(entry.get("supannMailPerso"), Some("linh@ailleurs.example"));
    Ok(())
}

#[test]
fn the_link_is_clicked_on_another_device_and_the_first_page_moves_on() -> Result<()> {
    let stage = Stage::new()?;
    let desk = stage.browser(&options("fr", true))?;
    let plain = stage.browser(&options("fr", false))?;
    let phone = stage.browser(&BrowserOptions { size: (390, 844), ..options("fr", true) })?;
    for (first, login, address, by_itself) in
        [(&desk, "mdurand", "a@un.example", true), (&plain, "elefevre", "b@deux.example", false)]
    {
        sign_in(first, &person(login))?;
        let before = stage.scene.inbox.last_number();
        first.fill("#address", address)?;
        first.press("main form .main")?;
        let link = stage.link(address, before)?;
        phone.goto(&link)?;
        phone.press("main form .main")?;
        assert_eq!(phone.path()?, "/confirmed");
        assert!(!phone.cookies()?.iter().any(|(name, _)| name == "__Host-parvis"), "a link is no person");
        if by_itself {
            first.wait_text("h1", "La charte informatique")?;
        } else {
            first.press("main form .main")?;
            assert_eq!(first.text("h1")?, "La charte informatique");
        }
    }
    Ok(())
}

#[test]
fn a_wrong_address_is_corrected_and_the_mail_is_sent_again() -> Result<()> {
    let stage = Stage::with(
        parvis_stand::SceneOptions {
            config: "[limits]\nresend-cooldown = \"2s\"".to_owned(),
            ..Default::default()
        },
        parvis_stand::PagesOptions::default(),
    )?;
    for script in [true, false] {
        let browser = stage.browser(&options("en", script))?;
        let login = if script { "dcohen" } else { "akovacs" };
        sign_in(&browser, &person(login))?;
        browser.fill("#address", "somebody@univ.example")?;
        browser.press("main form .main")?;
        // What was typed is there, and the message is where the screen reader begins.
        assert_eq!(browser.value("#address")?, "somebody@univ.example");
        assert_eq!(browser.attribute("#problem", "role")?.as_deref(), Some("alert"));
        assert_eq!(browser.attribute("#problem a", "href")?.as_deref(), Some("#address"));
        assert!(
            browser.attribute("#address", "aria-describedby")?.unwrap_or_default().contains("address-fault")
        );
        let wrong = format!("{login}@gmial.com");
        let right = format!("{login}@juste.example");
        let before = stage.scene.inbox.last_number();
        browser.fill("#address", &wrong)?;
        browser.press("main form .main")?;
        stage.link(&wrong, before)?;
        // Too early is said, and then it goes.
        browser.goto(&url("/step"))?;
        let again = parvis_stand::run::until(parvis_stand::browser::PATIENCE, || {
            browser.goto(&url("/step"))?;
            let ready = browser.text("#resend-hint")?.contains("once more");
            Ok(ready.then_some(()))
        })?;
        again.context("it could never be sent again")?;
        let before = stage.scene.inbox.last_number();
        browser.press("#resend")?;
        stage.link(&wrong, before)?;
        // A slip is asked about, never corrected, and the form to mend it is open.
        assert!(browser.text(".note")?.contains("gmail.com") && browser.has("details[open]")?);
        let before = stage.scene.inbox.last_number();
        browser.fill("#address", "nonsense")?;
        browser.press("details form button")?;
        assert!(browser.has("details[open] #address-fault")?);
        browser.fill("#address", &right)?;
        browser.press("details form button")?;
        browser.goto(&stage.link(&right, before)?)?;
        browser.press("main form .main")?;
        assert_eq!(browser.text("h1")?, "The IT charter");
    }
    Ok(())
}

#[test]
fn the_rules_of_the_password_are_said_as_one_types() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&options("fr", true))?;
    sign_in(&browser, &person("tpetit"))?;
    prove(&stage, &browser, "theo@petit.example")?;
    charter(&browser)?;
    listing(&browser, false)?;
    browser.press("main form .main")?;
    assert_eq!(browser.attribute("#password", "autocomplete")?.as_deref(), Some("new-password"));
    // What says how strong it is has its place before it is seen: the button does not move away from under a finger.
    let moved = "const meter = document.querySelector('[data-strength]'); \
        const said = document.querySelector('[data-rule=strength] .said'); \
        const top = () => document.querySelector('main form .main').getBoundingClientRect().top; \
        const seen = [getComputedStyle(meter).visibility, meter.getBoundingClientRect().height > 0]; \
        const before = top(); meter.classList.remove('quiet'); \
        const words = ['(respecté)', '(à respecter)', '(met)', '(not met yet)']; \
        const moves = words.map((words) => { said.textContent = words; return top() - before; }); \
        meter.classList.add('quiet'); said.textContent = ''; return [...seen, ...moves].join()";
    for width in [320, 360, 390, 1280] {
        browser.resize(width, 740)?;
        assert_eq!(browser.run(moved)?, "hidden,true,0,0,0,0", "{width}");
    }
    // Nothing stands in the way of a paste, and what a password manager puts in is judged as if it were typed.
    let paste = "const field = document.querySelector('#password'); field.focus(); \
        return field.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, cancelable: true })) \
        && document.execCommand('insertText', false, 'Pivoine-Atlas-908');";
    assert_eq!(browser.run(paste)?, true);
    browser.wait_text("[data-rule=length]", "(respecté)")?;
    browser.fill("#password", "tpetit")?;
    for (rule, met) in [("length", false), ("classes", false), ("identity", false)] {
        let wanted = if met { "respecté" } else { "à respecter" };
        browser.wait_text(&format!("[data-rule={rule}]"), wanted)?;
    }
    browser.wait_text("[data-strength]", "faible")?;
    browser.wait_text("[data-verdict]", "À respecter encore")?;
    browser.fill("#password", "Pivoine-Atlas-908")?;
    for rule in ["length", "classes", "identity", "strength"] {
        browser.wait_text(&format!("[data-rule={rule}]"), "(respecté)")?;
    }
    browser.wait_text("[data-strength]", "excellente")?;
    // It can be looked at, and is sent as a password all the same.
    browser.click(".show")?;
    assert_eq!(browser.attribute("#password", "type")?.as_deref(), Some("text"));
    browser.press("main form .main")?;
    assert_eq!(browser.text("h1")?, "Votre compte informatique est activé");
    Ok(())
}
