//! What a server's schema says of attributes and object classes (RFC 4512, section 4.1), as far as matching needs it.
//!
//! Read from the server once it is reached; until then a built-in table of the usual names stands in, which treats
//! what it does not know as case-insensitive text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::Entry;
use super::habits::Habits;
use super::matching::Kind;

/// Attribute types and object classes, by every name they have, in lower case.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    types: HashMap<String, AttributeType>,
    classes: HashMap<String, Class>,
    complete: bool,
    habits: Habits,
}

#[derive(Clone, Debug, Default)]
struct AttributeType {
    canonical: String,
    sup: Option<String>,
    equality: Option<String>,
    ordering: Option<String>,
    substrings: Option<String>,
    syntax: Option<String>,
    operational: bool,
}

#[derive(Clone, Debug, Default)]
struct Class {
    canonical: String,
    above: Vec<String>,
    /// What an entry of this class must or may have.
    has: Vec<String>,
}

/// A chain of superiors longer than this is a loop.
const MAX_SUPERIORS: usize = 16;

impl Schema {
    /// From the values of `attributeTypes` and `objectClasses`. What cannot be read is left out.
    pub fn read<'a>(types: impl Iterator<Item = &'a str>, classes: impl Iterator<Item = &'a str>) -> Schema {
        let mut schema = Schema { complete: true, ..Schema::default() };
        types.for_each(|definition| schema.add_type(definition));
        classes.for_each(|definition| schema.add_class(definition));
        schema
    }

    /// The same for a server that has habits of its own.
    #[must_use]
    pub(super) fn by(mut self, habits: Habits) -> Schema {
        self.habits = habits;
        self
    }

    /// How the server evaluates filters.
    pub(super) fn habits(&self) -> Habits {
        self.habits
    }

    /// The name by which an attribute is known in a DN.
    pub(super) fn named<'a>(&'a self, name: &'a str) -> Cow<'a, str> {
        if self.habits.names_have_aliases() { self.canonical(name) } else { lower(name) }
    }

    /// The usual names, for before a server was reached.
    pub fn builtin() -> Schema {
        static BUILTIN: LazyLock<Schema> = LazyLock::new(|| {
            let lines =
                || include_str!("schema.txt").lines().map(str::trim).filter(|line| !line.starts_with('#'));
            let types = lines().filter_map(|line| line.strip_prefix("attribute "));
            let classes = lines().filter_map(|line| line.strip_prefix("class "));
            Schema { complete: false, ..Schema::read(types, classes) }
        });
        BUILTIN.clone()
    }

    /// Does the schema know this attribute? A schema that is not the server's cannot say no.
    pub fn knows(&self, name: &str) -> bool {
        !self.complete || self.find(name).is_some()
    }

    /// Does the server write this attribute itself (RFC 4512, section 3.4)?
    pub(super) fn operational(&self, name: &str) -> bool {
        self.find(name).is_some_and(|found| found.operational)
    }

    /// The values that an attribute description of a filter stands for: of the type, its subtypes, its options and more.
    pub(super) fn values<'a>(&'a self, entry: &'a Entry, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let (base, options) = name.split_once(';').unwrap_or((name, ""));
        let options: Vec<&str> = options.split(';').filter(|option| !option.is_empty()).collect();
        let known = self.find(base).is_some() || !self.complete;
        let canonical = self.canonical(base);
        entry
            .attributes
            .iter()
            .filter(move |(held, _)| {
                let (base, has) = held.split_once(';').unwrap_or((held, ""));
                known
                    && options.iter().all(|option| has.split(';').any(|has| has == *option))
                    && if self.habits.subtypes() {
                        self.is_a(base, &canonical)
                    } else {
                        self.canonical(base) == canonical
                    }
            })
            .flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }

    /// The family of the equality rule; `None`: there is none, or the attribute is unknown.
    pub(super) fn equality(&self, name: &str) -> Option<Kind> {
        self.rule(name, |found| found.equality.as_deref())
    }

    pub(super) fn ordering(&self, name: &str) -> Option<Kind> {
        self.rule(name, |found| found.ordering.as_deref())
    }

    pub(super) fn substrings(&self, name: &str) -> Option<Kind> {
        self.rule(name, |found| found.substrings.as_deref())
    }

    /// An object class's first name in lower case; `None` where the server's schema does not know it.
    pub(super) fn class(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        match self.classes.get(&name) {
            Some(class) => Some(class.canonical.clone()),
            None => (!self.complete).then_some(name),
        }
    }

    /// Is the class `value` the class `wanted` or one of its descendants? Both in the form that [`Schema::class`] gives.
    pub(super) fn descends(&self, value: &[u8], wanted: &[u8]) -> bool {
        let Ok(value) = std::str::from_utf8(value) else { return false };
        let mut open = vec![(value.to_owned(), 0)];
        while let Some((class, depth)) = open.pop() {
            if class.as_bytes() == wanted {
                return true;
            }
            if depth < MAX_SUPERIORS
                && let Some(found) = self.classes.get(&class)
            {
                open.extend(found.above.iter().filter_map(|sup| Some((self.class(sup)?, depth + 1))));
            }
        }
        false
    }

    /// May an entry of these classes have this attribute? A class that is not known may have any.
    pub(super) fn admits(&self, entry: &Entry, name: &str) -> bool {
        let canonical = self.canonical(name.split(';').next().unwrap_or(name)).into_owned();
        if self.operational(name) {
            return true;
        }
        let mut open: Vec<(String, usize)> =
            entry.values("objectClass").map(|class| (class.to_lowercase(), 0)).collect();
        while let Some((class, depth)) = open.pop() {
            let Some(found) = self.classes.get(&class) else { return true };
            let holds = found.has.iter().any(|held| self.canonical(held) == canonical);
            if holds || found.canonical == "extensibleobject" {
                return true;
            }
            if depth < MAX_SUPERIORS {
                open.extend(found.above.iter().map(|above| (above.clone(), depth + 1)));
            }
        }
        false
    }

    fn find(&self, name: &str) -> Option<&AttributeType> {
        let base = name.split(';').next().unwrap_or(name);
        if !self.habits.numbers_are_names() && base.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.types.get(lower(base).as_ref())
    }

    fn canonical<'a>(&'a self, base: &'a str) -> Cow<'a, str> {
        self.find(base).map_or_else(|| lower(base), |found| Cow::Borrowed(&found.canonical))
    }

    fn is_a(&self, base: &str, canonical: &str) -> bool {
        let base = lower(base);
        let mut name = base.as_ref();
        for _ in 0..MAX_SUPERIORS {
            let Some(found) = self.types.get(name) else { return name == canonical };
            if found.canonical == canonical {
                return true;
            }
            match &found.sup {
                Some(sup) => name = sup,
                None => return false,
            }
        }
        false
    }

    fn rule(&self, name: &str, of: impl Fn(&AttributeType) -> Option<&str>) -> Option<Kind> {
        let Some(mut found) = self.find(name) else {
            return (!self.complete).then_some(Kind::IgnoreCase);
        };
        for _ in 0..MAX_SUPERIORS {
            if let Some(rule) = of(found) {
                return Some(self.habits.rule(Kind::of(rule)));
            }
            let ruled = found.sup.as_ref().and_then(|sup| self.find(sup));
            match (ruled, self.habits.by_syntax()) {
                (Some(above), _) => found = above,
                (None, true) => return Some(self.habits.rule(Kind::of_syntax(found.syntax.as_deref()?))),
                (None, false) => return None,
            }
        }
        None
    }

    fn add_type(&mut self, definition: &str) {
        let words = Definition::read(definition);
        let Some((canonical, names)) = words.names() else { return };
        let one = |key| words.after(key).into_iter().next();
        let found = AttributeType {
            canonical,
            sup: one("SUP").map(|sup| sup.to_ascii_lowercase()),
            equality: one("EQUALITY"),
            ordering: one("ORDERING"),
            substrings: one("SUBSTR"),
            syntax: one("SYNTAX"),
            operational: one("USAGE").is_some_and(|usage| usage != "userApplications"),
        };
        names.into_iter().for_each(|name| {
            self.types.insert(name, found.clone());
        });
    }

    fn add_class(&mut self, definition: &str) {
        let words = Definition::read(definition);
        let Some((canonical, names)) = words.names() else { return };
        let lower = |key| words.after(key).iter().map(|word| word.to_ascii_lowercase()).collect::<Vec<_>>();
        let has = [lower("MUST"), lower("MAY")].concat();
        let found = Class { canonical, above: lower("SUP"), has };
        names.into_iter().for_each(|name| {
            self.classes.insert(name, found.clone());
        });
    }
}

