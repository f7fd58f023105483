//! Input that no browser sends: each gets a clear answer, and everybody else is still served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use serde_json::json;

use crate::support::{Answer, OWN, Stage, ask, person, post, raw};

#[test]
fn bodies_that_are_no_forms() -> Result<()> {
    let stage = Stage::new()?;
    let page = ask(&stage, "GET", "/sign-in", &[])?;
    let cookie = format!("__Host-parvis-form={}", page.given("__Host-parvis-form").context("no cookie")?);
    let form = format!("form={}", page.form().context("no token")?);
    let headers = [&OWN[..], &[("Cookie", cookie.as_str())]].concat();
    let long = format!("{form}&login={}", "a".repeat(20_000));
    for (what, body, status) in [
        ("a huge body", long.clone(), 413),
        ("bytes that are not UTF-8", format!("{form}&login=%ff%fe&password=x"), 400),
        ("a field twice", format!("{form}&login=a&login=b"), 400),
        ("many fields", (0..100).map(|n| format!("&f{n}=1")).collect::<String>(), 400),
        ("a NUL in a login", format!("{form}&login=a%00b&password=x"), 422),
        ("a login that turns the direction of writing", format!("{form}&login=a%E2%80%AEb&password=x"), 422),
        ("a password of 2,000 bytes", format!("{form}&login=mdurand&password={}", "x".repeat(2000)), 422),
        ("no fields", form.clone(), 422),
    ] {
        let answer = post(&stage, "/sign-in", &headers, body.as_bytes())?;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert!(answer.body.contains("<h1>") && answer.given("__Host-parvis").is_none(), "{what}");
    }
    let json = post(&stage, "/sign-in", &[&headers[..], &[("content-type", "text/plain")]].concat(), b"{}")?;
    assert!((400..=422).contains(&json.status), "{}", json.status);
    // Declared larger than it may be, and never sent.
    let declared = raw(
        &stage,
        format!(
            "POST /sign-in HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 999999999\r\n\r\n"
        )
        .as_bytes(),
    );
    assert!(declared.is_err() || declared?.status >= 400);
    Ok(())
}

