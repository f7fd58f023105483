//! Deadlines: from a rule and a civil calendar to an instant.
//!
//! "Until tonight" is a statement about a calendar. Days have 23, 24 or 25 hours, some have no midnight, and some do
//! not exist; [`Validity::deadline`] asks the zone, and never adds 86,400 seconds.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};

/// Until when a link can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Until the end of the civil day on which it is made; where less than `minimum` remains, of the next one.
    SameDay {
        /// Zero in the original procedure.
        minimum: SignedDuration,
    },
    /// Until the end of the next civil day.
    NextDay,
    /// For so long.
    For(SignedDuration),
}

impl Validity {
    /// The last second at which a link made now can be used.
    pub fn deadline(&self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let here = now.to_zoned(zone.clone());
        let end = match self {
            Self::SameDay { minimum } => {
                let tonight = end_of_day(&here);
                if tonight.duration_since(now) < *minimum { end_of_next_day(&here) } else { tonight }
            }
            Self::NextDay => end_of_next_day(&here),
            Self::For(length) => now.checked_add(*length).unwrap_or(Timestamp::MAX),
        };
        Timestamp::from_second(end.as_second()).unwrap_or(end)
    }
}

/// The last instant of the civil day, whatever the zone does to its clocks that night.
fn end_of_day(here: &Zoned) -> Timestamp {
    here.end_of_day().map_or_else(|_| here.timestamp(), |end| end.timestamp())
}

/// The last instant of the first civil day after this one (Samoa had no 30 December 2011).
fn end_of_next_day(here: &Zoned) -> Timestamp {
    let next = here.end_of_day().and_then(|end| end.checked_add(Span::new().nanoseconds(1)));
    next.map_or_else(|_| end_of_day(here), |morning| end_of_day(&morning))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME_DAY: Validity = Validity::SameDay { minimum: SignedDuration::ZERO };

    fn check(rule: &Validity, zone: &str, made: &str, expected: &str) {
        let zone = TimeZone::get(zone).unwrap();
        let made: Timestamp = made.parse().unwrap();
        let deadline = rule.deadline(made, &zone);
        assert_eq!(deadline.to_zoned(zone).to_string(), expected);
        assert!(deadline.as_second() >= made.as_second());
    }

    #[test]
    fn the_same_day_ends_at_23_59_59_in_the_campus_zone() {
        check(&SAME_DAY, "Europe/Paris", "2026-09-01T12:00:00Z", "2026-09-01T23:59:59+02:00[Europe/Paris]");
        check(&SAME_DAY, "Europe/Paris", "2026-09-01T21:59:59Z", "2026-09-01T23:59:59+02:00[Europe/Paris]");
        check(&SAME_DAY, "Europe/Paris", "2026-09-01T22:00:00Z", "2026-09-02T23:59:59+02:00[Europe/Paris]");
        check(
            &SAME_DAY,
            "Indian/Reunion",
            "2026-09-01T20:30:00Z",
            "2026-09-02T23:59:59+04:00[Indian/Reunion]",
        );
    }

    #[test]
    fn days_of_23_and_25_hours() {
        check(&SAME_DAY, "Europe/Paris", "2026-03-28T23:30:00Z", "2026-03-29T23:59:59+02:00[Europe/Paris]");
        check(&SAME_DAY, "Europe/Paris", "2026-10-24T22:30:00Z", "2026-10-25T23:59:59+01:00[Europe/Paris]");
        // Cairo goes back at midnight: there are two 23:59:59 that night, and the later one counts.
        check(&SAME_DAY, "Africa/Cairo", "2026-10-29T12:00:00Z", "2026-10-29T23:59:59+02:00[Africa/Cairo]");
    }

    #[test]
    fn days_without_a_midnight_and_without_an_evening() {
        check(
            &SAME_DAY,
            "America/Sao_Paulo",
            "2018-11-04T12:00:00Z",
            "2018-11-04T23:59:59-02:00[America/Sao_Paulo]",
        );
        // In Greenland the clocks went from 22:59:59 straight to midnight: that day ends an hour early.
        check(
            &SAME_DAY,
            "America/Godthab",
            "2026-03-28T12:00:00Z",
            "2026-03-28T22:59:59-02:00[America/Godthab]",
        );
    }

    #[test]
    fn the_next_day_is_the_next_one_that_exists() {
        check(
            &Validity::NextDay,
            "Europe/Paris",
            "2026-09-01T12:00:00Z",
            "2026-09-02T23:59:59+02:00[Europe/Paris]",
        );
        check(
            &Validity::NextDay,
            "Pacific/Apia",
            "2011-12-30T01:00:00Z",
            "2011-12-31T23:59:59+14:00[Pacific/Apia]",
        );
    }

    #[test]
    fn a_minimum_reaches_into_the_next_day() {
        let rule = Validity::SameDay { minimum: SignedDuration::from_hours(1) };
        check(&rule, "Europe/Paris", "2026-09-01T20:59:59Z", "2026-09-01T23:59:59+02:00[Europe/Paris]");
        check(&rule, "Europe/Paris", "2026-09-01T21:30:00Z", "2026-09-02T23:59:59+02:00[Europe/Paris]");
    }

    #[test]
    fn a_duration_is_a_duration() {
        let rule = Validity::For(SignedDuration::from_hours(24));
        check(&rule, "Europe/Paris", "2026-10-24T22:30:00Z", "2026-10-25T23:30:00+01:00[Europe/Paris]");
    }
}
