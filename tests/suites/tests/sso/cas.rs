//! CAS's REST inquirers, as CAS 5 to 8 ask them: query parameters, Basic, Accept-Language.

use anyhow::{Context, Result};
use parvis_stand::Walk;
use parvis_stand::scene::at;
use parvis_stand::sso::{Reply, SsoOptions, TOKEN};
use serde_json::{Value, json};

use crate::support::Stage;

const LOGIN_URL: &str = "https://cas.univ.example/cas/login";
const SERVICE: &str = "https://ent.univ.example/accueil?a=1&b=é";

fn stage() -> Result<Stage> {
    let config = format!("[cas]\nlogin-url = \"{LOGIN_URL}\"\n");
    let daemon = "[pages]\nreturn-to = [\"https://cas.univ.example/\"]\n";
    Stage::with(daemon, SsoOptions { config, ..SsoOptions::default() })
}

/// As CAS's URIBuilder writes it.
fn query(login: &str) -> String {
    let service = "https%3A%2F%2Fent.univ.example%2Faccueil%3Fa%3D1%26b%3D%C3%A9";
    format!("/cas/interrupt?username={login}&service={service}&registeredService=%5Ehttps%3A%2F%2Fent.*")
}

fn blocks(reply: &Reply) -> Result<Value> {
    let answer = reply.json()?;
    assert_eq!(reply.status, 200, "{reply:?}");
    for (key, value) in [("/interrupt", true), ("/block", true), ("/ssoEnabled", false)] {
        assert_eq!(at(&answer, key), value, "{key} in {answer}");
    }
    assert!(at(&answer, "/message").as_str().is_some_and(|words| words.len() > 10), "{answer}");
    Ok(answer)
}

#[test]
fn who_is_active_is_not_interrupted_and_everybody_else_is() -> Result<()> {
    let stage = stage()?;
    let active = stage.sso.get(&query("cbernard"), "Accept-Language: fr\r\n")?;
    assert_eq!((active.status, active.json()?), (200, json!({ "interrupt": false })));
    let french = blocks(&stage.sso.get(&query("mdurand"), "Accept-Language: fr-FR,fr;q=0.9,en;q=0.8\r\n")?)?;
    assert_eq!(french["autoRedirect"], true);
    let links = french["links"].as_object().context("links")?;
    let (words, url) = links.iter().next().context("one link")?;
    assert_eq!((links.len(), words.as_str()), (1, "Activer mon compte"));
    let english = blocks(&stage.sso.get(&query("mdurand"), "Accept-Language: en-GB\r\n")?)?;
    assert!(english["links"]["Activate my account"].is_string(), "{english}");
    assert_ne!(french["message"], english["message"]);
    for login in ["rlemoine", "nobody-at-all"] {
        let answer = blocks(&stage.sso.get(&query(login), "")?)?;
        assert_eq!((&answer["links"], &answer["autoRedirect"]), (&json!({}), &Value::Bool(false)), "{login}");
    }
    // The link is a ticket, and what it leads to leads back through CAS to the application.
    let ticket = url.as_str().and_then(|url| url.rsplit('/').next()).context("a ticket")?;
    let mut walk = Walk::with_ticket(&stage.scene, ticket, "fr")?;
    walk.prove("marie@ailleurs.example")?;
    walk.charter()?;
    walk.listing(true)?;
    walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    let done = walk.password("Grand-Bateau-Bleu-17")?;
    let back = done["view"]["done"]["return_to"].as_str().context("return_to")?;
    let rest = back.strip_prefix(&format!("{LOGIN_URL}?service=")).context("CAS's sign-in page")?;
    assert_eq!(rest, "https%3A%2F%2Fent.univ.example%2Faccueil%3Fa%3D1%26b%3D%C3%A9", "{SERVICE}");
    assert_eq!(stage.sso.get(&query("mdurand"), "")?.json()?, json!({ "interrupt": false }));
    assert!(!stage.sso.log().contains(ticket) && !stage.sso.log().contains("ent.univ"));
    Ok(())
}

