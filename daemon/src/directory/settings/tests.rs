//! What settings are refused, and in which words.

use super::*;

fn faults(change: impl FnOnce(&mut Settings)) -> Vec<String> {
    let mut settings = Settings { base: "dc=univ,dc=test".to_owned(), ..Settings::default() };
    change(&mut settings);
    settings.prepare().err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn simple(password: &str) -> Bind {
    Bind::Simple { dn: "cn=parvis".to_owned(), password: password.into() }
}

#[test]
fn the_defaults_with_a_base_are_good() {
    assert_eq!(faults(|_| ()), Vec::<String>::new());
}

#[test]
fn clear_text_stays_on_this_host_unless_allowed() {
    let to = |uri: &str, allow| {
        faults(|settings| {
            settings.uris = vec![uri.to_owned()];
            settings.bind = simple("x");
            settings.allow_clear_text = allow;
        })
    };
    assert_eq!(to("ldap://localhost", false), Vec::<String>::new());
    assert_eq!(to("ldap://[::1]:3389/", false), Vec::<String>::new());
    assert_eq!(to("ldap://ldap.univ.test", true), Vec::<String>::new());
    assert!(to("ldap://ldap.univ.test", false)[0].contains("clear text"));
    assert!(to("ldap://127.0.0.1.evil.test", false)[0].contains("clear text"));
}

#[test]
fn every_fault_is_said_at_once() {
    let all = faults(|settings| {
        settings.uris = vec!["http://x".to_owned(), "ldap://a/b".to_owned(), "ldap://h:99999".to_owned()];
        settings.base = String::new();
        settings.bind = simple("");
        settings.login_filter = "(uid=x)".to_owned();
        settings.locked = "(cn:caseExactMatch:=x)".to_owned();
        settings.connections = 0;
    });
    for key in ["uris", "base", "bind", "login-filter", "locked", "connections"] {
        assert!(all.iter().any(|words| words.starts_with(key)), "{key} in {all:?}");
    }
}

#[test]
fn the_password_attribute_is_never_asked_for() {
    assert!(faults(|settings| settings.active = "(userPassword=*)".to_owned())[0].contains("userPassword"));
}

#[test]
fn a_login_cannot_leave_its_place_in_the_filter() {
    let settings = Settings { base: "dc=test".to_owned(), ..Settings::default() };
    let prepared = settings.prepare().unwrap();
    assert_eq!(prepared.login_filter("a)(uid=*"), r"(uid=a\29\28uid=\2a)");
}
