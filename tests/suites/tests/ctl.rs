//! `parvisctl` against a real daemon, a real directory and a real mail server: what it says, in which form, and how it
//! exits.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use parvis_stand::binaries::{Profile, binaries, workspace};
use parvis_stand::daemon::code;
use parvis_stand::run;
use parvis_stand::scene::{self, Scene, SceneOptions};
use parvis_stand::slapd::{ADMIN_DN, ADMIN_PASSWORD, SERVICE_PASSWORD, SlapdOptions};
use parvis_stand::{Daemon, DaemonOptions, Inbox, InboxOptions, Layout, Slapd};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// What a command printed, and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("parvisctl prints UTF-8");
        Self { code: code(output.status), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "one document: {self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

fn ctl(daemon: &Daemon, args: &[&str]) -> Said {
    Said::of(&daemon.ctl(args).unwrap())
}

/// With a configuration, and nothing else in the environment that would matter.
fn alone(config: &Path, args: &[&str]) -> Said {
    let mut command = Command::new(binaries(Profile::Dev).unwrap().parvisctl);
    command.env_remove("CREDENTIALS_DIRECTORY").arg("--config").arg(config).args(args);
    Said::of(&run::feed(command, b"").unwrap())
}

/// Marie is at the charter, Paul waits for his link, Linh is done, Théo has cancelled.
fn busy() -> Scene {
    let scene = Scene::new().unwrap();
    let mut marie = scene.open("mdurand").unwrap();
    marie.prove("marie@ailleurs.example").unwrap();
    let mut linh = scene.open("lnguyen").unwrap();
    linh.prove("linh@ailleurs.example").unwrap();
    linh.charter().unwrap();
    linh.listing(true).unwrap();
    linh.step("mail", serde_json::json!({ "forward": null, "keep_copy": true }), "password").unwrap();
    linh.password("Quatre-vingts-chevaux-gris").unwrap();
    let mut paul = scene.open("pmoreau").unwrap();
    let request = serde_json::json!({ "address": "paul@ailleurs.example" });
    paul.step("recovery-address", request, "recovery-link").unwrap();
    scene.mail("paul@ailleurs.example", 0).unwrap();
    scene.open("tpetit").unwrap();
    scene
}

fn logins(said: &Said) -> Vec<String> {
    let people = said.json()["people"].as_array().unwrap().clone();
    people.iter().map(|person| person["login"].as_str().unwrap().to_owned()).collect()
}

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
fn a_backup_is_restored_into_a_new_folder_and_the_daemon_goes_on_from_it() {
    let mut scene = busy();
    let file = scene.daemon.layout().path().join("backup.jsonl");
    let name = file.to_str().unwrap();
    let made = ctl(&scene.daemon, &["backup", name, "--json"]).code(0).json();
    let found = std::fs::metadata(&file).unwrap();
    assert_eq!((found.permissions().mode() & 0o777, found.len()), (0o600, made["bytes"].as_u64().unwrap()));
    let beside = std::fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(
        beside.filter(|name| name.to_string_lossy().contains("backup")).count(),
        1,
        "nothing is left beside it"
    );
    let piped = ctl(&scene.daemon, &["backup", "-"]).code(0);
    assert!(piped.out.starts_with("{\"parvis-backup\":1") && piped.out.ends_with("\"}\n"), "{piped:?}");
    ctl(&scene.daemon, &["backup", "/no/such/folder/backup"]).code(1);
    ctl(&scene.daemon, &["backup", "/tmp"]).code(1);

    let before = ctl(&scene.daemon, &["list", "--all", "--json"]).code(0).json();
    let locked = ctl(&scene.daemon, &["restore", name]).code(1);
    assert!(locked.err.contains("stop the daemon first"), "{locked:?}");
    scene.daemon.terminate().unwrap();
    let full = ctl(&scene.daemon, &["restore", name]).code(1);
    assert!(full.err.contains("not empty"), "{full:?}");

    let store = scene.daemon.layout().state().join("another");
    let over = format!("[store]\npath = {:?}\n", store.to_str().unwrap());
    std::fs::write(scene.daemon.layout().path().join("conf.d/60-store.toml"), over).unwrap();
    let text = std::fs::read(&file).unwrap();
    let cut = scene.daemon.layout().path().join("cut");
    for length in [0, 1, text.len() / 2, text.len() - 1] {
        std::fs::write(&cut, &text[..length]).unwrap();
        let refused = ctl(&scene.daemon, &["restore", cut.to_str().unwrap()]).code(1);
        assert!(refused.err.contains("line "), "{length}: {refused:?}");
        assert!(!store.exists(), "nothing is left of {length} bytes");
    }
    let restored = ctl(&scene.daemon, &["restore", name, "--json"]).code(0).json();
    assert!(
        restored["keys"].as_u64().unwrap() > 4 && restored["records"].as_u64().unwrap() > 4,
        "{restored}"
    );
    scene.daemon.restart().unwrap();
    let after = ctl(&scene.daemon, &["list", "--all", "--json"]).code(0).json();
    assert_eq!(before, after);
    ctl(&scene.daemon, &["audit", "verify"]).code(0);
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
    std::fs::copy(binaries(Profile::Dev).unwrap().parvisctl, &program).unwrap();
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

fn finding<'a>(report: &'a Value, words: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["what"].as_str().unwrap().contains(words));
    found.unwrap_or_else(|| panic!("no finding has {words:?}: {report:#}"))
}

