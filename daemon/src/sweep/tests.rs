//! The sweep on a store in memory: what it erases, what stays, and when it does nothing by itself.

use super::*;
use crate::engine::trial::{at_listing, engine, meddle, put, sighting, tell};
use jiff::ToSpan;
use parvis_enrolment::{Answers, Closure, Id, Standing};

const JEANNE: Id = Id([1; 16]);
const PAUL: Id = Id([2; 16]);

fn long_ago() -> Timestamp {
    "2020-01-01T12:00:00Z".parse().unwrap()
}

fn sweeper(engine: &Arc<Engine>) -> Sweeper {
    Sweeper::new(engine.clone(), Arc::new(Board::default()))
}

fn actions(swept: &[Swept]) -> Vec<(PersonId, &'static str)> {
    swept.iter().map(|one| (one.person, one.action)).collect()
}

fn mails(engine: &Engine) -> usize {
    outbox::first(engine.store.as_ref(), 100).unwrap().len()
}

fn holds(engine: &Engine, chain: &audit::Chain) {
    let verdict = audit::verify(engine.store.as_ref(), chain, None).unwrap();
    assert_eq!(verdict.faults, Vec::<String>::new());
}

async fn seen(engine: &Engine, person: PersonId, stamp: &str) {
    tell(engine, person, sighting(engine, Standing::Provisional, stamp, false)).await.unwrap();
}

/// A person who was invited, and whose enrolment ended so, long ago.
async fn closed(engine: &Engine, person: PersonId, why: Closure) {
    seen(engine, person, "5").await;
    assert_eq!(engine.dossier(person).unwrap().unwrap().enrolment.links.len(), 1, "invited");
    meddle(engine.store.as_ref(), person, |dossier| {
        dossier.enrolment.stage = Stage::Closed { why, at: long_ago() };
    })
    .await;
}

#[tokio::test]
async fn who_is_erased_is_not_invited_again_and_may_still_come() {
    let (engine, chain) = engine();
    let sweeper = sweeper(&engine);
    closed(&engine, JEANNE, Closure::Expired).await;
    assert_eq!(mails(&engine), 1);
    assert_eq!(actions(&sweeper.sweep(true).await.unwrap()), [(JEANNE, "purge")]);
    assert_eq!(mails(&engine), 1, "a dry run changes nothing");
    assert_eq!(actions(&sweeper.sweep(false).await.unwrap()), [(JEANNE, "purge")]);
    let held = engine.store.get(&key::dossier(JEANNE)).unwrap().unwrap();
    let text = crate::dossier::unpress(&held.value).unwrap().into_owned();
    assert!(!String::from_utf8(text).unwrap().contains("jeanne"));
    assert_eq!(mails(&engine), 0, "the mails that waited are gone too");
    assert_eq!(engine.store.scan(b"s", b"t", 10).unwrap(), [], "nothing leads from the chain to the person");
    holds(&engine, &chain);

    seen(&engine, JEANNE, "5").await;
    seen(&engine, JEANNE, "6").await;
    assert_eq!(mails(&engine), 0, "nobody is invited twice");
    assert_eq!(sweeper.sweep(false).await.unwrap(), [], "nor erased twice");

    at_listing(&engine, JEANNE).await;
    let back = engine.dossier(JEANNE).unwrap().unwrap();
    assert_eq!((back.enrolment.round, back.enrolment.profile.login.as_str()), (1, "jeanne"));
    assert_eq!(engine.store.scan(b"s", b"t", 10).unwrap().len(), 1);
    holds(&engine, &chain);
}

#[tokio::test]
async fn a_new_letter_after_the_proof_was_erased_begins_the_next_round() {
    let (engine, chain) = engine();
    closed(&engine, JEANNE, Closure::Expired).await;
    meddle(engine.store.as_ref(), JEANNE, |dossier| {
        let answers = Answers::under("jeanne@example.org".to_owned());
        let stamp = Some("7".to_owned());
        dossier.enrolment.stage = Stage::Done { answers, at: long_ago(), stamp, drift: None };
    })
    .await;
    assert_eq!(actions(&sweeper(&engine).sweep(false).await.unwrap()), [(JEANNE, "purge")]);
    seen(&engine, JEANNE, "6").await;
    assert_eq!(engine.dossier(JEANNE).unwrap().unwrap().enrolment.round, 1, "older than our write");
    assert_eq!(mails(&engine), 0);
    seen(&engine, JEANNE, "8").await;
    assert_eq!(engine.dossier(JEANNE).unwrap().unwrap().enrolment.round, 2);
    holds(&engine, &chain);
}

#[tokio::test]
async fn nothing_stays_of_whom_the_directory_has_no_more() {
    let (engine, chain) = engine();
    closed(&engine, JEANNE, Closure::Gone).await;
    sweeper(&engine).sweep(false).await.unwrap();
    assert_eq!(engine.dossier(JEANNE).unwrap(), None);
    holds(&engine, &chain);
}

/// Text without any pattern.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from(state >> 58).unwrap())
    };
    (0..length).map(|_| next()).filter(|c| *c != '\\').collect()
}

