//! Rights in Active Directory: the doctor tells what the server then does, and what it prints, run as it is printed,
//! gives what was missing.

use parvis_stand::samba::{SERVICE_PASSWORD, unicode};
use parvis_stand::{DirectoryServer, SambaAd, SambaAdOptions};
use serde_json::Value;

use crate::doctor::{everybody, finding, look, look_as, of};

const RESETS: &str = "the service may reset passwords: read on ";
const RESETS_NOT: &str = "the service may not reset the password of ";

/// People whose password is not to be changed at once: AD would refuse their bind.
fn samba() -> SambaAd {
    SambaAd::start(&SambaAdOptions { must_change: false, ..SambaAdOptions::default() }).unwrap()
}

/// Does the server let this account set a password?
fn resets(server: &SambaAd, account: &str, person: &str) -> bool {
    let (change, password) =
        (format!("dn: {person}\nchangetype: modify\nreplace: unicodePwd\n"), unicode("Zq7-vtixqubo-58"));
    let client = server.admin().as_user(account, SERVICE_PASSWORD).unwrap();
    let said = client.call("ldapmodify", &[], &format!("{change}unicodePwd:: {password}\n")).unwrap();
    assert!(matches!(said.status.code(), Some(0 | 50)), "{said:?}");
    said.status.code() == Some(0)
}

/// What is printed for Samba.
fn printed<'a>(report: &'a Value, words: &str) -> &'a str {
    let found = finding(report, words);
    let all = found["add"].as_array().unwrap();
    let samba = all.iter().find(|add| add["form"].as_str().unwrap().contains("Samba"));
    samba.unwrap_or_else(|| panic!("{found:#}"))["lines"].as_str().unwrap()
}

/// Whom the doctor looked at.
fn person(report: &Value) -> String {
    finding(report, RESETS)["what"].as_str().unwrap().strip_prefix(RESETS).unwrap().to_owned()
}

fn sid(server: &SambaAd, kind: &str, name: &str) -> String {
    let shown = server.shell(&format!("samba-tool {kind} show {name} --attributes=objectSid")).unwrap();
    shown.lines().find_map(|line| line.strip_prefix("objectSid: ")).unwrap().to_owned()
}

#[test]
fn what_is_printed_gives_an_account_its_rights() {
    let server = samba();
    let other = server.add_account("activation d'ici").unwrap();
    let before = everybody(&server);
    let report = look_as(&server, &other, SERVICE_PASSWORD);
    assert_eq!(of(&report, "failure").len(), 2, "{report:#}");
    let found = finding(&report, RESETS_NOT);
    let person = found["what"].as_str().unwrap().strip_prefix(RESETS_NOT).unwrap().to_owned();
    assert!(!resets(&server, &other, &person));
    assert_eq!(finding(&report, "the service may not write employeeType")["level"], "failure");
    assert_eq!(finding(&report, "cannot be followed by DirSync")["level"], "warning");
    assert_eq!(everybody(&server), before, "looking changes nothing");
    let windows = found["add"][0]["lines"].as_str().unwrap();
    for line in [
        "$parvis = 'UNIVAD\\activation d''ici'\n",
        "dsacls 'OU=people,DC=ad,DC=univ,DC=example' /I:S /G \"$($parvis):CA;Reset Password;user\"\n",
        "dsacls 'OU=people,DC=ad,DC=univ,DC=example' /I:S /G \"$($parvis):RPWP;employeeType;user\"\n",
    ] {
        assert!(windows.contains(line), "{line}: {windows}");
    }

    server.shell(printed(&report, "cannot be followed by DirSync")).unwrap();
    let report = look_as(&server, &other, SERVICE_PASSWORD);
    assert_eq!(finding(&report, "by DirSync: it was asked so")["level"], "ok");
    assert_eq!(of(&report, "failure").len(), 2, "nothing else was given: {report:#}");
    server.shell(printed(&report, RESETS_NOT)).unwrap();
    let healed = look_as(&server, &other, SERVICE_PASSWORD);
    assert_eq!(of(&healed, "failure"), Vec::<String>::new(), "{healed:#}");
    assert_eq!((finding(&healed, RESETS)["level"].as_str(), &healed["ok"]), (Some("ok"), &Value::Bool(true)));
    assert!(resets(&server, &other, &person));
    // Not one attribute more than was asked for.
    let change = format!("dn: {person}\nchangetype: modify\nreplace: description\ndescription: x\n");
    assert!(server.admin().as_user(&other, SERVICE_PASSWORD).unwrap().modify(&change).is_err());
}

