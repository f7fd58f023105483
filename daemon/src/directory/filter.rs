//! LDAP search filters (RFC 4515), parsed and evaluated here over an entry that was read.
//!
//! The same text goes to the server in searches; this evaluation must say what the server would say: OpenLDAP, 389 DS and
//! Samba are held against it by tests. Kinds that cannot be evaluated the same everywhere are refused when the
//! configuration is read.

mod evaluate;

use super::Entry;
use super::matching::Pattern;
use super::schema::Schema;
use evaluate::{Silent, evaluate};

pub use evaluate::Explained;

/// A filter that can be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Node);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Present(String),
    Equal(String, Vec<u8>),
    AtLeast(String, Vec<u8>),
    AtMost(String, Vec<u8>),
    Substrings(String, Pattern),
    /// Active Directory's bit rules: all bits of the mask, or any of them.
    Bits(String, i64, bool),
}

/// LDAP_MATCHING_RULE_BIT_AND and LDAP_MATCHING_RULE_BIT_OR (MS-ADTS, section 3.1.1.3.4.4).
const BITS: [(&str, bool); 2] = [("1.2.840.113556.1.4.803", false), ("1.2.840.113556.1.4.804", true)];

/// Why a text is no filter that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}, at character {at} of {text:?}")]
pub struct FilterFault {
    words: &'static str,
    at: usize,
    text: String,
}

/// Deeper filters are refused rather than risk the stack.
const MAX_DEPTH: usize = 32;
/// Longer texts are refused.
const MAX_LENGTH: usize = 8192;

impl Filter {
    /// Parse a filter's text.
    ///
    /// # Errors
    /// Not a filter; approximate (`~=`) or extensible (`:=`) but by bits; nested deeper than 32.
    pub fn parse(text: &str) -> Result<Filter, FilterFault> {
        let mut parser = Parser { text, at: 0 };
        if text.len() > MAX_LENGTH {
            return Err(parser.fault("the filter is too long"));
        }
        let node = parser.filter(0)?;
        if parser.at != text.len() {
            return Err(parser.fault("something follows the filter"));
        }
        Ok(Filter(node))
    }

    /// The filter that no entry matches (RFC 4526: an empty OR).
    pub fn never() -> Filter {
        Filter(Node::Or(Vec::new()))
    }

    /// Does the entry match? What is neither true nor false (RFC 4511, section 4.5.1.7) is no match.
    pub fn holds(&self, entry: &Entry, schema: &Schema) -> bool {
        evaluate(&self.0, entry, schema, &mut Silent) == Some(true)
    }

    /// The same with its reasons: each part, whether it holds, and on which values.
    pub fn explain(&self, entry: &Entry, schema: &Schema) -> Explained {
        Explained::of(&self.0, entry, schema)
    }

    /// Every attribute that the filter looks at, without options.
    pub fn attributes(&self, seen: &mut impl FnMut(&str)) {
        walk(&self.0, seen);
    }
}

