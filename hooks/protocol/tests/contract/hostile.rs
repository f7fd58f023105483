//! Requests that nobody honest makes, or that a slip makes: each is refused by the name of its field, and nothing of
//! it is taken.

use std::fmt::Write;

use parvis_protocol::wire::{CallEnvelope, WireError};
use parvis_protocol::{CallError, INTERFACE_ADMIN, INTERFACE_HOOK, admin, hook};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::sample::{self, interface};

/// The documented limit of each text in bytes, and whether it refuses control characters and marks of direction.
const TEXTS: &[(&str, usize, bool, bool)] = &[
    ("login", 256, true, true),
    ("address", 320, true, true),
    ("forward", 320, true, true),
    ("person", 256, true, true),
    ("by", 256, true, true),
    ("password", 1024, false, false),
    ("session", 512, true, false),
    ("ticket", 512, true, false),
    ("link", 512, true, false),
    ("return_to", 2048, true, false),
    ("locale", 35, true, false),
    ("version", 64, true, false),
    ("sha256", 64, true, false),
    ("reason", 1024, true, false),
    ("client.ip", 64, true, false),
];

const CONTROLS: &[char] = &['\0', '\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{85}', '\u{9f}'];
const DIRECTIONS: &[char] = &[
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}', '\u{200e}', '\u{200f}', '\u{61c}',
];
const LINE_BREAKS: &[char] = &['\0', '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];

/// Reads a request as it stands in the text; the field that is refused, or none.
fn refused(method: &str, text: &str) -> Option<String> {
    let raw: &RawValue = serde_json::from_str(text).expect("JSON, as far as the envelope goes");
    let error = if method.starts_with(hook::NAME) {
        hook::Call::parse(method, Some(raw)).err()
    } else {
        admin::Call::parse(method, Some(raw)).err()
    };
    error.map(|error| match error {
        CallError::InvalidParameter { parameter } => parameter,
        CallError::MethodNotFound { method } => panic!("{method} is known"),
    })
}

/// Every call of both interfaces by its full name, with a request that is taken.
fn requests() -> Vec<(String, Value)> {
    [INTERFACE_HOOK, INTERFACE_ADMIN]
        .into_iter()
        .flat_map(|text| {
            let idl = interface(text);
            let request = |(name, method): (&&str, &varlink_parser::Method<'_>)| {
                (format!("{}.{name}", idl.name), sample::of_struct(&idl, name, &method.input))
            };
            idl.methods.iter().map(request).collect::<Vec<_>>()
        })
        .collect()
}

/// A request with one field changed.
fn with(request: &Value, field: &str, value: &Value) -> String {
    let mut changed = request.clone();
    *changed.pointer_mut(&format!("/{}", field.replace('.', "/"))).expect("the field is there") =
        value.clone();
    changed.to_string()
}

/// Calls back with every text field of every call.
fn for_each_text(mut call: impl FnMut(&str, &Value, &str, usize, bool, bool)) {
    for (method, request) in requests() {
        for (field, max, controls, directions) in TEXTS {
            if request.pointer(&format!("/{}", field.replace('.', "/"))).is_some() {
                call(&method, &request, field, *max, *controls, *directions);
            }
        }
    }
}

#[test]
fn every_text_has_its_limit() {
    let mut seen = 0;
    for_each_text(|method, request, field, max, _, _| {
        let (fits, over) = (json!("é".repeat(max / 2) + &"x".repeat(max % 2)), json!("x".repeat(max + 1)));
        assert_eq!(refused(method, &with(request, field, &fits)), None, "{method} {field}");
        assert_eq!(refused(method, &with(request, field, &over)).as_deref(), Some(field), "{method}");
        seen += 1;
    });
    assert!(seen > 40, "{seen}");
}

#[test]
fn no_text_of_any_call_is_without_a_limit() {
    for (method, request) in requests() {
        let fields = request.as_object().expect("a request is an object");
        for (field, value) in fields.iter().filter(|(_, value)| value.is_string()) {
            let long = with(&request, field, &json!("a".repeat(65_540)));
            assert_eq!(refused(&method, &long).as_ref(), Some(field), "{method}: {value}");
        }
    }
}

#[test]
fn control_characters_are_refused() {
    for_each_text(|method, request, field, _, controls, _| {
        let forbidden = if controls { CONTROLS } else { LINE_BREAKS };
        for character in forbidden {
            let text = json!(format!("a{character}b"));
            assert_eq!(
                refused(method, &with(request, field, &text)).as_deref(),
                Some(field),
                "{method} {text}"
            );
        }
    });
}

#[test]
fn marks_of_direction_are_refused_where_a_text_is_compared() {
    for_each_text(|method, request, field, _, _, directions| {
        for character in DIRECTIONS {
            let text = json!(format!("a{character}b"));
            let expected = directions.then_some(field);
            assert_eq!(refused(method, &with(request, field, &text)).as_deref(), expected, "{method} {text}");
        }
    });
}

#[test]
fn a_password_is_the_persons_own() {
    let (method, request) =
        requests().into_iter().find(|(name, _)| name.ends_with(".Password")).expect("a call");
    for password in ["p\t\u{1b}\u{7f} ", "\u{202e}drowssap", "пароль 密码 🔑", "\"\\/", " "] {
        assert_eq!(refused(&method, &with(&request, "password", &json!(password))), None, "{password}");
    }
}

#[test]
fn a_browser_that_says_too_much_is_clipped_and_not_refused() {
    let said = "x".repeat(511) + "é";
    let text = json!({ "login": "l", "client": { "user_agent": said } }).to_string();
    let raw: &RawValue = serde_json::from_str(&text).expect("JSON");
    let call = hook::Call::parse("org.parvis.Hook.Open", Some(raw)).expect("it is taken");
    let (_, client) = call.asked_by();
    assert_eq!(client.and_then(|client| client.user_agent.as_deref()), Some("x".repeat(511).as_str()));
    let control = r#"{"login": "l", "client": {"user_agent": "a\u0000b"}}"#;
    assert_eq!(refused("org.parvis.Hook.Open", control).as_deref(), Some("client.user_agent"));
}

#[test]
fn a_field_that_the_call_does_not_know_is_refused() {
    for (method, mut request) in requests() {
        request["nonsense"] = json!(null);
        assert_eq!(refused(&method, &request.to_string()).as_deref(), Some("nonsense"), "{method}");
        request.as_object_mut().expect("an object").remove("nonsense");
        if request.get("client").is_some() {
            request["client"]["nonsense"] = json!(1);
            assert_eq!(
                refused(&method, &request.to_string()).as_deref(),
                Some("client.nonsense"),
                "{method}"
            );
        }
    }
    let long = format!("{{\"login\": \"l\", \"{}\": 1}}", "é".repeat(30_000));
    assert_eq!(refused("org.parvis.Hook.Open", &long), Some("é".repeat(64)));
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    for (text, field) in [
        (r#"{"login": "a", "login": "b"}"#, "login"),
        (r#"{"login": "a", "l\u006fgin": "b"}"#, "login"),
        (r#"{"login": "a", "locale": null, "locale": "fr"}"#, "locale"),
        (r#"{"login": "a", "client": {"ip": "::1", "ip": "::2"}}"#, "client.ip"),
        (r#"{"login": "a", "x": 1, "x": 1}"#, "x"),
    ] {
        assert_eq!(refused("org.parvis.Hook.Open", text).as_deref(), Some(field), "{text}");
    }
}

#[test]
fn parameters_that_are_no_object() {
    for text in ["[]", "\"login\"", "7", "true", "[{\"login\": \"l\"}]"] {
        assert_eq!(refused("org.parvis.Hook.Open", text).as_deref(), Some("parameters"), "{text}");
    }
    let missing = CallError::InvalidParameter { parameter: "login".into() };
    assert_eq!(hook::Call::parse("org.parvis.Hook.Open", None), Err(missing));
    assert_eq!(admin::Call::parse("org.parvis.Admin.Status", None), Ok(admin::Call::Status));
}

#[test]
fn half_a_surrogate_is_no_text() {
    for_each_text(|method, request, field, _, _, _| {
        let text = with(request, field, &json!("SURROGATE")).replace("SURROGATE", r"\ud800");
        assert_eq!(refused(method, &text).as_deref(), Some(field), "{method}");
    });
}

#[test]
fn numbers_out_of_their_range() {
    for number in ["0", "-1", "1001", "4294967297", "99999999999999999999999", "1.0", "1e2", "-0.0"] {
        for (method, rest) in [("List", ""), ("AuditExport", ", \"after\": 0")] {
            let text = format!("{{\"limit\": {number}{rest}}}");
            let method = format!("org.parvis.Admin.{method}");
            assert_eq!(refused(&method, &text).as_deref(), Some("limit"), "{text}");
        }
    }
    for number in ["-1", "9223372036854775808", "1.5"] {
        let text = format!("{{\"limit\": 1, \"after\": {number}}}");
        assert_eq!(refused("org.parvis.Admin.AuditExport", &text).as_deref(), Some("after"), "{text}");
    }
    assert_eq!(
        refused("org.parvis.Admin.AuditExport", r#"{"limit": 1000, "after": 9223372036854775807}"#),
        None
    );
}

#[test]
fn a_bounce_that_is_no_base64() {
    for message in ["a", "ab=c", "!!!!", "YQ", "YR=="] {
        let text = json!({ "message": message }).to_string();
        assert_eq!(refused("org.parvis.Hook.Bounce", &text).as_deref(), Some("message"), "{message}");
    }
}

#[test]
fn depth_is_only_length() {
    let mut deep = String::new();
    write!(deep, "{}{}", "[".repeat(30_000), "]".repeat(30_000)).expect("a string takes all");
    for (text, field) in [
        (format!("{{\"login\": {deep}}}"), "login"),
        (format!("{{\"login\": \"l\", \"x\": {deep}}}"), "x"),
        (format!("{{\"login\": \"l\", \"client\": {deep}}}"), "client"),
        (deep.clone(), "parameters"),
    ] {
        assert_eq!(refused("org.parvis.Hook.Open", &text).as_deref(), Some(field));
        let envelope = format!("{{\"method\": \"a.b\", \"parameters\": {text}}}");
        assert!(CallEnvelope::parse(envelope.as_bytes()).is_ok());
    }
    assert!(CallEnvelope::parse(deep.as_bytes()).is_err());
    assert!(CallEnvelope::parse("{\"method\":".repeat(6000).as_bytes()).is_err());
}

#[test]
fn messages_that_are_no_calls() {
    for text in [
        "",
        " ",
        "null",
        "[]",
        "{}",
        "[\"org.parvis.Hook.Check\", {}]",
        "{\"method\": 5}",
        "{\"method\": null}",
        "{\"method\": \"a\"} x",
        "{\"method\": \"a\"}{}",
        "{\"method\": \"a\", \"method\": \"b\"}",
        "{\"method\": \"a\", \"parameters\": {}, \"parameters\": {}}",
        "{\"method\": \"a\", \"more\": 1}",
        "{\"method\": \"a\", \"parameter\": {}}",
        "{\"method\": \"\\ud800\"}",
        "{\"method\": \"a\u{1}\"}",
        "{\"method\": \"a\", \"parameters\": {\"x\": nul}}",
    ] {
        assert!(matches!(CallEnvelope::parse(text.as_bytes()), Err(WireError::Malformed { .. })), "{text}");
    }
}

#[test]
fn bytes_that_are_no_utf_8() {
    for (method, request) in requests() {
        let call = json!({ "method": method, "parameters": request }).to_string();
        for bad in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"] {
            let places: Vec<usize> = call.match_indices('"').map(|(at, _)| at + 1).collect();
            for at in places {
                let (before, after) = call.as_bytes().split_at(at);
                let bytes = [before, bad, after].concat();
                assert!(CallEnvelope::parse(&bytes).is_err(), "{method} at {at}");
            }
        }
    }
}

#[test]
fn no_secret_is_shown() {
    for (method, request) in requests() {
        let (mut text, mut secrets) = (request.clone(), 0);
        for field in ["password", "session", "ticket", "link"] {
            if request.get(field).is_some() {
                text[field] = json!("hunter2");
                secrets += 1;
            }
        }
        let text = text.to_string();
        let raw: &RawValue = serde_json::from_str(&text).expect("JSON");
        let shown = format!("{:?}", hook::Call::parse(&method, Some(raw)));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown.matches("Secret(…)").count(), secrets, "{shown}");
        let call = format!("{{\"method\": \"{method}\", \"parameters\": {text}}}");
        let envelope = CallEnvelope::parse(call.as_bytes()).expect("an envelope");
        assert!(!format!("{envelope:?}").contains("hunter2"));
    }
    for text in
        [r#"{"method": {"hunter2": 1}}"#, r#"{"method": "a", "more": "hunter2"}"#, r#"{"hunter2": 1}"#]
    {
        let error = CallEnvelope::parse(text.as_bytes()).expect_err("no call");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
