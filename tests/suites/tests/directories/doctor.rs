//! `parvisctl directory doctor` on each product: a fit server has no failure, nothing is changed by looking, and what is
//! printed for what is missing heals it, given to the server as it is printed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::ds389::{MANAGER_DN, MANAGER_PASSWORD};
use parvis_stand::slapd::{SERVICE_DN, SUFFIX};
use parvis_stand::{DirectoryServer, Ds389, Ds389Options, run, samba};
use serde_json::Value;

use crate::support;

/// A look by somebody, without a configuration.
pub fn look_as(server: &dyn DirectoryServer, dn: &str, password: &str) -> Value {
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

pub fn look(server: &dyn DirectoryServer) -> Value {
    let (dn, password) = server.service();
    look_as(server, dn, password)
}

pub fn of(report: &Value, level: &str) -> Vec<String> {
    let found = report["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == level);
    found.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect()
}

pub fn finding<'a>(report: &'a Value, words: &str) -> &'a Value {
    let mut found = report["findings"].as_array().unwrap().iter();
    let found = found.find(|finding| finding["what"].as_str().unwrap().contains(words));
    found.unwrap_or_else(|| panic!("no finding has {words:?}: {report:#}"))
}

/// Everybody, with whatever says that they were written to.
pub fn everybody(server: &dyn DirectoryServer) -> Vec<String> {
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
    let words =
        ["by content synchronisation: it was asked so", "may write all that activation writes", JUDGED];
    fit(support::ds389().as_ref(), &words);
}

#[test]
fn active_directory_that_is_fit() {
    let words =
        ["by DirSync: it was asked so", "may write all that activation writes", "may reset passwords"];
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

/// A change of `cn=config`.
fn configured(server: &Ds389, change: &str) {
    server.admin().modify(&format!("dn: cn=config\nchangetype: modify\n{change}\n")).unwrap();
}

const JUDGED: &str = "the server judges the passwords that the service writes";

/// Whoever is above the policy is refused, nothing is changed by asking, and what is printed ends it.
fn refused_then_healed(server: &Ds389, words: &str) -> Value {
    let before = everybody(server);
    let report = look(server);
    assert_eq!(of(&report, "failure").len(), 1, "{report:#}");
    let found = finding(&report, words).clone();
    assert_eq!((&found["level"], &report["ok"]), (&Value::from("failure"), &Value::Bool(false)), "{found}");
    assert_eq!(
        everybody(server),
        before,
        "looking changes nothing, though the server would take the password"
    );
    let lines = found["add"][0]["lines"].as_str().unwrap();
    if lines.starts_with("dn: ") {
        server.admin().modify(lines).unwrap();
        assert_eq!(finding(&look(server), JUDGED)["level"], "ok");
    }
    found
}

#[test]
fn ds389_s_password_administrator_is_refused() {
    let server = Ds389::start(&Ds389Options::default()).unwrap();
    assert_eq!(finding(&look(&server), JUDGED)["level"], "ok");
    let above = "a password administrator: it would take a password of one letter from it";

    // By name, and by either kind of group; cn=config is hidden, so it is found by trying.
    let group = |class: &str, member: &str| {
        let dn = format!("cn={class},ou=groups,{SUFFIX}");
        let entry = format!("dn: {dn}\nobjectClass: {class}\ncn: {class}\n{member}: {SERVICE_DN}\n");
        server.admin().add(&entry).unwrap();
        dn
    };
    let groups = [group("groupOfNames", "member"), group("groupOfUniqueNames", "uniqueMember")];
    for value in [SERVICE_DN, &groups[0], &groups[1]] {
        configured(&server, &format!("replace: passwordAdminDN\npasswordAdminDN: {value}"));
        let found = refused_then_healed(&server, above);
        // What is printed shows it to the server's administrator.
        let lines = found["add"][0]["lines"].as_str().unwrap();
        assert!(lines.contains(&format!("-H '{}' ", server.ldaps_url())), "{lines}");
        let (url, ldapi) = (server.ldaps_url(), server.ldapi_url());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), MANAGER_PASSWORD).unwrap();
        let asked = lines.replace(&url, &ldapi).replace(" -W", &format!(" -y {}", file.path().display()));
        let said = run::expect("sh".as_ref(), &["-c", &asked], b"").unwrap();
        assert!(said.replace("\n ", "").contains(&format!("passwordAdminDN: {value}")), "{asked}\n{said}");
    }

    // Where cn=config and the groups can be read, it says where from, and how to end it.
    let aci = |base: &str, names: &str| {
        let change = format!(
            "dn: {base}\nchangetype: modify\nadd: aci\naci: (targetattr = \"{names}\")(version 3.0; acl \"shown\"; \
             allow (read, search, compare) userdn = \"ldap:///{SERVICE_DN}\";)\n"
        );
        server.admin().modify(&change).unwrap();
    };
    aci("cn=config", "objectClass || passwordAdminDN");
    let by_name = "a password administrator (passwordAdminDN of cn=config)";
    configured(&server, &format!("replace: passwordAdminDN\npasswordAdminDN: {SERVICE_DN}"));
    refused_then_healed(&server, by_name);
    aci(&format!("ou=groups,{SUFFIX}"), "objectClass || member || uniqueMember");
    for value in &groups {
        configured(&server, &format!("replace: passwordAdminDN\npasswordAdminDN: {value}"));
        refused_then_healed(&server, &format!("a password administrator by the group {value}"));
    }
}

