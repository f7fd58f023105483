//! When the sweep is due, and what has been kept long enough: calendars, no I/O.
//!
//! The `cron` crate knows no time zone that the system's does not, skips a time that a night does not have and takes one
//! twice that it has twice. So it is asked about civil times only, labelled as UTC, and jiff says when those are.

use crate::config::Settings;
use chrono::{DateTime, NaiveDate, Utc};
use jiff::civil::{Date, DateTime as Civil};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use parvis_enrolment::{Enrolment, Stage};

/// What to do about the schedule now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Run, for this day.
    Now(Date),
    /// Wait until then.
    At(Timestamp),
    /// The run for this day is so late that the clock may be wrong: a person must say that it is not.
    Held(Date),
}

/// A run that is later than this is not believed: what it would close and purge does not come back.
const TOO_LATE: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);

/// An hour of the reminders is kept within so long.
const LATELY: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// Whether a run is due: the latest scheduled time that has passed, unless its day was done. Without any run yet, the
/// next scheduled time is waited for.
pub fn due(settings: &Settings, last: Option<Date>, now: Timestamp) -> Due {
    decide(&settings.sweep.schedule, &settings.policy.zone, last, now)
}

fn decide(schedule: &cron::Schedule, zone: &TimeZone, last: Option<Date>, now: Timestamp) -> Due {
    let today = now.to_zoned(zone.clone()).date();
    // A run that lies ahead was noted under a clock that was wrong: it keeps nobody from sweeping now.
    let last = last.filter(|last| *last <= today);
    let from = last.and_then(|last| last.checked_add(1.day()).ok()).unwrap_or(today);
    let from = from.max(today.checked_sub(370.days()).unwrap_or(today));
    let mut next = after(schedule, from);
    let mut missed = None;
    let mut late = false;
    // The last of the missed days stands for all of them.
    while let Some(time) = next {
        let at = instant(time, zone);
        if at > now {
            break;
        }
        late = late || (last.is_some() && now.duration_since(at) > TOO_LATE);
        missed = Some(time.date());
        next = time.date().checked_add(1.day()).ok().and_then(|day| after(schedule, day));
    }
    match (missed, next) {
        (Some(date), _) if late => Due::Held(date),
        (Some(date), _) if last.is_some() || date == today => Due::Now(date),
        (_, Some(time)) => Due::At(instant(time, zone)),
        (_, None) => Due::At(now.checked_add(jiff::SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX)),
    }
}

/// A scheduled hour of the reminders that has come less than a quarter of an hour ago. What was missed longer ago is
/// left to the next: people are not written to at night.
pub fn hour(settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    recent(&settings.reminders, &settings.policy.zone, now)
}

fn recent(schedule: &cron::Schedule, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let before = now.checked_sub(LATELY).ok()?.to_zoned(zone.clone()).datetime();
    // Labelled as UTC, as everywhere here.
    let before = before.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let time = schedule.after(&DateTime::from_timestamp(before.as_second(), 0)?).next()?.timestamp();
    let at = instant(Timestamp::from_second(time).ok()?.to_zoned(TimeZone::UTC).datetime(), zone);
    (at <= now).then_some(at)
}

/// The first scheduled civil time on or after that day.
fn after(schedule: &cron::Schedule, day: Date) -> Option<Civil> {
    let month = u32::try_from(day.month()).ok()?;
    let date = NaiveDate::from_ymd_opt(day.year().into(), month, u32::try_from(day.day()).ok()?)?;
    let before: DateTime<Utc> = date.and_hms_opt(0, 0, 0)?.and_utc() - chrono::TimeDelta::seconds(1);
    let time = schedule.after(&before).next()?.timestamp();
    Some(Timestamp::from_second(time).ok()?.to_zoned(TimeZone::UTC).datetime())
}

/// When a civil time is: what a night skips comes at its end, what it has twice comes once, the first time.
fn instant(time: Civil, zone: &TimeZone) -> Timestamp {
    zone.to_ambiguous_timestamp(time).compatible().unwrap_or(Timestamp::MAX)
}

