//! Encryption and signing in: what breaks there never leads to clear text, nor to a password in a reply.

use super::peer::{Act, Peer, Setup, Tls, certificate, say};
use super::{SHORT, attempt, kind, mail, peer, settings};
use parvisd::mail::{Address, Login, Relay, RelayFault, RelaySettings, Security};

#[tokio::test]
async fn encrypted_by_starttls_and_from_the_first_byte() {
    for (theirs, ours) in [(Tls::Asked, Security::StartTls), (Tls::Implicit, Security::Tls)] {
        let peer = Peer::start(Setup { tls: theirs, ..Setup::default() }, vec![]).await;
        let with = |ca: Option<&str>, host: &str| RelaySettings {
            security: ours,
            host: host.to_owned(),
            ca_file: ca.map(certificate),
            ..settings(&peer)
        };
        attempt(with(Some("ca.pem"), "localhost")).await.unwrap();
        attempt(with(Some("ca.pem"), "127.0.0.1")).await.unwrap();
        assert_eq!(peer.mails().len(), 2);
        let unknown = attempt(with(None, "localhost")).await.unwrap_err();
        assert_eq!(kind(&unknown), "us", "{unknown:?}");
        let not_ours = attempt(with(Some("other.pem"), "localhost")).await.unwrap_err();
        assert_eq!(kind(&not_ours), "us", "{not_ours:?}");

        let other =
            Peer::start(Setup { tls: theirs, certificate: "other", ..Setup::default() }, vec![]).await;
        let settings = RelaySettings { port: other.port, ..with(Some("ca.pem"), "localhost") };
        let wrong_name = attempt(settings).await.unwrap_err();
        assert_eq!(kind(&wrong_name), "us", "{wrong_name:?}");
        assert!(wrong_name.to_string().contains("not valid for name"), "{wrong_name}");
        assert!(other.mails().is_empty());
    }
}

#[tokio::test]
async fn starttls_that_breaks_never_falls_back_to_clear_text() {
    let trusting = |peer: &Peer| RelaySettings {
        security: Security::StartTls,
        ca_file: Some(certificate("ca.pem")),
        step_deadline: SHORT,
        ..settings(peer)
    };
    let plain = peer(vec![]).await;
    let error = attempt(trusting(&plain)).await.unwrap_err();
    assert_eq!(kind(&error), "us");
    assert!(error.to_string().contains("does not offer it"), "{error}");

    for (stage, act, expect) in [
        ("STARTTLS", say("454 4.7.0 not now"), "later"),
        ("STARTTLS", say("500 5.5.1 what"), "us"),
        ("STARTTLS", Act::Silence, "later"),
        ("STARTTLS", Act::Cut, "later"),
        ("STARTTLS", Act::SayAndCut(b"220 go\r\n".to_vec()), "later"),
        ("STARTTLS", say("220 go ahead\r\n250-peer.example\r\n250 AUTH PLAIN"), "us"),
        ("STARTTLS", say("354 out of order"), "later"),
        ("CONNECT", say("554 5.7.1 no"), "us"),
        ("CONNECT", Act::Silence, "later"),
        ("EHLO", Act::Flood(b"250-x\r\n".to_vec()), "later"),
    ] {
        let peer =
            Peer::start(Setup { tls: Tls::Asked, ..Setup::default() }, vec![(stage, act.clone())]).await;
        let error = attempt(trusting(&peer)).await.unwrap_err();
        assert_eq!(kind(&error), expect, "{stage} {act:?}: {error:?}");
        assert!(!peer.commands().iter().any(|command| command.starts_with("MAIL")));
    }

    let settings = RelaySettings { security: Security::Tls, ..trusting(&plain) };
    let error = attempt(settings).await.unwrap_err();
    assert_eq!(kind(&error), "us", "a server without TLS: {error:?}");
}

fn login(xoauth2: bool) -> Option<Login> {
    Some(Login { username: "parvis".into(), password: "s3cret-word".to_owned().into(), xoauth2 })
}

