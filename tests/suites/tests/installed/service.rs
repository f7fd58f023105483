//! What systemd does with the daemon while it runs: reload, a configuration that is wrong, kills, a watchdog that nobody
//! feeds, sockets that outlive it.

use anyhow::{Context, Result, ensure};
use parvis_stand::run;
use parvis_stand::scene::at;
use parvis_suites::manual::Manual;
use serde_json::{Value, json};

use crate::support::{Campus, LONG};

/// What the login page gets about somebody who may pass.
fn asked(campus: &Campus) -> Result<(i32, Value)> {
    campus.hook("tomcat", "check", &json!({ "login": "cbernard", "authenticated": true }))
}

/// Waits until the login page lets a guest in, or not.
fn guests(campus: &Campus, wanted: i32) -> Result<()> {
    let request = json!({ "login": "a-guest", "authenticated": true });
    let found =
        run::until(LONG, || Ok((campus.hook("tomcat", "check", &request)?.0 == wanted).then_some(())))?;
    found.with_context(|| format!("guests never get {wanted}: {}", campus.log()))
}

#[test]
fn a_reload_takes_what_is_right_and_keeps_out_what_is_wrong_also_over_a_start() -> Result<()> {
    let campus = Campus::started()?;
    let manual = Manual::read("docs/operating.md")?;
    let reload = manual.section("Reload")?.block("systemctl reload")?;
    let over = "/etc/parvis/conf.d/50-over.toml";
    guests(&campus, 1)?;
    let before = campus.shown("parvisd", "MainPID")?;
    campus.machine.write(over, "[check]\nunknown = \"pass\"\n")?;
    campus.root(&reload)?;
    guests(&campus, 0)?;

    let faults =
        "[check]\nunknown = \"refuse\"\n[links]\nrecovery = \"tomorrow\"\n[sweep]\nschedule = \"never\"\n";
    campus.machine.write(over, faults)?;
    campus.root(&reload)?;
    campus.logged("the configuration in force stays")?;
    for fault in ["sweep.schedule", "links.recovery"] {
        campus.logged(fault)?;
    }
    guests(&campus, 0)?;
    assert_eq!(campus.shown("parvisd", "MainPID")?, before, "one process all the time");
    campus.comes("parvisd", "ActiveState", "active")?;

    // Whoever restarts it all the same gets no daemon, and no loop of starts either.
    assert!(campus.root("systemctl restart parvisd").is_err());
    let wrong =
        [("ActiveState", "failed"), ("SubState", "failed"), ("ExecMainStatus", "78"), ("NRestarts", "0")];
    for (property, wanted) in wrong {
        assert_eq!(campus.shown("parvisd", property)?, wanted, "{property}");
    }
    // Callers are told at once that it cannot be reached; they make systemd try again, and it soon gives up.
    let (code, answer) = asked(&campus)?;
    assert_eq!((code, at(&answer, "/refusal/code")), (69, &json!("unavailable")), "{answer}");
    campus.comes("parvisd-hook.socket", "ActiveState", "failed")?;
    let starts = campus.log().matches("Starting parvisd.service").count();
    ensure!(starts < 40, "{starts} starts");
    assert_eq!(asked(&campus)?.0, 69);

    // Mended, it starts as after any change, and its sockets with it: within ten seconds systemd still refuses to.
    assert_eq!(campus.ask(&["parvisctl", "check"])?.code, 78);
    campus.root(&format!("rm {over}"))?;
    let upgrade = manual.section("Upgrade")?.block("systemctl restart")?;
    let restart = upgrade.lines().last().context("the last line starts it")?;
    let started = run::until(LONG, || Ok(campus.root(restart).ok()))?;
    started.with_context(|| format!("it does not start any more: {}", campus.log()))?;
    campus.works()?;
    guests(&campus, 1)
}

#[test]
fn callers_are_answered_whatever_ended_the_daemon() -> Result<()> {
    let campus = Campus::started()?;
    // Nobody ended it but us: it starts at the next call.
    campus.root("systemctl stop parvisd")?;
    assert_eq!(campus.shown("parvisd", "ActiveState")?, "inactive");
    assert_eq!(campus.shown("parvisd-hook.socket", "ActiveState")?, "active");
    let (code, answer) = asked(&campus)?;
    assert_eq!((code, at(&answer, "/status")), (0, &json!("active")), "{answer}");
    assert_eq!(campus.shown("parvisd", "ActiveState")?, "active");
    campus.works()?;

    // Killed: systemd starts it again by itself, and whoever has called meanwhile is answered.
    for kills in 1..=3 {
        campus.root("systemctl kill --signal=KILL --kill-whom=main parvisd")?;
        let (code, answer) = asked(&campus)?;
        assert_eq!((code, at(&answer, "/status")), (0, &json!("active")), "{answer}");
        campus.comes("parvisd", "NRestarts", &kills.to_string())?;
        campus.works()?;
    }
    // Soon enough for a login page, which waits two seconds: most of them are left for the start.
    assert_eq!(campus.shown("parvisd", "RestartUSec")?, "500ms");
    campus.root("parvisctl audit verify")?;

    // Alive and silent: the watchdog ends it.
    campus.edit("parvisd.service", "[Service]\nWatchdogSec=3s\n")?;
    campus.root("systemctl restart parvisd")?;
    campus.works()?;
    let before = campus.shown("parvisd", "MainPID")?;
    campus.root(&format!("kill -STOP {before}"))?;
    campus.logged("Watchdog timeout")?;
    campus.comes("parvisd", "NRestarts", "1")?;
    campus.comes("parvisd", "ActiveState", "active")?;
    campus.works()?;
    assert_ne!(campus.shown("parvisd", "MainPID")?, before);
    assert_eq!(asked(&campus)?.0, 0);
    campus.root("parvisctl audit verify").map(drop)
}
