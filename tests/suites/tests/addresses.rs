//! Addresses that lead back to the person: details, and aliases that only the directory knows. With a real slapd.
#![cfg(test)]

use parvis_stand::{Fault, Proxy, Scene, SceneOptions, Slapd, SlapdOptions};
use serde_json::{Value, json};

/// An entry that is nobody's: remi@asso.example forwards to Marie.
const LIST: &str = "dn: uid=asso,ou=people,dc=univ,dc=example\nobjectClass: account\nobjectClass: qmailUser\nuid: asso\n\
    mailAlternateAddress: asso@ailleurs.example\nmailForwardingAddress: MDurand+asso@univ.example\n";

fn give_aliases(slapd: &Slapd) {
    for (login, aliases) in [
        ("mdurand", &["marie@etu.univ.test", "m.durand@b\u{fc}ro.test"][..]),
        ("cbernard", &["claire@etu.univ.test"][..]),
    ] {
        let ascii = aliases.iter().map(|alias| alias.replace("b\u{fc}ro", "xn--bro-hoa"));
        let values: String = ascii.map(|alias| format!("mailAlternateAddress: {alias}\n")).collect();
        let ldif = format!(
            "dn: uid={login},ou=people,dc=univ,dc=example\nchangetype: modify\nadd: objectClass\nobjectClass: qmailUser\n-\n\
             add: mailAlternateAddress\n{values}-\n"
        );
        slapd.modify(&ldif).unwrap();
    }
}

fn scene() -> Scene {
    let slapd = SlapdOptions { more: LIST.to_owned(), ..SlapdOptions::default() };
    let config = "[limits]\naccount-address = \"100/1h\"\n".to_owned();
    let scene = Scene::start(SceneOptions { slapd, config, ..SceneOptions::default() }).unwrap();
    give_aliases(&scene.slapd);
    scene
}

/// What is told of an address at step 3: the refusal's code, or the step.
fn told(walk: &mut parvis_stand::Walk<'_>, call: &str, request: Value) -> Value {
    let (_, answer) = walk.call(call, request).unwrap();
    let code = parvis_stand::scene::at(&answer, "/refusal/code");
    if code.is_null() { answer["step"].clone() } else { code.clone() }
}

#[test]
fn an_alias_that_only_the_directory_knows_is_refused_like_one_of_the_campus() {
    let scene = scene();
    let mut marie = scene.open("mdurand").unwrap();
    let own = marie.call("recovery-address", json!({ "address": "x@univ.example" })).unwrap();
    for address in [
        "marie@etu.univ.test",
        "MARIE+perso@Etu.Univ.TEST",
        "m.durand@b\u{fc}ro.test",
        "asso@ailleurs.example",
        "marie.x+y@univ.example",
    ] {
        let (code, answer) = marie.call("recovery-address", json!({ "address": address })).unwrap();
        assert_eq!(
            (code, &answer),
            (own.0, &own.1),
            "{address}: the same words as for one of the campus's domains"
        );
        assert_eq!(answer["refusal"]["code"], "address-own-domain", "{address}");
    }
    assert_eq!(
        told(&mut marie, "recovery-address", json!({ "address": "marie@perso.example" })),
        "recovery-link"
    );
    let mail = scene.mail("marie@perso.example", 0).unwrap();
    marie.step("redeem", json!({ "link": parvis_stand::scene::link(&mail).unwrap() }), "charter").unwrap();
    marie.charter().unwrap();
    marie.listing(true).unwrap();
    for (address, code) in [
        ("marie+tri@etu.univ.test", "address-own-domain"),
        ("asso@ailleurs.example", "address-own-domain"),
        ("mdurand+tri@univ.example", "forward-loop"),
    ] {
        let request = json!({ "forward": address, "keep_copy": true });
        assert_eq!(told(&mut marie, "mail", request), code, "{address}");
    }
    let request = json!({ "forward": "marie@autre.example", "keep_copy": true });
    assert_eq!(told(&mut marie, "mail", request), "forward-link");
}