fn no_secret(said: &Said) {
    for secret in [SERVICE_PASSWORD, ADMIN_PASSWORD, "scene-key-0123456789"] {
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{said:?}");
    }
}

const PROBE_DN: &str = "uid=parvis-probe,ou=people,dc=univ,dc=example";

/// An entry of no person, on which the service may write a password.
fn probe_entry() -> String {
    format!(
        "dn: {PROBE_DN}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: parvis-probe\n\
         userPassword: {{CRYPT}}x\n"
    )
}

#[test]
fn check_looks_at_everything() {
    let slapd = SlapdOptions { more: probe_entry(), ..SlapdOptions::default() };
    let scene = Scene::start(SceneOptions { slapd, ..SceneOptions::default() }).unwrap();
    let said = ctl(&scene.daemon, &["check", "--json"]);
    no_secret(&said);
    let report = said.json();
    let failures: Vec<&Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["level"] == "failure")
        .collect();
    assert!(failures.is_empty() && report["ok"] == true && said.code == 0, "{failures:#?}");
    for (words, level) in [
        ("parvis.toml and what is beside it is sound", "ok"),
        ("entries are provisional", "ok"),
        ("every provisional person is in a population", "ok"),
        ("activation is one Modify", "ok"),
        ("is a store, marked running", "ok"),
        ("are free for the store", "ok"),
        ("it takes mails from ne-pas-repondre@univ.example", "ok"),
        ("the shipped ones are used", "ok"),
        ("Europe/Paris: it is ", "ok"),
        ("version 2026-09 in fr: SHA-256 ", "ok"),
        ("/key can be read by its owner only", "ok"),
        ("lets a provisional account in", "warning"),
        ("parvisd 0.1.0 answers on ", "ok"),
    ] {
        assert_eq!(finding(&report, words)["level"], level, "{words}");
    }
    let gate = finding(&report, "lets a provisional account in");
    assert!(
        gate["action"].as_str().unwrap().contains("(!(supannRessourceEtat={COMPTE}I:SupannCree))"),
        "{gate}"
    );
    let text = ctl(&scene.daemon, &["check"]).code(0);
    assert!(
        text.out.contains("directory\n  ok       ") && text.out.contains("\n  warning  "),
        "{}",
        text.out
    );
    assert!(
        text.out.contains("         to do: ") && text.out.contains("failures: 0, warnings: "),
        "{}",
        text.out
    );

    let without = ctl(&scene.daemon, &["check", "--probe", "--json"]).code(1).json();
    assert_eq!(finding(&without, "no entry on which a password could be tried")["level"], "failure");
    let over = format!("[directory]\nprobe-entry = \"{PROBE_DN}\"\n");
    std::fs::write(scene.daemon.layout().path().join("conf.d/60-probe.toml"), over).unwrap();
    let proven = ctl(&scene.daemon, &["check", "--probe", "--json"]).json();
    assert_eq!(finding(&proven, "the password policy applies to what the service writes")["level"], "ok");
    assert_eq!(finding(&proven, "new passwords are written by the one modify")["level"], "ok");
}

