//! What makes room when a dossier has grown too large: which facts go, and how that is written down.
//!
//! A value of the store ends at 64 KiB. Whoever could fill their dossier up to there would freeze it, so it is cut
//! back long before. What goes is named by a fact `trimmed`, with a record in the chain as every fact has: a fact that
//! is absent and named there was trimmed, and one that is absent and not named was removed by somebody else.

use super::Kept;
use std::collections::{BTreeMap, BTreeSet};

/// The fact that names what was trimmed; there is one at most, and it names what those before it named.
pub const TRIMMED: &str = "trimmed";
/// Its detail: the facts' numbers, as `3-17 19`.
pub const NUMBERS: &str = "facts";

/// Facts that somebody may have to prove years later.
pub fn proves(what: &str) -> bool {
    PROVING.contains(&what)
}

/// The kinds of which the latest is always kept.
pub const PROVING: [&str; 6] =
    ["begun", "link-used", "charter-accepted", "listing-chosen", "mail-chosen", "activated"];

/// Numbers that mostly follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(Vec<(u32, u32)>);

impl Numbers {
    /// Those that a fact `trimmed` names.
    pub fn of(kept: &Kept) -> Self {
        let named = kept.fact.details.iter().find(|(name, _)| name == NUMBERS);
        named.map(|(_, text)| Self::parse(text)).unwrap_or_default()
    }

    /// Reads `3-17 19`; what is no number is passed over.
    fn parse(text: &str) -> Self {
        let span = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        Self(text.split(' ').filter_map(span).collect())
    }

    /// Whether a number is among them.
    pub fn contains(&self, n: u32) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&n))
    }

    /// Both these and those.
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self.with([])
    }

    /// With these as well.
    pub fn with(mut self, more: impl IntoIterator<Item = u32>) -> Self {
        self.0.extend(more.into_iter().map(|n| (n, n)));
        self.0.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::new();
        for (first, last) in self.0 {
            match joined.last_mut() {
                Some((_, before)) if first <= before.saturating_add(1) => *before = last.max(*before),
                Some(_) | None => joined.push((first, last)),
            }
        }
        Self(joined)
    }
}

impl std::fmt::Display for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            if first == last { write!(f, "{gap}{first}")? } else { write!(f, "{gap}{first}-{last}")? }
        }
        Ok(())
    }
}

/// The facts that may go, by number, first those that are missed least:
/// 1. those that prove nothing, oldest first;
/// 2. of each proving kind in a round, what is neither the first nor the latest;
/// 3. of rounds that are over, all but the latest of each kind: a dossier that lived through a dozen rounds.
///
/// Never the latest of a proving kind, nor what this round keeps by the second rule.
pub fn expendable(facts: &[Kept]) -> Vec<u32> {
    let rounds = rounds(facts);
    let current = rounds.last().copied().unwrap_or_default();
    let mut latest: BTreeMap<&str, u32> = BTreeMap::new();
    let mut ends: BTreeMap<(u64, &str), (u32, u32)> = BTreeMap::new();
    for (kept, round) in facts.iter().zip(&rounds) {
        let what = kept.fact.what.as_str();
        latest.insert(what, kept.n);
        ends.entry((*round, what)).and_modify(|(_, last)| *last = kept.n).or_insert((kept.n, kept.n));
    }
    let mut tiers: [Vec<u32>; 3] = Default::default();
    let [idle, between, past] = &mut tiers;
    for (kept, round) in facts.iter().zip(&rounds) {
        let what = kept.fact.what.as_str();
        let end = ends.get(&(*round, what)).is_some_and(|(a, b)| kept.n == *a || kept.n == *b);
        if what == TRIMMED {
            // It makes room for the one that follows.
        } else if !proves(what) {
            idle.push(kept.n);
        } else if !end {
            between.push(kept.n);
        } else if *round != current && latest.get(what) != Some(&kept.n) {
            past.push(kept.n);
        }
    }
    tiers.concat()
}

/// The round in which each fact happened, as the facts `begun` say; 0 before the first of them.
fn rounds(facts: &[Kept]) -> Vec<u64> {
    let mut round = 0;
    let of = |kept: &Kept| {
        if kept.fact.what == "begun"
            && let Some((_, text)) = kept.fact.details.iter().find(|(name, _)| name == "round")
        {
            round = text.parse().unwrap_or(round);
        }
        round
    };
    facts.iter().map(of).collect()
}

/// Takes these out.
pub fn remove(facts: &mut Vec<Kept>, gone: &BTreeSet<u32>) {
    facts.retain(|kept| !gone.contains(&kept.n));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_their_text() {
        let numbers = Numbers::default().with([3, 4, 5, 19]).with([6, 2, 30, 31]);
        assert_eq!(numbers.to_string(), "2-6 19 30-31");
        assert_eq!(Numbers::parse(&numbers.to_string()), numbers);
        assert!(numbers.contains(4) && numbers.contains(19) && !numbers.contains(7) && !numbers.contains(1));
        for nonsense in ["", "x", "1-", "-", "9999999999"] {
            assert_eq!(Numbers::parse(nonsense), Numbers::default(), "{nonsense}");
        }
    }
}
