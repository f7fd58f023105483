//! What a server's schema says of attributes and object classes (RFC 4512, section 4.1), as far as matching needs it.
//!
//! Read from the server once it is reached; until then a built-in table of the usual names stands in, which treats
//! what it does not know as case-insensitive text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{LazyLock, OnceLock};

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
    /// By the canonical name of a type: all names, in order, that stand for it in an entry. Made when it is first asked for.
    standing_for: OnceLock<HashMap<String, Vec<String>>>,
}

#[derive(Clone, Debug, Default)]
struct AttributeType {
    canonical: String,
    sup: Option<String>,
    equality: Option<Kind>,
    ordering: Option<Kind>,
    substrings: Option<Kind>,
    syntax: Option<Kind>,
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
        self.standing_for = OnceLock::new();
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
        let found = self.find(base);
        let known = found.is_some() || !self.complete;
        let canonical = canonical_of(found, base);
        let names = self.standing_for().get(canonical.as_ref()).filter(|_| known);
        let names = names.map_or(&[][..], Vec::as_slice);
        // A name that the schema does not have stands for itself.
        let itself = Some(canonical).filter(|itself| known && !names.iter().any(|name| name == itself));
        let names = names.iter().map(|name| Cow::Borrowed(name.as_str())).chain(itself);
        let meant = move |(held, _): &(&String, _)| {
            let has = || held.split(';').skip(1);
            options.iter().all(|option| has().any(|has| has == *option))
        };
        let held = names.flat_map(move |name| described(entry, &name)).filter(meant);
        held.flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }

    /// The family of the equality rule; `None`: there is none, or the attribute is unknown.
    pub(super) fn equality(&self, name: &str) -> Option<Kind> {
        self.rule(name, |found| found.equality)
    }

    pub(super) fn ordering(&self, name: &str) -> Option<Kind> {
        self.rule(name, |found| found.ordering)
    }

    pub(super) fn substrings(&self, name: &str) -> Option<Kind> {
        self.rule(name, |found| found.substrings)
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
        canonical_of(self.find(base), base)
    }

    /// By the canonical name of a type: its names and, where the server's habits have it so, those of its subtypes.
    fn standing_for(&self) -> &HashMap<String, Vec<String>> {
        self.standing_for.get_or_init(|| {
            let mut all: HashMap<String, Vec<String>> = HashMap::new();
            for name in self.types.keys() {
                for above in self.above(name) {
                    all.entry(above.into_owned()).or_default().push(name.clone());
                }
            }
            all.values_mut().for_each(|names| names.sort());
            all
        })
    }

    /// The canonical names of a type and, where they are meant by it too, of its superiors.
    fn above<'a>(&'a self, name: &'a str) -> Vec<Cow<'a, str>> {
        let mut above = vec![self.canonical(name)];
        let mut found = self.find(name).filter(|_| self.habits.subtypes());
        while let Some(sup) = found.and_then(|found| found.sup.as_deref()) {
            if above.len() > MAX_SUPERIORS {
                break;
            }
            above.push(self.canonical(sup));
            found = self.find(sup);
        }
        above
    }

    fn rule(&self, name: &str, of: impl Fn(&AttributeType) -> Option<Kind>) -> Option<Kind> {
        let Some(mut found) = self.find(name) else {
            return (!self.complete).then_some(Kind::IgnoreCase);
        };
        for _ in 0..MAX_SUPERIORS {
            if let Some(rule) = of(found) {
                return Some(self.habits.rule(rule));
            }
            let ruled = found.sup.as_ref().and_then(|sup| self.find(sup));
            match (ruled, self.habits.by_syntax()) {
                (Some(above), _) => found = above,
                (None, true) => return Some(self.habits.rule(found.syntax?)),
                (None, false) => return None,
            }
        }
        None
    }

    fn add_type(&mut self, definition: &str) {
        let words = Definition::read(definition);
        let Some((canonical, names)) = words.names() else { return };
        let one = |key| words.after(key).into_iter().next();
        let rule = |key| one(key).map(|rule| Kind::of(&rule));
        let found = AttributeType {
            canonical,
            sup: one("SUP").map(|sup| sup.to_ascii_lowercase()),
            equality: rule("EQUALITY"),
            ordering: rule("ORDERING"),
            substrings: rule("SUBSTR"),
            syntax: one("SYNTAX").map(|syntax| Kind::of_syntax(&syntax)),
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

/// The canonical name of a type; of what the schema does not have, its own.
fn canonical_of<'a>(found: Option<&'a AttributeType>, base: &'a str) -> Cow<'a, str> {
    found.map_or_else(|| lower(base), |found| Cow::Borrowed(&found.canonical))
}

/// What an entry has under a name, without options and with any.
fn described<'a>(
    entry: &'a Entry,
    name: &str,
) -> impl Iterator<Item = (&'a String, &'a Vec<Vec<u8>>)> + use<'a> {
    let held = &entry.attributes;
    let after = (Bound::Excluded(name), Bound::Unbounded);
    let more = held.range::<str, _>(after).next().is_some_and(|(next, _)| next.starts_with(name));
    // In ASCII, `<` comes next to `;`.
    let with_options = more.then(|| held.range(format!("{name};")..format!("{name}<")));
    held.get_key_value(name).into_iter().chain(with_options.into_iter().flatten())
}

