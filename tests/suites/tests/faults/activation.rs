//! The one moment that matters most: the directory is being written, and somebody pulls the plug.
//!
//! Whatever is cut where: the account is never usable with a choice missing, and the person ends with a password that
//! works, at once or by giving it again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use parvis_stand::{Entry, Fault, Person, Proxy, Scene, SceneOptions, SlapdOptions, Walk, run, small};
use parvis_suites::{LONG, Page, Raw, happened, proxied, refusal, show, shown, times};
use serde_json::json;

const PASSWORD: &str = "Violet-mandarine-77";

/// How the server takes a password, and what the configuration says of it.
struct Mode {
    hashes: bool,
    stated: &'static str,
    /// RFC 3062 first, then one modify.
    twice: bool,
}

const MODES: [Mode; 4] = [
    Mode { hashes: true, stated: "auto", twice: false },
    Mode { hashes: false, stated: "auto", twice: true },
    Mode { hashes: true, stated: "extended", twice: true },
    // What would store it in clear text is not done, whatever is stated.
    Mode { hashes: false, stated: "modify", twice: true },
];

/// What is pulled, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    /// The daemon dies when `activating` is kept; what it had sent is lost.
    BeforeTheDirectory,
    /// The daemon dies when the directory has written, before the answer comes.
    BeforeTheAnswer,
    /// Between the password and the rest, where there are two operations.
    InBetween,
    /// Nobody dies: the network goes silent, for longer than an operation may take.
    Silence,
    /// Nobody dies: the connections are cut while the directory writes.
    Cut,
}

fn marie() -> Person {
    small().into_iter().find(|person| person.login == "mdurand").unwrap()
}

fn scene(mode: &Mode) -> Result<(Scene, Proxy)> {
    proxied(SceneOptions {
        slapd: SlapdOptions { hash_cleartext: mode.hashes, ..SlapdOptions::default() },
        config: format!("[directory]\npassword-write = {:?}\ntimeout = \"2s\"\n", mode.stated),
        ..SceneOptions::default()
    })
}

fn entry(scene: &Scene) -> Result<Entry> {
    Ok(scene.slapd.entry(&marie().dn)?.unwrap())
}

fn active(entry: &Entry) -> bool {
    entry.has("supannRessourceEtat", "{COMPTE}A:SupannActif")
}

/// An account is provisional, or has everything that was chosen.
fn never_half(entry: &Entry) -> Result<()> {
    if active(entry) {
        ensure!(entry.get("supannListeRouge") == Some("TRUE"), "active, and the listing is missing");
        ensure!(entry.get("mailForwardingAddress") == Some("marie@ailleurs.example"), "no forwarding");
        ensure!(entry.values("supannConsentement").len() == 1, "the charter is missing");
        ensure!(!entry.has("supannRessourceEtat", "{COMPTE}I:SupannCree"), "two states");
    } else {
        ensure!(entry.has("supannRessourceEtat", "{COMPTE}I:SupannCree"), "no state");
        ensure!(entry.get("mailForwardingAddress").is_none(), "a choice before the state");
    }
    Ok(())
}

fn changed(entry: &Entry) -> Option<String> {
    entry.get("pwdChangedTime").map(str::to_owned)
}

/// Waits until the entry is so, and that at every look it is never half.
fn entry_until(scene: &Scene, wanted: impl Fn(&Entry) -> bool) -> Result<()> {
    let found = run::until(LONG, || {
        let entry = entry(scene)?;
        never_half(&entry)?;
        Ok(wanted(&entry).then_some(()))
    })?;
    ensure!(found.is_some(), "the entry never came to be so");
    Ok(())
}

