//! One evaluation of a filter over an entry, for whoever wants the answer and for whoever wants the reasons.
//!
//! It reads no text of a filter, and never shows a value of a password.

use std::fmt::{self, Write};

use serde::Serialize;

use super::Node;
use crate::directory::Entry;
use crate::directory::habits::categorised;
use crate::directory::matching::{self, Kind, Normal};
use crate::directory::schema::Schema;

/// Whoever follows an evaluation.
pub(super) trait Witness {
    /// Every part is wanted, also those after which nothing can change the answer.
    const THOROUGH: bool;
    /// This part is looked at.
    fn begin(&mut self);
    /// One value was held against it.
    fn saw(&mut self, value: &[u8], truth: Option<bool>);
    /// It is true, false, or undefined.
    fn end(&mut self, node: &Node, truth: Option<bool>, schema: &Schema);
}

/// Wants the answer only.
pub(super) struct Silent;

impl Witness for Silent {
    const THOROUGH: bool = false;
    fn begin(&mut self) {}
    fn saw(&mut self, _: &[u8], _: Option<bool>) {}
    fn end(&mut self, _: &Node, _: Option<bool>, _: &Schema) {}
}

/// True, false, or `None`: undefined.
pub(super) fn evaluate<W: Witness>(
    node: &Node,
    entry: &Entry,
    schema: &Schema,
    witness: &mut W,
) -> Option<bool> {
    witness.begin();
    let truth = match node {
        Node::And(parts) => fold(parts, entry, schema, false, witness),
        Node::Or(parts) => fold(parts, entry, schema, true, witness),
        Node::Not(part) => evaluate(part, entry, schema, witness).map(|truth| !truth),
        item => {
            let truth = self::item(item, entry, schema, witness);
            if schema.habits().two_valued() { truth.or(Some(false)) } else { truth }
        }
    };
    witness.end(node, truth, schema);
    truth
}

/// AND (`decisive` false) and OR (`decisive` true): a decisive part decides, else an undefined part makes it undefined.
fn fold<W: Witness>(
    parts: &[Node],
    entry: &Entry,
    schema: &Schema,
    decisive: bool,
    witness: &mut W,
) -> Option<bool> {
    let (mut answer, mut decided) = (Some(!decisive), false);
    for part in parts {
        match evaluate(part, entry, schema, witness) {
            Some(truth) if truth == decisive && W::THOROUGH => decided = true,
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => answer = None,
        }
    }
    if decided { Some(decisive) } else { answer }
}

fn item<W: Witness>(node: &Node, entry: &Entry, schema: &Schema, witness: &mut W) -> Option<bool> {
    let mut any = |name: &str, test: &dyn Fn(&[u8]) -> Option<bool>| {
        let mut answer = Some(false);
        for value in schema.values(entry, name) {
            let truth = test(value);
            witness.saw(value, truth);
            match truth {
                Some(true) if W::THOROUGH => answer = Some(true),
                Some(true) => return Some(true),
                Some(false) => {}
                None => answer = answer.filter(|already| *already),
            }
        }
        answer
    };
    let ordered = |name: &str, wanted: &[u8]| -> Option<(Kind, Normal)> {
        let kind = schema.ordering(name)?;
        Some((kind, matching::normal(kind, wanted, schema)?))
    };
    match node {
        Node::And(_) | Node::Or(_) | Node::Not(_) => None,
        Node::Present(name) => schema.knows(name).then(|| any(name, &|_| Some(true)) == Some(true)),
        Node::Equal(name, wanted)
            if schema.habits().categories() && name == "objectcategory" && !wanted.contains(&b'=') =>
        {
            any(name, &|value| Some(categorised(value, wanted)))
        }
        Node::Equal(name, wanted) => {
            let kind = schema.equality(name)?;
            let wanted = matching::normal(kind, wanted, schema)?;
            any(name, &|value| matching::equal(kind, value, &wanted, schema))
        }
        Node::AtLeast(name, wanted) => {
            let (kind, wanted) = ordered(name, wanted)?;
            any(name, &|value| Some(matching::normal(kind, value, schema)? >= wanted))
        }
        Node::AtMost(name, wanted) => {
            let (kind, wanted) = ordered(name, wanted)?;
            any(name, &|value| Some(matching::normal(kind, value, schema)? <= wanted))
        }
        Node::Substrings(name, pattern) => {
            let kind = schema.substrings(name)?;
            any(name, &|value| pattern.matches(kind, value, schema.habits()))
        }
        Node::Bits(name, mask, some) => {
            schema.equality(name)?;
            let held = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<i64>().ok();
            any(name, &|value| {
                held(value).map(|held| if *some { held & mask != 0 } else { held & mask == *mask })
            })
        }
    }
}

