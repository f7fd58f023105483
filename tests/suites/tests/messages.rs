//! Mails that nobody asked for, from a real daemon on a real directory: the reminder, the word to the former address, the
//! nightly report.
#![cfg(test)]

use anyhow::{Context, Result};
use parvis_stand::{Behaviour, Inbox, Person, Scene, SceneOptions, Slapd, Stage, run, small};
use parvis_suites::{LONG, admin, happened, shown, times};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// The reminders are looked for at each minute.
const MINUTES: Duration = Duration::from_secs(150);
const READER: &str = "exploitation@univ.example";

fn scene(config: &str) -> Result<Scene> {
    Scene::start(SceneOptions { config: config.to_owned(), ..SceneOptions::default() })
}

fn marie() -> Person {
    small().into_iter().find(|person| person.login == "mdurand").expect("the dozen have Marie")
}

fn finish(scene: &Scene, login: &str, address: &str, password: &str) -> Result<()> {
    let mut walk = scene.open(login)?;
    walk.prove(address)?;
    walk.charter()?;
    walk.listing(true)?;
    walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    walk.password(password).map(drop)
}

#[test]
fn who_stopped_half_way_is_reminded_once_and_a_restart_reminds_nobody_again() -> Result<()> {
    let mut scene = scene("[reminders]\nafter = \"2s\"\nschedule = \"* * * * *\"\n")?;
    let mut marie = scene.open("mdurand")?;
    marie.prove("marie@ailleurs.example")?;
    marie.charter()?;
    // Paul typed an address, and nobody ever opened its link.
    let mut paul = scene.open("pmoreau")?;
    paul.step("recovery-address", json!({ "address": "paul@ailleurs.example" }), "recovery-link")?;
    scene.mail("paul@ailleurs.example", 0)?;
    let is_reminder = |subject: &str| subject.contains("n’est pas encore activé");
    let mail =
        scene.inbox.wait_for("marie@ailleurs.example", |mail| is_reminder(&mail.subject()), MINUTES)?;
    let text = mail.text().context("no text")?;
    assert!(
        text.contains("mdurand") && text.contains("annuaire public") && text.contains("mot de passe"),
        "{text}"
    );
    assert!(!text.contains("charte"), "what is done is not left: {text}");
    assert!(
        !mail.links().iter().any(|link| link.contains("/link/")),
        "it proves nothing: {:?}",
        mail.links()
    );
    assert_eq!(mail.header("Feedback-ID").as_deref(), Some("reminder:account:univ.example:parvis"));
    drop((marie, paul));
    scene.daemon.restart()?;
    let rounds = || scene.daemon.log().matches("reminded who stopped half-way").count();
    let before = rounds();
    let again = run::until(MINUTES, || Ok((rounds() > before + 1).then_some(())))?;
    again.with_context(|| scene.daemon.log())?;
    let all = scene.inbox.messages();
    assert_eq!(all.iter().filter(|mail| is_reminder(&mail.subject())).count(), 1, "{}", scene.daemon.log());
    let shown = shown(&scene.daemon, "mdurand", |shown| happened(shown, "reminded"))?;
    assert_eq!(times(&shown, "reminded"), 1, "{shown}");
    Ok(())
}

#[test]
fn a_new_password_is_told_to_the_address_of_before_and_names_no_other() -> Result<()> {
    let scene = scene("")?;
    let marie = marie();
    finish(&scene, &marie.login, "marie@ailleurs.example", "Violet-mandarine-77")?;
    scene.inbox.wait_for("marie@ailleurs.example", |mail| mail.subject().contains("est activé"), LONG)?;
    // A new letter: provisional again, with another password.
    scene.slapd.replace(&marie.dn, "userPassword", &[&marie.provisional_password])?;
    scene.slapd.replace(&marie.dn, "supannRessourceEtat", &["{COMPTE}I:SupannCree"])?;
    shown(&scene.daemon, &marie.login, |shown| times(shown, "begun") == 2)?;
    let before = scene.inbox.last_number();
    finish(&scene, &marie.login, "marie@nouvelle.example", "Orange-cerisier-88")?;
    let told = scene.inbox.wait_for("marie@ailleurs.example", |mail| mail.number > before, LONG)?;
    assert!(told.subject().starts_with("Le mot de passe"), "{}", told.subject());
    let text = told.text().context("no text")?;
    assert!(text.contains("mdurand") && text.contains("CE N’EST PAS VOUS"), "{text}");
    let all = format!("{text}{}{:?}", told.html().unwrap_or_default(), told.header("To"));
    assert!(!all.contains("nouvelle") && !all.contains("Durand") && told.links().is_empty(), "{all}");
    scene.inbox.wait_for("marie@nouvelle.example", |mail| mail.subject().contains("est activé"), LONG)?;
    assert_eq!(
        scene.inbox.messages_to("marie@ailleurs.example").iter().filter(|mail| mail.number > before).count(),
        1
    );
    let shown = shown(&scene.daemon, &marie.login, |shown| happened(shown, "password-changed"))?;
    assert_eq!(times(&shown, "password-changed"), 1, "{shown}");
    Ok(())
}

