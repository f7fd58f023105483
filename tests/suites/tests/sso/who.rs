//! Who is heard: on loopback the token, under TLS the certificate, and nobody else.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use parvis_stand::certs::Authority;
use parvis_stand::place::Place;
use parvis_stand::run;
use parvis_stand::sso::{CLIENT, SsoOptions, TOKEN};
use serde_json::Value;

use crate::crowd::ask_on;
use crate::support::{Stage, check_by_tls, refused};

const BODY: &[u8] = b"{\"login\":\"cbernard\",\"authenticated\":true}";
const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn without_the_token_nobody_on_this_machine_is_heard() -> Result<()> {
    let stage = Stage::new()?;
    let almost = format!("{}1", TOKEN.trim_end_matches('0').trim_end_matches('f'));
    let basic = |pair: String| format!("Basic {}", parvis_protocol::base64::encode(pair.as_bytes()));
    let wrong = [
        String::new(),
        format!("Authorization: Bearer {almost}\r\n"),
        format!("Authorization: Bearer {TOKEN}0\r\n"),
        "Authorization: Bearer\r\n".to_owned(),
        format!("Authorization: {TOKEN}\r\n"),
        format!("Authorization: Digest {TOKEN}\r\n"),
        format!("Authorization: {}\r\n", basic(format!("{TOKEN}:"))),
        format!("Authorization: {}\r\n", basic(TOKEN.to_owned())),
        "Authorization: Basic !!\r\n".to_owned(),
        format!("Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n"),
        format!("X-Authorization: Bearer {TOKEN}\r\n"),
    ];
    for header in &wrong {
        for line in [
            "POST /v1/check",
            "POST /v1/nothing",
            "GET /",
            "POST /cas/aup",
            "GET /cas/aup/status?username=cbernard",
        ] {
            let reply = stage.sso.send(line, &format!("{JSON}{header}"), BODY)?;
            refused(&reply, 401, "not-permitted").with_context(|| format!("{line} {header}"))?;
            assert!(
                reply.header("www-authenticate").is_some_and(|said| said.contains("bearer")),
                "{reply:?}"
            );
        }
        // CAS takes anything but a block for a yes, whatever its status.
        let reply = stage.sso.send("GET /cas/interrupt?username=cbernard", header, b"")?;
        assert_eq!((reply.status, &reply.json()?["block"]), (200, &Value::Bool(true)), "{header}");
    }
    let query = format!("POST /v1/check?token={TOKEN}&access_token={TOKEN}");
    refused(&stage.sso.send(&query, JSON, BODY)?, 401, "not-permitted")?;
    for header in [format!("Bearer {TOKEN}"), basic(format!("cas:{TOKEN}")), basic(format!(":{TOKEN}"))] {
        let reply = stage.sso.send("POST /v1/check", &format!("{JSON}Authorization: {header}\r\n"), BODY)?;
        assert_eq!((reply.status, &reply.json()?["allow"]), (200, &Value::Bool(true)), "{header}");
    }
    let log = stage.sso.log();
    assert!(
        log.contains("loopback is not heard: no token, or another")
            && !log.contains(TOKEN)
            && !log.contains(&almost),
        "{log}"
    );
    Ok(())
}

