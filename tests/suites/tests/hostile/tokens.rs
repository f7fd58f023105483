//! Links, sessions and tickets: cut, padded, of another person, of another kind.

use anyhow::Result;
use parvis_stand::{Scene, Walk};
use parvis_suites::refusal;
use serde_json::json;

use crate::unharmed;

/// A token in many wrong forms.
fn damaged(token: &str) -> Vec<String> {
    let (half, cut) = (&token[..token.len() / 2], &token[..token.len() - 1]);
    let turned = |at: usize| {
        let mut bytes = token.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let mut all = vec![
        String::new(),
        "x".to_owned(),
        half.to_owned(),
        cut.to_owned(),
        format!("{token}="),
        format!("{token}AAAA"),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}/"),
        token.to_lowercase(),
        token.replace(['-', '_'], "+"),
        format!("{half}{half}"),
        "A".repeat(64),
        "_".repeat(64),
        "A".repeat(512),
        "../../etc/passwd".to_owned(),
        "'; DROP TABLE links; --".to_owned(),
    ];
    all.extend([0, 20, 21, 22, 42, 43, 63].map(turned));
    all.retain(|damaged| damaged != token);
    all
}

/// What each call says to something that is none of its tokens.
fn is_none(scene: &Scene, token: &str, session: bool, link: bool, ticket: bool) -> Result<()> {
    if link {
        let (code, looked) = scene.daemon.hook("look", &json!({ "link": token }))?;
        assert_eq!((code, looked["usable"].as_str()), (0, Some("unknown")), "{token:?}: {looked}");
        assert!(looked["purpose"].is_null() && looked["address"].is_null());
        let (_, redeemed) = scene.daemon.hook("redeem", &json!({ "link": token }))?;
        assert_eq!(refusal(&redeemed), "link-unknown", "{token:?}");
    }
    if session {
        for (call, request) in [
            ("state", json!({ "session": token })),
            ("restart", json!({ "session": token })),
            ("recovery-address", json!({ "session": token, "address": "evil@ailleurs.example" })),
            ("password", json!({ "session": token, "password": "Violet-mandarine-77" })),
        ] {
            let (_, answer) = scene.daemon.hook(call, &request)?;
            assert_eq!(refusal(&answer), "session-unknown", "{call} {token:?}: {answer}");
        }
    }
    if ticket {
        let (_, entered) = scene.daemon.hook("enter", &json!({ "ticket": token }))?;
        assert_eq!(refusal(&entered), "ticket-unusable", "{token:?}: {entered}");
    }
    Ok(())
}

#[test]
fn a_token_is_what_it_is_and_nothing_else() -> Result<()> {
    let scene = Scene::new()?;
    let mut walk = Walk::open(&scene, "mdurand")?;
    walk.step("recovery-address", json!({ "address": "marie@ailleurs.example" }), "recovery-link")?;
    let link = walk.link("marie@ailleurs.example", 0)?;
    let request = json!({ "login": "mdurand", "authenticated": true });
    let (_, checked) = scene.daemon.hook("check", &request)?;
    let ticket = checked["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    // Of another kind.
    is_none(&scene, &link, true, false, true)?;
    is_none(&scene, &ticket, true, true, false)?;
    is_none(&scene, &walk.session, false, true, true)?;
    // Damaged.
    for damaged in damaged(&link) {
        is_none(&scene, &damaged, false, true, false)?;
    }
    for damaged in damaged(&ticket) {
        is_none(&scene, &damaged, false, false, true)?;
    }
    let session = walk.session.clone();
    for damaged in damaged(&session) {
        let (_, answer) = scene.daemon.hook("state", &json!({ "session": damaged }))?;
        assert_eq!(refusal(&answer), "session-unknown", "{damaged:?}: {answer}");
    }
    // Whole, and as good as before.
    unharmed(&scene, &session, "recovery-link")?;
    assert_eq!(scene.daemon.hook("enter", &json!({ "ticket": ticket }))?.0, 0);
    walk.step("redeem", json!({ "link": link }), "charter")?;
    assert!(scene.inbox.messages_to("evil@ailleurs.example").is_empty());
    Ok(())
}

#[test]
fn two_persons_tokens_cannot_be_put_together() -> Result<()> {
    let scene = Scene::new()?;
    let (marie, paul) = (Walk::open(&scene, "mdurand")?, Walk::open(&scene, "pmoreau")?);
    // A token is an identifier, a hash and the person, 16 bytes each: 64 characters of base64url.
    let (a, b) = (&marie.session, &paul.session);
    for cut in [16, 21, 22, 32, 42, 43, 48] {
        for mixed in [format!("{}{}", &a[..cut], &b[cut..]), format!("{}{}", &b[..cut], &a[cut..])] {
            let (_, answer) = scene.daemon.hook("state", &json!({ "session": mixed }))?;
            assert_eq!(refusal(&answer), "session-unknown", "{cut}");
        }
    }
    unharmed(&scene, a, "recovery-address")?;
    unharmed(&scene, b, "recovery-address")
}

#[test]
fn a_session_that_was_rotated_or_restarted_away_opens_nothing() -> Result<()> {
    let scene = Scene::new()?;
    let mut walk = Walk::open(&scene, "mdurand")?;
    let old = walk.session.clone();
    walk.prove("marie@ailleurs.example")?;
    assert_ne!(walk.session, old, "a link that was used changes the session's token");
    is_none(&scene, &old, true, false, false)?;
    let before = scene.inbox.last_number();
    walk.step("restart", json!({}), "recovery-address")?;
    walk.step("recovery-address", json!({ "address": "other@ailleurs.example" }), "recovery-link")?;
    let link = walk.link("other@ailleurs.example", before)?;
    walk.step("restart", json!({}), "recovery-address")?;
    let (_, answer) = walk.call("redeem", json!({ "link": link }))?;
    assert_eq!(refusal(&answer), "link-superseded");
    Ok(())
}
