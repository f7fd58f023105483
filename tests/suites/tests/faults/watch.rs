//! What the directory tells by itself: new people, and the same people told again in every way a directory has.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parvis_stand::slapd::PEOPLE;
use parvis_stand::{Person, Scene, SceneOptions, Slapd, run, small};
use parvis_suites::{LONG, admin, happened, show, shown, status_now, times};
use serde_json::{Value, json};

use crate::within;

pub const INVITING: &str = r#"
[[populations]]
name = "staff"
filter = "(|(eduPersonAffiliation=employee)(eduPersonAffiliation=faculty))"
mailbox = true
forwarding = "optional"
invite = true

[[populations]]
name = "others"
filter = "(objectClass=*)"
mailbox = false
forwarding = "optional"
"#;

fn inviting() -> Result<Scene> {
    Scene::start(SceneOptions { config: INVITING.to_owned(), ..SceneOptions::default() })
}

/// A new member of the staff, in the directory from now on.
pub fn hire(slapd: &Slapd, login: &str) -> Result<Person> {
    let mut person = small().remove(0);
    login.clone_into(&mut person.login);
    person.dn = format!("uid={login},{PEOPLE}");
    person.mailbox = Some(format!("{login}@univ.example"));
    person.personal_mail = Some(format!("{login}@perso.example"));
    slapd.add_person(&person)?;
    Ok(person)
}

fn uuid(slapd: &Slapd, dn: &str) -> Result<String> {
    let entry = slapd.entry(dn)?.context("the entry")?;
    Ok(entry.get("entryUUID").context("its uuid")?.to_owned())
}

/// Everybody who was ever mailed was mailed once (or the same mail again, where the daemon was killed); the sentinel proves that the watch and the outbox have gone past.
fn nobody_twice(scene: &Scene, sentinel: &str) -> Result<()> {
    hire(&scene.slapd, sentinel)?;
    scene.inbox.wait_for(&format!("{sentinel}@perso.example"), |_| true, LONG)?;
    let mut seen = std::collections::BTreeMap::new();
    for mail in scene.inbox.messages() {
        let id = mail.header("Message-ID");
        let before = seen.insert(mail.to.clone(), id.clone());
        assert!(before.is_none() || before == Some(id), "{:?} was mailed twice", mail.to);
    }
    Ok(())
}

/// The database as it is now, to go back to.
struct Backup {
    folder: tempfile::TempDir,
}

impl Backup {
    fn of(slapd: &mut Slapd) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        slapd.stop()?;
        copy(&slapd.database().join("data.mdb"), &folder.path().join("data.mdb"))?;
        slapd.restart()?;
        Ok(Self { folder })
    }

    fn restore(&self, slapd: &mut Slapd) -> Result<()> {
        slapd.stop()?;
        copy(&self.folder.path().join("data.mdb"), &slapd.database().join("data.mdb"))?;
        slapd.restart()
    }
}

/// By cp, which leaves the holes of LMDB's file out.
fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    run::expect(&run::program("cp")?, &["--sparse=always".as_ref(), from.as_os_str(), to.as_os_str()], b"")?;
    Ok(())
}

#[test]
fn a_new_provisional_account_is_known_within_a_second_and_invited_once() -> Result<()> {
    let mut scene = inviting()?;
    scene.inbox.wait_for("marie.durand@laposte.example", |mail| mail.links().len() == 1, LONG)?;
    let mut quickest = Duration::MAX;
    for login in ["new-one", "new-two", "new-three"] {
        let person = hire(&scene.slapd, login)?;
        let begun = Instant::now();
        let uuid = uuid(&scene.slapd, &person.dn)?;
        shown(&scene.daemon, &uuid, |shown| happened(shown, "begun"))?;
        quickest = quickest.min(begun.elapsed());
        scene.inbox.wait_for(&format!("{login}@perso.example"), |mail| mail.links().len() == 1, LONG)?;
    }
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    // Whoever needs no invitation gets none.
    assert!(scene.inbox.messages_to("claire@bernard.example").is_empty(), "active");
    assert!(scene.inbox.messages_to("remi@lemoine.example").is_empty(), "locked");
    assert!(scene.inbox.messages_to("linh.nguyen@etu.example").is_empty(), "invite is not set");
    scene.daemon.restart()?;
    nobody_twice(&scene, "after-a-stop")?;
    scene.daemon.kill9();
    scene.daemon.restart()?;
    nobody_twice(&scene, "after-a-kill")?;
    scene.slapd.kill9();
    scene.slapd.restart()?;
    nobody_twice(&scene, "after-slapd-died")
}

