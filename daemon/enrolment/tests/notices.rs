//! Mails that nobody asked for: the reminder to who stopped half-way, and the word to the address of the round before.

#[expect(dead_code, reason = "each suite uses a part of it")]
mod common;

use common::person::ADDRESS;
use common::{OFFERED, World};
use jiff::SignedDuration;
use parvis_enrolment::deadline::Validity;
use parvis_enrolment::event::MailOutcome;
use parvis_enrolment::{
    Decision, Event, Id, MailKind, Purpose, Request, Standing, Step, Wanted, reminder, wanted,
};

fn remind(world: &mut World) -> Decision {
    world.tell(Event::Remind).expect("nobody asked, so nobody is refused")
}

/// What the sweep is told beforehand is what is then done; how many reminders there were so far.
fn reminded(world: &mut World) -> usize {
    let said = reminder(&world.enrolment, &world.policy, world.now);
    let before = world.mailed(MailKind::Reminder);
    remind(world);
    let after = world.mailed(MailKind::Reminder);
    assert_eq!(said.is_some(), after > before);
    assert_eq!(
        said.filter(|_| after > before).as_deref(),
        world.mails.last().filter(|_| after > before).map(|order| order.to.as_str())
    );
    after
}

/// The last mail that was ordered, and whether it is wanted now.
fn last(world: &World) -> (MailKind, &str, Option<Id>, Wanted) {
    let order = world.mails.last().expect("there was a mail");
    (order.kind, &order.to, order.link, wanted(&world.enrolment, order, world.now))
}

/// A person whose account was activated with their own address, and who has a new letter since.
fn second_round() -> World {
    let (mut world, _) = World::activating("2026-09-01T10:00:00");
    world.applied();
    world.until("2027-09-01T10:00:00");
    world.profile.offered = None;
    world.written(Standing::Provisional);
    assert_eq!((world.enrolment.round, world.enrolment.former.as_deref()), (2, Some(ADDRESS)));
    world
}

/// Steps 3 to 10 with that address.
fn activate(world: &mut World, address: &str) {
    let session = world.sign_in().expect("the person does what is right");
    world.give(session, address).expect("the person does what is right");
    world.redeem(Purpose::Recovery, None).expect("the person does what is right");
    world.accept(session, "1").expect("the person does what is right");
    world.ask(Request::Listing { session, listed: Some(false) }).expect("the person does what is right");
    world.mail(session, None).expect("the person does what is right");
    world.password(session).expect("the person does what is right");
    world.applied();
}

#[test]
fn who_stopped_half_way_is_reminded_once_at_the_address_that_they_proved() {
    let (mut world, session) = World::proven("2026-09-01T10:00:00", "staff");
    world.accept(session, "1").unwrap();
    world.until("2026-09-04T09:59:59");
    assert_eq!(reminded(&mut world), 0, "not three days yet");
    world.until("2026-09-04T10:00:00");
    assert_eq!(reminded(&mut world), 1);
    assert_eq!(last(&world), (MailKind::Reminder, ADDRESS, None, Wanted::Yes));
    assert_eq!(world.step(), Some(Step::Listing), "it changes nothing else");
    for _ in 0..4 {
        world.now += SignedDuration::from_hours(80);
        assert_eq!(reminded(&mut world), 1, "once");
    }
    let order = world.mails.last().unwrap().clone();
    assert_eq!(wanted(&world.enrolment, &order, world.now), Wanted::TooLate, "it is worth nothing later");
}

#[test]
fn a_reminder_that_was_held_up_does_not_arrive_at_night_nor_after_the_end() {
    let (mut world, _) = World::proven("2026-09-01T10:00:00", "staff");
    world.until("2026-09-05T10:00:00");
    reminded(&mut world);
    let order = world.mails.last().unwrap().clone();
    world.until("2026-09-05T23:59:59");
    assert_eq!(wanted(&world.enrolment, &order, world.now), Wanted::Yes);
    world.until("2026-09-06T00:00:00");
    assert_eq!(wanted(&world.enrolment, &order, world.now), Wanted::TooLate);

    let (mut world, _) = World::at_password("2026-09-01T10:00:00");
    world.until("2026-09-05T10:00:00");
    reminded(&mut world);
    let order = world.mails.last().unwrap().clone();
    let session = world.sign_in().unwrap();
    world.password(session).unwrap();
    assert_eq!(wanted(&world.enrolment, &order, world.now), Wanted::Overtaken, "while it is written");
    world.applied();
    assert_eq!(wanted(&world.enrolment, &order, world.now), Wanted::Overtaken, "never after the activation");
}

#[test]
fn an_address_that_was_typed_and_not_proven_is_never_reminded() {
    let mut world = World::at("2026-09-01T10:00:00", "guest");
    let session = world.sign_in().unwrap();
    world.give(session, "a.stranger@example.net").unwrap();
    for day in 2..20 {
        world.until(&format!("2026-09-{day:02}T10:00:00"));
        assert_eq!(reminded(&mut world), 0, "day {day}");
    }
    // Nor while its link can still be used.
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    world.policy.recovery = Validity::For(SignedDuration::from_hours(24 * 20));
    world.written(Standing::Provisional);
    let session = world.sign_in().unwrap();
    world.give(session, "a.stranger@example.net").unwrap();
    world.until("2026-09-09T10:00:00");
    assert_eq!((reminded(&mut world), world.step()), (0, Some(Step::RecoveryLink)));
}

