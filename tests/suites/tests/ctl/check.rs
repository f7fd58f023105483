//! `check`: what it finds, of which level, and that it says what to do.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use parvis_stand::binaries::workspace;
use parvis_stand::daemon::code;
use parvis_stand::scene::{Scene, SceneOptions};
use parvis_stand::slapd::{ADMIN_DN, ADMIN_PASSWORD, SERVICE_DN, SERVICE_PASSWORD, SlapdOptions};
use parvis_stand::{
    Daemon, DaemonOptions, DirectoryServer, Ds389, Ds389Options, Layout, SambaAd, SambaAdOptions, samba,
};
use serde_json::Value;

use crate::support::{SOON, Said, alone, ctl};

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
    // READY comes before the directory is reached, and check asks the daemon too.
    scene.daemon.wait_status("everything works", SOON).unwrap();
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
        (concat!("parvisd ", env!("CARGO_PKG_VERSION"), " answers on "), "ok"),
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
    let mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
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
fn check_refuses_a_password_administrator_of_389() {
    let server = Ds389::start(&Ds389Options { more: probe_entry(), ..Ds389Options::default() }).unwrap();
    let scene = Scene::new().unwrap();
    let over = format!(
        "[directory]\nuris = [{:?}]\nca-file = {:?}\nprobe-entry = \"{PROBE_DN}\"\n",
        server.ldaps_url(),
        server.ca_file()
    );
    std::fs::write(scene.daemon.layout().path().join("conf.d/60-389.toml"), over).unwrap();
    let look = |args: &[&str]| {
        let said = ctl(&scene.daemon, &[&["check", "--json"], args].concat());
        no_secret(&said);
        (said.json(), said.code)
    };
    let administrator = "the service, a password administrator";
    let tried = "accepted a password of one letter";
    let (ordinary, code) = look(&["--probe"]);
    assert_eq!(
        (finding(&ordinary, "the server is 389")["level"].as_str(), code),
        (Some("ok"), 0),
        "{ordinary:#}"
    );
    for words in ["judges the passwords that the service writes", "policy applies to what the service writes"]
    {
        assert_eq!(finding(&ordinary, words)["level"], "ok");
    }
    let change = format!(
        "dn: cn=config\nchangetype: modify\nreplace: passwordAdminDN\npasswordAdminDN: {SERVICE_DN}\n"
    );
    server.admin().modify(&change).unwrap();
    let (above, code) = look(&[]);
    assert_eq!((finding(&above, administrator)["level"].as_str(), code), (Some("failure"), 1));
    let (above, code) = look(&["--probe"]);
    assert_eq!((finding(&above, tried)["level"].as_str(), code), (Some("failure"), 1));
    assert!(!server.admin().bind_works(PROBE_DN, "a").unwrap(), "it is not left there");
}

