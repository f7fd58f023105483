//! What is no request, at every boundary: refused in the contract's words, and nothing is brought down.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Result;
use parvis_stand::scene::at;
use parvis_stand::sso::{Reply, TOKEN};
use serde_json::{Value, json};

use crate::support::{Stage, refused};

fn head(more: &str) -> String {
    format!("Authorization: Bearer {TOKEN}\r\n{more}")
}

fn post(stage: &Stage, call: &str, body: &[u8]) -> Result<Reply> {
    stage.sso.send(&format!("POST /v1/{call}"), &head("Content-Type: application/json\r\n"), body)
}

/// It still lives, and still says yes to whom it should.
fn lives(stage: &Stage) -> Result<()> {
    let reply = stage.sso.ask("check", &json!({ "login": "cbernard", "authenticated": true }))?;
    assert_eq!(at(&reply.json()?, "/allow"), true, "{reply:?}");
    Ok(())
}

#[test]
fn no_such_call_path_or_method() -> Result<()> {
    let stage = Stage::new()?;
    // Calls of other roles are none here: nobody who may vouch for people is given what proves nothing.
    for call in [
        "enter",
        "authenticate",
        "bounce",
        "Check",
        "check/",
        "",
        "chec%6b",
        "..%2fcheck",
        "%ff",
        "org.parvis.Hook.Check",
    ] {
        refused(&post(&stage, call, b"{}")?, 404, "request-invalid")?;
    }
    for path in ["/", "/v1", "/v2/check", "/v1/check/x", "/metrics", "/v1//check"] {
        refused(&stage.sso.send(&format!("POST {path}"), &head(""), b"{}")?, 404, "request-invalid")?;
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "FOO"] {
        let reply = stage.sso.send(&format!("{method} /v1/check"), &head(""), b"")?;
        refused(&reply, 405, "request-invalid")?;
        assert_eq!(reply.header("allow"), Some("post"), "{method}");
    }
    assert_eq!(stage.sso.send("HEAD /v1/check", &head(""), b"")?.status, 405);
    lives(&stage)
}

#[test]
fn no_json_no_fields_too_much_of_it() -> Result<()> {
    let stage = Stage::new()?;
    let deep = format!("{{\"login\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let long = format!("{{\"login\":\"{}\",\"authenticated\":true}}", "a".repeat(257));
    let bodies: [&[u8]; 20] = [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\"check\"",
        b"{\"login\":\"a\"}",
        b"{\"login\":\"a\",\"authenticated\":\"true\"}",
        b"{\"login\":\"a\",\"authenticated\":true,\"x\":1}",
        b"{\"login\":\"a\",\"login\":\"b\",\"authenticated\":true}",
        b"{\"login\":[\"a\"],\"authenticated\":true}",
        b"{\"login\":\"a\\u0000b\",\"authenticated\":true}",
        b"{\"login\":\"a\\nb\",\"authenticated\":true}",
        b"{\"login\":\"\xff\",\"authenticated\":true}",
        b"{\"login\":\"a\",\"authenticated\":true}{}",
        b"{\"login\":\"a\",\"authenticated\":true",
        b"{\"login\":\"a\",\"authenticated\":true}\0",
        b"\xef\xbb\xbf{\"login\":\"a\",\"authenticated\":true}",
        b"login=a&authenticated=true",
        deep.as_bytes(),
        long.as_bytes(),
    ];
    for body in bodies {
        let reply = post(&stage, "check", body)?;
        refused(&reply, 400, "request-invalid")?;
    }
    let named =
        post(&stage, "check", b"{\"login\":\"a\",\"authenticated\":true,\"client\":{\"ip\":1}}")?.json()?;
    assert_eq!(named["refusal"]["field"], "client.ip", "{named}");
    // The most is taken, and one byte more is not, announced or not.
    let most = format!("{{\"login\":\"a\",\"authenticated\":true}}{}", " ".repeat(64 * 1024 - 34));
    assert_eq!(most.len(), 64 * 1024);
    assert_eq!(post(&stage, "check", most.as_bytes())?.status, 200);
    refused(&post(&stage, "check", format!("{most} ").as_bytes())?, 413, "request-invalid")?;
    let json = head("Content-Type: application/json\r\n");
    let chunked = format!(
        "POST /v1/check HTTP/1.1\r\nHost: a\r\n{json}Transfer-Encoding: chunked\r\n\r\n{}",
        format!("4000\r\n{}\r\n", " ".repeat(0x4000)).repeat(5)
    );
    refused(&stage.sso.raw(chunked.as_bytes())?, 413, "request-invalid")?;
    let announced =
        format!("POST /v1/check HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 99999999999\r\n\r\n");
    refused(&stage.sso.raw(announced.as_bytes())?, 413, "request-invalid")?;
    lives(&stage)
}

#[test]
fn only_json_is_taken_so_that_no_page_in_a_browser_can_ask() -> Result<()> {
    let stage = Stage::new()?;
    let body = b"{\"login\":\"cbernard\",\"authenticated\":true}";
    for kind in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/jsonx\r\n",
        "Content-Type: application/json\r\nContent-Type: application/json\r\n",
    ] {
        refused(&stage.sso.send("POST /v1/check", &head(kind), body)?, 415, "request-invalid")?;
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        let reply = stage.sso.send("POST /v1/check", &head(&format!("Content-Type: {kind}\r\n")), body)?;
        assert_eq!(reply.status, 200, "{kind}");
    }
    let preflight = "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n";
    let reply = stage.sso.send("OPTIONS /v1/check", preflight, b"")?;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (401, None));
    Ok(())
}

