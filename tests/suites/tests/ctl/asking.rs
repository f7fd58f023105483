//! What is asked of the daemon: status, people, audit; and what is said where it does not answer, or must not.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::scene::Scene;
use parvis_stand::{SceneOptions, SlapdOptions, campus, run};
use parvis_suites::{LONG, admin};
use serde_json::{Value, json};

use crate::support::{SOON, Said, alone, busy, ctl, logins};

#[test]
fn status_says_how_everything_is_and_exits_by_it() {
    let mut scene = Scene::new().unwrap();
    scene.open("mdurand").unwrap().prove("marie@ailleurs.example").unwrap();
    scene.daemon.wait_status("everything works", SOON).unwrap();
    let text = ctl(&scene.daemon, &["status"]).code(0);
    assert!(text.out.starts_with("parvisd ") && text.out.contains("everything works"), "{text:?}");
    assert!(!text.out.contains('\u{1b}') && text.err.is_empty(), "{text:?}");
    for part in ["directory", "mail", "store", "watch"] {
        let line = text.out.lines().find(|line| line.starts_with(part));
        assert!(
            line.is_some_and(|line| line.contains("working") || line.contains("idle")),
            "{part}: {text:?}"
        );
    }
    let json = ctl(&scene.daemon, &["status", "--json"]).code(0).json();
    assert_eq!(json["ok"], true);
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let open =
        json["counts"].as_array().unwrap().iter().find(|count| count["name"] == "open enrolments").unwrap();
    assert!(open["count"].as_u64().unwrap() >= 1, "{json}");
    scene.slapd.stop().unwrap();
    scene.daemon.wait_status("directory", SOON).unwrap();
    let down = ctl(&scene.daemon, &["status"]).code(1);
    let line = down.out.lines().find(|line| line.starts_with("directory")).unwrap();
    assert!(line.contains("down") && down.out.contains("something does not work"), "{down:?}");
    assert_eq!(ctl(&scene.daemon, &["--json", "status"]).code(1).json()["ok"], false);
}

