//! The ways of mail that are not SMTP: LMTP, and a program called as sendmail is; with ones that behave and ones that do not.
#![cfg(test)]

#[path = "mail_support/peer.rs"]
#[expect(dead_code, reason = "what a peer of SMTP's tests can say besides")]
mod peer;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parvis_stand::run;
use parvisd::mail::{
    Composed, Letter, Locale, MailName, Relay, RelayFault, RelaySettings, Security, SendError, Sender,
    Templates, Values, Way, compose,
};
use peer::{Act, Peer, Setup, Tls, certificate, say};
use tempfile::TempDir;

const TOKEN: &str = "kX2v9QfYw0mZ3bT7sLr5cN1hJ8pD6gEaUiOyRtWqVxM";
const SHORT: Duration = Duration::from_millis(700);

fn mail() -> Composed {
    let link = Some(format!("https://activation.univ.example/l/{TOKEN}"));
    let values = Values { link, ..Values::sample(Locale::Fr, true) };
    let rendered = Templates::load(None).unwrap().render(MailName::Link, Locale::Fr, &values).unwrap();
    let sender = Sender::new("Université", "ne-pas-repondre@univ.example", None).unwrap();
    let letter = Letter {
        return_path: None,
        kind: "link",
        to: "jeanne@example.org",
        name: None,
        rendered: &rendered,
        locale: Locale::Fr,
        date: "2026-09-01T12:30:00Z".parse().unwrap(),
        message_id: "42@univ.example",
    };
    compose(&sender, &letter).unwrap()
}

fn kind(error: &SendError) -> &'static str {
    match error {
        SendError::Permanent { address_fault: true, .. } => "address",
        SendError::Permanent { .. } => "content",
        SendError::Transient { .. } => "later",
        SendError::Configuration { .. } => "us",
        SendError::MaybeSent { .. } => "maybe",
        SendError::Unable { .. } => "unable",
    }
}

fn settings(way: Way) -> RelaySettings {
    RelaySettings { way, ..RelaySettings::new("localhost", "parvis.univ.example") }
}

fn lmtp(peer: &Peer) -> RelaySettings {
    RelaySettings {
        port: peer.port,
        step_deadline: SHORT,
        message_deadline: SHORT,
        ..settings(Way::Lmtp(None))
    }
}

async fn attempt(settings: RelaySettings) -> Result<String, SendError> {
    Ok(Relay::new(settings).unwrap().connect().await?.send(&mail()).await?.reply)
}

