//! What the nightly report says, as numbers, names and instants: the words are the mail's affair.
//!
//! It is bounded, and it names nobody but by login, and only where a sysadmin has something to do. What is quoted of mail
//! servers has no address in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most lines of a list; of the others, the number is said.
pub const MOST: usize = 12;
/// The facts that say what became of a mail, in the order in which their counts are said.
pub const MAILS: [&str; 7] = [
    "mail-sent",
    "mail-unconfirmed",
    "mail-deferred",
    "mail-delayed",
    "mail-refused",
    "mail-given-up",
    "mail-bounced",
];
/// The longest reason that is quoted, in characters.
const LONGEST: usize = 160;

/// One night.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Night {
    /// From when on things are counted: the former report.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// How often the sweep did what, by the name of what it did.
    pub swept: BTreeMap<String, u64>,
    /// Records that it could not look at.
    pub passed_over: u64,
    /// People whose enrolment is open.
    pub open: u64,
    /// How many of them are where, by the step's name.
    pub steps: BTreeMap<String, u64>,
    /// Accounts activated since.
    pub activated: u64,
    /// What became of mails since, by the fact's name.
    pub mails: BTreeMap<String, u64>,
    /// Why mails were not taken or came back, most frequent first.
    pub reasons: List<Reason>,
    /// What does not work.
    pub troubles: List<Trouble>,
    /// Whose entry was rolled back after the activation.
    pub drifted: List<String>,
    /// Who is in no population.
    pub nobody: List<String>,
    /// Which login has two entries.
    pub twice: List<String>,
    /// The audit's head.
    pub anchor: String,
}

/// The first of something, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// At most [`MOST`].
    pub first: Vec<T>,
    /// How many are left out.
    pub more: u64,
}

/// Why mails were not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The mail server's words, without addresses.
    pub words: String,
    /// How often.
    pub count: u64,
}

/// A part that does not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Its name on the board.
    pub part: String,
    /// Since when.
    pub since: Timestamp,
    /// In words.
    pub detail: String,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { first: Vec::new(), more: 0 }
    }
}

impl<T> List<T> {
    /// Adds one, or counts it.
    pub fn push(&mut self, one: T) {
        if self.first.len() < MOST { self.first.push(one) } else { self.more = self.more.saturating_add(1) }
    }

    /// Of all.
    pub fn of(all: impl IntoIterator<Item = T>) -> Self {
        let mut list = Self::default();
        all.into_iter().for_each(|one| list.push(one));
        list
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.more.saturating_add(self.first.len() as u64)
    }
}

impl Night {
    /// One of which nothing is known yet.
    pub fn of(since: Timestamp, until: Timestamp) -> Self {
        Self {
            since,
            until,
            swept: BTreeMap::new(),
            passed_over: 0,
            open: 0,
            steps: BTreeMap::new(),
            activated: 0,
            mails: BTreeMap::new(),
            reasons: List::default(),
            troubles: List::default(),
            drifted: List::default(),
            nobody: List::default(),
            twice: List::default(),
            anchor: String::new(),
        }
    }

    /// How many things somebody should look at.
    pub fn concerns(&self) -> u64 {
        let lists = [self.troubles.count(), self.drifted.count(), self.nobody.count(), self.twice.count()];
        lists.into_iter().fold(self.passed_over, u64::saturating_add)
    }
}

/// What is quoted of a mail server or of a part: no address, no token, nothing that is another at every mail.
pub fn quoted(words: &str) -> String {
    let quoted: Vec<String> = words.split_whitespace().map(plain).collect();
    let text = quoted.join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// One word: an address, a queue's number or a link stands for itself no longer.
fn plain(word: &str) -> String {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric());
    let digits = core.chars().filter(char::is_ascii_digit).count();
    let number = core.len() >= 8 && digits >= 2 && !core.contains('.');
    if word.contains('@') || word.contains("://") || core.len() > 40 || number {
        return "…".to_owned();
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_names_nobody_and_is_the_same_for_all() {
        for (said, expected) in [
            ("550 5.1.1 <jeanne@example.org>: user unknown", "550 5.1.1 … user unknown"),
            ("550 5.1.1 jeanne@[192.0.2.1] unknown", "550 5.1.1 … unknown"),
            ("554 5.7.1 see https://block.example/?ip=192.0.2.9&to=jeanne", "554 5.7.1 see …"),
            ("451 4.7.1 greylisted, id 4fVx2k9QzL1", "451 4.7.1 greylisted, id …"),
            ("the mail server did not answer in 30 s", "the mail server did not answer in 30 s"),
        ] {
            assert_eq!(quoted(said), expected);
        }
        assert_eq!(quoted(&"é ".repeat(400)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn a_list_says_how_many_it_leaves_out() {
        let list = List::of(0..40);
        assert_eq!((list.first.len(), list.more, list.count()), (MOST, 28, 40));
    }
}