fn story(mode: &Mode, blow: Blow) -> Result<()> {
    let (mut scene, proxy) = scene(mode)?;
    let (page, marie) = (Page::of(&scene.daemon)?, marie());
    let mut walk = Walk::open(&scene, "mdurand")?;
    walk.prove("marie@ailleurs.example")?;
    walk.charter()?;
    walk.listing(false)?;
    walk.step("mail", json!({ "forward": "marie@ailleurs.example", "keep_copy": true }), "password")?;
    let session = walk.session.clone();
    let before = entry(&scene)?;
    let request = json!({ "session": session, "password": PASSWORD });
    proxy.fault(Fault::Delay(Duration::from_millis(150)));
    let page_then = page.clone();
    let asked = std::thread::spawn(move || page_then.ask("password", &request));
    let uuid = before.get("entryUUID").unwrap().to_owned();
    shown(&scene.daemon, &uuid, |shown| happened(shown, "activating"))?;
    match blow {
        Blow::BeforeTheDirectory => {
            scene.daemon.kill9();
            proxy.cut();
        }
        Blow::BeforeTheAnswer => {
            entry_until(&scene, active)?;
            scene.daemon.kill9();
        }
        Blow::InBetween => {
            entry_until(&scene, |entry| changed(entry) != changed(&before))?;
            scene.daemon.kill9();
            proxy.cut();
        }
        Blow::Silence => proxy.fault(Fault::Stall),
        Blow::Cut => proxy.cut(),
    }
    let (code, answer) = asked.join().expect("the page panicked")?;
    match blow {
        Blow::Silence => assert_eq!((code, refusal(&answer)), (75, "unavailable"), "{blow:?}: {answer}"),
        Blow::Cut => assert!([0, 75].contains(&code), "{blow:?}: {code} {answer}"),
        _ => assert_eq!(code, 69, "{blow:?}: {answer}"),
    }
    never_half(&entry(&scene)?)?;
    proxy.fault(Fault::None);
    if !matches!(blow, Blow::Silence | Blow::Cut) {
        scene.daemon.restart()?;
    }
    // The daemon finds out by itself what happened.
    let known = shown(&scene.daemon, &uuid, |shown| {
        happened(shown, "activated") || happened(shown, "activation-failed")
    })?;
    entry_until(&scene, |_| true)?;
    if !happened(&known, "activated") {
        // What was on its way through a network that came back may arrive even now: then it is done.
        let (code, state) = page.ask("state", &json!({ "session": session }))?;
        let step = state["step"].as_str();
        let late = blow == Blow::Silence && step == Some("done");
        assert!(code == 0 && (late || step == Some("password")), "{blow:?}: {state}");
    }
    if blow == Blow::BeforeTheAnswer {
        assert!(happened(&known, "activated"), "{blow:?}: {known}");
    }
    // The same page, the same session: done already, or done now. Never asked for what was answered.
    let again = if mode.twice && !happened(&known, "activated") { "Trottoir-cerise-41" } else { PASSWORD };
    let (code, done) = page.ask("password", &json!({ "session": session, "password": again }))?;
    assert_eq!((code, done["step"].as_str()), (0, Some("done")), "{blow:?}: {done}");
    let now = entry(&scene)?;
    never_half(&now)?;
    assert!(active(&now));
    assert!(scene.slapd.bind_works(&marie.dn, again)?, "{blow:?}: the password does not work");
    assert!(!scene.slapd.bind_works(&marie.dn, &marie.provisional_password)?);
    scene.inbox.wait_for("marie@ailleurs.example", |mail| mail.links().is_empty(), LONG)?;
    let shown = show(&scene.daemon, &uuid);
    assert_eq!(times(&shown, "activated"), 1, "{shown}");
    assert_eq!(times(&shown, "closed"), 0, "{shown}");
    Ok(())
}

fn in_each_mode(blow: Blow) -> Result<()> {
    let modes = MODES.iter().filter(|mode| mode.twice || blow != Blow::InBetween);
    for mode in modes {
        story(mode, blow).map_err(|error| error.context(format!("{} {}", mode.hashes, mode.stated)))?;
    }
    Ok(())
}

#[test]
fn a_daemon_killed_before_the_directory_is_written_asks_for_the_password_again() -> Result<()> {
    in_each_mode(Blow::BeforeTheDirectory)
}

#[test]
fn a_daemon_killed_after_the_directory_wrote_finds_the_account_active_and_says_so() -> Result<()> {
    in_each_mode(Blow::BeforeTheAnswer)
}

#[test]
fn a_daemon_killed_between_the_password_and_the_state_finishes_from_the_stored_choices() -> Result<()> {
    in_each_mode(Blow::InBetween)
}

