//! Matching rules (RFC 4517, section 4.2), as far as filters over people need them.
//!
//! A value is brought into a normal form whose order and equality are the rule's. It knows no entry and no filter.

use super::habits::Habits;
use super::name;
use super::schema::Schema;

/// The families of matching rules that differ here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    IgnoreCase,
    Exact,
    Digits,
    Phone,
    Integer,
    Boolean,
    Time,
    Name,
    Oid,
    Uuid,
    Octets,
}

impl Kind {
    /// The family of a rule, by its name in a schema.
    pub(super) fn of(rule: &str) -> Kind {
        let rule = rule.to_ascii_lowercase();
        let families = [
            ("caseignore", Kind::IgnoreCase),
            ("caseexact", Kind::Exact),
            ("numericstring", Kind::Digits),
            ("telephonenumber", Kind::Phone),
            ("integer", Kind::Integer),
            ("boolean", Kind::Boolean),
            ("generalizedtime", Kind::Time),
            ("distinguishedname", Kind::Name),
            ("uniquemember", Kind::Name),
            ("objectidentifier", Kind::Oid),
            ("uuid", Kind::Uuid),
            ("csn", Kind::Exact),
        ];
        families.iter().find(|(start, _)| rule.starts_with(start)).map_or(Kind::Octets, |(_, kind)| *kind)
    }
}

impl Kind {
    /// The family of a syntax, for servers whose types name no rule (RFC 4517, section 3.3; MS-ADTS, section 3.1.1.2.2).
    pub(super) fn of_syntax(syntax: &str) -> Kind {
        match syntax.split('{').next().unwrap_or_default() {
            "1.3.6.1.4.1.1466.115.121.1.15" | "1.2.840.113556.1.4.905" => Kind::IgnoreCase,
            "1.3.6.1.4.1.1466.115.121.1.44" | "1.3.6.1.4.1.1466.115.121.1.11" => Kind::IgnoreCase,
            "1.3.6.1.4.1.1466.115.121.1.26" | "1.2.840.113556.1.4.1362" => Kind::Exact,
            "1.3.6.1.4.1.1466.115.121.1.36" => Kind::Digits,
            "1.3.6.1.4.1.1466.115.121.1.50" => Kind::Phone,
            "1.3.6.1.4.1.1466.115.121.1.27" | "1.2.840.113556.1.4.906" => Kind::Integer,
            "1.3.6.1.4.1.1466.115.121.1.7" => Kind::Boolean,
            "1.3.6.1.4.1.1466.115.121.1.24" | "1.3.6.1.4.1.1466.115.121.1.53" => Kind::Time,
            "1.3.6.1.4.1.1466.115.121.1.12" | "1.3.6.1.4.1.1466.115.121.1.34" => Kind::Name,
            "1.3.6.1.4.1.1466.115.121.1.38" => Kind::Oid,
            _ => Kind::Octets,
        }
    }
}

/// A value in the form in which it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Normal {
    Number(i128),
    Bytes(Vec<u8>),
}

/// The normal form; `None` where the value is not of the rule's syntax, which makes a comparison undefined.
pub(super) fn normal(kind: Kind, value: &[u8], schema: &Schema) -> Option<Normal> {
    let text = || std::str::from_utf8(value).ok();
    let habits = schema.habits();
    Some(match kind {
        Kind::Octets => Normal::Bytes(value.to_vec()),
        Kind::IgnoreCase => Normal::Bytes(folded(&habits.lower(text()?)).into_bytes()),
        Kind::Exact => Normal::Bytes(folded(text()?).into_bytes()),
        Kind::Digits => Normal::Bytes(text()?.replace(' ', "").into_bytes()),
        Kind::Phone => Normal::Bytes(text()?.to_lowercase().replace([' ', '-'], "").into_bytes()),
        Kind::Integer => Normal::Number(integer(habits.number(text()?))?),
        Kind::Boolean => match value {
            other if habits.truth_in_any_case() && other.eq_ignore_ascii_case(b"TRUE") => Normal::Number(1),
            other if habits.truth_in_any_case() && other.eq_ignore_ascii_case(b"FALSE") => Normal::Number(0),
            b"TRUE" => Normal::Number(1),
            b"FALSE" => Normal::Number(0),
            _ => return None,
        },
        Kind::Time => Normal::Number(time(text()?)?),
        Kind::Name => Normal::Bytes(name::comparable(text()?, schema)?.into_bytes()),
        Kind::Oid => Normal::Bytes(schema.class(text()?)?.into_bytes()),
        Kind::Uuid => Normal::Bytes(text()?.to_ascii_lowercase().replace('-', "").into_bytes()),
    })
}

/// Does a stored value equal a wanted one? An object class equals its superclasses, as OpenLDAP has it.
pub(super) fn equal(kind: Kind, value: &[u8], wanted: &Normal, schema: &Schema) -> Option<bool> {
    let value = normal(kind, value, schema)?;
    if let (Kind::Oid, Normal::Bytes(value), Normal::Bytes(wanted)) = (kind, &value, wanted) {
        return Some(schema.descends(value, wanted));
    }
    Some(value == *wanted)
}

/// The pieces of a substrings filter: the first anchored at the start, the last at the end, both possibly empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Vec<u8>>);

impl Pattern {
    /// At least two pieces; only the first and the last may be empty, and not all.
    pub(super) fn new(pieces: Vec<Vec<u8>>) -> Option<Pattern> {
        let (_, rest) = pieces.split_first()?;
        let (_, middle) = rest.split_last()?;
        let good =
            middle.iter().all(|piece| !piece.is_empty()) && pieces.iter().any(|piece| !piece.is_empty());
        good.then_some(Pattern(pieces))
    }

