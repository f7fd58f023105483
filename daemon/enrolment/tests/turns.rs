//! The turns that an enrolment can take: several browsers, links opened elsewhere, writes that are interrupted, and a
//! directory that locks, removes, renames, flaps, provisions again and is rolled back.

#[expect(dead_code, reason = "each suite uses a part of it")]
mod common;

use common::person::ADDRESS;
use common::{OFFERED, World};
use jiff::SignedDuration;
use parvis_enrolment::event::{MailOutcome, Recovery, Report, WriteOutcome};
use parvis_enrolment::refusal::PasswordFault;
use parvis_enrolment::{
    Answer, Closure, Effect, Event, MailKind, Purpose, Refusal, Request, Sighting, Stage, Standing, Step,
    Wanted, wanted,
};

// ── browsers, links and invitations ─────────────────────────────────────────────────────────────────────────────

#[test]
fn a_recovery_link_opened_elsewhere_lets_the_first_device_move_on() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    let waiting = world.sign_in().unwrap();
    world.give(waiting, ADDRESS).unwrap();
    assert_eq!(world.state(waiting), Ok(Some(Step::RecoveryLink)));
    assert_eq!(world.redeem(Purpose::Recovery, None), Ok(Answer::SignIn));
    assert_eq!(world.enrolment.sessions.len(), 1, "the other device got none");
    assert_eq!(world.state(waiting), Ok(Some(Step::Charter)));
    assert!(matches!(world.redeem(Purpose::Recovery, Some(waiting)), Err(Refusal::LinkUsed(_))));

    let mut world = World::at("2026-09-01T10:00:00", "staff");
    world.policy.recovery_continues_anywhere = true;
    let waiting = world.sign_in().unwrap();
    world.give(waiting, ADDRESS).unwrap();
    assert!(matches!(world.redeem(Purpose::Recovery, None), Ok(Answer::Session(_))));
    assert_eq!(world.enrolment.sessions.len(), 2);
}

#[test]
fn two_browsers_at_once_share_one_enrolment_and_the_newer_link() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    let (first, second) = (world.sign_in().unwrap(), world.sign_in().unwrap());
    world.give(first, ADDRESS).unwrap();
    let old = world.newest(Purpose::Recovery);
    world.until("2026-09-01T10:01:00");
    world.give(second, "other@example.net").unwrap();
    assert_eq!(
        world.ask(Request::Redeem { link: old, session: Some(first) }),
        Err(Refusal::LinkSuperseded(world.now))
    );
    world.redeem(Purpose::Recovery, Some(second)).unwrap();
    assert_eq!(world.enrolment.answers().unwrap().recovery, "other@example.net");
    world.accept(first, "1").unwrap();
    assert_eq!(world.state(first), Ok(Some(Step::Listing)));
    assert_eq!(world.state(second), Err(Refusal::SessionUnknown), "its name changed when it used the link");
}

#[test]
fn a_second_browser_that_read_the_entry_before_it_was_written_undoes_nothing() {
    let (mut world, session) = World::activating("2026-09-01T10:00:00");
    let read_before = world.sighting(Standing::Provisional, true);
    world.applied();
    world.tell(Event::Sighted(read_before.clone())).unwrap();
    assert_eq!(world.state(session), Ok(Some(Step::Done)));
    assert_eq!(world.ask(Request::Open { return_to: None }), Err(Refusal::NotProvisional));
    world.until("2026-09-01T10:05:00");
    world.tell(Event::Sighted(read_before)).unwrap();
    assert_eq!(
        world.step(),
        Some(Step::RecoveryAddress),
        "later, it is a restored directory and no dead end"
    );
    assert_eq!(world.enrolment.round, 2);
}

#[test]
fn starting_again_retires_the_link_and_the_answers() {
    let (mut world, session) = World::at_password("2026-09-01T10:00:00");
    world.mail(session, Some("other@example.net")).unwrap();
    let link = world.newest(Purpose::Forward);
    world.ask(Request::Restart { session }).unwrap();
    assert_eq!(world.state(session), Ok(Some(Step::RecoveryAddress)));
    assert!(matches!(world.ask(Request::Redeem { link, session: None }), Err(Refusal::LinkSuperseded(_))));
    assert_eq!((world.enrolment.answers(), world.enrolment.round), (None, 1));
}

