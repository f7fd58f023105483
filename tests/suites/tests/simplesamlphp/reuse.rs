//! A session that is open already, and requests and clients that can show no page.

use anyhow::Result;
use parvis_stand::Visitor;

use crate::support::{Outcome, Stage, is_in, outcome, person, prove, response};

const PROVISIONAL: &str = "{COMPTE}I:SupannCree";

#[test]
fn a_session_opened_while_active_is_judged_again_at_the_next_request() -> Result<()> {
    let stage = Stage::new()?;
    let claire = person("cbernard");
    let mut visitor = Visitor::new("fr");
    assert!(is_in(&stage.sign_in(&mut visitor, &claire)?, "cbernard"));
    // Another application, the same session: no form, but the daemon is asked, for the session's attributes are old.
    let came = stage.begin(&mut visitor, "passive-sp")?;
    assert!(is_in(&came, "cbernard"), "{came:?}");
    assert_eq!(stage.tap.asked().len(), 1);
    assert!(stage.decision().ends_with("login=\"cbernard\" passed"), "{}", stage.decision());

    stage.state(&claire, PROVISIONAL)?;
    let page = visitor.get(&unsolicited(&stage))?;
    let came = outcome(&mut visitor, page)?;
    assert!(matches!(came, Outcome::Activation(_)), "{came:?}");
    // And that ended the session.
    let page = visitor.get(&unsolicited(&stage))?;
    assert!(matches!(outcome(&mut visitor, page)?, Outcome::Form(_)));
    Ok(())
}

/// A request at the identity provider itself, whatever the application remembers.
fn unsolicited(stage: &Stage) -> String {
    format!("{}/saml2/idp/SSOService.php?spentityid=urn:stand:sp", stage.ssp.idp())
}

#[test]
fn without_a_daemon_an_old_session_has_to_sign_in_again_and_the_directory_judges() -> Result<()> {
    let mut stage = Stage::new()?;
    let claire = person("cbernard");
    let mut visitor = Visitor::new("fr");
    assert!(is_in(&stage.sign_in(&mut visitor, &claire)?, "cbernard"));
    stage.scene.daemon.terminate()?;
    // The request stays: the answer after the password is the answer to it.
    let page = visitor.get(&unsolicited(&stage))?;
    let Outcome::Form(form) = outcome(&mut visitor, page)? else { panic!("the old session was let through") };
    assert!(stage.decision().contains("no answer") && stage.decision().ends_with("has to sign in again"));
    let page = visitor
        .submit(&form.form()?, &[("username", "cbernard"), ("password", &claire.provisional_password)])?;
    assert!(response(&page)?.contains("<saml:Assertion"), "{}", page.body);

    stage.state(&claire, PROVISIONAL)?;
    let page = visitor.get(&unsolicited(&stage))?;
    let Outcome::Form(form) = outcome(&mut visitor, page)? else { panic!("the old session was let through") };
    let came = prove(&mut visitor, &form, "cbernard", &claire.provisional_password)?;
    assert!(matches!(came, Outcome::Refused(_)), "{came:?}");
    Ok(())
}

#[test]
fn a_passive_request_of_somebody_without_a_session_is_told_no() -> Result<()> {
    let stage = Stage::new()?;
    let Outcome::Told(words) = stage.begin(&mut Visitor::new("fr"), "passive-sp")? else {
        panic!("not told no")
    };
    assert!(words.contains("NoPassive"), "{words}");
    Ok(())
}

#[test]
fn a_passive_request_of_somebody_made_provisional_again_is_told_no_and_ends_the_session() -> Result<()> {
    let stage = Stage::new()?;
    let claire = person("cbernard");
    let mut visitor = Visitor::new("fr");
    assert!(is_in(&stage.sign_in(&mut visitor, &claire)?, "cbernard"));
    stage.state(&claire, PROVISIONAL)?;
    let Outcome::Told(words) = stage.begin(&mut visitor, "passive-sp")? else { panic!("not told no") };
    assert!(words.contains("NoPassive"), "{words}");
    assert!(stage.decision().ends_with("refused: needs-activation"), "{}", stage.decision());
    let page = visitor.get(&unsolicited(&stage))?;
    assert!(matches!(outcome(&mut visitor, page)?, Outcome::Form(_)), "the session is still there");
    Ok(())
}

#[test]
fn a_passive_request_without_an_answer_is_told_no_and_leaves_the_session() -> Result<()> {
    let stage = Stage::new()?;
    let claire = person("cbernard");
    let mut visitor = Visitor::new("fr");
    assert!(is_in(&stage.sign_in(&mut visitor, &claire)?, "cbernard"));
    stage.scene.daemon.pause()?;
    let Outcome::Told(words) = stage.begin(&mut visitor, "passive-sp")? else { panic!("not told no") };
    assert!(words.contains("NoPassive"), "{words}");
    stage.scene.daemon.resume()?;
    let came = stage.begin(&mut visitor, "passive-sp")?;
    assert!(is_in(&came, "cbernard"), "{came:?}");
    Ok(())
}

/// SAML's profile for clients without a browser (ECP): a request in SOAP, the password beside it.
#[test]
fn a_client_without_a_browser_gets_an_assertion_or_a_no_and_never_a_page() -> Result<()> {
    let stage = Stage::new()?;
    let url = format!("{}/saml2/idp/SSOService.php", stage.ssp.idp());
    let request = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
        <samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1" Version="2.0"
            IssueInstant="2026-09-01T10:00:00Z" ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:PAOS"
            AssertionConsumerServiceIndex="1">
        <saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">urn:stand:sp</saml:Issuer>
        </samlp:AuthnRequest></s:Body></s:Envelope>"#;
    for (login, told) in [
        ("cbernard", "status:Success"),
        ("mdurand", "status:RequestDenied"),
        ("rlemoine", "status:RequestDenied"),
    ] {
        let who = person(login);
        let pair =
            parvis_protocol::base64::encode(format!("{login}:{}", who.provisional_password).as_bytes());
        let mut client = Visitor::new("fr");
        client.header("Authorization", &format!("Basic {pair}"));
        let answer = client.post(&url, "text/xml", request)?;
        assert!(answer.body.contains(told), "{login}: {answer:?} {}", stage.ssp.last_words());
        assert_eq!(answer.body.contains("<saml:Assertion"), login == "cbernard", "{}", answer.body);
        assert!(answer.header("location").is_none(), "{answer:?}");
    }
    assert!(stage.decision().ends_with("login=\"rlemoine\" refused: locked"), "{}", stage.decision());
    Ok(())
}