#[test]
fn whose_another_address_is_nobody_learns() {
    let scene = scene();
    let mut linh = scene.open("lnguyen").unwrap();
    // Claire's alias, Marie's, what forwards to Marie, Marie's own outside address; and addresses that nobody has.
    let mut answers = Vec::new();
    for address in [
        "claire@etu.univ.test",
        "marie@etu.univ.test",
        "asso@ailleurs.example",
        "marie.durand@laposte.example",
        "nobody@etu.univ.test",
        "nobody@ailleurs.example",
    ] {
        let (code, mut answer) = linh.call("recovery-address", json!({ "address": address })).unwrap();
        let sent = &mut answer["view"]["sent"];
        sent["address"] = Value::Null;
        answer["session"] = Value::Null;
        answer["expires"] = Value::Null;
        answer["view"]["lead"] = Value::Null;
        answers.push((code, answer));
    }
    let first = answers.first().unwrap().clone();
    assert_eq!(first.1["step"], "recovery-link", "{first:?}");
    for answer in &answers {
        assert_eq!(*answer, first);
    }
}

#[test]
fn the_persons_own_outside_addresses_stay_theirs() {
    let scene = scene();
    let mut marie = scene.open("mdurand").unwrap();
    let offered = json!({ "address": "marie.durand@laposte.example" });
    assert_eq!(told(&mut marie, "recovery-address", offered), "recovery-link");
    // Paul has no mailbox: his entry's mail may be anywhere, and is no mailbox of ours.
    scene.slapd.replace("uid=pmoreau,ou=people,dc=univ,dc=example", "mail", &["paul@perso.example"]).unwrap();
    let mut paul = scene.open("pmoreau").unwrap();
    let request = json!({ "address": "paul@perso.example" });
    assert_eq!(told(&mut paul, "recovery-address", request), "recovery-link");
}

#[test]
fn a_directory_that_does_not_answer_stops_nobody() {
    let slapd = Slapd::start(SlapdOptions::default()).unwrap();
    let inbox = parvis_stand::Inbox::start(parvis_stand::InboxOptions::default()).unwrap();
    let proxy = Proxy::start(slapd.ldaps_port()).unwrap();
    let uri = format!("ldaps://localhost:{}", proxy.port());
    let options = SceneOptions { ldap_uri: Some(uri), ..SceneOptions::default() };
    let scene = Scene::around(slapd, inbox, &options).unwrap();
    give_aliases(&scene.slapd);
    let mut marie = scene.open("mdurand").unwrap();
    let request = || json!({ "address": "marie@etu.univ.test" });
    assert_eq!(told(&mut marie, "recovery-address", request()), "address-own-domain");
    proxy.fault(Fault::Stall);
    let begun = std::time::Instant::now();
    assert_eq!(told(&mut marie, "recovery-address", request()), "recovery-link");
    assert!(begun.elapsed().as_millis() < 1900, "{:?}: parvis-hook waits two seconds", begun.elapsed());
    let limit = std::time::Duration::from_secs(5);
    scene.daemon.wait_log("it is taken for an outside one", limit).unwrap();
    assert!(!scene.daemon.log_contains("etu.univ.test"), "no address in the log");
}

#[test]
fn check_names_the_domains_and_the_classes_that_are_missing() {
    let scene = scene();
    scene.slapd.replace("uid=lnguyen,ou=people,dc=univ,dc=example", "mail", &["linh@etu.univ.test"]).unwrap();
    let mute = "dn: uid=lnguyen,ou=people,dc=univ,dc=example\nchangetype: modify\ndelete: objectClass\n\
                objectClass: mailRecipient\n-\n";
    scene.slapd.modify(mute).unwrap();
    let said = String::from_utf8(scene.daemon.ctl(&["check"]).unwrap().stdout).unwrap();
    assert!(said.contains("not in campus.domains: etu.univ.test (1)"), "{said}");
    assert!(said.contains("people in students have no class in which \"no copy\" can be written"), "{said}");
}
