//! The second gate, which is configuration alone; and the portal's other entrances.

use anyhow::{Context, Result, ensure};
use parvis_stand::binaries::workspace;
use parvis_stand::lemon::Ports;
use parvis_stand::run;
use parvis_stand::scene::{SceneOptions, at};
use parvis_stand::{Lemon, LemonOptions, Reply, Scene};
use serde_json::{Value, json};

use crate::support::{ACTIVE, Campus, LOCKED, NEW, configured, person};

/// What docs/lemonldap.md gives to copy: the second block of JSON there.
fn documented() -> Result<Value> {
    let page = std::fs::read_to_string(workspace().join("docs/lemonldap.md"))?;
    let blocks: Vec<&str> =
        page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let block = blocks.iter().find(|block| block.contains("grantSessionRules"));
    Ok(serde_json::from_str(block.context("docs/lemonldap.md has no second gate")?)?)
}

#[test]
fn without_the_plugin_the_attribute_alone_keeps_the_door() -> Result<()> {
    let options = LemonOptions { plugin: false, conf: documented()?, ..LemonOptions::default() };
    let campus = Campus::with(SceneOptions::default(), options, &[])?;
    let closed = |login: &str| -> Result<()> {
        let reply = campus.sign_in(login)?;
        ensure!(reply.cookie("lemonldap").is_none(), "{login}: {:?}", reply.headers);
        ensure!(reply.body.contains("Votre compte n’est pas actif"), "{login}: {}", reply.body);
        let (status, said) = campus.sign_in_json(login)?;
        ensure!((status, at(&said, "/result")) == (401, &json!(0)), "{login}: {status} {said}");
        Ok(())
    };
    closed(NEW)?;
    closed(LOCKED)?;
    campus.scene.slapd.replace(
        &person(NEW).dn,
        "supannRessourceEtat",
        &["{COMPTE}A:SupannActif", "{COMPTE}I:SupannCree"],
    )?;
    closed(NEW)?;
    campus.scene.slapd.replace(&person(NEW).dn, "supannRessourceEtat", &[])?;
    closed(NEW)?;
    campus.enters(ACTIVE)?;
    ensure!(campus.lemon.decisions().is_empty(), "the plugin is there");
    // Without both gates anybody enters: the test can fail.
    let open = Campus::with(
        SceneOptions::default(),
        LemonOptions { plugin: false, ..LemonOptions::default() },
        &[],
    )?;
    open.enters(LOCKED).map(drop)
}

#[test]
fn with_both_gates_people_are_still_sent_to_activation() -> Result<()> {
    let campus = Campus::with(SceneOptions::default(), configured(documented()?), &[])?;
    campus.sent_to_activation(&campus.sign_in(NEW)?)?;
    campus.enters(ACTIVE).map(drop)
}

/// `POST /sessions/global/ID?auth`: what a handler with AuthBasic asks the portal.
fn auth_basic(campus: &Campus, login: &str) -> Result<Reply> {
    let script = "use Lemonldap::NG::Common::Crypto; \
                  print Lemonldap::NG::Common::Crypto->new('a-key-of-the-stand-2741')->encrypt(time)";
    let secret = run::expect(&run::program("perl")?, &["-e", script], b"")?;
    let id = format!("{:064x}", 0x5eed_u32 + u32::from(login == ACTIVE));
    let password = person(login).provisional_password;
    let form = [("user", login), ("password", password.as_str()), ("secret", secret.trim())];
    campus.lemon.post(&format!("/sessions/global/{id}?auth"), &[("Accept", "application/json")], &form)
}

#[test]
fn a_handler_with_basic_authentication_gets_no_session_for_a_provisional_person() -> Result<()> {
    let campus = Campus::with(SceneOptions::default(), configured(json!({ "restSessionServer": 1 })), &[])?;
    let reply = auth_basic(&campus, NEW)?;
    ensure!(reply.status == 401, "{} {}", reply.status, reply.body);
    campus.nobody_is_in(&reply)?;
    assert_eq!(campus.decided(), "mdurand: sent to activation");
    let reply = auth_basic(&campus, ACTIVE)?;
    ensure!(reply.status == 200, "{} {} {}", reply.status, reply.body, campus.lemon.log());
    assert_eq!(campus.lemon.sessions()?.len(), 1);
    Ok(())
}