/// Since when something has been over, where it has been kept long enough. What stays of an erased person is kept.
pub fn outlived(settings: &Settings, enrolment: &Enrolment, now: Timestamp) -> Option<Timestamp> {
    let (since, keep) = match &enrolment.stage {
        Stage::Done { at, .. } => (*at, settings.sweep.keep_done),
        Stage::Closed { at, .. } => (*at, settings.sweep.keep_closed),
        Stage::Unseen
        | Stage::Address { .. }
        | Stage::Proving
        | Stage::Choosing(_)
        | Stage::Activating { .. } => {
            return None;
        }
    };
    let until = since.to_zoned(settings.policy.zone.clone()).checked_add(keep).ok()?;
    (until.timestamp() < now).then_some(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: &str, zone: &str, last: Option<&str>, now: &str, expected: Due) {
        let schedule: cron::Schedule = format!("0 {schedule}").parse().unwrap();
        let zone = TimeZone::get(zone).unwrap();
        let last = last.map(|last| last.parse().unwrap());
        assert_eq!(decide(&schedule, &zone, last, now.parse().unwrap()), expected, "{now}");
    }

    fn at(text: &str) -> Due {
        Due::At(text.parse().unwrap())
    }

    fn now(text: &str) -> Due {
        Due::Now(text.parse().unwrap())
    }

    #[test]
    fn the_hour_of_the_reminders_is_kept_by_day_or_left_to_the_next() {
        let schedule: cron::Schedule = "0 0 10 * * Mon-Fri".parse().unwrap();
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let at = |now: &str| recent(&schedule, &zone, now.parse().unwrap()).map(|at| at.to_string());
        let hour = Some("2026-09-01T08:00:00Z".to_owned());
        assert_eq!(at("2026-09-01T07:59:59Z"), None);
        assert_eq!(at("2026-09-01T08:00:00Z"), hour);
        assert_eq!(at("2026-09-01T08:14:59Z"), hour);
        // Missed, and not made up for; nor at all on a Sunday.
        for not in ["2026-09-01T08:15:01Z", "2026-09-01T22:00:00Z", "2026-09-06T08:00:00Z"] {
            assert_eq!(at(not), None, "{not}");
        }
        // In winter the same hour of the clock.
        assert_eq!(at("2026-12-01T09:00:00Z"), Some("2026-12-01T09:00:00Z".to_owned()));
    }

    #[test]
    fn once_a_day_at_its_time() {
        check("30 3 * * *", "Europe/Paris", None, "2026-09-01T00:00:00Z", at("2026-09-01T01:30:00Z"));
        check("30 3 * * *", "Europe/Paris", None, "2026-09-01T01:30:00Z", now("2026-09-01"));
        check(
            "30 3 * * *",
            "Europe/Paris",
            Some("2026-09-01"),
            "2026-09-01T12:00:00Z",
            at("2026-09-02T01:30:00Z"),
        );
        check(
            "30 3 * * Mon",
            "Europe/Paris",
            Some("2026-09-01"),
            "2026-09-01T12:00:00Z",
            at("2026-09-07T01:30:00Z"),
        );
    }

    #[test]
    fn a_clock_that_jumped_ahead_runs_nothing_by_itself() {
        check("30 3 * * *", "Europe/Paris", Some("2026-09-01"), "2026-10-02T01:30:00Z", now("2026-10-02"));
        for late in ["2026-10-03T01:30:00Z", "2026-12-01T12:00:00Z", "2036-09-01T12:00:00Z"] {
            let now: Timestamp = late.parse().unwrap();
            let today = now.to_zoned(TimeZone::get("Europe/Paris").unwrap()).date();
            check("30 3 * * *", "Europe/Paris", Some("2026-09-01"), late, Due::Held(today));
        }
        // A schedule that runs seldom is late by its own measure.
        check("30 3 1 * *", "Europe/Paris", Some("2026-08-01"), "2026-09-02T12:00:00Z", now("2026-09-01"));
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nobody_from_sweeping() {
        let (last, morning) = (Some("2036-09-01"), "2026-09-01T00:00:00Z");
        check("30 3 * * *", "Europe/Paris", last, morning, at("2026-09-01T01:30:00Z"));
        check("30 3 * * *", "Europe/Paris", last, "2026-09-01T01:30:00Z", now("2026-09-01"));
    }

    #[test]
    fn a_missed_run_is_made_up_for_once() {
        check("30 3 * * *", "Europe/Paris", Some("2026-08-20"), "2026-09-01T12:00:00Z", now("2026-09-01"));
        check("30 3 * * *", "Europe/Paris", Some("2026-08-30"), "2026-09-01T00:00:00Z", now("2026-08-31"));
    }

    #[test]
    fn nights_that_skip_or_repeat_the_time() {
        // 29 March 2026: 02:30 does not exist in Paris; it comes when the gap is over.
        check(
            "30 2 * * *",
            "Europe/Paris",
            Some("2026-03-28"),
            "2026-03-29T00:00:00Z",
            at("2026-03-29T01:30:00Z"),
        );
        // 25 October 2026: 02:30 comes twice; the sweep once.
        check(
            "30 2 * * *",
            "Europe/Paris",
            Some("2026-10-24"),
            "2026-10-25T00:29:00Z",
            at("2026-10-25T00:30:00Z"),
        );
        check(
            "30 2 * * *",
            "Europe/Paris",
            Some("2026-10-25"),
            "2026-10-25T01:30:00Z",
            at("2026-10-26T01:30:00Z"),
        );
    }
}
