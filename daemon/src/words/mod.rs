//! The words that people read: one text in each language, from `conf/locales/`, and times said the way people say them.

mod slips;
mod time;

pub use slips::meant;
pub use time::{ago, civil, deadline, generalized, wait};

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use std::collections::BTreeMap;

const SHIPPED: [(&str, &str); 2] = [
    ("fr", include_str!("../../../conf/locales/fr.ftl")),
    ("en", include_str!("../../../conf/locales/en.ftl")),
];

/// All texts.
pub struct Words {
    bundles: BTreeMap<&'static str, FluentBundle<FluentResource>>,
}

/// A value for a text's placeholder.
#[derive(Clone, Debug)]
pub enum Value {
    /// As it is.
    Text(String),
    /// For plurals and selections.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl Words {
    /// The shipped texts.
    pub fn shipped() -> Self {
        let bundles = SHIPPED.map(|(locale, text)| {
            let language = locale.parse().expect("fr and en are language tags");
            let mut bundle = FluentBundle::new_concurrent(vec![language]);
            // The marks that isolate a placeholder's direction would end up in mails and links.
            bundle.set_use_isolating(false);
            let resource = FluentResource::try_new(text.to_owned()).expect("a test reads the shipped texts");
            bundle.add_resource_overriding(resource);
            (locale, bundle)
        });
        Self { bundles: bundles.into_iter().collect() }
    }

    /// A text in a language; its name where there is none, which a test excludes.
    pub fn say(&self, locale: &str, name: &str, values: &[(&str, Value)]) -> String {
        self.try_say(locale, name, values).unwrap_or_else(|| name.to_owned())
    }

    fn try_say(&self, locale: &str, name: &str, values: &[(&str, Value)]) -> Option<String> {
        let bundle = self.bundles.get(locale).or_else(|| self.bundles.get("en"))?;
        let pattern = bundle.get_message(name)?.value()?;
        let mut args = FluentArgs::new();
        for (name, value) in values {
            let value = match value {
                Value::Text(text) => FluentValue::from(text.clone()),
                Value::Number(number) => FluentValue::from(*number),
            };
            args.set(*name, value);
        }
        let mut faults = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&args), &mut faults).into_owned();
        faults.is_empty().then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The names of the texts and of their placeholders.
    fn names(text: &str) -> BTreeSet<(String, Vec<String>)> {
        let mut found: BTreeSet<(String, Vec<String>)> = BTreeSet::new();
        let mut current: Option<(String, Vec<String>)> = None;
        for line in text.lines() {
            if let Some((name, _)) = line.split_once(" = ").filter(|(name, _)| !name.starts_with([' ', '#']))
            {
                found.extend(current.replace((name.to_owned(), Vec::new())));
            }
            if let Some((_, placeholders)) = &mut current {
                for part in line.split("{ $").skip(1) {
                    let end = part.find([' ', '}']).unwrap_or(part.len());
                    placeholders.push(part[..end].to_owned());
                }
                placeholders.sort();
                placeholders.dedup();
            }
        }
        found.extend(current);
        found
    }

    #[test]
    fn every_text_is_there_in_both_languages_and_can_be_said() {
        let words = Words::shipped();
        let [fr, en] = SHIPPED.map(|(_, text)| names(text));
        let only = |set: &BTreeSet<(String, Vec<String>)>| {
            set.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(only(&fr), only(&en));
        assert!(fr.len() > 80, "{}", fr.len());
        for (locale, set) in [("fr", &fr), ("en", &en)] {
            for (name, placeholders) in set {
                let numbers = ["count", "number", "classes"];
                let value = |name: &String| {
                    if numbers.contains(&name.as_str()) { Value::Number(3) } else { "x".into() }
                };
                let values: Vec<(&str, Value)> =
                    placeholders.iter().map(|name| (name.as_str(), value(name))).collect();
                let said = words.try_say(locale, name, &values);
                let said = said.unwrap_or_else(|| panic!("{locale} {name} cannot be said"));
                assert!(!said.is_empty() && !said.contains('{') && !said.contains('\u{2068}'), "{said}");
            }
        }
    }

    #[test]
    fn french_typography() {
        let (_, fr) = SHIPPED[0];
        for (number, line) in fr.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            for sign in [" :", " ;", " !", " ?", " »", "« ", "'"] {
                assert!(
                    !line.contains(sign),
                    "fr.ftl line {}: {sign:?} needs a no-break space or ’",
                    number + 1
                );
            }
        }
    }

    #[test]
    fn a_text_that_lacks_a_value_is_not_said_half() {
        assert_eq!(Words::shipped().try_say("fr", "check-wait", &[]), None);
    }
}