#[test]
fn who_was_invited_and_did_not_come_is_reminded_with_an_invitation_s_link() {
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    world.written(Standing::Provisional);
    let invitation = world.newest(Purpose::Invitation);
    world.until("2026-09-04T10:00:00");
    assert_eq!(reminded(&mut world), 1);
    let link = world.newest(Purpose::Invitation);
    assert_ne!(link, invitation, "the first has expired");
    assert_eq!(last(&world), (MailKind::Reminder, OFFERED, Some(link), Wanted::Yes));
    world.redeem(Purpose::Invitation, None).unwrap();
    assert_eq!(last(&world).3, Wanted::Overtaken);
    let session = world.sign_in().unwrap();
    world.give(session, OFFERED).unwrap();
    assert_eq!(world.step(), Some(Step::Charter), "as an invitation does");

    // A link that still lives is carried once more.
    let mut world = World::at("2026-09-01T10:00:00", "staff");
    world.policy.invitation = Validity::For(SignedDuration::from_hours(24 * 10));
    world.written(Standing::Provisional);
    let invitation = world.newest(Purpose::Invitation);
    world.until("2026-09-05T10:00:00");
    assert_eq!(reminded(&mut world), 1);
    assert_eq!(last(&world), (MailKind::Reminder, OFFERED, Some(invitation), Wanted::Yes));
}

#[test]
fn the_directory_s_address_is_written_to_only_as_an_invitation_may() {
    let invited = || {
        let mut world = World::at("2026-09-01T10:00:00", "staff");
        world.written(Standing::Provisional);
        world
    };
    let mut changed = invited();
    changed.profile.offered = Some("another@example.net".to_owned());
    changed.written(Standing::Provisional);
    let mut refused = invited();
    let mail = refused.mails.last().unwrap().mail;
    refused.tell(Event::Mailed(mail, MailOutcome::Refused("nobody".to_owned()))).unwrap();
    let mut off = invited();
    off.policy.populations[0].invite = false;
    let mut own = invited();
    own.policy.own_domains.push("old.example.org".to_owned());
    let mut nobody = invited();
    nobody.policy.populations.remove(0);
    for (what, mut world) in
        [("changed", changed), ("refused", refused), ("off", off), ("own", own), ("nobody", nobody)]
    {
        world.until("2026-09-10T10:00:00");
        assert_eq!(reminded(&mut world), 0, "{what}");
    }
}

#[test]
fn nobody_is_reminded_where_it_is_switched_off_or_too_much_was_mailed_or_it_is_over() {
    let (mut world, _) = World::proven("2026-09-01T10:00:00", "staff");
    world.until("2026-09-05T10:00:00");
    world.policy.reminder = None;
    assert_eq!(reminded(&mut world), 0);
    world.policy.reminder = Some(SignedDuration::from_hours(72));
    let mut moment = world.moment();
    moment.wait = Some(SignedDuration::from_secs(60));
    let decision = parvis_enrolment::decide(&world.enrolment, Event::Remind, &world.policy, &moment).unwrap();
    assert_eq!((decision.enrolment, decision.effects.len()), (world.enrolment.clone(), 0), "another day");
    assert_eq!(reminded(&mut world), 1);
    for standing in [Standing::Locked, Standing::Other, Standing::Active] {
        let (mut world, _) = World::proven("2026-09-01T10:00:00", "staff");
        world.written(standing);
        world.until("2026-09-05T10:00:00");
        assert_eq!(reminded(&mut world), 0, "{standing:?}");
    }
}

#[test]
fn a_resynchronisation_reminds_nobody_twice_and_a_new_round_may() {
    let (mut world, _) = World::proven("2026-09-01T10:00:00", "staff");
    world.until("2026-09-05T10:00:00");
    assert_eq!(reminded(&mut world), 1);
    let again = world.sighting(Standing::Provisional, false);
    world.tell(Event::Sighted(again)).unwrap();
    world.until("2026-09-09T10:00:00");
    assert_eq!(reminded(&mut world), 1);
    world.written(Standing::Active);
    world.written(Standing::Provisional);
    assert_eq!((world.enrolment.round, world.enrolment.reminded), (2, false));
    world.until("2026-09-15T10:00:00");
    assert_eq!(reminded(&mut world), 2, "invited in the new round, and did not come");
}

#[test]
fn a_new_password_is_told_to_the_address_of_the_round_before() {
    let mut world = second_round();
    activate(&mut world, "jeanne@elsewhere.example");
    let told: Vec<_> =
        world.mails.iter().rev().take(2).map(|order| (order.kind, order.to.as_str())).collect();
    assert_eq!(
        told,
        [(MailKind::PasswordChanged, ADDRESS), (MailKind::Activated, "jeanne@elsewhere.example")]
    );
    let names: std::collections::BTreeSet<Id> = world.mails.iter().map(|order| order.mail).collect();
    assert_eq!(names.len(), world.mails.len(), "each mail has its own name");
    assert_eq!(world.enrolment.former, None, "what was told is not kept");
    assert_eq!(last(&world).3, Wanted::Yes);
}

#[test]
fn the_same_address_is_told_once_and_a_first_round_tells_nobody() {
    let mut world = second_round();
    activate(&mut world, "JEANNE@example.org");
    assert_eq!((world.mailed(MailKind::PasswordChanged), world.mailed(MailKind::Activated)), (0, 2));
    let (mut world, _) = World::activating("2026-09-01T10:00:00");
    world.applied();
    assert_eq!((world.mailed(MailKind::PasswordChanged), world.enrolment.former.clone()), (0, None));
}

#[test]
fn a_round_that_came_to_nothing_does_not_forget_the_address_of_the_one_before() {
    let mut world = second_round();
    world.written(Standing::Active);
    world.written(Standing::Provisional);
    assert_eq!((world.enrolment.round, world.enrolment.former.as_deref()), (3, Some(ADDRESS)));
    activate(&mut world, "jeanne@elsewhere.example");
    assert_eq!(world.mailed(MailKind::PasswordChanged), 1);
}