fn walk(node: &Node, seen: &mut impl FnMut(&str)) {
    match node {
        Node::And(parts) | Node::Or(parts) => parts.iter().for_each(|part| walk(part, seen)),
        Node::Not(part) => walk(part, seen),
        Node::Present(name)
        | Node::Equal(name, _)
        | Node::AtLeast(name, _)
        | Node::AtMost(name, _)
        | Node::Substrings(name, _)
        | Node::Bits(name, ..) => seen(name.split(';').next().unwrap_or(name)),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn fault(&self, words: &'static str) -> FilterFault {
        let shown = self.text.chars().take(200).collect();
        FilterFault { words, at: self.at, text: shown }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8, words: &'static str) -> Result<(), FilterFault> {
        if self.peek() != Some(byte) {
            return Err(self.fault(words));
        }
        self.at += 1;
        Ok(())
    }

    fn filter(&mut self, depth: usize) -> Result<Node, FilterFault> {
        if depth > MAX_DEPTH {
            return Err(self.fault("the filter is nested too deeply"));
        }
        self.expect(b'(', "a filter begins with (")?;
        let node = match self.peek() {
            Some(b'&') => Node::And(self.list(depth)?),
            Some(b'|') => Node::Or(self.list(depth)?),
            Some(b'!') => {
                self.at += 1;
                Node::Not(Box::new(self.filter(depth + 1)?))
            }
            _ => self.item()?,
        };
        self.expect(b')', "a ) is missing")?;
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, FilterFault> {
        self.at += 1;
        let mut parts = Vec::new();
        while self.peek() == Some(b'(') {
            parts.push(self.filter(depth + 1)?);
        }
        Ok(parts)
    }

    fn item(&mut self) -> Result<Node, FilterFault> {
        let name = self.name()?;
        let kind = self.peek();
        self.at += 1;
        match kind {
            Some(b'=') => self.equality(name),
            Some(b'>') => {
                self.expect(b'=', "> must be >=")?;
                Ok(Node::AtLeast(name, self.value()?))
            }
            Some(b'<') => {
                self.expect(b'=', "< must be <=")?;
                Ok(Node::AtMost(name, self.value()?))
            }
            Some(b'~') => {
                Err(self.fault("approximate matches (~=) mean something else on every server: use ="))
            }
            Some(b':') => self.bits(name),
            _ => Err(self.fault("an attribute is followed by =, >= or <=")),
        }
    }

    fn name(&mut self) -> Result<String, FilterFault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"-;._".contains(b)).count();
        let (name, _) = rest.split_at_checked(length).unwrap_or_default();
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(self.fault("an attribute's name is missing"));
        }
        self.at += length;
        Ok(name.to_ascii_lowercase())
    }

    /// Of the extensible matches, those that mean the same here as on the server.
    fn bits(&mut self, name: String) -> Result<Node, FilterFault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found =
            BITS.into_iter().find(|(rule, _)| rest.strip_prefix(rule).is_some_and(|r| r.starts_with(":=")));
        let Some((rule, some)) = found else {
            return Err(self.fault("of the extensible matches (:=), only the bit rules are supported here"));
        };
        self.at += rule.len() + 2;
        let mask = String::from_utf8(self.value()?).ok().and_then(|text| text.parse().ok());
        mask.map(|mask| Node::Bits(name, mask, some)).ok_or_else(|| self.fault("a bit rule needs a number"))
    }

    /// `=*` is presence, a `*` among text is substrings, else equality.
    fn equality(&mut self, name: String) -> Result<Node, FilterFault> {
        let mut pieces = vec![self.value()?];
        while self.peek() == Some(b'*') {
            self.at += 1;
            pieces.push(self.value()?);
        }
        match pieces.as_slice() {
            [whole] => Ok(Node::Equal(name, whole.clone())),
            [start, end] if start.is_empty() && end.is_empty() => Ok(Node::Present(name)),
            _ => Pattern::new(pieces)
                .map(|pattern| Node::Substrings(name, pattern))
                .ok_or_else(|| self.fault("two * follow each other")),
        }
    }

    fn value(&mut self) -> Result<Vec<u8>, FilterFault> {
        let mut value = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b')' | b'*' => break,
                b'(' | 0 => return Err(self.fault("( and NUL must be written \\28 and \\00")),
                b'\\' => {
                    let digits = self.text.get(self.at + 1..self.at + 3);
                    let decoded = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
                    match decoded.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                        Some(decoded) => value.push(decoded),
                        None => return Err(self.fault("\\ must be followed by two hexadecimal digits")),
                    }
                    self.at += 2;
                }
                _ => value.push(byte),
            }
            self.at += 1;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::EntryUuid;

    fn entry(attributes: &[(&str, &[&str])]) -> Entry {
        let attributes = attributes
            .iter()
            .map(|(name, values)| (name.to_string(), values.iter().map(|v| v.as_bytes().to_vec()).collect()))
            .collect();
        Entry { uuid: EntryUuid([1; 16]), dn: "uid=a,dc=test".into(), stamp: String::new(), attributes }
    }

    fn check(filter: &str, expected: bool) {
        let person = entry(&[
            ("uid", &["jdupont"]),
            ("cn", &["Jeanne  DUPONT", "Étoile"]),
            ("cn;lang-fr", &["Jeanne la Française"]),
            ("supannressourceetat", &["{COMPTE}I:SupannCree", "{MAIL}A:SupannActif"]),
            ("uidnumber", &["1000"]),
            ("supannempdatefin", &["20270831235959Z"]),
            ("supannaliaslogin", &["JDupont"]),
            ("description", &["a*b(c)\\"]),
        ]);
        let parsed = Filter::parse(filter).unwrap();
        assert_eq!(parsed.holds(&person, &Schema::builtin()), expected, "{filter}");
    }

    #[test]
    fn the_kinds_match_as_their_rules_say() {
        check("(uid=JDUPONT)", true);
        check("(uid= jdupont )", true);
        check("(cn=jeanne dupont)", true);
        check("(cn=étoile)", true);
        check("(cn=jeanne la francaise)", false);
        check("(cn=JEANNE LA FRANÇAISE)", true);
        check("(cn;lang-fr=jeanne dupont)", false);
        check("(supannAliasLogin=jdupont)", false);
        check("(uidNumber:1.2.840.113556.1.4.803:=8)", true);
        check("(uidNumber:1.2.840.113556.1.4.803:=24)", false);
        check("(uidNumber:1.2.840.113556.1.4.804:=24)", true);
        check("(!(gidNumber:1.2.840.113556.1.4.803:=2))", true);
        check("(supannRessourceEtat={compte}i:*)", true);
        check("(supannRessourceEtat=*:supanncree)", true);
        check("(supannRessourceEtat={COMPTE}*cree*x)", false);
        check("(uidNumber>=999)", true);
        check("(uidNumber>=01001)", false);
        check("(supannEmpDateFin<=20270901000000Z)", true);
        check("(supannEmpDateFin>=20270901020000+0200)", false);
        check(r"(description=a\2ab\28c\29\5c)", true);
    }

    #[test]
    fn absence_is_false_and_its_negation_true_as_in_openldap() {
        check("(mail=*)", false);
        check("(!(mail=x))", true);
        check("(&)", true);
        check("(|)", false);
        check("(!(uidNumber=notanumber))", false);
        check("(|(uidNumber=notanumber)(uid=jdupont))", true);
        check("(&(uidNumber=notanumber)(uid=other))", false);
        check("(!(&(uidNumber=notanumber)(uid=other)))", true);
    }

    #[test]
    fn what_is_no_filter_is_refused_with_words() {
        for wrong in [
            "",
            "uid=a",
            "(uid=a",
            "(uid=a))",
            "(=a)",
            "(uid)",
            "(uid=a(b)",
            r"(uid=\4)",
            r"(uid=\zz)",
            "(uid~=a)",
            "(cn:dn:=x)",
            "(memberOf:1.2.840.113556.1.4.1941:=cn=x)",
            "(userAccountControl:1.2.840.113556.1.4.803:=x)",
            "(uid>a)",
            "(uid=a**b)",
            "(!(a=b)(c=d))",
            "(&(a=b)",
            "(uid=\0)",
            "(é=1)",
            r"(uid=\é)",
        ] {
            assert!(Filter::parse(wrong).is_err(), "{wrong:?}");
        }
        let deep = "(!".repeat(4000) + "(a=b)" + &")".repeat(4000);
        assert!(Filter::parse(&deep).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[(&|!)=*<>a\\\\0-9é ]{0,40}") {
            if let Ok(filter) = Filter::parse(&text) {
                let mut names = 0;
                filter.attributes(&mut |_| names += 1);
                proptest::prop_assert!(names <= text.len());
            }
        }
    }
}
