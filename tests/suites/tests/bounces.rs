//! What comes back: Postfix takes a mail, learns that it cannot be delivered, and hands the report to `parvis-hook`.

use anyhow::{Context, Result};
use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::place::Place;
use parvis_stand::scene::at;
use parvis_stand::{
    Behaviour, Inbox, InboxOptions, Message, Postfix, PostfixOptions, Scene, SceneOptions, Walk, run,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const ADDRESS: &str = "marie.durand@laposte.example";
const LIMIT: Duration = Duration::from_secs(30);

/// The daemon submits to Postfix, which relays to an inbox; what is for the return path goes through pipe(8), as
/// docs/mail.md has it, as a user who is nobody else.
struct Campus {
    scene: Scene,
    postfix: Postfix,
    outside: Inbox,
    _tools: Place,
}

fn campus() -> Result<Campus> {
    let outside = Inbox::start(InboxOptions::default())?;
    let tools = Place::new("tools")?;
    tools.open_to_all()?;
    // Postfix has to be told the command before the daemon, and so its socket, is there.
    let command = tools.join("hand-over");
    let postfix = Postfix::start(&PostfixOptions {
        relay_to: outside.port(),
        extra_config: "recipient_delimiter = +\n\
            transport_maps = inline:{ { parvis@univ.example = parvis: } }\n\
            parvis_destination_recipient_limit = 1\n"
            .to_owned(),
        extra_parts: format!("parvis unix - n n - 4 pipe flags=OR user=nobody argv={}\n", command.display()),
        ..PostfixOptions::default()
    })?;
    let config = format!(
        "[gate]\nmta = [\"nobody\", \"{uid}\"]\n[mail]\nhost = \"localhost\"\nport = {}\nbounces = \"parvis@univ.example\"\n\
         retry-first = \"1s\"\n",
        postfix.port(),
        uid = nix::unistd::geteuid()
    );
    let scene = Scene::start(SceneOptions { config, ..SceneOptions::default() })?;
    let layout = scene.daemon.layout();
    layout.open_to_all()?;
    // Where every user can reach it, as in /usr/bin.
    let hook = tools.join("parvis-hook");
    run::copy_program(&binaries(Profile::Dev)?.parvis_hook, &hook)?;
    let socket = layout.hook_socket();
    let script =
        format!("#!/bin/sh\nexec {} bounce --as pipe --socket {}\n", hook.display(), socket.display());
    run::script(&command, &script)?;
    Ok(Campus { scene, postfix, outside, _tools: tools })
}

impl Campus {
    /// A person whose link was mailed to that address and taken outside.
    fn waiting(&self, login: &str, address: &str) -> Result<(Walk<'_>, Arc<Message>)> {
        let mut walk = self.scene.open(login)?;
        walk.step("recovery-address", json!({ "address": address }), "recovery-link")?;
        let mail = self.outside.wait_for(address, |_| true, LIMIT)?;
        Ok((walk, mail))
    }

    /// Hands a mail over to `parvis-hook bounce` as the mail system would, and says whether it was taken.
    fn hand_over(&self, mail: &str) -> Result<Value> {
        let out = self.scene.daemon.hook_raw(&["bounce"], mail.as_bytes())?;
        Ok(serde_json::from_slice(&out.stdout)?)
    }
}

/// A report as mail systems write it (RFC 3464), to that address.
fn report(to: &str, action: &str, words: &str) -> String {
    format!(
        "X-Original-To: {to}\nFrom: MAILER-DAEMON@mx.example\nTo: {to}\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n{words}\n\
         --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n\
         Final-Recipient: rfc822; {ADDRESS}\nAction: {action}\nStatus: 5.1.1\nDiagnostic-Code: smtp; {words}\n\n--b--\n"
    )
}

/// Waits until `state` refuses, and gives the refusal.
fn refused(campus: &Campus, session: &str) -> Result<Value> {
    let refused = run::until(LIMIT, || {
        let (code, answer) = campus.scene.daemon.hook("state", &json!({ "session": session }))?;
        Ok((code == 1).then_some(answer))
    })?;
    refused.with_context(|| format!("the person was not told:\n{}", campus.postfix.log()))
}

#[test]
fn an_address_that_nobody_has_comes_back_to_the_person_who_corrects_it() -> Result<()> {
    let campus = campus()?;
    campus.outside.script(ADDRESS, Behaviour::Reject);
    let mut walk = campus.scene.open("mdurand")?;
    walk.step("recovery-address", json!({ "address": ADDRESS }), "recovery-link")?;
    let refusal = refused(&campus, &walk.session)?;
    assert_eq!(at(&refusal, "/refusal/code"), "address-refused", "{refusal}");
    assert_eq!(at(&refusal, "/refusal/then"), "correct");
    let shown = campus.scene.daemon.ctl(&["show", "mdurand"])?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("mail-bounced") && shown.contains("5.1.1"), "{shown}");
    walk.step("recovery-address", json!({ "address": "marie@courriel.example" }), "recovery-link")?;
    let mail = campus.outside.wait_for("marie@courriel.example", |_| true, LIMIT)?;
    walk.step("redeem", json!({ "link": parvis_stand::scene::link(&mail)? }), "charter")?;
    Ok(())
}

