//! Stories at the calendar's edges, and of choices that are made, unmade and overtaken.

#[expect(dead_code, reason = "each suite uses a part of it")]
mod common;

use common::person::ADDRESS;
use common::{MAILBOX, World};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use parvis_enrolment::deadline::Validity;
use parvis_enrolment::event::{MailOutcome, Report};
use parvis_enrolment::link::{Delivery, Usable};
use parvis_enrolment::policy::Forwarding;
use parvis_enrolment::refusal::Field;
use parvis_enrolment::{
    Answer, Closure, Effect, Event, Id, MailKind, Purpose, Refusal, Request, Standing, Step, Wanted, look,
    wanted,
};

// ── the calendar ────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_link_made_at_23_59_58_is_good_at_23_59_59_and_not_at_midnight() {
    for (used, good) in
        [("2026-09-01T23:59:59", true), ("2026-09-01T23:59:59.999", true), ("2026-09-02T00:00:00", false)]
    {
        let mut world = World::at("2026-09-01T23:59:58", "staff");
        let session = world.sign_in().unwrap();
        world.give(session, ADDRESS).unwrap();
        let deadline = common::instant(&world.policy, "2026-09-01T23:59:59");
        assert_eq!(world.mails.last().unwrap().deadline, deadline);
        world.until(used);
        let order = world.mails.last().unwrap();
        let verdict = if good { Wanted::Yes } else { Wanted::TooLate };
        assert_eq!(wanted(&world.enrolment, order, world.now), verdict, "{used}");
        let outcome = world.redeem(Purpose::Recovery, Some(session));
        if good {
            assert!(matches!(outcome, Ok(Answer::Session(_))), "{used}: {outcome:?}");
            assert_eq!(world.step(), Some(Step::Charter));
        } else {
            assert_eq!(outcome, Err(Refusal::LinkExpired(deadline)), "{used}");
            assert_eq!(world.state(session), Ok(Some(Step::RecoveryAddress)), "step 3 again, not thrown out");
            assert!(world.give(session, ADDRESS).is_ok(), "and the same address is welcome");
        }
    }
}

/// Where, from, until, and how long the link then lasts.
fn lasts(zone: &str, made: &str, hours: f64) {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    world.policy.zone = TimeZone::get(zone).expect("the bundled zones have it");
    world.until(made);
    let session = world.sign_in().expect("the letter is good");
    world.give(session, ADDRESS).expect("it is an address");
    let link = world.enrolment.newest(Purpose::Recovery).expect("it was made").clone();
    let length = link.deadline.duration_since(world.now) + SignedDuration::from_secs(1);
    assert_eq!(length.as_secs_f64(), hours * 3600.0, "{zone} {made}");
    world.now = link.deadline;
    assert!(look(&world.enrolment, link.id, world.now).is_some_and(|(_, usable)| usable == Usable::Yes));
    world.now = link.deadline + SignedDuration::from_secs(1);
    assert_eq!(world.redeem(Purpose::Recovery, None), Err(Refusal::LinkExpired(link.deadline)));
}

#[test]
fn a_day_has_the_hours_that_it_has() {
    lasts("Europe/Paris", "2026-09-01T00:00:00", 24.0);
    lasts("Europe/Paris", "2026-03-29T00:00:00", 23.0);
    lasts("Europe/Paris", "2026-10-25T00:00:00", 25.0);
    lasts("America/Sao_Paulo", "2018-11-04T01:00:00", 23.0);
    lasts("Africa/Cairo", "2026-10-29T00:00:00", 25.0);
    lasts("America/Godthab", "2026-03-28T00:00:00", 23.0);
    lasts("Australia/Lord_Howe", "2026-04-05T00:00:00", 24.5);
    lasts("Asia/Kathmandu", "2026-09-01T23:59:59", 1.0 / 3600.0);
}

#[test]
fn a_minimum_and_the_next_day_reach_over_midnight() {
    let mut world = World::at("2026-09-01T23:30:00", "staff");
    world.policy.recovery = Validity::SameDay { minimum: SignedDuration::from_hours(1) };
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    let tomorrow = common::instant(&world.policy, "2026-09-02T23:59:59");
    assert_eq!(world.mails.last().unwrap().deadline, tomorrow);

    let mut world = World::at("2026-03-28T12:00:00", "staff");
    let invited = world.written(Standing::Provisional);
    let sunday = common::instant(&world.policy, "2026-03-29T23:59:59");
    assert!(matches!(&invited.effects[..], [Effect::Record(_), Effect::Record(_), Effect::Mail(order)]
        if order.deadline == sunday && order.kind == MailKind::Invitation));
}