/// In lower case; most names are already, and are not copied.
fn lower(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// The words of one definition; a quoted string is one word.
struct Definition(Vec<(String, bool)>);

impl Definition {
    fn read(text: &str) -> Definition {
        let mut words = Vec::new();
        let mut rest = text.trim();
        while let Some(first) = rest.chars().next() {
            let after = rest.get(first.len_utf8()..).unwrap_or_default();
            let (word, quoted, left) = match first {
                '\'' => {
                    let (word, left) = after.split_once('\'').unwrap_or((after, ""));
                    (word, true, left)
                }
                '(' | ')' | '$' => (rest.get(..1).unwrap_or_default(), false, after),
                _ => {
                    let end =
                        rest.find([' ', '(', ')', '$', '\'']).unwrap_or(rest.len()).max(first.len_utf8());
                    let (word, left) = rest.split_at_checked(end).unwrap_or((rest, ""));
                    (word, false, left)
                }
            };
            words.push((word.to_owned(), quoted));
            rest = left.trim_start();
        }
        Definition(words)
    }

    /// What follows a key: one word, or the words in parentheses.
    fn after(&self, key: &str) -> Vec<String> {
        let mut words = self.0.iter().skip_while(|(word, quoted)| *quoted || word != key).skip(1);
        match words.next() {
            Some((open, false)) if open == "(" => words
                .take_while(|(word, quoted)| *quoted || word != ")")
                .filter(|(word, quoted)| *quoted || word != "$")
                .map(|(word, _)| word.clone())
                .collect(),
            Some((word, _)) => vec![word.clone()],
            None => Vec::new(),
        }
    }

    /// The first name in lower case, and every name with the number.
    fn names(&self) -> Option<(String, Vec<String>)> {
        let (number, _) = self.0.get(1)?;
        let mut names: Vec<String> =
            self.after("NAME").iter().map(|name| name.to_ascii_lowercase()).collect();
        let canonical = names.first().cloned().unwrap_or_else(|| number.clone());
        names.push(number.clone());
        Some((canonical, names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_read_with_all_their_names() {
        let schema = Schema::read(
            [
                "( 2.5.4.41 NAME 'name' DESC 'it''s EQUALITY x' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch )",
                "( 2.5.4.4 NAME ( 'sn' 'surname' ) SUP name )",
                "( 1.2.3 NAME 'odd' EQUALITY caseExactIA5Match )",
                "(", "", "( 1",
            ]
            .into_iter(),
            [
                "( 2.5.6.0 NAME 'top' ABSTRACT MUST objectClass )",
                "( 2.5.6.6 NAME 'person' SUP top STRUCTURAL MUST ( sn $ cn ) )",
                "( 8 NAME 'x' SUP top )",
                "( 9 NAME 'worker' SUP ( person $ x ) )",
            ]
            .into_iter(),
        );
        assert_eq!(schema.equality("Surname;lang-fr"), Some(Kind::IgnoreCase));
        assert_eq!(schema.equality("odd"), Some(Kind::Exact));
        assert_eq!(schema.substrings("odd"), None);
        assert!(!schema.knows("nothing"));
        assert!(schema.descends(b"worker", b"person"));
        assert!(!schema.descends(b"person", b"worker"));
        let held = |class: &str| {
            let classes = std::iter::once(("objectclass".to_owned(), vec![class.as_bytes().to_vec()]));
            Entry {
                uuid: crate::directory::EntryUuid([0; 16]),
                dn: String::new(),
                stamp: String::new(),
                attributes: classes.collect(),
            }
        };
        for (class, name, admits) in
            [("Worker", "surname", true), ("worker", "odd", false), ("unheard-of", "odd", true)]
        {
            assert_eq!(schema.admits(&held(class), name), admits, "{class} {name}");
        }
    }

    #[test]
    fn the_builtin_table_is_read_whole() {
        let schema = Schema::builtin();
        assert_eq!(schema.equality("uidNumber"), Some(Kind::Integer));
        assert_eq!(schema.ordering("supannEmpDateFin"), Some(Kind::Time));
        assert_eq!(schema.equality("whatever"), Some(Kind::IgnoreCase));
    }
}
