//! The ways to follow changes that the stand's servers are started with, as the service account may use them.

use parvis_stand::{
    Client, DirectoryServer, Ds389, Ds389Options, SambaAd, SambaAdOptions, ldif, samba, small,
};

fn service(server: &dyn DirectoryServer) -> Client {
    let (dn, password) = server.service();
    Client::new(&std::env::temp_dir(), &server.ldaps_url(), dn, password, Some(&server.ca_file())).unwrap()
}

const SYNC: &str = "1.3.6.1.4.1.4203.1.9.1.1";

#[test]
fn ds389_synchronises_for_the_service_and_keeps_a_change_log() {
    let server = Ds389::start(&Ds389Options::default()).unwrap();
    let service = service(&server);
    let args = ["-LLL", "-E", "!sync=ro", "-b", server.base(), "(objectClass=person)", "uid"];
    let text = service.tool("ldapsearch", &args, "").unwrap();
    assert_eq!(ldif::parse(&text).iter().filter(|entry| entry.get("uid").is_some()).count(), small().len());
    server.admin().replace(&small()[0].dn, "title", &["Dr"]).unwrap();
    let last =
        server.admin().search("cn=changelog", "(changeType=modify)", &["targetDn", "changes"]).unwrap();
    assert_eq!(last.last().unwrap().get("targetDn"), Some(small()[0].dn.as_str()));
    assert!(last.last().unwrap().get("changes").unwrap().contains("title: Dr"));
}

#[test]
fn ds389_is_what_the_options_say() {
    let options = Ds389Options {
        people: small().into_iter().take(2).collect(),
        more: "dn: cn=g,ou=groups,dc=univ,dc=example\nobjectClass: groupOfNames\nobjectClass: top\ncn: g\n\
               member: uid=elefevre,ou=people,dc=univ,dc=example\n"
            .into(),
        changelog: false,
        usn: true,
        policy: false,
        writable: vec!["description".into()],
        ..Ds389Options::default()
    };
    let server = Ds389::start(&options).unwrap();
    let root = server.admin().entry("").unwrap().unwrap();
    assert!(!root.has("supportedControl", SYNC), "no synchronisation without a change log");
    assert_eq!(root.values("namingContexts"), ["dc=univ,dc=example"]);
    let dn = &small()[0].dn;
    let entry = || server.admin().entry_with(dn, &["entryusn"]).unwrap().unwrap();
    let before = entry();
    service(&server).replace(dn, "description", &["x"]).unwrap();
    let after = entry();
    let usn = |entry: &parvis_stand::Entry| entry.get("entryusn").unwrap().parse::<u64>().unwrap();
    assert!(usn(&after) > usn(&before));
    let error = service(&server).replace(dn, "userPassword", &["Pas-Le-Droit-2026"]).unwrap_err().to_string();
    assert!(error.contains("(50)"), "{error}");
    server.admin().as_user(dn, &small()[0].provisional_password).unwrap().entry(dn).unwrap().unwrap();
    let member = server.admin().entry(&small()[1].dn).unwrap().unwrap();
    assert_eq!(member.get("memberOf"), Some("cn=g,ou=groups,dc=univ,dc=example"));
}

#[test]
fn samba_lets_the_service_follow_and_nobody_else() {
    let server = SambaAd::start(&SambaAdOptions { must_change: false, ..SambaAdOptions::default() }).unwrap();
    // 0: no flags, and as many attributes as there are.
    let args = ["-LLL", "-E", "!dirSync=0/0", "-b", samba::SUFFIX, "(&(objectClass=user)(employeeType=*))"];
    let args = [&args[..], &["sAMAccountName"]].concat();
    let text = service(&server).tool("ldapsearch", &args, "").unwrap();
    let logins = ldif::parse(&text).iter().filter(|entry| entry.get("sAMAccountName").is_some()).count();
    assert_eq!(logins, small().len(), "{text}");
    let person = server.here(&small()[0]);
    let other = server.admin().as_user(&person.dn, &person.provisional_password).unwrap();
    let out = other.call("ldapsearch", &args, "").unwrap();
    assert_ne!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stdout));
}
