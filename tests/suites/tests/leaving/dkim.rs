//! Mails that the daemon signs, judged by dkimpy with the record that `parvisctl check` prints.

use parvis_stand::{
    Behaviour, Daemon, Inbox, InboxOptions, Layout, Message, Postfix, PostfixOptions, Scene, SceneOptions,
    dkim,
};
use serde_json::{Value, json};
use std::time::Duration;

const SIGNED: &str = "[mail.dkim]\nselector = \"parvis-2026\"\n";
const SOON: Duration = Duration::from_secs(30);

fn options(key: &str, config: &str) -> SceneOptions {
    SceneOptions {
        config: format!("{SIGNED}{config}"),
        credentials: vec![("dkim-key".to_owned(), key.to_owned())],
        ..SceneOptions::default()
    }
}

/// What `check` tells to publish.
fn record(scene: &Scene) -> (String, String) {
    let said = scene.daemon.ctl(&["--json", "check"]).unwrap();
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    dkim::published(&report).unwrap()
}

/// Marie's link, in her own words (her name is not ASCII), in the inbox.
fn linked(scene: &Scene, inbox: &Inbox) -> std::sync::Arc<Message> {
    let mut walk = scene.open("mdurand").unwrap();
    walk.step("recovery-address", json!({ "address": "marie@laposte.example" }), "recovery-link").unwrap();
    inbox.wait_for("marie@laposte.example", |_| true, SOON).unwrap()
}

fn changed(mail: &Message, from: &str, to: &str) -> Message {
    let text = String::from_utf8(mail.raw.clone()).unwrap();
    assert!(text.contains(from), "nothing to change in:\n{text}");
    Message { raw: text.replacen(from, to, 1).into_bytes(), ..mail.clone() }
}

#[test]
fn a_signature_holds_by_another_hand_and_a_changed_byte_is_seen() {
    for (algorithm, bits, named) in
        [("RSA", Some(2048), "a=rsa-sha256"), ("ED25519", None, "a=ed25519-sha256")]
    {
        let scene = Scene::start(options(&dkim::key(algorithm, bits).unwrap(), "")).unwrap();
        let (name, record) = record(&scene);
        assert_eq!(name, "parvis-2026._domainkey.univ.example");
        let mail = linked(&scene, &scene.inbox);
        let header = mail.header("DKIM-Signature").expect("a signature");
        assert!(header.contains(named) && header.contains("d=univ.example"), "{header}");
        let fields: String = header.split("h=").nth(1).unwrap().split(';').next().unwrap().replace(' ', "");
        for field in
            ["from:from", "to", "subject", "date", "message-id", "mime-version", "content-type", "reply-to"]
        {
            assert!(fields.contains(field), "{field} is not signed: {fields}");
        }
        assert!(fields.contains("auto-submitted") && fields.contains("feedback-id"), "{fields}");
        assert!(mail.raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
        dkim::verify(&mail, &name, &record).unwrap();

        let more =
            format!("From: other@elsewhere.example\r\n{}", String::from_utf8(mail.raw.clone()).unwrap());
        let twice = Message { raw: more.into_bytes(), ..Message::clone(&mail) };
        let other = dkim::key(algorithm, bits).unwrap();
        for altered in [
            changed(&mail, "Subject: ", "Subject: x"),
            changed(&mail, "multipart/alternative", "multipart/mixed"),
            changed(&mail, "/link/", "/lynk/"),
            changed(&mail, "Auto-Submitted: auto-generated", "Auto-Submitted: no"),
            twice,
        ] {
            dkim::verify(&altered, &name, &record).unwrap_err();
        }
        dkim::verify(&mail, &format!("x{name}"), &record).unwrap_err();
        // The record of another key.
        let wrong = Scene::start(options(&other, "")).unwrap();
        let (_, others) = self::record(&wrong);
        assert_ne!(record, others);
        dkim::verify(&mail, &name, &others).unwrap_err();
    }
}

#[test]
fn a_signature_outlives_a_real_postfix() {
    let outside = Inbox::start(InboxOptions::default()).unwrap();
    let postfix =
        Postfix::start(&PostfixOptions { relay_to: outside.port(), ..PostfixOptions::default() }).unwrap();
    let config = format!(
        "[mail]\nhost = \"localhost\"\nport = {}\nsecurity = \"starttls\"\nca-file = {:?}\n",
        postfix.submission_port(),
        postfix.ca_file().display().to_string()
    );
    let scene = Scene::start(options(&dkim::key("RSA", Some(3072)).unwrap(), &config)).unwrap();
    let (name, record) = record(&scene);
    let mail = linked(&scene, &outside);
    assert!(mail.header("Received").is_some(), "it came through Postfix");
    dkim::verify(&mail, &name, &record).unwrap();
}

#[test]
fn the_same_mail_tried_again_is_the_same_to_the_byte() {
    let config = "[mail]\nretry-first = \"1s\"\n";
    let scene = Scene::start(options(&dkim::key("RSA", Some(2048)).unwrap(), config)).unwrap();
    scene.inbox.script("marie@laposte.example", Behaviour::CutAfterDot);
    let mut walk = scene.open("mdurand").unwrap();
    walk.step("recovery-address", json!({ "address": "marie@laposte.example" }), "recovery-link").unwrap();
    let first = scene.inbox.wait_for("marie@laposte.example", |_| true, SOON).unwrap();
    let again =
        scene.inbox.wait_for("marie@laposte.example", |mail| mail.number > first.number, SOON).unwrap();
    assert!(first.header("DKIM-Signature").is_some() && first.raw == again.raw, "the bytes differ");
}

#[test]
fn a_key_that_does_not_sign_is_refused_at_start_and_another_s_domain_is_warned_of() {
    let scene = Scene::new().unwrap();
    let refused = |key: &str, config: &str| {
        let layout = Layout::new().unwrap();
        let options = options(key, config);
        let config =
            parvis_stand::scene::config(&options, &layout, &scene.slapd, &scene.inbox) + &options.config;
        let (status, said) =
            Daemon::refused(layout, parvis_stand::scene::daemon_options(&options, config)).unwrap();
        assert_eq!(status.code(), Some(78), "{said}");
        said
    };
    let said = refused(&dkim::key("RSA", Some(1024)).unwrap(), "");
    assert!(said.contains("mail.dkim.key-credential") && said.contains("RSA of 2048"), "{said}");
    let said = refused("secret-words-of-no-key", "");
    assert!(said.contains("no whole private key") && !said.contains("secret-words"), "{said}");
    let said = refused(&dkim::key("ED25519", None).unwrap(), "domain = \"univ\"\n");
    assert!(said.contains("mail.dkim.domain"), "{said}");

    let key = dkim::key("ED25519", None).unwrap();
    let scene = Scene::start(options(&key, "domain = \"other.example\"\n")).unwrap();
    let said = String::from_utf8(scene.daemon.ctl(&["check"]).unwrap().stdout).unwrap();
    assert!(said.contains("the signature is of other.example, and mail.from in univ.example"), "{said}");
}
