//! The machine at the welcome desk: whoever leaves, runs out of time or is followed by somebody else leaves nothing.

use anyhow::Result;
use parvis_stand::{Browser, BrowserOptions};

use crate::support::{Stage, person, sign_in, url};

/// Nothing of Marie is to be seen, wherever one goes.
fn nothing_of_marie(browser: &Browser) -> Result<()> {
    for path in ["", "/step", "/step/mail", "/link", "/sign-in"] {
        browser.goto(&url(path))?;
        let seen = browser.source()?;
        assert!(
            !seen.contains("Durand") && !seen.contains("mdurand") && !seen.contains("laposte"),
            "{path}: {seen}"
        );
    }
    Ok(())
}

#[test]
fn whoever_leaves_leaves_nothing_and_the_back_button_shows_nothing() -> Result<()> {
    let stage = Stage::new()?;
    for script in [true, false] {
        let browser = stage.browser(&BrowserOptions { script, ..BrowserOptions::default() })?;
        sign_in(&browser, &person("mdurand"))?;
        assert!(browser.text(".person")?.contains("Marie Durand"));
        browser.press(".person button")?;
        assert_eq!(browser.text("h1")?, "Vous avez quitté l’activation");
        let left: Vec<_> =
            browser.cookies()?.into_iter().filter(|(name, _)| name != "__Host-parvis-form").collect();
        assert!(left.is_empty(), "{left:?}");
        for _ in 0..3 {
            browser.back()?;
            let seen = browser.source()?;
            assert!(!seen.contains("Durand") && !seen.contains("mdurand"), "{}: {seen}", browser.url()?);
        }
        nothing_of_marie(&browser)?;
    }
    Ok(())
}

#[test]
fn whoever_begins_next_sees_nobody_but_themselves() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&BrowserOptions::default())?;
    sign_in(&browser, &person("mdurand"))?;
    let before = browser.cookies()?;
    sign_in(&browser, &person("pmoreau"))?;
    assert!(browser.text(".person")?.contains("Paul Moreau"));
    let after = browser.cookies()?;
    assert!(before.iter().all(|cookie| !after.contains(cookie)), "{before:?} {after:?}");
    for _ in 0..3 {
        browser.back()?;
        assert!(!browser.source()?.contains("Durand"));
    }
    Ok(())
}

#[test]
fn a_page_that_is_left_alone_closes_itself_after_a_warning() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&BrowserOptions::default())?;
    sign_in(&browser, &person("mdurand"))?;
    // Nineteen and a half minutes on: a warning, which any key takes away.
    let later = |seconds: u32| {
        browser.run(&format!("const then = Date.now.then ?? Date.now; Date.now = () => then() + {seconds}000; Date.now.then = then;"))
    };
    later(19 * 60 + 30)?;
    browser.wait_text("[data-closing]", "Vous êtes encore là")?;
    browser.click("[data-closing] button")?;
    assert!(!browser.text("body")?.contains("encore là"));
    later(41 * 60)?;
    browser.wait_text("h1", "La page s’est fermée")?;
    nothing_of_marie(&browser)?;
    // Without scripts, the browser itself is told when to go.
    let plain = stage.browser(&BrowserOptions { script: false, ..BrowserOptions::default() })?;
    sign_in(&plain, &person("elefevre"))?;
    assert!(plain.source()?.contains("http-equiv=\"refresh\" content=\"1200; url=/timed-out\""));
    Ok(())
}
