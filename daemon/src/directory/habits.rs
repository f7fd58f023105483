//! How products evaluate filters where they do not keep to RFC 4511 and RFC 4517: seen on each, and held by a test.
//!
//! Everything that a filter means otherwise on one server than on another is said here.

use super::Dialect;
use super::matching::Kind;

/// Whose way of evaluating a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Habits {
    /// By the RFCs, as OpenLDAP does.
    #[default]
    Standard,
    /// 389 Directory Server's.
    Ds389,
    /// Windows's, by MS-ADTS.
    Windows,
    /// Samba's.
    Samba,
}

impl Habits {
    /// Of a server, by what it is and by its vendor's name (RFC 3045); Windows gives none.
    pub(super) fn of(dialect: Dialect, vendor: &str) -> Habits {
        match dialect {
            Dialect::Standard | Dialect::Openldap => Habits::Standard,
            Dialect::Ds389 => Habits::Ds389,
            Dialect::ActiveDirectory if vendor.to_ascii_lowercase().contains("samba") => Habits::Samba,
            Dialect::ActiveDirectory => Habits::Windows,
        }
    }

    /// Are matching rules given by the syntax, where the schema names none?
    pub(super) fn by_syntax(self) -> bool {
        self != Habits::Standard
    }

    /// Is what is neither true nor false (an attribute or a value that the server does not know) false, and so its
    /// negation true?
    pub(super) fn two_valued(self) -> bool {
        matches!(self, Habits::Ds389 | Habits::Samba)
    }

    /// Does an attribute stand for its subtypes (RFC 4512, section 2.5.1)?
    pub(super) fn subtypes(self) -> bool {
        self == Habits::Standard
    }

    /// Is an attribute known by its number too?
    pub(super) fn numbers_are_names(self) -> bool {
        self != Habits::Samba
    }

    /// Is an attribute in a DN the same by each of its names?
    pub(super) fn names_have_aliases(self) -> bool {
        self == Habits::Standard
    }

    /// Is an object category meant by the name of a class (MS-ADTS, section 3.1.1.3.1.3.5)?
    pub(super) fn categories(self) -> bool {
        matches!(self, Habits::Windows | Habits::Samba)
    }

    /// Are TRUE and FALSE so in any case?
    pub(super) fn truth_in_any_case(self) -> bool {
        self.two_valued()
    }

    /// A number as it is taken: 389 DS minds neither zeros nor spaces before it; to Samba a zero begins an octal one,
    /// which nobody means.
    pub(super) fn number(self, text: &str) -> &str {
        match self {
            Habits::Standard | Habits::Windows => text,
            Habits::Ds389 => {
                let text = text.trim_matches(' ');
                // All but the last digit.
                let zeros = text.bytes().take_while(|byte| *byte == b'0').count();
                text.get(zeros.min(text.len().saturating_sub(1))..).unwrap_or(text)
            }
            Habits::Samba => {
                let text = text.trim_start_matches(' ');
                text.strip_prefix('+').unwrap_or(text)
            }
        }
    }

    /// The family of rules that is used in the place of the schema's.
    pub(super) fn rule(self, kind: Kind) -> Kind {
        match (self, kind) {
            // Times are compared as they are written.
            (Habits::Ds389, Kind::Time) | (Habits::Windows | Habits::Samba, Kind::Digits) => Kind::IgnoreCase,
            (_, kind) => kind,
        }
    }

    /// Has a value of this family parts?
    pub(super) fn has_parts(self, kind: Kind) -> bool {
        !(self == Habits::Ds389 && kind == Kind::Integer)
    }

    /// Do the pieces of a substrings filter lose the spaces at their ends?
    pub(super) fn trims_pieces(self) -> bool {
        self == Habits::Samba
    }

    /// In lower case, letter by letter. Of the letters that change their length or came late to Unicode, the servers know
    /// one at most.
    pub(super) fn lower(self, text: &str) -> String {
        if text.is_ascii() {
            return text.to_ascii_lowercase();
        }
        let mut lower = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                'İ' if self == Habits::Standard => lower.push('i'),
                'İ' | 'ẞ' => lower.push(c),
                c => lower.extend(c.to_lowercase()),
            }
        }
        lower
    }
}

/// Those classes whose category is the person (their `defaultObjectCategory` in AD's own schema).
const PEOPLE: [&str; 5] = ["person", "user", "contact", "inetorgperson", "organizationalperson"];

/// Is this object category (the DN of a class in AD's schema) the one that the name of a class means?
pub(super) fn categorised(value: &[u8], class: &[u8]) -> bool {
    let plain = |text: &[u8]| String::from_utf8_lossy(text).to_lowercase().replace('-', "");
    let (value, class) = (plain(value), plain(class));
    let category = if PEOPLE.contains(&class.as_str()) { "person" } else { class.as_str() };
    value.strip_prefix("cn=").and_then(|rest| rest.split(',').next()) == Some(category)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_is_meant_by_a_class() {
        let person = b"CN=Person,CN=Schema,CN=Configuration,DC=univ,DC=example";
        for (class, so) in [("person", true), ("USER", true), ("computer", false), ("", false)] {
            assert_eq!(categorised(person, class.as_bytes()), so, "{class}");
        }
        let unit = b"CN=Organizational-Unit,CN=Schema,CN=Configuration,DC=univ,DC=example";
        assert!(categorised(unit, b"organizationalUnit"));
    }

    #[test]
    fn a_number_is_taken_as_the_server_takes_it() {
        for (habits, text, taken) in [
            (Habits::Standard, "01", "01"),
            (Habits::Ds389, " 007 ", "7"),
            (Habits::Ds389, "+7", "+7"),
            (Habits::Samba, " +7", "7"),
            (Habits::Samba, "07", "07"),
            (Habits::Samba, "0", "0"),
            (Habits::Samba, "", ""),
        ] {
            assert_eq!(habits.number(text), taken, "{text:?}");
        }
    }
}