#[test]
fn people_are_listed_shown_and_looked_after() {
    let scene = busy();
    let daemon = &scene.daemon;

    let mine = |said: &Said| -> Vec<String> {
        let wanted = ["mdurand", "lnguyen", "pmoreau", "tpetit"];
        let mut found = logins(said);
        found.retain(|login| wanted.contains(&login.as_str()));
        found.sort();
        found
    };
    let all = ctl(daemon, &["list", "--all", "--json"]).code(0);
    assert_eq!(mine(&all), ["lnguyen", "mdurand", "pmoreau", "tpetit"]);
    let changed: Vec<Value> =
        all.json()["people"].as_array().unwrap().iter().map(|p| p["changed"].clone()).collect();
    assert!(
        changed.is_sorted_by_key(|at| at.as_str().unwrap().to_owned()),
        "the oldest change first: {changed:?}"
    );
    assert_eq!(mine(&ctl(daemon, &["list", "--json"]).code(0)), ["mdurand", "pmoreau", "tpetit"]);
    assert_eq!(logins(&ctl(daemon, &["list", "--state", "charter", "--json"]).code(0)), ["mdurand"]);
    let table = ctl(daemon, &["list", "--state", "recovery-link"]).code(0);
    let lines: Vec<&str> = table.out.lines().collect();
    assert!(lines[0].starts_with("LOGIN") && lines[0].ends_with("ADDRESS"), "{table:?}");
    assert!(lines[1].starts_with("pmoreau") && lines[1].ends_with("paul@ailleurs.example"), "{table:?}");
    let column = lines[0].find("ADDRESS").unwrap();
    assert_eq!(lines[1].find("paul@"), Some(column), "{table:?}");
    assert_eq!(ctl(daemon, &["list", "--state", "closed"]).code(0).out, "nobody\n");

    let shown = ctl(daemon, &["show", "mdurand"]).code(0);
    for words in
        ["login       mdurand", "state       charter", "marie@ailleurs.example", "LINK", "WHAT", "used "]
    {
        assert!(shown.out.contains(words), "{words}: {shown:?}");
    }
    let json = ctl(daemon, &["show", "mdurand", "--json"]).code(0).json();
    assert_eq!(json["person"]["login"], "mdurand");
    assert!(
        !json["timeline"].as_array().unwrap().is_empty() && !json["links"].as_array().unwrap().is_empty()
    );
    let uuid = json["person"]["uuid"].as_str().unwrap();
    assert_eq!(ctl(daemon, &["show", uuid, "--json"]).code(0).json(), json);
    let unknown = ctl(daemon, &["show", "nobody-here"]).code(1);
    assert!(unknown.err.contains("nobody-here") && unknown.out.is_empty(), "{unknown:?}");
    let refused = ctl(daemon, &["show", "nobody-here", "--json"]).code(1);
    assert_eq!((refused.json()["ok"].clone(), refused.json()["exit"].clone()), (false.into(), 1.into()));
    assert!(refused.err.is_empty(), "{refused:?}");
    ctl(daemon, &["show", "a\u{202e}b"]).code(1);
    ctl(daemon, &["show", &"x".repeat(5000)]).code(1);

    let before = scene.inbox.last_number();
    let sent = ctl(daemon, &["resend", "pmoreau", "--json"]).code(0);
    assert_eq!(sent.json()["address"], "paul@ailleurs.example");
    scene.mail("paul@ailleurs.example", before).unwrap();
    let none = ctl(daemon, &["resend", "lnguyen"]).code(1);
    assert!(none.err.starts_with("parvisctl: failed to send the mail again: "), "{none:?}");

    let asked = Command::new(binaries(Profile::Dev).unwrap().parvisctl)
        .arg("--socket")
        .arg(daemon.layout().admin_socket())
        .args(["cancel", "pmoreau", "--reason", "not a member after all"])
        .env("SUDO_USER", "claire-of-the-desk")
        .output()
        .unwrap();
    assert!(Said::of(&asked).code(0).out.contains("pmoreau"));
    assert_eq!(logins(&ctl(daemon, &["list", "--state", "closed", "--json"]).code(0)), ["pmoreau"]);
    let shown = ctl(daemon, &["show", "pmoreau"]).code(0);
    assert!(
        shown.out.contains("claire-of-the-desk") && shown.out.contains("not a member after all"),
        "{shown:?}"
    );
    ctl(daemon, &["cancel", "pmoreau"]).code(64);

    let swept = ctl(daemon, &["sweep", "--dry-run", "--json"]).code(0);
    assert!(swept.json()["swept"].is_array(), "{swept:?}");
    let swept = ctl(daemon, &["sweep"]).code(0);
    assert!(swept.out.contains("sweep") || swept.out.contains("swept"), "{swept:?}");
}

#[test]
fn more_people_than_fit_one_message_are_all_listed_once() {
    const PEOPLE: usize = 600;
    let people = campus(PEOPLE + 12).split_off(12);
    let mut wanted: Vec<String> = people.iter().map(|person| person.login.clone()).collect();
    wanted.sort();
    let slapd = SlapdOptions { people, ..SlapdOptions::default() };
    let scene = Scene::start(SceneOptions { slapd, ..SceneOptions::default() }).unwrap();
    let counted = || {
        let status = ctl(&scene.daemon, &["status", "--json"]).json();
        let counts = status["counts"].as_array().unwrap().clone();
        counts.iter().find(|count| count["name"] == "open enrolments").unwrap()["count"].as_u64().unwrap()
    };
    let seen = run::until(LONG, || Ok((counted() == PEOPLE as u64).then_some(()))).unwrap();
    assert!(seen.is_some(), "the watch saw {} of {PEOPLE}", counted());
    // However many are asked for, an answer is one message, and says that there is more.
    let asked = |after: Value| {
        admin(&scene.daemon, "List", &json!({ "state": null, "after": after, "limit": 500 })).unwrap()
    };
    let first = asked(Value::Null);
    let page = first["people"].as_array().unwrap();
    assert!(first["more"] == true && page.len() < PEOPLE, "{}", page.len());
    let size = first.to_string().len();
    assert!(size > 48 * 1024 && size < parvis_protocol::limits::MESSAGE_MAX, "{size} bytes");
    let (mut found, mut page, mut pages) = (Vec::new(), first, 1);
    loop {
        let people = page["people"].as_array().unwrap().clone();
        found.extend(people.iter().map(|person| person["login"].as_str().unwrap().to_owned()));
        if page["more"] == false {
            break;
        }
        page = asked(people.last().unwrap()["uuid"].clone());
        pages += 1;
        assert!(pages < 20, "a page that does not move on");
    }
    found.sort();
    assert!(found == wanted && pages > 1, "{} on {pages} pages", found.len());

    for args in
        [&["list", "--json"][..], &["list", "--all", "--json"], &["list", "--state", "recovery", "--json"]]
    {
        let listed = ctl(&scene.daemon, args).code(0);
        assert!(listed.out.len() > 65_536, "{} bytes", listed.out.len());
        let mut found = logins(&listed);
        found.sort();
        assert!(found == wanted, "{args:?}: {} of {PEOPLE}", found.len());
    }
    let table = ctl(&scene.daemon, &["list"]).code(0);
    assert_eq!(table.out.lines().count(), PEOPLE + 1);
}

