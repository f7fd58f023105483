//! The directory is stopped, frozen, restarted, or does not know us any more.

use std::time::{Duration, Instant};

use anyhow::Result;
use parvis_stand::slapd::{SERVICE_DN, SERVICE_PASSWORD};
use parvis_stand::{Fault, Scene, SceneOptions, Walk};
use parvis_suites::{LONG, admin, proxied, refusal, status_now};
use serde_json::{Value, json};

const FINE: &str = "everything works";

fn check(scene: &Scene, login: &str) -> Result<(i32, Value, Duration)> {
    let begun = Instant::now();
    let (code, answer) = scene.daemon.hook("check", &json!({ "login": login, "authenticated": true }))?;
    Ok((code, answer, begun.elapsed()))
}

/// `check` cannot know, and says so before the login page gives up, for the active and the provisional alike.
fn nobody_is_let_through(scene: &Scene) -> Result<()> {
    for login in ["cbernard", "mdurand", "nobody-at-all"] {
        let (code, answer, took) = check(scene, login)?;
        assert_eq!((code, refusal(&answer)), (75, "unavailable"), "{login}: {answer}");
        assert_eq!(answer["refusal"]["then"], "wait");
        assert!(answer["refusal"]["retry_after"].as_u64().is_some_and(|seconds| seconds > 0), "{answer}");
        assert!(took < Duration::from_secs(2), "{login}: {took:?}");
    }
    Ok(())
}

fn part(scene: &Scene, name: &str) -> Result<Value> {
    let status = admin(&scene.daemon, "Status", &json!({}))?;
    let parts = status["parts"].as_array().cloned().unwrap_or_default();
    Ok(parts.into_iter().find(|part| part["name"] == name).unwrap_or_default())
}

fn works_again(scene: &Scene) -> Result<()> {
    let (code, active, _) = check(scene, "cbernard")?;
    assert_eq!((code, active["status"].as_str()), (0, Some("active")), "{active}");
    let (code, provisional, _) = check(scene, "mdurand")?;
    assert_eq!((code, provisional["status"].as_str()), (1, Some("needs-activation")), "{provisional}");
    assert_eq!(part(scene, "directory")?["state"], "working");
    Ok(())
}

#[test]
fn nothing_works_before_the_directory_was_reached_and_that_is_no_warning() -> Result<()> {
    let (mut scene, proxy) = proxied(SceneOptions::default())?;
    scene.daemon.terminate()?;
    let before = scene.daemon.log().len();
    proxy.fault(Fault::Stall);
    scene.daemon.restart()?;
    assert_eq!(part(&scene, "directory")?["detail"], "connecting");
    assert_eq!(admin(&scene.daemon, "Status", &json!({}))?["ok"], false);
    assert_eq!(scene.daemon.ctl(&["status"])?.status.code(), Some(1));
    proxy.fault(Fault::None);
    status_now(&scene.daemon, FINE)?;
    assert_eq!(scene.daemon.ctl(&["status"])?.status.code(), Some(0));
    let log = scene.daemon.log();
    let warned = |line: &str| line.contains("WARN") && line.contains("part=\"directory\"");
    assert!(!log.get(before..).unwrap_or_default().lines().any(warned), "{log}");
    works_again(&scene)
}

#[test]
fn a_directory_that_is_down_is_said_and_waited_for_while_the_steps_go_on() -> Result<()> {
    let mut scene = Scene::new()?;
    status_now(&scene.daemon, FINE)?;
    let session = Walk::open(&scene, "mdurand")?.session;
    scene.slapd.stop()?;
    status_now(&scene.daemon, "directory: ")?;
    nobody_is_let_through(&scene)?;
    let down = part(&scene, "directory")?;
    assert_eq!(down["state"], "down", "{down}");
    assert!(down["detail"].as_str().is_some_and(|words| words.contains("ldaps://")), "{down}");
    // Nothing of this needs the directory.
    let asked = |call: &str, mut request: Value, session: &str| -> Result<Value> {
        request["session"] = json!(session);
        let (code, answer) = scene.daemon.hook(call, &request)?;
        assert_eq!(code, 0, "{call}: {answer}");
        Ok(answer)
    };
    asked("recovery-address", json!({ "address": "marie@ailleurs.example" }), &session)?;
    let link = parvis_stand::scene::link(&*scene.mail("marie@ailleurs.example", 0)?)?;
    let redeemed = asked("redeem", json!({ "link": link }), &session)?;
    let session = redeemed["session"].as_str().unwrap().to_owned();
    let version = redeemed["view"]["charter"]["version"].clone();
    asked("charter", json!({ "version": version, "accepted": true }), &session)?;
    asked("listing", json!({ "listed": true }), &session)?;
    let answer = asked("mail", json!({ "forward": null, "keep_copy": true }), &session)?;
    assert_eq!(answer["step"], "password");
    let request = json!({ "session": session, "password": "Violet-mandarine-77" });
    let (code, refused) = scene.daemon.hook("password", &request)?;
    assert_eq!((code, refusal(&refused)), (75, "unavailable"));
    scene.slapd.restart()?;
    status_now(&scene.daemon, FINE)?;
    works_again(&scene)?;
    let (code, done) = scene.daemon.hook("password", &request)?;
    assert_eq!((code, done["step"].as_str()), (0, Some("done")), "{done}");
    Ok(())
}

#[test]
fn a_directory_that_is_frozen_is_noticed_in_time_and_waited_for() -> Result<()> {
    let scene = Scene::new()?;
    status_now(&scene.daemon, FINE)?;
    works_again(&scene)?;
    scene.slapd.pause()?;
    nobody_is_let_through(&scene)?;
    let request = json!({ "login": "mdurand", "password": "Kivo-4821-Tepa" });
    let (code, answer) = scene.daemon.hook("authenticate", &request)?;
    assert_eq!((code, refusal(&answer)), (75, "unavailable"), "{answer}");
    status_now(&scene.daemon, "directory: ")?;
    scene.slapd.resume()?;
    status_now(&scene.daemon, FINE)?;
    works_again(&scene)
}

#[test]
fn a_directory_that_is_restarted_costs_nobody_more_than_a_moment() -> Result<()> {
    let mut scene = Scene::new()?;
    status_now(&scene.daemon, FINE)?;
    for _ in 0..3 {
        works_again(&scene)?;
        scene.slapd.kill9();
        scene.slapd.restart()?;
        let back = parvis_stand::run::until(LONG, || Ok((check(&scene, "cbernard")?.0 == 0).then_some(())))?;
        assert!(back.is_some(), "the daemon does not come back to the directory");
    }
    Ok(())
}

#[test]
fn a_directory_that_refuses_our_password_is_said_in_words_until_it_takes_it() -> Result<()> {
    let mut scene = Scene::new()?;
    status_now(&scene.daemon, FINE)?;
    scene.slapd.replace(SERVICE_DN, "userPassword", &["another-one"])?;
    scene.slapd.restart()?;
    let said = status_now(&scene.daemon, "rc=49")?;
    assert!(said.contains("directory: ") && said.contains("invalidCredentials"), "{said}");
    assert!(!said.contains(SERVICE_PASSWORD));
    nobody_is_let_through(&scene)?;
    scene.slapd.replace(SERVICE_DN, "userPassword", &[SERVICE_PASSWORD])?;
    status_now(&scene.daemon, FINE)?;
    works_again(&scene)
}