#[test]
fn nobody_is_thrown_out_of_a_form_at_midnight() {
    let (mut world, session) = World::proven("2026-09-01T23:59:59", "staff");
    world.until("2026-09-02T00:20:00");
    world.accept(session, "1").unwrap();
    world.until("2026-09-02T00:45:00");
    world.ask(Request::Listing { session, listed: Some(true) }).unwrap();
    world.until("2026-09-02T01:10:00");
    world.mail(session, None).unwrap();
    world.until("2026-09-02T01:35:00");
    assert_eq!(world.password(session), Ok(Answer::Write));
    assert_eq!(world.mailed(MailKind::Link), 1);
}

#[test]
fn a_page_that_waits_for_the_link_waits_as_long_as_the_link_lasts() {
    let mut world = World::at("2026-09-01T08:00:00", "staff");
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    let late = common::instant(&world.policy, "2026-09-01T23:40:00");
    while world.now < late {
        world.now += SignedDuration::from_mins(20);
        assert_eq!(world.state(session), Ok(Some(Step::RecoveryLink)));
    }
    world.redeem(Purpose::Recovery, None).unwrap();
    assert_eq!(world.state(session), Ok(Some(Step::Charter)));
}

#[test]
fn a_session_ends_after_half_an_hour_and_the_letter_brings_it_back() {
    let (mut world, session) = World::proven("2026-09-01T10:00:00", "staff");
    world.until("2026-09-01T10:30:00");
    assert!(world.accept(session, "1").is_ok(), "the last instant counts");
    world.until("2026-09-01T11:00:00.001");
    let end = common::instant(&world.policy, "2026-09-01T11:00:00");
    assert_eq!(world.state(session), Err(Refusal::SessionExpired(end)));
    let again = world.sign_in().unwrap();
    assert_eq!(world.state(again), Ok(Some(Step::Listing)), "where it stood");
}

#[test]
fn an_abandoned_enrolment_is_closed_in_time_and_opens_when_the_person_comes() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    for days in 1..=90 {
        world.now += SignedDuration::from_hours(24);
        world.tell(Event::Elapsed).unwrap();
        assert!(world.enrolment.open(), "after {days} days");
    }
    world.now += SignedDuration::from_hours(24);
    world.tell(Event::Elapsed).unwrap();
    assert!(world.closed(Closure::Expired));
    world.written(Standing::Provisional);
    assert!(world.closed(Closure::Expired), "the watch wakes nobody up");
    let session = world.sign_in().unwrap();
    assert_eq!(world.state(session), Ok(Some(Step::RecoveryAddress)));
    assert_eq!((world.mails.len(), world.enrolment.round), (1, 1));
}

// ── choices ─────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_charter_that_changes_between_being_shown_and_being_accepted() {
    let (mut world, session) = World::proven("2026-09-01T10:00:00", "staff");
    world.policy.charter = common::charter("2");
    assert_eq!(world.accept(session, "1"), Err(Refusal::CharterVersionStale));
    world.accept(session, "2").unwrap();
    world.policy.charter = common::charter("3");
    assert_eq!(world.state(session), Ok(Some(Step::Listing)), "what was accepted in time stays accepted");
    let accepted = world.enrolment.answers().and_then(|answers| answers.charter.clone()).unwrap();
    assert_eq!((accepted.version.as_str(), accepted.sha256.as_str()), ("2", "sha256 of 2 in fr"));
}

#[test]
fn a_vacataire_must_forward_and_prove_it() {
    let (mut world, session) = World::proven("2026-09-01T10:00:00", "visitor");
    world.accept(session, "1").unwrap();
    world.ask(Request::Listing { session, listed: Some(false) }).unwrap();
    assert_eq!(world.mail(session, None), Err(Refusal::ForwardRequired));
    assert_eq!(world.mail(session, Some(MAILBOX)), Err(Refusal::ForwardLoop));
    assert_eq!(world.mail(session, Some("Jeanne+tri@univ.example")), Err(Refusal::ForwardLoop));
    assert_eq!(world.mail(session, Some("x@univ.example")), Err(Refusal::AddressOwnDomain(Field::Forward)));
    let alias = || Some("jeanne@etu.example".to_owned());
    let asked = Request::Mail { session, forward: alias(), inward: true, keep_copy: false };
    assert_eq!(world.ask(asked), Err(Refusal::AddressOwnDomain(Field::Forward)));
    world.mail(session, Some("other@example.net")).unwrap();
    assert_eq!(world.password(session), Err(Refusal::ForwardUnconfirmed));
    assert_eq!(world.redeem(Purpose::Forward, None), Ok(Answer::SignIn), "on the telephone");
    assert_eq!(world.state(session), Ok(Some(Step::Password)), "and the first device moves on");
    let mail = world.enrolment.answers().and_then(|answers| answers.mail.clone()).unwrap();
    assert!(!mail.keep_copy, "there is no mailbox to keep a copy in");
}

