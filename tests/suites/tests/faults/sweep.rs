//! The nightly sweep, on short limits: what has ended is put away, what was kept long enough is erased, and the audit
//! still says that nothing was taken out of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use parvis_stand::run::Running;
use parvis_stand::{Scene, SceneOptions, run};
use parvis_suites::{LONG, Page, admin, refusal, show};
use serde_json::{Value, json};

use crate::within;

fn sweep(scene: &Scene, dry: bool) -> Result<Vec<Value>> {
    let answer = admin(&scene.daemon, "Sweep", &json!({ "dry": dry }))?;
    Ok(answer["swept"].as_array().cloned().unwrap_or_default())
}

/// What a dry run would do to this person, once the clock has come so far.
fn due(scene: &Scene, login: &str, action: &str) -> Result<()> {
    let found = run::until(LONG, || {
        let swept = sweep(scene, true)?;
        Ok(swept.iter().any(|one| one["login"] == login && one["action"] == action).then_some(()))
    })?;
    found.with_context(|| format!("{action} {login} never came: {:?}", sweep(scene, true)))
}

fn has(swept: &[Value], login: &str, action: &str) -> bool {
    swept.iter().any(|one| one["login"] == login && one["action"] == action)
}

fn finish(scene: &Scene, login: &str) -> Result<()> {
    let mut walk = scene.open(login)?;
    walk.prove(&format!("{login}@ailleurs.example"))?;
    walk.charter()?;
    walk.listing(true)?;
    let forward = json!({ "forward": format!("{login}@ailleurs.example"), "keep_copy": true });
    walk.step("mail", forward, "password")?;
    walk.password("Violet-mandarine-77").map(drop)
}

#[test]
fn expired_links_close_idle_enrolments_close_and_what_was_kept_long_enough_is_erased() -> Result<()> {
    let scene = Scene::start(SceneOptions {
        config: "[links]\nrecovery = \"1s\"\n[limits]\nenrolment-idle = \"4s\"\nsession-idle = \"3s\"\n\
                 [sweep]\nschedule = \"0 0 * * *\"\nkeep-done = \"2 seconds\"\nkeep-closed = \"1 second\"\n"
            .to_owned(),
        ..SceneOptions::default()
    })?;
    let anchor = scene.daemon.wait_log("audit anchor", LONG)?;
    assert!(anchor.contains("anchor="), "{anchor}");
    let mut walk = scene.open("mdurand")?;
    walk.step("recovery-address", json!({ "address": "marie@ailleurs.example" }), "recovery-link")?;
    let link = walk.link("marie@ailleurs.example", 0)?;
    let uuid = |login: &str| -> Result<String> {
        let person = parvis_stand::small().into_iter().find(|person| person.login == login).unwrap();
        Ok(scene.slapd.entry(&person.dn)?.unwrap().get("entryUUID").unwrap().to_owned())
    };
    let marie = uuid("mdurand")?;
    // The clock says when it has expired; the sweep only tidies up.
    due(&scene, "mdurand", "expire")?;
    let (_, looked) = scene.daemon.hook("look", &json!({ "link": link }))?;
    assert_eq!(looked["usable"], "expired", "{looked}");
    let (_, redeemed) = walk.call("redeem", json!({ "link": link }))?;
    assert_eq!(refusal(&redeemed), "link-expired");
    let dry = show(&scene.daemon, &marie);
    assert_eq!(dry["person"]["state"], "recovery-link", "a dry run changes nothing: {dry}");
    assert!(has(&sweep(&scene, false)?, "mdurand", "expire"));
    assert_eq!(show(&scene.daemon, &marie)["person"]["state"], "recovery-address");
    finish(&scene, "tpetit").unwrap_or_else(|error| panic!("{error:?}"));
    let theo = uuid("tpetit")?;
    assert_eq!(show(&scene.daemon, &theo)["person"]["state"], "done");
    let before = admin(&scene.daemon, "AuditVerify", &json!({}))?;
    due(&scene, "mdurand", "close")?;
    due(&scene, "tpetit", "purge")?;
    let swept = sweep(&scene, false)?;
    assert!(has(&swept, "mdurand", "close") && has(&swept, "tpetit", "purge"), "{swept:?}");
    assert_eq!(show(&scene.daemon, &theo), Value::Null, "erased");
    due(&scene, "mdurand", "purge")?;
    sweep(&scene, false)?;
    assert_eq!(show(&scene.daemon, &marie), Value::Null, "erased");
    let anchor = format!("{}:{}", before["length"], before["head"].as_str().unwrap_or_default());
    let head = before["head"].as_str().unwrap_or_default().to_owned();
    let anchor = if head.contains(':') { head } else { anchor };
    let after = admin(&scene.daemon, "AuditVerify", &json!({ "anchor": anchor }))?;
    assert_eq!(after["ok"], true, "{after}");
    assert!(after["length"].as_u64() > before["length"].as_u64(), "that somebody was erased is recorded");
    Ok(())
}

/// Where Debian's package has the library that sets a process's clock.
fn libfaketime() -> Result<String> {
    let files = run::expect(&run::program("dpkg")?, &["-L", "libfaketime"], b"")?;
    let library = files.lines().find(|line| line.ends_with("/libfaketime.so.1"));
    library.map(str::to_owned).context("the package libfaketime has no library")
}

