//! The two web servers whose sites we ship, each run as it is shipped: what holds behind one holds behind the other.

use anyhow::{Context, Result};
use parvis_stand::scene::at;
use parvis_stand::{BrowserOptions, Front, PagesOptions, SceneOptions};

use crate::support::{Stage, charter, listing, password, person, prove, sign_in, url};

#[test]
fn behind_nginx() -> Result<()> {
    behind(Front::Nginx)
}

#[test]
fn behind_apache() -> Result<()> {
    behind(Front::Apache)
}

fn behind(front: Front) -> Result<()> {
    let config = "[limits]\nclient = \"8/1h\"\naccount-sign-in = \"100/1h\"".to_owned();
    let pages = PagesOptions { front, ..PagesOptions::default() };
    let mut stage = Stage::with(SceneOptions { config, ..SceneOptions::default() }, pages)?;
    all_steps(&stage)?;
    headers(&stage)?;
    the_client_is_whom_the_server_saw(&stage)?;
    large_bodies(&stage)?;
    stage.pages.terminate()?;
    // Nobody behind it: an answer all the same, and no address of a link in the log.
    let browser = stage.browser(&BrowserOptions::default())?;
    browser.goto(&url("/link/abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"))?;
    assert!(browser.text("body")?.contains("Réessayez dans quelques minutes"), "{}", browser.source()?);
    // From there to somewhere else of ours: where one came from may be logged by others, and must not be here.
    browser.run("location.href = '/step'")?;
    browser.wait_text("body", "Réessayez")?;
    let logs = stage.pages.front_log();
    assert!(logs.contains("GET /step"), "the log says too little to prove anything: {logs}");
    assert!(!logs.contains("abcdefghijklmnop"), "{logs}");
    Ok(())
}

/// A ticket, a link, a page that waits, a reload of what never changes: everything that a proxy could break.
fn all_steps(stage: &Stage) -> Result<()> {
    let linh = person("lnguyen");
    let browser = stage.browser(&BrowserOptions::default())?;
    let asked = serde_json::json!({ "login": "lnguyen", "authenticated": true });
    let (_, checked) = stage.scene.daemon.hook("check", &asked)?;
    let ticket = at(&checked, "/url").as_str().context("no url")?;
    browser.goto(ticket)?;
    assert_eq!(browser.path()?, "/step");
    prove(stage, &browser, "linh@dehors.example")?;
    charter(&browser)?;
    listing(&browser, false)?;
    browser.press("main form .main")?;
    password(&browser, "Pivoine-Atlas-908")?;
    assert!(stage.scene.slapd.bind_works(&linh.dn, "Pivoine-Atlas-908")?);
    let token = ticket.rsplit('/').next().unwrap_or_default();
    stage.no_secret_in_the_logs(&[token, "Pivoine-Atlas-908", "linh@dehors.example"])
}

/// What the pages say reaches the browser as they said it.
fn headers(stage: &Stage) -> Result<()> {
    let browser = stage.browser(&BrowserOptions::default())?;
    browser.goto(&url("/sign-in"))?;
    let got = browser.run_async(
        "const done = arguments[arguments.length - 1]; fetch('/sign-in').then((answer) => \
         done(Object.fromEntries([...answer.headers])), (error) => done({ error: String(error) }))",
    )?;
    for (name, part) in [
        ("content-security-policy", "default-src 'none'"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("strict-transport-security", "max-age"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        let value = at(&got, &format!("/{name}")).as_str().unwrap_or_default();
        assert!(value.starts_with(part) && value.matches(part).count() == 1, "{name}: {got}");
        assert!(!value.contains("no-referrer"), "{name}: {got}");
    }
    Ok(())
}

/// Signs in, wrongly, as a browser that claims to be somebody else each time; the status of each answer.
fn the_client_is_whom_the_server_saw(stage: &Stage) -> Result<()> {
    let browser = stage.browser(&BrowserOptions::default())?;
    browser.goto(&url("/sign-in"))?;
    let statuses = browser.run_async(
        "const done = arguments[arguments.length - 1]; (async () => { const seen = []; \
         const form = document.querySelector('[name=form]').value; \
         for (let n = 1; n <= 12; n++) { const answer = await fetch('/sign-in', { method: 'POST', \
         headers: { 'X-Forwarded-For': `203.0.113.${n}` }, \
         body: new URLSearchParams({ form, login: `nobody${n}`, password: 'x' }) }); seen.push(answer.status); } \
         return seen.join(' '); })().then(done, (error) => done(String(error)))",
    )?;
    let statuses = statuses.as_str().unwrap_or_default();
    assert!(statuses.starts_with("422") && statuses.ends_with("429"), "{statuses}");
    Ok(())
}

/// More than any form has is refused before it is read, and the next one is served.
fn large_bodies(stage: &Stage) -> Result<()> {
    let browser = stage.browser(&BrowserOptions::default())?;
    browser.goto(&url("/sign-in"))?;
    // Often enough that Apache's 502, once in twelve where the pages answer before they have read, is met.
    let statuses = browser.run_async(
        "const done = arguments[arguments.length - 1]; (async () => { const seen = new Set(); \
         for (let n = 1; n <= 150; n++) { const answer = await fetch('/sign-in', { method: 'POST', \
         body: new URLSearchParams({ login: 'a'.repeat(20000 + 5000 * n) }) }); seen.add(answer.status); } \
         return [...seen].join(' '); })().then(done, (error) => done(String(error)))",
    )?;
    assert_eq!(statuses, "413");
    sign_in(&browser, &person("mdurand"))?;
    assert!(browser.path()?.starts_with("/sign-in") || browser.path()? == "/step");
    Ok(())
}
