//! The nightly report in words: instants as people say them, in the campus's language. The counts' names are the template's
//! to word.

use crate::config::Settings;
use crate::engine::night::{List, MAILS, Night};
use crate::mail::Locale;
use crate::mail::values::{Counted, Names, Report, Trouble};
use crate::words::{Words, ago};
use std::collections::BTreeMap;

/// The steps in the order in which people go through them, then what is none.
const STEPS: [&str; 9] = [
    "recovery-address",
    "recovery-link",
    "charter",
    "listing",
    "mail",
    "forward-link",
    "password",
    "activating",
    "no-population",
];
const SWEPT: [&str; 4] = ["expire", "close", "purge", "tidy"];

/// What the template prints.
pub fn worded(words: &Words, settings: &Settings, locale: Locale, night: &Night) -> Report {
    let when = |at| ago(words, settings, locale.as_str(), at, night.until);
    let names = |list: &List<String>| Names { first: list.first.clone(), more: list.more };
    let trouble = |one: &crate::engine::night::Trouble| Trouble {
        part: one.part.clone(),
        since: when(one.since),
        words: one.detail.clone(),
    };
    Report {
        since: when(night.since),
        until: when(night.until),
        concerns: night.concerns(),
        open: night.open,
        activated: night.activated,
        passed_over: night.passed_over,
        swept: counted(&SWEPT, &night.swept),
        steps: counted(&STEPS, &night.steps),
        mails: counted(&MAILS, &night.mails),
        reasons: night.reasons.first.iter().map(|one| Counted::new(&one.words, one.count)).collect(),
        more_reasons: night.reasons.more,
        troubles: night.troubles.first.iter().map(trouble).collect(),
        drifted: names(&night.drifted),
        nobody: names(&night.nobody),
        twice: names(&night.twice),
        anchor: night.anchor.clone(),
    }
}

/// In this order; what is nowhere is not said.
fn counted(order: &[&str], counts: &BTreeMap<String, u64>) -> Vec<Counted> {
    order.iter().filter_map(|name| Some(Counted::new(name, *counts.get(*name)?))).collect()
}
