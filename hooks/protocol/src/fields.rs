//! Reads a request's parameters field by field, so that each fault names the field it is in.
//!
//! serde's own structs say in words what is wrong; a caller needs the name. Nothing is read twice, nothing is
//! repaired but what [`Fields::clipped`] says, and a field that the call does not know is refused.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits::Text;
use crate::secret::Secret;

/// Why a call cannot be taken up, as Varlink's own errors say it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The interface has no such method.
    #[error("find the method {method}")]
    MethodNotFound {
        /// The method as it was asked for, clipped.
        method: String,
    },
    /// A field is missing, of the wrong type, too long, holds what it may not, is there twice, or is unknown.
    #[error("read the parameter {parameter}")]
    InvalidParameter {
        /// The field, with a dot inside another (`client.ip`); `parameters` where they are no object.
        parameter: String,
    },
}

impl CallError {
    /// For a method that is not there.
    pub(crate) fn method(method: &str) -> Self {
        Self::MethodNotFound { method: clip(method, NAME_MAX).to_owned() }
    }

    /// For a field that cannot be taken.
    pub(crate) fn parameter(name: &str) -> Self {
        Self::InvalidParameter { parameter: clip(name, NAME_MAX).to_owned() }
    }
}

/// The most of a caller's own name for something that is said back to it.
const NAME_MAX: usize = 128;

/// The fields of one object that were not read yet.
pub(crate) struct Fields<'a> {
    entries: Vec<(String, &'a RawValue)>,
    inside: &'static str,
}

impl<'a> Fields<'a> {
    /// The fields of a call's parameters; none where there are no parameters.
    pub(crate) fn of_call(parameters: Option<&'a RawValue>) -> Result<Self, CallError> {
        match parameters {
            Some(raw) if !is_null(raw) => Self::of_object(raw, ""),
            _ => Ok(Self { entries: Vec::new(), inside: "" }),
        }
    }

    fn of_object(raw: &'a RawValue, inside: &'static str) -> Result<Self, CallError> {
        let whole = if inside.is_empty() { "parameters" } else { inside };
        let Object(entries) = read(raw).ok_or_else(|| CallError::parameter(whole))?;
        let fields = Self { entries, inside };
        match fields.repeated() {
            Some(name) => Err(fields.invalid(name)),
            None => Ok(fields),
        }
    }

    fn repeated(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.entries.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).find_map(|pair| match pair {
            [first, second] if first == second => Some(*first),
            _ => None,
        })
    }

    fn invalid(&self, name: &str) -> CallError {
        match self.inside {
            "" => CallError::parameter(name),
            inside => CallError::parameter(&format!("{inside}.{name}")),
        }
    }

    /// Takes a field's raw value out; null is the same as absent.
    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.entries.iter().position(|(known, _)| known == name)?;
        let (_, raw) = self.entries.swap_remove(at);
        (!is_null(raw)).then_some(raw)
    }

    fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, CallError> {
        let taken = self.take(name).map(|raw| read(raw).ok_or_else(|| self.invalid(name)));
        taken.transpose()
    }

    fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, CallError> {
        self.optional(name)?.ok_or_else(|| self.invalid(name))
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, name: &str, kind: Text) -> Result<String, CallError> {
        self.text_or_null(name, kind)?.ok_or_else(|| self.invalid(name))
    }

    /// A text that may be absent.
    pub(crate) fn text_or_null(&mut self, name: &str, kind: Text) -> Result<Option<String>, CallError> {
        match self.optional::<String>(name)? {
            Some(text) if !kind.admits(&text) => Err(self.invalid(name)),
            text => Ok(text),
        }
    }

    /// A secret that must be there.
    pub(crate) fn secret(&mut self, name: &str, kind: Text) -> Result<Secret, CallError> {
        self.secret_or_null(name, kind)?.ok_or_else(|| self.invalid(name))
    }

    /// A secret that may be absent.
    pub(crate) fn secret_or_null(&mut self, name: &str, kind: Text) -> Result<Option<Secret>, CallError> {
        match self.optional::<Secret>(name)? {
            Some(secret) if !kind.admits(secret.expose()) => Err(self.invalid(name)),
            secret => Ok(secret),
        }
    }

    /// A text that may be absent, cut to the longest that is kept.
    pub(crate) fn clipped(&mut self, name: &str, kind: Text) -> Result<Option<String>, CallError> {
        match self.optional::<String>(name)? {
            Some(text) if !text.chars().all(|character| kind.alphabet.admits(character)) => {
                Err(self.invalid(name))
            }
            text => Ok(text.map(|text| clip(&text, kind.max).to_owned())),
        }
    }

    /// A yes or no that must be there.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, CallError> {
        self.required(name)
    }

    /// A yes or no that may be absent.
    pub(crate) fn flag_or_null(&mut self, name: &str) -> Result<Option<bool>, CallError> {
        self.optional(name)
    }

    /// A whole number, from `least` to `most`, that must be there.
    pub(crate) fn number(&mut self, name: &str, least: u64, most: u64) -> Result<u64, CallError> {
        match self.required::<u64>(name)? {
            number if (least..=most).contains(&number) => Ok(number),
            _ => Err(self.invalid(name)),
        }
    }

    /// An object that may be absent.
    pub(crate) fn object(&mut self, name: &'static str) -> Result<Option<Self>, CallError> {
        self.take(name).map(|raw| Self::of_object(raw, name)).transpose()
    }

    /// Refuses what is left: a field that nobody reads is a caller's mistake.
    pub(crate) fn finish(self) -> Result<(), CallError> {
        match self.entries.first() {
            Some((name, _)) => Err(self.invalid(name)),
            None => Ok(()),
        }
    }
}

/// An object's fields in order, each value left as its JSON text: it is parsed when it is asked for, so that
/// what nobody asks for costs nothing, however deep it is.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// The longest beginning of at most `max` bytes that ends between characters.
pub(crate) fn clip(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}