#[test]
fn an_invitation_that_is_kept_spares_two_steps_and_one_that_is_not_spares_none() {
    for (given, expected) in
        [("JEANNE@old.example.org", Step::Charter), ("other@example.net", Step::RecoveryLink)]
    {
        let mut world = World::at("2026-09-01T10:00:00", "staff");
        world.written(Standing::Provisional);
        assert_eq!(world.redeem(Purpose::Invitation, None), Ok(Answer::SignIn), "it proves no person");
        let session = world.sign_in().unwrap();
        assert_eq!(world.state(session), Ok(Some(Step::RecoveryAddress)));
        world.give(session, given).unwrap();
        assert_eq!(world.step(), Some(expected));
        if expected == Step::Charter {
            assert_eq!(world.enrolment.answers().unwrap().recovery, OFFERED, "what was proven, as it was");
        }
    }
}

#[test]
fn an_invitation_is_worth_nothing_once_another_address_was_given() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    world.written(Standing::Provisional);
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    let stranger = world.redeem(Purpose::Invitation, None);
    assert_eq!(stranger, Err(Refusal::LinkSuperseded(world.now)));
    assert_eq!(world.step(), Some(Step::RecoveryLink));
}

#[test]
fn a_cooldown_and_a_number_of_mails_bound_what_one_link_costs() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    world.give(session, ADDRESS).unwrap();
    assert_eq!(world.mailed(MailKind::Link), 1, "pressed twice");
    let link = world.newest(Purpose::Recovery);
    let too_often = world.ask(Request::Resend { session });
    assert_eq!(too_often, Err(Refusal::TooManyAttempts(SignedDuration::from_secs(60))));
    for _ in 0..2 {
        world.now += SignedDuration::from_secs(60);
        world.ask(Request::Resend { session }).unwrap();
    }
    world.now += SignedDuration::from_secs(60);
    assert!(matches!(world.ask(Request::Resend { session }), Err(Refusal::TooManyAttempts(_))));
    assert_eq!((world.mailed(MailKind::Link), world.newest(Purpose::Recovery)), (3, link));
    world.tell(Event::AdminResend).unwrap();
    assert_eq!(world.mailed(MailKind::Link), 4, "the help desk may");
    let wanted: Vec<Wanted> =
        world.mails.iter().map(|order| wanted(&world.enrolment, order, world.now)).collect();
    assert_eq!(wanted, [Wanted::Overtaken, Wanted::Overtaken, Wanted::Overtaken, Wanted::Yes]);
}

// ── step 9 ──────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_password_refused_costs_neither_the_link_nor_the_answers() {
    let (mut world, session) = World::activating("2026-09-01T23:58:00");
    let answers = world.enrolment.answers().cloned();
    assert_eq!(world.password(session), Err(Refusal::Busy));
    world.tell(Event::Written(WriteOutcome::PasswordRefused(PasswordFault::Reused))).unwrap();
    world.until("2026-09-02T00:01:00");
    assert_eq!(world.state(session), Ok(Some(Step::Password)));
    let attempt = world.attempt();
    let weak = Request::Password { session, fault: Some(PasswordFault::TooShort), attempt };
    assert_eq!(world.ask(weak), Err(Refusal::Password(PasswordFault::TooShort)));
    assert_eq!(world.password(session), Ok(Answer::Write));
    world.applied();
    assert_eq!(world.enrolment.answers().cloned(), answers);
    assert_eq!(world.password(session), Ok(Answer::State), "again after success: done");
    assert_eq!((world.mailed(MailKind::Activated), world.mailed(MailKind::Link)), (1, 1));
}

#[test]
fn a_write_that_was_interrupted_is_decided_by_the_entry() {
    let (mut world, session) = World::activating("2026-09-01T10:00:00");
    world.tell(Event::Recovered(Recovery::NotDone)).unwrap();
    assert_eq!(world.state(session), Ok(Some(Step::Password)));
    assert_eq!(world.password(session), Ok(Answer::Write));
    world.tell(Event::Recovered(Recovery::Active(Some("100".to_owned())))).unwrap();
    assert_eq!(world.state(session), Ok(Some(Step::Done)));
    world.stamp = 99;
    world.written(Standing::Active);
    world.tell(Event::Written(WriteOutcome::NotDone("late".to_owned()))).unwrap();
    assert_eq!((world.step(), world.mailed(MailKind::Activated)), (Some(Step::Done), 1));

    let (mut world, _) = World::activating("2026-09-01T10:00:00");
    world.tell(Event::Recovered(Recovery::Gone)).unwrap();
    assert!(world.closed(Closure::Gone));
}

