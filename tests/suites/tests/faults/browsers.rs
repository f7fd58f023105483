//! Two browsers, two devices, one account: the enrolment belongs to the person.

use anyhow::Result;
use parvis_stand::{Scene, SceneOptions, Walk};
use parvis_suites::{Raw, refusal};
use serde_json::{Value, json};

const ADDRESS: &str = "marie@ailleurs.example";

#[test]
fn a_link_opened_on_another_device_moves_the_waiting_page_on_and_hands_nothing_out() -> Result<()> {
    let scene = Scene::new()?;
    let mut walk = scene.open("mdurand")?;
    walk.step("recovery-address", json!({ "address": ADDRESS }), "recovery-link")?;
    let link = walk.link(ADDRESS, 0)?;
    let mut waiting = Raw::connect(&scene.daemon.layout().hook_socket())?;
    waiting.call("org.parvis.Hook.State", &json!({ "session": walk.session }), true)?;
    // First where it is, and perhaps that the mail was sent.
    let mut answer = waiting.receive()?.expect("an answer");
    assert_eq!(
        (&answer["parameters"]["step"], &answer["continues"]),
        (&json!("recovery-link"), &json!(true))
    );
    let (code, elsewhere) = scene.daemon.hook("redeem", &json!({ "link": link }))?;
    assert_eq!((code, elsewhere["step"].as_str()), (0, Some("sign-in")), "{elsewhere}");
    assert_eq!((&elsewhere["session"], &elsewhere["view"]), (&Value::Null, &Value::Null));
    assert!(elsewhere["sign_in_url"].is_string());
    while answer["parameters"]["step"] == "recovery-link" {
        answer = waiting.receive()?.expect("the page that waits is told");
    }
    assert_eq!(answer["parameters"]["step"], "charter", "{answer}");
    let (code, state) = walk.call("state", json!({}))?;
    assert_eq!((code, state["step"].as_str()), (0, Some("charter")));
    // Pressed again, there or here: it was used, and the page says when.
    let (_, again) = scene.daemon.hook("redeem", &json!({ "link": link }))?;
    assert_eq!(refusal(&again), "link-used");
    assert!(again["refusal"]["at"].is_string());
    let (_, looked) = scene.daemon.hook("look", &json!({ "link": link }))?;
    assert_eq!(looked["usable"], "used");
    // The other device signs in with the letter, and is where the first one is.
    let other = scene.open("mdurand")?;
    assert_eq!(other.last["step"], "charter");
    Ok(())
}

#[test]
fn a_session_of_somebody_else_is_as_good_as_none_for_a_link() -> Result<()> {
    let scene = Scene::new()?;
    let mut marie = scene.open("mdurand")?;
    marie.step("recovery-address", json!({ "address": ADDRESS }), "recovery-link")?;
    let link = marie.link(ADDRESS, 0)?;
    let mut paul = scene.open("pmoreau")?;
    let (code, answer) = paul.call("redeem", json!({ "link": link }))?;
    assert_eq!((code, answer["step"].as_str(), &answer["session"]), (0, Some("sign-in"), &Value::Null));
    let (_, state) = paul.call("state", json!({}))?;
    assert_eq!(
        (state["step"].as_str(), state["view"]["login"].as_str()),
        (Some("recovery-address"), Some("pmoreau"))
    );
    Ok(())
}

#[test]
fn two_browsers_at_once_share_the_enrolment_and_each_keeps_its_session() -> Result<()> {
    let scene = Scene::new()?;
    let mut one = Walk::enter(&scene, "mdurand", Some("https://ent.univ.example/one"))?;
    let mut two = Walk::open(&scene, "mdurand")?;
    one.prove(ADDRESS)?;
    let (_, state) = two.call("state", json!({}))?;
    assert_eq!(state["step"], "charter", "what one did, two sees");
    two.charter()?;
    one.step("listing", json!({ "listed": true }), "mail")?;
    // Both at the same moment, and differently: one of the two answers stands, and both pages agree.
    let (a, b) = (one.session.clone(), two.session.clone());
    std::thread::scope(|threads| -> Result<()> {
        let answers: Vec<_> = [(&a, true), (&b, false)]
            .map(|(session, listed)| {
                let scene = &scene;
                threads.spawn(move || {
                    scene.daemon.hook("listing", &json!({ "session": session, "listed": listed }))
                })
            })
            .into_iter()
            .map(|thread| thread.join().expect("a browser panicked"))
            .collect();
        for answer in answers {
            assert_eq!(answer?.0, 0);
        }
        Ok(())
    })?;
    one.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    let (_, state) = two.call("state", json!({}))?;
    assert_eq!(state["step"], "password");
    two.password("Violet-mandarine-77")?;
    let done = one.password("Violet-mandarine-77")?;
    assert_eq!(
        done["view"]["done"]["return_to"], "https://ent.univ.example/one",
        "each goes back to its own"
    );
    assert_eq!(two.last["view"]["done"]["return_to"], Value::Null);
    let mails = scene.inbox.messages_to(ADDRESS);
    assert!(mails.iter().filter(|mail| mail.links().is_empty()).count() <= 1, "one notice at most");
    Ok(())
}

#[test]
fn where_the_site_says_anywhere_a_recovery_link_goes_on_where_it_is_opened_and_no_other_does() -> Result<()> {
    let scene = Scene::start(SceneOptions {
        config: "[links]\nrecovery-link-continues = \"anywhere\"\n".to_owned(),
        ..SceneOptions::default()
    })?;
    let mut first = scene.open("mdurand")?;
    first.step("recovery-address", json!({ "address": ADDRESS }), "recovery-link")?;
    let link = first.link(ADDRESS, 0)?;
    let (code, here) = scene.daemon.hook("redeem", &json!({ "link": link }))?;
    assert_eq!((code, here["step"].as_str()), (0, Some("charter")), "{here}");
    let session = here["session"].as_str().expect("a session");
    let (code, state) = scene.daemon.hook("state", &json!({ "session": session }))?;
    assert_eq!((code, state["step"].as_str()), (0, Some("charter")));
    let (_, state) = first.call("state", json!({}))?;
    assert_eq!(state["step"], "charter", "the first moves on as well");
    first.last = state;
    first.charter()?;
    first.listing(true)?;
    let before = scene.inbox.last_number();
    first.step(
        "mail",
        json!({ "forward": "forward@ailleurs.example", "keep_copy": true }),
        "forward-link",
    )?;
    let forward = first.link("forward@ailleurs.example", before)?;
    let (_, elsewhere) = scene.daemon.hook("redeem", &json!({ "link": forward }))?;
    assert_eq!((elsewhere["step"].as_str(), &elsewhere["session"]), (Some("sign-in"), &Value::Null));
    Ok(())
}

#[test]
fn a_ticket_is_used_once() -> Result<()> {
    let scene = Scene::new()?;
    let (_, checked) = scene.daemon.hook("check", &json!({ "login": "mdurand", "authenticated": true }))?;
    let ticket = checked["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let (code, _) = scene.daemon.hook("enter", &json!({ "ticket": ticket }))?;
    assert_eq!(code, 0);
    let (code, again) = scene.daemon.hook("enter", &json!({ "ticket": ticket }))?;
    assert_eq!((code, refusal(&again)), (1, "ticket-unusable"));
    Ok(())
}