#[test]
fn check_finds_what_is_wrong_around_the_daemon() {
    let mut scene = Scene::new().unwrap();
    let layout = scene.daemon.layout();
    let (config, key, store) =
        (layout.config_file(), layout.credentials().join("key"), layout.state().join("store"));
    let breached = layout.path().join("breached");
    std::fs::write(&breached, "b\na\n").unwrap();
    let templates = layout.path().join("templates");
    std::fs::create_dir_all(templates.join("fr")).unwrap();
    std::fs::write(templates.join("fr/link.txt"), "{{ unclosed").unwrap();
    let over = format!(
        "[pages]\nbase-url = \"http://activation.univ.example\"\n[password]\nbreached = {breached:?}\n\
         [mail]\noverrides = {templates:?}\nfrom = \"parvis@elsewhere.example\"\n[gate]\nsso = [\"@no-such-group\"]\n",
    );
    std::fs::write(layout.path().join("conf.d/60-wrong.toml"), over).unwrap();
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&config, 0o666);
    mode(&key, 0o640);
    mode(&store, 0o755);
    mode(&layout.state(), 0o755);
    scene.inbox.close();
    scene.slapd.stop().unwrap();
    scene.daemon.wait_status("directory", SOON).unwrap();
    let said = ctl(&scene.daemon, &["check", "--json"]).code(1);
    no_secret(&said);
    let report = said.json();
    assert_eq!(report["ok"], false);
    for (words, level) in [
        ("parvis.toml can be written by everybody (mode 0666)", "failure"),
        ("/key can be read by others than its owner (mode 0640)", "failure"),
        ("is open to others (mode 0755)", "failure"),
        ("cannot be reached", "failure"),
        ("127.0.0.1 port ", "failure"),
        ("fr/link.txt", "failure"),
        ("breached: no digest", "failure"),
        ("pages.base-url: http://activation.univ.example is in clear", "failure"),
        ("mails come from parvis@elsewhere.example", "warning"),
        ("group no-such-group is not known", "warning"),
        ("directory: down", "failure"),
    ] {
        let found = finding(&report, words);
        assert_eq!(found["level"], level, "{found}");
        assert!(!found["action"].as_str().unwrap().is_empty(), "{found}");
    }
    scene.daemon.terminate().unwrap();
    let report = ctl(&scene.daemon, &["check", "--json"]).code(1).json();
    assert_eq!(finding(&report, "no daemon runs")["level"], "warning");
    assert_eq!(finding(&report, "is a store, marked stopped")["level"], "ok");
}

#[test]
fn check_refuses_the_directorys_root() {
    let slapd = SlapdOptions { more: probe_entry(), ..SlapdOptions::default() };
    let scene = Scene::start(SceneOptions { slapd, ..SceneOptions::default() }).unwrap();
    let layout = scene.daemon.layout();
    let over = format!("[directory]\nbind-dn = \"{ADMIN_DN}\"\nprobe-entry = \"{PROBE_DN}\"\n");
    std::fs::write(layout.path().join("conf.d/60-root.toml"), over).unwrap();
    std::fs::write(layout.credentials().join("directory-password"), ADMIN_PASSWORD).unwrap();
    let said = ctl(&scene.daemon, &["check", "--probe", "--json"]).code(1);
    no_secret(&said);
    let found = said.json();
    let found = finding(&found, "accepted a password of one letter");
    assert_eq!(found["level"], "failure", "{found}");
    assert!(found["action"].as_str().unwrap().contains("root"), "{found}");

    // Where the root may read the server's configuration, it takes no password to find out.
    let rule = format!("olcAccess: {{0}}to * by dn.exact=\"{ADMIN_DN}\" read by * break");
    let change =
        format!("dn: olcDatabase={{0}}config,cn=config\nchangetype: modify\nadd: olcAccess\n{rule}\n");
    scene.slapd.configure(&change).unwrap();
    let report = ctl(&scene.daemon, &["check", "--json"]).code(1).json();
    assert_eq!(finding(&report, "the service is the database's root")["level"], "failure");
}