#[tokio::test]
async fn lmtp_greets_in_its_own_word_and_sends_one_mail_after_the_other() {
    for tls in [Tls::None, Tls::Asked, Tls::Implicit] {
        let peer = Peer::start(Setup { tls, ..Setup::default() }, vec![]).await;
        let security = match tls {
            Tls::None => Security::None,
            Tls::Asked => Security::StartTls,
            Tls::Implicit => Security::Tls,
        };
        let settings = RelaySettings { security, ca_file: Some(certificate("ca.pem")), ..lmtp(&peer) };
        let mut connection = Relay::new(settings).unwrap().connect().await.unwrap();
        for _ in 0..2 {
            assert!(connection.fit().await);
            connection.send(&mail()).await.unwrap();
        }
        connection.quit().await;
        let greetings: Vec<String> =
            peer.commands().into_iter().filter(|command| command.to_uppercase().contains("HLO")).collect();
        assert!(
            !greetings.is_empty() && greetings.iter().all(|word| word == "LHLO parvis.univ.example"),
            "{greetings:?}"
        );
        assert_eq!(peer.mails().len(), 2);
        let sent = String::from_utf8(mail().bytes).unwrap();
        assert!(peer.mails()[0].trim_end() == sent.trim_end(), "{}", peer.mails()[0]);
    }
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient_after_the_dot() {
    for (stage, reply, verdict) in [
        (".", "451 4.3.0 <jeanne@example.org> try again", "later"),
        (".", "552 5.2.2 <jeanne@example.org> mailbox full", "address"),
        (".", "550 5.1.1 <jeanne@example.org> nobody", "address"),
        (".", "554 5.6.0 not this", "content"),
        ("RCPT", "550 5.1.1 <jeanne@example.org> nobody", "address"),
        ("RCPT", "450 4.2.0 later", "later"),
        ("EHLO", "500 5.5.1 this is SMTP", "us"),
    ] {
        let peer = Peer::start(Setup::default(), vec![(stage, say(reply))]).await;
        let error = attempt(lmtp(&peer)).await.unwrap_err();
        assert_eq!(kind(&error), verdict, "{stage} {reply}: {error}");
    }
    let peer = Peer::start(Setup::default(), vec![(".", say("451 4.3.0 try again"))]).await;
    let mut connection = Relay::new(lmtp(&peer)).unwrap().connect().await.unwrap();
    connection.send(&mail()).await.unwrap_err();
    connection.send(&mail()).await.expect("the connection can be used on");
    for (stage, act, verdict) in [
        (".", Act::Silence, "maybe"),
        (".", Act::Cut, "maybe"),
        (".", Act::SayAndCut(b"451 4.3.0 going down\r\n".to_vec()), "later"),
        (".", Act::Flood(b"250-more\r\n".to_vec()), "maybe"),
        ("CONNECT", Act::Drip(b"220 very slowly\r\n".to_vec()), "later"),
    ] {
        let peer = Peer::start(Setup::default(), vec![]).await;
        peer.rule(stage, act.clone());
        let (outcome, ()) = tokio::join!(attempt(lmtp(&peer)), async {
            if stage == "." {
                peer.reached("DATA").await;
            }
        });
        assert_eq!(kind(&outcome.unwrap_err()), verdict, "{stage} {act:?}");
    }
}

#[tokio::test]
async fn a_socket_that_is_not_there_or_does_not_speak_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lmtp");
    let settings = || RelaySettings { step_deadline: SHORT, ..settings(Way::Lmtp(Some(path.clone()))) };
    let error = attempt(settings()).await.unwrap_err();
    assert!(kind(&error) == "later" && error.to_string().contains(&path.display().to_string()), "{error}");
    let silent = tokio::net::UnixListener::bind(&path).unwrap();
    assert_eq!(kind(&attempt(settings()).await.unwrap_err()), "later");
    drop(silent);
}

#[test]
fn a_way_and_what_does_not_go_with_it() {
    let fault = |settings: RelaySettings| Relay::new(settings).unwrap_err();
    assert_eq!(fault(settings(Way::Lmtp(None))), RelayFault::LmtpPort);
    let socket = || settings(Way::Lmtp(Some("/run/lmtp".into())));
    assert_eq!(fault(RelaySettings { security: Security::Tls, ..socket() }), RelayFault::TlsOnSocket);
    let relative = PathBuf::from("sendmail");
    assert_eq!(fault(settings(Way::Sendmail(relative.clone()))), RelayFault::Path(relative));
}

/// A program that does this, in a folder where it may leave what it has seen.
fn program(script: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sendmail");
    let text = format!("#!/bin/sh\nhere={}\n{script}\n", folder.path().display());
    run::script(&path, &text).unwrap();
    (folder, path)
}

fn by(program: &Path) -> RelaySettings {
    RelaySettings { message_deadline: Duration::from_secs(20), ..settings(Way::Sendmail(program.to_owned())) }
}

async fn told(script: &str) -> Result<String, SendError> {
    let (_folder, program) = program(script);
    attempt(by(&program)).await
}

#[tokio::test]
async fn the_program_gets_the_addresses_the_message_and_nothing_else() {
    let script = "printf '%s\\n' \"$@\" > $here/args; env > $here/env; cat > $here/mail";
    let (folder, program) = program(script);
    attempt(by(&program)).await.unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("args"), "-i\n-f\nne-pas-repondre@univ.example\n--\njeanne@example.org\n");
    assert_eq!(
        read("mail").into_bytes(),
        String::from_utf8(mail().bytes).unwrap().replace("\r\n", "\n").into_bytes()
    );
    for line in read("env").lines() {
        assert!(
            ["PATH=", "PWD=", "_=", "OLDPWD=", "SHLVL="].iter().any(|own| line.starts_with(own)),
            "{line}"
        );
    }
}