#[tokio::test]
async fn signing_in() {
    for (offers, xoauth2, rules, expect) in [
        (&["AUTH PLAIN LOGIN"][..], false, vec![], "ok"),
        (&["AUTH XOAUTH2 PLAIN"], true, vec![], "ok"),
        (&["AUTH PLAIN"], false, vec![("AUTH", say("535 5.7.8 wrong"))], "us"),
        (&["AUTH PLAIN"], false, vec![("AUTH", say("454 4.7.0 later"))], "later"),
        (&["AUTH PLAIN"], false, vec![("AUTH", Act::Silence)], "later"),
        (&["AUTH PLAIN"], false, vec![("AUTH", say("334 VXNlcm5hbWU6"))], "us"),
        (&["AUTH PLAIN"], false, vec![("AUTH", say("334 "))], "later"),
        (&["AUTH XOAUTH2"], true, vec![("AUTH", say("334 eyJzdGF0dXMiOiI0MDEifQ=="))], "us"),
        (&["AUTH GSSAPI"], false, vec![], "us"),
        (&[], false, vec![], "us"),
    ] {
        let peer = Peer::start(Setup { offers, ..Setup::default() }, rules).await;
        let settings = RelaySettings { login: login(xoauth2), step_deadline: SHORT, ..settings(&peer) };
        assert!(!format!("{settings:?}").contains("s3cret"));
        let outcome = attempt(settings).await;
        assert_eq!(outcome.as_ref().map_or_else(kind, |_| "ok"), expect, "{offers:?}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("s3cret"));
        if expect == "ok" {
            // "\0parvis\0s3cret-word"; "user=parvis\x01auth=Bearer s3cret-word\x01\x01", though PLAIN was offered as well.
            let asked = if xoauth2 {
                "AUTH XOAUTH2 dXNlcj1wYXJ2aXMBYXV0aD1CZWFyZXIgczNjcmV0LXdvcmQBAQ=="
            } else {
                "AUTH PLAIN AHBhcnZpcwBzM2NyZXQtd29yZA=="
            };
            assert_eq!(peer.commands()[1], asked);
        }
    }
}

#[tokio::test]
async fn a_probe_goes_through_everything_but_a_mail() {
    let peer = Peer::start(Setup { offers: &["AUTH PLAIN", "SMTPUTF8"], ..Setup::default() }, vec![]).await;
    let relay = Relay::new(RelaySettings { login: login(false), ..settings(&peer) }).unwrap();
    let from = Address::parse("ne-pas-repondre@univ.example").unwrap();
    let probe = relay.probe(&from).await.unwrap();
    assert_eq!((probe.encrypted, probe.signed_in, probe.smtputf8), (false, true, true));
    assert_eq!(probe.sender_reply.as_deref(), Some("250 2.1.0 sender ok"));
    let verbs: Vec<_> = peer.commands().iter().map(|c| c.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(verbs, ["EHLO", "AUTH", "MAIL", "RSET", "QUIT"]);

    peer.rule("MAIL", say("553 5.1.8 not your address"));
    assert_eq!(kind(&relay.probe(&from).await.unwrap_err()), "us");
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let new = |change: fn(&mut RelaySettings)| {
        let mut settings = RelaySettings::new("mail.univ.example", "parvis.univ.example");
        change(&mut settings);
        Relay::new(settings).map(|_| ()).unwrap_err()
    };
    assert_eq!(new(|s| s.host = String::new()), RelayFault::Host);
    assert_eq!(new(|s| s.helo_name = "a b\r\nMAIL".into()), RelayFault::HeloName);
    assert_eq!(new(|s| s.login = login(false)), RelayFault::PasswordInClear);
    for file in ["absent.pem", "localhost.key"] {
        let mut settings = RelaySettings::new("mail.univ.example", "x.example");
        (settings.security, settings.ca_file) = (Security::Tls, Some(certificate(file)));
        let fault = Relay::new(settings).map(|_| ()).unwrap_err();
        assert!(matches!(fault, RelayFault::CaFile { .. }) && fault.to_string().contains(file), "{fault}");
    }
}

#[tokio::test]
async fn tls_that_breaks_in_mid_session_is_a_lost_connection() {
    for (theirs, ours) in [(Tls::Asked, Security::StartTls), (Tls::Implicit, Security::Tls)] {
        for (stage, expect) in [("MAIL", "later"), ("RCPT", "later"), ("DATA", "later"), (".", "maybe")] {
            // Bytes that are no TLS record, an alert in the place of a reply, and an end without one.
            for act in
                [Act::Raw(b"250 in clear\r\n".to_vec()), Act::Raw(vec![21, 3, 3, 0, 2, 2, 80]), Act::Cut]
            {
                let setup = Setup { tls: theirs, ..Setup::default() };
                let peer = Peer::start(setup, vec![(stage, act.clone())]).await;
                let trusting = RelaySettings {
                    security: ours,
                    ca_file: Some(certificate("ca.pem")),
                    step_deadline: SHORT,
                    ..settings(&peer)
                };
                let mut connection = super::connect(trusting).await.unwrap();
                let error = connection.send(&mail()).await.unwrap_err();
                assert_eq!(kind(&error), expect, "{stage} {act:?}: {error:?}");
                assert!(!connection.fit().await, "{stage} {act:?}: it is not used again");
            }
        }
    }
}
