//! The daemon as systemd sees it: signals, notifications, exit codes, sockets handed over.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::scene::{config, daemon_options};
use parvis_stand::{
    Daemon, Fault, Inbox, InboxOptions, Layout, Scene, SceneOptions, Slapd, SlapdOptions, run,
};
use parvis_suites::{LONG, Page, happened, proxied, shown};
use serde_json::json;

#[test]
fn sigterm_finishes_the_activation_that_was_begun_and_says_that_it_stops() -> Result<()> {
    let (mut scene, proxy) = proxied(SceneOptions::default())?;
    let mut walk = scene.open("mdurand")?;
    walk.prove("marie@ailleurs.example")?;
    walk.charter()?;
    walk.listing(true)?;
    walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    let request = json!({ "session": walk.session, "password": "Violet-mandarine-77" });
    let marie = parvis_stand::small().remove(0);
    let uuid = scene.slapd.entry(&marie.dn)?.unwrap().get("entryUUID").unwrap().to_owned();
    let page = Page::of(&scene.daemon)?;
    proxy.fault(Fault::Delay(Duration::from_millis(300)));
    let asked = std::thread::spawn(move || page.ask("password", &request));
    shown(&scene.daemon, &uuid, |shown| happened(shown, "activating"))?;
    let status = scene.daemon.terminate()?;
    assert_eq!(status.code(), Some(0), "{status}");
    let (code, done) = asked.join().expect("the page panicked")?;
    assert_eq!((code, done["step"].as_str()), (0, Some("done")), "{done}");
    assert!(scene.daemon.notifications().iter().any(|line| line == "STOPPING=1"));
    assert!(scene.slapd.bind_works(&marie.dn, "Violet-mandarine-77")?);
    // It was closed in order: the next start has nothing to try on a copy.
    scene.daemon.restart()?;
    assert!(!scene.daemon.log_contains("not closed in order"), "{}", scene.daemon.log());
    scene.inbox.wait_for("marie@ailleurs.example", |mail| mail.links().is_empty(), LONG)?;
    Ok(())
}

#[test]
fn sighup_takes_what_can_change_names_what_cannot_and_keeps_the_old_where_the_new_is_broken() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.daemon.layout().path().join("conf.d/60-change.toml");
    let check = || scene.daemon.hook("check", &json!({ "login": "a-guest", "authenticated": true }));
    let reload = |text: &str, times: usize| -> Result<()> {
        std::fs::write(&file, text)?;
        scene.daemon.hangup()?;
        scene.daemon.wait_notification("RELOADING=1", times, LONG)?;
        scene.daemon.wait_notification("READY=1", times + 1, LONG)
    };
    assert_eq!(check()?.0, 1);
    reload("[check]\nunknown = \"pass\"\n", 1)?;
    assert_eq!(check()?.0, 0, "what can change has changed");
    assert!(scene.daemon.notifications().iter().any(|line| line.starts_with("MONOTONIC_USEC=")));
    reload("[check]\nunknown = \"refuse\"\n[store]\npath = \"/nonexistent/elsewhere\"\n", 2)?;
    scene.daemon.wait_log("store.path", LONG)?;
    assert_eq!(check()?.0, 0, "taken whole or not at all");
    reload("[log]\nfilter = \"debug\"\n", 3)?;
    scene.daemon.wait_log("keys=log", LONG)?;
    reload("[check]\nunknown = \"refuse\"\nunknwon = 3\n[links]\nrecovery = \"tomorrow\"\n", 4)?;
    scene.daemon.wait_log("unknwon", LONG)?;
    scene.daemon.wait_log("the configuration in force stays", LONG)?;
    assert_eq!(check()?.0, 0, "the old one is in force");
    reload("", 5)?;
    assert_eq!(check()?.0, 1, "and goes with its file");
    Ok(())
}

#[test]
fn the_watchdog_is_fed_while_the_daemon_lives_and_not_by_a_frozen_one() -> Result<()> {
    let scene =
        Scene::start(SceneOptions { watchdog: Some(Duration::from_millis(600)), ..SceneOptions::default() })?;
    scene.daemon.wait_notification("WATCHDOG=1", 5, LONG)?;
    scene.daemon.pause()?;
    let fed =
        |scene: &Scene| scene.daemon.notifications().iter().filter(|line| *line == "WATCHDOG=1").count();
    let before = fed(&scene);
    assert!(scene.daemon.wait_notification("WATCHDOG=1", before + 2, Duration::from_secs(2)).is_err());
    scene.daemon.resume()?;
    scene.daemon.wait_notification("WATCHDOG=1", before + 3, LONG)
}

