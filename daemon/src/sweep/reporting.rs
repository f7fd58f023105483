//! The report and the reminders on a store in memory: once a night, once a round, and nobody named who need not be.

use super::census::Census;
use super::*;
use crate::engine::outbox::Due;
use crate::engine::trial::{at_listing, engine, list, meddle, put, sighting, tell};
use parvis_enrolment::event::MailOutcome;
use parvis_enrolment::{Closure, Id, MailKind, Standing};

const JEANNE: Id = Id([1; 16]);
const PAUL: Id = Id([2; 16]);
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// An engine whose settings are changed so.
fn with(change: impl FnOnce(&mut crate::config::Settings)) -> Arc<Engine> {
    let (engine, _chain) = engine();
    let mut settings = crate::config::trial::settings(
        "[directory]\nbase = \"dc=univ,dc=test\"\nuris = [\"ldap://127.0.0.1:9\"]\n",
    );
    settings.policy.populations.iter_mut().for_each(|people| people.invite = true);
    change(&mut settings);
    engine.reload(Arc::new(settings));
    engine
}

fn sweeper(engine: &Arc<Engine>) -> Sweeper {
    Sweeper::new(engine.clone(), Arc::new(Board::default()))
}

fn waiting(engine: &Engine) -> Vec<Due> {
    outbox::first(engine.store.as_ref(), 100).unwrap()
}

/// The reports that wait.
fn reports(engine: &Engine) -> Vec<ReportOrder> {
    let all = waiting(engine).into_iter();
    all.filter_map(|due| match due.waiting.errand {
        Errand::Report(report) => Some(*report),
        Errand::Person { .. } => None,
    })
    .collect()
}

/// Who is reminded by the mails that wait.
fn reminded(engine: &Engine) -> Vec<String> {
    let all = waiting(engine).into_iter();
    all.filter_map(|due| match due.waiting.errand {
        Errand::Person { order, .. } if order.kind == MailKind::Reminder => Some(order.to),
        Errand::Person { .. } | Errand::Report(_) => None,
    })
    .collect()
}

async fn nights(sweeper: &Sweeper, date: &str) {
    let (swept, night) = sweeper.all(false).await.unwrap();
    sweeper.finish(date.parse().unwrap(), swept.len(), night).await;
}

#[tokio::test]
async fn a_night_is_reported_once_to_each_and_says_what_happened() {
    let engine = with(|settings| {
        settings.reports = vec!["root@univ.example".to_owned(), "boss@univ.example".to_owned()];
    });
    let sweeper = sweeper(&engine);
    sweeper.board.set("directory", State::Down, "no answer from jeanne@example.org <x>");
    at_listing(&engine, JEANNE).await;
    tell(&engine, PAUL, sighting(&engine, Standing::Provisional, "1", false)).await.unwrap();
    let mail = waiting(&engine).last().unwrap().waiting.mail();
    let refused = "550 5.1.1 <jeanne@old.example.org>: unknown".to_owned();
    tell(&engine, PAUL, Event::Mailed(mail, MailOutcome::Refused(refused))).await.unwrap();
    meddle(engine.store.as_ref(), PAUL, |dossier| dossier.enrolment.profile.population = None).await;
    nights(&sweeper, "2026-09-01").await;
    let found = reports(&engine);
    let to: std::collections::BTreeSet<&str> = found.iter().map(|report| report.to.as_str()).collect();
    assert_eq!(to.into_iter().collect::<Vec<_>>(), ["boss@univ.example", "root@univ.example"]);
    let night = &found[0].night;
    assert_eq!((night.open, night.activated, night.passed_over), (2, 0, 0));
    assert_eq!(
        night.steps.clone().into_iter().collect::<Vec<_>>(),
        [("listing".to_owned(), 1), ("no-population".to_owned(), 1)]
    );
    assert_eq!(night.mails.get("mail-refused"), Some(&1));
    assert_eq!(night.reasons.first[0].words, "550 5.1.1 … unknown");
    assert_eq!(night.nobody.first, ["jeanne"], "by login, because somebody must act");
    assert_eq!(night.twice.first, ["jeanne"]);
    assert_eq!(night.troubles.first, [], "what has only just begun is tried again");
    let later = clock::now() + jiff::SignedDuration::from_mins(1);
    let troubles: Vec<Trouble> = lasting(sweeper.board.parts(), later).collect();
    assert_eq!((troubles.len(), troubles[0].detail.as_str()), (1, "no answer from … <x>"));
    assert_eq!(night.anchor, audit::anchor(&engine.store.head()));
    assert_eq!(night.concerns(), 2);
    let text = serde_json::to_string(night).unwrap();
    assert!(!text.contains("example.org"), "{text}");

    // The next night begins where this one ended, and says it once.
    let until = night.until;
    nights(&sweeper, "2026-09-02").await;
    let found = reports(&engine);
    assert_eq!(found.len(), 4);
    let next = found.iter().find(|report| report.night.since == until).unwrap();
    assert_eq!(next.night.mails.get("mail-refused"), None, "what was said is not said again");
    assert_eq!(next.night.nobody.first, ["jeanne"], "what is still so is");
    assert_eq!(sweeper.last().unwrap().to_string(), "2026-09-02");
}

#[tokio::test]
async fn nobody_gets_a_report_who_did_not_ask_and_a_dry_run_orders_none() {
    let engine = with(|_| {});
    nights(&sweeper(&engine), "2026-09-01").await;
    assert_eq!(reports(&engine), []);
    let engine = with(|settings| settings.reports = vec!["root@univ.example".to_owned()]);
    sweeper(&engine).sweep(true).await.unwrap();
    assert_eq!(reports(&engine), []);
}

