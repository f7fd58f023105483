//! Mail servers that do what real ones will not do on demand, and what the person who waits sees of it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use parvis_stand::{Behaviour, Scene, SceneOptions, Stage, Walk, run, small};
use parvis_suites::{LONG, shown};
use serde_json::{Value, json};

const ADDRESS: &str = "marie@ailleurs.example";
const QUICK: &str = "[mail]\nretry-first = \"300ms\"\nretry-longest = \"1s\"\ntimeout = \"500ms\"\n";

fn scene() -> Result<Scene> {
    Scene::start(SceneOptions { config: QUICK.to_owned(), ..SceneOptions::default() })
}

fn give<'s>(scene: &'s Scene, login: &str, address: &str) -> Result<Walk<'s>> {
    let mut walk = scene.open(login)?;
    walk.step("recovery-address", json!({ "address": address }), "recovery-link")?;
    Ok(walk)
}

/// Waits until the page would say so; what it says then.
fn delivery_is(walk: &mut Walk<'_>, wanted: &str) -> Result<Value> {
    let found = run::until(LONG, || {
        let (_, state) = walk.call("state", json!({}))?;
        Ok((state["view"]["sent"]["delivery"] == wanted).then_some(state))
    })?;
    Ok(found.unwrap_or_else(|| panic!("the delivery never was {wanted}")))
}

/// Everything that is kept of the first person.
fn kept(scene: &Scene, what: &str) -> Result<Value> {
    let uuid = scene.slapd.entry(&small().remove(0).dn)?.unwrap().get("entryUUID").unwrap().to_owned();
    shown(&scene.daemon, &uuid, |shown| parvis_suites::happened(shown, what))
}

#[test]
fn greylisting_is_waited_out_and_the_page_says_that_it_waits() -> Result<()> {
    let scene = scene()?;
    scene.inbox.script("@ailleurs.example", Behaviour::Greylist(Duration::from_secs(2)));
    let mut walk = give(&scene, "mdurand", ADDRESS)?;
    delivery_is(&mut walk, "deferred")?;
    delivery_is(&mut walk, "sent")?;
    let tried = scene.inbox.counts().recipients;
    assert!((2..=10).contains(&tried), "{tried} tries");
    assert_eq!(scene.inbox.messages_to(ADDRESS).len(), 1);
    assert!(kept(&scene, "mail-deferred")?.to_string().contains("greylisted"), "the help desk sees why");
    let link = walk.link(ADDRESS, 0)?;
    walk.step("redeem", json!({ "link": link }), "charter")?;
    Ok(())
}

#[test]
fn a_421_in_mid_session_costs_the_connection_and_no_mail() -> Result<()> {
    let scene = scene()?;
    // One connection is kept, and says 421 to its second mail.
    let mut first = give(&scene, "mdurand", ADDRESS)?;
    delivery_is(&mut first, "sent")?;
    let line = "421 4.7.0 too many mails, goodbye".to_owned();
    for (login, stage) in [("tpetit", Stage::Recipient), ("lnguyen", Stage::Data), ("pmoreau", Stage::Dot)] {
        let address = format!("{login}@ailleurs.example");
        scene.inbox.script(&address, Behaviour::Answer(stage, line.clone()));
        let mut walk = give(&scene, login, &address)?;
        delivery_is(&mut walk, "deferred")?;
        let connections = scene.inbox.counts().connections;
        scene.inbox.behave();
        delivery_is(&mut walk, "sent")?;
        assert!(scene.inbox.counts().connections > connections, "{stage:?}: another connection");
        assert_eq!(scene.inbox.messages_to(&address).len(), 1, "{stage:?}");
    }
    Ok(())
}

#[test]
fn a_reply_after_the_dot_that_never_comes_repeats_the_mail_under_the_same_message_id() -> Result<()> {
    let scene = scene()?;
    scene.inbox.script_connections(Some(2), Behaviour::SilenceAfterDot);
    let mut walk = give(&scene, "mdurand", ADDRESS)?;
    delivery_is(&mut walk, "sent")?;
    let mails = scene.inbox.messages_to(ADDRESS);
    let ids: BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    let bytes: BTreeSet<_> = mails.iter().map(|mail| mail.raw.clone()).collect();
    assert_eq!((mails.len(), ids.len(), bytes.len()), (3, 1, 1));
    Ok(())
}

#[test]
fn replies_of_eight_kilobytes_are_cut_before_anybody_keeps_them() -> Result<()> {
    let scene = scene()?;
    let long = format!("450 4.2.0 {}", "because ".repeat(1000));
    scene.inbox.script(ADDRESS, Behaviour::Answer(Stage::Recipient, long));
    let mut walk = give(&scene, "mdurand", ADDRESS)?;
    let state = delivery_is(&mut walk, "deferred")?;
    assert!(state.to_string().len() < 4000, "{state}");
    let kept = kept(&scene, "mail-deferred")?.to_string();
    assert!(kept.contains("because because") && kept.matches("because").count() < 100, "{kept}");
    scene.inbox.behave();
    delivery_is(&mut walk, "sent")?;
    Ok(())
}
