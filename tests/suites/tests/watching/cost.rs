//! What an activation costs the directory: every request of the daemon, from the call until nothing more comes.

use std::time::Duration;

use parvis_stand::{SceneOptions, Walk};
use serde_json::json;

use crate::ground::Ground;
use crate::story::Campus;
use crate::tap::{Asked, Tap};
use crate::writes::NEW;

/// As many at most, one of them for the password; and one more where a write does not say what the entry is afterwards.
const MOST: usize = 2;
/// The watch asks nothing by itself meanwhile: what it asks is its own, whoever is activated.
const QUIET: &str = "[directory]\nwatch-every = \"1h\"\ncompare-every = \"24h\"\n";
/// Whatever is asked because of an activation is asked by then.
const BEYOND: Duration = Duration::from_secs(2);

fn an_activation_costs_little(ground: Ground) {
    let tap = Tap::on(&*ground.server);
    let options = SceneOptions { ldap_uri: Some(tap.uri()), ..SceneOptions::default() };
    let campus = Campus::reached(ground, &options, QUIET);
    campus.daemon.wait_status("everything works", Duration::from_secs(30)).unwrap();
    // The watch's own reading is over: everybody was told, and so invited.
    campus.inbox.wait_for("marie.durand@laposte.example", |_| true, Duration::from_secs(30)).unwrap();
    let person = campus.authenticated("elefevre");
    let mut walk = Walk::beside(&campus.daemon, &campus.inbox, &person.login).unwrap();
    walk.prove("eleonore@ailleurs.example").unwrap();
    walk.charter().unwrap();
    walk.listing(false).unwrap();
    walk.forward("eleonore@dehors.example", true).unwrap();
    assert!(tap.noted(&Asked::Bind) && tap.noted(&Asked::Search), "the daemon goes through the tap");
    assert!(!tap.take().iter().any(Asked::sets_a_password), "not before the last step");

    walk.password(NEW).unwrap();
    // Not to wait for something: to see what else comes.
    std::thread::sleep(BEYOND);
    let asked = tap.take();
    let (_, checked) =
        campus.daemon.hook("check", &json!({ "login": person.login, "authenticated": true })).unwrap();
    assert_eq!(checked["status"], "active");
    assert!(campus.ground.server.admin().bind_works(&person.dn, NEW).unwrap());
    // A connection's sign of life comes by the clock, and the end of one is no operation.
    let of_itself = |asked: &&Asked| !matches!(asked, Asked::WhoAmI | Asked::Unbind);
    let asked: Vec<_> = asked.iter().filter(of_itself).collect();
    println!("{}: {asked:?}", campus.ground.server.name());
    let passwords = asked.iter().filter(|asked| asked.sets_a_password()).count();
    assert_eq!(passwords, 1, "one sets the password: {asked:?}");
    let most = MOST + usize::from(campus.ground.server.name() == "Samba AD");
    assert!(asked.len() <= most, "{} operations: {asked:?}", asked.len());
}

crate::on_every_directory!(an_activation_costs_little);
