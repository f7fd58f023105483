//! `directory doctor`: a server that is fit has no failure; what is missing is found, and what it prints, given to the
//! server as it is printed, heals it. Whatever it tries changes nothing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::slapd::{ADMIN_DN, ADMIN_PASSWORD, PEOPLE, SERVICE_DN, SERVICE_PASSWORD, SUFFIX};
use parvis_stand::{Slapd, SlapdOptions, campus, run};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::Said;

const DATABASE: &str = "olcDatabase={1}mdb,cn=config";

/// A server, and somebody who looks at it without a configuration.
struct Visit {
    slapd: Slapd,
    dir: TempDir,
}

impl Visit {
    fn to(options: SlapdOptions) -> Visit {
        Visit { slapd: Slapd::start(options).unwrap(), dir: tempfile::tempdir().unwrap() }
    }

    fn secret(&self, password: &str, mode: u32) -> String {
        let file = self.dir.path().join("password");
        std::fs::write(&file, password).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        file.display().to_string()
    }

    fn run(&self, args: &[&str]) -> Said {
        let mut command = Command::new(binaries(Profile::Dev).unwrap().parvisctl);
        command.env_remove("CREDENTIALS_DIRECTORY").arg("--config").arg(self.dir.path().join("absent.toml"));
        command.args(["directory", "doctor"]).args(args);
        let said = Said::of(&run::feed(command, b"").unwrap());
        for secret in [SERVICE_PASSWORD, ADMIN_PASSWORD] {
            assert!(!said.out.contains(secret) && !said.err.contains(secret), "{said:?}");
        }
        said
    }

    fn look_as(&self, dn: &str, password: &str, more: &[&str]) -> Said {
        let (uri, ca) = (self.slapd.ldaps_url(), self.slapd.ca_file().display().to_string());
        let file = self.secret(password, 0o600);
        let fixed = ["--uri", &uri, "--ca-file", &ca, "--bind-dn", dn, "--password-file", &file];
        self.run(&[&fixed[..], more].concat())
    }

    fn look(&self) -> Value {
        self.look_as(SERVICE_DN, SERVICE_PASSWORD, &["--json"]).json()
    }

    /// Everything in the directory, operational attributes and all.
    fn everything(&self) -> Vec<String> {
        let all = self.slapd.search(SUFFIX, "(objectClass=*)", &["*", "+"]).unwrap();
        all.iter().map(|entry| format!("{entry}{:?}", entry.values("userPassword"))).collect()
    }

    fn configure(&self, change: &str) {
        self.slapd.configure(&format!("dn: {DATABASE}\nchangetype: modify\n{change}\n")).unwrap();
    }

    /// What is printed for whatever is not as it should be and has these words, given to the server.
    fn heal(&self, report: &Value, words: &str) {
        let found = finding(report, words);
        let add = found["add"].as_array().unwrap_or_else(|| panic!("nothing to add: {found:#}"));
        let first = add.first().unwrap();
        assert!(first["form"].as_str().unwrap().starts_with("LDIF for cn=config"), "{first:#}");
        self.slapd.configure(first["lines"].as_str().unwrap()).unwrap();
    }
}

fn findings(report: &Value) -> &Vec<Value> {
    report["findings"].as_array().unwrap()
}

fn finding<'a>(report: &'a Value, words: &str) -> &'a Value {
    let found = findings(report).iter().find(|finding| finding["what"].as_str().unwrap().contains(words));
    found.unwrap_or_else(|| panic!("no finding has {words:?}: {report:#}"))
}