#[test]
fn an_account_that_is_not_there_yet_is_made_by_what_is_printed() {
    let server = samba();
    let report = look_as(&server, "administrator@ad.univ.example", parvis_stand::samba::ADMIN_PASSWORD);
    let found = finding(&report, "an administrator of the domain");
    let lines: Vec<&str> =
        found["add"].as_array().unwrap().iter().map(|add| add["lines"].as_str().unwrap()).collect();
    // The stand's own account has this name: it is given away first.
    let renamed = "samba-tool user rename parvis --samaccountname=former --force-new-cn=former --upn=former@ad.univ.example";
    server.shell(renamed).unwrap();
    assert!(lines[1].starts_with("samba-tool user create 'parvis'\n"), "{lines:#?}");
    server.shell(&format!("{} {SERVICE_PASSWORD}", lines[1].trim_end())).unwrap();
    server.shell(lines[3]).unwrap();
    let report = look_as(&server, "parvis@ad.univ.example", SERVICE_PASSWORD);
    assert_eq!(of(&report, "failure"), Vec::<String>::new(), "{report:#}");
    assert_eq!(finding(&report, RESETS)["level"], "ok");
}

#[test]
fn a_right_by_a_group_and_a_denial_are_told_as_the_server_takes_them() {
    let server = samba();
    let service = server.service().0.to_owned();
    let person = person(&look(&server));
    assert!(resets(&server, &service, &person));

    let other = server.add_account("other").unwrap();
    server.shell("samba-tool group add resetters && samba-tool group addmembers resetters other").unwrap();
    let by_group = sid(&server, "group", "resetters");
    let right = "00299570-246d-11d0-a768-00aa006e0529";
    let set = |object: &str, rule: &str| {
        server.shell(&format!("samba-tool dsacl set --objectdn='{object}' --sddl='{rule}'")).unwrap();
    };
    assert!(!resets(&server, &other, &person));
    set(server.base(), &format!("(OA;CIIO;CR;{right};bf967aba-0de6-11d0-a285-00aa003049e2;{by_group})"));
    let report = look_as(&server, &other, SERVICE_PASSWORD);
    assert_eq!(finding(&report, RESETS)["level"], "ok");
    assert!(resets(&server, &other, &person));

    // On the entry itself, before what it has from above.
    let ours = sid(&server, "user", "parvis");
    set(&person, &format!("(OD;;CR;{right};;{ours})"));
    let report = look(&server);
    assert_eq!((&finding(&report, RESETS_NOT)["level"], &report["ok"]), (&"failure".into(), &false.into()));
    assert!(!resets(&server, &service, &person));
    assert!(resets(&server, &other, &person));
}

#[test]
fn permissions_that_are_hidden_are_a_warning_with_the_command_that_shows_them() {
    let server = samba();
    let person = person(&look(&server));
    let rule = format!("(D;;RC;;;{})", sid(&server, "user", "parvis"));
    server.shell(&format!("samba-tool dsacl set --objectdn='{person}' --sddl='{rule}'")).unwrap();
    let report = look(&server);
    let words = format!("whether the service may reset the password of {person} cannot be read");
    assert_eq!((&finding(&report, &words)["level"], &report["ok"]), (&"warning".into(), &true.into()));
    assert!(server.shell(printed(&report, &words)).unwrap().contains(&rule));
}