    /// A pattern as people write it in a mapping: `*` stands for anything, nothing is escaped.
    pub(super) fn written(text: &str) -> Pattern {
        Pattern(text.split('*').map(|piece| piece.as_bytes().to_vec()).collect())
    }

    /// Its pieces, as they were written.
    pub(super) fn pieces(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Does the value match, under this rule? Spaces are folded as in the rule (RFC 4518, section 2.6.1).
    pub(super) fn matches(&self, kind: Kind, value: &[u8], habits: Habits) -> Option<bool> {
        if !habits.has_parts(kind) {
            return None;
        }
        let of = |wanted: &[u8], start: bool, end: bool| {
            let trims = habits.trims_pieces();
            piece(kind, wanted, start || trims, end || trims, habits)
        };
        let value = of(value, true, true)?;
        let Some((start, rest)) = self.0.split_first() else { return Some(true) };
        let Some((end, middle)) = rest.split_last() else {
            return Some(of(start, true, true)? == value);
        };
        // A piece of which nothing is left is nowhere.
        let nothing =
            |written: &[u8], left: &str| habits.trims_pieces() && left.is_empty() && !written.is_empty();
        let first = of(start, true, false)?;
        let Some(mut left) = value.strip_prefix(first.as_str()) else { return Some(false) };
        for written in middle {
            let wanted = of(written, false, false)?;
            match left.split_once(wanted.as_str()) {
                Some((_, after)) if !nothing(written, &wanted) => left = after,
                _ => return Some(false),
            }
        }
        let last = of(end, false, true)?;
        Some(left.ends_with(last.as_str()) && !nothing(end, &last) && !nothing(start, &first))
    }
}

/// A piece of text in the form in which substrings are compared; only the value's own ends are trimmed.
fn piece(kind: Kind, bytes: &[u8], trim_start: bool, trim_end: bool, habits: Habits) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let cased =
        if matches!(kind, Kind::IgnoreCase | Kind::Phone) { habits.lower(text) } else { text.to_owned() };
    if matches!(kind, Kind::Phone | Kind::Digits) {
        return Some(cased.replace([' ', '-'], ""));
    }
    let mut folded = String::with_capacity(cased.len());
    for c in cased.chars() {
        if c != ' ' || !folded.ends_with(' ') {
            folded.push(c);
        }
    }
    let folded = if trim_start { folded.trim_start_matches(' ').to_owned() } else { folded };
    Some(if trim_end { folded.trim_end_matches(' ').to_owned() } else { folded })
}

/// Spaces at the ends gone, runs of spaces made one.
fn folded(text: &str) -> String {
    if !(text.starts_with(' ') || text.ends_with(' ') || text.contains("  ")) {
        return text.to_owned();
    }
    text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let padded = digits.len() > 1 && digits.starts_with('0');
    if digits.is_empty() || padded || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// GeneralizedTime (RFC 4517, section 3.3.13) as microseconds since 1970; the zone is required.
fn time(text: &str) -> Option<i128> {
    let zone_at = text.find(['Z', '+', '-'])?;
    let (civil, zone) = text.split_at_checked(zone_at)?;
    let (whole, fraction) = civil.split_once(['.', ',']).unwrap_or((civil, ""));
    if whole.len() < 10 || whole.len() > 14 || !whole.len().is_multiple_of(2) {
        return None;
    }
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) || fraction.len() > 18 {
        return None;
    }
    let part =
        |from: usize, to: usize| whole.get(from..to).map_or(Some(0), |digits| digits.parse::<i8>().ok());
    let date = jiff::civil::Date::new(whole.get(0..4)?.parse().ok()?, part(4, 6)?, part(6, 8)?).ok()?;
    let second = part(12, 14)?;
    let leap = i128::from(second == 60);
    let time = jiff::civil::Time::new(part(8, 10)?, part(10, 12)?, second.min(59), 0).ok()?;
    let instant = date.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let unit: i128 = match whole.len() {
        10 => 3_600_000_000,
        12 => 60_000_000,
        _ => 1_000_000,
    };
    let part = if fraction.is_empty() {
        0
    } else {
        unit * fraction.parse::<i128>().ok()? / 10i128.pow(u32::try_from(fraction.len()).ok()?)
    };
    Some(i128::from(instant.as_microsecond()) + leap * 1_000_000 + part - offset(zone)?)
}

/// A zone's offset in microseconds.
fn offset(zone: &str) -> Option<i128> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i128 = digits.get(0..2)?.parse().ok()?;
    let minutes: i128 = digits.get(2..4).map_or(Some(0), |digits| digits.parse().ok())?;
    Some(sign * (hours * 60 + minutes) * 60_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_compared_as_instants() {
        assert_eq!(time("20260901000000Z"), time("20260901020000+0200"));
        assert_eq!(time("2026090100Z"), time("202609010000Z"));
        assert_eq!(time("20260901000000.5Z").unwrap() - time("20260901000000Z").unwrap(), 500_000);
        for wrong in ["20260901", "20261301000000Z", "x", "20260901000000", "20260901000000+2", "Z"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_value_makes_a_rule_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let schema = Schema::builtin();
            for kind in [Kind::IgnoreCase, Kind::Time, Kind::Integer, Kind::Name, Kind::Oid, Kind::Phone, Kind::Uuid] {
                if let Some(form) = normal(kind, &bytes, &schema) {
                    proptest::prop_assert!(kind == Kind::Oid || equal(kind, &bytes, &form, &schema) == Some(true));
                }
            }
        }
    }
}
