//! The daemon is told of another mail server while mails are under way.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use parvis_stand::{Behaviour, Inbox, InboxOptions, Scene, Stage, Walk, run};
use parvis_suites::{LONG, status_now};
use serde_json::json;

use crate::mail::{ADDRESS, delivery_is, give, scene};

/// From now on the daemon has this mail server; it was told so often before.
fn move_to(scene: &Scene, host: &str, inbox: &Inbox, times: usize) -> Result<()> {
    let file = scene.daemon.layout().path().join("conf.d/60-mail.toml");
    std::fs::write(file, format!("[mail]\nhost = {host:?}\nport = {}\n", inbox.port()))?;
    scene.daemon.hangup()?;
    scene.daemon.wait_notification("READY=1", times + 2, LONG)?;
    assert!(!scene.daemon.log_contains("not reloaded"), "{}", scene.daemon.log());
    Ok(())
}

#[test]
fn a_reload_takes_the_next_mail_to_the_new_server_and_those_that_waited_for_the_old() -> Result<()> {
    let scene = scene("")?;
    let mut other = Inbox::start(InboxOptions::default())?;
    let mail = |login: &str| -> Result<(Walk<'_>, String)> {
        let (mut walk, address) = (scene.open(login)?, format!("{login}@ailleurs.example"));
        walk.step("recovery-address", json!({ "address": address }), "recovery-link")?;
        Ok((walk, address))
    };
    let goes_on = |mut walk: Walk<'_>, inbox: &Inbox, address: &str| -> Result<()> {
        let link = parvis_stand::scene::link(&*inbox.wait_for(address, |_| true, LONG)?)?;
        walk.step("redeem", json!({ "link": link }), "charter").map(drop)
    };
    let (mut walk, first) = mail("mdurand")?;
    delivery_is(&mut walk, "sent")?;
    // The connection to the old server is still open, and is not used again.
    move_to(&scene, "localhost", &other, 0)?;
    let (second_walk, second) = mail("tpetit")?;
    goes_on(second_walk, &other, &second)?;
    goes_on(walk, &scene.inbox, &first)?;
    // One waits for a server that is down, one was in the middle of it when it fell silent.
    other.close();
    let (mut third_walk, third) = mail("lnguyen")?;
    delivery_is(&mut third_walk, "deferred")?;
    other.script_connections(None, Behaviour::Silence(Stage::Data));
    other.open()?;
    let before = other.counts().recipients;
    let (fourth_walk, fourth) = mail("dcohen")?;
    let begun = run::until(LONG, || Ok((other.counts().recipients > before).then_some(())))?;
    assert!(begun.is_some(), "the old server was never asked");
    move_to(&scene, "127.0.0.1", &scene.inbox, 1)?;
    goes_on(third_walk, &scene.inbox, &third)?;
    goes_on(fourth_walk, &scene.inbox, &fourth)?;
    status_now(&scene.daemon, "everything works")?;
    other.behave();
    let of = |inbox: &Inbox| -> BTreeSet<String> {
        let to: Vec<String> = inbox.messages().iter().flat_map(|mail| mail.to.clone()).collect();
        let each = to.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(each.len(), to.len(), "somebody was mailed twice: {to:?}");
        each
    };
    assert_eq!(of(&scene.inbox), BTreeSet::from([first, third, fourth]));
    assert_eq!(of(&other), BTreeSet::from([second]));
    Ok(())
}

#[test]
fn a_reload_to_a_server_that_takes_our_mails_does_not_wait_out_the_one_that_took_none() -> Result<()> {
    let scene = scene("")?;
    let refused = Behaviour::Answer(Stage::Mail, "550 5.7.1 sender not allowed".to_owned());
    scene.inbox.script_connections(None, refused);
    let walk = give(&scene, ADDRESS)?;
    status_now(&scene.daemon, "sender not allowed")?;
    let other = Inbox::start(InboxOptions::default())?;
    move_to(&scene, "127.0.0.1", &other, 0)?;
    // The old one would be asked again after half a minute.
    other.wait_for(ADDRESS, |mail| mail.links().len() == 1, Duration::from_secs(10))?;
    status_now(&scene.daemon, "everything works")?;
    drop(walk);
    assert!(scene.inbox.messages_to(ADDRESS).is_empty());
    Ok(())
}