#[test]
fn a_forwarding_link_that_has_expired_is_made_anew_and_costs_no_answer() {
    let (mut world, session) = World::proven("2026-09-01T23:50:00", "staff");
    world.accept(session, "1").unwrap();
    world.ask(Request::Listing { session, listed: Some(false) }).unwrap();
    world.mail(session, Some("other@example.net")).unwrap();
    let old = world.newest(Purpose::Forward);
    world.until("2026-09-02T00:00:00");
    assert_eq!(world.state(session), Ok(Some(Step::ForwardLink)));
    world.ask(Request::Resend { session }).unwrap();
    assert_ne!(world.newest(Purpose::Forward), old);
    assert!(world.redeem(Purpose::Forward, Some(session)).is_ok());
    assert_eq!(world.step(), Some(Step::Password));
}

#[test]
fn an_address_that_the_mail_system_refuses_is_said_to_be_refused() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    let mail = world.mails.last().unwrap().mail;
    world.tell(Event::Mailed(mail, MailOutcome::Refused("550 no such user".to_owned()))).unwrap();
    world.tell(Event::Mailed(mail, MailOutcome::Sent)).unwrap();
    let refused = Err(Refusal::AddressRefused(Field::Address));
    assert_eq!(world.state(session), refused, "a bounce is the last word");
    assert_eq!(world.give(session, ADDRESS), Err(Refusal::AddressRefused(Field::Address)));
    world.give(session, "other@example.net").unwrap();
    world.redeem(Purpose::Recovery, None).unwrap();
    let session = world.sign_in().unwrap();
    world.accept(session, "1").unwrap();
    world.ask(Request::Listing { session, listed: Some(true) }).unwrap();
    world.mail(session, Some("third@example.net")).unwrap();
    let mail = world.mails.last().unwrap().mail;
    world.tell(Event::Mailed(mail, MailOutcome::Refused("550".to_owned()))).unwrap();
    assert_eq!(world.state(session), Err(Refusal::AddressRefused(Field::Forward)));
    assert_eq!(
        world.mail(session, Some("third@example.net")),
        Err(Refusal::AddressRefused(Field::Forward)),
        "it is not on its way"
    );
    world.mail(session, Some("other@example.net")).unwrap();
    assert_eq!(world.step(), Some(Step::Password), "the recovery address needs no second proof");
}

#[test]
fn a_mail_that_never_left_in_time_says_with_what_it_was_put_off() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    let order = world.mails.last().unwrap().clone();
    world.tell(Event::Mailed(order.mail, MailOutcome::Deferred("451 later".to_owned()))).unwrap();
    world.now = order.deadline + SignedDuration::from_secs(1);
    assert_eq!(wanted(&world.enrolment, &order, world.now), Wanted::TooLate);
    world.tell(Event::Mailed(order.mail, MailOutcome::GivenUp)).unwrap();
    let link = world.enrolment.newest(Purpose::Recovery).unwrap();
    let why = "its deadline has passed; before that: 451 later".to_owned();
    assert_eq!(link.delivery, Delivery::GivenUp(world.now, why));
    // The mail that never was tried has no more to say; one that was refused stays refused.
    for (before, after) in [
        (None, "its deadline has passed"),
        (Some(MailOutcome::Refused("550".to_owned())), "550"),
        (
            Some(MailOutcome::Unconfirmed("cut off".to_owned())),
            "its deadline has passed; before that: cut off",
        ),
    ] {
        let mut world = World::at("2026-09-01T10:00:00", "staff");
        let session = world.sign_in().unwrap();
        world.give(session, ADDRESS).unwrap();
        let mail = world.mails.last().unwrap().mail;
        before.map(|outcome| world.tell(Event::Mailed(mail, outcome)).unwrap());
        world.tell(Event::Mailed(mail, MailOutcome::GivenUp)).unwrap();
        assert_eq!(world.enrolment.newest(Purpose::Recovery).unwrap().delivery.why(), Some(after));
    }
}