#[test]
fn a_report_waits_in_the_mail_system_while_the_daemon_is_away() -> Result<()> {
    let mut campus = campus()?;
    campus.outside.script(ADDRESS, Behaviour::Defer(1000));
    let mut walk = campus.scene.open("mdurand")?;
    walk.step("recovery-address", json!({ "address": ADDRESS }), "recovery-link")?;
    let session = walk.session;
    let log = |postfix: &Postfix, text: &str| -> Result<()> {
        let found = run::until(LIMIT, || Ok(postfix.log().contains(text).then_some(())))?;
        found.with_context(|| format!("no {text:?} in\n{}", postfix.log()))
    };
    log(&campus.postfix, "status=deferred (host 127.0.0.1")?;
    assert_eq!(campus.scene.daemon.terminate()?.code(), Some(0));
    campus.outside.script(ADDRESS, Behaviour::Reject);
    log(&campus.postfix, "relay=parvis")?;
    log(&campus.postfix, "status=deferred (temporary failure")?;
    campus.scene.daemon.restart()?;
    assert_eq!(at(&refused(&campus, &session)?, "/refusal/code"), "address-refused");
    Ok(())
}

#[test]
fn a_forged_report_changes_nothing() -> Result<()> {
    let campus = campus()?;
    let (mut walk, mail) = campus.waiting("mdurand", ADDRESS)?;
    let genuine = mail.from.clone();
    let (_, other) = campus.waiting("pmoreau", "paul@laposte.example")?;
    let flipped = genuine.replacen(['a', 'b', 'c', 'd', 'e', 'f'], "g", 1);
    for forged in ["parvis@univ.example", "parvis+x@univ.example", &flipped, &other.from] {
        let answer = campus.hand_over(&report(forged, "failed", "550 5.1.1 no such user"))?;
        assert_eq!(at(&answer, "/taken"), &json!(forged == other.from), "{forged}");
    }
    for (harmless, words) in [("delivered", "250 ok"), ("delayed", "451 4.7.1 greylisted")] {
        assert_eq!(at(&campus.hand_over(&report(&genuine, harmless, words))?, "/taken"), true);
    }
    let holiday = format!("To: {genuine}\nAuto-Submitted: auto-replied\n\nAction: failed\n");
    assert_eq!(at(&campus.hand_over(&holiday)?, "/taken"), true);
    walk.step("state", json!({}), "recovery-link")?;
    assert_eq!(at(&walk.last, "/view/sent/delivery"), "deferred");
    let said = at(&walk.last, "/view/sent/detail").to_string();
    assert!(said.contains("nous demande de revenir plus tard"), "the person is told in plain words: {said}");
    // Who has used the link has its mail, whatever anybody says.
    walk.step("redeem", json!({ "link": parvis_stand::scene::link(&mail)? }), "charter")?;
    assert_eq!(at(&campus.hand_over(&report(&genuine, "failed", "550 5.1.1"))?, "/taken"), true);
    walk.step("state", json!({}), "charter")?;
    Ok(())
}

/// A server that takes only some senders must be asked for the one that every mail has.
#[test]
fn what_is_only_tried_comes_from_the_return_path_too() -> Result<()> {
    let campus = campus()?;
    let daemon = &campus.scene.daemon;
    let said = String::from_utf8(daemon.ctl(&["check"])?.stdout)?;
    assert!(said.contains("it takes mails from parvis+"), "{said}");
    let out = daemon.ctl(&["mail", "test", ADDRESS])?;
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    let mail = campus.outside.wait_for(ADDRESS, |_| true, LIMIT)?;
    assert!(mail.from.starts_with("parvis+") && mail.from.ends_with("@univ.example"), "{}", mail.from);
    // Nobody's: a report on it is not taken for anybody's, nor sent back.
    let taken = campus.hand_over(&report(&mail.from, "failed", "550 5.1.1 unknown"))?;
    assert_eq!((&taken["ok"], &taken["taken"]), (&json!(true), &json!(false)), "{taken}");
    Ok(())
}