#[test]
fn what_is_hardly_http_ends_the_connection_and_nothing_else() -> Result<()> {
    let stage = Stage::new()?;
    let json = head("Content-Type: application/json\r\n");
    let smuggled = format!(
        "POST /v1/check HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    );
    let twice = format!(
        "POST /v1/check HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}x"
    );
    let large = format!("GET /v1/check HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET /v1/check HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(1000));
    let texts: [&[u8]; 9] = [
        smuggled.as_bytes(),
        twice.as_bytes(),
        large.as_bytes(),
        many.as_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\0/ HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"{\"method\":\"org.parvis.Hook.Check\"}\0",
    ];
    for text in texts {
        let mut stream = TcpStream::connect(("127.0.0.1", stage.sso.port()))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        // It may have gone before it has heard all of it.
        let _ = stream.write_all(text);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let said = String::from_utf8_lossy(&all).into_owned();
        assert!(!said.contains("HTTP/1.1 2") && !said.contains("\"allow\":true"), "{said}");
        lives(&stage)?;
    }
    Ok(())
}

#[test]
fn a_body_that_does_not_come_is_waited_for_no_longer_than_a_call_may_take() -> Result<()> {
    let stage = Stage::new()?;
    let mut stream = TcpStream::connect(("127.0.0.1", stage.sso.port()))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let json = head("Content-Type: application/json\r\n");
    let begun = Instant::now();
    stream.write_all(
        format!("POST /v1/check HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 100\r\n\r\n{{").as_bytes(),
    )?;
    let mut writer = stream.try_clone()?;
    let drip = std::thread::spawn(move || {
        while writer.write_all(b" ").is_ok() && begun.elapsed().as_secs() < 15 {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let mut first = [0; 1024];
    let count = stream.read(&mut first)?;
    let took = begun.elapsed();
    let said = String::from_utf8_lossy(&first[..count]).into_owned();
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("request-invalid"), "{said}");
    assert!(took < Duration::from_millis(3500), "{took:?}");
    drop(stream);
    drip.join().expect("it only drips");
    lives(&stage)
}

#[test]
fn hostile_words_reach_neither_the_log_nor_a_second_line_of_it() -> Result<()> {
    let stage = Stage::new()?;
    let odd =
        json!({ "login": "x\u{2028}INFO let through login=\"root\" '\"<script>", "authenticated": true });
    assert_eq!(stage.sso.ask("check", &odd)?.status, 200);
    let path = "/cas/interrupt?username=a%0aINFO%20let%20through&service=%0d%0aSet-Cookie:x";
    let reply = stage.sso.get(path, "")?;
    assert_eq!((reply.status, &reply.json()?["block"]), (200, &Value::Bool(true)));
    let log = stage.sso.log();
    assert!(!log.lines().any(|line| line.starts_with("INFO")), "{log}");
    assert!(!log.contains("Set-Cookie") && !log.contains('\u{2028}'), "{log}");
    Ok(())
}