#[test]
fn check_names_every_fault_of_a_configuration() {
    let layout = Layout::new().unwrap();
    let config =
        "[campus]\nzone = \"Europe/Pariss\"\nnmae = 1\n[mail]\nport = \"25\"\n[directory]\nuriss = []\n";
    let (status, _) = Daemon::refused(
        Layout::new().unwrap(),
        DaemonOptions { config: config.into(), ..Default::default() },
    )
    .unwrap();
    assert_eq!(code(status), 78);
    std::fs::write(layout.config_file(), config).unwrap();
    let said = alone(&layout.config_file(), &["check"]).code(78);
    for words in ["parvis.toml:3: campus.nmae", "parvis.toml:5: mail.port", "parvis.toml:7: directory.uriss"]
    {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let fixed =
        "[campus]\nzone = \"Europe/Pariss\"\n[links]\nrecovery = \"whenever\"\n[sweep]\nschedule = \"x\"\n";
    std::fs::write(layout.config_file(), fixed).unwrap();
    let report = alone(&layout.config_file(), &["check", "--json"]).code(78).json();
    for words in
        ["campus.zone", "links.recovery", "sweep.schedule", "links.key-credential", "charter.file.fr"]
    {
        assert_eq!(finding(&report, words)["area"], "configuration", "{words}");
    }
    let said = alone(&layout.config_file(), &["restore", "/dev/null"]).code(1);
    assert!(said.err.contains("restore"), "{said:?}");
    std::fs::write(layout.config_file(), config).unwrap();
    let said = alone(&layout.config_file(), &["restore", "/dev/null"]).code(78);
    assert!(said.err.contains("campus.nmae") && said.err.contains("parvisctl check"), "{said:?}");
    let absent = layout.path().join("absent.toml");
    assert!(alone(&absent, &["check"]).code(78).out.contains("absent.toml: cannot be read"));
}

#[test]
fn the_command_line_is_read_and_its_pages_are_current() {
    let absent = Path::new("/no/such/parvis.toml");
    for wrong in
        [&[][..], &["statuss"], &["list", "--state", "chartered"], &["cancel", "x"], &["show"], &["--nope"]]
    {
        let said = alone(absent, wrong).code(64);
        assert!(said.out.is_empty() && !said.err.is_empty(), "{said:?}");
    }
    for fine in [&["--help"][..], &["--version"], &["audit", "--help"], &["list", "--help"]] {
        assert!(!alone(absent, fine).code(0).out.is_empty());
    }
    for shell in ["bash", "zsh", "fish"] {
        let said = alone(absent, &["completions", shell]).code(0);
        assert!(said.out.contains("parvisctl") && said.out.contains("dry-run"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    alone(absent, &["man", dir.path().to_str().unwrap()]).code(0);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        let kept = workspace().join("docs/man").join(&name);
        let same = std::fs::read(&path).unwrap() == std::fs::read(&kept).unwrap_or_default();
        assert!(same, "{} is behind its program: run `parvisctl man docs/man`", kept.display());
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

/// What systemd does with the socket units, in Perl: a part of it is on every Debian (perl-base).
const HAND_OVER: &str = r#"#!/usr/bin/perl
use strict; use IO::Socket::UNIX; use POSIX ();
my ($names, $program, @paths) = (NAMES, PROGRAM, PATHS);
my @sockets = map { IO::Socket::UNIX->new(Local => $_, Listen => 100) or die $! } @paths;
POSIX::dup2(fileno($sockets[$_]), 20 + $_) for 0 .. $#sockets;
POSIX::dup2(20 + $_, 3 + $_) for 0 .. $#sockets;
@ENV{qw(LISTEN_PID LISTEN_FDS LISTEN_FDNAMES)} = ($$, scalar @sockets, $names);
exec $program, @ARGV or die $!;
"#;

/// A key of a unit, and what it says.
fn unit(name: &str, key: &str) -> String {
    let text = std::fs::read_to_string(workspace().join("systemd").join(name)).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("{key}="))).map(str::to_owned);
    value.unwrap_or_else(|| panic!("{name} has no {key}"))
}

#[test]
fn the_daemon_takes_the_sockets_that_the_units_hand_over() {
    let units = ["parvisd-admin.socket", "parvisd-hook.socket"];
    let defaults = std::fs::read_to_string(workspace().join("conf/parvis.toml")).unwrap();
    for name in units {
        assert!(defaults.contains(&unit(name, "ListenStream")), "{name} and the defaults name one path");
        assert!(unit("parvisd.service", "Requires").contains(name), "starting the service starts {name}");
    }
    let (slapd, inbox) =
        (Slapd::start(SlapdOptions::default()).unwrap(), Inbox::start(InboxOptions::default()).unwrap());
    let layout = Layout::new().unwrap();
    let options = SceneOptions::default();
    let config = scene::config(&options, &layout, &slapd, &inbox);
    let quoted = |text: &str| format!("'{text}'");
    let paths = [layout.admin_socket(), layout.hook_socket()];
    let script = HAND_OVER
        .replace("NAMES", &quoted(&units.map(|name| unit(name, "FileDescriptorName")).join(":")))
        .replace("PROGRAM", &quoted(binaries(Profile::Dev).unwrap().parvisd.to_str().unwrap()))
        .replace("PATHS", &paths.each_ref().map(|path| quoted(path.to_str().unwrap())).join(", "));
    let program = layout.path().join("hand-over");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = DaemonOptions { program: Some(program), ..scene::daemon_options(&options, config) };
    let mut daemon = Daemon::start(layout, options).unwrap();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let before = paths.each_ref().map(|path| inode(path));
    assert_eq!(
        ctl(&daemon, &["list", "--json"]).code(0).json()["people"].as_array().map(Vec::is_empty),
        Some(false)
    );
    let (code, answer) = daemon.hook("state", &serde_json::json!({ "session": "x" })).unwrap();
    assert_eq!((code, answer["ok"].clone()), (1, false.into()), "the hook socket answers as one: {answer}");
    daemon.terminate().unwrap();
    assert_eq!(
        paths.each_ref().map(|path| inode(path)),
        before,
        "they are systemd's, and outlive the daemon"
    );
}