/// In lower case; most names are already, and are not copied.
pub(super) fn lower(name: &str) -> Cow<'_, str> {
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
    fn a_description_stands_for_its_subtypes_and_options_and_for_nothing_that_begins_alike() {
        let types =
            ["( 1 NAME 'name' )", "( 2 NAME ( 'cn' 'commonName' ) SUP name )", "( 3 NAME 'odd' SUP beyond )"];
        let held = [
            "1",
            "cn",
            "cn-x",
            "cn0",
            "cn;lang-fr",
            "cn;lang-fr;x",
            "commonname;x",
            "name",
            "name;x",
            "odd",
            "beyond",
        ];
        let attributes = held.map(|name| (name.to_owned(), vec![name.as_bytes().to_vec()]));
        let entry = Entry {
            uuid: crate::directory::EntryUuid([0; 16]),
            dn: String::new(),
            stamp: String::new(),
            attributes: attributes.into(),
        };
        let complete = || Schema::read(types.into_iter(), std::iter::empty());
        let check = |schema: Schema, asked: &str, expected: &[&str]| {
            let mut found: Vec<&str> =
                schema.values(&entry, asked).map(|value| std::str::from_utf8(value).unwrap()).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{asked}");
        };
        let (cn, all) = (["cn", "cn;lang-fr", "cn;lang-fr;x", "commonname;x"], ["name", "name;x"]);
        check(complete(), "CommonName", &cn);
        check(complete(), "cn;x", &["cn;lang-fr;x", "commonname;x"]);
        check(complete(), "cn;x;lang-fr", &["cn;lang-fr;x"]);
        check(complete(), "name", &[&["1"][..], &cn, &all].concat());
        check(complete().by(Habits::Ds389), "name", &[&["1"][..], &all].concat());
        check(complete().by(Habits::Samba), "name", &all);
        check(complete(), "cn-x", &[]);
        check(complete(), "beyond", &[]);
        let unknown = || Schema { complete: false, ..complete() };
        check(unknown(), "cn-x", &["cn-x"]);
        check(unknown(), "beyond", &["beyond", "odd"]);
    }

    #[test]
    fn the_builtin_table_is_read_whole() {
        let schema = Schema::builtin();
        assert_eq!(schema.equality("uidNumber"), Some(Kind::Integer));
        assert_eq!(schema.ordering("supannEmpDateFin"), Some(Kind::Time));
        assert_eq!(schema.equality("whatever"), Some(Kind::IgnoreCase));
    }
}
