//! Example values made from an interface file, and every way to break one of their fields.

use std::fmt::Write;

use parvis_protocol::{admin, hook};
use serde_json::{Map, Value, json};
use varlink_parser::{IDL, VStruct, VStructOrEnum, VType, VTypeExt};

pub fn interface(text: &'static str) -> IDL<'static> {
    IDL::try_from(text).expect("the interface file is Varlink")
}

/// One change to one field, and whether the result is still of its type.
pub struct Change {
    /// Names and indices from the top.
    pub path: Vec<String>,
    pub what: String,
    pub to: Option<Value>,
    pub legal: bool,
}

impl Change {
    /// As a refusal names it: `client.ip`.
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    pub fn apply(&self, to: &Value) -> Value {
        let mut changed = to.clone();
        let (last, above) = self.path.split_last().expect("a change is at some field");
        let mut at = &mut changed;
        for name in above {
            at = match at {
                Value::Array(list) => &mut list[name.parse::<usize>().expect("an index")],
                other => &mut other[name.as_str()],
            };
        }
        match (&self.to, at) {
            (Some(value), Value::Array(list)) => list[0] = value.clone(),
            (Some(value), other) => other[last.as_str()] = value.clone(),
            (None, other) => {
                other
                    .as_object_mut()
                    .expect("only a field is taken away")
                    .remove(last)
                    .expect("it was there");
            }
        }
        changed
    }
}

/// A value with every field there.
pub fn of_struct(idl: &IDL<'_>, owner: &str, fields: &VStruct<'_>) -> Value {
    let field = |field: &varlink_parser::Argument<'_>| {
        (field.name.to_owned(), of_type(idl, owner, field.name, &field.vtype))
    };
    Value::Object(fields.elts.iter().map(field).collect::<Map<_, _>>())
}

fn of_type(idl: &IDL<'_>, owner: &str, name: &str, vtype: &VTypeExt<'_>) -> Value {
    match vtype {
        VTypeExt::Array(of) => json!([of_type(idl, owner, name, of)]),
        VTypeExt::Dict(_) => panic!("the contract has no dictionaries"),
        VTypeExt::Option(of) => of_type(idl, owner, name, of),
        VTypeExt::Plain(VType::Bool) => json!(true),
        VTypeExt::Plain(VType::Int) => json!(7),
        VTypeExt::Plain(VType::String) => json!(word(owner, name).unwrap_or("abcd")),
        VTypeExt::Plain(VType::Typename(type_name)) => of_struct(idl, type_name, typedef(idl, type_name)),
        VTypeExt::Plain(_) => panic!("the contract has no such type: {name}"),
    }
}

fn typedef<'a>(idl: &'a IDL<'_>, name: &str) -> &'a VStruct<'a> {
    match &idl.typedefs[name].elt {
        VStructOrEnum::VStruct(fields) => fields,
        VStructOrEnum::VEnum(_) => panic!("the contract's enums are strings"),
    }
}

/// A permitted word for a string that has a list of them.
fn word(owner: &str, field: &str) -> Option<&'static str> {
    Some(match (owner, field) {
        ("org.parvis.Hook.Refused", "code") => hook::RefusalCode::Unavailable.as_str(),
        (_, "step") => hook::Step::RecoveryLink.as_str(),
        ("Check", "status") => hook::Status::NeedsActivation.as_str(),
        (_, "purpose") => hook::Purpose::Invitation.as_str(),
        (_, "usable") => hook::Usable::Superseded.as_str(),
        (_, "then") => hook::Then::SignIn.as_str(),
        (_, "delivery") => hook::Delivery::Deferred.as_str(),
        (_, "forwarding") => hook::Forwarding::Optional.as_str(),
        ("PasswordRule", "id") => hook::RuleId::History.as_str(),
        ("Part", "state") => admin::PartState::Degraded.as_str(),
        _ => return None,
    })
}

/// Every field taken away, made null, and given each wrong type; and each word made one that is not in the list.
pub fn changes(idl: &IDL<'_>, owner: &str, fields: &VStruct<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    for field in &fields.elts {
        let optional = matches!(field.vtype, VTypeExt::Option(_));
        let path = vec![field.name.to_owned()];
        found.push(Change { path: path.clone(), what: "missing".into(), to: None, legal: optional });
        found.push(Change {
            path: path.clone(),
            what: "null".into(),
            to: Some(Value::Null),
            legal: optional,
        });
        of_field(idl, owner, field.name, &field.vtype, &path, &mut found);
    }
    found
}

fn of_field(
    idl: &IDL<'_>,
    owner: &str,
    name: &str,
    vtype: &VTypeExt<'_>,
    path: &[String],
    found: &mut Vec<Change>,
) {
    let mut wrong =
        vec![json!(true), json!(7), json!(-7), json!(1.5), json!("7"), json!([]), json!({}), json!([[7]])];
    match vtype {
        VTypeExt::Option(of) => return of_field(idl, owner, name, of, path, found),
        VTypeExt::Array(of) => {
            wrong.retain(|value| *value != json!([]));
            let inside: Vec<String> = path.iter().cloned().chain(["0".to_owned()]).collect();
            of_field(idl, owner, name, of, &inside, found);
        }
        VTypeExt::Plain(VType::Bool) => wrong.retain(|value| !value.is_boolean()),
        VTypeExt::Plain(VType::Int) => wrong.retain(|value| *value != json!(7)),
        VTypeExt::Plain(VType::String) => {
            wrong.retain(|value| !value.is_string() || word(owner, name).is_some());
        }
        VTypeExt::Plain(VType::Typename(type_name)) => {
            // An empty object is wrong where a field of it is required, which `changes` finds by itself.
            wrong.retain(|value| *value != json!({}));
            let inner = changes(idl, type_name, typedef(idl, type_name));
            found.extend(
                inner.into_iter().map(|change| Change {
                    path: path.iter().cloned().chain(change.path).collect(),
                    ..change
                }),
            );
        }
        VTypeExt::Dict(_) | VTypeExt::Plain(_) => panic!("the contract has no such type: {name}"),
    }
    found.extend(wrong.into_iter().map(|value| {
        let mut what = String::new();
        write!(what, "{value}").expect("a string takes all");
        Change { path: path.to_vec(), what, to: Some(value), legal: false }
    }));
}
