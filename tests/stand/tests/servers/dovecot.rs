//! The private Dovecot, alone.

use parvis_stand::{Dovecot, DovecotOptions};

#[test]
fn it_starts_stops_and_has_a_place_for_a_configuration_of_the_tests_own() {
    let files = vec![
        ("users".to_owned(), "marie:{PLAIN}secret::::::\n".to_owned()),
        ("sieve/try.sieve".to_owned(), "require \"copy\";\nkeep;\n".to_owned()),
    ];
    let config = "passdb {\n  driver = passwd-file\n  args = /etc/dovecot/users\n}\n\
                  userdb {\n  driver = passwd-file\n  args = /etc/dovecot/users\n}\n\
                  mail_home = /var/vmail/%n\nmail_location = maildir:~/Maildir\nmail_uid = mail\nmail_gid = mail\n\
                  service auth {\n  user = root\n}\n";
    let dovecot = Dovecot::start(&DovecotOptions { config: config.to_owned(), files }).unwrap();
    assert_eq!(dovecot.mailbox("marie").unwrap(), vec![], "no mailbox yet");
    assert_eq!(dovecot.read_by_imap("marie", "secret").unwrap(), Vec::<String>::new(), "{}", dovecot.log());
    assert!(dovecot.read_by_imap("marie", "wrong").is_err());
    assert!(dovecot.homes().join("marie/Maildir").is_dir());
    let port = dovecot.imap_port();
    drop(dovecot);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_script_that_sievec_refuses_is_an_error_with_its_words() {
    let files = vec![("sieve/bad.sieve".to_owned(), "nonsense;\n".to_owned())];
    let error = Dovecot::start(&DovecotOptions { files, ..DovecotOptions::default() }).unwrap_err();
    assert!(format!("{error:#}").contains("nonsense"), "{error:#}");
}
