//! The mail server is down, says no, says later, says nothing, or hangs up at the worst moment.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::{Behaviour, Scene, SceneOptions, Stage, Walk, run};
use parvis_suites::{LONG, Raw, admin, happened, refusal, show, shown, status_now};
use serde_json::{Value, json};

pub(crate) const ADDRESS: &str = "marie@ailleurs.example";
const QUICK: &str = "[mail]\nretry-first = \"300ms\"\nretry-longest = \"1s\"\ntimeout = \"1s\"\n[limits]\nresend-cooldown = \"1s\"\n";

pub(crate) fn scene(more: &str) -> Result<Scene> {
    Scene::start(SceneOptions { config: format!("{QUICK}{more}"), ..SceneOptions::default() })
}

pub(crate) fn give<'s>(scene: &'s Scene, address: &str) -> Result<Walk<'s>> {
    let mut walk = scene.open("mdurand")?;
    walk.step("recovery-address", json!({ "address": address }), "recovery-link")?;
    Ok(walk)
}

fn delivery(walk: &mut Walk<'_>) -> Result<Value> {
    let (_, state) = walk.call("state", json!({}))?;
    Ok(state["view"]["sent"]["delivery"].clone())
}

/// Waits until the page would say so; as a page does, it asks.
pub(crate) fn delivery_is(walk: &mut Walk<'_>, wanted: &str) -> Result<()> {
    let found = parvis_stand::run::until(LONG, || Ok((delivery(walk)? == wanted).then_some(())))?;
    assert!(found.is_some(), "the delivery never was {wanted}: {}", delivery(walk)?);
    Ok(())
}

fn goes_on(mut walk: Walk<'_>, address: &str) -> Result<()> {
    let link = walk.link(address, 0)?;
    walk.step("redeem", json!({ "link": link }), "charter")?;
    Ok(())
}

fn ids(scene: &Scene, address: &str) -> BTreeSet<String> {
    scene.inbox.messages_to(address).iter().filter_map(|mail| mail.header("Message-ID")).collect()
}

#[test]
fn a_mail_server_that_is_down_is_said_and_the_mail_comes_when_it_is_back() -> Result<()> {
    let mut scene = scene("")?;
    scene.inbox.close();
    let (code, opened) = scene.daemon.hook("open", &json!({ "login": "mdurand" }))?;
    assert_eq!(code, 0);
    let session = opened["session"].clone();
    let (code, _) =
        scene.daemon.hook("recovery-address", &json!({ "session": session, "address": ADDRESS }))?;
    assert_eq!(code, 0, "the step does not need the mail server");
    status_now(&scene.daemon, "mail: ")?;
    let state = || -> Result<Value> { Ok(scene.daemon.hook("state", &json!({ "session": session }))?.1) };
    let deferred = parvis_stand::run::until(LONG, || {
        Ok(Some(state()?).filter(|state| state["view"]["sent"]["delivery"] == "deferred"))
    })?;
    assert!(deferred.is_some(), "{}", state()?);
    scene.inbox.open()?;
    scene.inbox.wait_for(ADDRESS, |mail| mail.links().len() == 1, LONG)?;
    status_now(&scene.daemon, "everything works")?;
    Ok(())
}

#[test]
fn when_everybody_is_refused_mail_is_paused_and_a_reload_goes_on() -> Result<()> {
    let scene = scene("account-address = \"1000/1h\"\n")?;
    let mut walk = scene.open("mdurand")?;
    let types = |walk: &mut Walk<'_>, wrong: usize| -> Result<()> {
        for number in 0..wrong {
            let address = format!("nobody{number}@ailleurs.example");
            scene.inbox.script(&address, Behaviour::Reject);
            let (code, answer) = walk.call("recovery-address", json!({ "address": address }))?;
            assert_eq!(code, 0, "{answer}");
            let told = run::until(LONG, || Ok((walk.call("state", json!({}))?.0 == 1).then_some(())))?;
            assert!(told.is_some(), "the refusal of {address} never came");
        }
        Ok(())
    };
    // One person alone pauses nobody's mail, however many wrong addresses it types.
    types(&mut walk, 12)?;
    for login in ["elefevre", "sobrien", "jdelarue", "ybenali"] {
        types(&mut scene.open(login)?, 2)?;
    }
    status_now(&scene.daemon, "10 of the last 10 mails were refused for good")?;
    let before = scene.inbox.counts().recipients;
    walk.step("recovery-address", json!({ "address": ADDRESS }), "recovery-link")?;
    assert_eq!(delivery(&mut walk)?, "queued");
    // Whatever else is sent waits as well, and the page is told nothing wrong.
    let mut other = scene.open("pmoreau")?;
    other.step("recovery-address", json!({ "address": "paul@courriel.example" }), "recovery-link")?;
    status_now(&scene.daemon, "systemctl reload parvisd")?;
    assert_eq!(scene.inbox.counts().recipients, before, "nothing was tried");
    scene.daemon.hangup()?;
    scene.inbox.wait_for("paul@courriel.example", |_| true, LONG)?;
    scene.inbox.wait_for(ADDRESS, |_| true, LONG)?;
    status_now(&scene.daemon, "everything works")?;
    Ok(())
}

