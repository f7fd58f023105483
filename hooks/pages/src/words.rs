//! The pages' own words, from `conf/pages/{fr,en}.ftl`. What a step says of itself comes from the daemon.

use std::collections::HashMap;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use crate::tongue::Tongue;

const FR: &str = include_str!("../../../conf/pages/fr.ftl");
const EN: &str = include_str!("../../../conf/pages/en.ftl");

/// All texts.
pub struct Words {
    fr: Language,
    en: Language,
}

/// Those of one language. Most take no value: they are made once, not for each page.
struct Language {
    bundle: FluentBundle<FluentResource>,
    plain: HashMap<&'static str, String>,
}

impl Language {
    fn of(tongue: Tongue, text: &'static str) -> Self {
        let bundle = bundle(tongue, text);
        let names = text.lines().filter_map(|line| line.split_once(" =")).map(|(name, _)| name);
        let plain = names.filter_map(|name| Some((name, said(&bundle, name, &[])?))).collect();
        Self { bundle, plain }
    }
}

impl Words {
    /// The shipped texts.
    pub fn shipped() -> Self {
        Self { fr: Language::of(Tongue::Fr, FR), en: Language::of(Tongue::En, EN) }
    }

    /// A text with its values; its name where there is none, which a test excludes.
    pub fn say(&self, tongue: Tongue, name: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        self.try_say(tongue, name, values).unwrap_or_else(|| name.to_owned())
    }

    fn try_say(&self, tongue: Tongue, name: &str, values: &[(&str, FluentValue<'_>)]) -> Option<String> {
        let language = match tongue {
            Tongue::Fr => &self.fr,
            Tongue::En => &self.en,
        };
        language.plain.get(name).cloned().or_else(|| said(&language.bundle, name, values))
    }
}

fn said(
    bundle: &FluentBundle<FluentResource>,
    name: &str,
    values: &[(&str, FluentValue<'_>)],
) -> Option<String> {
    let pattern = bundle.get_message(name)?.value()?;
    let args: FluentArgs<'_> = values.iter().map(|(name, value)| (*name, value.clone())).collect();
    let mut faults = Vec::new();
    let text = bundle.format_pattern(pattern, Some(&args), &mut faults).into_owned();
    faults.is_empty().then_some(text)
}

fn bundle(tongue: Tongue, text: &str) -> FluentBundle<FluentResource> {
    let language = tongue.as_str().parse().expect("fr and en are language tags");
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(text.to_owned()).expect("a test reads the shipped texts");
    bundle.add_resource_overriding(resource);
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// The names of the texts, and of the values that each takes.
    fn names(text: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) = line.split_once(" =").filter(|(name, _)| !name.starts_with(' ')) {
                name.clone_into(&mut current);
                found.entry(current.clone()).or_default();
            }
            for part in line.split("{ $").skip(1) {
                let end = part.find([' ', '}']).unwrap_or(part.len());
                found.entry(current.clone()).or_default().insert(part[..end].to_owned());
            }
        }
        found
    }

    #[test]
    fn every_text_is_there_in_both_languages_and_can_be_said() {
        let words = Words::shipped();
        let (fr, en) = (names(FR), names(EN));
        assert_eq!(fr.keys().collect::<Vec<_>>(), en.keys().collect::<Vec<_>>());
        assert!(fr.len() > 100, "{}", fr.len());
        for (tongue, all) in [(Tongue::Fr, fr), (Tongue::En, en)] {
            for (name, values) in all {
                let value = |key: &str| match key {
                    "count" | "number" | "current" | "total" | "day" => FluentValue::from(3),
                    _ => FluentValue::from("x"),
                };
                let values: Vec<_> = values.iter().map(|key| (key.as_str(), value(key))).collect();
                let said = words.try_say(tongue, &name, &values);
                let said = said.unwrap_or_else(|| panic!("{} {name} cannot be said", tongue.as_str()));
                assert!(!said.is_empty() && !said.contains('{') && !said.contains('\u{2068}'), "{said}");
            }
        }
    }

    #[test]
    fn french_typography() {
        for (number, line) in FR.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            for sign in [" :", " ;", " !", " ?", " »", "« ", "'"] {
                assert!(
                    !line.contains(sign),
                    "fr.ftl line {}: {sign:?} needs a no-break space or ’",
                    number + 1
                );
            }
        }
    }

    /// A template or a source that asks for a text which is not there would show its name.
    #[test]
    fn every_text_that_is_asked_for_is_there_and_none_is_there_for_nothing() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut sources = String::new();
        for folder in ["templates", "src", "src/steps"] {
            for entry in std::fs::read_dir(here.join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
                sources += &std::fs::read_to_string(entry).unwrap_or_default();
            }
        }
        let known = names(EN);
        for call in ["say(\"", "say_of(\"", "say_count(\"", "saying(\""] {
            for asked in sources.split(call).skip(1).filter_map(|rest| rest.split('"').next()) {
                // A key of the configuration is said to the sysadmin.
                if asked.contains('.') {
                    continue;
                }
                assert!(known.contains_key(asked), "{asked} is asked for");
            }
        }
        let unused: Vec<_> = known.keys().filter(|name| !sources.contains(&format!("\"{name}\""))).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }
}
