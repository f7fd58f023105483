//! What a dossier keeps however much happens, and what stays of it at the end.

use super::*;
use parvis_enrolment::Id;
use parvis_enrolment::enrolment::{Acceptance, Seen};

const PERSON: Id = Id([7; 16]);

fn now() -> Timestamp {
    "2026-09-01T12:00:00Z".parse().unwrap()
}

/// As the engine does it: the fact, and what had to go for it.
fn keep(dossier: &mut Dossier, what: &str, details: &[(&str, &str)]) {
    let details = details.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    dossier.keep(Fact { what: what.to_owned(), details }, Actor::Person(None), now());
    if let Some(trimmed) = dossier.trim(dossier.text().len()) {
        dossier.keep(trimmed, Actor::Person(None), now());
    }
}

fn numbers(dossier: &Dossier, what: &str) -> Vec<u32> {
    dossier.facts.iter().filter(|kept| kept.fact.what == what).map(|kept| kept.n).collect()
}

/// Everything that ever happened is there, or said to have gone.
fn nothing_is_silent(dossier: &Dossier) {
    let said: Vec<&Kept> = dossier.facts.iter().filter(|kept| kept.fact.what == TRIMMED).collect();
    assert!(said.len() <= 1, "{} facts say what went", said.len());
    let gone = said.first().map(|kept| Numbers::of(kept)).unwrap_or_default();
    for n in 0..dossier.next {
        let kept = dossier.facts.iter().any(|kept| kept.n == n);
        assert!(kept != gone.contains(n), "fact {n}: kept {kept}, gone {}", gone.contains(n));
    }
}

#[test]
fn no_answer_repeated_for_ever_fills_a_dossier_or_drives_out_what_proves_something() {
    let mut dossier = Dossier::unseen(PERSON, Id([1; 16]), now());
    keep(&mut dossier, "begun", &[("login", "jeanne"), ("round", "1")]);
    keep(&mut dossier, "link-used", &[("purpose", "recovery"), ("address", "jeanne@example.org")]);
    keep(&mut dossier, "charter-accepted", &[("version", "1")]);
    keep(&mut dossier, "listing-chosen", &[("listed", "yes")]);
    let address = format!("{}@example.org", "x".repeat(242));
    for n in 0..1000_u32 {
        keep(&mut dossier, "mail-chosen", &[("forward", &address), ("keep-copy", "yes")]);
        assert!(
            dossier.facts.len() <= MOST_FACTS.0 + 1 && dossier.text().len() <= MOST_BYTES.0 + 1024,
            "{n}"
        );
        nothing_is_silent(&dossier);
    }
    for what in ["begun", "link-used", "charter-accepted", "listing-chosen"] {
        assert_eq!(numbers(&dossier, what).len(), 1, "{what}");
    }
    let chosen = numbers(&dossier, "mail-chosen");
    assert_eq!(chosen.first(), Some(&4), "the first of them");
    assert!(chosen.last() > Some(&1000), "and the latest: {chosen:?}");
}

#[test]
fn what_proves_nothing_goes_first_and_old_rounds_go_last() {
    let mut dossier = Dossier::unseen(PERSON, Id([1; 16]), now());
    let address = format!("{}@example.org", "x".repeat(242));
    for round in 1..=200 {
        keep(&mut dossier, "begun", &[("login", &address), ("round", &round.to_string())]);
        for _ in 0..4 {
            keep(&mut dossier, "mail-sent", &[("why", &address)]);
            keep(&mut dossier, "link-used", &[("address", &address)]);
        }
        keep(&mut dossier, "activated", &[("address", &address)]);
        nothing_is_silent(&dossier);
    }
    assert!(dossier.text().len() <= MOST_BYTES.0 + 1024);
    for (what, expected) in [("begun", "200"), ("activated", ""), ("link-used", "")] {
        let last = dossier.facts.iter().rfind(|kept| kept.fact.what == what).unwrap();
        assert!(last.n > dossier.next - 16, "{what} of the last round");
        assert!(expected.is_empty() || last.fact.details[1].1 == expected);
    }
}

#[test]
fn a_dossier_within_bounds_loses_nothing() {
    let mut dossier = Dossier::unseen(PERSON, Id([1; 16]), now());
    for _ in 0..MOST_FACTS.0 {
        keep(&mut dossier, "mail-sent", &[]);
    }
    assert_eq!((dossier.facts.len(), dossier.trim(dossier.text().len())), (MOST_FACTS.0, None));
}

fn full() -> Dossier {
    let mut dossier = Dossier::unseen(PERSON, Id([1; 16]), now());
    keep(&mut dossier, "begun", &[("login", "jeanne")]);
    let enrolment = &mut dossier.enrolment;
    (enrolment.round, enrolment.invited) = (3, true);
    enrolment.profile.login = "jeanne".to_owned();
    enrolment.profile.mail = Some("jeanne@univ.example".to_owned());
    enrolment.profile.marker = Some("letter 3".to_owned());
    enrolment.seen = Some(Seen { stamp: "99".to_owned(), standing: None, active: true });
    dossier
}

#[test]
fn a_tombstone_knows_the_round_and_no_person() {
    let mut done = full();
    let mut answers = Answers::under("jeanne@example.org".to_owned());
    answers.charter = Some(Acceptance {
        version: "1".to_owned(),
        sha256: "00".to_owned(),
        locale: "fr".to_owned(),
        at: now(),
    });
    done.enrolment.stage = Stage::Done { answers, at: now(), stamp: Some("98".to_owned()), drift: None };
    let mut closed = full();
    closed.enrolment.stage = Stage::Closed { why: Closure::Expired, at: now() };
    for before in [done, closed] {
        let stone = before.tombstone(Id([2; 16])).unwrap();
        let text = String::from_utf8(stone.text()).unwrap();
        assert!(!text.contains("jeanne") && !text.contains(&before.salt.to_string()), "{text}");
        assert_eq!((stone.enrolment.round, stone.enrolment.invited), (3, true));
        assert_eq!(stone.enrolment.seen, before.enrolment.seen);
        assert_eq!(stone.enrolment.profile.marker, before.enrolment.profile.marker);
        assert!(stone.erased() && !before.erased());
        assert_eq!(Dossier::decode(PERSON, &stone.encode()).unwrap(), stone);
    }
}

#[test]
fn nothing_stays_of_whom_the_directory_has_no_more() {
    let mut gone = full();
    gone.enrolment.stage = Stage::Closed { why: Closure::Gone, at: now() };
    assert_eq!(gone.tombstone(Id([2; 16])), None);
}
