//! `parvis.groovy` before a real daemon: who passes, who is sent on, and who is stopped, however it asks.

use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::groovy::Groovy;
use parvis_stand::sso::{Sso, SsoOptions};
use parvis_stand::{Scene, Walk};
use parvis_suites::strange::recorder;
use serde_json::{Value, json};

use crate::support::{ACTIVE, PROVISIONAL, SERVICE, Script};

/// Lines of parvis.properties.
type Lines = Vec<(&'static str, String)>;

/// The three ways to ask, and the fourth that is the third under TLS.
fn ways(scene: &Scene, sso: &Sso) -> Result<Vec<(&'static str, Lines)>> {
    let path = |path: std::path::PathBuf| path.display().to_string();
    let socket = path(scene.daemon.layout().hook_socket());
    let client = sso.client()?;
    Ok(vec![
        ("socket", vec![("socket", socket.clone())]),
        ("hook", vec![("hook", path(binaries(Profile::Dev)?.parvis_hook)), ("socket", socket)]),
        ("url", vec![("url", sso.url()), ("token-file", path(sso.token_file()))]),
        (
            "url with a certificate",
            vec![
                ("url", format!("{}/", sso.tls_url())),
                ("ca", path(sso.authority().file())),
                ("certificate", path(client.certificate)),
                ("key", path(client.key)),
            ],
        ),
    ])
}

fn configure(script: &Script, way: &[(&str, String)], more: &[(&str, &str)]) -> Result<()> {
    let way = way.iter().map(|(key, value)| (*key, value.as_str()));
    script.configure(&way.chain(more.iter().copied()).collect::<Vec<_>>()).map(|_| ())
}

#[test]
fn each_way_to_ask_sends_a_provisional_person_on_and_lets_an_active_one_in() -> Result<()> {
    println!("{}", Groovy::version()?);
    let scene = Scene::new()?;
    let sso = Sso::start(&scene, SsoOptions::default())?;
    let mut script = Script::new()?;
    for (name, way) in ways(&scene, &sso)? {
        // Patience for a Java that has never spoken TLS, on a machine that has other things to do.
        configure(&script, &way, &[("timeout", "20")])?;
        let said = script.sign_in("mdurand", PROVISIONAL, &json!({}))?;
        let url = said.stopped().with_context(|| format!("{name}: {}", said.0))?;
        assert!(
            url.is_some_and(|url| url.starts_with("https://activation.univ.example/enter/")),
            "{name}: {}",
            said.0
        );
        assert_eq!(said.log()?, "INFO parvis: mdurand: sent to activation", "{name}");
        // Active as the directory says to Parvis, though CAS's own attribute is old.
        let said = script.sign_in("cbernard", PROVISIONAL, &json!({}))?;
        assert!(said.passed(), "{name}: {}", said.0);
        assert_eq!(said.log()?, "INFO parvis: cbernard: passed", "{name}");
        for (login, code) in [("rlemoine", "locked"), ("nobody-at-all", "unknown")] {
            let said = script.sign_in(login, "{COMPTE}S:SupannVerrouAdministratif", &json!({}))?;
            assert_eq!(said.stopped()?, None, "{name}: {}", said.0);
            assert_eq!(said.log()?, format!("WARN parvis: {login}: refused: {code}"), "{name}");
        }
    }
    Ok(())
}

#[test]
fn with_the_daemon_stopped_or_hung_active_people_pass_and_provisional_ones_do_not() -> Result<()> {
    let mut scene = Scene::new()?;
    let sso = Sso::start(&scene, SsoOptions::default())?;
    let mut script = Script::new()?;
    let ways = ways(&scene, &sso)?;
    for stopped in [false, true] {
        if stopped {
            scene.daemon.resume()?;
            scene.daemon.terminate()?;
        } else {
            scene.daemon.pause()?;
        }
        for (name, way) in &ways {
            configure(&script, way, &[])?;
            let active = script.sign_in("cbernard", ACTIVE, &json!({}))?;
            assert!(active.passed() && active.took() < Duration::from_secs(2), "{name}: {}", active.0);
            assert_eq!(active.log()?, "INFO parvis: cbernard: passed by the directory");
            for locale in ["fr", "en"] {
                let said = script.sign_in("mdurand", PROVISIONAL, &json!({ "locale": locale }))?;
                assert_eq!(said.stopped()?, None, "{name}: {}", said.0);
                assert!(said.took() < Duration::from_secs(6), "{name}: {}", said.0);
                let words = if locale == "fr" { "d’activation" } else { "activation service" };
                assert!(said.message().contains(words), "{name}: {}", said.0);
                let line = said.log()?;
                assert!(
                    line.contains("mdurand: no answer: ") || line.contains("refused: unavailable"),
                    "{line}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn one_value_of_the_attribute_says_active_and_none_says_otherwise() -> Result<()> {
    let (_place, socket, asked) = recorder("{\"parameters\":{\"allow\":false,\"status\":\"locked\"}}\0")?;
    let mut script = Script::new()?;
    script.configure(&[("socket", &socket.display().to_string())])?;
    let mail = "{MAIL}I:SupannCree";
    let mut last = 0;
    for (states, passes) in [
        (json!([ACTIVE]), true),
        (json!([mail, ACTIVE]), true),
        (json!([ACTIVE, PROVISIONAL]), false),
        (json!([ACTIVE, "{COMPTE}S:SupannVerrouille"]), false),
        (json!([mail]), false),
        (json!([]), false),
        (json!(["x{COMPTE}A"]), false),
    ] {
        for cas in [5, 6, 7] {
            let said = script.sign_in("mdurand", "", &json!({ "states": states, "cas": cas }))?;
            assert_eq!(said.passed(), passes, "CAS {cas}, {states}: {}", said.0);
            assert_eq!(asked.count() > last, !passes, "who passes is not asked about");
            last = asked.count();
        }
    }
    // Another attribute, with other words.
    script.configure(&[
        ("socket", &socket.display().to_string()),
        ("state-attribute", "SUPANNressourceetat"),
        ("active", "^on$"),
        ("not-active", "^off$"),
    ])?;
    assert!(script.sign_in("mdurand", "on", &json!({}))?.passed());
    assert!(!script.sign_in("mdurand", "", &json!({ "states": ["on", "off"] }))?.passed());
    Ok(())
}

#[test]
fn what_the_daemon_gets_is_the_person_their_language_their_address_and_the_way_back() -> Result<()> {
    let (_place, socket, asked) = recorder("{\"parameters\":{\"allow\":true,\"status\":\"active\"}}\0")?;
    let socket = socket.display().to_string();
    let mut script = Script::new()?;
    let login_url = "https://cas.univ.example/cas/login";
    script.configure(&[("socket", &socket), ("login-url", login_url)])?;
    let of = |script: &mut Script, over: Value| -> Result<Value> {
        let before = asked.count();
        let said = script.sign_in("mdurand", PROVISIONAL, &over)?;
        anyhow::ensure!(said.passed() && asked.count() == before + 1, "{}", said.0);
        Ok(asked.last())
    };
    let back = format!("{login_url}?service=https%3A%2F%2Fent.univ.example%2Faccueil%3Fa%3D1%26b%3D%C3%A9");
    let seven = of(&mut script, json!({}))?;
    let whole = json!({
        "login": "mdurand", "authenticated": true, "return_to": back, "locale": "fr",
        "client": { "ip": "192.0.2.7", "user_agent": "Mozilla/5.0" },
    });
    assert_eq!(seven, whole, "{SERVICE}");
    assert_eq!(of(&mut script, json!({ "locale": "en-GB" }))?["locale"], "en");
    assert_eq!(of(&mut script, json!({ "locale": "de" }))?["locale"], Value::Null);
    assert_eq!(of(&mut script, json!({ "service": null }))?["return_to"], login_url);
    // CAS 6 without inspektr's holder: the request's own address. CAS 5: neither, and nothing breaks.
    assert_eq!(of(&mut script, json!({ "cas": 6 }))?["client"]["ip"], "10.9.8.7");
    let five = of(&mut script, json!({ "cas": 5 }))?;
    assert_eq!(
        (&five["login"], &five["return_to"], &five["locale"]),
        (&json!("mdurand"), &json!(back), &Value::Null)
    );
    // What a browser says of itself must not make the request one that is refused.
    let odd = format!("Mozilla\r\n\u{0}\u{9f}{}", "x".repeat(5000));
    let agent = of(&mut script, json!({ "agent": odd }))?["client"]["user_agent"].clone();
    assert!(
        agent.as_str().is_some_and(|agent| agent.len() <= 512 && !agent.contains(char::is_control)),
        "{agent}"
    );
    Ok(())
}

#[test]
fn from_the_sign_in_through_activation_and_in() -> Result<()> {
    let scene = Scene::new()?;
    let mut script = Script::new()?;
    script.configure(&[("socket", &scene.daemon.layout().hook_socket().display().to_string())])?;
    let said = script.sign_in("mdurand", PROVISIONAL, &json!({}))?;
    let url = said.stopped()?.context("an address")?;
    let ticket = url.rsplit('/').next().context("a ticket")?;
    assert!(!said.log()?.contains(ticket));
    let mut walk = Walk::with_ticket(&scene, ticket, "fr")?;
    walk.prove("marie@ailleurs.example")?;
    walk.charter()?;
    walk.listing(true)?;
    walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    walk.password("Grand-Bateau-Bleu-17")?;
    // CAS fetches the attribute at the next sign-in; where it is a little behind, Parvis is asked, and says yes.
    assert!(script.sign_in("mdurand", PROVISIONAL, &json!({}))?.passed());
    let entry = scene.slapd.search(parvis_stand::slapd::PEOPLE, "(uid=mdurand)", &["supannRessourceEtat"])?;
    let states: Vec<&str> = entry.iter().flat_map(|entry| entry.values("supannRessourceEtat")).collect();
    let said = script.sign_in("mdurand", "", &json!({ "states": states }))?;
    assert_eq!(said.log()?, "INFO parvis: mdurand: passed by the directory", "{states:?}");
    Ok(())
}