#[test]
fn a_write_that_arrives_after_the_entry_was_read_is_our_own_all_the_same() {
    let (mut world, session) = World::activating("2026-09-01T10:00:00");
    let answers = world.enrolment.answers().cloned();
    world.tell(Event::Recovered(Recovery::NotDone)).unwrap();
    world.written(Standing::Active);
    assert_eq!(world.state(session), Ok(Some(Step::Done)));
    assert_eq!((world.enrolment.answers().cloned(), world.mailed(MailKind::Activated)), (answers, 1));

    // What comes much later is somebody else's doing.
    let (mut world, _) = World::activating("2026-09-01T10:00:00");
    world.tell(Event::Recovered(Recovery::NotDone)).unwrap();
    world.until("2026-09-01T11:00:00");
    world.written(Standing::Active);
    assert!(world.closed(Closure::Withdrawn));
}

#[test]
fn our_own_write_is_no_withdrawal_however_the_watch_sees_it() {
    let (mut world, session) = World::activating("2026-09-01T10:00:00");
    world.written(Standing::Active);
    assert_eq!(world.state(session), Ok(Some(Step::Done)));
    world.tell(Event::Written(WriteOutcome::Applied(Some("99".to_owned())))).unwrap();
    assert_eq!(world.mailed(MailKind::Activated), 1, "one notice for one write");

    // A watch of provisional entries alone sees it as a removal.
    let (mut world, session) = World::activating("2026-09-01T10:00:00");
    world.tell(Event::Gone).unwrap();
    world.applied();
    assert_eq!(world.state(session), Ok(Some(Step::Done)));
}

#[test]
fn what_the_directory_said_during_a_write_that_failed_is_not_forgotten() {
    let failed = || Event::Written(WriteOutcome::NotDone("assertion failed".to_owned()));
    for (standing, why) in [(Standing::Locked, Closure::Locked), (Standing::Other, Closure::Withdrawn)] {
        let (mut world, _) = World::activating("2026-09-01T10:00:00");
        world.written(standing);
        world.tell(failed()).unwrap();
        assert!(world.closed(why), "{standing:?}");
    }
    let (mut world, _) = World::activating("2026-09-01T10:00:00");
    world.tell(Event::Gone).unwrap();
    world.tell(failed()).unwrap();
    assert!(world.closed(Closure::Gone));
}

#[test]
fn a_memory_of_an_earlier_round_activates_nobody() {
    let (mut world, _) = World::activating("2026-09-01T10:00:00");
    world.applied();
    let first = world.sighting(Standing::Active, false);
    world.written(Standing::Provisional);
    assert_eq!((world.enrolment.round, world.mailed(MailKind::Invitation)), (2, 1));
    world.tell(Event::Sighted(first.clone())).unwrap();
    assert_eq!(world.step(), Some(Step::RecoveryAddress), "late, while they begin again");
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    world.redeem(Purpose::Recovery, None).unwrap();
    world.accept(session, "1").unwrap();
    world.ask(Request::Listing { session, listed: Some(false) }).unwrap();
    world.mail(session, None).unwrap();
    assert_eq!(world.password(session), Ok(Answer::Write));
    for in_person in [false, true] {
        world.tell(Event::Sighted(Sighting { in_person, ..first.clone() })).unwrap();
        let writing = matches!(world.enrolment.stage, Stage::Activating { .. });
        assert!(writing, "late while it is written, or from a replica that lags");
    }
}