/// What a daemon is started with, and nothing of it started yet.
fn prepared(more: &str) -> Result<(Slapd, Inbox, Layout, SceneOptions, String)> {
    let slapd = Slapd::start(SlapdOptions::default())?;
    let inbox = Inbox::start(InboxOptions::default())?;
    let layout = Layout::new()?;
    let options = SceneOptions::default();
    let text = config(&options, &layout, &slapd, &inbox);
    std::fs::write(layout.path().join("conf.d/50-scene.toml"), more)?;
    Ok((slapd, inbox, layout, options, text))
}

#[test]
fn a_broken_configuration_is_refused_with_78_and_every_fault_at_once() -> Result<()> {
    let more = "[campus]\nzone = \"Europe/Atlantis\"\n[links]\nrecovery = \"tomorrow\"\n[limits]\nticket = \"soon\"\n\
                [sweep]\nschedule = \"never\"\n[password]\nminimum = 3\n";
    let (_slapd, _inbox, layout, options, text) = prepared(more)?;
    let (status, said) = Daemon::refused(layout, daemon_options(&options, text))?;
    assert_eq!(status.code(), Some(78), "{said}");
    for key in ["campus.zone", "links.recovery", "limits.ticket", "sweep.schedule", "password.minimum"] {
        assert!(said.contains(key), "{key} is not named: {said}");
    }
    // Keys that nobody knows are faults of their own kind, with the line.
    let (_slapd, _inbox, layout, options, text) =
        prepared("[campus]\nzoen = \"Europe/Paris\"\n\n[nothing]\nx = 1\n")?;
    let (status, said) = Daemon::refused(layout, daemon_options(&options, text))?;
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(
        said.contains("50-scene.toml:2") && said.contains("campus.zoen") && said.contains("nothing"),
        "{said}"
    );
    // A file that a key names, too, and a secret that everybody can read.
    let (_slapd, _inbox, layout, options, text) = prepared("[mail]\noverrides = \"/nonexistent\"\n")?;
    let credential = layout.credentials().join("key");
    let mut options = daemon_options(&options, text);
    options.credentials.retain(|(name, _)| name != "key");
    std::fs::write(&credential, "scene-key-0123456789abcdef0123456789abcdef")?;
    std::fs::set_permissions(&credential, std::fs::Permissions::from_mode(0o644))?;
    let (status, said) = Daemon::refused(layout, options)?;
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(said.contains("chmod 600") && !said.contains("scene-key"), "{said}");
    Ok(())
}

#[test]
fn another_key_is_refused_with_78_and_the_former_one_opens_everything_again() -> Result<()> {
    let mut scene = Scene::new()?;
    let session = scene.open("mdurand")?.session;
    scene.daemon.terminate()?;
    let key = scene.daemon.layout().credentials().join("key");
    let file = scene.daemon.layout().config_file();
    let hold = |text: &str| std::fs::write(&key, text);
    hold("another-key-0123456789abcdef0123456789abcdef")?;
    let mut command = std::process::Command::new(binaries(Profile::Dev)?.parvisd);
    command.arg("--config").arg(&file).env("CREDENTIALS_DIRECTORY", scene.daemon.layout().credentials());
    let out = run::feed(command, b"")?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(78), "{said}");
    assert!(said.contains("the key is not the one") && !said.contains("another-key"), "{said}");
    hold("scene-key-0123456789abcdef0123456789abcdef")?;
    scene.daemon.restart()?;
    let (code, state) = scene.daemon.hook("state", &json!({ "session": session }))?;
    assert_eq!(code, 0, "{state}");
    Ok(())
}

#[test]
fn a_second_daemon_on_the_same_store_is_refused_and_harms_nothing() -> Result<()> {
    let scene = Scene::new()?;
    let mut command = std::process::Command::new(binaries(Profile::Dev)?.parvisd);
    command.arg("--config").arg(scene.daemon.layout().config_file());
    command.env("CREDENTIALS_DIRECTORY", scene.daemon.layout().credentials());
    let out = run::feed(command, b"")?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(75), "{said}");
    assert!(said.contains("another parvisd has it open"), "{said}");
    scene.open("mdurand")?.prove("marie@ailleurs.example")
}