/// Adds these to the staff, and waits until each is invited, whether the mail has left or not.
fn invite(scene: &Scene, logins: &[&str]) -> Result<()> {
    for login in logins {
        let person = hire(&scene.slapd, login)?;
        let uuid = uuid(&scene.slapd, &person.dn)?;
        shown(&scene.daemon, &uuid, |shown| happened(shown, "link-made"))?;
    }
    Ok(())
}

fn invited(scene: &Scene) -> usize {
    scene
        .inbox
        .messages()
        .iter()
        .filter(|mail| mail.to.iter().any(|to| to.ends_with("@perso.example")))
        .count()
}

#[test]
fn more_invitations_than_the_limits_allow_wait_and_take_nothing_from_whoever_is_at_a_page() -> Result<()> {
    let config = format!("{INVITING}\n[limits]\ndomain = \"2/1h\"\n");
    let scene = Scene::start(SceneOptions { config, ..SceneOptions::default() })?;
    invite(&scene, &["new-one", "new-two", "new-three", "new-four", "new-five"])?;
    let mut walk = scene.open("mdurand")?;
    walk.step("recovery-address", json!({ "address": "marie@perso.example" }), "recovery-link")?;
    scene.inbox.wait_for("marie@perso.example", |mail| mail.links().len() == 1, LONG)?;
    run::until(LONG, || Ok((invited(&scene) >= 3).then_some(())))?
        .context("two invitations and the page's link")?;
    let waiting = || -> Result<Option<Value>> {
        let counts = admin(&scene.daemon, "Status", &json!({}))?["counts"].clone();
        let mut counts = counts.as_array().into_iter().flatten();
        Ok(counts.find(|one| one["name"] == "mails waiting").map(|one| one["count"].clone()))
    };
    // The outcome of the last one that left is kept a moment later.
    let three = run::until(LONG, || Ok((waiting()? == Some(json!(3))).then_some(())))?;
    assert!(three.is_some(), "{:?} wait", waiting()?);
    assert_eq!(invited(&scene), 3, "the other three wait for their place");
    Ok(())
}

#[test]
fn invitations_that_wait_for_their_place_leave_one_after_the_other() -> Result<()> {
    let config = format!("{INVITING}\n[limits]\ndomain = \"2/4s\"\n");
    let mut scene = Scene::start(SceneOptions { config, ..SceneOptions::default() })?;
    let begun = Instant::now();
    invite(&scene, &["new-one", "new-two", "new-three", "new-four", "new-five"])?;
    // What waits is in the store.
    scene.daemon.kill9();
    scene.daemon.restart()?;
    run::until(LONG, || Ok((invited(&scene) >= 5).then_some(())))?.context("all five")?;
    // Two at once, and then one each two seconds.
    assert!(begun.elapsed() >= Duration::from_secs(6), "{:?}", begun.elapsed());
    Ok(())
}