#[test]
fn before_production_every_mail_goes_to_one_address_and_says_for_whom_it_was() -> Result<()> {
    let config = "[mail]\nintercept = \"essais@univ.example\"\n".to_owned();
    let scene = Scene::start(SceneOptions { config, ..SceneOptions::default() })?;
    let mut walk = give(&scene, ADDRESS)?;
    let mail = scene.mail("essais@univ.example", 0)?;
    assert!(mail.subject().starts_with(&format!("[{ADDRESS}] ")), "{}", mail.subject());
    assert!(scene.inbox.messages_to(ADDRESS).is_empty());
    walk.step("redeem", json!({ "link": parvis_stand::scene::link(&mail)? }), "charter")?;
    assert!(scene.daemon.log_contains("mail.intercept"), "the log says so at the start");
    Ok(())
}

#[test]
fn a_message_that_is_refused_for_good_is_not_sent_again_and_again() -> Result<()> {
    let scene = scene("")?;
    let refused = Behaviour::Answer(Stage::Dot, "554 5.7.1 looks like spam".to_owned());
    scene.inbox.script(ADDRESS, refused);
    let mut walk = give(&scene, ADDRESS)?;
    let told = run::until(LONG, || Ok((walk.call("state", json!({}))?.0 == 1).then_some(())))?;
    assert!(told.is_some(), "the person was not told");
    // Longer than the first retries would have been.
    walk.step("recovery-address", json!({ "address": "other@ailleurs.example" }), "recovery-link")?;
    scene.inbox.wait_for("other@ailleurs.example", |_| true, LONG)?;
    assert_eq!(scene.inbox.counts().recipients, 2, "one try for each address");
    Ok(())
}

#[test]
fn a_mail_domain_and_the_campus_have_limits_of_their_own() -> Result<()> {
    let scene = scene("domain = \"2/1h\"\ncampus = \"3/1h\"\n")?;
    let mut walk = scene.open("mdurand")?;
    let mut give = |address: &str| -> Result<(i32, Value)> {
        walk.call("recovery-address", json!({ "address": address }))
    };
    assert_eq!((give("a@ailleurs.example")?.0, give("b@AILLEURS.example")?.0), (0, 0));
    let (_, refused) = give("c@ailleurs.example")?;
    assert_eq!(refusal(&refused), "too-many-attempts", "the domain has had its share: {refused}");
    waits(&refused, 1_800);
    assert_eq!(give("a@courriel.example")?.0, 0, "another domain has not");
    let (_, refused) = give("a@troisieme.example")?;
    assert_eq!(refusal(&refused), "too-many-attempts", "the campus has: {refused}");
    waits(&refused, 1_200);
    Ok(())
}

#[test]
fn a_person_has_a_limit_of_their_own() -> Result<()> {
    let scene = scene("account-address = \"2/1h\"\n")?;
    let mut walk = scene.open("mdurand")?;
    let mut give = |address: &str| -> Result<(i32, Value)> {
        walk.call("recovery-address", json!({ "address": address }))
    };
    assert_eq!((give("a@un.example")?.0, give("b@deux.example")?.0), (0, 0));
    let (_, refused) = give("c@trois.example")?;
    assert_eq!(refusal(&refused), "too-many-attempts", "{refused}");
    waits(&refused, 1_800);
    let mut other = scene.open("lnguyen")?;
    assert_eq!(
        other.call("recovery-address", json!({ "address": "c@trois.example" }))?.0,
        0,
        "nobody else's"
    );
    Ok(())
}

/// The refusal says for how many seconds at most.
fn waits(refused: &Value, most: i64) {
    let wait = refused["refusal"]["retry_after"].as_i64();
    assert!(wait.is_some_and(|wait| (1..=most).contains(&wait)), "{refused}");
}

