//! Values that the configuration writes as text: durations, rates, link rules, schedules.

use jiff::{SignedDuration, Span};
use parvis_enrolment::deadline::Validity;

/// So many at once, refilled evenly over a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// In what time as many are given again.
    pub per: SignedDuration,
}

/// `"30m"`, `"2h"`, `"1h 30m"`: zero or more.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let fault = || format!("{text:?} is no duration such as \"30s\", \"5m\" or \"2h\"");
    let duration: SignedDuration = text.parse().map_err(|_| fault())?;
    if duration.is_negative() || duration > SignedDuration::from_hours(24 * 366 * 10) {
        Err(fault())
    } else {
        Ok(duration)
    }
}

/// A duration that is not zero.
pub fn positive(text: &str) -> Result<SignedDuration, String> {
    let duration = duration(text)?;
    if duration.is_zero() { Err(format!("{text:?} must be longer than nothing")) } else { Ok(duration) }
}

/// A duration that is not zero, or `never`.
pub fn patience(text: &str) -> Result<Option<SignedDuration>, String> {
    if text == "never" {
        return Ok(None);
    }
    positive(text).map(Some).map_err(|_| format!("{text:?} is neither never nor a duration such as \"72h\""))
}

/// `"10/1h"`.
pub fn rate(text: &str) -> Result<Rate, String> {
    let fault = || format!("{text:?} is no rate such as \"10/1h\"");
    let (burst, per) = text.split_once('/').ok_or_else(fault)?;
    let burst =
        burst.trim().parse().ok().filter(|burst| (1..=1_000_000).contains(burst)).ok_or_else(fault)?;
    Ok(Rate { burst, per: positive(per.trim()).map_err(|_| fault())? })
}

/// `same-day`, `next-day`, or a duration.
pub fn validity(text: &str, minimum: SignedDuration) -> Result<Validity, String> {
    match text {
        "same-day" => Ok(Validity::SameDay { minimum }),
        "next-day" => Ok(Validity::NextDay),
        other => positive(other)
            .map(Validity::For)
            .map_err(|_| format!("{other:?} is neither same-day, next-day nor a duration such as \"24h\"")),
    }
}

/// The longest that a link can be used, days of 25 hours among them.
pub fn longest(validity: &Validity) -> SignedDuration {
    match validity {
        Validity::SameDay { minimum } if minimum.is_zero() => SignedDuration::from_hours(25),
        Validity::SameDay { .. } | Validity::NextDay => SignedDuration::from_hours(49),
        Validity::For(length) => *length,
    }
}

/// `"3 years"`, `"90 days"`: a span of the calendar.
pub fn span(text: &str) -> Result<Span, String> {
    let span: Result<Span, _> = text.parse();
    span.ok()
        .filter(|span| !span.is_negative() && !span.is_zero())
        .ok_or_else(|| format!("{text:?} is no time such as \"3 years\" or \"90 days\""))
}

/// The least that a span can be, in absolute time: a month has 28 days, a day 24 hours (a day's change of clocks left
/// aside).
pub fn shortest(span: &Span) -> SignedDuration {
    let days = i64::from(span.get_years()) * 365 + i64::from(span.get_months()) * 28;
    let days = days + i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let seconds = i64::from(span.get_hours()) * 3600 + span.get_minutes() * 60 + span.get_seconds();
    SignedDuration::from_secs(days.saturating_mul(86_400).saturating_add(seconds))
}

/// `minute hour day month weekday`. The `cron` crate counts weekdays from Sunday as 1, unlike every crontab, so
/// they are taken by name only; and a date and a weekday together mean both, so only one of them may be given.
pub fn schedule(text: &str) -> Result<cron::Schedule, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [_, _, day, _, weekday] = fields.as_slice() else {
        return Err(format!("{text:?} has not the five fields minute hour day month weekday"));
    };
    if weekday.chars().any(|c| c.is_ascii_digit()) {
        return Err(format!("{text:?}: give weekdays by name (Mon, Tue, …)"));
    }
    if *day != "*" && *weekday != "*" {
        return Err(format!("{text:?}: give a day of the month or a weekday, not both"));
    }
    format!("0 {text}").parse().map_err(|_| format!("{text:?} is no schedule such as \"30 3 * * *\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_means_what_it_says() {
        assert_eq!(duration("1h 30m"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(rate("10/1h"), Ok(Rate { burst: 10, per: SignedDuration::from_hours(1) }));
        assert_eq!(validity("24h", SignedDuration::ZERO), Ok(Validity::For(SignedDuration::from_hours(24))));
        for (text, days) in [("3 years", 1095), ("90 days", 90), ("1 month 2 weeks", 42), ("48 hours", 2)] {
            assert_eq!(
                span(text).map(|span| shortest(&span)),
                Ok(SignedDuration::from_hours(24 * days)),
                "{text}"
            );
        }
        assert_eq!(
            (patience("never"), patience("72h")),
            (Ok(None), Ok(Some(SignedDuration::from_hours(72))))
        );
        assert!(schedule("0 10 * * Mon-Fri").is_ok());
        assert!(schedule("30 3 * * *").is_ok() && schedule("30 3 * * Mon,Tue").is_ok());
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "5", "-5m", "soon", "99999999h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "0s", "Never", "3 days ago"] {
            assert!(patience(bad).is_err(), "{bad}");
        }
        for bad in ["", "10", "0/1h", "10/0s", "-1/1h", "x/1h"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        for bad in ["", "tomorrow", "0s"] {
            assert!(validity(bad, SignedDuration::ZERO).is_err(), "{bad}");
        }
        for bad in ["", "-3 years", "0 days"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        for bad in ["", "* * * *", "0 30 3 * * *", "30 3 * * 1", "30 3 1 * Mon", "61 3 * * *"] {
            assert!(schedule(bad).is_err(), "{bad}");
        }
    }
}