#[tokio::test]
async fn a_record_that_cannot_be_swept_keeps_nobody_else_waiting() {
    let (engine, _chain) = engine();
    seen(&engine, JEANNE, "5").await;
    meddle(engine.store.as_ref(), JEANNE, |dossier| {
        dossier.enrolment.changed = long_ago();
        dossier.facts.clear();
        dossier.enrolment.links.clear();
        // Full to the last bytes, with what cannot be pressed: its end would no longer fit.
        let mut noise = noise(2 * crate::store::MAX_VALUE);
        loop {
            dossier.enrolment.profile.mail = Some(noise.clone());
            let over = dossier.encode().len().saturating_sub(crate::store::MAX_VALUE - 4);
            if over == 0 {
                break;
            }
            noise.truncate(noise.len() - over.div_ceil(2));
        }
    })
    .await;
    closed(&engine, PAUL, Closure::Expired).await;
    let swept = sweeper(&engine).sweep(false).await.unwrap();
    assert_eq!(actions(&swept), [(PAUL, "purge")]);
    assert!(engine.dossier(JEANNE).unwrap().unwrap().enrolment.open(), "as it was");
}

#[tokio::test]
async fn after_a_month_without_a_run_somebody_must_look_at_the_clock() {
    let (engine, _chain) = engine();
    let sweeper = Arc::new(sweeper(&engine));
    closed(&engine, JEANNE, Closure::Expired).await;
    put(engine.store.as_ref(), Write::Put { key: key::own("swept"), value: b"2020-02-01".to_vec() }).await;
    assert_eq!(sweeper.next(), None);
    let running = tokio::spawn({
        let sweeper = sweeper.clone();
        async move { sweeper.run().await }
    });
    let part = || sweeper.board.parts().into_iter().find(|(name, _)| *name == "sweep").map(|(_, part)| part);
    while part().is_none() {
        sweeper.board.change().await;
    }
    let part = part().unwrap();
    assert_eq!(part.state, State::Degraded);
    assert!(part.detail.contains("2020-02-01") && part.detail.contains("parvisctl sweep"), "{}", part.detail);
    assert!(!engine.dossier(JEANNE).unwrap().unwrap().erased(), "nothing is purged by itself");
    running.abort();

    sweeper.sweep(true).await.unwrap();
    assert_eq!(sweeper.next(), None, "a dry run confirms nothing");
    assert_eq!(actions(&sweeper.sweep(false).await.unwrap()), [(JEANNE, "purge")]);
    assert!(sweeper.next().is_some(), "from here on it runs by itself again");
    assert_eq!(sweeper.board.summary(), "everything works");
}

#[tokio::test]
async fn counts_that_limit_nobody_are_put_away_wherever_the_clock_was() {
    let (engine, _chain) = engine();
    let now = clock::now().as_millisecond();
    for (name, until) in [(1, now - 1), (2, now + 60_000), (3, now + 10 * 365 * 24 * 3_600_000)] {
        let value = until.to_be_bytes().to_vec();
        put(engine.store.as_ref(), Write::Put { key: key::attempts([name; 16]), value }).await;
    }
    sweeper(&engine).sweep(false).await.unwrap();
    let left = engine.store.scan(b"t", b"u", 10).unwrap();
    assert_eq!(left.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [key::attempts([2; 16])]);
}

/// A store on a full disk: it can be read.
struct Full {
    held: Arc<dyn crate::store::Store>,
    refused: std::sync::atomic::AtomicUsize,
}

impl crate::store::Store for Full {
    fn get(&self, key: &[u8]) -> Result<Option<Held>, StoreError> {
        self.held.get(key)
    }
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Held)>, StoreError> {
        self.held.scan(from, until, limit)
    }
    fn records(&self, from: u64, limit: usize) -> Result<Vec<crate::store::Linked>, StoreError> {
        self.held.records(from, limit)
    }
    fn head(&self) -> crate::store::Head {
        self.held.head()
    }
    fn health(&self) -> crate::store::Health {
        crate::store::Health::Full
    }
    fn backup(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        self.held.backup(out)
    }
    fn close(&self) -> Result<(), StoreError> {
        self.held.close()
    }
    fn commit(&self, _: Commit) -> crate::store::Committing {
        let refused = self.refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // A run without a pause would never give way to the test's clock.
        assert!(refused < 100, "again and again without a pause");
        Box::pin(async { Err(StoreError::Full) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_noted_is_tried_again_each_minute() {
    let (engine, _) = engine();
    let two_days_ago = clock::now().to_zoned(engine.settings().policy.zone.clone()).date() - 2.days();
    let swept = Write::Put { key: key::own("swept"), value: two_days_ago.to_string().into_bytes() };
    put(engine.store.as_ref(), swept).await;
    let store = Arc::new(Full { held: engine.store.clone(), refused: Default::default() });
    let full = Arc::new(Engine::new(store.clone(), engine.settings(), engine.directory()));
    let sweeper = sweeper(&full);
    let ended = tokio::time::timeout(Duration::from_secs(290), sweeper.run()).await;
    assert!(ended.is_err(), "it never ends");
    assert_eq!(store.refused.load(std::sync::atomic::Ordering::Relaxed), 5, "at once, and after each minute");
}
