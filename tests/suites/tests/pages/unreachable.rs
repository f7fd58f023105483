//! A mail domain that takes no mail: the page says so, with the form to correct the address open, and goes on.

use anyhow::Result;
use parvis_stand::{BrowserOptions, Dns, PagesOptions, SceneOptions};

use crate::support::{Stage, person, sign_in};

#[test]
fn the_waiting_page_warns_of_a_domain_that_takes_no_mail() -> Result<()> {
    let dns = Dns::start()?;
    let config = format!("[mail]\nmx-lookup = true\nmx-servers = [\"{}\"]\n", dns.address());
    let stage = Stage::with(SceneOptions { config, ..SceneOptions::default() }, PagesOptions::default())?;
    for (language, words) in
        [("fr", "ne semble pas pouvoir recevoir"), ("en", "It seems that this address cannot receive mail")]
    {
        let options = BrowserOptions { language: language.to_owned(), ..BrowserOptions::default() };
        let browser = stage.browser(&options)?;
        sign_in(&browser, &person(if language == "fr" { "mdurand" } else { "sobrien" }))?;
        browser.fill("#address", "moi@null.example")?;
        browser.press("main form .main")?;
        browser.wait_text("main .note", words)?;
        assert!(browser.has("main details[open] #address")?, "{language}: the form to correct it is open");
        let before = stage.scene.inbox.last_number();
        browser.fill("#address", "moi@laposte.example")?;
        browser.press("main details form button")?;
        stage.link("moi@laposte.example", before)?;
        assert!(
            !browser.text("main")?.contains(words),
            "{language}: a domain that takes mail is not warned of"
        );
    }
    Ok(())
}
