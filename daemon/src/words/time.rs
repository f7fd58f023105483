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
    let numbered = |name, number: i8| words.say(locale, name, &[("number", i64::from(number).into())]);
    // Whoever reads a mail a day late takes "tomorrow" for another day: it is said with its date.
    let name = if then.date() == today.date() {
        "zone-day-today"
    } else if Some(then.date()) == today.date().checked_add(1.day()).ok() {
        "zone-day-tomorrow"
    } else {
        "zone-day-other"
    };
    words.say(
        locale,
        name,
        &[
            ("time", Value::from(time)),
            ("zone", zone.into()),
            ("day", numbered("day", then.day()).into()),
            ("month", numbered("month", then.month()).into()),
            ("year", then.year().to_string().into()),
        ],
    )
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::trial::settings;

    #[test]
    fn tomorrow_has_its_date() {
        let settings = settings("[directory]\nbase = \"dc=univ,dc=test\"\nuris = [\"ldap://127.0.0.1:9\"]\n");
        let words = Words::shipped();
        let at = |text: &str| text.parse::<Zoned>().unwrap().timestamp();
        let now = at("2026-08-31T10:00:00[Europe/Paris]");
        for (then, french, english) in [
            ("2026-08-31T23:59:59", "aujourd’hui à 23 h 59", "today at 11:59 pm"),
            ("2026-09-01T09:05:00", "demain 1er septembre à 9 h 05", "tomorrow, 1 September, at 9:05 am"),
            ("2026-09-02T00:00:00", "le 2 septembre 2026 à 0 h 00", "on 2 September 2026 at 12:00 am"),
        ] {
            let then = at(&format!("{then}[Europe/Paris]"));
            for (locale, expected, zone) in
                [("fr", french, ", heure de Paris"), ("en", english, ", Paris time")]
            {
                let said = deadline(&words, &settings, locale, then, now).replace('\u{a0}', " ");
                assert_eq!(said, format!("{expected}{zone}"));
            }
        }
    }

    #[test]
    fn a_time_never_follows_a_preposition() {
        // "until on 2 September", « jusqu’à le 2 septembre ».
        for text in [
            include_str!("../../../conf/locales/fr.ftl"),
            include_str!("../../../conf/locales/en.ftl"),
            include_str!("../../../conf/pages/fr.ftl"),
            include_str!("../../../conf/pages/en.ftl"),
        ] {
            for named in ["{ $deadline }", "{ $at }", "{ $until }"] {
                for (at, _) in text.match_indices(named) {
                    let word = text[..at].trim_end().rsplit([' ', '\n']).next().unwrap_or_default();
                    assert!(!["until", "by", "on", "à", "jusqu’à", "le"].contains(&word), "{word} {named}");
                }
            }
        }
    }
}