/// The daemon of a scene, which is stopped, under a clock that is ahead; and where its log is.
fn later(scene: &Scene, ahead: &str) -> Result<(Running, PathBuf)> {
    let layout = scene.daemon.layout();
    let parvisd = parvis_stand::binaries::binaries(Default::default())?.parvisd;
    let mut command = run::leashed(&parvisd);
    command.arg("--config").arg(layout.config_file()).env("CREDENTIALS_DIRECTORY", layout.credentials());
    // Not by faketime's own program, which would be between us and the daemon.
    command.env("LD_PRELOAD", libfaketime()?).env("FAKETIME", ahead);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let log = layout.path().join("later.log");
    command.stderr(std::fs::File::create(&log)?);
    Ok((run::start("parvisd", command)?, log))
}

#[test]
fn a_run_that_was_missed_while_the_machine_was_off_is_made_up_for_at_start() -> Result<()> {
    let mut scene = Scene::start(SceneOptions {
        config: "[sweep]\nschedule = \"0 0 * * *\"\nkeep-done = \"2 days\"\n".to_owned(),
        ..SceneOptions::default()
    })?;
    scene.daemon.wait_log(" swept ", LONG)?;
    finish(&scene, "tpetit")?;
    scene.daemon.restart()?;
    let swept = |scene: &Scene| scene.daemon.log().matches(" swept ").count();
    // A run a day: today's was made.
    admin(&scene.daemon, "Status", &json!({}))?;
    let next = admin(&scene.daemon, "Status", &json!({}))?["next_sweep"].clone();
    assert_eq!(swept(&scene), 1, "{}", scene.daemon.log());
    assert!(next.as_str().is_some_and(|at| at.contains("T00:00:00")), "{next}");
    scene.daemon.terminate()?;
    // The machine comes back three days later.
    let (later, log) = later(&scene, "+3d")?;
    let text = run::until(LONG, || {
        let text = std::fs::read_to_string(&log)?;
        Ok(text.contains("audit anchor").then_some(text))
    })?;
    let text = text.with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    assert!(text.contains("swept count=1"), "the finished one is erased: {text}");
    let verdict = admin(&scene.daemon, "AuditVerify", &json!({}))?;
    assert_eq!(verdict["ok"], true, "{verdict}");
    assert!(later.terminate(LONG)?.success());
    Ok(())
}

/// The counts of attempts that the store of a stopped daemon keeps.
fn counts(scene: &Scene) -> Result<BTreeSet<Vec<u8>>> {
    Ok(within::kept(&scene.daemon, b"t", b"u")?.into_iter().map(|(key, _)| key).collect())
}

#[test]
fn counts_that_limit_nobody_any_more_are_swept_and_those_that_do_stay_and_limit() -> Result<()> {
    let mut scene = Scene::start(SceneOptions {
        config:
            "[limits]\naccount-sign-in = \"4/1h\"\naddress = \"2/240h\"\n[sweep]\nschedule = \"0 0 * * *\"\n"
                .to_owned(),
        ..SceneOptions::default()
    })?;
    scene.daemon.wait_log(" swept ", LONG)?;
    let page = Page::of(&scene.daemon)?;
    let guess = || -> Result<Value> {
        let request = json!({ "login": "mdurand", "password": "Kivo-0000-Tepa" });
        Ok(page.ask("authenticate", &request)?.1)
    };
    let give = |login: &str| -> Result<Value> {
        let opened = page.ask("open", &json!({ "login": login }))?.1;
        let request = json!({ "session": opened["session"], "address": "partage@boite.example" });
        Ok(page.ask("recovery-address", &request)?.1)
    };
    // An hour's counts are full, and so is one of ten days.
    for code in
        ["sign-in-refused", "sign-in-refused", "sign-in-refused", "sign-in-refused", "too-many-attempts"]
    {
        assert_eq!(refusal(&guess()?), code);
    }
    for (login, step) in [("tpetit", "recovery-link"), ("dcohen", "recovery-link")] {
        assert_eq!(give(login)?["step"], step);
    }
    assert_eq!(refusal(&give("lnguyen")?), "too-many-attempts");
    scene.daemon.terminate()?;
    let before = counts(&scene)?;
    assert!(before.len() >= 3, "by login and by entry, and by address: {}", before.len());
    // While all of them limit, a sweep takes none.
    scene.daemon.restart()?;
    admin(&scene.daemon, "Sweep", &json!({ "dry": false }))?;
    scene.daemon.terminate()?;
    assert_eq!(counts(&scene)?, before);

    let (running, log) = later(&scene, "+2d")?;
    let said = run::until(LONG, || Ok(std::fs::read_to_string(&log)?.contains(" swept ").then_some(())))?;
    said.with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    assert!(running.terminate(LONG)?.success());
    let after = counts(&scene)?;
    assert!(after.len() == 1 && after.is_subset(&before), "{} of {}", after.len(), before.len());
    // It limits still, and what was swept does not.
    let (running, log) = later(&scene, "+2d")?;
    let ready = run::until(LONG, || Ok(std::fs::read_to_string(&log)?.contains(" ready ").then_some(())))?;
    ready.with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    assert_eq!(refusal(&give("lnguyen")?), "too-many-attempts");
    assert_eq!(refusal(&guess()?), "sign-in-refused");
    assert!(running.terminate(LONG)?.success());
    Ok(())
}
