//! Every call: what goes over the wire, and what comes back out.

use parvis_protocol::hook::{Method, RefusalCode};
use serde_json::{Value, json};

use crate::daemon::{Daemon, nowhere};
use crate::run::{MARGIN, command, finish, run};

fn step() -> Value {
    json!({
        "step": "recovery-address", "session": "s2", "expires": "2026-09-01T10:00:00+02:00", "sign_in_url": null,
        "view": {
            "login": "mdupont", "name": "Marie Dupont", "locale": "fr", "title": "t", "lead": "l",
            "progress": { "current": 1, "total": 5 }, "deadline": null, "recovery": { "offered": null },
            "sent": null, "charter": null, "listing": null, "mail": null, "password": null, "done": null
        }
    })
}

/// A request of each call without what may be absent, and an answer.
fn example(method: Method) -> (Value, Value) {
    match method {
        Method::Check => (
            json!({ "login": "l", "authenticated": true }),
            json!({ "allow": true, "status": "active", "url": null, "message": null, "deadline": null }),
        ),
        Method::Open => (json!({ "login": "l" }), step()),
        Method::Enter => (json!({ "ticket": "t" }), step()),
        Method::Authenticate => (json!({ "login": "l", "password": "p" }), step()),
        Method::RecoveryAddress => (json!({ "session": "s", "address": "a@example.org" }), step()),
        Method::Look => (
            json!({ "link": "k" }),
            json!({ "purpose": "forward", "usable": "yes", "address": "a•••@example.org", "deadline": null,
                    "at": null, "message": "m" }),
        ),
        Method::Redeem => (json!({ "link": "k" }), step()),
        Method::Charter => (json!({ "session": "s", "version": "3", "accepted": true }), step()),
        Method::Listing => (json!({ "session": "s" }), step()),
        Method::Mail => (json!({ "session": "s", "keep_copy": true }), step()),
        Method::Password => (json!({ "session": "s", "password": "p" }), step()),
        Method::State | Method::Resend | Method::Restart => (json!({ "session": "s" }), step()),
        Method::Bounce => (json!({ "message": "RnJvbTogeA==" }), json!({ "taken": false })),
    }
}

#[test]
fn each_goes_out_and_comes_back() {
    for method in Method::ALL {
        let (request, answer) = example(*method);
        let daemon = Daemon::answering(&answer);
        let input = if *method == Method::Bounce { "From: x".to_owned() } else { request.to_string() };
        let ended = run(&daemon.socket(), &[method.as_str()], input.as_bytes());
        assert_eq!((ended.code, ended.error.as_str()), (0, ""), "{method}");

        let call = daemon.call();
        assert_eq!(call["method"], json!(method.full_name()));
        let mut sent = call["parameters"].clone();
        sent.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        assert_eq!(sent, request, "{method}");

        let mut printed = answer;
        printed["schema"] = json!(1);
        printed["ok"] = json!(true);
        assert_eq!(ended.json(), printed, "{method}");
        assert!(ended.output.starts_with("{\"schema\":1,\"ok\":true,"), "{}", ended.output);
    }
}

#[test]
fn a_person_who_may_not_pass() {
    let answer = json!({ "allow": false, "status": "needs-activation", "url": "https://x/", "message": "m",
                         "deadline": null });
    let daemon = Daemon::answering(&answer);
    let ended = run(&daemon.socket(), &["check"], br#"{"login": "l", "authenticated": true}"#);
    assert_eq!((ended.code, ended.error.as_str()), (1, ""));
    let printed = ended.json();
    assert_eq!(
        (&printed["ok"], &printed["allow"], &printed["url"]),
        (&json!(true), &json!(false), &answer["url"])
    );
}

#[test]
fn each_refusal() {
    for code in RefusalCode::ALL {
        let refusal = json!({
            "code": code, "field": "link", "message": "des mots", "then": "sign-in", "sign_in_url": "https://x/",
            "help": "help@example.org", "lost_letter": "la DRH", "retry_after": 60, "at": "2026-09-01T10:00:00+02:00", "step": "mail"
        });
        let daemon = Daemon::failing("org.parvis.Hook.Refused", &refusal);
        for call in ["check", "redeem"] {
            let input: &[u8] = if call == "check" {
                br#"{"login": "l", "authenticated": true}"#
            } else {
                br#"{"link": "k"}"#
            };
            let ended = run(&daemon.socket(), &[call], input);
            assert_eq!(ended.code, if *code == RefusalCode::Unavailable { 75 } else { 1 }, "{code}");
            assert_eq!(ended.json(), json!({ "schema": 1, "ok": false, "refusal": refusal }));
            assert_eq!(ended.error, "");
        }
    }
}

#[test]
fn a_refusal_of_a_newer_daemon_is_passed_on_as_it_was_said() {
    for (field, word) in [("code", "of-the-year-2030"), ("then", "dance"), ("step", "biometrics")] {
        let mut refusal =
            json!({ "code": "link-used", "message": "des mots", "then": "sign-in", "new": [1] });
        refusal[field] = json!(word);
        let daemon = Daemon::failing("org.parvis.Hook.Refused", &refusal);
        let ended = run(&daemon.socket(), &["redeem"], br#"{"link": "k"}"#);
        assert_eq!((ended.code, ended.error.as_str()), (1, ""), "{field}");
        assert_eq!(ended.json(), json!({ "schema": 1, "ok": false, "refusal": refusal }), "{field}");
    }
}

#[test]
fn a_bounce_goes_out_as_it_is_and_is_cut_where_it_is_long() {
    let daemon = Daemon::answering(&json!({ "taken": true }));
    let mut mail = b"From: <>\r\n\0\xff".to_vec();
    assert_eq!(run(&daemon.socket(), &["bounce"], &mail).code, 0);
    assert_eq!(daemon.call()["parameters"]["message"], json!("RnJvbTogPD4NCgD/"));

    mail.resize(1_000_000, b'x');
    assert_eq!(run(&daemon.socket(), &["bounce"], &mail).code, 0);
    let sent = daemon.call()["parameters"]["message"].as_str().expect("a text").len();
    assert_eq!(sent, parvis_protocol::limits::BOUNCE_MAX.div_ceil(3) * 4);
}

#[test]
fn the_environment_may_say_where_the_daemon_is() {
    let daemon = Daemon::answering(&json!({ "taken": true }));
    let mut by_environment = command(&["bounce"]);
    by_environment.env("PARVIS_SOCKET", daemon.socket());
    assert_eq!(finish(by_environment, b"x", true).code, 0);
    let mut overruled = command(&["bounce", "--socket"]);
    overruled.arg(nowhere()).env("PARVIS_SOCKET", daemon.socket());
    assert_eq!(finish(overruled, b"x", true).code, 69);
}

#[test]
fn help_and_version() {
    for argument in ["--help", "-h", "--version", "-V"] {
        let ended = finish(command(&[argument]), b"", true);
        assert_eq!((ended.code, ended.error.as_str()), (0, ""));
        assert!(ended.output.starts_with("parvis-hook"), "{}", ended.output);
        assert!(ended.elapsed < MARGIN);
    }
    let help = finish(command(&["--help"]), b"", true).output;
    for method in Method::ALL {
        assert!(help.split([' ', '\n', ',']).any(|word| word == method.as_str()), "{method}");
    }
}
