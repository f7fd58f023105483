//! What a page weighs, and whom it asks: Chromium's own record of the network.

use anyhow::Result;
use parvis_stand::scene::BASE_URL;
use parvis_stand::{Browser, BrowserOptions};

use crate::support::{Stage, charter, listing, person, prove, sign_in, url};

/// Everything that the first page loads, heads and all, in bytes.
const FIRST: u64 = 30_000;

/// Only our own host is asked for anything.
fn ours_alone(browser: &Browser) -> Result<(usize, u64)> {
    let mut loaded = browser.network()?;
    // Chromium's own first page is inside of it, and what has its content in its address is asked of nobody.
    loaded.retain(|file| !["chrome://", "data:"].iter().any(|own| file.url.starts_with(own)));
    for file in &loaded {
        assert!(file.url.starts_with(&format!("{BASE_URL}/")), "{file:?}");
    }
    Ok((loaded.len(), loaded.iter().map(|file| file.bytes).sum()))
}

#[test]
fn the_first_page_is_light_and_asks_nobody_else() -> Result<()> {
    let stage = Stage::new()?;
    for language in ["fr", "en"] {
        let options =
            BrowserOptions { language: language.to_owned(), network: true, ..BrowserOptions::default() };
        let browser = stage.browser(&options)?;
        browser.goto("data:,")?;
        browser.network()?;
        browser.goto(&url("/"))?;
        let (files, bytes) = ours_alone(&browser)?;
        assert!(files >= 4, "the page, two style sheets and the script: {files}");
        assert!(bytes > 10_000, "what was loaded was not counted: {bytes}");
        assert!(bytes <= FIRST, "{language}: the first page has {bytes} bytes");
        // And once more from the cache: the page alone.
        browser.goto(&url("/sign-in"))?;
        let (_, again) = ours_alone(&browser)?;
        assert!(again < bytes / 3, "{language}: {again} of {bytes}");
    }
    Ok(())
}

#[test]
fn no_step_asks_anybody_else() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&BrowserOptions { network: true, ..BrowserOptions::default() })?;
    sign_in(&browser, &person("mdurand"))?;
    prove(&stage, &browser, "marie@dehors.example")?;
    charter(&browser)?;
    listing(&browser, true)?;
    browser.press("main form .main")?;
    browser.fill("#password", "Violet-mandarine-77")?;
    browser.wait_text("[data-strength]", "excellente")?;
    browser.press("main form .main")?;
    assert!(browser.has("main .good")?);
    let (files, _) = ours_alone(&browser)?;
    assert!(files > 15, "{files}");
    Ok(())
}
