//! Who passes and who does not, with the interfaces of identity provider 4 and of 5.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use parvis_stand::scene::at;
use parvis_stand::shibboleth::Generation;
use parvis_stand::{Browser, BrowserOptions, Pages, PagesOptions, Visitor};
use serde_json::json;

use crate::support::{ACTIVE, LOCKED, Outcome, PROVISIONAL, Stage, no_trace};
use crate::tap::Mode;

#[test]
fn with_the_interfaces_of_identity_provider_four() -> Result<()> {
    everybody(Generation::Four)
}

#[test]
fn with_the_interfaces_of_identity_provider_five() -> Result<()> {
    everybody(Generation::Five)
}

fn everybody(generation: Generation) -> Result<()> {
    let stage = Stage::new(generation)?;
    let visitor = || Visitor::new("fr");
    // Active by the directory: no call.
    let came = stage.judge(&mut visitor(), "cbernard", &[ACTIVE, "{MAIL}A:SupannActif"])?;
    assert!(matches!(came, Outcome::Proceed), "{came:?}");
    assert!(stage.decision().ends_with("login=\"cbernard\" passed by the directory"), "{}", stage.decision());
    assert!(matches!(stage.passively(&mut visitor(), "cbernard", &[ACTIVE])?, Outcome::Proceed));
    assert_eq!(stage.tap.asked().len(), 0, "nobody was asked");
    // Active by Parvis.
    for states in [&[][..], &[PROVISIONAL], &[ACTIVE, LOCKED]] {
        let came = stage.judge(&mut visitor(), "cbernard", states)?;
        assert!(matches!(came, Outcome::Proceed), "{states:?}: {came:?}");
        assert!(stage.decision().ends_with("login=\"cbernard\" passed"), "{}", stage.decision());
    }
    // Provisional.
    let Outcome::Activation(url) = stage.judge(&mut visitor(), "mdurand", &[PROVISIONAL])? else {
        bail!("not sent to the activation: {}", stage.decision())
    };
    assert!(stage.decision().ends_with("login=\"mdurand\" sent to activation"), "{}", stage.decision());
    let ticket = url.rsplit('/').next().context("no ticket")?;
    assert!(!stage.shibboleth.log().contains(ticket), "the ticket is in the log");
    // A passive request has no page.
    let came = stage.passively(&mut visitor(), "mdurand", &[PROVISIONAL])?;
    assert!(matches!(came, Outcome::Denied), "{came:?}");
    // Locked, in words; from there the request can be ended, and only with the event.
    for (language, words) in [("fr", "Ce compte est verrouillé"), ("en", "This account is locked")] {
        let mut visitor = Visitor::new(language);
        let Outcome::Refused(page) = stage.judge(&mut visitor, "rlemoine", &[LOCKED])? else {
            bail!("not refused")
        };
        assert!(
            page.body.contains(words) && page.body.contains(&format!("lang=\"{language}\"")),
            "{}",
            page.body
        );
        assert!(stage.decision().ends_with("login=\"rlemoine\" refused: locked"), "{}", stage.decision());
        let ended = visitor.get(&format!("{}&end=1", page.url))?;
        assert!(matches!(stage.outcome(ended)?, Outcome::Denied));
        // And then it is over.
        let gone = visitor.get(page.url.as_str())?;
        assert_eq!(gone.status, 403);
        assert!(
            gone.body.contains(if language == "fr" { "a expiré" } else { "has expired" }),
            "{}",
            gone.body
        );
    }
    let came = stage.judge(&mut Visitor::new("en"), "no\u{1b}body", &["x"])?;
    assert!(matches!(came, Outcome::Refused(_)), "{came:?}");
    assert!(stage.decision().contains("login=\"no?body\""), "{}", stage.decision());
    let Outcome::Refused(page) = stage.judge(&mut Visitor::new("en"), "nobody", &["x"])? else {
        bail!("not refused")
    };
    assert!(page.body.contains("not known here"), "{}", page.body);
    // Nobody at all: no page to show, but the event.
    let came = stage.judge(&mut visitor(), "", &[ACTIVE])?;
    assert!(matches!(came, Outcome::Denied), "{came:?}");
    Ok(())
}

