//! Each server lives as the suites need it: people, TLS, rights, kills, backups; two of a kind side by side.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use parvis_stand::{Client, DirectoryServer, Fault, Proxy, State, small};

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
    proxied(&*server);
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
    let mut asked = asked(server);
    let mut answer = [0; 1];
    asked.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(asked.read(&mut answer).is_err(), "nothing answers while it is frozen");
    server.resume().unwrap();
    asked.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(asked.read(&mut answer).unwrap(), 1);
    assert_eq!(title(server).as_deref(), Some("one"));
    assert_eq!(title(other), None);
}

/// A connection in clear on which an anonymous bind was sent.
fn asked(server: &dyn DirectoryServer) -> TcpStream {
    let url = server.url();
    let host = url.strip_prefix("ldap://").unwrap();
    let (host, port) = host.split_once(':').map_or((host, 389), |(host, port)| (host, port.parse().unwrap()));
    let mut stream = TcpStream::connect((host, port)).unwrap();
    stream.write_all(b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00").unwrap();
    stream
}

/// A fault proxy stands before any of them, and the certificate is right there too.
fn proxied(server: &dyn DirectoryServer) {
    let proxy = Proxy::before(server.ldaps_address()).unwrap();
    let (dn, password) = server.service();
    let url = format!("ldaps://localhost:{}", proxy.port());
    let service = Client::new(&std::env::temp_dir(), &url, dn, password, Some(&server.ca_file())).unwrap();
    assert!(service.entry(server.base()).unwrap().is_some());
    proxy.fault(Fault::Reset);
    assert!(service.entry(server.base()).is_err());
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
