//! The engine under people who try to fill their record, and under many at once.

use super::limits::{self, Class};
use super::trial::{at_listing, engine, list, meddle, put, sighting, tell};
use super::*;
use crate::store::MAX_VALUE;
use parvis_enrolment::enrolment::{Answers, Attempt};
use parvis_enrolment::{Id, Request, Standing};

const JEANNE: Id = Id([1; 16]);

#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_no_activation_from_being_finished() {
    let (engine, _) = engine();
    let people = [JEANNE, Id([2; 16])];
    for person in people {
        at_listing(&engine, person).await;
    }
    assert_eq!(activation::interrupted(&engine).unwrap(), []);
    put(&*engine.store, Write::Put { key: key::dossier(JEANNE), value: b"no record".to_vec() }).await;
    let attempt = Attempt { at: clock::now(), stamp: "1".to_owned(), password_changed: None };
    let writing = Stage::Activating { answers: Answers::under("jeanne@example.org".to_owned()), attempt };
    meddle(&*engine.store, people[1], |dossier| dossier.enrolment.stage = writing).await;
    assert_eq!(activation::interrupted(&engine).unwrap(), people[1..]);
}

#[tokio::test]
async fn nobody_freezes_their_own_record() {
    let (engine, chain) = engine();
    let long = format!("https://ent.univ.example/{}", "x".repeat(480));
    for _ in 0..10 {
        for request in [
            Request::Open { return_to: Some(long.clone()) },
            Request::Admit { return_to: Some(long.clone()) },
        ] {
            tell(&engine, JEANNE, sighting(&engine, Standing::Provisional, "1", true)).await.unwrap();
            tell(&engine, JEANNE, Event::Asked(request)).await.unwrap();
        }
    }
    let session = at_listing(&engine, JEANNE).await;
    list(&engine, JEANNE, session, true).await;
    for n in 0..300 {
        // 254 bytes, another one each time: a link is made and mailed for each.
        let domain = "y".repeat(60);
        let forward = Some(format!("{n:0>60}@{domain}.{domain}.{domain}.example"));
        tell(
            &engine,
            JEANNE,
            Event::Asked(Request::Mail { session, forward, inward: false, keep_copy: true }),
        )
        .await
        .unwrap();
        let size = engine.store.get(&key::dossier(JEANNE)).unwrap().unwrap().value.len();
        assert!(size < MAX_VALUE * 3 / 4, "{size} bytes after {n}");
    }
    list(&engine, JEANNE, session, false).await;
    let kept: Vec<String> =
        engine.dossier(JEANNE).unwrap().unwrap().facts.iter().map(|kept| kept.fact.what.clone()).collect();
    for proof in ["begun", "link-used", "charter-accepted", "listing-chosen", "mail-chosen"] {
        assert!(kept.iter().any(|what| what == proof), "{proof}: {kept:?}");
    }
    assert_eq!(audit::verify(engine.store.as_ref(), &chain, None).unwrap().faults, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_people_behind_one_address_do_not_fail_for_each_other() {
    let (engine, _chain) = engine();
    let settings = engine.settings();
    let mut client = limits::of_client(&engine.keys, &settings.rates, Some("192.0.2.1")).unwrap();
    // So that they are more than half of what is allowed, and are kept.
    client.rate.burst = 300;
    let rate = client.rate;
    let people = (1..=200_u8).map(|n| {
        let (engine, client) = (engine.clone(), client.clone());
        tokio::spawn(async move {
            let mut ask =
                Ask::new(Id([n; 16]), Actor::Directory, sighting(&engine, Standing::Provisional, "1", true));
            ask.counted = vec![client];
            engine.act(ask).await.map(|_| ())
        })
    });
    for one in futures_util::future::join_all(people.collect::<Vec<_>>()).await {
        assert!(one.unwrap().is_ok());
    }
    let counted = limits::stored(&engine.store.get(&client.key).unwrap().unwrap().value).unwrap();
    let ahead = counted - clock::now().as_millisecond();
    let each = limits::each(rate);
    assert!(ahead > each * 190 - 60_000 && ahead <= each * 200, "{ahead} of {}", each * 200);
}

#[tokio::test]
async fn what_is_one_too_many_is_told_before_it_costs_anything() {
    let (engine, _chain) = engine();
    let settings = engine.settings();
    let counted = vec![limits::of_account(&engine.keys, &settings.rates, Class::SignIn, JEANNE)];
    for _ in 0..settings.rates.sign_in.burst {
        assert_eq!(engine.exhausted(&counted).unwrap(), None);
        assert_eq!(engine.count(&counted).await.unwrap(), None);
    }
    assert!(engine.exhausted(&counted).unwrap().is_some() && engine.count(&counted).await.unwrap().is_some());
}
