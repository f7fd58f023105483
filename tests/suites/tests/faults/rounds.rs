//! The directory changes its mind half-way: accounts locked, activated elsewhere, deleted, renamed, provisional anew.

use anyhow::{Context, Result};
use parvis_stand::slapd::PEOPLE;
use parvis_stand::{Person, Scene, SceneOptions, Walk, run, small};
use parvis_suites::{LONG, refusal, shown};
use serde_json::{Value, json};

use crate::watch::INVITING;

const PROVISIONAL: &str = "{COMPTE}I:SupannCree";
const ACTIVE: &str = "{COMPTE}A:SupannActif";
const LOCKED: &str = "{COMPTE}S:SupannVerrouAdministratif";

fn marie() -> Person {
    small().remove(0)
}

fn set(scene: &Scene, state: &str) -> Result<()> {
    scene.slapd.replace(&marie().dn, "supannRessourceEtat", &[state])
}

/// Waits until this browser is told so; as a page does, it asks.
fn told(walk: &mut Walk<'_>, wanted: &str) -> Result<Value> {
    let found = run::until(LONG, || {
        let (_, answer) = walk.call("state", json!({}))?;
        Ok(Some(answer).filter(|answer| refusal(answer) == wanted))
    })?;
    found
        .with_context(|| format!("this browser was never told {wanted}: {:?}", walk.call("state", json!({}))))
}

fn looked(scene: &Scene, link: &str) -> Result<Value> {
    Ok(scene.daemon.hook("look", &json!({ "link": link }))?.1)
}

/// Half-way: the address given, its link not used.
fn half_way(scene: &Scene) -> Result<(Walk<'_>, String)> {
    let mut walk = scene.open("mdurand")?;
    walk.step("recovery-address", json!({ "address": "marie@ailleurs.example" }), "recovery-link")?;
    let link = walk.link("marie@ailleurs.example", 0)?;
    assert_eq!(looked(scene, &link)?["usable"], "yes");
    Ok((walk, link))
}

fn link_is_dead(scene: &Scene, walk: &mut Walk<'_>, link: &str) -> Result<()> {
    let seen = looked(scene, link)?;
    assert_eq!(seen["usable"], "superseded", "{seen}");
    let (code, answer) = walk.call("redeem", json!({ "link": link }))?;
    assert_eq!((code, refusal(&answer)), (1, "link-superseded"), "{answer}");
    Ok(())
}

#[test]
fn an_account_that_is_locked_half_way_closes_and_opens_again_when_it_is_unlocked() -> Result<()> {
    let scene = Scene::new()?;
    let (mut walk, link) = half_way(&scene)?;
    set(&scene, LOCKED)?;
    let answer = told(&mut walk, "account-locked")?;
    assert_eq!(answer["refusal"]["then"], "contact", "{answer}");
    link_is_dead(&scene, &mut walk, &link)?;
    let (code, checked) =
        scene.daemon.hook("check", &json!({ "login": "mdurand", "authenticated": true }))?;
    assert_eq!((code, checked["status"].as_str(), &checked["url"]), (1, Some("locked"), &Value::Null));
    let (_, opened) = scene.daemon.hook("open", &json!({ "login": "mdurand" }))?;
    assert_eq!(refusal(&opened), "account-locked");
    set(&scene, PROVISIONAL)?;
    told(&mut walk, "session-unknown")?;
    link_is_dead(&scene, &mut walk, &link)?;
    let mut again = scene.open("mdurand")?;
    assert_eq!(again.last["step"], "recovery-address");
    again.prove("marie@ailleurs.example")
}

#[test]
fn an_account_that_is_activated_elsewhere_half_way_is_done_with() -> Result<()> {
    let scene = Scene::new()?;
    let (mut walk, link) = half_way(&scene)?;
    set(&scene, ACTIVE)?;
    let answer = told(&mut walk, "not-provisional")?;
    assert_eq!(answer["refusal"]["then"], "sign-in", "{answer}");
    link_is_dead(&scene, &mut walk, &link)?;
    let (code, checked) =
        scene.daemon.hook("check", &json!({ "login": "mdurand", "authenticated": true }))?;
    assert_eq!((code, checked["status"].as_str()), (0, Some("active")));
    Ok(())
}