// ── the directory ───────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn locked_removed_and_withdrawn_half_way() {
    for (standing, why, refusal) in [
        (Some(Standing::Locked), Closure::Locked, Refusal::AccountLocked),
        (Some(Standing::Active), Closure::Withdrawn, Refusal::NotProvisional),
        (Some(Standing::Other), Closure::Withdrawn, Refusal::NotProvisional),
        (None, Closure::Gone, Refusal::AccountGone),
    ] {
        let (mut world, session) = World::at_password("2026-09-01T10:00:00");
        match standing {
            Some(standing) => drop(world.written(standing)),
            None => drop(world.tell(Event::Gone)),
        }
        assert!(world.closed(why));
        assert_eq!(world.state(session), Err(refusal.clone()));
        assert_eq!(world.password(session), Err(refusal));
        assert_eq!(world.mailed(MailKind::Activated), 0);
    }
}

#[test]
fn renamed_half_way_is_the_same_person() {
    let (mut world, session) = World::at_password("2026-09-01T10:00:00");
    world.profile.login = "jmartin".to_owned();
    let seen = world.written(Standing::Provisional);
    assert!(matches!(&seen.effects[..], [Effect::Record(fact)] if fact.what == "profile-changed"));
    assert_eq!(world.enrolment.profile.login, "jmartin");
    assert_eq!(world.password(session), Ok(Answer::Write));
}

#[test]
fn provisioned_again_half_way_begins_a_new_round() {
    let (mut world, session) = World::at_password("2026-09-01T10:00:00");
    world.profile.marker = Some("letter of June".to_owned());
    world.written(Standing::Provisional);
    assert_eq!(world.enrolment.round, 1, "that a marker is configured is no change of it");
    world.profile.marker = Some("letter of September".to_owned());
    world.written(Standing::Provisional);
    assert_eq!((world.enrolment.round, world.step()), (2, Some(Step::RecoveryAddress)));
    assert_eq!(world.state(session), Err(Refusal::SessionUnknown));
    assert_eq!(world.mailed(MailKind::Invitation), 1);
}

#[test]
fn a_filter_that_flaps_mails_nobody() {
    for standing in [Standing::Active, Standing::Other, Standing::Locked] {
        let mut world = World::at("2026-09-01T10:00:00", "staff");
        world.written(Standing::Provisional);
        for standing in [standing, Standing::Provisional] {
            let sighting = world.sighting(standing, false);
            world.tell(Event::Sighted(sighting)).unwrap();
        }
        assert_eq!((world.enrolment.round, world.mails.len()), (1, 1), "{standing:?}");
        assert_eq!(world.step(), Some(Step::RecoveryAddress));
    }
    // After step 10 as well: nothing was written since, so it is reported, and nobody is written to.
    let (mut world, session) = World::activating("2026-09-01T10:00:00");
    world.applied();
    world.written(Standing::Active);
    let sighting = world.sighting(Standing::Provisional, false);
    world.tell(Event::Sighted(sighting)).unwrap();
    assert_eq!((world.state(session), world.enrolment.round), (Ok(Some(Step::Done)), 1));
}

#[test]
fn activated_by_other_means_and_provisional_again_is_a_new_round() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    world.written(Standing::Provisional);
    world.written(Standing::Active);
    world.written(Standing::Provisional);
    assert_eq!((world.enrolment.round, world.mailed(MailKind::Invitation)), (2, 2));
}

#[test]
fn a_directory_that_was_rolled_back_is_drift_and_mails_nobody() {
    let (mut world, _) = World::activating("2026-09-01T10:00:00");
    let backup = world.sighting(Standing::Provisional, false);
    world.applied();
    let restored = world.sighting(Standing::Active, false);
    let mails = world.mails.len();
    let mut facts = Vec::new();
    for sighting in [&backup, &backup, &restored, &restored] {
        for effect in world.tell(Event::Sighted(sighting.clone())).unwrap().effects {
            if let Effect::Record(fact) = effect {
                facts.push(fact.what);
            }
        }
    }
    assert_eq!((facts, world.mails.len()), (vec!["drift".to_owned(), "drift-over".to_owned()], mails));
    let mut marked = backup;
    marked.profile.marker = Some("of old".to_owned());
    world.tell(Event::Sighted(marked)).unwrap();
    assert_eq!((world.enrolment.round, world.mails.len()), (1, mails), "another marker, but of the past");
}

