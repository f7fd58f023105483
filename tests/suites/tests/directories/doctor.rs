//! `parvisctl directory doctor` on each product: a fit server has no failure, nothing is changed by looking, and what is
//! printed for what is missing heals it, given to the server as it is printed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::ds389::{MANAGER_DN, MANAGER_PASSWORD};
use parvis_stand::{DirectoryServer, Ds389, Ds389Options, run, samba};
use serde_json::Value;

use crate::support;

/// A look by somebody, without a configuration.
fn look_as(server: &dyn DirectoryServer, dn: &str, password: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, password).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(binaries(Profile::Dev).unwrap().parvisctl);
    command.env_remove("CREDENTIALS_DIRECTORY").arg("--config").arg(dir.path().join("absent.toml"));
    command.args(["--json", "directory", "doctor", "--uri", &server.ldaps_url()]);
    command.args(["--base", server.base(), "--bind-dn", dn]);
    command.arg("--ca-file").arg(server.ca_file()).arg("--password-file").arg(&file);
    let out = run::feed(command, b"").unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(!text.contains(password), "no password is shown");
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(out.status.code() == Some(0), report["ok"] == true, "{report:#}");
    report
}

fn look(server: &dyn DirectoryServer) -> Value {
    let (dn, password) = server.service();
    look_as(server, dn, password)
}

fn of(report: &Value, level: &str) -> Vec<String> {
    let found = report["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == level);
    found.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect()
}

fn finding<'a>(report: &'a Value, words: &str) -> &'a Value {
    let mut found = report["findings"].as_array().unwrap().iter();
    let found = found.find(|finding| finding["what"].as_str().unwrap().contains(words));
    found.unwrap_or_else(|| panic!("no finding has {words:?}: {report:#}"))
}

/// Everybody, with whatever says that they were written to.
fn everybody(server: &dyn DirectoryServer) -> Vec<String> {
    let names = ["*", "entryCSN", "modifyTimestamp", "uSNChanged", "pwdLastSet", "entryusn"];
    let all = server.admin().search(server.base(), "(objectClass=*)", &names).unwrap();
    assert!(all.len() > 10, "{}", all.len());
    all.iter().map(ToString::to_string).collect()
}

/// Looking finds nothing that fails, these words, and changes nothing.
fn fit(server: &dyn DirectoryServer, words: &[&str]) -> Value {
    let before = everybody(server);
    let report = look(server);
    assert_eq!(of(&report, "failure"), Vec::<String>::new(), "{report:#}");
    for words in words {
        assert_eq!(finding(&report, words)["level"], "ok", "{words}");
    }
    assert_eq!(everybody(server), before, "looking changes nothing");
    report
}

#[test]
fn openldap_that_is_fit() {
    let words = ["by content synchronisation: it was asked so", "may write all that activation writes"];
    fit(support::slapd().as_ref(), &words);
}

#[test]
fn ds389_that_is_fit() {
    let words = ["by content synchronisation: it was asked so", "may write all that activation writes"];
    fit(support::ds389().as_ref(), &words);
}

#[test]
fn active_directory_that_is_fit() {
    let words = ["by DirSync: it was asked so", "may write all that activation writes", "Active Directory"];
    let report = fit(support::samba().as_ref(), &words);
    assert_eq!(finding(&report, "takes no policy hints")["level"], "warning");
}

#[test]
fn ds389_without_a_right_or_its_plugin_is_healed_by_what_is_printed() {
    let options = Ds389Options {
        sync: false,
        changelog: false,
        writable: vec!["supannRessourceEtat".to_owned()],
        ..Ds389Options::default()
    };
    let server = Ds389::start(&options).unwrap();
    let before = everybody(&server);
    let report = look(&server);
    let found = finding(&report, "the service may not write");
    let what = found["what"].as_str().unwrap();
    assert!(what.contains("userPassword") && what.contains("supannListeRouge"), "{what}");
    assert!(!what.contains("supannRessourceEtat,"), "{what}");
    assert_eq!(everybody(&server), before, "looking changes nothing");
    server.admin().modify(found["add"][0]["lines"].as_str().unwrap()).unwrap();
    let healed = look(&server);
    assert_eq!(of(&healed, "failure"), Vec::<String>::new(), "{healed:#}");
    assert_eq!(finding(&healed, "by persistent search: it was asked so")["level"], "ok");

    let plugin = finding(&healed, "not offered to be followed by content synchronisation");
    assert_eq!(plugin["level"], "warning");
    let ldif = plugin["add"][1]["lines"].as_str().unwrap();
    server.admin().modify(ldif).unwrap();
    let mut server = server;
    server.restart().unwrap();
    assert_eq!(finding(&look(&server), "by content synchronisation: it was asked so")["level"], "ok");
}

#[test]
fn ds389_s_manager_is_refused() {
    let server = support::ds389();
    let report = look_as(server.as_ref(), MANAGER_DN, MANAGER_PASSWORD);
    assert_eq!(finding(&report, "the service is Directory Manager")["level"], "failure");
}

#[test]
fn a_domain_s_administrator_is_refused() {
    let server = support::samba();
    let report = look_as(server.as_ref(), samba::ADMIN, samba::ADMIN_PASSWORD);
    assert_eq!(finding(&report, "the service is an administrator of the domain")["level"], "failure");
}