#[test]
fn sockets_that_systemd_hands_over_are_taken_and_outlive_the_daemon() -> Result<()> {
    let (slapd, _inbox, layout, options, text) = prepared("")?;
    let script = layout.path().join("activated");
    // systemd's own tool hands the sockets over; it starts the daemon at the first connection.
    run::script(
        &script,
        &format!(
            "#!/bin/sh\nexec systemd-socket-activate -E NOTIFY_SOCKET -E CREDENTIALS_DIRECTORY --fdname=hook:admin \
             -l {} -l {} {} \"$@\"\n",
            layout.hook_socket().display(),
            layout.admin_socket().display(),
            binaries(Profile::Dev)?.parvisd.display()
        ),
    )?;
    let mut options = daemon_options(&options, text);
    options.program = Some(script);
    let page = Page::at(&layout)?;
    let first = std::thread::spawn(move || {
        let request = json!({ "login": "cbernard", "authenticated": true });
        run::until(LONG, || Ok(Some(page.ask("check", &request)?).filter(|(code, _)| *code == 0)))
    });
    let daemon = Daemon::start(layout, options)?;
    let answered = first.join().expect("the page panicked")?;
    assert!(answered.is_some(), "{}", daemon.log());
    let status = parvis_suites::admin(&daemon, "Status", &json!({}))?;
    assert!(status["version"].is_string());
    drop((daemon, slapd));
    Ok(())
}

/// The fields of an entry as journald takes it (systemd's JOURNAL_NATIVE_PROTOCOL): `NAME=value` and a newline, or the
/// name, a newline, the length in eight bytes, the value and a newline.
fn fields(mut entry: &[u8]) -> HashMap<String, String> {
    let mut found = HashMap::new();
    while let Some(end) = entry.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = (&entry[..end], &entry[end + 1..]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match line.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                found.insert(text(&line[..at]), text(&line[at + 1..]));
                entry = rest;
            }
            None => {
                let (length, rest) = rest.split_first_chunk::<8>().expect("a length");
                let length = usize::try_from(u64::from_le_bytes(*length)).expect("a short value");
                found.insert(text(line), text(&rest[..length]));
                entry = &rest[length + 1..];
            }
        }
    }
    found
}

#[test]
fn the_journal_has_the_anchor_in_a_field_of_its_own_and_it_is_part_of_the_chain() -> Result<()> {
    let (slapd, _inbox, layout, options, text) = prepared("[log]\ntarget = \"journal\"\n")?;
    let journal = layout.path().join("journal");
    std::fs::create_dir(&journal)?;
    let socket = UnixDatagram::bind(journal.join("socket"))?;
    let (sender, entries) = std::sync::mpsc::channel();
    // Taken at once: whoever writes to a full socket waits.
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok(length) = socket.recv(&mut buffer) {
            if sender.send(fields(&buffer[..length])).is_err() {
                return;
            }
        }
    });
    // In a view of the file system of its own, the journal's socket is ours.
    let script = layout.path().join("journalled");
    run::script(
        &script,
        &format!(
            "#!/bin/sh\nexec unshare --mount sh -c 'mount -t tmpfs tmpfs /run && mkdir /run/systemd && \
             ln -s \"$0\" /run/systemd/journal && exec \"$@\"' {} {} \"$@\"\n",
            journal.display(),
            binaries(Profile::Dev)?.parvisd.display()
        ),
    )?;
    let mut options = daemon_options(&options, text);
    options.program = Some(script);
    let mut daemon = Daemon::start(layout, options)?;
    let next = || -> Result<String> {
        loop {
            let entry = entries.recv_timeout(LONG).with_context(|| daemon.log())?;
            // As the manual looks for it.
            if entry.get("MESSAGE").is_some_and(|message| message.contains("audit anchor")) {
                assert_eq!(entry.get("SYSLOG_IDENTIFIER").map(String::as_str), Some("parvisd"), "{entry:?}");
                return entry.get("ANCHOR").cloned().with_context(|| format!("{entry:?}"));
            }
        }
    };
    // At the start there may be no record yet; each export writes one more.
    let anchor = run::until(LONG, || {
        daemon.ctl(&["audit", "export"])?;
        Ok(Some(next()?).filter(|anchor| !anchor.starts_with("0:")))
    })?;
    let anchor = anchor.context("there never was a record")?;
    let out = daemon.ctl(&["audit", "verify", "--anchor", &anchor])?;
    assert_eq!(out.status.code(), Some(0), "{anchor}: {out:?}");
    daemon.terminate()?;
    drop(slapd);
    Ok(())
}
