//! Each server lives as the suites need it: people, TLS, rights, kills, backups; two of a kind side by side.

use parvis_stand::{Client, DirectoryServer, State, small};

use crate::support::{ds389, samba, slapd};

/// Everything a suite relies on, on two servers of a kind at once.
fn lives(start: fn() -> Box<dyn DirectoryServer>) {
    let other = std::thread::spawn(start);
    let mut server = start();
    let other = other.join().unwrap();
    assert_ne!(server.ldaps_address(), other.ldaps_address());
    people(&*server);
    tls(&*server);
    service(&*server);
    changes(&*server);
    deaths(&mut *server, &*other);
    drop(server);
    assert!(other.admin().entry(other.base()).unwrap().is_some(), "the other is not concerned");
}

fn people(server: &dyn DirectoryServer) {
    let people: Vec<_> = small().iter().map(|person| server.here(person)).collect();
    for person in &people {
        let entry = server.admin().entry(&person.dn).unwrap().unwrap();
        assert_eq!(entry.get("displayName"), Some(person.name.as_str()), "{}", server.name());
        // AD's own switch refuses the locked one; elsewhere an attribute of SUPANN says so, and the password works.
        let refused = person.state == State::Locked && server.name() == "Samba AD";
        let works = server.admin().bind_works(&person.dn, &person.provisional_password).unwrap();
        assert_eq!(works, !refused, "{}", person.login);
    }
    let first = &people[0];
    assert_eq!(first.state, State::Provisional);
    assert!(!server.admin().bind_works(&first.dn, "not-their-password").unwrap());
}

/// As anybody would come, over ldaps and with the stand's authority.
fn as_service(server: &dyn DirectoryServer) -> Client {
    let (dn, password) = server.service();
    let dir = std::env::temp_dir();
    Client::new(&dir, &server.ldaps_url(), dn, password, Some(&server.ca_file())).unwrap()
}

fn tls(server: &dyn DirectoryServer) {
    let base = server.base();
    assert!(as_service(server).entry(base).unwrap().is_some());
    let (dn, password) = server.service();
    let stranger = slapd();
    let wrong =
        Client::new(&std::env::temp_dir(), &server.ldaps_url(), dn, password, Some(&stranger.ca_file()));
    let error = wrong.unwrap().entry(base).unwrap_err().to_string();
    assert!(error.contains("Can't contact"), "{error}");
}

fn service(server: &dyn DirectoryServer) {
    let service = as_service(server);
    let seen = service.search(server.base(), "(objectClass=person)", &["displayName"]).unwrap();
    assert!(seen.len() >= small().len(), "{}: {}", server.name(), seen.len());
    let person = server.here(&small()[1]);
    let entry = service.entry(&person.dn).unwrap().unwrap();
    let secrets = ["userPassword", "passwordHistory", "unicodePwd"];
    assert!(secrets.iter().all(|name| entry.get(name).is_none()), "{entry}");
    let error = service.replace(&person.dn, "telephoneNumber", &["+33 1"]).unwrap_err().to_string();
    assert!(error.contains("(50)"), "{}: {error}", server.name());
    let error = service.delete(&person.dn).unwrap_err().to_string();
    assert!(error.contains("(50)"), "{}: {error}", server.name());
}

fn changes(server: &dyn DirectoryServer) {
    let mut person = small().remove(0);
    person.login = "new".into();
    let person = server.here(&person);
    assert!(person.dn.contains("new"), "a DN follows the login: {}", person.dn);
    server.add_person(&person).unwrap();
    let admin = server.admin();
    assert!(admin.bind_works(&person.dn, &person.provisional_password).unwrap());
    admin.replace(&person.dn, "title", &["Dr"]).unwrap();
    let head = person.dn.split('=').next().unwrap();
    admin.rename(&person.dn, &format!("{head}=renamed"), None).unwrap();
    let renamed = person.dn.replacen("new", "renamed", 1);
    assert_eq!(admin.entry(&renamed).unwrap().unwrap().get("title"), Some("Dr"));
    assert_eq!(admin.entry(&person.dn).unwrap(), None);
    admin.delete(&renamed).unwrap();
    assert_eq!(admin.entry(&renamed).unwrap(), None);
}

fn deaths(server: &mut dyn DirectoryServer, other: &dyn DirectoryServer) {
    let dn = server.here(&small()[2]).dn;
    let title = |server: &dyn DirectoryServer| {
        let entry = server.admin().entry(&dn).unwrap().unwrap();
        entry.get("title").map(str::to_owned)
    };
    let address = server.ldaps_address();
    server.admin().replace(&dn, "title", &["one"]).unwrap();
    server.kill9();
    assert!(server.admin().entry(&dn).is_err(), "nothing answers while it is down");
    server.restart().unwrap();
    assert_eq!((title(server).as_deref(), server.ldaps_address()), (Some("one"), address));
    let backup = server.backup().unwrap();
    server.admin().replace(&dn, "title", &["two"]).unwrap();
    server.restart().unwrap();
    assert_eq!(title(server).as_deref(), Some("two"));
    server.restore(&backup).unwrap();
    assert_eq!(title(server).as_deref(), Some("one"), "a restored backup is older");
    server.pause().unwrap();
    server.resume().unwrap();
    assert_eq!(title(server).as_deref(), Some("one"));
    assert_eq!(title(other), None);
}

#[test]
fn openldap_lives() {
    lives(slapd);
}

#[test]
fn ds389_lives() {
    lives(ds389);
}

#[test]
fn samba_lives() {
    lives(samba);
}