#[test]
fn the_audit_is_verified_and_exported() {
    let scene = busy();
    let daemon = &scene.daemon;
    let export = ctl(daemon, &["audit", "export"]).code(0);
    let records: Vec<Value> = export.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.len() > 8, "{export:?}");
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record["number"], index, "every record, once, in order");
    }
    let head = export.err.trim().strip_prefix("head ").unwrap();
    let verified = ctl(daemon, &["audit", "verify", "--json"]).code(0).json();
    assert_eq!((verified["ok"].clone(), verified["faults"].clone()), (true.into(), Value::Array(vec![])));
    assert!(verified["length"].as_u64().unwrap() >= records.len() as u64);
    let anchored = ctl(daemon, &["audit", "verify", "--anchor", head]).code(0);
    assert!(anchored.out.contains("the chain holds"), "{anchored:?}");
    let rest = ctl(daemon, &["audit", "export", "--after", "3"]).code(0);
    assert_eq!(rest.out.lines().next(), export.out.lines().nth(3));
    let other = format!("{}:{}", records.len() + 1000, "ab".repeat(32));
    let wrong = ctl(daemon, &["audit", "verify", "--anchor", &other]).code(1);
    assert!(wrong.out.contains("is not part of the chain"), "{wrong:?}");
}

#[test]
fn a_daemon_that_is_not_there_is_said_and_a_stranger_is_not_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("parvis.toml");
    std::fs::write(&config, format!("[gate]\nadmin-socket = \"{}/a.sock\"\n", dir.path().display())).unwrap();
    for args in [
        &["status"][..],
        &["list"],
        &["show", "x"],
        &["resend", "x"],
        &["cancel", "x", "--reason", "y"],
        &["sweep"],
        &["audit", "verify"],
        &["audit", "export"],
        &["backup", "-"],
    ] {
        let said = alone(&config, args).code(69);
        assert!(said.err.contains("a.sock") && said.err.contains("systemctl start parvisd"), "{said:?}");
        assert!(said.out.is_empty(), "{said:?}");
    }
    assert_eq!(alone(&config, &["status", "--json"]).code(69).json()["exit"], 69);

    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let scene = Scene::new().unwrap();
    scene.daemon.layout().open_to_all().unwrap();
    let socket = scene.daemon.layout().admin_socket();
    let program = scene.daemon.layout().path().join("parvisctl");
    run::copy_program(&binaries(Profile::Dev).unwrap().parvisctl, &program).unwrap();
    let stranger = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]).arg(&program);
        command.arg("--socket").arg(&socket).args(args);
        Said::of(&run::feed(command, b"").unwrap())
    };
    // Kept out by the socket's mode, and, where that lets everybody in, by the daemon.
    for mode in [0o660, 0o666] {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(mode)).unwrap();
        for args in [&["status"][..], &["list"], &["sweep"], &["backup", "-"], &["audit", "export"]] {
            let said = stranger(args).code(77);
            assert!(said.err.contains("this user may not") && said.out.is_empty(), "{said:?}");
        }
    }
}