#[test]
fn the_help_desk_sends_to_the_address_that_was_corrected_just_now_however_slow_the_watch() -> Result<()> {
    let slow = "\n[directory]\nwatch = \"poll\"\nwatch-every = \"1h\"\n";
    let config = format!("{slow}{INVITING}");
    let mut scene = Scene::start(SceneOptions { config, ..SceneOptions::default() })?;
    let marie = &small()[0];
    let before = marie.personal_mail.as_deref().context("her address")?;
    scene.inbox.wait_for(before, |mail| mail.links().len() == 1, LONG)?;
    scene.slapd.replace(&marie.dn, "supannMailPerso", &["marie@corrected.example"])?;
    let sent = admin(&scene.daemon, "Resend", &json!({ "person": marie.login, "by": "help" }))?;
    assert_eq!(sent["address"], "marie@corrected.example", "{sent}");
    scene.inbox.wait_for("marie@corrected.example", |mail| mail.links().len() == 1, LONG)?;
    // While the directory does not answer, it is what is known.
    let uuid = uuid(&scene.slapd, &marie.dn)?;
    scene.slapd.stop()?;
    let sent = admin(&scene.daemon, "Resend", &json!({ "person": uuid, "by": "help" }))?;
    assert_eq!(sent["address"], "marie@corrected.example", "{sent}");
    let shown = show(&scene.daemon, &uuid);
    assert_eq!(times(&shown, "link-made"), 2, "one for each address: {shown}");
    Ok(())
}

#[test]
fn a_directory_restored_from_an_older_backup_invites_nobody_again() -> Result<()> {
    let mut scene = inviting()?;
    hire(&scene.slapd, "before")?;
    scene.inbox.wait_for("before@perso.example", |_| true, LONG)?;
    let backup = Backup::of(&mut scene.slapd)?;
    let later = hire(&scene.slapd, "later")?;
    scene.inbox.wait_for("later@perso.example", |_| true, LONG)?;
    let gone = uuid(&scene.slapd, &later.dn)?;
    backup.restore(&mut scene.slapd)?;
    shown(&scene.daemon, &gone, |shown| shown["person"]["state"] == "closed-gone")?;
    nobody_twice(&scene, "sentinel")?;
    // And once more, while the daemon is off.
    scene.daemon.terminate()?;
    backup.restore(&mut scene.slapd)?;
    scene.daemon.restart()?;
    nobody_twice(&scene, "another-sentinel")
}

#[test]
fn a_directory_with_no_memory_of_its_changes_names_everybody_and_mails_nobody() -> Result<()> {
    let mut scene = Scene::start(SceneOptions {
        slapd: parvis_stand::SlapdOptions { session_log: 1, ..Default::default() },
        config: INVITING.to_owned(),
        ..SceneOptions::default()
    })?;
    let leaver = hire(&scene.slapd, "leaver")?;
    scene.inbox.wait_for("leaver@perso.example", |_| true, LONG)?;
    let gone = uuid(&scene.slapd, &leaver.dn)?;
    scene.daemon.terminate()?;
    scene.slapd.delete(&leaver.dn)?;
    for person in small().iter().take(4) {
        scene.slapd.replace(&person.dn, "title", &["Dr"])?;
    }
    scene.slapd.restart()?;
    scene.daemon.restart()?;
    shown(&scene.daemon, &gone, |shown| shown["person"]["state"] == "closed-gone")?;
    nobody_twice(&scene, "sentinel")
}

