//! The service seen from outside: what goes wrong around the steps is said, and costs nobody a mail or an enrolment.

use std::sync::Arc;

use anyhow::{Context, Result};
use parvis_stand::{Behaviour, Scene, SceneOptions, SlapdOptions, Stage, Walk, campus};
use parvis_suites::{LONG, happened, show, shown, status_now};
use parvisd::store::{self, Commit, Linker, Write};
use serde_json::json;

const ADDRESS: &str = "marie@ailleurs.example";
const QUICK: &str = "[mail]\nretry-first = \"300ms\"\nretry-longest = \"1s\"\ntimeout = \"1s\"\n";

fn scene(config: &str) -> Result<Scene> {
    Scene::start(SceneOptions { config: config.to_owned(), ..SceneOptions::default() })
}

fn give<'s>(scene: &'s Scene, login: &str, address: &str) -> Result<Walk<'s>> {
    let mut walk = scene.open(login)?;
    walk.step("recovery-address", json!({ "address": address }), "recovery-link")?;
    Ok(walk)
}

/// Links nothing: for commits that have no records.
struct Unlinked;

impl Linker for Unlinked {
    fn link(&self, _: &[u8; 32], _: u64, _: &[u8]) -> [u8; 32] {
        [0; 32]
    }
}

#[test]
fn a_mail_that_a_spam_filter_refuses_is_said_to_the_sysadmin_and_the_person() -> Result<()> {
    let scene = scene(QUICK)?;
    let refused = "554 5.7.1 Spam message rejected";
    scene.inbox.script(ADDRESS, Behaviour::Answer(Stage::Dot, refused.to_owned()));
    let mut walk = give(&scene, "mdurand", ADDRESS)?;
    let said = status_now(&scene.daemon, "mail: ")?;
    assert!(said.contains("Spam message rejected"), "{said}");
    let told = parvis_stand::run::until(LONG, || Ok((walk.call("state", json!({}))?.0 == 1).then_some(())))?;
    told.context("the person was not told")?;
    let other = "marie@autrepart.example";
    walk.step("recovery-address", json!({ "address": other }), "recovery-link")?;
    let link = walk.link(other, 0)?;
    walk.step("redeem", json!({ "link": link }), "charter")?;
    status_now(&scene.daemon, "everything works")?;
    Ok(())
}

#[test]
fn a_record_that_cannot_be_read_holds_up_no_other_mail_and_does_not_keep_the_daemon_busy() -> Result<()> {
    let mut scene = scene(QUICK)?;
    scene.inbox.script(ADDRESS, Behaviour::Answer(Stage::Recipient, "451 later".to_owned()));
    drop(give(&scene, "mdurand", ADDRESS)?);
    scene.daemon.wait_log("a mail will be tried again", LONG)?;
    scene.daemon.terminate()?;
    {
        let store = store::open(&scene.daemon.layout().state().join("store"), Arc::new(Unlinked))?;
        let waiting = store.scan(b"o", b"p", 2)?.pop().context("the mail that waits")?.1;
        let waiting: serde_json::Value = serde_json::from_slice(&waiting.value)?;
        let person = waiting["person"].as_str().context("its person")?.replace('-', "");
        let key = [b"p".to_vec(), u128::from_str_radix(&person, 16)?.to_be_bytes().to_vec()].concat();
        assert!(store.get(&key)?.is_some());
        let writes = vec![Write::Put { key, value: b"{".to_vec() }];
        let commit = store.commit(Commit { writes, ..Commit::default() });
        tokio::runtime::Builder::new_current_thread().build()?.block_on(commit)?;
        store.close()?;
    }
    scene.daemon.restart()?;
    let failed = "failed to look at a mail's person";
    scene.daemon.wait_log(failed, LONG)?;
    for number in 0..3 {
        let address = format!("linh{number}@ailleurs.example");
        let mut walk = scene.open("lnguyen")?;
        walk.step("recovery-address", json!({ "address": address }), "recovery-link")?;
        scene.inbox.wait_for(&address, |_| true, LONG)?;
    }
    let times = scene.daemon.log().matches(failed).count();
    assert!(times < 10, "{times} times");
    Ok(())
}

#[test]
fn a_directory_that_lost_most_of_its_people_closes_nobody() -> Result<()> {
    let people = campus(40);
    let slapd = SlapdOptions { people: people.clone(), ..SlapdOptions::default() };
    let mut scene = Scene::start(SceneOptions { slapd, ..SceneOptions::default() })?;
    let of = |scene: &Scene, dn: &str| -> Result<String> {
        let entry = scene.slapd.entry(dn)?.context("the entry")?;
        Ok(entry.get("entryUUID").context("its uuid")?.to_owned())
    };
    let lost: Vec<_> = people.iter().skip(12).collect();
    let last = lost.last().context("the last")?;
    let uuids = lost.iter().map(|person| of(&scene, &person.dn)).collect::<Result<Vec<_>>>()?;
    for uuid in &uuids {
        shown(&scene.daemon, uuid, |shown| happened(shown, "begun"))?;
    }
    scene.daemon.terminate()?;
    for person in &lost {
        scene.slapd.delete(&person.dn)?;
    }
    // Its log of changes is gone as well: it says who is there, not who left.
    scene.slapd.restart()?;
    scene.daemon.restart()?;
    let said = status_now(&scene.daemon, "missing from the directory at once")?;
    assert!(said.contains("watch: ") && said.contains("nothing is concluded"), "{said}");
    // Whoever comes now is seen all the same, and proves that the watch has gone past it.
    scene.slapd.add_person(last)?;
    let back = of(&scene, &last.dn)?;
    shown(&scene.daemon, &back, |shown| happened(shown, "begun"))?;
    for uuid in &uuids {
        let shown = show(&scene.daemon, uuid);
        assert!(happened(&shown, "begun") && !happened(&shown, "closed"), "{shown}");
        assert!(!shown.to_string().contains("gone"), "{shown}");
    }
    Ok(())
}

#[test]
fn a_reload_that_would_not_be_carried_out_is_said() -> Result<()> {
    let scene = scene("")?;
    let over = scene.daemon.layout().path().join("conf.d/60-log.toml");
    std::fs::write(&over, "[log]\nfilter = \"warn\"\n")?;
    scene.daemon.hangup()?;
    let said = scene.daemon.wait_log("not reloaded: these keys take a restart", LONG)?;
    assert!(said.contains("log.filter"), "{said}");
    std::fs::write(&over, "[log]\nfilter = \"ldap3=trace\"\n")?;
    scene.daemon.hangup()?;
    let said = scene.daemon.wait_log("could log passwords", LONG)?;
    assert!(said.contains("60-log.toml") || said.contains("log.filter"), "{said}");
    Ok(())
}