#[tokio::test]
async fn each_exit_code_has_its_meaning() {
    for (code, verdict) in [
        (64, "us"),
        (65, "content"),
        (66, "later"),
        (67, "address"),
        (68, "address"),
        (69, "later"),
        (70, "later"),
        (71, "later"),
        (72, "us"),
        (73, "us"),
        (74, "later"),
        (75, "later"),
        (76, "later"),
        (77, "us"),
        (78, "us"),
        (1, "later"),
    ] {
        let error = told(&format!("cat > /dev/null; echo 'the reason' >&2; exit {code}")).await.unwrap_err();
        assert_eq!(kind(&error), verdict, "{code}");
        assert!(error.to_string().contains(&format!("exit {code}: the reason")), "{error}");
    }
    let Err(SendError::Transient { code: Some(75), .. }) = told("exit 75").await else {
        panic!("75 is no fault of ours")
    };
}

#[tokio::test]
async fn a_program_that_misbehaves_is_bounded() {
    // Hangs, with a child that hangs too: both are ended.
    let (folder, hanging) = program("sleep 600 & echo $! > $here/child; cat > /dev/null; wait");
    let settings = RelaySettings { message_deadline: SHORT, ..by(&hanging) };
    let begun = Instant::now();
    assert_eq!(kind(&attempt(settings).await.unwrap_err()), "maybe");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let child = std::fs::read_to_string(folder.path().join("child")).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    let gone = || state().is_empty() || state().contains(") Z ");
    while !gone() {
        assert!(begun.elapsed() < Duration::from_secs(10), "its child lives: {}", state());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Dies by a signal; does not read; says too much; repeats the link.
    let error = told("cat > /dev/null; kill -9 $$").await.unwrap_err();
    assert!(kind(&error) == "maybe" && error.to_string().contains("signal"), "{error}");
    told("exit 0").await.unwrap();
    let error = told("exec 0<&-; yes x | head -c 1000000 >&2; exit 67").await.unwrap_err();
    assert!(kind(&error) == "address" && error.to_string().len() < 400, "{error}");
    let error =
        told("tr -d '\\n' | tr '\\t' ' ' | grep -o 'l/[A-Za-z0-9=]*' >&2; exit 65").await.unwrap_err();
    assert!(!error.to_string().contains(TOKEN), "{error}");
    let error = told(&format!("cat > /dev/null; echo 'no: {TOKEN}' >&2; exit 65")).await.unwrap_err();
    assert!(kind(&error) == "content" && !error.to_string().contains(TOKEN), "{error}");
}

#[tokio::test]
async fn what_a_program_leaves_running_goes_on_and_is_not_waited_for() {
    let (folder, leaving) = program("cat > /dev/null; (sleep 3; echo done > $here/after) & exit 0");
    let begun = Instant::now();
    attempt(by(&leaving)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    while !folder.path().join("after").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "its delivery was ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_or_may_not_be_run_holds_all_mail() {
    let (folder, program) = program("exit 0");
    let sender = parvisd::mail::Address::parse("ne-pas-repondre@univ.example").unwrap();
    let probe = |path: PathBuf| {
        let relay = Relay::new(by(&path)).unwrap();
        let sender = sender.clone();
        async move { relay.probe(&sender).await }
    };
    probe(program.clone()).await.unwrap();
    let absent = folder.path().join("absent");
    assert_eq!(kind(&attempt(by(&absent)).await.unwrap_err()), "us");
    assert_eq!(kind(&probe(absent).await.unwrap_err()), "us");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(kind(&attempt(by(&program)).await.unwrap_err()), "us");
    assert_eq!(kind(&probe(program).await.unwrap_err()), "us");
}
