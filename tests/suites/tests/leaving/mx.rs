//! A warning that an address's domain takes no mail: in the answer, on the page's form, and never more than a warning.

use parvis_stand::{Dns, Nonsense, Scene, SceneOptions};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

fn start(server: Option<SocketAddr>) -> Scene {
    let config = server.map(|server| {
        format!("[mail]\nmx-lookup = true\nmx-servers = [\"{server}\"]\n[log]\nfilter = \"trace\"\n")
    });
    let config = config.unwrap_or_default() + "[limits]\naccount-address = \"100/1h\"\n";
    Scene::start(SceneOptions { config, ..SceneOptions::default() }).unwrap()
}

/// What is said of an address at step 3, and that its mail is sent whatever that is.
fn said(scene: &Scene, walk: &mut parvis_stand::Walk<'_>, address: &str) -> Value {
    let begun = Instant::now();
    let answer = walk.step("recovery-address", json!({ "address": address }), "recovery-link").unwrap();
    assert!(
        begun.elapsed() < Duration::from_millis(1900),
        "{:?}: parvis-hook waits two seconds",
        begun.elapsed()
    );
    scene.mail(address, 0).unwrap();
    answer["view"]["sent"]["unreachable"].clone()
}

#[test]
fn a_domain_that_takes_no_mail_is_said_and_nothing_is_refused_for_it() {
    let dns = Dns::start().unwrap();
    let scene = start(Some(dns.address()));
    let mut walk = scene.open("mdurand").unwrap();
    for (address, expected) in [
        ("marie@laposte.example", Value::Null),
        ("marie@null.example", json!(true)),
        ("marie@nothing-of-the-kind.example", json!(true)),
        ("marie@address-alone.example", Value::Null),
        ("marie@elsewhere.test", Value::Null),
    ] {
        assert_eq!(said(&scene, &mut walk, address), expected, "{address}");
    }
    let again =
        walk.step("recovery-address", json!({ "address": "marie@null.example" }), "recovery-link").unwrap();
    assert_eq!(again["view"]["sent"]["unreachable"], true, "{again}");
    let state = walk.step("state", json!({}), "recovery-link").unwrap();
    assert_eq!(state["view"]["sent"]["unreachable"], true, "the page that waits still says it");
    for domain in ["null.example", "nothing-of-the-kind"] {
        assert!(!scene.daemon.log_contains(domain), "a person's domain in the log");
    }
}

#[test]
fn a_name_server_that_says_nothing_or_nonsense_warns_of_nothing() {
    for nonsense in [Nonsense::Silence, Nonsense::Failure, Nonsense::AliasOfItself, Nonsense::AnotherQuestion]
    {
        let server = nonsense.serve().unwrap();
        let scene = start(Some(server.address()));
        let mut walk = scene.open("mdurand").unwrap();
        assert_eq!(said(&scene, &mut walk, "marie@strange.example"), Value::Null, "{nonsense:?}");
    }
}

#[test]
fn nothing_is_looked_up_unless_it_is_asked_for() {
    let scene = start(None);
    let mut walk = scene.open("mdurand").unwrap();
    assert_eq!(said(&scene, &mut walk, "marie@nothing-of-the-kind.example"), Value::Null);
}
