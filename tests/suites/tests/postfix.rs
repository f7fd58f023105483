//! Mail through a real mail system: Postfix takes it by STARTTLS, and hands it on.

use anyhow::Result;
use parvis_stand::{Inbox, InboxOptions, Postfix, PostfixOptions, Scene, SceneOptions};
use serde_json::json;
use std::time::Duration;

/// A scene whose daemon submits to Postfix, which relays to an inbox.
fn scene() -> Result<(Scene, Postfix, Inbox)> {
    let outside = Inbox::start(InboxOptions::default())?;
    let refused = "inline:{ {refused@laposte.example = REJECT 5.1.1 no such mailbox} }";
    let extra_config = format!("smtpd_recipient_restrictions = check_recipient_access {refused}, permit\n");
    let postfix = Postfix::start(&PostfixOptions {
        relay_to: outside.port(),
        extra_config,
        ..PostfixOptions::default()
    })?;
    let config = format!(
        "[mail]\nhost = \"localhost\"\nport = {}\nsecurity = \"starttls\"\nca-file = {:?}\n",
        postfix.submission_port(),
        postfix.ca_file().display().to_string()
    );
    let scene = Scene::start(SceneOptions { config, ..SceneOptions::default() })?;
    Ok((scene, postfix, outside))
}

#[test]
fn a_link_goes_through_postfix_and_comes_out_readable() -> Result<()> {
    let (scene, _postfix, outside) = scene()?;
    let mut walk = scene.open("mdurand")?;
    walk.step("recovery-address", json!({ "address": "marie.durand@laposte.example" }), "recovery-link")?;
    let mail = outside.wait_for("marie.durand@laposte.example", |_| true, Duration::from_secs(30))?;
    assert!(mail.subject().contains("activ"), "{}", mail.subject());
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert!(mail.header("Date").is_some());
    assert!(
        mail.header("Message-ID")
            .is_some_and(|id| id.starts_with("<parvis.") && id.ends_with("@univ.example>"))
    );
    assert_eq!(mail.links().len(), 1, "{:?}", mail.links());
    assert!(
        mail.html_links().contains(mail.links().first().expect("one link")),
        "the same link in both parts"
    );
    let link = parvis_stand::scene::link(&mail)?;
    walk.step("redeem", json!({ "link": link }), "charter")?;
    Ok(())
}

#[test]
fn what_postfix_refuses_for_good_is_said_to_the_person_who_corrects_it() -> Result<()> {
    let (scene, _postfix, outside) = scene()?;
    let mut walk = scene.open("mdurand")?;
    walk.step("recovery-address", json!({ "address": "refused@laposte.example" }), "recovery-link")?;
    scene.daemon.wait_log("a mail was refused for good", Duration::from_secs(30))?;
    let refused = parvis_stand::run::until(Duration::from_secs(10), || {
        let (code, answer) = walk.call("state", json!({}))?;
        Ok((code == 1).then_some(answer))
    })?;
    let refused = refused.unwrap_or_default();
    assert_eq!(refused["refusal"]["code"], "address-refused", "{refused}");
    assert_eq!(refused["refusal"]["then"], "correct");
    walk.step("recovery-address", json!({ "address": "marie.durand@laposte.example" }), "recovery-link")?;
    let mail = outside.wait_for("marie.durand@laposte.example", |_| true, Duration::from_secs(30))?;
    walk.step("redeem", json!({ "link": parvis_stand::scene::link(&mail)? }), "charter")?;
    Ok(())
}