#[test]
fn without_a_conversation_there_are_words() -> Result<()> {
    let stage = Stage::new(Generation::Five)?;
    for query in ["", "?conversation=", "?conversation=e9s9", "?conversation=%3Cscript%3E&end=1"] {
        let page = Visitor::new("en").get(&format!("{}/parvis/parvis.jsp{query}", stage.shibboleth.url()))?;
        assert_eq!(page.status, 403, "{query}");
        assert!(page.body.contains("has expired") && !page.body.contains("<script>"), "{}", page.body);
        no_trace(&page);
    }
    Ok(())
}

#[test]
fn the_daemon_learns_the_language_the_address_and_the_way_back() -> Result<()> {
    let stage = Stage::new(Generation::Five)?;
    for (language, sent) in [("fr-CH,de;q=0.9", "fr"), ("de,fr;q=0.2,en;q=0.5", "en"), ("de", "en")] {
        let mut visitor = Visitor::new(language);
        visitor.header("User-Agent", "Vue d\u{2019}un poste/1.0");
        stage.judge(&mut visitor, "tpetit", &[PROVISIONAL])?;
        let asked = stage.tap.asked().pop().context("nobody was asked")?;
        assert_eq!(at(&asked, "/locale"), sent, "{language}");
        assert_eq!(at(&asked, "/authenticated"), &json!(true));
        assert_eq!(at(&asked, "/client/ip"), "127.0.0.1");
        assert!(
            at(&asked, "/client/user_agent").as_str().is_some_and(|agent| agent.ends_with("un poste/1.0"))
        );
        let back = format!(
            "{}/profile/SAML2/Unsolicited/SSO?providerId=https%3A%2F%2Fsp.univ.example%2Fshibboleth",
            stage.shibboleth.url()
        );
        assert_eq!(at(&asked, "/return_to"), back.as_str());
    }
    Ok(())
}

#[test]
fn every_page_in_both_languages() -> Result<()> {
    let stage = Stage::new(Generation::Five)?;
    let pages = Pages::start(&stage.scene, PagesOptions::default())?;
    let relay = Mode::Relay(stage.scene.daemon.layout().hook_socket());
    for language in ["fr", "en"] {
        let options = BrowserOptions { language: language.to_owned(), ..BrowserOptions::default() };
        let browser = Browser::start(&pages, &options)?;
        for (name, path, mode) in [
            ("locked", "/stand/begin?login=rlemoine&state=x", &relay),
            ("no-answer", "/stand/begin?login=mdurand&state=x", &Mode::Say(vec![])),
            ("expired", "/parvis/parvis.jsp", &relay),
        ] {
            stage.tap.set(mode.clone());
            browser.goto(&format!("{}{path}", stage.shibboleth.url()))?;
            let title =
                if language == "fr" { "Vous ne pouvez pas vous connecter" } else { "You cannot sign in" };
            browser.wait_text("h1", title)?;
            let Some(dir) = std::env::var_os("PARVIS_PICTURES").map(PathBuf::from) else { continue };
            std::fs::create_dir_all(&dir)?;
            for width in [360, 1280] {
                browser.resize(width, 800)?;
                browser.picture(&dir.join(format!("shibboleth-{name}-{language}-{width}.png")))?;
            }
        }
        // A person who has read it ends the request, which nothing leaves.
        stage.tap.set(Mode::Say(vec![]));
        browser.goto(&format!("{}/stand/begin?login=mdurand&state=x", stage.shibboleth.url()))?;
        browser.click("#parvis-end")?;
        browser.wait_text("body", "event: ContextCheckDenied")?;
    }
    Ok(())
}
