//! The service's account is shut for a while: that is said in words, costs nobody anything, and ends by itself.

use std::time::Duration;

use parvis_stand::{Daemon, SceneOptions, Walk};
use parvis_suites::status_now;
use serde_json::json;

use crate::ground::Ground;
use crate::story::{Campus, QUICK};

const SOON: Duration = Duration::from_secs(60);

/// What the server calls it.
fn words(ground: &Ground) -> &'static str {
    match ground.server.name() {
        "389 Directory Server" => "unwillingToPerform",
        _ => "invalidCredentials",
    }
}

fn status(daemon: &Daemon) -> String {
    let out = daemon.ctl(&["status"]).unwrap();
    String::from_utf8([out.stdout, out.stderr].concat()).unwrap()
}

fn a_bind_that_is_refused_is_said_and_gone_on_with(ground: Ground) {
    let mut campus = Campus::reached(ground, &SceneOptions::default(), QUICK);
    campus.daemon.wait_status("everything works", SOON).unwrap();
    let invited = "marie.durand@laposte.example";
    campus.inbox.wait_for(invited, |_| true, SOON).unwrap();
    // Somebody is in the middle of it.
    let person = campus.authenticated("elefevre");
    let mut walk = Walk::beside(&campus.daemon, &campus.inbox, &person.login).unwrap();
    walk.prove("eleonore@ailleurs.example").unwrap();

    campus.ground.shut(true);
    // Whoever is bound stays bound: a refusal shows when the connections have to be made anew.
    campus.ground.server.restart().unwrap();
    let words = words(&campus.ground);
    campus.daemon.wait_status(words, SOON).unwrap();
    campus.daemon.wait_log(words, SOON).unwrap();
    let said = status(&campus.daemon);
    assert!(said.contains(words) && !said.contains(campus.ground.server.service().1), "{said}");
    let asked = json!({ "login": person.login, "authenticated": true });
    let (_, checked) = campus.daemon.hook("check", &asked).unwrap();
    assert_ne!(checked["status"], "active", "{checked}");
    let mut late = campus.ground.stranger("entretemps");
    late.personal_mail = Some("entretemps@ailleurs.example".to_owned());
    campus.ground.server.add_person(&late).unwrap();

    campus.ground.shut(false);
    campus.inbox.wait_for("entretemps@ailleurs.example", |_| true, SOON).unwrap();
    status_now(&campus.daemon, "everything works").unwrap();
    let said = status(&campus.daemon);
    assert!(!said.contains(words), "{said}");
    walk.charter().unwrap();
    let (_, checked) = campus.daemon.hook("check", &asked).unwrap();
    assert_eq!(checked["status"], "needs-activation", "{checked}");
    for address in [invited, "entretemps@ailleurs.example"] {
        assert_eq!(campus.inbox.messages_to(address).len(), 1, "{address}");
    }
}

crate::on_every_directory!(a_bind_that_is_refused_is_said_and_gone_on_with);
