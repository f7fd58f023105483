//! Every call, answer and error of the interface files, against its Rust type: the fields, which of them may be
//! absent, and their types, in both directions.

use std::collections::BTreeSet;

use parvis_protocol::{
    CallError, INTERFACE_ADMIN, INTERFACE_HOOK, INTERFACE_SERVICE, admin, hook, service, wire,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use varlink_parser::{IDL, VStruct};

use crate::sample::{self, interface};

/// Reads a value as one Rust type, and gives what that type writes again; or the field that was refused.
type Read<'a> = &'a dyn Fn(&Value) -> Result<Value, String>;

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("a value is JSON")
}

fn written<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("every type of the contract serialises")
}

fn parameter(error: CallError) -> String {
    match error {
        CallError::InvalidParameter { parameter } => parameter,
        CallError::MethodNotFound { method } => panic!("{method} is in the interface file"),
    }
}

/// Holds one type against its description. Requests name the field at fault; answers need not.
fn check(idl: &IDL<'_>, owner: &str, fields: &VStruct<'_>, names_fields: bool, read: Read<'_>) {
    let whole = sample::of_struct(idl, owner, fields);
    assert_eq!(read(&whole).as_ref(), Ok(&whole), "{owner}");
    for change in sample::changes(idl, owner, fields) {
        let changed = change.apply(&whole);
        let place = format!("{owner}: {} {}", change.name(), change.what);
        match read(&changed) {
            Ok(again) => {
                assert!(change.legal, "{place} was taken");
                assert_eq!(without_nulls(again), without_nulls(changed), "{place}");
            }
            Err(named) => {
                assert!(!change.legal, "{place} was refused");
                assert!(!names_fields || named == change.name(), "{place}, and {named} was named");
            }
        }
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect(),
        ),
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn as_type<T: Serialize + DeserializeOwned>(value: &Value) -> Result<Value, String> {
    serde_json::from_str(&value.to_string()).map(|read: T| written(&read)).map_err(|error| error.to_string())
}

#[test]
fn hook_requests() {
    let idl = interface(INTERFACE_HOOK);
    for (name, method) in &idl.methods {
        let full = format!("{}.{name}", hook::NAME);
        check(&idl, name, &method.input, true, &|value| {
            let call = hook::Call::parse(&full, Some(&raw(value))).map_err(parameter)?;
            assert_eq!(call.method().full_name(), full);
            Ok(written(&call))
        });
    }
}

#[test]
fn hook_answers() {
    let idl = interface(INTERFACE_HOOK);
    for (name, method) in &idl.methods {
        let known = hook::Method::from_full_name(&format!("{}.{name}", hook::NAME)).expect("a known call");
        check(&idl, name, &method.output, false, &|value| {
            let answer = hook::Answer::read(known, &raw(value)).map_err(|error| error.to_string())?;
            Ok(written(&answer))
        });
    }
}

#[test]
fn admin_requests() {
    let idl = interface(INTERFACE_ADMIN);
    for (name, method) in &idl.methods {
        let full = format!("{}.{name}", admin::NAME);
        check(&idl, name, &method.input, true, &|value| {
            let call = admin::Call::parse(&full, Some(&raw(value))).map_err(parameter)?;
            assert_eq!(call.method().full_name(), full);
            Ok(written(&call))
        });
    }
}

#[test]
fn admin_answers() {
    let idl = interface(INTERFACE_ADMIN);
    for (name, method) in &idl.methods {
        let read: Read<'_> = match admin::Method::from_word(name).expect("a known call") {
            admin::Method::Status => &as_type::<admin::StatusAnswer>,
            admin::Method::List => &as_type::<admin::ListAnswer>,
            admin::Method::Show => &as_type::<admin::ShowAnswer>,
            admin::Method::Answers => &as_type::<admin::AnswersAnswer>,
            admin::Method::Resend => &as_type::<admin::ResendAnswer>,
            admin::Method::Cancel => &as_type::<admin::CancelAnswer>,
            admin::Method::Sweep => &as_type::<admin::SweepAnswer>,
            admin::Method::AuditVerify => &as_type::<admin::AuditVerifyAnswer>,
            admin::Method::AuditExport => &as_type::<admin::AuditExportAnswer>,
            admin::Method::Backup => &as_type::<admin::BackupAnswer>,
        };
        check(&idl, name, &method.output, false, read);
    }
}

type ReadError = fn(&str, &Value) -> Result<Value, String>;

/// An error's parameters, through the whole reply that it serialises as.
fn error<F: Serialize + DeserializeOwned>(name: &str, parameters: &Value) -> Result<Value, String> {
    let reply = json!({ "error": name, "parameters": parameters }).to_string();
    let failure: F = serde_json::from_str(&reply).map_err(|error| error.to_string())?;
    let again = written(&failure);
    assert_eq!(again["error"], json!(name));
    Ok(again["parameters"].clone())
}

