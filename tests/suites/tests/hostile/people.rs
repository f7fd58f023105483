//! Who exists is nobody's business: logins that are filters, accounts that look alike, limits that outlive a restart.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parvis_stand::{SUFFIX, Scene, SceneOptions, Walk};
use parvis_suites::{Raw, refusal};
use serde_json::{Value, json};

use crate::unharmed;

const GENEROUS: &str = "[limits]\naccount-sign-in = \"100000/1h\"\n";

#[test]
fn a_login_that_is_a_filter_or_a_name_in_the_directory_is_nobodys() -> Result<()> {
    let scene = Scene::new()?;
    let session = Walk::open(&scene, "mdurand")?.session;
    for login in [
        "*",
        "m*",
        "mdurand*",
        "*durand",
        "*)(uid=*",
        "mdurand)(uid=*",
        "mdurand)(|(uid=*",
        ")(uid=mdurand",
        "(uid=mdurand)",
        "uid=mdurand,ou=people,dc=univ,dc=example",
        "cn=parvis,ou=services,dc=univ,dc=example",
        "\\2a",
        "\\6ddurand",
        "mdurand\\",
        "mdurand\\00",
        "&",
        "|",
        "!",
        "",
        "mdurand)(objectClass=*",
        "mdurand,mdurand",
        "{login}",
        "{{login}}",
        "mdurand\u{200b}",
        "mdurаnd",
        "cbernard)(uid=cbernard",
        "cbernard*",
    ] {
        let (code, answer) = scene.daemon.hook("check", &json!({ "login": login, "authenticated": true }))?;
        assert_eq!((code, answer["status"].as_str()), (1, Some("unknown")), "{login:?}: {answer}");
        let (_, opened) = scene.daemon.hook("open", &json!({ "login": login }))?;
        assert_eq!(refusal(&opened), "account-gone", "{login:?}: {opened}");
    }
    unharmed(&scene, &session, "recovery-address")
}

