//! Whether an answer is the one that the page shows: the same fields with the same words, where the words are the
//! contract's, and something of the same kind where they are a campus's or a moment's.

use serde_json::Value;

/// Texts that the campus words, instants, and tokens: there, and not empty.
const FREE: &[&str] = &[
    "message",
    "title",
    "lead",
    "words",
    "sentence",
    "sha256",
    "session",
    "expires",
    "at",
    "url",
    "links",
    "sign_in_url",
    "lost_letter",
];
/// Numbers that depend on the moment.
const MOMENTARY: &[&str] = &["resend_after", "retry_after"];

/// The differences, each with its place; none where the answer is as shown.
pub fn differences(shown: &Value, real: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", "", shown, real, &mut found);
    found
}

fn compare(path: &str, name: &str, shown: &Value, real: &Value, found: &mut Vec<String>) {
    match (shown, real) {
        (Value::Object(shown), Value::Object(real)) if name != "links" => {
            for (name, value) in shown {
                let here = format!("{path}.{name}");
                match real.get(name) {
                    Some(real) => compare(&here, name, value, real, found),
                    None => found.push(format!("{here} is not there")),
                }
            }
            // The page leaves out nulls only.
            for (name, value) in
                real.iter().filter(|(name, value)| !shown.contains_key(*name) && !value.is_null())
            {
                found.push(format!("{path}.{name} is not shown: {value}"));
            }
        }
        (Value::Array(shown), Value::Array(real)) if shown.len() == real.len() => {
            for (at, (shown, real)) in shown.iter().zip(real).enumerate() {
                compare(&format!("{path}[{at}]"), name, shown, real, found);
            }
        }
        (Value::Object(shown), Value::Object(real)) => {
            if shown.keys().ne(real.keys()) {
                found.push(format!("{path} is {real:?}, and shown as {shown:?}"));
            }
        }
        (Value::String(_), Value::String(real)) if FREE.contains(&name) && !real.is_empty() => {}
        (Value::Number(_), Value::Number(_)) if MOMENTARY.contains(&name) => {}
        (shown, real) if shown == real => {}
        (shown, real) => found.push(format!("{path} is {real}, and shown as {shown}")),
    }
}

#[test]
fn a_difference_is_found_and_a_campuss_words_are_none() {
    let shown = serde_json::json!({ "step": "mail", "message": "a", "view": { "at": "x", "rules": [{ "id": "y" }] } });
    let real = serde_json::json!({ "step": "mail", "message": "b", "view": { "at": "z", "rules": [{ "id": "y" }], "n": null } });
    assert_eq!(differences(&shown, &real), Vec::<String>::new());
    let real = serde_json::json!({ "step": "done", "view": { "at": "", "rules": [{ "id": "w" }], "n": 1 } });
    assert_eq!(differences(&shown, &real).len(), 5);
}