#[test]
fn an_active_person_whom_a_restored_directory_has_as_provisional_is_reported_and_not_mailed() -> Result<()> {
    let mut scene = inviting()?;
    scene.inbox.wait_for("marie.durand@laposte.example", |_| true, LONG)?;
    let marie = small().remove(0);
    let marie_uuid = uuid(&scene.slapd, &marie.dn)?;
    let backup = Backup::of(&mut scene.slapd)?;
    let back = run::until(LONG, || {
        let (code, _) = scene.daemon.hook("check", &json!({ "login": "cbernard", "authenticated": true }))?;
        Ok((code == 0).then_some(()))
    })?;
    assert!(back.is_some());
    let mut walk = scene.open("mdurand")?;
    walk.prove("marie@ailleurs.example")?;
    walk.charter()?;
    walk.listing(true)?;
    walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    walk.password("Violet-mandarine-77")?;
    scene.inbox.wait_for("marie@ailleurs.example", |mail| mail.links().is_empty(), LONG)?;
    let mailed = scene.inbox.last_number();
    backup.restore(&mut scene.slapd)?;
    let drifted = shown(&scene.daemon, &marie_uuid, |shown| happened(shown, "drift"))?;
    assert_eq!(drifted["person"]["state"], "done-drift", "{drifted}");
    let line = scene.daemon.wait_log("was rolled back", LONG)?;
    assert!(line.contains("mdurand") && line.contains("WARN"), "{line}");
    hire(&scene.slapd, "sentinel")?;
    scene.inbox.wait_for("sentinel@perso.example", |_| true, LONG)?;
    assert_eq!(scene.inbox.last_number(), mailed + 1, "only the sentinel");
    // Told once, however often it is seen.
    scene.daemon.restart()?;
    hire(&scene.slapd, "sentinel-two")?;
    scene.inbox.wait_for("sentinel-two@perso.example", |_| true, LONG)?;
    assert_eq!(times(&show(&scene.daemon, &marie_uuid), "drift"), 1);
    assert_eq!(show(&scene.daemon, &marie_uuid)["person"]["round"], 1);
    Ok(())
}

/// Where the daemon keeps its place in the directory's history.
const COOKIE: &[u8] = b"mcookie";

#[test]
fn a_place_in_the_history_that_is_garbled_or_unknown_begins_anew_and_mails_nobody_twice() -> Result<()> {
    let mut scene = inviting()?;
    scene.inbox.wait_for("marie.durand@laposte.example", |_| true, LONG)?;
    nobody_twice(&scene, "the-first")?;
    let places: [&[u8]; 8] = [
        b"\x00\xff garbled \x80",
        b"",
        b"rid=000,csn=",
        b"rid=000,csn=yesterday#000000#000#000000",
        b"csn=20260101000000.000000Z#000000#000#000000,rid=",
        // Of a server that is not there, of the past, of the future.
        b"rid=000,csn=20260101000000.000000Z#000000#0aa#000000",
        b"rid=000,csn=20010101000000.000000Z#000000#000#000000",
        b"rid=000,csn=20990101000000.000000Z#000000#000#000000",
    ];
    for (number, place) in places.into_iter().enumerate() {
        let leaver = hire(&scene.slapd, &format!("leaver-{number}"))?;
        scene.inbox.wait_for(&format!("leaver-{number}@perso.example"), |_| true, LONG)?;
        let gone = uuid(&scene.slapd, &leaver.dn)?;
        scene.daemon.terminate()?;
        let before = within::value(&scene.daemon, COOKIE)?;
        within::put(&scene.daemon, COOKIE, place)?;
        // What was missed while the place was lost.
        scene.slapd.delete(&leaver.dn)?;
        hire(&scene.slapd, &format!("missed-{number}"))?;
        scene.daemon.restart()?;
        let named = || format!("{}\n{}", String::from_utf8_lossy(place), scene.daemon.log());
        scene
            .inbox
            .wait_for(&format!("missed-{number}@perso.example"), |_| true, LONG)
            .with_context(named)?;
        let shown = shown(&scene.daemon, &gone, |shown| shown["person"]["state"] == "closed-gone");
        shown.with_context(named)?;
        nobody_twice(&scene, &format!("sentinel-{number}")).with_context(named)?;
        status_now(&scene.daemon, "everything works").with_context(named)?;
        scene.daemon.terminate()?;
        let after = within::value(&scene.daemon, COOKIE)?;
        assert!(after > before && after.starts_with(b"rid="), "{:?}", String::from_utf8_lossy(&after));
        scene.daemon.restart()?;
    }
    Ok(())
}
