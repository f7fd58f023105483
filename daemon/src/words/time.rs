//! Times in words: "aujourd’hui à 23 h 59, heure de Paris", "today at 11:59 pm, Paris time".

use super::{Value, Words};
use crate::config::Settings;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

/// An instant with the campus's offset (RFC 3339), to the second.
pub fn civil(settings: &Settings, at: Timestamp) -> String {
    local(settings, at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// GeneralizedTime in UTC (RFC 4517, section 3.3.13).
pub fn generalized(at: Timestamp) -> String {
    at.strftime("%Y%m%d%H%M%SZ").to_string()
}

/// A deadline as it is said: the day as seen from now, the time, the zone.
pub fn deadline(words: &Words, settings: &Settings, locale: &str, at: Timestamp, now: Timestamp) -> String {
    let (then, today) = (local(settings, at), local(settings, now));
    let zone = settings.campus.zone_name.get(locale).cloned().unwrap_or_else(|| settings.campus.zone.clone());
    let hour = i64::from(then.hour());
    let time = words.say(
        locale,
        "time",
        &[
            ("hour", hour.into()),
            ("hour12", (if hour % 12 == 0 { 12 } else { hour % 12 }).into()),
            ("half", (if hour < 12 { "am" } else { "pm" }).into()),
            ("minute", format!("{:02}", then.minute()).into()),
        ],
    );
    let tomorrow = today.date().checked_add(1.day()).ok();
    let values = |more: &[(&'static str, Value)]| {
        let mut values = vec![("time", Value::from(time.clone())), ("zone", zone.clone().into())];
        values.extend(more.iter().cloned());
        values
    };
    if then.date() == today.date() {
        words.say(locale, "zone-day-today", &values(&[]))
    } else if Some(then.date()) == tomorrow {
        words.say(locale, "zone-day-tomorrow", &values(&[]))
    } else {
        let month = words.say(locale, "month", &[("number", i64::from(then.month()).into())]);
        let date = [
            ("day", Value::from(i64::from(then.day()))),
            ("month", month.into()),
            ("year", then.year().to_string().into()),
        ];
        words.say(locale, "zone-day-other", &values(&date))
    }
}

/// A past instant: the same words.
pub fn ago(words: &Words, settings: &Settings, locale: &str, at: Timestamp, now: Timestamp) -> String {
    deadline(words, settings, locale, at, now)
}

/// How long to wait, rounded up to what a person counts in.
pub fn wait(words: &Words, locale: &str, wait: SignedDuration) -> String {
    let seconds = wait.as_secs().max(0) + i64::from(wait.subsec_nanos() > 0);
    let (name, count) = match seconds {
        ..=90 => ("wait-seconds", seconds.max(1)),
        91..=5_400 => ("wait-minutes", (seconds + 59) / 60),
        _ => ("wait-hours", (seconds + 3_599) / 3_600),
    };
    words.say(locale, name, &[("count", count.into())])
}

fn local(settings: &Settings, at: Timestamp) -> Zoned {
    at.to_zoned(settings.policy.zone.clone())
}
