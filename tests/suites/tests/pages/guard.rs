//! What holds for every answer: headers, cookies, who may send a form; and what no log ever holds.

use anyhow::{Context, Result};
use parvis_stand::BrowserOptions;

use crate::support::{Answer, OWN, Stage, ask, person, post, sign_in, url};

type Headers<'h> = Vec<(&'h str, &'h str)>;

/// Cookie and token of a form, as a browser that has seen the page has them.
fn seen(stage: &Stage) -> Result<(String, String)> {
    let page = ask(stage, "GET", "/sign-in", &[])?;
    let secret = page.given("__Host-parvis-form").context("no cookie")?;
    Ok((format!("__Host-parvis-form={secret}"), page.form().context("no token")?.to_owned()))
}

fn credentials(login: &str, token: &str) -> String {
    format!("form={token}&login={login}&password={}", person(login).provisional_password)
}

#[test]
fn every_answer_is_dressed_and_personal_pages_are_in_no_cache() -> Result<()> {
    let stage = Stage::new()?;
    let answers: Vec<Answer> =
        ["/", "/sign-in", "/step", "/link", "/link/abc", "/nowhere", "/left", "/timed-out"]
            .iter()
            .map(|path| ask(&stage, "GET", path, &[]))
            .collect::<Result<_>>()?;
    for answer in &answers {
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        for name in ["strict-transport-security", "cross-origin-opener-policy", "permissions-policy"] {
            assert!(answer.header(name).is_some(), "{name}");
        }
        assert!(
            !answer.body.contains("style=") && !answer.body.contains(" on"),
            "nothing is inline: {}",
            answer.body
        );
        for cookie in answer.cookies() {
            assert!(cookie.starts_with("__Host-"), "{cookie}");
            for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(part), "{cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
    }
    // What never changes is kept for ever, under a name that does.
    let page = &answers[1].body;
    let asset = page.split("href=\"/assets/").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let loaded = ask(&stage, "GET", &format!("/assets/{asset}"), &[])?;
    assert_eq!(loaded.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert!(asset.contains('-') && asset.ends_with(".css"));
    assert_eq!(ask(&stage, "GET", "/assets/style.css", &[])?.status, 404);
    Ok(())
}

#[test]
fn a_form_from_elsewhere_is_refused_and_does_nothing() -> Result<()> {
    let stage = Stage::new()?;
    let (cookie, token) = seen(&stage)?;
    let (other_cookie, _) = seen(&stage)?;
    let body = credentials("mdurand", &token);
    let without = body.replace(&format!("form={token}&"), "");
    let evil = [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")];
    let sibling = [("Origin", "https://www.univ.example"), ("Sec-Fetch-Site", "same-site")];
    let cases: [(&str, Headers<'_>, &str); 6] = [
        ("another site", [&evil[..], &[("Cookie", &cookie)]].concat(), &body),
        ("a neighbour", [&sibling[..], &[("Cookie", &cookie)]].concat(), &body),
        ("no origin", vec![("Cookie", &cookie)], &body),
        ("no token", [&OWN[..], &[("Cookie", &cookie)]].concat(), &without),
        ("no cookie", OWN.to_vec(), &body),
        ("another browser's cookie", [&OWN[..], &[("Cookie", &other_cookie)]].concat(), &body),
    ];
    for (what, headers, body) in &cases {
        let refused = post(&stage, "/sign-in", headers, body.as_bytes())?;
        assert_eq!(refused.status, 403, "{what}");
        assert!(refused.given("__Host-parvis").is_none(), "{what}");
    }
    let fine = [&OWN[..], &[("Cookie", &cookie)]].concat();
    let accepted = post(&stage, "/sign-in", &fine, body.as_bytes())?;
    assert_eq!((accepted.status, accepted.header("location")), (303, Some("/step")));
    let session = accepted.given("__Host-parvis").context("no session")?.to_owned();
    // With the session alone, no form of a step is accepted either.
    let held = format!("__Host-parvis={session}; {cookie}");
    for path in [
        "/address",
        "/charter",
        "/listing",
        "/mail",
        "/password",
        "/resend",
        "/restart",
        "/leave",
        "/link",
        "/strength",
    ] {
        let headers = [&evil[..], &[("Cookie", held.as_str())]].concat();
        let refused = post(&stage, path, &headers, format!("form={token}&address=x@y.example").as_bytes())?;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.cookies().iter().all(|cookie| !cookie.contains("Max-Age=0")), "{path}");
    }
    assert_eq!(stage.scene.inbox.last_number(), 0, "nobody was written to");
    Ok(())
}

#[test]
fn a_restart_of_the_pages_breaks_no_form_and_a_daemon_that_is_away_costs_nothing() -> Result<()> {
    let mut stage = Stage::new()?;
    let browser = stage.browser(&BrowserOptions::default())?;
    sign_in(&browser, &person("mdurand"))?;
    browser.fill("#address", "marie@dehors.example")?;
    stage.pages.restart()?;
    stage.scene.daemon.terminate()?;
    browser.press("main form .main")?;
    assert_eq!(browser.text("h1")?, "Le service est momentanément indisponible");
    stage.scene.daemon.restart()?;
    // What was typed is still there: one press, and it goes.
    browser.press("main form .main")?;
    assert_eq!(browser.text("h1")?, "Consultez votre messagerie");
    stage.link("marie@dehors.example", 0)?;
    assert!(stage.pages.log().contains("failed to get an answer from the daemon"));
    stage.no_secret_in_the_logs(&[
        "marie@dehors.example",
        "mdurand",
        &person("mdurand").provisional_password,
    ])?;
    assert!(stage.pages.terminate()?.success());
    Ok(())
}

#[test]
fn scripts_see_no_cookie_and_nothing_leaks_in_an_address() -> Result<()> {
    let stage = Stage::new()?;
    let browser = stage.browser(&BrowserOptions::default())?;
    sign_in(&browser, &person("mdurand"))?;
    assert_eq!(browser.run("return document.cookie")?, "");
    assert_eq!(browser.run("return [localStorage.length, sessionStorage.length].join()")?, "0,0");
    let names: Vec<String> = browser.cookies()?.into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"__Host-parvis".to_owned()), "{names:?}");
    // An inline script is not run, and no other host is asked for anything.
    browser.goto(&url("/sign-in?return_to=%22%3E%3Cscript%3Edocument.title%3D1%3C/script%3E"))?;
    assert!(!browser.source()?.contains("<script>document"));
    let hosts = browser.run("return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host).filter((host) => host !== location.host).join()")?;
    assert_eq!(hosts, "");
    Ok(())
}