#[test]
fn whatever_is_asked_wrongly_is_a_block() -> Result<()> {
    let stage = stage()?;
    let long = format!("/cas/interrupt?username={}", "a".repeat(257));
    for path in [
        "/cas/interrupt",
        "/cas/interrupt?",
        "/cas/interrupt?username=",
        "/cas/interrupt?user=cbernard",
        "/cas/interrupt?username=cbernard&username=mdurand",
        "/cas/interrupt?username=cbernard&service=a&service=b",
        "/cas/interrupt?username=%00",
        "/cas/interrupt?username=a%e2%80%aeb",
        // Addresses that are mistyped: CAS would take a 404 for a yes.
        "/cas/interupt?username=cbernard",
        "/cas/interrupt/?username=cbernard",
        "/cas?username=cbernard",
        long.as_str(),
    ] {
        blocks(&stage.sso.get(path, "")?).with_context(|| path.to_owned())?;
    }
    let basic = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n");
    for method in ["GET", "POST", "PUT"] {
        let line = |login: &str| format!("{method} /cas/interrupt?username={login}");
        assert_eq!(stage.sso.send(&line("cbernard"), &basic, b"")?.json()?, json!({ "interrupt": false }));
        blocks(&stage.sso.send(&line("mdurand"), &basic, b"{}")?)?;
    }
    // A service too long to come back to is no reason to lock somebody active out.
    let path =
        format!("/cas/interrupt?username=cbernard&service=https://ent.univ.example/{}", "a".repeat(4000));
    assert_eq!(stage.sso.get(&path, "")?.json()?, json!({ "interrupt": false }));
    Ok(())
}

#[test]
fn the_acceptable_use_policy_is_accepted_by_who_may_pass_and_nothing_is_recorded_for_others() -> Result<()> {
    let stage = stage()?;
    let basic = format!("Authorization: Bearer {TOKEN}\r\n");
    let ask = |line: &str, login: &str| {
        let path = format!("{line}?username={login}&locale=fr_FR&service=https%3A%2F%2Fent.univ.example%2F");
        stage.sso.send(&path, &basic, b"")
    };
    for line in ["POST /cas/aup", "GET /cas/aup/status"] {
        let active = ask(line, "cbernard")?;
        assert_eq!((active.status, &active.json()?["accepted"]), (200, &Value::Bool(true)));
        for login in ["mdurand", "rlemoine", "nobody-at-all"] {
            let other = ask(line, login)?;
            assert_eq!(
                (other.status, &other.json()?["accepted"]),
                (403, &Value::Bool(false)),
                "{line} {login}"
            );
        }
    }
    // A tick on a page of CAS's is no acceptance: nothing has moved.
    assert_eq!(stage.scene.open("mdurand")?.last["step"], "recovery-address");
    let terms = ask("GET /cas/aup/policy", "mdurand")?;
    let said = terms.json()?;
    assert_eq!(
        (terms.status, &said["@class"]),
        (200, &json!("org.apereo.cas.aup.AcceptableUsagePolicyTerms"))
    );
    let text = said["defaultText"].as_str().context("a text")?;
    assert!(text.contains("<a href=\"https://activation.univ.example/enter/"), "{text}");
    assert!(text.contains("Activer mon compte"), "the locale of the query: {text}");
    assert_eq!(ask("GET /cas/aup/policy", "cbernard")?.status, 404);
    assert_eq!(ask("GET /cas/aup", "cbernard")?.status, 405);
    assert_eq!(ask("POST /cas/aup/status", "cbernard")?.status, 405);
    stage.scene.daemon.pause()?;
    let hung = ask("GET /cas/aup/status", "cbernard")?;
    assert_eq!((hung.status, &hung.json()?["accepted"]), (503, &Value::Bool(false)));
    stage.scene.daemon.resume()
}