#[test]
fn headers_cannot_be_injected_and_strange_requests_are_refused() -> Result<()> {
    let stage = Stage::new()?;
    for evil in ["https://a%0d%0aSet-Cookie:%20evil=1", "%0d%0a%0d%0a%3Chtml%3E", "javascript:alert(1)"] {
        let answer = ask(&stage, "GET", &format!("/sign-in?return_to={evil}"), &[])?;
        assert_eq!(answer.status, 200);
        assert!(answer.cookies().iter().all(|cookie| !cookie.contains("evil")), "{evil}");
        let moved = ask(&stage, "GET", &format!("/language/fr?to={evil}"), &[])?;
        assert_eq!(moved.header("location"), Some("/"), "{evil}");
    }
    for away in ["//evil.example", "https://evil.example", "/%5Cevil.example", "/..//evil"] {
        let moved = ask(&stage, "GET", &format!("/language/en?to={away}"), &[])?;
        let to = moved.header("location").unwrap_or_default();
        assert!(to == "/" && !to.starts_with("//"), "{away}: {to}");
    }
    // A return_to that is not the campus's is not refused: it is not given back (the daemon's rule).
    let page = ask(&stage, "GET", "/sign-in?return_to=https://evil.example/", &[])?;
    let cookie = format!("__Host-parvis-form={}", page.given("__Host-parvis-form").context("no cookie")?);
    let body = format!(
        "form={}&login=mdurand&password={}&return_to=https://evil.example/",
        page.form().context("no token")?,
        person("mdurand").provisional_password
    );
    let entered =
        post(&stage, "/sign-in", &[&OWN[..], &[("Cookie", cookie.as_str())]].concat(), body.as_bytes())?;
    assert_eq!(entered.header("location"), Some("/step"));
    for request in [
        "BREW / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/9\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        let answer = raw(&stage, request.as_bytes());
        assert!(answer.is_err() || answer?.status >= 300, "{request:?}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "a".repeat(40_000));
    let answer = raw(&stage, long.as_bytes());
    assert!(answer.is_err() || answer?.status >= 400);
    // Two cookies of a name are none: somebody has put one there.
    let two = ask(&stage, "GET", "/step", &[("Cookie", "__Host-parvis=a; __Host-parvis=b")])?;
    assert_eq!(two.header("location"), Some("/"));
    let stale = ask(&stage, "GET", "/step", &[("Cookie", "__Host-parvis=nonsense")])?;
    assert_eq!(stale.status, 403);
    assert!(
        stale.cookies().iter().any(|cookie| cookie.starts_with("__Host-parvis=;")),
        "{:?}",
        stale.cookies()
    );
    Ok(())
}

#[test]
fn a_thousand_silent_connections_keep_nobody_out() -> Result<()> {
    let stage = Stage::new()?;
    let before = stage.pages.usage()?.resident_kib;
    let mut silent: Vec<TcpStream> = Vec::new();
    for number in 0..1000 {
        let mut stream = TcpStream::connect(("127.0.0.1", stage.pages.port()))?;
        if number % 2 == 0 {
            // Half of them have begun to speak.
            stream.write_all(b"GET /sign-in HTTP/1.1\r\nHost: a\r\nX-Slow: ")?;
        }
        silent.push(stream);
    }
    let begun = Instant::now();
    assert_eq!(ask(&stage, "GET", "/sign-in", &[])?.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let grown = stage.pages.usage()?.resident_kib.saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB for a thousand silent connections");
    // Whoever stays silent is let go.
    let first = silent.first_mut().context("none")?;
    first.set_read_timeout(Some(Duration::from_secs(40)))?;
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).context("a silent connection was held")?;
    Ok(())
}

/// The cookies of somebody whose page waits for a link, and the page.
fn waiting(stage: &Stage, login: &str, address: &str) -> Result<(String, Answer)> {
    let page = ask(stage, "GET", "/sign-in", &[])?;
    let form_cookie =
        format!("__Host-parvis-form={}", page.given("__Host-parvis-form").context("no cookie")?);
    let form = page.form().context("no token")?;
    let body = format!("form={form}&login={login}&password={}", person(login).provisional_password);
    let entered =
        post(stage, "/sign-in", &[&OWN[..], &[("Cookie", form_cookie.as_str())]].concat(), body.as_bytes())?;
    let cookie =
        format!("{form_cookie}; __Host-parvis={}", entered.given("__Host-parvis").context("no session")?);
    let body = format!("form={form}&address={address}");
    let given =
        post(stage, "/address", &[&OWN[..], &[("Cookie", cookie.as_str())]].concat(), body.as_bytes())?;
    assert_eq!(given.header("location"), Some("/step"), "{}", given.body);
    // The page is another one when the mail has gone.
    let sent = parvis_stand::run::until(parvis_stand::browser::PATIENCE, || {
        let page = ask(stage, "GET", "/step", &[("Cookie", &cookie)])?;
        Ok(page.body.contains("en route vers").then_some(page))
    })?;
    Ok((cookie, sent.context("the mail never went")?))
}

#[test]
fn pages_that_wait_are_bounded_and_move_on_together() -> Result<()> {
    let stage = Stage::new()?;
    let (cookie, page) = waiting(&stage, "mdurand", "marie@dehors.example")?;
    // Another stamp than the page's is a change at once; without a session there is nothing to wait for.
    assert_eq!(ask(&stage, "GET", "/changed?seen=other", &[("Cookie", &cookie)])?.status, 205);
    assert_eq!(ask(&stage, "GET", "/changed", &[])?.status, 205);
    let path = page.body.split("data-waits=\"").nth(1).and_then(|rest| rest.split('"').next());
    let path = path.context("the page does not wait")?;
    let (sender, answers) = std::sync::mpsc::channel();
    let link = stage.link("marie@dehors.example", 0)?;
    std::thread::scope(|scope| -> Result<()> {
        for _ in 0..7 {
            let (sender, stage, cookie) = (sender.clone(), &stage, cookie.as_str());
            scope
                .spawn(move || sender.send(ask(stage, "GET", path, &[("Cookie", cookie)]).map(|a| a.status)));
        }
        // The daemon holds four for one person.
        for _ in 0..3 {
            assert_eq!(answers.recv_timeout(Duration::from_secs(10))??, 503);
        }
        assert!(answers.recv_timeout(Duration::from_secs(1)).is_err(), "nothing has changed");
        assert_eq!(ask(&stage, "GET", "/step", &[("Cookie", &cookie)])?.status, 200);
        let token = link.rsplit('/').next().unwrap_or_default();
        stage.scene.daemon.hook("redeem", &json!({ "link": token }))?;
        for _ in 0..4 {
            assert_eq!(answers.recv_timeout(Duration::from_secs(10))??, 205);
        }
        Ok(())
    })
}

#[test]
fn a_page_that_waits_in_vain_is_told_so_before_a_proxy_would_give_up() -> Result<()> {
    let stage = Stage::new()?;
    let (cookie, page) = waiting(&stage, "mdurand", "marie@dehors.example")?;
    let path = page.body.split("data-waits=\"").nth(1).and_then(|rest| rest.split('"').next());
    let begun = Instant::now();
    assert_eq!(
        ask(&stage, "GET", path.context("the page does not wait")?, &[("Cookie", &cookie)])?.status,
        204
    );
    assert!(begun.elapsed() > Duration::from_secs(20) && begun.elapsed() < Duration::from_secs(35));
    // Too early for another mail, without a script that says so beforehand.
    let body = format!("form={}", page.form().context("no token")?);
    let headers = [&OWN[..], &[("Cookie", cookie.as_str())]].concat();
    let early = post(&stage, "/resend", &headers, body.as_bytes())?;
    assert_eq!(early.status, 429);
    assert!(
        early.header("retry-after").is_some() && early.body.contains("href=\"#resend\""),
        "{}",
        early.body
    );
    assert_eq!(stage.scene.inbox.last_number(), 1);
    Ok(())
}
