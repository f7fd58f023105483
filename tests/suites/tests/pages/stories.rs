//! All ten steps, by every kind of person, in both languages, with scripts and without.

use anyhow::Result;
use parvis_stand::BrowserOptions;

use crate::support::{Stage, charter, listing, password, person, picture, prove, sign_in};

#[test]
fn all_ten_steps_in_french_with_scripts() -> Result<()> {
    let stage = Stage::new()?;
    let marie = person("mdurand");
    let browser = stage.browser(&BrowserOptions::default())?;
    sign_in(&browser, &marie)?;
    picture(&browser, "thin-3")?;
    prove(&stage, &browser, "marie.durand@laposte.example")?;
    picture(&browser, "thin-5")?;
    charter(&browser)?;
    listing(&browser, true)?;
    picture(&browser, "thin-7")?;
    let before = stage.scene.inbox.last_number();
    browser.click("#forward-yes")?;
    browser.fill("#forward", "marie@ailleurs.example")?;
    browser.press("main form .main")?;
    picture(&browser, "thin-8")?;
    browser.goto(&stage.link("marie@ailleurs.example", before)?)?;
    picture(&browser, "thin-link")?;
    browser.press("main form .main")?;
    picture(&browser, "thin-9")?;
    password(&browser, "Violet-mandarine-77")?;
    picture(&browser, "thin-10")?;
    assert_eq!(browser.text("h1")?, "Votre compte informatique est activé");
    assert!(stage.scene.slapd.bind_works(&marie.dn, "Violet-mandarine-77")?);
    Ok(())
}