#[test]
fn check_proves_the_write_of_a_password_in_active_directory() {
    let options = SambaAdOptions { must_change: false, ..SambaAdOptions::default() };
    let server = SambaAd::start(&options).unwrap();
    let entry = format!("CN=parvis-probe,{}", server.base());
    let (made, bound) = ("Zq7-vtixqubo-58", "parvis-probe@ad.univ.example");
    let ldif = format!(
        "dn: {entry}\nobjectClass: user\nsAMAccountName: parvis-probe\nuserPrincipalName: {bound}\n\
         userAccountControl: 66048\nunicodePwd:: {}\n",
        samba::unicode(made)
    );
    server.admin().add(&ldif).unwrap();
    let scene = Scene::new().unwrap();
    let layout = scene.daemon.layout();
    let shipped = workspace().join("conf/directory/active-directory.toml");
    std::fs::copy(shipped, layout.path().join("conf.d/60-ad.toml")).unwrap();
    let (dn, password) = server.service();
    let over = format!(
        "[directory]\nuris = [{:?}]\nca-file = {:?}\nbase = {:?}\nbind-dn = {dn:?}\nprobe-entry = {entry:?}\n",
        server.ldaps_url(),
        server.ca_file(),
        server.base()
    );
    std::fs::write(layout.path().join("conf.d/70-ad.toml"), over).unwrap();
    std::fs::write(layout.credentials().join("directory-password"), password).unwrap();
    let report = ctl(&scene.daemon, &["check", "--probe", "--json"]).json();
    assert_eq!(finding(&report, "the service may reset passwords")["level"], "ok");
    assert_eq!(finding(&report, "the password policy applies to what the service writes")["level"], "ok");
    let kept = server.admin().entry_with(&entry, &["userPassword"]).unwrap().unwrap();
    assert_eq!(kept.values("userPassword"), Vec::<String>::new(), "none is stored in clear");
    assert!(!server.admin().bind_works(bound, "a").unwrap());

    // A policy that takes one letter is found.
    let any = "samba-tool domain passwordsettings set --min-pwd-length=0 --complexity=off --history-length=0";
    server.shell(any).unwrap();
    let report = ctl(&scene.daemon, &["check", "--probe", "--json"]).code(1).json();
    assert_eq!(finding(&report, "accepted a password of one letter")["level"], "failure");
    assert!(!server.admin().bind_works(bound, "a").unwrap(), "it is not left there");
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

/// A `pages.toml` beside `parvis.toml`, and what `check` then finds.
fn with_pages(scene: &Scene, pages: &str) -> Said {
    std::fs::write(scene.daemon.layout().config_file().with_file_name("pages.toml"), pages).unwrap();
    ctl(&scene.daemon, &["check", "--json"])
}

/// What fits the scene's daemon.
fn right_pages(scene: &Scene) -> String {
    format!(
        "hook-socket = {:?}\n[sign-in]\noffered = true\n",
        scene.daemon.layout().hook_socket().display().to_string()
    )
}

#[test]
fn check_judges_the_pages_configuration_and_holds_it_against_the_daemons() {
    let scene = Scene::new().unwrap();
    scene.daemon.wait_status("everything works", SOON).unwrap();
    let none = ctl(&scene.daemon, &["check", "--json"]).code(0).json();
    assert_eq!(finding(&none, "the pages are not set up on this machine")["level"], "ok");

    let right = with_pages(&scene, &right_pages(&scene)).code(0).json();
    let contrast =
        finding(&right, "the accents can be read: #17498f on a light ground 8.1, #9dc1ff on a dark");
    assert_eq!((contrast["level"].as_str(), contrast["area"].as_str()), (Some("ok"), Some("parvis-pages")));
    assert_eq!(finding(&right, "agree that people come to")["level"], "ok");

    // Words of 4.5 : 1 are asked for, on light and on dark.
    for (key, colour, scheme) in [
        ("accent", "#ffcc00", "light"),
        ("accent", "#e07b39", "light"),
        ("accent", "#767676", "light"),
        ("accent-dark", "#17498f", "dark"),
        ("accent-dark", "#6b6b6b", "dark"),
    ] {
        let pages = format!("{}[campus]\n{key} = \"{colour}\"\n", right_pages(&scene));
        let wrong = with_pages(&scene, &pages).code(1).json();
        let found = finding(&wrong, &format!("campus.{key}: {colour} cannot be read on a {scheme} ground"));
        assert_eq!(found["level"], "failure", "{found}");
        assert!(found["expected"].as_str().unwrap().contains("4.5 for words, 3 for borders"), "{found}");
        assert!(found["action"].as_str().unwrap().contains("is the nearest of its kind"), "{found}");
    }
    let text = ctl(&scene.daemon, &["check"]).code(1).out;
    for part in ["parvis-pages\n", "failure  ", "expected: at least 4.5", "to do: #"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let wrong = with_pages(&scene, "base-url = \"https://elsewhere.example\"\n[sign-in]\noffered = true\n");
    let wrong = wrong.code(1).json();
    for words in
        ["base-url https://elsewhere.example, and the daemon", "has hook-socket /run/parvis/hook.sock"]
    {
        let found = finding(&wrong, words);
        assert!(found["level"] == "failure" && !found["action"].as_str().unwrap().is_empty(), "{found}");
    }
    let charter = scene.daemon.layout().path().join("old.md");
    std::fs::write(&charter, "An older text.").unwrap();
    let over = "[gate]\nauthenticate = false\n";
    std::fs::write(scene.daemon.layout().path().join("conf.d/60-gate.toml"), over).unwrap();
    let pages = format!(
        "{}[charter]\nfile = {{ fr = {charter:?}, en = {charter:?} }}\n[campus]\nhelp-address = \"other@univ.example\"\n",
        right_pages(&scene)
    );
    let wrong = with_pages(&scene, &pages).code(1).json();
    for (words, level) in [
        ("offers to sign in, and gate.authenticate is off", "failure"),
        ("is not one that the daemon has in force", "warning"),
        ("sends people to other@univ.example", "warning"),
    ] {
        assert_eq!(finding(&wrong, words)["level"], level, "{words}");
    }

    // A file that is none, and every fault at once.
    let wrong =
        with_pages(&scene, "listen = \"x\"\nlog = \"trace\"\n[campus]\nlogo = \"/nowhere.gif\"\n").code(1);
    for key in ["pages.toml: listen: ", "pages.toml: log: ", "pages.toml: campus.logo: "] {
        assert_eq!(finding(&wrong.json(), key)["level"], "failure");
    }
    let wrong = with_pages(&scene, "colour = 1\n").code(1).json();
    assert!(finding(&wrong, "colour")["what"].as_str().unwrap().contains("unknown field"), "{wrong:#}");
}