#[test]
fn without_proof_check_says_the_same_of_everybody() -> Result<()> {
    let scene = Scene::new()?;
    let mut answers = BTreeMap::new();
    for login in ["mdurand", "cbernard", "rlemoine", "nobody-at-all", "*"] {
        let (code, answer) =
            scene.daemon.hook("check", &json!({ "login": login, "authenticated": false }))?;
        assert_eq!((code, &answer["url"]), (1, &Value::Null));
        answers.entry(answer.to_string()).or_insert_with(Vec::new).push(login);
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    Ok(())
}

/// Login and password of each kind of person who is not let in.
const REFUSED: [(&str, &str, &str); 6] = [
    ("unknown", "nobody-at-all", "Kivo-4821-Tepa"),
    ("a filter", "mdurand)(uid=*", "Kivo-4821-Tepa"),
    ("active, right password", "cbernard", "Deja-arrivee-2024"),
    ("active, wrong password", "cbernard", "wrong-password-1"),
    ("locked, right password", "rlemoine", "Suno-4460-Pavi"),
    ("provisional, wrong password", "mdurand", "wrong-password-1"),
];

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[test]
fn whoever_is_refused_at_authenticate_is_refused_in_the_same_words_and_the_same_time() -> Result<()> {
    const ROUNDS: usize = 60;
    let scene = Scene::start(SceneOptions { config: GENEROUS.to_owned(), ..SceneOptions::default() })?;
    // The directory's own lock after failures has its own time, and is the directory's business.
    scene.slapd.replace(&format!("cn=default,ou=policies,{SUFFIX}"), "pwdLockout", &["FALSE"])?;
    let mut raw = Raw::connect(&scene.daemon.layout().hook_socket())?;
    let mut words = BTreeMap::new();
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let mut ask = |login: &str, password: &str| -> Result<(Value, Duration)> {
        let begun = Instant::now();
        raw.call("org.parvis.Hook.Authenticate", &json!({ "login": login, "password": password }), false)?;
        let answer = raw.receive()?.context("closed")?;
        Ok((answer, begun.elapsed()))
    };
    // What a bind costs is learnt first.
    for _ in 0..20 {
        ask("mdurand", "wrong-password-1")?;
    }
    for round in 0..ROUNDS {
        for at in 0..REFUSED.len() {
            let (kind, login, password) = REFUSED[(at + round) % REFUSED.len()];
            let (answer, took) = ask(login, password)?;
            assert_eq!(answer["parameters"]["code"], "sign-in-refused", "{kind}: {answer}");
            words.entry(answer.to_string()).or_insert_with(Vec::new).push(kind);
            times.entry(kind).or_default().push(took);
        }
    }
    assert_eq!(words.len(), 1, "{words:#?}");
    let medians: BTreeMap<&str, Duration> =
        times.iter_mut().map(|(kind, times)| (*kind, median(times))).collect();
    let real = medians["provisional, wrong password"];
    // A timer rounds up to a millisecond; the rest is the machine's noise: how far apart the real ones are themselves.
    let own = &times["provisional, wrong password"];
    let spread =
        own.get(own.len() * 3 / 4).copied().unwrap_or(real) - own.get(own.len() / 4).copied().unwrap_or(real);
    let noise = Duration::from_millis(3).max(spread);
    for (kind, median) in &medians {
        assert!(median.abs_diff(real) < noise, "{kind}: {median:?}, and who exists: {real:?}; {medians:#?}");
    }
    Ok(())
}

#[test]
fn limits_hold_for_each_login_whether_it_exists_or_not_and_outlive_a_restart() -> Result<()> {
    let mut scene = Scene::start(SceneOptions {
        config: "[limits]\naccount-sign-in = \"3/1h\"\n".to_owned(),
        ..SceneOptions::default()
    })?;
    let ask = |scene: &Scene, login: &str| -> Result<Value> {
        let request = json!({ "login": login, "password": "wrong-password-1" });
        let (code, answer) = scene.daemon.hook("authenticate", &request)?;
        assert_eq!(code, 1, "{answer}");
        Ok(answer)
    };
    for login in ["mdurand", "nobody-at-all", "cbernard"] {
        for _ in 0..3 {
            assert_eq!(refusal(&ask(&scene, login)?), "sign-in-refused", "{login}");
        }
        for spelt in [login.to_owned(), login.to_uppercase()] {
            let answer = ask(&scene, &spelt)?;
            assert_eq!(refusal(&answer), "too-many-attempts", "{spelt}: {answer}");
            let wait = answer["refusal"]["retry_after"].as_u64().unwrap_or_default();
            assert!((60..=1201).contains(&wait), "{answer}");
        }
    }
    for kill in [true, false] {
        if kill {
            scene.daemon.kill9();
        }
        scene.daemon.restart()?;
        for login in ["mdurand", "nobody-at-all", "cbernard"] {
            assert_eq!(refusal(&ask(&scene, login)?), "too-many-attempts", "{login} after a restart");
        }
        assert_eq!(refusal(&ask(&scene, if kill { "pmoreau" } else { "lnguyen" })?), "sign-in-refused");
    }
    Ok(())
}

#[test]
fn a_login_has_one_limit_in_whatever_spelling_the_directory_takes_for_it() -> Result<()> {
    let scene = Scene::start(SceneOptions {
        config: "[limits]\naccount-sign-in = \"4/1h\"\n".to_owned(),
        ..SceneOptions::default()
    })?;
    let mut codes = Vec::new();
    for login in ["mdurand", "MDURAND", " mdurand", "ｍdurand", "mｄurand", "mdｕrand", "ｍｄｕｒａｎｄ"]
    {
        let request = json!({ "login": login, "password": "wrong-password-1" });
        codes.push(refusal(&scene.daemon.hook("authenticate", &request)?.1).to_owned());
    }
    assert_eq!(codes.iter().filter(|code| *code == "sign-in-refused").count(), 4, "{codes:?}");
    assert_eq!(codes.last().map(String::as_str), Some("too-many-attempts"), "{codes:?}");
    Ok(())
}

#[test]
fn an_address_is_not_mailed_more_often_than_the_limit_whoever_asks() -> Result<()> {
    let mut scene = Scene::start(SceneOptions {
        config: "[limits]\naddress = \"2/24h\"\n".to_owned(),
        ..SceneOptions::default()
    })?;
    let victim = "victim@ailleurs.example";
    for (count, login) in ["mdurand", "pmoreau", "lnguyen", "dcohen"].into_iter().enumerate() {
        if count == 3 {
            scene.daemon.restart()?;
        }
        let mut walk = Walk::open(&scene, login)?;
        let (code, answer) = walk.call("recovery-address", json!({ "address": victim }))?;
        if count < 2 {
            assert_eq!(code, 0, "{answer}");
        } else {
            assert_eq!((code, refusal(&answer)), (1, "too-many-attempts"), "{login}: {answer}");
            assert!(answer["refusal"]["retry_after"].as_u64().is_some_and(|wait| wait > 60), "{answer}");
        }
    }
    scene.inbox.wait_count(2, parvis_suites::LONG)?;
    assert_eq!(scene.inbox.messages_to(victim).len(), 2);
    Ok(())
}