#[test]
fn an_account_that_is_deleted_half_way_is_gone_and_its_name_is_another_person() -> Result<()> {
    let scene = Scene::new()?;
    let (mut walk, link) = half_way(&scene)?;
    scene.slapd.delete(&marie().dn)?;
    let answer = told(&mut walk, "account-gone")?;
    assert_eq!(answer["refusal"]["then"], "contact", "{answer}");
    link_is_dead(&scene, &mut walk, &link)?;
    let (code, checked) =
        scene.daemon.hook("check", &json!({ "login": "mdurand", "authenticated": true }))?;
    assert_eq!((code, checked["status"].as_str()), (1, Some("unknown")));
    scene.slapd.add_person(&marie())?;
    let fresh = scene.open("mdurand")?;
    assert_eq!(fresh.last["step"], "recovery-address");
    assert_eq!(told(&mut walk, "account-gone")?["refusal"]["then"], "contact", "the old one stays gone");
    link_is_dead(&scene, &mut walk, &link)
}

#[test]
fn a_person_who_is_renamed_half_way_goes_on_under_the_new_name() -> Result<()> {
    let scene = Scene::new()?;
    let (mut walk, link) = half_way(&scene)?;
    let renamed = format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=mmartin\ndeleteoldrdn: 1\n", marie().dn);
    scene.slapd.modify(&renamed)?;
    let known = run::until(LONG, || {
        let (code, answer) = walk.call("state", json!({}))?;
        assert_eq!(code, 0, "{answer}");
        Ok((answer["view"]["login"] == "mmartin").then_some(()))
    })?;
    assert!(known.is_some(), "{}", walk.last);
    walk.step("redeem", json!({ "link": link }), "charter")?;
    walk.charter()?;
    walk.listing(true)?;
    walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    walk.password("Violet-mandarine-77")?;
    assert!(scene.slapd.bind_works(&format!("uid=mmartin,{PEOPLE}"), "Violet-mandarine-77")?);
    Ok(())
}

#[test]
fn a_person_who_is_renamed_while_nobody_watches_still_finishes() -> Result<()> {
    let mut scene = Scene::new()?;
    let session = {
        let mut walk = scene.open("mdurand")?;
        walk.prove("marie@ailleurs.example")?;
        walk.charter()?;
        walk.listing(true)?;
        walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
        walk.session
    };
    scene.daemon.kill9();
    let renamed = format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=mmartin\ndeleteoldrdn: 1\n", marie().dn);
    scene.slapd.modify(&renamed)?;
    scene.daemon.restart()?;
    let request = json!({ "session": session, "password": "Violet-mandarine-77" });
    let done = run::until(LONG, || {
        let (code, answer) = scene.daemon.hook("password", &request)?;
        assert!([0, 75].contains(&code), "{answer}");
        Ok((code == 0).then_some(answer))
    })?;
    assert_eq!(done.unwrap()["view"]["done"]["login"], "mmartin");
    assert!(scene.slapd.bind_works(&format!("uid=mmartin,{PEOPLE}"), "Violet-mandarine-77")?);
    Ok(())
}

#[test]
fn an_account_that_is_provisional_anew_begins_a_new_round_in_which_nothing_of_the_old_one_counts()
-> Result<()> {
    let scene = Scene::start(SceneOptions { config: INVITING.to_owned(), ..SceneOptions::default() })?;
    let invitations = |count: usize| -> Result<()> {
        let enough = run::until(LONG, || {
            let mails = scene.inbox.messages_to("marie.durand@laposte.example");
            Ok((mails.len() == count).then_some(()))
        })?;
        assert!(enough.is_some(), "not {count} invitations");
        Ok(())
    };
    invitations(1)?;
    let (mut walk, link) = half_way(&scene)?;
    let uuid = scene.slapd.entry(&marie().dn)?.unwrap().get("entryUUID").unwrap().to_owned();
    // Activated elsewhere, then a new letter: half-way through the first round.
    set(&scene, ACTIVE)?;
    told(&mut walk, "not-provisional")?;
    set(&scene, PROVISIONAL)?;
    let round = |number: u32| shown(&scene.daemon, &uuid, |shown| shown["person"]["round"] == number);
    round(2)?;
    invitations(2)?;
    assert_eq!(refusal(&walk.call("state", json!({}))?.1), "session-unknown");
    link_is_dead(&scene, &mut walk, &link)?;
    let mut second = scene.open("mdurand")?;
    second.prove("second@ailleurs.example")?;
    second.charter()?;
    second.listing(true)?;
    second.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    second.password("Violet-mandarine-77")?;
    // And again after step 10.
    scene.slapd.replace(&marie().dn, "supannRessourceEtat", &[PROVISIONAL])?;
    round(3)?;
    assert_eq!(refusal(&second.call("state", json!({}))?.1), "session-unknown");
    let third = scene.open("mdurand")?;
    assert_eq!(third.last["step"], "recovery-address");
    Ok(())
}
