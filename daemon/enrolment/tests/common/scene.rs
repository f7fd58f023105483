//! A person at each place where one can be, by name.

use super::World;
use super::person::ADDRESS;
use jiff::SignedDuration;
use parvis_enrolment::{Event, Id, Purpose, Request, Standing};

const FORWARD: &str = "other@example.net";

/// A person who is there, with a session, and a ticket where there can be one.
pub fn stage_at(scene: &str) -> World {
    let mut world = World::at("2026-09-01T10:00:00", if scene == "must" { "visitor" } else { "staff" });
    if scene == "unseen" {
        return world;
    }
    world.profile.marker = Some("the first letter".to_owned());
    world.written(Standing::Provisional);
    let session = world.sign_in().expect("the letter is good");
    world.ask(Request::Admit { return_to: None }).expect("the letter is good");
    match scene {
        "address" => {}
        "kept" => {
            let link = world.newest(Purpose::Invitation);
            ask(&mut world, Request::Redeem { link, session: None });
        }
        "withdrawn" => drop(world.written(Standing::Other)),
        "locked" => drop(world.written(Standing::Locked)),
        "gone" => drop(world.tell(Event::Gone)),
        "expired" => {
            let now = world.now;
            world.now += SignedDuration::from_hours(24 * 91);
            world.tell(Event::Elapsed).expect("time is never refused");
            world.now = now;
        }
        "cancelled" => drop(world.tell(Event::AdminCancel)),
        _ => further(&mut world, session, scene),
    }
    world
}

fn ask(world: &mut World, request: Request) {
    world.ask(request).expect("the scene asks what is right");
}

/// From the address on.
fn further(world: &mut World, session: Id, scene: &str) {
    ask(world, Request::RecoveryAddress { session, address: ADDRESS.to_owned(), inward: false });
    if scene == "link" {
        return;
    }
    ask(world, Request::Redeem { link: world.newest(Purpose::Recovery), session: None });
    if scene == "charter" {
        return;
    }
    if scene == "nobody" {
        world.profile.population = None;
        world.written(Standing::Provisional);
        return;
    }
    let (version, locale) = ("1".to_owned(), "fr".to_owned());
    ask(world, Request::Charter { session, version, accepted: true, locale });
    if scene == "listing" {
        return;
    }
    ask(world, Request::Listing { session, listed: Some(false) });
    if matches!(scene, "mail" | "must") {
        return;
    }
    let forward = (scene == "forward").then(|| FORWARD.to_owned());
    ask(world, Request::Mail { session, forward, inward: false, keep_copy: true });
    if matches!(scene, "forward" | "passwd") {
        return;
    }
    ask(world, Request::Password { session, fault: None, attempt: world.attempt() });
    if scene == "done" {
        world.applied();
    }
}
