//! Every example of `docs/contract.md` is read with the Rust types, and its tables are held against them.
//!
//! An example is a fenced block: `json call=NAME`, then `json answer` or `json refusal`, as `parvis-hook` reads and
//! prints them; with `format=NAME` also `json printed`. On the wire: `json wire`, `json wire-answer`, `json wire-error`.

use std::collections::{BTreeMap, BTreeSet};

use parvis_protocol::hook::{Answer, Call, Method, Refusal, RefusalCode};
use parvis_protocol::outcome::{Fault, Language, Outcome};
use parvis_protocol::wire::CallEnvelope;
use parvis_protocol::{hook, limits};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../../docs/contract.md");

/// A fenced block: what its first line says, and its text.
struct Block {
    says: Vec<&'static str>,
    text: String,
}

impl Block {
    fn is(&self, word: &str) -> bool {
        self.says.contains(&word)
    }

    fn named(&self, key: &str) -> Option<&'static str> {
        self.says.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn raw(&self) -> Box<RawValue> {
        to_raw_value(&self.json()).expect("a value is JSON")
    }
}

fn blocks() -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in PAGE.lines() {
        match line.strip_prefix("```") {
            Some(says) if !inside => {
                found.push(Block { says: says.split_whitespace().collect(), text: String::new() });
                inside = true;
            }
            Some(_) => inside = false,
            None if inside => {
                let block = found.last_mut().expect("inside a block");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!inside, "a block is not closed");
    found.into_iter().filter(|block| block.is("json")).collect()
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

/// What a type writes again is what the page shows, but for nulls.
fn same<T: Serialize>(read: &T, shown: &Value) {
    let written = serde_json::to_value(read).expect("every type of the contract serialises");
    assert_eq!(without_nulls(written), *shown);
}

/// A printed answer or refusal as an outcome.
fn outcome(method: Method, block: &Block) -> Outcome {
    let mut shown = block.json();
    let fields = shown.as_object_mut().expect("an object");
    assert_eq!(fields.remove("schema"), Some(json!(1)));
    assert_eq!(fields.remove("ok"), Some(json!(block.is("answer"))), "{}", block.text);
    if block.is("answer") {
        let answer =
            Answer::read(method, &to_raw_value(&shown).expect("JSON")).expect("an answer of that call");
        same(&answer, &shown);
        return Outcome::Answered(answer);
    }
    assert!(block.is("refusal"), "{:?}", block.says);
    let shown = fields.remove("refusal").expect("a refusal");
    let refusal: Refusal = serde_json::from_value(shown.clone()).expect("a refusal");
    same(&refusal, &shown);
    Outcome::Refused(Box::new(refusal))
}

#[test]
fn every_example_is_of_its_call() {
    let (mut asked, mut blocks) = (BTreeSet::new(), blocks().into_iter().peekable());
    while let Some(block) = blocks.next() {
        let Some(name) = block.named("call") else {
            assert!(
                block.says.iter().any(|word| word.starts_with("wire")),
                "{:?} without a call",
                block.says
            );
            continue;
        };
        let method = Method::from_word(name).expect("a call");
        let call = Call::read(method, Some(&block.raw())).expect("a request of that call");
        same(&call, &block.json());
        asked.insert(method);

        let outcome = outcome(method, &blocks.next().expect("an answer after each request"));
        if let Some(format) = block.named("format") {
            let language = Language::asked(call.asked_by().0);
            let printed = match format {
                "cas-interrupt" => outcome.cas_interrupt(language),
                "cas-aup" => outcome.cas_aup(language),
                other => panic!("{other} is no format"),
            };
            let shown = blocks.next().expect("what is printed after the answer");
            assert!(shown.is("printed"));
            assert_eq!(printed, shown.json());
        }
    }
    assert_eq!(asked, Method::ALL.iter().copied().collect(), "a call without an example");
}

#[test]
fn the_examples_on_the_wire() {
    let (mut seen, mut asked) = (0, None);
    for block in blocks().iter().filter(|block| block.says.iter().any(|word| word.starts_with("wire"))) {
        seen += 1;
        if block.is("wire") {
            let envelope = CallEnvelope::parse(block.text.as_bytes()).expect("a call");
            let call = Call::parse(&envelope.method, envelope.parameters).expect("a call of ours");
            asked = Some(call.method());
        } else if block.is("wire-answer") {
            let reply = block.json();
            let parameters = to_raw_value(&reply["parameters"]).expect("JSON");
            let method = asked.take().expect("a call before its answer");
            same(&Answer::read(method, &parameters).expect("an answer"), &reply["parameters"]);
        } else {
            let failure: hook::Failure = serde_json::from_str(&block.text).expect("an error of ours");
            same(&failure, &block.json());
        }
    }
    assert_eq!(seen, 3);
}

/// The rows of the table that has this heading: its cells, without backquotes.
fn table(heading: &str) -> Vec<Vec<String>> {
    let start = PAGE.find(heading).unwrap_or_else(|| panic!("no table {heading}"));
    let rows = PAGE[start..].lines().take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect())
        .collect()
}

#[test]
fn the_table_of_calls() {
    let shown: BTreeMap<String, String> =
        table("| call | role |").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let known = Method::ALL.iter().map(|method| {
        let roles: Vec<_> = hook::roles(*method).iter().map(|role| role.as_str()).collect();
        (method.as_str().to_owned(), roles.join(", "))
    });
    assert_eq!(shown, known.collect());
}

/// The requests of the table are the fields of the types, and what may be absent has its mark.
#[test]
fn the_table_of_calls_has_every_field() {
    let idl = crate::sample::interface(parvis_protocol::INTERFACE_HOOK);
    for row in table("| call | role |") {
        let method = Method::from_word(&row[0]).expect("a call");
        if method == Method::Bounce {
            continue;
        }
        let shown: Vec<_> = row[2].split(", ").map(str::to_owned).collect();
        let described = idl.methods[method.member()].input.elts.iter();
        let known = described.filter(|field| !["locale", "client"].contains(&field.name)).map(|field| {
            let optional = matches!(field.vtype, varlink_parser::VTypeExt::Option(_));
            format!("{}{}", field.name, if optional { "?" } else { "" })
        });
        assert_eq!(shown, known.collect::<Vec<_>>(), "{method}");
    }
}

#[test]
fn the_table_of_refusals() {
    let start = PAGE.find("## Refusals").expect("the section");
    let rows = PAGE[start..]
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let shown: Vec<_> = rows.skip(2).filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(shown, RefusalCode::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>());
}

#[test]
fn the_table_of_exit_codes() {
    let refused = |code| Outcome::Refused(Box::new(Refusal::new(code, hook::Then::Wait, "")));
    let known = [
        Outcome::Answered(Answer::Bounce(hook::BounceAnswer { taken: false })),
        refused(RefusalCode::LinkUsed),
        Outcome::Failed(Fault::CommandLine),
        Outcome::Failed(Fault::RequestInvalid { field: None }),
        Outcome::Failed(Fault::Unreachable),
        Outcome::Failed(Fault::Own { reference: None }),
        refused(RefusalCode::Unavailable),
        Outcome::Failed(Fault::NotPermitted),
    ];
    let shown: Vec<_> = table("| exit | meaning |").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(shown, known.iter().map(|outcome| outcome.exit_code().to_string()).collect::<Vec<_>>());
}

#[test]
fn the_table_of_limits() {
    let shown: BTreeMap<String, usize> = table("| field | at most |")
        .into_iter()
        .flat_map(|row| {
            let max = row[1].parse().expect("a number");
            row[0].split(", ").map(|field| (field.to_owned(), max)).collect::<Vec<_>>()
        })
        .collect();
    let known = [
        ("a message", limits::MESSAGE_MAX),
        ("login", limits::LOGIN.max),
        ("address", limits::ADDRESS.max),
        ("forward", limits::ADDRESS.max),
        ("password", limits::PASSWORD.max),
        ("session", limits::TOKEN.max),
        ("ticket", limits::TOKEN.max),
        ("link", limits::TOKEN.max),
        ("return_to", limits::RETURN_TO.max),
        ("locale", limits::LOCALE.max),
        ("version", limits::VERSION.max),
        ("sha256", limits::DIGEST.max),
        ("client.ip", limits::IP.max),
        ("client.user_agent", limits::USER_AGENT.max),
        ("a bounce", limits::BOUNCE_MAX),
    ];
    assert_eq!(shown, known.into_iter().map(|(name, max)| (name.to_owned(), max)).collect());
}

#[test]
fn every_word_is_explained() {
    let steps = hook::Step::ALL.iter().map(|word| word.as_str());
    let words = steps
        .chain(hook::Status::ALL.iter().map(|word| word.as_str()))
        .chain(hook::Purpose::ALL.iter().map(|word| word.as_str()))
        .chain(hook::Usable::ALL.iter().map(|word| word.as_str()))
        .chain(hook::Then::ALL.iter().map(|word| word.as_str()))
        .chain(hook::Delivery::ALL.iter().map(|word| word.as_str()))
        .chain(hook::Forwarding::ALL.iter().map(|word| word.as_str()));
    for word in words {
        assert!(PAGE.contains(&format!("`{word}`")), "{word}");
    }
}