/// A part of a filter, whether it holds, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The part, as RFC 4515 writes it.
    pub filter: String,
    /// Whether it holds; `None`: neither true nor false.
    pub holds: Option<bool>,
    /// Of one attribute: the values that make it hold, or all that do not; the first few.
    pub values: Vec<String>,
    /// Why it is neither true nor false.
    pub undefined: Option<&'static str>,
    /// What it is made of.
    pub parts: Vec<Explained>,
}

/// More values than these are not shown.
const SHOWN: usize = 6;
/// Nor more of one.
const LONGEST: usize = 120;

impl Explained {
    pub(super) fn of(node: &Node, entry: &Entry, schema: &Schema) -> Explained {
        let mut explainer = Explainer::default();
        evaluate(node, entry, schema, &mut explainer);
        explainer.whole.expect("an evaluation ends each part that it begins")
    }
}

#[derive(Default)]
struct Explainer {
    open: Vec<Open>,
    whole: Option<Explained>,
}

#[derive(Default)]
struct Open {
    parts: Vec<Explained>,
    seen: Vec<(String, Option<bool>)>,
}

impl Witness for Explainer {
    const THOROUGH: bool = true;

    fn begin(&mut self) {
        self.open.push(Open::default());
    }

    fn saw(&mut self, value: &[u8], truth: Option<bool>) {
        let text = match std::str::from_utf8(value) {
            Ok(text) if text.chars().count() > LONGEST => text.chars().take(LONGEST).chain(['…']).collect(),
            Ok(text) => text.to_owned(),
            Err(_) => format!("({} bytes)", value.len()),
        };
        if let Some(open) = self.open.last_mut() {
            open.seen.push((text, truth));
        }
    }

    fn end(&mut self, node: &Node, truth: Option<bool>, schema: &Schema) {
        let Some(open) = self.open.pop() else { return };
        let telling = open.seen.into_iter().filter(|(_, one)| truth != Some(true) || *one == Some(true));
        let mut values: Vec<String> = telling.map(|(text, _)| text).take(SHOWN).collect();
        if node.attribute().is_some_and(is_secret) {
            values = vec!["(not shown)".to_owned(); values.len().min(1)];
        }
        let undefined = match (truth, node.attribute()) {
            (None, Some(name)) if !schema.knows(name) => Some("the schema does not have the attribute"),
            (None, Some(_)) => {
                Some("the schema gives no rule for this, or a value is not of the attribute's kind")
            }
            _ => None,
        };
        let done = Explained { filter: node.to_string(), holds: truth, values, undefined, parts: open.parts };
        match self.open.last_mut() {
            Some(above) => above.parts.push(done),
            None => self.whole = Some(done),
        }
    }
}

/// What must not be shown, whoever asks.
fn is_secret(name: &str) -> bool {
    let base = name.split(';').next().unwrap_or(name).to_ascii_lowercase();
    let secret =
        ["userpassword", "unicodepwd", "authpassword", "pwdhistory", "passwordhistory", "sambantpassword"];
    secret.contains(&base.as_str())
}

impl Node {
    fn attribute(&self) -> Option<&str> {
        match self {
            Node::And(_) | Node::Or(_) | Node::Not(_) => None,
            Node::Present(name)
            | Node::Equal(name, _)
            | Node::AtLeast(name, _)
            | Node::AtMost(name, _)
            | Node::Substrings(name, _)
            | Node::Bits(name, ..) => Some(name),
        }
    }
}

