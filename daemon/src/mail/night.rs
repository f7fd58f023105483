//! What the template of the nightly report may print: `report.…`.
//!
//! Counts by name, instants already in words. What a count is called is the template's to say.

use super::clean;
use super::values::Locale;
use serde::Serialize;

/// One night.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// From when on, in words with the zone.
    pub since: String,
    /// Until when.
    pub until: String,
    /// How many things somebody should look at.
    pub concerns: u64,
    /// People whose enrolment is open.
    pub open: u64,
    /// Accounts activated since.
    pub activated: u64,
    /// Records that the sweep could not look at.
    pub passed_over: u64,
    /// What the sweep did: `expire`, `close`, `purge`, `tidy`.
    pub swept: Vec<Counted>,
    /// Where people are: the steps' names, `activating`, `no-population`.
    pub steps: Vec<Counted>,
    /// What became of mails: the names of the facts, from `mail-sent` to `mail-bounced`.
    pub mails: Vec<Counted>,
    /// Why mails were not taken: the mail servers' words.
    pub reasons: Vec<Counted>,
    /// Further reasons.
    pub more_reasons: u64,
    /// What does not work.
    pub troubles: Vec<Trouble>,
    /// Logins whose entry was rolled back.
    pub drifted: Names,
    /// Logins in no population.
    pub nobody: Names,
    /// Logins with two entries.
    pub twice: Names,
    /// The audit's head.
    pub anchor: String,
}

/// A name and how often.
#[derive(Clone, Debug, Serialize)]
pub struct Counted {
    /// What.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// A part that does not work.
#[derive(Clone, Debug, Serialize)]
pub struct Trouble {
    /// Its name, as `parvisctl status` has it.
    pub part: String,
    /// Since when, in words.
    pub since: String,
    /// What is wrong, as `parvisctl status` has it.
    pub words: String,
}

/// The first names of a list, and how many more there are.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Names {
    /// The first.
    pub first: Vec<String>,
    /// The others.
    pub more: u64,
}

impl Counted {
    /// So often.
    #[must_use]
    pub fn new(name: &str, count: u64) -> Self {
        Self { name: name.to_owned(), count }
    }
}

impl Report {
    /// A believable night: one with everything to look at, or a quiet one.
    pub(super) fn sample(locale: Locale, full: bool) -> Self {
        let (since, until) = match locale {
            Locale::Fr => (
                "le 1 septembre 2026 à 3\u{a0}h\u{a0}30, heure de Paris",
                "aujourd’hui à 3\u{a0}h\u{a0}30, heure de Paris",
            ),
            Locale::En => ("on 1 September 2026 at 3:30 am, Paris time", "today at 3:30 am, Paris time"),
        };
        let quiet = Self {
            since: since.into(),
            until: until.into(),
            concerns: 0,
            open: 0,
            activated: 0,
            passed_over: 0,
            swept: Vec::new(),
            steps: Vec::new(),
            mails: Vec::new(),
            reasons: Vec::new(),
            more_reasons: 0,
            troubles: Vec::new(),
            drifted: Names::default(),
            nobody: Names::default(),
            twice: Names::default(),
            anchor: "1043:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        };
        if !full {
            return quiet;
        }
        let all = |names: &[&str]| {
            names.iter().zip(3..).map(|(name, count)| Counted::new(name, count * count)).collect()
        };
        let names =
            |first: &[&str], more| Names { first: first.iter().map(|one| (*one).into()).collect(), more };
        Self {
            concerns: 18,
            open: 312,
            activated: 148,
            passed_over: 1,
            swept: all(&["expire", "close", "purge", "tidy"]),
            steps: all(&[
                "recovery-address",
                "recovery-link",
                "charter",
                "listing",
                "mail",
                "forward-link",
                "password",
                "activating",
                "no-population",
            ]),
            mails: all(&[
                "mail-sent",
                "mail-unconfirmed",
                "mail-deferred",
                "mail-delayed",
                "mail-refused",
                "mail-given-up",
                "mail-bounced",
            ]),
            reasons: vec![
                Counted::new("450 4.2.0 … Recipient address rejected, greylisted", 16),
                Counted::new("550 5.1.1 … User unknown", 9),
            ],
            more_reasons: 2,
            troubles: vec![Trouble {
                part: "directory".into(),
                since: until.into(),
                words: "connection to ldap.univ-parvis.example refused".into(),
            }],
            drifted: names(&["mdurand"], 0),
            nobody: names(&["pmoreau", "lnguyen"], 0),
            twice: names(&["akovacs"], 12),
            ..quiet
        }
    }

    /// What comes from servers and from the directory, on one line each.
    pub(super) fn cleaned(&self) -> Self {
        let line = |words: &String| clean::plain(words, 320);
        let names = |names: &Names| Names {
            first: names.first.iter().map(|one| clean::name(one)).collect(),
            more: names.more,
        };
        Self {
            reasons: self.reasons.iter().map(|one| Counted::new(&line(&one.name), one.count)).collect(),
            troubles: (self.troubles.iter())
                .map(|one| Trouble { words: line(&one.words), ..one.clone() })
                .collect(),
            drifted: names(&self.drifted),
            nobody: names(&self.nobody),
            twice: names(&self.twice),
            ..self.clone()
        }
    }
}