#[test]
fn a_second_factor_is_asked_of_nobody_who_may_not_pass() -> Result<()> {
    // A second factor by mail, for everybody.
    let conf = json!({ "mail2fActivation": 1, "SMTPServer": "127.0.0.1", "SMTPPort": 9, "mailFrom": "p@univ.example" });
    let campus = Campus::with(SceneOptions::default(), configured(conf), &[])?;
    let reply = campus.sign_in(NEW)?;
    campus.sent_to_activation(&reply)?;
    ensure!(!reply.body.contains("mail2fcheck"));
    let reply = campus.sign_in(ACTIVE)?;
    ensure!(reply.cookie("lemonldap").is_none(), "the second factor is not asked: the test proves nothing");
    Ok(())
}

#[test]
fn whoever_is_locked_before_the_second_factor_is_given_does_not_enter() -> Result<()> {
    let ports = Ports::free()?;
    let scene = Scene::start(SceneOptions { config: ports.daemon_config(), ..SceneOptions::default() })?;
    let conf = json!({
        "mail2fActivation": 1, "SMTPServer": "127.0.0.1", "SMTPPort": scene.inbox.port(), "SMTPTLS": "",
        "mailFrom": "portal@univ.example", "mail2fCodeRegex": "[0-9]{6}",
    });
    let params = vec![("parvisSocket".to_owned(), scene.daemon.layout().hook_socket().display().to_string())];
    let lemon = Lemon::start(&scene.slapd, ports, &LemonOptions { conf, params, ..LemonOptions::default() })?;
    let campus = Campus { lemon, scene };
    let give = |between: &dyn Fn() -> Result<()>| -> Result<Reply> {
        let before = campus.scene.inbox.last_number();
        let form = campus.sign_in(ACTIVE)?;
        let token = form.body.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let token = token.with_context(|| format!("no second factor: {}", form.body))?;
        let mail = campus.scene.mail("cbernard@univ.example", before)?.readable();
        let digits = mail.split(|c: char| !c.is_ascii_digit()).filter(|word| word.len() == 6);
        let code = digits.last().with_context(|| format!("no code: {mail}"))?.to_owned();
        between()?;
        campus.lemon.post("/mail2fcheck", &[], &[("token", token), ("code", &code)])
    };
    let reply = give(&|| {
        let locked = ["{COMPTE}S:SupannVerrouAdministratif"];
        campus.scene.slapd.replace(&person(ACTIVE).dn, "supannRessourceEtat", &locked)
    })?;
    campus.told(&reply, "Ce compte est verrouillé")?;
    crate::support::activate(&campus.scene, ACTIVE)?;
    let reply = give(&|| Ok(()))?;
    ensure!(reply.cookie("lemonldap").is_some(), "{} {}", reply.body, campus.lemon.log());
    Ok(())
}

#[test]
fn a_wrong_configuration_opens_no_door_and_says_what_is_wrong() -> Result<()> {
    for (key, value, words) in [
        ("parvisTimout", "2", "there is no key parvisTimout"),
        ("parvisTimeout", "0", "timeout is a number of seconds"),
        ("parvisActive", "(", "parvisActive is no regular expression"),
        ("parvisHook", "/nowhere/parvis-hook", "hook is not a program"),
        ("parvisUrl", "http://sso.univ.example", "url begins with https://"),
    ] {
        let campus = Campus::with(
            SceneOptions::default(),
            LemonOptions { workers: 1, ..LemonOptions::default() },
            &[(key, value)],
        )?;
        let reply = campus.sign_in(ACTIVE)?;
        ensure!(reply.status == 500, "{key}: {}", reply.status);
        campus.nobody_is_in(&reply)?;
        ensure!(campus.lemon.log().contains(words), "{key}: {}", campus.lemon.log());
    }
    Ok(())
}