#[test]
fn a_network_that_goes_silent_while_the_directory_writes_is_waited_for() -> Result<()> {
    in_each_mode(Blow::Silence)
}

#[test]
fn a_connection_cut_while_the_directory_writes_is_looked_into() -> Result<()> {
    in_each_mode(Blow::Cut)
}

/// Two passwords for one person at the same moment, on two connections.
fn two_at_once(mode: &Mode, browsers: usize) -> Result<()> {
    let (scene, proxy) = scene(mode)?;
    let marie = marie();
    let mut walk = Walk::open(&scene, "mdurand")?;
    walk.prove("marie@ailleurs.example")?;
    walk.charter()?;
    walk.listing(false)?;
    walk.step("mail", json!({ "forward": "marie@ailleurs.example", "keep_copy": true }), "password")?;
    let other = if browsers == 2 { Walk::open(&scene, "mdurand")?.session } else { walk.session.clone() };
    let sessions = [walk.session.clone(), other];
    let passwords = [PASSWORD, "Trottoir-cerise-41"];
    let socket = scene.daemon.layout().hook_socket();
    let mut lines = [Raw::connect(&socket)?, Raw::connect(&socket)?];
    // Long enough that the second comes while the directory is asked for the first.
    proxy.fault(Fault::Delay(Duration::from_millis(150)));
    for ((line, session), password) in lines.iter_mut().zip(&sessions).zip(passwords) {
        let request = json!({ "session": session, "password": password });
        line.call("org.parvis.Hook.Password", &request, false)?;
    }
    let mut taken = Vec::new();
    for (line, password) in lines.iter_mut().zip(passwords) {
        let answer = line.receive()?.context("an answer")?;
        if answer["parameters"]["step"] == "done" {
            taken.push(password);
        } else {
            assert_eq!(answer["error"], "org.parvis.Hook.Refused", "{answer}");
            assert_eq!(answer["parameters"]["code"], "unavailable", "{answer}");
            assert_eq!(answer["parameters"]["then"], "wait", "{answer}");
        }
    }
    proxy.fault(Fault::None);
    assert_eq!(taken.len(), 1, "{taken:?}");
    let works = |scene: &Scene| -> Result<Vec<&str>> {
        let found = passwords.into_iter().map(|password| {
            let works = scene.slapd.bind_works(&marie.dn, password)?;
            Ok(Some(password).filter(|_| works))
        });
        Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    };
    assert_eq!(works(&scene)?, taken);
    assert!(!scene.slapd.bind_works(&marie.dn, &marie.provisional_password)?);
    let entry = entry(&scene)?;
    never_half(&entry)?;
    assert!(active(&entry));
    // Whoever was turned away and tries again is told that it is done, and changes nothing.
    for (session, password) in sessions.iter().zip(passwords) {
        let request = json!({ "session": session, "password": password });
        let (code, done) = scene.daemon.hook("password", &request)?;
        assert_eq!((code, done["step"].as_str()), (0, Some("done")), "{done}");
    }
    assert_eq!(works(&scene)?, taken);
    let shown = show(&scene.daemon, "mdurand");
    assert_eq!((times(&shown, "activating"), times(&shown, "activated")), (1, 1), "{shown}");
    let notices = || {
        let mails = scene.inbox.messages_to("marie@ailleurs.example");
        mails.iter().filter(|mail| mail.links().is_empty()).count()
    };
    scene.inbox.wait_for("marie@ailleurs.example", |mail| mail.links().is_empty(), LONG)?;
    // Another person's mail proves that the outbox has gone past hers.
    Walk::open(&scene, "tpetit")?.prove("theo@ailleurs.example")?;
    assert_eq!(notices(), 1);
    Ok(())
}

#[test]
fn of_two_passwords_at_once_one_is_taken_and_the_other_is_told_to_wait() -> Result<()> {
    for mode in &MODES {
        for browsers in [1, 2] {
            two_at_once(mode, browsers)
                .map_err(|error| error.context(format!("{} {} {browsers}", mode.hashes, mode.stated)))?;
        }
    }
    Ok(())
}