#[test]
fn errors() {
    let known: [(&str, ReadError); 3] = [
        (INTERFACE_HOOK, error::<hook::Failure>),
        (INTERFACE_ADMIN, error::<admin::Failure>),
        (INTERFACE_SERVICE, error::<service::Failure>),
    ];
    for (text, read) in known {
        let idl = interface(text);
        for (name, fields) in &idl.errors {
            let full = format!("{}.{name}", idl.name);
            check(&idl, &full, &fields.parm, false, &|value| read(&full, value));
        }
        assert!(read(&format!("{}.Nonsense", idl.name), &json!({})).is_err());
    }
}

#[test]
fn the_service_interface() {
    let idl = interface(INTERFACE_SERVICE);
    let described = "org.varlink.service.GetInterfaceDescription";
    let asked = service::Call::parse(described, Some(&raw(&json!({ "interface": "a.b" }))));
    assert_eq!(asked, Ok(service::Call::GetInterfaceDescription { interface: "a.b".into() }));
    assert_eq!(service::Call::parse("org.varlink.service.GetInfo", None), Ok(service::Call::GetInfo));
    check(&idl, "GetInfo", &idl.methods["GetInfo"].output, false, &as_type::<service::Info>);
    let description = &idl.methods["GetInterfaceDescription"].output;
    check(&idl, "GetInterfaceDescription", description, false, &as_type::<service::Description>);
}

#[test]
fn no_call_more_and_none_less() {
    let hook_members: BTreeSet<_> = hook::Method::ALL.iter().map(|method| method.member()).collect();
    assert_eq!(hook_members, interface(INTERFACE_HOOK).methods.keys().copied().collect());
    let admin_members: BTreeSet<_> = admin::Method::ALL.iter().map(|method| method.as_str()).collect();
    assert_eq!(admin_members, interface(INTERFACE_ADMIN).methods.keys().copied().collect());
    for name in
        ["", "Check", "org.parvis.Hook", "org.parvis.Hook.", "org.parvis.Hook.check", "org.parvis.HookCheck"]
    {
        let refused = CallError::MethodNotFound { method: name.into() };
        assert_eq!(hook::Call::parse(name, None), Err(refused.clone()));
        assert_eq!(admin::Call::parse(name, None), Err(refused.clone()));
        assert_eq!(service::Call::parse(name, None), Err(refused));
    }
}

#[test]
fn the_printed_names_are_the_members_with_hyphens() {
    for method in hook::Method::ALL {
        let hyphenated: String = method
            .member()
            .char_indices()
            .flat_map(|(at, c)| {
                (at > 0 && c.is_uppercase()).then_some('-').into_iter().chain(c.to_lowercase())
            })
            .collect();
        assert_eq!(method.as_str(), hyphenated);
    }
}

#[test]
fn an_answer_does_not_show_what_opens_a_session() {
    let idl = interface(INTERFACE_HOOK);
    for (name, secret) in [("Check", "url"), ("Open", "session")] {
        let method = hook::Method::from_full_name(&format!("{}.{name}", hook::NAME)).expect("a known call");
        let mut value = sample::of_struct(&idl, name, &idl.methods[name].output);
        value[secret] = json!("hunter2");
        let shown = format!("{:?}", hook::Answer::read(method, &raw(&value)).expect("an answer"));
        assert!(shown.contains("Secret(…)") && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn an_answer_may_grow() {
    let text = r#"{"allow": true, "status": "active", "later": {"a": [1]}}"#;
    let later: Box<RawValue> = serde_json::from_str(text).expect("JSON");
    let answer = hook::Answer::read(hook::Method::Check, &later).expect("it is passed over");
    assert_eq!(written(&answer)["allow"], json!(true));
}

#[test]
fn calls_and_replies_come_back_from_the_wire() {
    let call =
        hook::Call::parse("org.parvis.Hook.Look", Some(&raw(&json!({ "link": "l" })))).expect("a call");
    let sent = wire::encode_call(&call.method().full_name(), &call, true).expect("it fits");
    let (nul, text) = sent.split_last().expect("it is not empty");
    assert_eq!(*nul, 0);
    let envelope = wire::CallEnvelope::parse(text).expect("an envelope");
    assert_eq!((envelope.interface(), envelope.more, envelope.oneway), (hook::NAME, true, false));
    assert_eq!(hook::Call::parse(&envelope.method, envelope.parameters), Ok(call));

    let failure = hook::Failure::Fault { reference: "17".into() };
    let sent = wire::encode(&failure).expect("it fits");
    let envelope = wire::ReplyEnvelope::parse(&sent[..sent.len() - 1]).expect("an envelope");
    assert_eq!(envelope.error.as_deref(), Some("org.parvis.Hook.Fault"));
}