/// As RFC 4515 writes it; names in lower case, as they were read.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, sign: char, parts: &[Node]| {
            write!(f, "({sign}")?;
            parts.iter().try_for_each(|part| write!(f, "{part}"))?;
            f.write_char(')')
        };
        match self {
            Node::And(parts) => list(f, '&', parts),
            Node::Or(parts) => list(f, '|', parts),
            Node::Not(part) => write!(f, "(!{part})"),
            Node::Present(name) => write!(f, "({name}=*)"),
            Node::Equal(name, value) => write!(f, "({name}={})", escaped(value)),
            Node::AtLeast(name, value) => write!(f, "({name}>={})", escaped(value)),
            Node::AtMost(name, value) => write!(f, "({name}<={})", escaped(value)),
            Node::Substrings(name, pattern) => {
                let pieces: Vec<String> = pattern.pieces().iter().map(|piece| escaped(piece)).collect();
                write!(f, "({name}={})", pieces.join("*"))
            }
            Node::Bits(name, mask, some) => {
                let rule = super::BITS.iter().find(|(_, any)| any == some).map_or("", |(rule, _)| *rule);
                write!(f, "({name}:{rule}:={mask})")
            }
        }
    }
}

/// A value inside a filter (RFC 4515, section 3).
fn escaped(value: &[u8]) -> String {
    let mut text = String::new();
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '*' | '(' | ')' | '\\' | '\0' => text.push_str(&format!("\\{:02x}", u32::from(c))),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::directory::filter::Filter;
    use crate::directory::schema::Schema;
    use crate::directory::{Entry, EntryUuid};

    fn person() -> Entry {
        let attributes = [
            ("uid", &["jdupont"][..]),
            ("supannressourceetat", &["{MAIL}A:SupannActif", "{COMPTE}I:SupannCree"]),
            ("userpassword", &["{SSHA}secret"]),
            ("uidnumber", &["1000"]),
        ];
        let held = |(name, values): &(&str, &[&str])| {
            ((*name).to_owned(), values.iter().map(|value| value.as_bytes().to_vec()).collect())
        };
        Entry {
            uuid: EntryUuid([1; 16]),
            dn: "uid=jdupont".into(),
            stamp: String::new(),
            attributes: attributes.iter().map(held).collect(),
        }
    }

    #[test]
    fn each_part_says_whether_it_holds_and_on_which_values() {
        let text = "(|(uid=other)(&(supannRessourceEtat={COMPTE}I:*)(!(uidNumber>=x)))(uid=jdupont))";
        let whole = Filter::parse(text).unwrap().explain(&person(), &Schema::builtin());
        assert_eq!(whole.holds, Some(true));
        let [other, both, last] = whole.parts.as_slice() else { panic!("{whole:?}") };
        assert_eq!((other.holds, other.values.as_slice()), (Some(false), &["jdupont".to_owned()][..]));
        assert_eq!((last.holds, both.holds), (Some(true), None), "every part is looked at");
        assert_eq!(both.parts[0].filter, "(supannressourceetat={COMPTE}I:*)");
        assert_eq!(both.parts[0].values, ["{COMPTE}I:SupannCree"], "only what matches");
        assert!(both.parts[1].parts[0].undefined.unwrap().contains("no rule"), "{both:?}");
    }

    #[test]
    fn a_password_is_never_shown() {
        let whole = Filter::parse("(userPassword=*)").unwrap().explain(&person(), &Schema::builtin());
        assert_eq!((whole.holds, whole.values), (Some(true), vec!["(not shown)".to_owned()]));
    }

    #[test]
    fn the_explained_answer_is_the_silent_one_and_its_text_is_the_filter_s_own() {
        for text in [
            "(&)",
            "(|)",
            "(&(uid=jdupont)(uid=x))",
            "(|(uidnumber=abc)(uid=jdupont))",
            "(&(uidnumber=abc)(uid=other))",
            "(!(&(uidnumber=abc)(uid=other)))",
            r"(cn=a\2ab\28\29\5c\00\ffé)",
            "(cn=*a*b)",
            "(uidnumber:1.2.840.113556.1.4.803:=8)",
            "(uidnumber:1.2.840.113556.1.4.804:=24)",
            "(nosuch>=1)",
            "(uidnumber<=1000)",
        ] {
            let filter = Filter::parse(text).unwrap();
            let whole = filter.explain(&person(), &Schema::builtin());
            assert_eq!(whole.holds == Some(true), filter.holds(&person(), &Schema::builtin()), "{text}");
            assert_eq!(whole.filter, text);
            assert_eq!(Filter::parse(&whole.filter).unwrap(), filter);
        }
    }
}