#[test]
fn an_address_that_was_refused_may_be_given_again_once_its_link_has_ended() {
    let refused = || MailOutcome::Refused("452 4.2.2 mailbox full".to_owned());
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    let mail = world.mails.last().unwrap().mail;
    world.tell(Event::Mailed(mail, refused())).unwrap();
    assert_eq!(world.give(session, ADDRESS), Err(Refusal::AddressRefused(Field::Address)));
    world.ask(Request::Restart { session }).unwrap();
    world.give(session, ADDRESS).unwrap();
    assert_eq!(world.state(session), Ok(Some(Step::RecoveryLink)), "after a new start");

    let mail = world.mails.last().unwrap().mail;
    world.tell(Event::Mailed(mail, refused())).unwrap();
    world.until("2026-09-02T10:00:00");
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    assert_eq!(world.state(session), Ok(Some(Step::RecoveryLink)), "after the link's deadline");

    world.redeem(Purpose::Recovery, Some(session)).unwrap();
    let session = world.sign_in().unwrap();
    world.accept(session, "1").unwrap();
    world.ask(Request::Listing { session, listed: Some(true) }).unwrap();
    world.mail(session, Some("third@example.net")).unwrap();
    let mail = world.mails.last().unwrap().mail;
    world.tell(Event::Mailed(mail, refused())).unwrap();
    assert_eq!(world.ask(Request::Resend { session }), Err(Refusal::AddressRefused(Field::Forward)));
    world.until("2026-09-03T00:00:00");
    let session = world.sign_in().unwrap();
    assert_eq!(world.state(session), Ok(Some(Step::ForwardLink)), "a page that can send it again");
    assert_eq!(world.ask(Request::Resend { session }), Ok(Answer::State));
    assert_eq!(world.mails.last().unwrap().to, "third@example.net");
    assert_eq!(world.state(session), Ok(Some(Step::ForwardLink)));
}

#[test]
fn an_invitation_that_was_used_keeps_nobody_from_being_invited_at_another_address() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    world.written(Standing::Provisional);
    world.redeem(Purpose::Invitation, None).unwrap();
    let used = world.tell(Event::AdminResend).err();
    assert!(matches!(used, Some(Refusal::LinkUsed(_))), "it proved that address: {used:?}");
    world.profile.offered = Some("jeanne@new.example.org".to_owned());
    world.written(Standing::Provisional);
    world.tell(Event::AdminResend).unwrap();
    assert_eq!(world.mails.last().unwrap().to, "jeanne@new.example.org");
    assert!(world.redeem(Purpose::Invitation, None).is_ok());
}

#[test]
fn the_help_desk_invites_at_the_address_that_the_directory_has_by_now() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    world.written(Standing::Provisional);
    let first = world.newest(Purpose::Invitation);
    world.now += SignedDuration::from_secs(1);
    world.tell(Event::AdminResend).unwrap();
    assert_eq!((world.newest(Purpose::Invitation), world.mails.len()), (first, 2), "the same link once more");

    world.profile.offered = Some("jeanne@new.example.org".to_owned());
    world.written(Standing::Provisional);
    world.tell(Event::AdminResend).unwrap();
    assert_eq!(world.mails.last().unwrap().to, "jeanne@new.example.org");
    assert_ne!(world.newest(Purpose::Invitation), first);

    for nowhere in [None, Some("jeanne@univ.example"), Some("no address")] {
        world.profile.offered = nowhere.map(str::to_owned);
        world.written(Standing::Provisional);
        assert_eq!(world.tell(Event::AdminResend).err(), Some(Refusal::LinkUnknown), "{nowhere:?}");
    }

    let mut world = World::at("2026-09-01T10:00:00", "staff");
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    world.until("2026-09-02T10:00:00");
    world.tell(Event::AdminResend).unwrap();
    assert_eq!(
        world.mails.last().unwrap().to,
        common::OFFERED,
        "their own link has expired: they are invited"
    );
}

