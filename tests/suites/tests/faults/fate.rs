//! What the person on the page and the help desk are told of a mail that has not simply been taken.

use anyhow::{Context, Result};
use parvis_stand::{Behaviour, Scene, Stage, Walk, run};
use parvis_suites::{LONG, show, shown, times};
use serde_json::{Value, json};

use super::mail::{ADDRESS, delivery_is, give, scene};

fn uuid(scene: &Scene) -> Result<String> {
    let person = parvis_stand::small().remove(0);
    let entry = scene.slapd.entry(&person.dn)?.context("nobody is there")?;
    Ok(entry.get("entryUUID").context("no UUID")?.to_owned())
}

/// The last link's mail, as the help desk sees it.
fn told(shown: &Value) -> String {
    shown["links"].to_string()
}

/// Waits until the page says this of its mail.
fn detail_is(walk: &mut Walk<'_>, wanted: &str) -> Result<()> {
    let mut last = Value::Null;
    let found = run::until(LONG, || {
        last = walk.call("state", json!({ "locale": "en" }))?.1["view"]["sent"].clone();
        Ok(last["detail"].as_str().is_some_and(|detail| detail.contains(wanted)).then_some(()))
    })?;
    found.with_context(|| format!("the page never said {wanted:?}: {last}"))
}

fn answer(scene: &Scene, address: &str, stage: Stage, reply: &str) {
    scene.inbox.script(address, Behaviour::Answer(stage, reply.to_owned()));
}

#[test]
fn the_page_says_in_plain_words_why_a_mail_waits_and_says_it_anew_when_that_changes() -> Result<()> {
    let scene = scene("")?;
    answer(&scene, ADDRESS, Stage::Recipient, "450 4.2.0 Recipient address rejected: Greylisted");
    let mut walk = give(&scene, ADDRESS)?;
    detail_is(&mut walk, "asks us to come back later")?;
    // Tried again and again with the same answer: that is told once.
    let before = scene.inbox.counts().recipients;
    run::until(LONG, || Ok((scene.inbox.counts().recipients >= before + 3).then_some(())))?
        .context("it is not tried again")?;
    assert_eq!(times(&show(&scene.daemon, &uuid(&scene)?), "mail-deferred"), 1);
    answer(&scene, ADDRESS, Stage::Recipient, "452 4.2.2 <marie@ailleurs.example> is over quota");
    detail_is(&mut walk, "The mailbox is full")?;
    let full = shown(&scene.daemon, &uuid(&scene)?, |shown| told(shown).contains("over quota"))?;
    assert_eq!(times(&full, "mail-deferred"), 2, "{full}");
    answer(&scene, ADDRESS, Stage::Dot, "451 4.3.0 queue file write error");
    detail_is(&mut walk, "Our own mail service")?;
    let (_, state) = walk.call("state", json!({ "locale": "en" }))?;
    let lead = state["view"]["lead"].to_string();
    assert!(lead.contains("could not be delivered to m•••@a•••.example yet"), "{lead}");
    assert_eq!(state["view"]["sent"]["at"], Value::Null, "it was not taken: {state}");
    scene.inbox.behave();
    delivery_is(&mut walk, "sent")?;
    let (_, state) = walk.call("state", json!({}))?;
    assert_eq!(state["view"]["sent"]["detail"], Value::Null, "{state}");
    Ok(())
}

#[test]
fn while_nothing_is_sent_at_all_the_page_says_so() -> Result<()> {
    let scene = scene("")?;
    let refused = Behaviour::Answer(Stage::Mail, "550 5.7.1 sender not allowed".to_owned());
    scene.inbox.script_connections(None, refused);
    let mut walk = give(&scene, ADDRESS)?;
    detail_is(&mut walk, "Our sending is paused")?;
    let (_, state) = walk.call("state", json!({ "locale": "fr" }))?;
    assert_eq!(state["view"]["sent"]["delivery"], "queued", "{state}");
    scene.inbox.behave();
    scene.daemon.hangup()?;
    delivery_is(&mut walk, "sent")
}

#[test]
fn a_mail_that_is_given_up_at_its_deadline_says_with_what_it_was_put_off() -> Result<()> {
    let scene = scene("[links]\nrecovery = \"2s\"\n")?;
    answer(&scene, ADDRESS, Stage::Recipient, "451 4.3.0 later");
    drop(give(&scene, ADDRESS)?);
    let shown = shown(&scene.daemon, &uuid(&scene)?, |shown| times(shown, "mail-given-up") == 1)?;
    let link = told(&shown);
    assert!(link.contains("given up") && link.contains("its deadline has passed; before that: "), "{link}");
    assert!(link.contains("451 4.3.0 later"), "{link}");
    Ok(())
}

#[test]
fn a_mail_that_is_never_confirmed_comes_three_times_and_no_more() -> Result<()> {
    let mut scene = scene("")?;
    scene.inbox.script_connections(None, Behaviour::CutAfterDot);
    let mut walk = give(&scene, ADDRESS)?;
    detail_is(&mut walk, "nobody confirmed")?;
    delivery_is(&mut walk, "sent")?;
    let person = uuid(&scene)?;
    let shown = shown(&scene.daemon, &person, |shown| times(shown, "mail-unconfirmed") == 1)?;
    assert!(told(&shown).contains("not confirmed, perhaps arrived: end of message: "), "{shown}");
    drop(walk);
    // Nothing of it is left that a restart would send.
    scene.daemon.restart()?;
    scene.inbox.behave();
    drop(scene.open("pmoreau").and_then(|mut walk| {
        walk.step("recovery-address", json!({ "address": "paul@courriel.example" }), "recovery-link")
    })?);
    scene.inbox.wait_for("paul@courriel.example", |_| true, LONG)?;
    let mails = scene.inbox.messages_to(ADDRESS);
    let ids: std::collections::BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!((mails.len(), ids.len()), (3, 1));
    Ok(())
}