#[test]
fn an_address_that_the_mail_system_refuses_is_said_and_can_be_corrected() -> Result<()> {
    let scene = scene("")?;
    scene.inbox.script("typo@ailleurs.example", Behaviour::Reject);
    let mut walk = give(&scene, "typo@ailleurs.example")?;
    let refused = parvis_stand::run::until(LONG, || {
        Ok(Some(walk.call("state", json!({}))?).filter(|(code, _)| *code == 1))
    })?;
    let (_, refused) = refused.expect("the refusal never came");
    assert_eq!(refusal(&refused), "address-refused", "{refused}");
    assert_eq!(
        (&refused["refusal"]["field"], &refused["refusal"]["then"]),
        (&json!("address"), &json!("correct"))
    );
    let (_, again) = walk.call("recovery-address", json!({ "address": "typo@ailleurs.example" }))?;
    assert_eq!(refusal(&again), "address-refused", "the same address again");
    walk.step("recovery-address", json!({ "address": ADDRESS }), "recovery-link")?;
    goes_on(walk, ADDRESS)?;
    assert_eq!(scene.inbox.counts().recipients, 2, "what is refused for good is not tried again");
    Ok(())
}

#[test]
fn a_forwarding_address_that_is_refused_costs_only_itself() -> Result<()> {
    let scene = scene("")?;
    scene.inbox.script("typo@ailleurs.example", Behaviour::Reject);
    let mut walk = scene.open("mdurand")?;
    walk.prove(ADDRESS)?;
    walk.charter()?;
    walk.listing(true)?;
    walk.step("mail", json!({ "forward": "typo@ailleurs.example", "keep_copy": true }), "forward-link")?;
    let refused = parvis_stand::run::until(LONG, || {
        Ok(Some(walk.call("state", json!({}))?).filter(|(code, _)| *code == 1))
    })?;
    let (_, refused) = refused.expect("the refusal never came");
    assert_eq!((refusal(&refused), &refused["refusal"]["field"]), ("address-refused", &json!("forward")));
    walk.forward("better@ailleurs.example", true)?;
    walk.password("Violet-mandarine-77")?;
    Ok(())
}

#[test]
fn a_mail_that_is_deferred_twice_arrives_at_the_third_time_and_the_page_knows() -> Result<()> {
    let scene = scene("")?;
    scene.inbox.script(ADDRESS, Behaviour::Defer(2));
    let mut walk = give(&scene, ADDRESS)?;
    delivery_is(&mut walk, "deferred")?;
    delivery_is(&mut walk, "sent")?;
    assert_eq!((scene.inbox.counts().recipients, scene.inbox.messages_to(ADDRESS).len()), (3, 1));
    goes_on(walk, ADDRESS)
}

#[test]
fn a_mail_server_that_goes_silent_at_any_moment_only_delays_the_mail() -> Result<()> {
    for stage in [Stage::Connect, Stage::Hello, Stage::Mail, Stage::Recipient, Stage::Data] {
        let scene = scene("")?;
        scene.inbox.script_connections(Some(2), Behaviour::Silence(stage));
        let mut walk = give(&scene, ADDRESS)?;
        delivery_is(&mut walk, "deferred")?;
        goes_on(walk, ADDRESS).map_err(|error| error.context(format!("{stage:?}")))?;
        assert_eq!(scene.inbox.messages_to(ADDRESS).len(), 1, "{stage:?}");
    }
    Ok(())
}

#[test]
fn a_mail_that_was_taken_without_a_word_comes_again_under_the_same_message_id() -> Result<()> {
    let scene = scene("")?;
    scene.inbox.script_connections(Some(2), Behaviour::CutAfterDot);
    let walk = give(&scene, ADDRESS)?;
    scene.inbox.wait_count(3, LONG)?;
    let mails = scene.inbox.messages_to(ADDRESS);
    assert_eq!((mails.len(), ids(&scene, ADDRESS).len()), (3, 1));
    let dates: BTreeSet<_> = mails.iter().map(|mail| mail.header("Date")).collect();
    let links: BTreeSet<_> = mails.iter().map(|mail| mail.links()).collect();
    assert_eq!((dates.len(), links.len()), (1, 1), "it is the same mail");
    goes_on(walk, ADDRESS)
}