#[test]
fn a_report_from_another_mail_system_is_told_once_and_never_of_a_mail_that_arrived() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    let session = world.sign_in().unwrap();
    world.give(session, ADDRESS).unwrap();
    let (link, mail) = (world.newest(Purpose::Recovery), world.mails.last().unwrap().mail);
    world.tell(Event::Mailed(mail, MailOutcome::Sent)).unwrap();
    let told = |world: &mut World, link: Option<Id>, report: Report| {
        world.tell(Event::Reported(link, report)).unwrap().effects.len()
    };
    let delayed = || Report::Delayed("the server does not answer".to_owned());
    let failed = || Report::Failed("550 5.1.1 no such user".to_owned());
    assert_eq!(told(&mut world, Some(link), delayed()), 1);
    assert_eq!(world.state(session), Ok(Some(Step::RecoveryLink)), "late is not refused");
    assert_eq!(told(&mut world, Some(link), delayed()), 0, "once");
    assert_eq!(told(&mut world, Some(link), failed()), 1);
    assert_eq!(world.state(session), Err(Refusal::AddressRefused(Field::Address)));
    assert_eq!(told(&mut world, Some(link), failed()), 0, "once");
    assert_eq!(told(&mut world, Some(link), delayed()), 0, "it has failed already");
    assert_eq!(told(&mut world, Some(common::id(77)), failed()), 0, "a link that nobody has");

    world.give(session, "other@example.net").unwrap();
    let link = world.newest(Purpose::Recovery);
    world.redeem(Purpose::Recovery, None).unwrap();
    let before = world.enrolment.clone();
    assert_eq!(told(&mut world, Some(link), failed()), 0);
    assert_eq!(world.enrolment, before, "who has opened the link has its mail");
}

#[test]
fn the_same_choice_again_changes_nothing() {
    let (mut world, session) = World::at_password("2026-09-01T10:00:00");
    world.mail(session, Some(ADDRESS)).unwrap();
    let before = world.enrolment.clone();
    world.until("2026-09-01T10:00:30");
    world.mail(session, Some("Jeanne@Example.org")).unwrap();
    world.accept(session, "1").unwrap();
    world.ask(Request::Listing { session, listed: Some(false) }).unwrap();
    assert_eq!(world.enrolment, before);
}

#[test]
fn the_population_changes_half_way() {
    let (mut world, session) = World::at_password("2026-09-01T10:00:00");
    world.mail(session, Some("other@example.net")).unwrap();
    let link = world.newest(Purpose::Forward);
    world.profile.population = Some("student".to_owned());
    world.written(Standing::Provisional);
    assert_eq!(world.step(), Some(Step::Password), "a student may not forward");
    assert_eq!(world.enrolment.answers().unwrap().mail, None);
    let order = world.mails.last().unwrap();
    assert_eq!(wanted(&world.enrolment, order, world.now), Wanted::Overtaken);
    assert!(matches!(
        world.ask(Request::Redeem { link, session: Some(session) }),
        Err(Refusal::LinkSuperseded(_))
    ));
    world.profile.population = Some("visitor".to_owned());
    world.written(Standing::Provisional);
    assert_eq!(world.step(), Some(Step::Mail), "a visitor must");
    world.mail(session, Some(ADDRESS)).unwrap();
    world.profile.population = Some("staff".to_owned());
    world.written(Standing::Provisional);
    let mail = world.enrolment.answers().unwrap().mail.clone().unwrap();
    assert!(mail.keep_copy, "a mailbox that was not there when they chose keeps a copy");
}

#[test]
fn a_population_disappears_from_the_configuration_and_comes_back() {
    let (mut world, session) = World::at_password("2026-09-01T10:00:00");
    let answers = world.enrolment.answers().cloned();
    let staff = world.policy.populations.remove(0);
    assert_eq!(world.state(session), Err(Refusal::NoPopulation));
    assert_eq!(world.password(session), Err(Refusal::NoPopulation));
    assert_eq!(world.sign_in(), Err(Refusal::NoPopulation));
    world.policy.populations.push(staff);
    assert_eq!(world.state(session), Ok(Some(Step::Password)));
    assert_eq!(world.enrolment.answers().cloned(), answers, "nothing was lost meanwhile");
}

#[test]
fn forwarding_that_is_switched_off_in_the_configuration_is_not_written() {
    let (mut world, session) = World::at_password("2026-09-01T10:00:00");
    world.mail(session, Some(ADDRESS)).unwrap();
    world.policy.populations[0].forwarding = Forwarding::Off;
    assert_eq!(world.password(session), Ok(Answer::Write));
    assert_eq!(world.enrolment.answers().unwrap().mail, None);
}
