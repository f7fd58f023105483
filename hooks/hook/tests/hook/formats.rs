//! The same answer in each SSO's words: also, and above all, where there is none.

use serde_json::{Value, json};

use crate::daemon::{Daemon, nowhere};
use crate::run::{Ended, command, finish, run};

fn check(daemon: &Daemon, format: &str, locale: &str) -> Ended {
    let input = json!({ "login": "l", "authenticated": true, "locale": locale }).to_string();
    run(&daemon.socket(), &["check", "--as", format], input.as_bytes())
}

fn answer(allow: bool, status: &str, url: Option<&str>, message: Option<&str>) -> Daemon {
    Daemon::answering(&json!({ "allow": allow, "status": status, "url": url, "message": message }))
}

#[test]
fn an_interrupt_lets_an_active_person_through() {
    let ended = check(&answer(true, "active", None, None), "cas-interrupt", "fr");
    assert_eq!((ended.code, ended.output.as_str()), (0, "{\"interrupt\":false}\n"));
}

#[test]
fn an_interrupt_sends_a_provisional_person_on() {
    let daemon =
        answer(false, "needs-activation", Some("https://a/enter/t"), Some("Activez <votre> compte & co"));
    let ended = check(&daemon, "cas-interrupt", "fr-FR");
    let expected = json!({
        "interrupt": true, "block": true, "ssoEnabled": false, "autoRedirect": true,
        "links": { "Activer mon compte": "https://a/enter/t" },
        "message": "Activez &lt;votre&gt; compte &amp; co"
    });
    assert_eq!((ended.code, ended.json()), (1, expected));
    let english = check(&daemon, "cas-interrupt", "en").json();
    assert_eq!(english["links"], json!({ "Activate my account": "https://a/enter/t" }));
}

#[test]
fn an_interrupt_names_what_the_link_is_for() {
    let daemon = answer(false, "needs-charter", Some("https://a/"), Some("m"));
    let links = check(&daemon, "cas-interrupt", "en").json()["links"].clone();
    assert_eq!(links, json!({ "Read the acceptable use policy": "https://a/" }));
}

#[test]
fn an_interrupt_without_a_url_only_stops() {
    let ended = check(&answer(false, "locked", None, None), "cas-interrupt", "en");
    let printed = ended.json();
    assert_eq!((&printed["block"], &printed["autoRedirect"]), (&json!(true), &json!(false)));
    assert_eq!(printed["links"], json!({}));
    assert!(printed["message"].as_str().is_some_and(|message| message.starts_with("You cannot sign in")));
}

#[test]
fn an_acceptable_use_policy() {
    let accepted = check(&answer(true, "active", None, None), "cas-aup", "en");
    let expected = json!({ "accepted": true, "status": "active", "url": null, "message": null });
    assert_eq!((accepted.code, accepted.json()), (0, expected));

    let waiting = check(&answer(false, "needs-charter", Some("https://a/"), Some("m")), "cas-aup", "en");
    let expected =
        json!({ "accepted": false, "status": "needs-charter", "url": "https://a/", "message": "m" });
    assert_eq!((waiting.code, waiting.json()), (1, expected));
}

#[test]
fn nothing_but_the_exit_code() {
    for (allow, code) in [(true, 0), (false, 1)] {
        let ended = check(&answer(allow, "active", None, None), "exit-code", "fr");
        assert_eq!((ended.code, ended.output.as_str(), ended.error.as_str()), (code, "", ""));
    }
}

/// Every way to go wrong, with its exit code.
fn faults() -> Vec<(i32, Ended, Ended, Ended)> {
    let input = json!({ "login": "l", "authenticated": true }).to_string();
    let formats = ["cas-interrupt", "cas-aup", "exit-code"];
    let with = |daemon: Daemon| formats.map(|format| check(&daemon, format, "fr"));
    let refusal = |code: &str| {
        let parameters = json!({ "code": code, "message": "Plus tard.", "then": "wait" });
        with(Daemon::failing("org.parvis.Hook.Refused", &parameters))
    };
    let failing = |error: &str, parameters: Value| with(Daemon::failing(error, &parameters));
    let cases = [
        (64, formats.map(|format| finish(command(&["check", "--nonsense", "--as", format]), b"", true))),
        (65, formats.map(|format| run(nowhere(), &["check", "--as", format], b"[]"))),
        (69, formats.map(|format| run(nowhere(), &["check", "--as", format], input.as_bytes()))),
        (70, failing("org.parvis.Hook.Fault", json!({ "reference": "17" }))),
        (70, failing("org.example.Nonsense", json!({}))),
        (77, failing("org.parvis.Hook.NotPermitted", json!({ "call": "check", "role": "sso" }))),
        (75, refusal("unavailable")),
        (1, refusal("too-many-attempts")),
        (1, refusal("of-the-year-2030")),
    ];
    cases.into_iter().map(|(code, [interrupt, policy, nothing])| (code, interrupt, policy, nothing)).collect()
}

#[test]
fn a_fault_stops_the_person_in_every_format() {
    for (code, interrupt, policy, nothing) in faults() {
        assert_eq!([interrupt.code, policy.code, nothing.code], [code; 3]);
        let stopped = interrupt.json();
        for (field, expected) in
            [("interrupt", true), ("block", true), ("ssoEnabled", false), ("autoRedirect", false)]
        {
            assert_eq!(stopped[field], json!(expected), "{code}: {field}");
        }
        assert!(stopped["message"].as_str().is_some_and(|message| message.len() > 5));
        assert_eq!(policy.json()["accepted"], json!(false), "{code}");
        assert_eq!(nothing.output, "", "{code}");
    }
}

#[test]
fn a_mail_system_keeps_what_could_not_be_taken() {
    let taken = Daemon::answering(&json!({ "taken": false }));
    let pipe =
        |socket: &std::path::Path| run(socket, &["bounce", "--as", "pipe"], b"To: a@b.example\r\n\r\n");
    let silent = |ended: &Ended| ended.output.is_empty();
    let ended = pipe(&taken.socket());
    assert!(ended.code == 0 && silent(&ended));
    let not_permitted = json!({ "call": "bounce", "role": "mta" });
    let refused = Daemon::failing("org.parvis.Hook.NotPermitted", &not_permitted);
    for ended in [pipe(nowhere()), pipe(&refused.socket())] {
        assert!(ended.code == 75 && silent(&ended), "{ended:?}");
    }
    assert_eq!(
        run(nowhere(), &["bounce", "--as", "pipe", "--nonsense"], b"").code,
        75,
        "queued until it is mended"
    );
    assert_eq!(run(nowhere(), &["check", "--as", "pipe"], b"{}").code, 75);
}

#[test]
fn only_check_has_cas_s_words() {
    for format in ["cas-interrupt", "cas-aup"] {
        let ended = run(nowhere(), &["open", "--as", format], b"{}");
        assert_eq!(ended.code, 64);
        assert!(ended.json().get("schema").is_none(), "only that format is printed");
    }
}