#[test]
fn late_words_of_the_watch_open_and_close_nothing() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    world.written(Standing::Provisional);
    let old = world.sighting(Standing::Locked, false);
    world.written(Standing::Provisional);
    world.tell(Event::Sighted(old)).unwrap();
    assert!(world.enrolment.open(), "locked once, and not any more");
    let old = world.sighting(Standing::Provisional, false);
    world.written(Standing::Locked);
    world.tell(Event::Sighted(old)).unwrap();
    assert!(world.closed(Closure::Locked), "provisional once, and not any more");
    world.stamp = 998;
    world.written(Standing::Provisional);
    assert!(world.enrolment.open());
    world.written(Standing::Locked);
    assert!(world.closed(Closure::Locked), "1000 is newer than 999");
}

#[test]
fn an_enrolment_stored_before_the_watch_was_remembered_is_still_read() {
    let (world, _) = World::at_password("2026-09-01T10:00:00");
    let mut stored = serde_json::to_value(&world.enrolment).unwrap();
    stored.as_object_mut().unwrap().remove("seen").unwrap();
    let read: parvis_enrolment::Enrolment = serde_json::from_value(stored).unwrap();
    assert_eq!((read.seen, read.round), (None, 1));
}

// ── limits, and what was erased ─────────────────────────────────────────────────────────────────────────────────

/// Asks with the limit reached: refused, and nothing is as it was not before.
fn too_often(world: &mut World, request: Request) {
    let mut moment = world.moment();
    moment.wait = Some(SignedDuration::from_secs(9));
    let asked = parvis_enrolment::decide(&world.enrolment, Event::Asked(request), &world.policy, &moment);
    assert_eq!(asked, Err(Refusal::TooManyAttempts(SignedDuration::from_secs(9))));
}

#[test]
fn every_answer_that_changes_something_counts_towards_the_limit() {
    let (mut world, session) = World::proven("2026-09-01T10:00:00", "staff");
    let charter = |version: &str| {
        let (version, locale) = (version.to_owned(), "fr".to_owned());
        Request::Charter { session, version, accepted: true, locale }
    };
    let mail = |forward: Option<&str>, keep_copy| {
        let forward = forward.map(str::to_owned);
        Request::Mail { session, forward, inward: false, keep_copy }
    };
    too_often(&mut world, charter("1"));
    world.accept(session, "1").unwrap();
    too_often(&mut world, Request::Listing { session, listed: Some(true) });
    world.ask(Request::Listing { session, listed: Some(true) }).unwrap();
    too_often(&mut world, Request::Listing { session, listed: Some(false) });
    too_often(&mut world, mail(None, true));
    too_often(&mut world, mail(Some(ADDRESS), true));
    world.mail(session, Some("other@example.net")).unwrap();
    too_often(&mut world, mail(Some("other@example.net"), false));
    too_often(&mut world, mail(Some(ADDRESS), true));
    too_often(&mut world, Request::Restart { session });

    // What is answered as before is no attempt.
    for request in [
        charter("1"),
        Request::Listing { session, listed: Some(true) },
        mail(Some("other@example.net"), true),
    ] {
        let mut moment = world.moment();
        moment.wait = Some(SignedDuration::from_secs(9));
        let asked = parvis_enrolment::decide(&world.enrolment, Event::Asked(request), &world.policy, &moment);
        assert_eq!(asked.map(|decision| decision.effects), Ok(Vec::new()));
    }
}

#[test]
fn a_mail_that_ends_after_its_person_was_erased_writes_nothing() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    let unseen = world.enrolment.clone();
    world.enrolment.stage = Stage::Closed { why: Closure::Expired, at: world.now };
    let erased = world.enrolment.clone();
    for before in [unseen, erased] {
        world.enrolment = before.clone();
        for outcome in [
            MailOutcome::Sent,
            MailOutcome::Deferred("busy".into()),
            MailOutcome::Refused("no".into()),
            MailOutcome::Unconfirmed("cut off".into()),
            MailOutcome::GivenUp,
        ] {
            let decision = world.tell(Event::Mailed(common::id(1), outcome)).unwrap();
            assert_eq!((decision.effects, &world.enrolment), (Vec::new(), &before));
        }
        for link in [None, Some(common::id(1))] {
            let decision = world.tell(Event::Reported(link, Report::Failed("no".into()))).unwrap();
            assert_eq!((decision.effects, &world.enrolment), (Vec::new(), &before));
        }
    }
}
