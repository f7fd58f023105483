//! The pages' own words, from `conf/pages/{fr,en}.ftl`. What a step says of itself comes from the daemon.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use crate::tongue::Tongue;

const FR: &str = include_str!("../../../conf/pages/fr.ftl");
const EN: &str = include_str!("../../../conf/pages/en.ftl");

/// All texts.
pub struct Words {
    fr: FluentBundle<FluentResource>,
    en: FluentBundle<FluentResource>,
}

impl Words {
    /// The shipped texts.
    pub fn shipped() -> Self {
        Self { fr: bundle(Tongue::Fr, FR), en: bundle(Tongue::En, EN) }
    }

    /// A text with its values; its name where there is none, which a test excludes.
    pub fn say(&self, tongue: Tongue, name: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        self.try_say(tongue, name, values).unwrap_or_else(|| name.to_owned())
    }

    fn try_say(&self, tongue: Tongue, name: &str, values: &[(&str, FluentValue<'_>)]) -> Option<String> {
        let bundle = match tongue {
            Tongue::Fr => &self.fr,
            Tongue::En => &self.en,
        };
        let pattern = bundle.get_message(name)?.value()?;
        let args: FluentArgs<'_> = values.iter().map(|(name, value)| (*name, value.clone())).collect();
        let mut faults = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&args), &mut faults).into_owned();
        faults.is_empty().then_some(text)
    }
}

fn bundle(tongue: Tongue, text: &str) -> FluentBundle<FluentResource> {
    let language = tongue.as_str().parse().expect("fr and en are language tags");
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(text.to_owned()).expect("a test reads the shipped texts");
    bundle.add_resource_overriding(resource);
    bundle
}
