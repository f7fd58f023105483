//! An instant of the contract (RFC 3339 with the campus's offset) in words. It needs no clock and no zone.

use fluent_bundle::FluentValue;

use crate::tongue::Tongue;
use crate::words::Words;

/// "1 September 2026 at 11:59 pm", in the text of this name; none where it is no instant.
pub fn words(words: &Words, tongue: Tongue, name: &str, instant: &str) -> Option<String> {
    let (date, time) = instant.split_once('T')?;
    let mut date = date.splitn(3, '-');
    let mut number = || date.next()?.parse::<i64>().ok();
    let (year, month, day) = (number()?, number()?, number()?);
    let (hours, minute): (i64, _) = (time.get(0..2)?.parse().ok()?, time.get(3..5)?);
    let month = words.say(tongue, "month", &[("number", FluentValue::from(month))]);
    let half = if hours < 12 { "am" } else { "pm" };
    let values = [
        ("day", FluentValue::from(day)),
        ("month", month.into()),
        ("year", year.to_string().into()),
        ("hour", hours.to_string().into()),
        (
            "hour12",
            match hours % 12 {
                0 => 12,
                hour => hour,
            }
            .to_string()
            .into(),
        ),
        ("half", half.into()),
        ("minute", minute.into()),
    ];
    Some(words.say(tongue, name, &values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_said_as_people_say_it() {
        let all = Words::shipped();
        let said = |tongue, instant: &str| words(&all, tongue, "moment", instant);
        assert_eq!(
            said(Tongue::Fr, "2026-09-01T23:59:59+02:00").as_deref(),
            Some("1er septembre 2026 à 23\u{a0}h\u{a0}59")
        );
        assert_eq!(
            said(Tongue::Fr, "2026-09-02T04:05:00+02:00").as_deref(),
            Some("2 septembre 2026 à 4\u{a0}h\u{a0}05")
        );
        assert_eq!(
            said(Tongue::En, "2026-09-02T00:05:00+02:00").as_deref(),
            Some("2 September 2026 at 12:05 am")
        );
        assert_eq!(said(Tongue::En, "tomorrow"), None);
    }
}
