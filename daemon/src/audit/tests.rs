//! What verification finds, and what it must not take for a fault; what an export leads back to.

use super::*;
use crate::dossier::{Dossier, TRIMMED, key};
use crate::engine::Engine;
use crate::engine::trial::{at_listing, engine, list};
use crate::store::{Commit, Store, Write};
use parvis_enrolment::{Id, Stage};

const JEANNE: Id = Id([1; 16]);
const PAUL: Id = Id([2; 16]);

fn faults(engine: &Engine, chain: &Chain) -> Vec<String> {
    verify(engine.store.as_ref(), chain, None).unwrap().faults
}

/// Somebody with access to the store writes into it, past the engine.
async fn meddle(store: &dyn Store, person: Id, change: impl FnOnce(&mut Dossier)) {
    let held = store.get(&key::dossier(person)).unwrap().unwrap();
    let mut dossier = Dossier::decode(person, &held.value).unwrap();
    change(&mut dossier);
    put(store, Write::Put { key: key::dossier(person), value: dossier.encode() }).await;
}

async fn put(store: &dyn Store, write: Write) {
    store.commit(Commit { writes: vec![write], ..Commit::default() }).await.unwrap();
}

async fn two_people() -> (std::sync::Arc<Engine>, Chain) {
    let (engine, chain) = engine();
    for person in [JEANNE, PAUL] {
        let session = at_listing(&engine, person).await;
        list(&engine, person, session, true).await;
    }
    assert_eq!(faults(&engine, &chain), Vec::<String>::new());
    (engine, chain)
}

#[tokio::test]
async fn a_dossier_that_was_deleted_is_found() {
    let (engine, chain) = two_people().await;
    put(engine.store.as_ref(), Write::Delete { key: key::dossier(PAUL) }).await;
    let found = faults(&engine, &chain);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("is missing, and no record says that it was erased"), "{found:?}");
}

#[tokio::test]
async fn a_fact_that_was_deleted_altered_or_made_up_is_found() {
    for what in ["begun", "signed-in", "charter-accepted", "listing-chosen"] {
        let (engine, chain) = two_people().await;
        meddle(engine.store.as_ref(), PAUL, |dossier| dossier.facts.retain(|kept| kept.fact.what != what))
            .await;
        let found = faults(&engine, &chain);
        assert!(found.iter().any(|fault| fault.contains(&format!("({what}) was removed"))), "{found:?}");
    }
    let (engine, chain) = two_people().await;
    meddle(engine.store.as_ref(), PAUL, |dossier| {
        let kept = dossier.facts.iter_mut().find(|kept| kept.fact.what == "listing-chosen").unwrap();
        kept.fact.details = vec![("listed".to_owned(), "no".to_owned())];
    })
    .await;
    assert!(faults(&engine, &chain)[0].contains("is not the one that was recorded"));
    let (engine, chain) = two_people().await;
    meddle(engine.store.as_ref(), PAUL, |dossier| {
        let mut made_up = dossier.facts[0].clone();
        made_up.n = dossier.next;
        dossier.next += 1;
        dossier.facts.push(made_up);
    })
    .await;
    assert!(faults(&engine, &chain)[0].contains("is not in the chain"));
}

#[tokio::test]
async fn another_charter_in_the_answers_is_found() {
    let (engine, chain) = two_people().await;
    meddle(engine.store.as_ref(), PAUL, |dossier| {
        let Stage::Choosing(answers) = &mut dossier.enrolment.stage else { panic!("choosing") };
        answers.charter.as_mut().unwrap().version = "9".to_owned();
    })
    .await;
    let found = faults(&engine, &chain);
    assert!(found.len() == 1 && found[0].contains("the charter in the answers"), "{found:?}");
}

#[tokio::test]
async fn what_was_trimmed_is_no_fault_and_what_is_said_to_have_been_is_held_to_it() {
    let (engine, chain) = engine();
    let session = at_listing(&engine, JEANNE).await;
    for n in 0..300 {
        list(&engine, JEANNE, session, n % 2 == 0).await;
    }
    let dossier = engine.dossier(JEANNE).unwrap().unwrap();
    assert!(dossier.facts.len() <= 130 && dossier.facts.iter().any(|kept| kept.fact.what == TRIMMED));
    for proof in ["begun", "charter-accepted", "link-used"] {
        assert!(dossier.facts.iter().any(|kept| kept.fact.what == proof), "{proof}");
    }
    assert_eq!(faults(&engine, &chain), Vec::<String>::new());
    meddle(engine.store.as_ref(), JEANNE, |dossier| {
        let n = dossier.facts.iter().find(|kept| kept.fact.what == "begun").unwrap().n;
        dossier.facts.retain(|kept| kept.n != n);
        let trimmed = dossier.facts.iter_mut().rfind(|kept| kept.fact.what == TRIMMED).unwrap();
        trimmed.fact.details[0].1 = format!("{n} {}", trimmed.fact.details[0].1);
    })
    .await;
    let found = faults(&engine, &chain);
    assert!(found.iter().any(|fault| fault.contains("(trimmed) is not the one")), "{found:?}");
    assert!(found.iter().any(|fault| fault.contains("the latest begun")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_daemon_raises_no_false_alarm() {
    let (engine, chain) = two_people().await;
    let busy = engine.clone();
    let work = tokio::spawn(async move {
        for n in 3..60 {
            let session = at_listing(&busy, Id([n; 16])).await;
            list(&busy, Id([n; 16]), session, true).await;
        }
    });
    let mut times = 0;
    while !work.is_finished() || times == 0 {
        assert_eq!(faults(&engine, &chain), Vec::<String>::new());
        times += 1;
        tokio::task::yield_now().await;
    }
    work.await.unwrap();
}

#[tokio::test]
async fn an_export_leads_back_to_the_person_without_a_scan() {
    let (engine, _chain) = two_people().await;
    let store = engine.store.as_ref();
    let exported = export(store, 0, 64).unwrap();
    let of = |line: &str, name: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()[name].clone();
    assert!(exported.lines.len() > 10);
    let people: std::collections::BTreeSet<String> =
        exported.lines.iter().map(|line| of(line, "person").to_string()).collect();
    assert_eq!(people, [JEANNE, PAUL].map(|person| format!("\"{}\"", uuid(person))).into());
    assert!(
        exported.lines.iter().all(|line| of(line, "login") == "jeanne" && of(line, "details").is_object())
    );
    put(store, Write::Delete { key: key::dossier(PAUL) }).await;
    let exported = export(store, 0, 64).unwrap();
    assert!(exported.lines.iter().any(|line| of(line, "person").is_null()));
}