#[test]
fn under_tls_a_certificate_of_the_authority_with_a_name_that_may_ask() -> Result<()> {
    let stage = Stage::with("", SsoOptions { names: vec![CLIENT.to_owned()], ..SsoOptions::default() })?;
    let authority = stage.sso.authority();
    let (status, answer) = check_by_tls(&stage.sso, Some(&stage.sso.client()?), "cbernard")?;
    assert_eq!((status, &answer["allow"]), (200, &Value::Bool(true)), "{answer}");
    stage.sso.wait_log(&format!("check of cbernard, asked by {CLIENT}: let through"))?;
    // Another name of the same authority's, a wildcard over ours, no name at all: known, and not heard.
    for (stem, names) in
        [("other", vec!["idp.univ.example"]), ("star", vec!["*.univ.example"]), ("none", vec![])]
    {
        let certificate = authority.issue_client(stem, &names)?;
        let (status, answer) = check_by_tls(&stage.sso, Some(&certificate), "cbernard")?;
        assert_eq!(
            (status, &answer["refusal"]["code"]),
            (403, &Value::from("not-permitted")),
            "{stem}: {answer}"
        );
    }
    // No certificate; another authority's, with the right name; a server's, with the right name.
    let elsewhere = Place::new("other-authority")?;
    let stranger = Authority::new(elsewhere.path())?.issue_client("stranger", &[CLIENT])?;
    let server = authority.issue("for-servers", &[CLIENT])?;
    for certificate in [None, Some(&stranger), Some(&server)] {
        let answer = check_by_tls(&stage.sso, certificate, "cbernard");
        assert!(answer.is_err(), "{certificate:?}: {answer:?}");
    }
    // The token is loopback's: it opens nothing here, and plain HTTP is not spoken.
    let plain = run::output(
        &run::program("curl")?,
        &[
            "-sS",
            "--max-time",
            "10",
            &format!("http://127.0.0.1:{}/v1/check", stage.sso.tls_port()),
            "-d",
            "{}",
        ],
        b"",
    )?;
    assert!(!plain.status.success());
    Ok(())
}

#[test]
fn without_names_every_certificate_of_the_authority_may_ask_and_still_no_other() -> Result<()> {
    let stage = Stage::new()?;
    let any = stage.sso.authority().issue_client("any", &["who.ever.example"])?;
    assert_eq!(check_by_tls(&stage.sso, Some(&any), "cbernard")?.0, 200);
    assert!(check_by_tls(&stage.sso, None, "cbernard").is_err());
    Ok(())
}

#[test]
fn token_and_certificates_are_read_again_on_sighup_whole_or_not_at_all() -> Result<()> {
    let stage = Stage::new()?;
    let (old, new) = (stage.sso.client()?, "another-token-of-more-than-32-characters");
    let bearer = |token: &str| format!("{JSON}Authorization: Bearer {token}\r\n");
    stage.sso.write_token("short")?;
    stage.sso.hangup()?;
    stage.sso.wait_log("in force stay")?;
    stage.sso.wait_log("at least 32")?;
    assert_eq!(stage.sso.send("POST /v1/check", &bearer(TOKEN), BODY)?.status, 200);
    assert_eq!(check_by_tls(&stage.sso, Some(&old), "cbernard")?.0, 200);
    stage.sso.write_token(new)?;
    // Another authority in the place of the first: its clients come, the first's go.
    let place = stage.sso.authority().file();
    let elsewhere = Place::new("next-authority")?;
    let next = Authority::new(elsewhere.path())?;
    let first = std::fs::read(&place)?;
    std::fs::copy(next.file(), &place)?;
    let mut kept = TcpStream::connect(("127.0.0.1", stage.sso.port()))?;
    kept.set_read_timeout(Some(Duration::from_secs(10)))?;
    ask_on(&mut kept)?;
    stage.sso.hangup()?;
    stage.sso.wait_log("are read again")?;
    // A connection that stands on the old keys ends, long before it would for its silence.
    assert_eq!(kept.read(&mut [0; 64])?, 0);
    assert_eq!(stage.sso.send("POST /v1/check", &bearer(TOKEN), BODY)?.status, 401);
    assert_eq!(stage.sso.send("POST /v1/check", &bearer(new), BODY)?.status, 200);
    // The server's own certificate is still the first authority's.
    std::fs::write(&place, first)?;
    let known = next.issue_client("next", &[CLIENT])?;
    assert_eq!(check_by_tls(&stage.sso, Some(&known), "cbernard")?.0, 200);
    assert!(check_by_tls(&stage.sso, Some(&old), "cbernard").is_err());
    assert!(!stage.sso.log().contains(new));
    stage.sso.signal(Signal::SIGTERM)
}