fn level(report: &Value, level: &str) -> Vec<String> {
    let found = findings(report).iter().filter(|finding| finding["level"] == level);
    found.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_fit_server_has_no_failure_and_nothing_is_changed() {
    for config_readable in [true, false] {
        let visit = Visit::to(SlapdOptions { config_readable, ..SlapdOptions::default() });
        let before = visit.everything();
        let report = visit.look();
        assert_eq!((level(&report, "failure"), &report["ok"]), (vec![], &Value::Bool(true)));
        for words in [
            "the base is taken to be ou=people,dc=univ,dc=example",
            "the server is OpenLDAP",
            "by content synchronisation: it was asked so",
            "entries can be read in pages",
            "the service may write all that activation writes",
            "nothing that the filters and the rules look at is hidden",
            "the server judges the passwords that the service writes",
        ] {
            assert_eq!(finding(&report, words)["level"], "ok", "{words}");
        }
        if config_readable {
            assert_eq!(level(&report, "warning"), Vec::<String>::new(), "{report:#}");
        }
        assert_eq!(visit.everything(), before, "not even a time of modification");
        let text = visit.look_as(SERVICE_DN, SERVICE_PASSWORD, &["--base", PEOPLE]).code(0);
        assert!(text.out.contains("the watch and the writes can work"), "{}", text.out);
    }
}

#[test]
fn a_missing_right_is_named_and_the_printed_rules_give_it() {
    let writable = vec!["supannRessourceEtat".to_owned()];
    let visit = Visit::to(SlapdOptions { writable, config_readable: false, ..SlapdOptions::default() });
    let before = visit.everything();
    let report = visit.look();
    let found = finding(&report, "the service may not write")["what"].as_str().unwrap().to_owned();
    assert!(found.contains("supannListeRouge") && found.contains("mailForwardingAddress"), "{found}");
    assert!(!found.contains("supannRessourceEtat,") && !found.contains("userPassword"), "{found}");
    let text = visit.look_as(SERVICE_DN, SERVICE_PASSWORD, &[]).code(1).out;
    assert!(text.contains("\nolcAccess: {0}to dn.subtree=\"ou=people,dc=univ,dc=example\""), "{text}");
    assert_eq!(visit.everything(), before, "nothing is changed");
    visit.heal(&report, "the service may not write");
    let healed = visit.look();
    assert_eq!(level(&healed, "failure"), Vec::<String>::new());
    assert_eq!(visit.everything(), before, "nor where it is allowed");

    // The password's right alone, and a right to read.
    for (rule, words) in [
        ("to attrs=userPassword by anonymous auth by * none", "the service may not write userPassword"),
        ("to attrs=supannListeRouge by * =w", "hidden from the service: supannlisterouge"),
        ("to attrs=supannRessourceEtat by * =wr", "hidden from the service: supannressourceetat"),
    ] {
        visit.configure(&format!("add: olcAccess\nolcAccess: {{0}}{rule}"));
        let report = visit.look();
        assert_eq!(finding(&report, words)["level"], "failure");
        visit.heal(&report, words);
        assert_eq!(level(&visit.look(), "failure"), Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn a_limit_is_met_and_the_printed_lines_lift_it() {
    let visit = Visit::to(SlapdOptions::default());
    let limits = format!("olcLimits: dn.exact=\"{SERVICE_DN}\" size=3\nolcLimits: users size=4");
    visit.configure(&format!("replace: olcLimits\n{limits}"));
    let report = visit.look();
    assert_eq!(finding(&report, "one search ends after 3 entries")["level"], "failure");
    assert_eq!(finding(&report, "reading in pages ends after 3 entries")["level"], "failure");
    assert!(
        finding(&report, "one search ends")["add"][0]["lines"].as_str().unwrap().contains("{1}users size=4")
    );
    visit.heal(&report, "one search ends after 3 entries");
    assert_eq!(level(&visit.look(), "failure"), Vec::<String>::new());

    // The database's own limit, and a server that hides its configuration.
    let visit = Visit::to(SlapdOptions { config_readable: false, ..SlapdOptions::default() });
    visit.configure("delete: olcLimits\n-\nreplace: olcSizeLimit\nolcSizeLimit: 5");
    let report = visit.look();
    assert_eq!(finding(&report, "one search ends after 5 entries")["level"], "failure");
    visit.heal(&report, "one search ends after 5 entries");
    assert_eq!(level(&visit.look(), "failure"), Vec::<String>::new());
}

#[test]
fn whoever_skips_the_password_policy_is_refused() {
    let visit = Visit::to(SlapdOptions::default());
    let before = visit.everything();
    visit.configure(&format!(
        "add: olcAccess\nolcAccess: {{0}}to * by dn.exact=\"{SERVICE_DN}\" manage by * break"
    ));
    let report = visit.look();
    let words = "the service is the database's root or has `manage`";
    assert_eq!(finding(&report, words)["level"], "failure");
    visit.heal(&report, words);
    assert_eq!(level(&visit.look(), "failure"), Vec::<String>::new());

    let root = visit.look_as(ADMIN_DN, ADMIN_PASSWORD, &["--json"]).code(1).json();
    let found = finding(&root, words);
    let lines: String = found["add"].as_array().unwrap().iter().map(|a| a["lines"].to_string()).collect();
    assert!(lines.contains("dn: cn=parvis,dc=univ,dc=example"), "another identity: {lines}");
    assert_eq!(visit.everything(), before, "not even by the root, who may write anything");

    // A policy that lets everything pass is no policy.
    let policy = format!("cn=default,ou=policies,{SUFFIX}");
    visit.slapd.replace(&policy, "pwdCheckQuality", &["0"]).unwrap();
    assert_eq!(finding(&visit.look(), "would take a password of one letter")["level"], "failure");
}

#[test]
fn what_works_less_well_is_a_warning_and_the_printed_lines_mend_it() {
    let visit = Visit::to(SlapdOptions { hash_cleartext: false, ..SlapdOptions::default() });
    visit.slapd.configure(&format!("dn: olcOverlay={{1}}syncprov,{DATABASE}\nchangetype: delete\n")).unwrap();
    visit.configure("replace: olcDbIndex\nolcDbIndex: objectClass,uid eq");
    let report = visit.look();
    assert_eq!(level(&report, "failure"), Vec::<String>::new());
    assert_eq!(finding(&report, "by asking at intervals: it was asked so")["level"], "ok");
    for words in [
        "cannot be followed by content synchronisation",
        "activation takes two operations",
        "not indexed: entryUUID, entryCSN, supannressourceetat, mail, mailalternateaddress",
    ] {
        assert_eq!(finding(&report, words)["level"], "warning");
        assert!(
            !words.contains("followed")
                || finding(&report, words)["expected"].as_str().unwrap().contains("syncprov")
        );
        visit.heal(&report, words);
    }
    let healed = visit.look();
    assert_eq!(level(&healed, "warning"), Vec::<String>::new(), "{healed:#}");
    assert_eq!(finding(&healed, "by content synchronisation: it was asked so")["level"], "ok");
    assert_eq!(finding(&healed, "activation is one Modify")["level"], "ok");
}

#[test]
fn a_look_up_that_reads_everybody_is_found_by_its_time_where_the_configuration_is_hidden() {
    let visit =
        Visit::to(SlapdOptions { people: campus(10_000), config_readable: false, ..SlapdOptions::default() });
    let fine = "nobody is read but whom is looked for";
    assert_eq!(finding(&visit.look(), fine)["level"], "ok");
    visit.configure(
        "replace: olcDbIndex\nolcDbIndex: objectClass,uid,supannRessourceEtat,entryUUID,entryCSN eq",
    );
    let report = visit.look();
    let found = finding(&report, "looking for somebody by address takes");
    assert_eq!(found["level"], "warning");
    assert!(found["action"].as_str().unwrap().contains("directory.address-filter"), "{found}");
    let slow = level(&report, "warning").into_iter().filter(|what| what.starts_with("looking for")).count();
    assert_eq!(slow, 1, "not by login: {report:#}");
}

#[test]
fn without_syncprov_it_says_what_to_add_and_that_is_enough() {
    let visit = Visit::to(SlapdOptions { syncprov: false, ..SlapdOptions::default() });
    let text = visit.look_as(SERVICE_DN, SERVICE_PASSWORD, &[]).code(0).out;
    for words in [
        "warning  the directory is not offered to be followed by content synchronisation\n",
        "expected: the overlay syncprov on the database that holds the people\n",
        "to do: add it to the server, by the lines below",
        "\nolcModuleLoad: syncprov\n",
        &format!("\ndn: olcOverlay=syncprov,{DATABASE}\nchangetype: add\n"),
        "\noverlay syncprov\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let report = visit.look();
    assert_eq!(finding(&report, "by asking at intervals: it was asked so")["level"], "ok");
    visit.heal(&report, "not offered to be followed by content synchronisation");
    let healed = visit.look();
    assert_eq!(level(&healed, "warning"), Vec::<String>::new(), "{healed:#}");
    assert_eq!(finding(&healed, "by content synchronisation: it was asked so")["level"], "ok");
}

#[test]
fn without_a_configuration_every_failure_has_words() {
    let visit = Visit::to(SlapdOptions::default());
    let (uri, ldaps) = (visit.slapd.url(), visit.slapd.ldaps_url());
    let said = |args: &[&str], code: i32, words: &str| {
        let said = visit.run(args).code(code);
        assert!(said.out.contains(words) || said.err.contains(words), "{words}: {said:#?}");
    };
    said(&[], 64, "name the server with --uri");
    said(&["--uri", "ldap://192.0.2.1"], 64, "clear text to another host");
    said(&["--uri", "http://x"], 64, "is not ldap, ldaps or ldapi");
    said(&["--uri", &uri, "--bind-dn", SERVICE_DN], 64, "--password-file");
    said(&["--uri", "ldap://127.0.0.1:1"], 1, "cannot be reached");
    said(&["--uri", &ldaps], 1, "cannot be reached");
    // Before there is an account: what the server is, and how to make one.
    said(&["--uri", &uri], 1, "dn: cn=parvis,dc=univ,dc=example\nchangetype: add\n");
    said(&["--uri", &uri], 1, "the server is OpenLDAP");

    let wrong = visit.look_as(SERVICE_DN, "another-password", &[]).code(1);
    assert!(
        wrong.out.contains("refuses the service") && wrong.out.contains("invalidCredentials"),
        "{wrong:#?}"
    );
    let open = visit.secret(SERVICE_PASSWORD, 0o644);
    said(
        &["--uri", &uri, "--bind-dn", SERVICE_DN, "--password-file", &open],
        64,
        "can be read by everybody (mode 644)",
    );
    let absent = Path::new("/nowhere/password").display().to_string();
    said(&["--uri", &uri, "--bind-dn", SERVICE_DN, "--password-file", &absent], 64, "cannot read /nowhere");
}
