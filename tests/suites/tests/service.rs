//! The service seen from outside: what goes wrong around the steps is said, and costs nobody a mail or an enrolment.

use std::sync::Arc;

use anyhow::{Context, Result};
use parvis_stand::{Behaviour, Scene, SceneOptions, Stage, Walk};
use parvis_suites::{LONG, status_now};
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
fn a_mail_that_a_spam_filter_refuses_is_said_and_sent_when_it_is_taken() -> Result<()> {
    let scene = scene(QUICK)?;
    let refused = "554 5.7.1 Spam message rejected";
    scene.inbox.script(ADDRESS, Behaviour::Answer(Stage::Dot, refused.to_owned()));
    let mut walk = give(&scene, "mdurand", ADDRESS)?;
    let said = status_now(&scene.daemon, "mail: ")?;
    assert!(said.contains("Spam message rejected"), "{said}");
    let (code, state) = walk.call("state", json!({}))?;
    assert_eq!((code, state["step"].as_str()), (0, Some("recovery-link")), "nobody is blamed: {state}");
    scene.inbox.behave();
    let link = walk.link(ADDRESS, 0)?;
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
