//! The pages on `http://localhost`, as `cargo demo` starts them: a browser has to take their cookies there.

use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::pages::localhost;
use parvis_stand::{Browser, BrowserOptions, Pages, PagesOptions, Port, Scene, SceneOptions};

use crate::support::{charter, listing, password, person};

#[test]
fn a_student_on_localhost_without_tls() -> Result<()> {
    let port = Port::free()?;
    let base = localhost(&port);
    let config = format!("[pages]\nbase-url = \"{base}\"\n");
    let scene = Scene::start(SceneOptions { config, ..SceneOptions::default() })?;
    let pages = Pages::on_localhost(&scene, port, PagesOptions::default())?;
    let browser = Browser::start(&pages, &BrowserOptions::default())?;
    let linh = person("lnguyen");
    browser.goto(&format!("{base}/"))?;
    browser.fill("#login", &linh.login)?;
    browser.fill("#password", &linh.provisional_password)?;
    browser.press("main form .main")?;
    browser.fill("#address", "linh@ailleurs.example")?;
    browser.press("main form .main")?;
    let patience = Duration::from_secs(20);
    let mail = scene.inbox.wait_for("linh@ailleurs.example", |mail| !mail.links().is_empty(), patience)?;
    let own = |link: &String| link.starts_with(&format!("{base}/link/"));
    browser.goto(&mail.links().into_iter().find(own).context("the mail has no link to localhost")?)?;
    browser.press("main form .main")?;
    charter(&browser)?;
    listing(&browser, false)?;
    browser.press("main form .main")?;
    password(&browser, "Violet-mandarine-77")?;
    assert!(scene.slapd.bind_works(&linh.dn, "Violet-mandarine-77")?, "{}", browser.text("main")?);
    Ok(())
}
