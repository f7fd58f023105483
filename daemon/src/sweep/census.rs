//! What the sweep sees as it goes through everybody, for the report: counts, and the few names that somebody must look at.

use crate::dossier::Kept;
use crate::engine::night::{List, MAILS, Night, Reason, quoted};
use jiff::Timestamp;
use parvis_enrolment::{Enrolment, Policy, Stage, Step};
use std::collections::HashMap;

/// The most different reasons that are told apart.
const MOST_REASONS: usize = 1000;

/// A count in the making.
pub struct Census {
    night: Night,
    /// How many open enrolments have that login.
    logins: HashMap<String, u64>,
    reasons: HashMap<String, u64>,
}

impl Census {
    /// Of what has happened after `since`, until `until`.
    pub fn begin(since: Timestamp, until: Timestamp) -> Self {
        Self { night: Night::of(since, until), logins: HashMap::new(), reasons: HashMap::new() }
    }

    /// One person, as they are after the sweep.
    pub fn person(&mut self, policy: &Policy, facts: &[Kept], enrolment: &Enrolment) {
        let (since, until) = (self.night.since, self.night.until);
        let recent = facts.iter().rev().take_while(|kept| kept.at > since).filter(|kept| kept.at <= until);
        for kept in recent.filter(|kept| MAILS.contains(&kept.fact.what.as_str())) {
            one_more(&mut self.night.mails, &kept.fact.what);
            let why = kept.fact.details.iter().find(|(name, _)| name == "why");
            if let Some(words) = why.map(|(_, words)| quoted(words))
                && (self.reasons.len() < MOST_REASONS || self.reasons.contains_key(&words))
            {
                *self.reasons.entry(words).or_default() += 1;
            }
        }
        let login = &enrolment.profile.login;
        if let Stage::Done { at, drift, .. } = &enrolment.stage {
            self.night.activated += u64::from(*at > since && *at <= until);
            if drift.is_some() {
                self.night.drifted.push(login.clone());
            }
        }
        if !enrolment.open() {
            return;
        }
        self.night.open += 1;
        *self.logins.entry(login.to_lowercase()).or_default() += 1;
        if enrolment.population(policy).is_none() {
            self.night.nobody.push(login.clone());
        }
        one_more(&mut self.night.steps, place(policy, enrolment));
    }

    /// Something that the sweep did.
    pub fn swept(&mut self, action: &str) {
        one_more(&mut self.night.swept, action);
    }

    /// A record that it could not look at.
    pub fn passed_over(&mut self) {
        self.night.passed_over += 1;
    }

    /// What there is to report.
    pub fn end(mut self) -> Night {
        let mut reasons: Vec<(String, u64)> = self.reasons.into_iter().collect();
        // By number, and where that is the same always in the same order.
        reasons.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
        self.night.reasons = List::of(reasons.into_iter().map(|(words, count)| Reason { words, count }));
        let mut twice: Vec<String> =
            self.logins.into_iter().filter(|(_, count)| *count > 1).map(|(login, _)| login).collect();
        twice.sort();
        self.night.twice = List::of(twice);
        self.night
    }
}

fn one_more(counts: &mut std::collections::BTreeMap<String, u64>, name: &str) {
    *counts.entry(name.to_owned()).or_default() += 1;
}

/// Where somebody is, by the step's name in the protocol.
fn place(policy: &Policy, enrolment: &Enrolment) -> &'static str {
    if enrolment.population(policy).is_none() {
        return "no-population";
    }
    if matches!(enrolment.stage, Stage::Activating { .. }) {
        return "activating";
    }
    match enrolment.step(policy) {
        None | Some(Step::RecoveryAddress) => "recovery-address",
        Some(Step::RecoveryLink) => "recovery-link",
        Some(Step::Charter) => "charter",
        Some(Step::Listing) => "listing",
        Some(Step::Mail) => "mail",
        Some(Step::ForwardLink) => "forward-link",
        Some(Step::Password | Step::Done) => "password",
    }
}
