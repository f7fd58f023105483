//! Medians, spreads and verdicts. It measures nothing itself.

use std::fmt::Write as _;

/// What a number must not be beyond.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// At most.
    Most(f64),
    /// At least.
    Least(f64),
    /// Only told.
    None,
}

/// One measured number with its limit.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is.
    pub what: String,
    /// One value a pair, or a single one.
    pub values: Vec<f64>,
    /// What each value is in.
    pub unit: &'static str,
    /// What it must keep.
    pub limit: Limit,
    /// What else is to be known.
    pub note: String,
}

impl Line {
    /// A line without a note.
    pub fn new(what: &str, values: Vec<f64>, unit: &'static str, limit: Limit) -> Self {
        Self { what: what.to_owned(), values, unit, limit, note: String::new() }
    }

    /// The same with a note.
    #[must_use]
    pub fn noted(self, note: String) -> Self {
        Self { note, ..self }
    }

    /// Whether the median keeps the limit.
    pub fn kept(&self) -> bool {
        match self.limit {
            Limit::Most(limit) => median(&self.values) <= limit,
            Limit::Least(limit) => median(&self.values) >= limit,
            Limit::None => true,
        }
    }

    /// Whether the spread is narrower than what is left to the limit.
    pub fn certain(&self) -> bool {
        let (low, high) = quartiles(&self.values);
        match self.limit {
            Limit::Most(limit) | Limit::Least(limit) => high - low < (median(&self.values) - limit).abs(),
            Limit::None => true,
        }
    }

    /// For people; `judged` with the verdict.
    pub fn text(&self, judged: bool) -> String {
        let verdict = match (judged && self.limit != Limit::None, self.kept()) {
            (false, _) => "      ",
            (true, true) => "kept  ",
            (true, false) => "MISSED",
        };
        let mut text = format!("  {verdict} {:58} {}", self.what, number(median(&self.values)));
        let _ = write!(text, " {}", self.unit);
        match self.limit {
            Limit::Most(limit) => {
                let _ = write!(text, " (at most {})", number(limit));
            }
            Limit::Least(limit) => {
                let _ = write!(text, " (at least {})", number(limit));
            }
            Limit::None => {}
        }
        if self.values.len() > 1 {
            let (low, high) = quartiles(&self.values);
            let _ = write!(text, " [{}, {}; {}]", number(low), number(high), self.values.len());
        }
        if !self.note.is_empty() {
            let _ = write!(text, "\n         {}", self.note);
        }
        text
    }
}

/// Three digits that matter.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The middle value; of an even number, the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// A quarter of the values is below the first, a quarter above the second.
pub fn quartiles(values: &[f64]) -> (f64, f64) {
    (percentile(values, 0.25), percentile(values, 0.75))
}

/// The value below which that share of the values lies, between two neighbours in proportion.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share * (sorted.len().saturating_sub(1)) as f64;
    let below = place.floor();
    let value = |index: f64| sorted.get(index as usize).copied().unwrap_or(f64::NAN);
    let (low, high) = (value(below), value(place.ceil()));
    low + (high - low) * (place - below)
}

/// Pairs until there are enough, and while the spread is wider than the margin, as far as there may be.
pub fn pairs(
    least: usize,
    most: usize,
    mut pair: impl FnMut(usize) -> anyhow::Result<()>,
    certain: impl Fn() -> bool,
) -> anyhow::Result<()> {
    for index in 0..most {
        if index >= least && certain() {
            break;
        }
        pair(index)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quartiles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(quartiles(&[5.0, 1.0, 2.0, 3.0, 4.0]), (2.0, 4.0));
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_limit_is_kept_up_to_itself() {
        let line = |limit| Line::new("", vec![1.0, 2.0, 3.0], "", limit);
        assert!(line(Limit::Most(2.0)).kept() && line(Limit::Least(2.0)).kept());
        assert!(!line(Limit::Most(1.9)).kept() && !line(Limit::Least(2.1)).kept());
        assert!(!Line::new("", vec![], "", Limit::Most(1.0)).kept(), "nothing measured, nothing kept");
        assert!(line(Limit::Most(4.0)).certain() && !line(Limit::Most(2.5)).certain());
    }
}
