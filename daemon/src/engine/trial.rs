//! An engine on a store in memory, and a person who goes through the steps, for tests.

use super::{Acted, Ask, Engine, Failure};
use crate::audit::Chain;
use crate::config::trial::settings;
use crate::directory::Directory;
use crate::dossier::{Actor, Dossier, key};
use crate::engine::keys::Keys;
use crate::service::outside;
use crate::store::{Commit, Store, Write};
use parvis_enrolment::enrolment::Profile;
use parvis_enrolment::{Answer, Event, Id, PersonId, Purpose, Request, Sighting, Standing};
use std::sync::Arc;

/// An engine whose directory does not answer, and the key of its chain.
pub fn engine() -> (Arc<Engine>, Chain) {
    let text = "[directory]\nbase = \"dc=univ,dc=test\"\nuris = [\"ldap://127.0.0.1:9\"]\n";
    let mut settings = settings(text);
    settings.policy.populations.iter_mut().for_each(|people| people.invite = true);
    let settings = Arc::new(settings);
    let key = Keys::derive(&settings.key).audit();
    let store = crate::store::memory(Arc::new(Chain::new(key)));
    let prepared = settings.directory.clone().prepare().unwrap_or_else(|error| panic!("{error:?}"));
    let directory = Directory::connect(prepared, outside());
    (Arc::new(Engine::new(store, settings, directory)), Chain::new(key))
}

/// What the directory says of a person.
pub fn sighting(engine: &Engine, standing: Standing, stamp: &str, in_person: bool) -> Event {
    let population = engine.settings().policy.populations.first().map(|people| people.name.clone());
    let profile = Profile {
        login: "jeanne".to_owned(),
        offered: Some("jeanne@old.example.org".to_owned()),
        population,
        ..Profile::default()
    };
    Event::Sighted(Sighting { standing, stamp: stamp.to_owned(), profile, in_person })
}

/// Lets something happen to a person.
pub async fn tell(engine: &Engine, person: PersonId, event: Event) -> Result<Acted, Failure> {
    engine.act(Ask::new(person, Actor::Person(None), event)).await
}

/// A person at step 6, with the charter accepted, and their session.
pub async fn at_listing(engine: &Engine, person: PersonId) -> Id {
    tell(engine, person, sighting(engine, Standing::Provisional, "1", true)).await.unwrap();
    let opened = tell(engine, person, Event::Asked(Request::Open { return_to: None })).await.unwrap();
    let Answer::Session(session) = opened.answer else { panic!("{:?}", opened.answer) };
    let address = "jeanne@example.org".to_owned();
    let proving =
        tell(engine, person, Event::Asked(Request::RecoveryAddress { session, address, inward: false }))
            .await
            .unwrap();
    let link = proving.enrolment().newest(Purpose::Recovery).unwrap().id;
    let redeemed =
        tell(engine, person, Event::Asked(Request::Redeem { link, session: Some(session) })).await.unwrap();
    let Answer::Session(session) = redeemed.answer else { panic!("{:?}", redeemed.answer) };
    let version = engine.settings().policy.charter.version.clone();
    let locale = "fr".to_owned();
    let charter = Request::Charter { session, version, accepted: true, locale };
    tell(engine, person, Event::Asked(charter)).await.unwrap();
    session
}

/// Chooses whether to be listed.
pub async fn list(engine: &Engine, person: PersonId, session: Id, listed: bool) {
    tell(engine, person, Event::Asked(Request::Listing { session, listed: Some(listed) })).await.unwrap();
}

/// Somebody with access to the store writes into it, past the engine.
pub async fn meddle(store: &dyn Store, person: PersonId, change: impl FnOnce(&mut Dossier)) {
    let held = store.get(&key::dossier(person)).unwrap().unwrap();
    let mut dossier = Dossier::decode(person, &held.value).unwrap();
    change(&mut dossier);
    put(store, Write::Put { key: key::dossier(person), value: dossier.encode() }).await;
}

/// Writes past the engine.
pub async fn put(store: &dyn Store, write: Write) {
    store.commit(Commit { writes: vec![write], ..Commit::default() }).await.unwrap();
}
