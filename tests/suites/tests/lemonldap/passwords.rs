//! No way of the portal's own to a new password is a way past the steps.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use parvis_stand::inbox::InboxOptions;
use parvis_stand::lemon::Ports;
use parvis_stand::slapd::{ADMIN_DN, ADMIN_PASSWORD};
use parvis_stand::{Inbox, Lemon, LemonOptions, Scene, SceneOptions};
use serde_json::{Value, json};

use crate::support::{ACTIVE, Campus, NEW, configured, must_reset, person};

/// A portal that may write passwords, as portals with these doors open may.
fn writing(mut conf: Value) -> Value {
    let account = [("managerDn", ADMIN_DN), ("managerPassword", ADMIN_PASSWORD)];
    for (key, value) in account {
        conf.as_object_mut().expect("an object is given").insert(key.to_owned(), json!(value));
    }
    conf
}

const OTHER: &str = "Autre-mot-2026-xyz";

/// The directory still takes the old password, and not the other.
fn unchanged(campus: &Campus, login: &str) -> Result<()> {
    let someone = person(login);
    ensure!(campus.scene.slapd.bind_works(&someone.dn, &someone.provisional_password)?, "{login}: changed");
    ensure!(!campus.scene.slapd.bind_works(&someone.dn, OTHER)?, "{login}: changed");
    Ok(())
}

#[test]
fn the_portals_own_form_changes_no_provisional_password() -> Result<()> {
    let campus = Campus::with(SceneOptions::default(), configured(writing(json!({}))), &[])?;
    let change = |login: &str| {
        let old = person(login).provisional_password;
        let fields =
            [("user", login), ("oldpassword", &old), ("newpassword", OTHER), ("confirmpassword", OTHER)];
        campus.lemon.post("/", &[], &fields)
    };
    must_reset(&campus.scene, NEW)?;
    let reply = change(NEW)?;
    campus.told(&reply, "Le mot de passe de ce compte ne peut pas être changé ici")?;
    unchanged(&campus, NEW)?;
    ensure!(campus.decided().starts_with("mdurand: password: "), "{}", campus.lemon.log());
    // The daemon cannot say.
    campus.scene.daemon.pause()?;
    let reply = change(NEW)?;
    campus.scene.daemon.resume()?;
    campus.nobody_is_in(&reply)?;
    unchanged(&campus, NEW)?;
    // An active person may.
    change(ACTIVE)?;
    ensure!(campus.scene.slapd.bind_works(&person(ACTIVE).dn, OTHER)?, "{}", campus.lemon.log());
    Ok(())
}

#[test]
fn the_portals_rest_server_resets_no_provisional_password() -> Result<()> {
    let campus =
        Campus::with(SceneOptions::default(), configured(writing(json!({ "restPasswordServer": 1 }))), &[])?;
    let reset = |login: &str| {
        let body = json!({ "user": login, "password": OTHER }).to_string();
        campus.lemon.post_json("/proxy/pwdReset", &body)
    };
    let reply = reset(NEW)?;
    ensure!(reply.body.contains("false"), "{} {}", reply.body, campus.lemon.log());
    unchanged(&campus, NEW)?;
    let reply = reset(ACTIVE)?;
    ensure!(reply.body.contains("true"), "{} {}", reply.body, campus.lemon.log());
    Ok(())
}

#[test]
fn a_link_by_mail_resets_no_provisional_password() -> Result<()> {
    let ports = Ports::free()?;
    let scene = Scene::start(SceneOptions { config: ports.daemon_config(), ..SceneOptions::default() })?;
    let post = Inbox::start(InboxOptions::default())?;
    let conf = writing(json!({
        "portalDisplayResetPassword": 1, "SMTPServer": "127.0.0.1", "SMTPPort": post.port(), "SMTPTLS": "",
        "mailFrom": "portal@univ.example", "mailLDAPFilter": "(&(mail=$mail)(objectClass=inetOrgPerson))",
        "passwordPolicySpecialChar": "__ALL__",
    }));
    let params = vec![("parvisSocket".to_owned(), scene.daemon.layout().hook_socket().display().to_string())];
    let lemon = Lemon::start(&scene.slapd, ports, &LemonOptions { conf, params, ..LemonOptions::default() })?;
    let campus = Campus { lemon, scene };
    for login in [NEW, ACTIVE] {
        let address = format!("{login}@univ.example");
        campus.lemon.post("/resetpwd", &[], &[("mail", &address)])?;
        let mail = post.wait_for(&address, |_| true, Duration::from_secs(30))?;
        let text = mail.readable().replace("&amp;", "&");
        let token =
            text.split("mail_token=").nth(1).and_then(|rest| rest.split(['&', '"', ' ', '\n']).next());
        let token = token.with_context(|| format!("no token: {text}"))?.trim().to_owned();
        let form = campus.lemon.get(&format!("/resetpwd?mail_token={token}"), &[])?;
        let once = form.body.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let once = once.with_context(|| format!("no form: {}", form.body))?;
        let fields =
            [("token", once), ("mail_token", &token), ("newpassword", OTHER), ("confirmpassword", OTHER)];
        let reply = campus.lemon.post("/resetpwd", &[], &fields)?;
        let changed = campus.scene.slapd.bind_works(&person(login).dn, OTHER)?;
        ensure!(changed == (login == ACTIVE), "{login}: {} {}", reply.body, campus.lemon.log());
    }
    unchanged(&campus, NEW)
}
