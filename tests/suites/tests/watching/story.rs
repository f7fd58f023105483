//! The main job on each directory, with the daemon: from the letter to an account that works, by the shipped mapping.

use std::time::Duration;

use parvis_stand::scene::{config, daemon_options};
use parvis_stand::{Daemon, Inbox, InboxOptions, Layout, Person, SceneOptions, Walk, small};
use serde_json::json;

use crate::ground::{Ground, conf};

/// The directory, a mail server, and the daemon on both.
pub struct Campus {
    pub daemon: Daemon,
    pub inbox: Inbox,
    pub ground: Ground,
}

/// What is seen soon, for a story that waits for it.
pub const QUICK: &str = "[directory]\nwatch-every = \"300ms\"\ncompare-every = \"2s\"\n";

impl Campus {
    fn on(ground: Ground) -> Campus {
        Campus::reached(ground, &SceneOptions::default(), QUICK)
    }

    /// With options of the scene's, and TOML over everything else.
    pub fn reached(ground: Ground, options: &SceneOptions, last: &str) -> Campus {
        let layout = Layout::new().unwrap();
        let inbox = Inbox::start(InboxOptions::default()).unwrap();
        let config = config(options, &layout, &*ground.server, &inbox);
        let shipped = if ground.active_directory() { conf("active-directory") } else { String::new() };
        let invited = "[[populations]]\nname = \"everybody\"\nfilter = \"(cn=*)\"\nmailbox = true\nforwarding = \"optional\"\ninvite = true\n";
        // The last list counts: whoever appears is invited.
        let shipped = shipped.split("[[populations]]").next().unwrap().to_owned();
        std::fs::write(layout.path().join("conf.d/50-directory.toml"), format!("{shipped}\n{invited}"))
            .unwrap();
        std::fs::write(layout.path().join("conf.d/60-last.toml"), last).unwrap();
        let mut started = daemon_options(options, config);
        let password = ground.server.service().1.to_owned();
        started.credentials.retain(|(name, _)| name != "directory-password");
        started.credentials.push(("directory-password".to_owned(), password));
        Campus { daemon: Daemon::start(layout, started).unwrap(), inbox, ground }
    }

    pub fn person(&self, login: &str) -> Person {
        let person = small().into_iter().find(|person| person.login == login).unwrap();
        self.ground.server.here(&person)
    }

    /// Somebody whose letter's password was taken.
    pub fn authenticated(&self, login: &str) -> Person {
        let person = self.person(login);
        let letter =
            json!({ "login": person.login, "password": person.provisional_password, "locale": "fr" });
        let (code, entered) = self.daemon.hook("authenticate", &letter).unwrap();
        assert_eq!(code, 0, "{entered}");
        person
    }

    fn mails(&self, address: &str) -> usize {
        self.inbox.messages_to(address).len()
    }
}

fn from_the_letter_to_an_account(ground: Ground) {
    let mut campus = Campus::on(ground);
    campus.daemon.wait_status("everything works", Duration::from_secs(30)).unwrap();
    // Whoever has an address is invited once, and only once whatever happens.
    let invited = "marie.durand@laposte.example";
    campus.inbox.wait_for(invited, |_| true, Duration::from_secs(30)).unwrap();

    let eleonore = campus.authenticated("elefevre");
    let mut walk = Walk::beside(&campus.daemon, &campus.inbox, &eleonore.login).unwrap();
    walk.prove("eleonore@ailleurs.example").unwrap();
    walk.charter().unwrap();
    walk.listing(false).unwrap();
    walk.forward("eleonore@dehors.example", true).unwrap();
    let (code, refused) =
        walk.call("password", json!({ "password": eleonore.provisional_password })).unwrap();
    if campus.ground.active_directory() {
        // Samba judges no history at a reset; our own policy knows no letter.
        assert_eq!((code, &refused["step"]), (0, &json!("done")), "{refused}");
    } else {
        assert_eq!((code, &refused["refusal"]["code"]), (1, &json!("password-reused")), "{refused}");
        walk.password("Zq7-vtixqubo-58").unwrap();
    }
    let (_, checked) =
        campus.daemon.hook("check", &json!({ "login": eleonore.login, "authenticated": true })).unwrap();
    assert_eq!(checked["status"], "active");
    let entry = campus.ground.server.admin().entry(&eleonore.dn).unwrap().unwrap();
    let [recovery, forward, hidden] = campus.ground.attributes();
    assert_eq!(entry.get(recovery), Some("eleonore@ailleurs.example"));
    assert!(entry.get(forward).unwrap().starts_with("eleonore@dehors.example"));
    assert!(matches!(entry.get(hidden), Some("TRUE" | "hidden")));

    // A restart, a server that dies, and a full refresh mail nobody twice.
    let before = campus.mails(invited);
    assert_eq!(before, 1);
    campus.daemon.restart().unwrap();
    campus.ground.server.kill9();
    campus.ground.server.restart().unwrap();
    campus.daemon.wait_status("everything works", Duration::from_secs(60)).unwrap();
    // Whoever comes after all that is invited after it.
    let mut late = campus.ground.stranger("tardif");
    late.personal_mail = Some("tardif@ailleurs.example".to_owned());
    campus.ground.server.add_person(&late).unwrap();
    campus.inbox.wait_for("tardif@ailleurs.example", |_| true, Duration::from_secs(60)).unwrap();
    assert_eq!(campus.mails(invited), 1);
    let (_, found) =
        campus.daemon.hook("check", &json!({ "login": "tardif", "authenticated": true })).unwrap();
    assert_eq!(found["status"], "needs-activation", "{found}");
}

crate::on_every_directory!(from_the_letter_to_an_account);