#[test]
fn no_mail_leaves_after_its_links_deadline() -> Result<()> {
    let scene = scene("[links]\nrecovery = \"2s\"\n")?;
    scene.inbox.script(ADDRESS, Behaviour::Answer(Stage::Recipient, "451 4.3.0 later".to_owned()));
    let walk = give(&scene, ADDRESS)?;
    drop(walk);
    scene.daemon.wait_log("its deadline has passed", LONG)?;
    scene.inbox.behave();
    // What comes next proves that the outbox has gone past it.
    let walk = give(&scene, "later@ailleurs.example")?;
    scene.inbox.wait_for("later@ailleurs.example", |_| true, LONG)?;
    drop(walk);
    assert!(scene.inbox.messages_to(ADDRESS).is_empty());
    let tried = scene.inbox.counts().recipients;
    assert!(tried < 40, "{tried} tries in two seconds");
    Ok(())
}

#[test]
fn a_mail_that_a_newer_one_has_replaced_never_leaves_and_its_link_says_so() -> Result<()> {
    let scene = scene("")?;
    let mut walk = give(&scene, "first@ailleurs.example")?;
    let first = walk.link("first@ailleurs.example", 0)?;
    scene
        .inbox
        .script("second@ailleurs.example", Behaviour::Answer(Stage::Recipient, "451 later".to_owned()));
    walk.step("recovery-address", json!({ "address": "second@ailleurs.example" }), "recovery-link")?;
    delivery_is(&mut walk, "deferred")?;
    walk.step("recovery-address", json!({ "address": ADDRESS }), "recovery-link")?;
    scene.inbox.behave();
    scene.daemon.wait_log("it was overtaken", LONG)?;
    let (code, looked) = scene.daemon.hook("look", &json!({ "link": first }))?;
    assert_eq!((code, looked["usable"].as_str()), (0, Some("superseded")), "{looked}");
    assert!(looked["at"].is_string(), "when the newer was sent: {looked}");
    let (code, redeemed) = walk.call("redeem", json!({ "link": first }))?;
    assert_eq!((code, refusal(&redeemed)), (1, "link-superseded"));
    assert!(redeemed["refusal"]["at"].is_string(), "{redeemed}");
    goes_on(walk, ADDRESS)?;
    assert!(scene.inbox.messages_to("second@ailleurs.example").is_empty());
    Ok(())
}

/// Mails are written while the connections are busy; who is next is looked at again where that took long.
#[test]
fn a_mail_that_is_replaced_while_it_waits_for_a_connection_never_leaves() -> Result<()> {
    // The one connection is busy for twice three seconds.
    let config =
        "[mail]\nconnections = 1\ntimeout = \"20s\"\n[limits]\nresend-cooldown = \"1s\"\n".to_owned();
    let scene = Scene::start(SceneOptions { config, ..SceneOptions::default() })?;
    scene.inbox.script("slow@lent.example", Behaviour::Slow(Duration::from_secs(3)));
    let mut other = scene.open("pmoreau")?;
    other.step("recovery-address", json!({ "address": "slow@lent.example" }), "recovery-link")?;
    run::until(LONG, || Ok((scene.inbox.counts().recipients > 0).then_some(())))?
        .context("nobody is slow")?;
    let mut walk = give(&scene, "first@ailleurs.example")?;
    walk.step("recovery-address", json!({ "address": ADDRESS }), "recovery-link")?;
    scene.daemon.wait_log("it was overtaken", LONG)?;
    goes_on(walk, ADDRESS)?;
    assert!(scene.inbox.messages_to("first@ailleurs.example").is_empty());
    Ok(())
}

#[test]
fn a_mail_server_that_takes_none_of_our_mails_is_said_and_no_person_is_blamed() -> Result<()> {
    let scene = scene("")?;
    let refused = Behaviour::Answer(Stage::Mail, "550 5.7.1 sender not allowed".to_owned());
    scene.inbox.script_connections(None, refused);
    let mut walk = give(&scene, ADDRESS)?;
    let said = status_now(&scene.daemon, "mail: ")?;
    assert!(said.contains("sender not allowed"), "{said}");
    let (code, state) = walk.call("state", json!({}))?;
    assert_eq!((code, state["step"].as_str()), (0, Some("recovery-link")), "{state}");
    let status = admin(&scene.daemon, "Status", &json!({}))?;
    let mail = status["parts"].as_array().unwrap().iter().find(|part| part["name"] == "mail").cloned();
    assert_eq!(mail.unwrap()["state"], "down");
    assert_eq!(status["ok"], false);
    Ok(())
}

