//! Every request of the contract, with each of its fields as it should not be.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use parvis_stand::{Scene, SceneOptions, Walk, run};
use parvis_suites::{LONG, Raw, refusal};
use serde_json::{Value, json};

use crate::unharmed;

/// What a field is, as far as it can be wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A text of at most so many bytes, where marks that turn the direction of writing are refused.
    Name(usize),
    /// A text of at most so many bytes.
    Text(usize),
    /// A text that may hold tabs and the like, but no NUL and no line break.
    Password,
    Flag,
    Client,
    /// Base64.
    Mail,
}

type Call = (&'static str, &'static [(&'static str, Kind, bool)]);

use Kind::{Client, Flag, Mail, Name, Password, Text};

const TOKEN: Kind = Text(512);

/// Every call, its own fields, and whether each must be there.
#[rustfmt::skip]
const CALLS: &[Call] = &[
    ("Check", &[("login", Name(256), true), ("authenticated", Flag, true), ("return_to", Text(2048), false)]),
    ("Open", &[("login", Name(256), true), ("return_to", Text(2048), false)]),
    ("Enter", &[("ticket", TOKEN, true)]),
    ("Authenticate", &[("login", Name(256), true), ("password", Password, true), ("return_to", Text(2048), false)]),
    ("RecoveryAddress", &[("session", TOKEN, true), ("address", Name(320), true)]),
    ("Look", &[("link", TOKEN, true)]),
    ("Redeem", &[("link", TOKEN, true), ("session", TOKEN, false)]),
    ("Charter", &[("session", TOKEN, true), ("version", Text(64), true), ("accepted", Flag, true)]),
    ("Listing", &[("session", TOKEN, true), ("listed", Flag, false)]),
    ("Mail", &[("session", TOKEN, true), ("forward", Name(320), false), ("keep_copy", Flag, true)]),
    ("Password", &[("session", TOKEN, true), ("password", Password, true)]),
    ("State", &[("session", TOKEN, true)]),
    ("Resend", &[("session", TOKEN, true)]),
    ("Restart", &[("session", TOKEN, true)]),
    ("Bounce", &[("message", Mail, true)]),
];

fn good(kind: Kind) -> Value {
    match kind {
        Name(_) | Text(_) | Password => json!("nobody@example.org"),
        Flag => json!(false),
        Client => json!({ "ip": "192.0.2.1" }),
        Mail => json!("RnJvbTogPD4NCg=="),
    }
}

/// Values that a field of this kind must not have.
fn bad(kind: Kind) -> Vec<(&'static str, Value)> {
    let types = [("a number", json!(3)), ("a list", json!(["x"])), ("an object", json!({ "x": 1 }))];
    let flag = ("a flag", json!(true));
    let text = |most: usize| {
        vec![
            ("too long", json!("x".repeat(most + 1))),
            ("too long in bytes", json!("é".repeat(most / 2 + 1))),
            ("NUL", json!("a\0b")),
            ("a line break", json!("a\r\nb")),
            ("a lone line feed", json!("a\nb")),
        ]
    };
    let control =
        [("an escape", json!("a\u{1b}[31mb")), ("DEL", json!("a\u{7f}b")), ("C1", json!("a\u{9b}b"))];
    let bidi =
        ["\u{202e}", "\u{2066}", "\u{200f}", "\u{61c}"].map(|mark| ("bidi", json!(format!("a{mark}b"))));
    let mut all: Vec<(&'static str, Value)> = types.to_vec();
    match kind {
        Name(most) => all.extend(text(most).into_iter().chain([flag]).chain(control).chain(bidi)),
        Text(most) => all.extend(text(most).into_iter().chain([flag]).chain(control)),
        Password => all.extend(text(1024).into_iter().chain([flag])),
        Flag => all.extend([("a text", json!("true")), ("a number that looks like one", json!(1))]),
        Client => {
            all.pop();
            all.extend([flag, ("a text", json!("192.0.2.1")), ("an unknown field", json!({ "x": 1 }))]);
        }
        Mail => all.extend([("no base64", json!("=?*")), ("cut base64", json!("RnJvb"))]),
    }
    all
}

fn invalid(answer: &Value, field: &str) -> bool {
    answer["error"] == "org.varlink.service.InvalidParameter"
        && answer["parameters"]["parameter"].as_str().is_some_and(|named| named.starts_with(field))
}

#[test]
fn each_field_missing_of_the_wrong_type_too_long_or_with_what_it_may_not_hold_is_refused_by_name()
-> Result<()> {
    let scene = Scene::new()?;
    let mut walk = Walk::open(&scene, "mdurand")?;
    walk.step("recovery-address", json!({ "address": "marie@ailleurs.example" }), "recovery-link")?;
    let mails = scene.inbox.last_number();
    let mut raw = Raw::connect(&scene.daemon.layout().hook_socket())?;
    let mut tried = 0;
    for (call, fields) in CALLS {
        let method = format!("org.parvis.Hook.{call}");
        let mut whole: BTreeMap<&str, Value> =
            fields.iter().map(|(name, kind, _)| (*name, good(*kind))).collect();
        let mut fields = fields.to_vec();
        if *call != "Bounce" {
            fields.extend([("locale", Text(35), false), ("client", Client, false)]);
        }
        let mut ask = |request: &BTreeMap<&str, Value>| -> Result<Value> {
            tried += 1;
            raw.call(&method, &json!(request), false)?;
            raw.receive()?.context("the connection was closed")
        };
        for (name, kind, required) in fields {
            let before = whole.get(name).cloned();
            for (how, value) in bad(kind) {
                whole.insert(name, value);
                let answer = ask(&whole)?;
                assert!(invalid(&answer, name), "{call}.{name} {how}: {answer}");
            }
            whole.remove(name);
            let answer = ask(&whole)?;
            assert_eq!(invalid(&answer, name), required, "{call} without {name}: {answer}");
            whole.insert(name, Value::Null);
            let answer = ask(&whole)?;
            assert_eq!(invalid(&answer, name), required, "{call} with {name} null: {answer}");
            match before {
                Some(before) => whole.insert(name, before),
                None => whole.remove(name),
            };
        }
        whole.insert("unheard_of", json!(1));
        let answer = ask(&whole)?;
        assert!(invalid(&answer, "unheard_of"), "{call}: {answer}");
    }
    assert!(tried > 500, "only {tried} requests");
    unharmed(&scene, &walk.session, "recovery-link")?;
    assert_eq!(scene.inbox.last_number().max(1), mails.max(1), "nobody was mailed");
    Ok(())
}

#[test]
fn what_is_no_message_at_all_is_answered_once_and_the_connection_closed() -> Result<()> {
    let scene = Scene::new()?;
    let session = Walk::open(&scene, "mdurand")?.session;
    let call =
        |parameters: &str| format!("{{\"method\":\"org.parvis.Hook.Look\",\"parameters\":{parameters}}}");
    let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
    let messages: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"\"text\"".to_vec(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"\xff\xfe{}".to_vec(),
        b"{\"method\":\"org.parvis.Hook.Look\",\"parameters\":{\"link\":\"\xc3\x28\"}}".to_vec(),
        b"{\"method\":\"org.parvis.Hook.Look\",\"parameters\":{\"link\":\"\\ud800\"}}".to_vec(),
        b"{\"method\":\"org.parvis.Hook.Look\"".to_vec(),
        b"{\"method\":3}".to_vec(),
        b"{\"parameters\":{}}".to_vec(),
        call("{\"link\":\"x\"} trailing").into_bytes(),
        call(&deep).into_bytes(),
        deep.into_bytes(),
    ];
    for mut message in messages {
        let shown = String::from_utf8_lossy(&message).chars().take(60).collect::<String>();
        message.push(0);
        let mut raw = Raw::connect(&scene.daemon.layout().hook_socket())?;
        raw.send(&message)?;
        let answer = raw.receive()?;
        let named = answer.as_ref().map(|answer| answer["error"].clone());
        assert_eq!(named, Some(json!("org.varlink.service.InvalidParameter")), "{shown:?}: {answer:?}");
    }
    unharmed(&scene, &session, "recovery-address")
}

#[test]
fn what_nobody_offers_is_not_found_however_long_or_strange_its_name() -> Result<()> {
    let scene = Scene::new()?;
    let session = Walk::open(&scene, "mdurand")?.session;
    let mut raw = Raw::connect(&scene.daemon.layout().hook_socket())?;
    let strange: Vec<(String, &str)> = vec![
        ("org.parvis.Hook.Nothing".to_owned(), "MethodNotFound"),
        ("org.parvis.Hook.check".to_owned(), "MethodNotFound"),
        (format!("org.parvis.Hook.{}", "N".repeat(60_000)), "MethodNotFound"),
        ("org.parvis.Admin.Status".to_owned(), "InterfaceNotFound"),
        ("Check".to_owned(), "InterfaceNotFound"),
        (String::new(), "InterfaceNotFound"),
        (format!("{}.Check", "x".repeat(60_000)), "InterfaceNotFound"),
        (format!("{}.Check", "\u{1}".repeat(10_000)), "InterfaceNotFound"),
    ];
    for (method, error) in strange {
        raw.call(&method, &json!({}), false)?;
        let answer = raw.receive()?.context("closed")?;
        let shown: String = method.chars().take(40).collect();
        assert_eq!(answer["error"], format!("org.varlink.service.{error}"), "{shown:?}: {answer}");
        assert!(answer.to_string().len() < 2000, "{shown:?} is said back whole");
    }
    unharmed(&scene, &session, "recovery-address")
}

#[test]
fn parvis_hook_says_65_and_the_field_and_never_what_was_in_it() -> Result<()> {
    let scene = Scene::new()?;
    let inputs: Vec<(&str, Vec<u8>, Option<&str>)> = vec![
        ("check", b"not json".to_vec(), None),
        ("check", b"[]".to_vec(), None),
        ("check", b"{\"login\":\"a\xff\",\"authenticated\":true}".to_vec(), None),
        ("check", b"{\"login\":\"a\",\"login\":\"b\",\"authenticated\":true}".to_vec(), Some("login")),
        ("check", b"{\"authenticated\":true}".to_vec(), Some("login")),
        ("authenticate", b"{\"login\":\"a\",\"password\":\"geheim\\u0000\"}".to_vec(), Some("password")),
        ("password", b"{\"session\":\"x\",\"password\":[\"geheim\"]}".to_vec(), Some("password")),
        ("look", vec![b'x'; 70_000], None),
    ];
    for (call, input, field) in inputs {
        let out = scene.daemon.hook_raw(&[call], &input)?;
        let shown = String::from_utf8_lossy(&input).chars().take(60).collect::<String>();
        assert_eq!(out.status.code(), Some(65), "{call} {shown}");
        let answer: Value = serde_json::from_slice(&out.stdout)?;
        assert_eq!(
            (refusal(&answer), answer["refusal"]["field"].as_str()),
            ("request-invalid", field),
            "{shown}"
        );
        let said = [out.stdout, out.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains("geheim"));
    }
    Ok(())
}

#[test]
fn what_needs_no_mail_address_syntax_to_be_dangerous_is_no_address() -> Result<()> {
    let scene = Scene::start(SceneOptions {
        config: "[limits]\naccount-address = \"1000/1h\"\n".to_owned(),
        ..SceneOptions::default()
    })?;
    let mut walk = Walk::open(&scene, "mdurand")?;
    for address in [
        "",
        " ",
        "@",
        "a@",
        "@b.example",
        "a@b",
        "a b@c.example",
        "<a@b.example>",
        "a@b.example>",
        "a@b.example,c@d.example",
        "a@b.example, c@d.example",
        "a@b.example;c@d.example",
        "Bcc: a@b.example",
        "a@b.example%0d%0aBcc:c@d.example\u{a0}",
        "a@b.example?bcc=c@d.example",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@b..example",
        ".a@b.example",
        "a@-b.example",
        "a@b.example.",
        "a@b.example (note)",
        "a@b@c.example",
        "a@localhost",
        "a@b.example RCPT",
        "a\u{200b}@b.example",
        "a\u{ad}@b.example",
        "a@univ.example",
        "a@MAIL.Univ.Example",
        "a@b.example> SIZE=1",
        "a@b.example\u{2028}",
        "a@\u{2024}example",
    ] {
        let (code, answer) = walk.call("recovery-address", json!({ "address": address }))?;
        let refused =
            ["address-invalid", "address-own-domain", "request-invalid"].contains(&refusal(&answer));
        assert!(code != 0 && refused, "{address:?}: {code} {answer}");
    }
    // What looks like an attack and is an address goes to one recipient, and adds no header.
    for address in [
        "\"a b\"@b.example",
        "|/bin/sh@b.example",
        "o'brien+x=y@b.example",
        "$(id)@b.example",
        "%s%n@b.example",
    ] {
        let (code, _) = walk.call("recovery-address", json!({ "address": address }))?;
        if code != 0 {
            continue;
        }
        let end = run::until(LONG, || {
            let refused = refusal(&walk.call("state", json!({}))?.1) == "address-refused";
            let mails = scene.inbox.messages_to(address);
            Ok((refused || !mails.is_empty()).then_some(mails))
        })?;
        for mail in end.context("neither sent nor refused")? {
            assert_eq!((mail.to.len(), mail.headers("To").len(), mail.headers("Bcc").len()), (1, 1, 0));
        }
    }
    // What is no address is said in words that tell what to do.
    for (locale, words) in [("fr", "ou donnez-en une autre"), ("en", "or give another one")] {
        for address in ["\"a\"b\"@example.org", "\"-oQ\"@example.org"] {
            let request = json!({ "address": address, "locale": locale });
            let (code, answer) = walk.call("recovery-address", request)?;
            assert_eq!((code, refusal(&answer)), (1, "address-invalid"), "{answer}");
            let told = &answer["refusal"];
            assert_eq!((&told["field"], &told["then"]), (&json!("address"), &json!("correct")), "{answer}");
            let message = told["message"].as_str().unwrap_or_default();
            assert!(message.contains(words) && !message.contains(address), "{locale}: {message}");
        }
    }
    // A name in the directory that holds a header adds none either.
    let paul = parvis_stand::small().into_iter().find(|person| person.login == "pmoreau").unwrap();
    scene.slapd.replace(&paul.dn, "displayName", &["Paul\r\nBcc: evil@b.example\r\n\r\n\u{202e}body"])?;
    let mut second = Walk::open(&scene, "pmoreau")?;
    second.step("recovery-address", json!({ "address": "paul@ailleurs.example" }), "recovery-link")?;
    let mail = scene.mail("paul@ailleurs.example", 0)?;
    assert_eq!((mail.to.len(), mail.headers("To").len(), mail.headers("Bcc").len()), (1, 1, 0));
    assert!(!mail.text().unwrap_or_default().contains('\u{202e}'));
    Ok(())
}