#[tokio::test]
async fn a_report_is_bounded_however_many_there_are() {
    let engine = with(|settings| settings.reports = vec!["root@univ.example".to_owned()]);
    for number in 0..300_u16 {
        let [a, b] = number.to_be_bytes();
        let person = Id([a, b, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
        tell(&engine, person, sighting(&engine, Standing::Provisional, "1", true)).await.unwrap();
        meddle(engine.store.as_ref(), person, |dossier| {
            dossier.enrolment.profile.population = None;
            dossier.enrolment.profile.login = "x".repeat(200) + &number.to_string();
        })
        .await;
    }
    nights(&sweeper(&engine), "2026-09-01").await;
    let [report] = reports(&engine).try_into().unwrap();
    assert_eq!((report.night.nobody.first.len(), report.night.nobody.more), (12, 288));
    assert!(serde_json::to_vec(&report).unwrap().len() < 16 * 1024);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_counted() {
    let engine = with(|settings| settings.reports = vec!["root@univ.example".to_owned()]);
    put(engine.store.as_ref(), Write::Put { key: key::dossier(PAUL), value: b"nonsense".to_vec() }).await;
    nights(&sweeper(&engine), "2026-09-01").await;
    assert_eq!(reports(&engine)[0].night.passed_over, 1);
}

#[tokio::test]
async fn what_happened_before_or_after_the_night_is_another_night_s() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (engine, _chain) = engine();
    at_listing(&engine, JEANNE).await;
    let mail = waiting(&engine).last().unwrap().waiting.mail();
    tell(&engine, JEANNE, Event::Mailed(mail, MailOutcome::Sent)).await.unwrap();
    let policy = &engine.settings().policy;
    let mut dossier = Dossier::clone(&engine.dossier(JEANNE).unwrap().unwrap());
    for (when, expected) in [
        ("2026-09-01T01:30:00Z", None),
        ("2026-09-01T01:30:01Z", Some(1)),
        ("2026-09-02T01:30:00Z", Some(1)),
        ("2026-09-02T01:30:01Z", None),
    ] {
        dossier.facts.iter_mut().for_each(|kept| kept.at = at(when));
        let mut census = Census::begin(at("2026-09-01T01:30:00Z"), at("2026-09-02T01:30:00Z"));
        census.person(policy, &dossier.facts, &dossier.enrolment);
        assert_eq!(census.end().mails.get("mail-sent").copied(), expected, "{when}");
    }
}

#[tokio::test]
async fn a_reminder_is_ordered_once_and_counted_as_any_mail_is() {
    let engine = with(|settings| {
        settings.policy.reminder = Some(SOON);
        settings.rates.domain = crate::config::Rate { burst: 1, per: jiff::SignedDuration::from_hours(1) };
    });
    for person in [JEANNE, PAUL] {
        let session = at_listing(&engine, person).await;
        list(&engine, person, session, true).await;
        meddle(engine.store.as_ref(), person, |dossier| {
            dossier.enrolment.changed = "2020-01-01T12:00:00Z".parse().unwrap();
        })
        .await;
    }
    let reminders = Reminders::new(engine.clone());
    for _ in 0..3 {
        reminders.all().await.unwrap();
        assert_eq!(
            reminded(&engine),
            ["jeanne@example.org"],
            "the domain takes one mail an hour, so the other waits"
        );
    }
    let settings = engine.settings();
    assert!(settings.policy.reminder.is_some());
    let marks = [JEANNE, PAUL].map(|person| engine.dossier(person).unwrap().unwrap().enrolment.reminded);
    assert_eq!(marks.iter().filter(|mark| **mark).count(), 1);
}

#[tokio::test]
async fn nobody_is_reminded_while_mail_is_paused() {
    let engine = with(|settings| settings.policy.reminder = Some(SOON));
    at_listing(&engine, JEANNE).await;
    meddle(engine.store.as_ref(), JEANNE, |dossier| {
        dossier.enrolment.changed = "2020-01-01T12:00:00Z".parse().unwrap();
    })
    .await;
    while engine.fuse.left().is_none() {
        engine.fuse.note(Some(chance::id()));
    }
    let reminders = Reminders::new(engine.clone());
    reminders.all().await.unwrap();
    assert_eq!(reminded(&engine), Vec::<String>::new());
    engine.fuse.replace();
    reminders.all().await.unwrap();
    assert_eq!(reminded(&engine), ["jeanne@example.org"]);
}

#[tokio::test]
async fn of_who_is_erased_it_stays_that_they_were_reminded_and_no_address() {
    let (engine, _chain) = engine();
    at_listing(&engine, JEANNE).await;
    meddle(engine.store.as_ref(), JEANNE, |dossier| {
        dossier.enrolment.reminded = true;
        dossier.enrolment.former = Some("jeanne@former.example.org".to_owned());
        let at = "2020-01-01T12:00:00Z".parse().unwrap();
        dossier.enrolment.stage = Stage::Closed { why: Closure::Expired, at };
    })
    .await;
    sweeper(&engine).sweep(false).await.unwrap();
    let stone = engine.dossier(JEANNE).unwrap().unwrap();
    assert!(stone.erased() && stone.enrolment.reminded, "nobody is reminded twice");
    assert_eq!(stone.enrolment.former, None);
}