#[test]
fn a_restart_neither_loses_a_mail_that_waits_nor_sends_one_twice() -> Result<()> {
    let mut scene = scene("")?;
    scene.inbox.script(ADDRESS, Behaviour::Answer(Stage::Recipient, "451 later".to_owned()));
    let uuid = {
        let mut walk = give(&scene, ADDRESS)?;
        delivery_is(&mut walk, "deferred")?;
        let person = parvis_stand::small().remove(0);
        scene.slapd.entry(&person.dn)?.unwrap().get("entryUUID").unwrap().to_owned()
    };
    for kill in [true, false, true] {
        if kill {
            scene.daemon.kill9()
        } else {
            scene.daemon.terminate().map(drop)?
        }
        scene.daemon.restart()?;
    }
    scene.inbox.behave();
    scene.inbox.wait_for(ADDRESS, |_| true, LONG)?;
    shown(&scene.daemon, &uuid, |shown| happened(shown, "mail-sent"))?;
    scene.daemon.restart()?;
    let walk = give(&scene, "another@ailleurs.example")?;
    scene.inbox.wait_for("another@ailleurs.example", |_| true, LONG)?;
    drop(walk);
    assert_eq!(scene.inbox.messages_to(ADDRESS).len(), 1, "{}", show(&scene.daemon, &uuid));
    Ok(())
}

#[test]
fn a_mail_has_what_a_mail_must_have_and_nothing_that_it_must_not() -> Result<()> {
    let scene = scene("")?;
    let walk = give(&scene, ADDRESS)?;
    let mail = scene.mail(ADDRESS, 0)?;
    drop(walk);
    for header in ["Date", "Message-ID", "From", "To", "Subject", "Auto-Submitted", "Content-Language"] {
        let values = mail.headers(header);
        assert!(values.len() <= 1 && (header == "Content-Language" || values.len() == 1), "{header}");
    }
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    let (text, html) = (mail.text().unwrap(), mail.html().unwrap());
    let of_html: Vec<String> = mail.html_links().into_iter().filter(|url| !url.contains("w3.org")).collect();
    assert_eq!((mail.links().len(), mail.links()), (1, of_html));
    assert!(text.contains("Marie Durand") && html.contains("Marie Durand"));
    assert!(!text.contains("Kivo-4821-Tepa"));
    Ok(())
}

#[test]
fn a_burst_of_mails_sends_each_of_them_once() -> Result<()> {
    const PEOPLE: usize = 120;
    let people = parvis_stand::campus(PEOPLE + 12).split_off(12);
    let scene = Scene::start(SceneOptions {
        slapd: parvis_stand::SlapdOptions { people: people.clone(), ..Default::default() },
        config: QUICK.to_owned(),
        ..SceneOptions::default()
    })?;
    let socket = scene.daemon.layout().hook_socket();
    std::thread::scope(|threads| -> Result<()> {
        let all: Vec<_> = people
            .chunks(PEOPLE / 8)
            .map(|some| {
                let socket = &socket;
                threads.spawn(move || -> Result<()> {
                    let mut raw = Raw::connect(socket)?;
                    for person in some {
                        raw.call("org.parvis.Hook.Open", &json!({ "login": person.login }), false)?;
                        let opened = raw.receive()?.unwrap_or_default();
                        let session = &opened["parameters"]["session"];
                        let address = format!("{}@ailleurs.example", person.login);
                        let request = json!({ "session": session, "address": address });
                        raw.call("org.parvis.Hook.RecoveryAddress", &request, false)?;
                        let given = raw.receive()?.unwrap_or_default();
                        assert_eq!(given["parameters"]["step"], "recovery-link", "{given}");
                    }
                    Ok(())
                })
            })
            .collect();
        all.into_iter().try_for_each(|thread| thread.join().expect("a page panicked"))
    })?;
    scene.inbox.wait_count(PEOPLE as u64, LONG)?;
    // The outbox is empty: whatever would be sent a second time has been.
    let empty = parvis_stand::run::until(LONG, || {
        let status = admin(&scene.daemon, "Status", &json!({}))?;
        let counts = status["counts"].as_array().cloned().unwrap_or_default();
        Ok(counts.iter().any(|one| one["name"] == "mails waiting" && one["count"] == 0).then_some(()))
    })?;
    assert!(empty.is_some());
    let twice: Vec<_> = people
        .iter()
        .filter(|p| scene.inbox.messages_to(&format!("{}@ailleurs.example", p.login)).len() != 1)
        .collect();
    assert!(twice.is_empty(), "{} people were not mailed once", twice.len());
    Ok(())
}