#[test]
fn ds389_s_administrator_of_a_part_of_the_tree_is_refused() {
    let server = Ds389::start(&Ds389Options::default()).unwrap();
    configured(&server, "replace: nsslapd-pwpolicy-local\nnsslapd-pwpolicy-local: on");
    let (people, kept) = (server.base(), format!("cn=nsPwPolicyContainer,{}", server.base()));
    let local = format!(
        "dn: {kept}\nobjectClass: nsContainer\ncn: nsPwPolicyContainer\n\n\
         dn: cn=policy,{kept}\nobjectClass: ldapsubentry\nobjectClass: passwordpolicy\ncn: policy\n\
         passwordCheckSyntax: on\npasswordMinLength: 8\npasswordAdminDN: {SERVICE_DN}\n\n\
         dn: cn=template,{kept}\nobjectClass: extensibleObject\nobjectClass: costemplate\n\
         objectClass: ldapsubentry\ncosPriority: 1\ncn: template\npwdpolicysubentry: cn=policy,{kept}\n\n\
         dn: cn=nsPwPolicy_CoS,{people}\nobjectClass: ldapsubentry\nobjectClass: cosSuperDefinition\n\
         objectClass: cosPointerDefinition\ncosTemplateDn: cn=template,{kept}\n\
         cosAttribute: pwdpolicysubentry default operational\ncn: nsPwPolicy_CoS\n"
    );
    server.admin().add(&local).unwrap();
    refused_then_healed(&server, &format!("(passwordAdminDN of cn=policy,{kept})"));
}

#[test]
fn ds389_that_judges_no_password_is_told_from_an_administrator() {
    let server = Ds389::start(&Ds389Options { policy: false, ..Ds389Options::default() }).unwrap();
    let report = look(&server);
    let found = finding(&report, "the server has no rule for a password");
    assert_eq!((&found["level"], &report["ok"]), (&Value::from("warning"), &Value::Bool(true)));
    server.admin().modify(found["add"][1]["lines"].as_str().unwrap()).unwrap();
    assert_eq!(finding(&look(&server), JUDGED)["level"], "ok");
}

#[test]
fn a_domain_s_administrator_is_refused() {
    let server = support::samba();
    let report = look_as(server.as_ref(), samba::ADMIN, samba::ADMIN_PASSWORD);
    assert_eq!(finding(&report, "the service is an administrator of the domain")["level"], "failure");
}