/// A daemon that sweeps as it starts, beside an inbox that does this to the report.
fn at_night(behaviour: Behaviour) -> Result<Scene> {
    let config = format!(
        "[sweep]\nschedule = \"0 0 * * *\"\n[mail]\nretry-first = \"1s\"\n[reports]\nto = [\"{READER}\"]\n"
    );
    let options = SceneOptions { config, ..SceneOptions::default() };
    let (slapd, inbox) = (Slapd::start(options.slapd.clone())?, Inbox::start(options.inbox.clone())?);
    inbox.script(READER, behaviour);
    Scene::around(slapd, inbox, &options)
}

/// The names of the reports that arrived.
fn names(scene: &Scene) -> BTreeSet<Option<String>> {
    scene.inbox.messages_to(READER).iter().map(|mail| mail.header("Message-ID")).collect()
}

#[test]
fn a_night_is_reported_once_with_the_audit_s_head() -> Result<()> {
    let mut scene = at_night(Behaviour::Accept)?;
    let report = scene.inbox.wait_for(READER, |_| true, LONG)?;
    assert_eq!(report.subject(), "Parvis\u{a0}: rien à signaler (Université de l’Exemple)");
    let text = report.text().context("no text")?;
    let anchor = scene.daemon.wait_log("audit anchor", LONG)?;
    let anchor = anchor.split("anchor=").nth(1).and_then(|rest| rest.split_whitespace().next());
    assert!(anchor.is_some_and(|anchor| text.contains(anchor)), "{anchor:?} is not in {text}");
    assert_eq!(report.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    scene.daemon.restart()?;
    // A mail that is ordered afterwards comes, and no second report before it.
    scene.open("mdurand")?.prove("marie@ailleurs.example")?;
    assert_eq!(scene.inbox.messages_to(READER).len(), 1);
    Ok(())
}

#[test]
fn a_report_that_was_under_way_when_the_daemon_was_killed_comes_under_the_same_name() -> Result<()> {
    let mut scene = at_night(Behaviour::CutAfterDot)?;
    scene.inbox.wait_for(READER, |_| true, LONG)?;
    scene.daemon.kill9();
    let before = scene.inbox.messages_to(READER).len();
    scene.inbox.behave();
    scene.daemon.restart()?;
    let again = run::until(LONG, || Ok((scene.inbox.messages_to(READER).len() > before).then_some(())))?;
    again.with_context(|| scene.daemon.log())?;
    assert_eq!(names(&scene).len(), 1, "one message, however often it came");
    assert_eq!(scene.daemon.log().matches(" swept ").count(), 1, "the night was not swept again");
    Ok(())
}

#[test]
fn a_report_that_is_refused_troubles_no_enrolment_and_is_not_sent_again() -> Result<()> {
    let scene = at_night(Behaviour::Answer(Stage::Recipient, "550 5.1.1 nobody here".to_owned()))?;
    scene.daemon.wait_log("a mail was refused for good", LONG)?;
    scene.open("mdurand")?.prove("marie@ailleurs.example")?;
    // The mail that came is settled a moment later; the report, whose outcome is nobody's, as well.
    let waiting = || -> Result<u64> {
        let status = admin(&scene.daemon, "Status", &json!({}))?;
        let counts = status["counts"].as_array().cloned().unwrap_or_default();
        let waiting = counts.iter().find(|count| count["name"] == "mails waiting");
        waiting.and_then(|count| count["count"].as_u64()).context("no such count")
    };
    let settled = run::until(LONG, || Ok((waiting()? == 0).then_some(())))?;
    settled.with_context(|| scene.daemon.log())?;
    assert_eq!(scene.daemon.log().matches("a mail was refused for good").count(), 1);
    Ok(())
}
