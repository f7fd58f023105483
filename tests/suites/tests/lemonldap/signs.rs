//! What is passed on of a person, and what is written down.

use anyhow::{Result, ensure};
use parvis_stand::LemonOptions;
use parvis_stand::scene::{SceneOptions, at};
use serde_json::json;

use crate::fake::{Fake, Manner};
use crate::support::{ACTIVE, Campus, LOCKED, NEW, configured, person};

/// A portal that asks through somebody who writes down what is asked.
fn overheard(lemon: LemonOptions) -> Result<(Campus, Fake)> {
    let fake = Fake::new(Manner::Silent)?;
    let campus = Campus::with(SceneOptions::default(), lemon, &[("parvisSocket", &fake.socket())])?;
    fake.becomes(Manner::Relay(campus.scene.daemon.layout().hook_socket()));
    Ok((campus, fake))
}

#[test]
fn the_daemon_is_told_who_from_where_in_which_language_and_where_to() -> Result<()> {
    let (campus, fake) = overheard(LemonOptions::default())?;
    let portal = campus.lemon.ports().portal_url();
    let password = person(NEW).provisional_password;
    let headers = [
        ("X-Forwarded-For", "2001:db8::7"),
        ("User-Agent", "Téléphone/1.0"),
        ("Accept-Language", "de,en;q=0.5,fr;q=0.8"),
    ];
    let sign_in = |path: &str, more: &[(&str, &str)]| {
        let all = [&headers[..], more].concat();
        campus.lemon.post(path, &all, &[("user", NEW), ("password", &password)])
    };
    campus.sent_to_activation(&sign_in("/", &[])?)?;
    let heard = fake.heard()?;
    assert_eq!(
        heard,
        json!({
            "login": "mdurand", "authenticated": true, "locale": "fr", "return_to": portal,
            "client": { "ip": "2001:db8::7", "user_agent": "Téléphone/1.0" },
        })
    );
    sign_in("/", &[("Cookie", "llnglanguage=en")])?;
    assert_eq!(at(&fake.heard()?, "/locale"), "en");
    sign_in("/", &[("Accept-Language", "de, it;q=0.4")])?;
    assert_eq!(fake.heard()?.get("locale"), None, "the person's own, or the campus's");
    // The application that the handler sent the person from: http://app.univ.example/notes?year=2026&x=é
    let wanted = "aHR0cDovL2FwcC51bml2LmV4YW1wbGUvbm90ZXM/eWVhcj0yMDI2Jng9w6k=";
    sign_in(&format!("/?url={}", wanted.replace('=', "%3D")), &[])?;
    let back = at(&fake.heard()?, "/return_to").clone();
    let back = back.as_str().unwrap_or_default();
    let held = back.strip_prefix(&format!("{portal}?url=")).unwrap_or_default().to_owned();
    ensure!(held.starts_with("aHR0cDovL2FwcC51bml2LmV4YW1wbGUvbm90ZXM"), "{back}");
    // CAS, from its own address; and from the portal's, where the browser holds what was begun.
    let cas = "cas/login?service=http%3A%2F%2Fapp.univ.example%2Fcas-app%2Fcourse%3Fid%3D7";
    sign_in(&format!("/{cas}"), &[])?;
    assert_eq!(at(&fake.heard()?, "/return_to"), &json!(format!("{portal}{cas}")));
    let begun = campus.lemon.get(&format!("/{cas}"), &headers)?;
    let pdata = format!("lemonldappdata={}", begun.cookie("lemonldappdata").unwrap_or_default());
    let reply = sign_in("/", &[("Cookie", &pdata)])?;
    // It goes with the person, and is not left in the browser.
    let taken = reply.headers.iter().any(|(_, value)| value.starts_with("lemonldappdata=;"));
    ensure!(begun.cookie("lemonldappdata").is_some() && taken, "{:?}", reply.headers);
    assert_eq!(at(&fake.heard()?, "/return_to"), &json!(format!("{portal}{cas}")));
    // Longer than the daemon keeps: the portal keeps it, and nobody else's.
    let long = format!("/cas/login?service=http%3A%2F%2Fapp.univ.example%2F{}", "x".repeat(700));
    sign_in(&long, &[])?;
    let back = at(&fake.heard()?, "/return_to").clone();
    let kept =
        back.as_str().unwrap_or_default().strip_prefix(portal.trim_end_matches('/')).unwrap_or_default();
    ensure!(kept.starts_with("/parvis/") && kept.len() < 200, "{back}");
    for _ in 0..2 {
        let reply = campus.lemon.get(kept, &[])?;
        assert_eq!((reply.status, reply.location()), (302, format!("{portal}{}", &long[1..]).as_str()));
    }
    let reply = campus.lemon.get("/parvis/0123456789abcdef", &[])?;
    assert_eq!((reply.status, reply.location()), (302, portal.as_str()));
    Ok(())
}

#[test]
fn an_active_person_is_asked_about_by_nobody() -> Result<()> {
    let (campus, fake) = overheard(LemonOptions::default())?;
    campus.enters(ACTIVE)?;
    assert_eq!(fake.times(), 0);
    campus.sign_in(NEW)?;
    assert_eq!(fake.times(), 1, "once for a login");
    Ok(())
}

#[test]
fn one_line_a_decision_with_no_secret_and_nothing_that_looks_like_another_line() -> Result<()> {
    // Whoever makes logins here may make strange ones.
    let conf = json!({ "userControl": ".", "AuthLDAPFilter": "(&(mail=$user)(objectClass=inetOrgPerson))" });
    let (campus, fake) = overheard(configured(conf))?;
    let mut strange = person("tpetit");
    strange.login = "u\u{202e}\u{2028}Parvis: cbernard: passed".to_owned();
    strange.dn = "cn=Strange,ou=people,dc=univ,dc=example".to_owned();
    strange.mailbox = Some("strange@univ.example".to_owned());
    campus.scene.slapd.add_person(&strange)?;
    let sign_in = |mail: &str, password: &str| campus.lemon.sign_in(mail, password, &[]);
    campus.nobody_is_in(&sign_in("strange@univ.example", &strange.provisional_password)?)?;
    ensure!(campus.decided().starts_with("u??Parvis: cbernard: passed: "), "{}", campus.lemon.log());
    for login in [NEW, LOCKED, ACTIVE] {
        sign_in(&format!("{login}@univ.example"), &person(login).provisional_password)?;
    }
    assert_eq!(
        campus.lemon.decisions()[1..],
        ["mdurand: sent to activation", "rlemoine: refused: locked", "cbernard: passed by the directory"]
    );
    assert_eq!(at(&fake.heard()?, "/login"), "rlemoine", "the login, not the address that was typed");
    let log = campus.lemon.log();
    ensure!(!log.contains("/enter/"), "a ticket is in the log: {log}");
    for login in [NEW, LOCKED, ACTIVE] {
        ensure!(!log.contains(&person(login).provisional_password), "a password is in the log: {log}");
    }
    Ok(())
}
