//! Who passes, who does not, and how they come back.

use anyhow::{Context, Result};
use parvis_stand::Visitor;
use parvis_stand::scene::{Walk, at};
use serde_json::json;

use crate::support::{Outcome, Stage, is_in, no_assertion, outcome, person, prove, response};

#[test]
fn an_active_person_passes_by_the_directory_without_a_call() -> Result<()> {
    let stage = Stage::new()?;
    let mut visitor = Visitor::new("fr");
    let came = stage.sign_in(&mut visitor, &person("cbernard"))?;
    assert!(is_in(&came, "cbernard"), "{came:?}");
    assert_eq!(stage.tap.asked().len(), 0, "nobody was asked");
    assert!(
        stage.decision().ends_with("parvis: login=\"cbernard\" passed by the directory"),
        "{}",
        stage.decision()
    );
    Ok(())
}

#[test]
fn a_provisional_person_activates_first_and_comes_back_to_the_application_they_wanted() -> Result<()> {
    let stage = Stage::new()?;
    let marie = person("mdurand");
    let mut visitor = Visitor::new("fr");
    let Outcome::Activation(url) = stage.sign_in(&mut visitor, &marie)? else {
        panic!("mdurand was not sent to the activation: {}", stage.decision());
    };
    no_assertion(&visitor);
    assert!(stage.decision().ends_with("login=\"mdurand\" sent to activation"), "{}", stage.decision());
    // There is no session either: the same browser has to sign in again, at any application.
    for source in ["default-sp", "passive-sp"] {
        let came = stage.begin(&mut visitor, source)?;
        assert!(matches!(came, Outcome::Form(_) | Outcome::Told(_)), "{came:?}");
    }
    let ticket = url.rsplit('/').next().context("no ticket")?;
    let log = stage.ssp.log() + &stage.ssp.server_log();
    assert!(!log.contains(ticket) && !log.contains(&marie.provisional_password), "a secret is in the log");

    let mut walk = entered(&stage, ticket)?;
    walk.prove("marie.durand@laposte.example")?;
    walk.charter()?;
    walk.listing(true)?;
    walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    let done = walk.password("Violet-mandarine-77")?;
    let back = at(&done, "/view/done/return_to").as_str().context("no way back")?;
    assert!(back.starts_with(&stage.ssp.idp()), "{back}");

    // The old password does not work any more; the new one leads to the application, by the normal way.
    let page = visitor.get(back)?;
    let Outcome::Form(form) = outcome(&mut visitor, page)? else { panic!("no sign-in form at {back}") };
    let came = prove(&mut visitor, &form, "mdurand", &marie.provisional_password)?;
    let Outcome::Form(form) = came else { panic!("the old password works: {came:?}") };
    let fields = [("username", "mdurand"), ("password", "Violet-mandarine-77")];
    let page = visitor.submit(&form.form()?, &fields)?;
    assert!(response(&page)?.contains("InResponseTo=\"_"), "it answers the application's own request");
    let came = outcome(&mut visitor, page)?;
    assert!(is_in(&came, "mdurand"), "{came:?}");
    assert!(stage.decision().ends_with("login=\"mdurand\" passed by the directory"), "{}", stage.decision());
    Ok(())
}

/// The ticket is used up by the pages; here by the walk itself.
fn entered<'s>(stage: &'s Stage, ticket: &str) -> Result<Walk<'s>> {
    let (code, last) = stage.scene.daemon.hook("enter", &json!({ "ticket": ticket, "locale": "fr" }))?;
    assert_eq!(code, 0, "{last}");
    let session = at(&last, "/session").as_str().context("no session")?.to_owned();
    Ok(Walk::resumed(&stage.scene, session, last))
}

#[test]
fn another_browser_comes_back_to_the_same_application() -> Result<()> {
    let stage = Stage::new()?;
    let linh = person("lnguyen");
    stage.sign_in(&mut Visitor::new("fr"), &linh)?;
    let asked = stage.tap.asked();
    let back = asked.first().and_then(|asked| at(asked, "/return_to").as_str()).context("no way back")?;
    stage.state(&linh, "{COMPTE}A:SupannActif")?;
    // Nothing is known of the request there: SimpleSAMLphp begins one for that application.
    let mut other = Visitor::new("fr");
    let page = other.get(back)?;
    let Outcome::Form(form) = outcome(&mut other, page)? else { panic!("no sign-in form at {back}") };
    let came = prove(&mut other, &form, &linh.login, &linh.provisional_password)?;
    let acs = other.trail.iter().any(|url| url.contains("saml2-acs.php/default-sp"));
    assert!(acs, "{came:?} {:#?}", other.trail);
    // The application itself is open now.
    assert!(is_in(&stage.begin(&mut other, "default-sp")?, "lnguyen"));
    Ok(())
}

#[test]
fn an_address_to_come_back_to_that_nobody_knows_has_words() -> Result<()> {
    let stage = Stage::new()?;
    for (language, words) in [("fr", "a expiré"), ("en", "has expired")] {
        for page in ["resume", "refused"] {
            for query in ["", "?StateId=_0123", "?StateId[]=x", "?StateId=_0123:https://elsewhere.example/"] {
                let url = format!("{}/module.php/parvis/{page}.php{query}", stage.ssp.idp());
                let shown = Visitor::new(language).get(&url)?;
                assert_eq!(shown.status, 403, "{url}");
                assert!(shown.body.contains(words), "{url}: {}", shown.body);
                crate::support::no_trace(&shown);
            }
        }
    }
    Ok(())
}

#[test]
fn locked_and_unknown_people_are_refused_in_words_of_their_language() -> Result<()> {
    let stage = Stage::new()?;
    let remi = person("rlemoine");
    for (language, words) in
        [("fr", "Ce compte est verrouillé"), ("en", "This account is locked"), ("de", "locked")]
    {
        let mut visitor = Visitor::new(language);
        let Outcome::Refused(page) = stage.sign_in(&mut visitor, &remi)? else { panic!("not refused") };
        assert!(page.body.contains(words), "{}", page.body);
        assert!(page.body.contains("assistance@univ.example"), "{}", page.body);
        no_assertion(&visitor);
        assert!(stage.decision().ends_with("login=\"rlemoine\" refused: locked"), "{}", stage.decision());
    }
    // Known to SimpleSAMLphp, and by that name to nobody else.
    stage
        .gate(&format!("{}, 'login-attribute' => 'displayName'", crate::support::socket(stage.tap.path())))?;
    let mut visitor = Visitor::new("en");
    let Outcome::Refused(page) = stage.sign_in(&mut visitor, &person("tpetit"))? else {
        panic!("not refused")
    };
    no_assertion(&visitor);
    assert!(page.body.contains("not known here"), "{}", page.body);
    let decision = stage.decision();
    assert!(decision.ends_with("login=\"Th??o Petit\" refused: unknown"), "{decision}");
    // From the page with the reason one can begin again, and its language can be changed.
    let again = page.url.join("resume.php")?;
    assert!(page.body.contains(&again.to_string()), "{}", page.body);
    let french = visitor.get(&format!("{}&language=fr", page.url))?;
    assert!(french.body.contains("Votre compte ne permet pas"), "{}", french.body);
    Ok(())
}

#[test]
fn the_daemon_learns_the_language_and_the_address() -> Result<()> {
    let stage = Stage::new()?;
    let theo = person("tpetit");
    for (language, sent) in [("fr-FR,fr;q=0.9", "fr"), ("de,en;q=0.5", "en"), ("en", "en")] {
        let mut visitor = Visitor::new(language);
        visitor.header("User-Agent", "Vue d\u{2019}un \u{85} poste/1.0");
        stage.sign_in(&mut visitor, &theo)?;
        let asked = stage.tap.asked().pop().context("nobody was asked")?;
        assert_eq!(at(&asked, "/locale"), sent);
        assert_eq!(at(&asked, "/login"), "tpetit");
        assert_eq!(at(&asked, "/authenticated"), &json!(true));
        assert_eq!(at(&asked, "/client/ip"), "127.0.0.1");
        assert_eq!(at(&asked, "/client/user_agent"), "Vue d\u{2019}un   poste/1.0");
    }
    // What a person chose goes before what the browser asks for.
    let mut visitor = Visitor::new("en");
    let Outcome::Form(form) = stage.begin(&mut visitor, "default-sp")? else { panic!("no sign-in form") };
    visitor.get(&format!("{}&language=fr", form.url))?;
    prove(&mut visitor, &form, &theo.login, &theo.provisional_password)?;
    let asked = stage.tap.asked().pop().context("nobody was asked")?;
    assert_eq!(at(&asked, "/locale"), "fr");
    Ok(())
}
