//! The lists of words in the interface files' comments, against the Rust enums, both ways.

use std::collections::{BTreeMap, BTreeSet};

use parvis_protocol::{INTERFACE_ADMIN, INTERFACE_HOOK, admin, hook};

/// The lists at the top of the hook interface: `#   step:    a b c`, gone on with in lines without a name.
fn lists() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut lists = BTreeMap::<&str, BTreeSet<&str>>::new();
    let mut name = None;
    for line in INTERFACE_HOOK.lines().take_while(|line| line.starts_with('#')) {
        let Some(text) = line.strip_prefix("#   ") else {
            name = None;
            continue;
        };
        let words = match text.split_once(':') {
            Some((first, words)) => {
                name = Some(first);
                words
            }
            None => text,
        };
        lists.entry(name.expect("a list has a name")).or_default().extend(words.split_whitespace());
    }
    lists
}

macro_rules! words_of {
    ($enumeration:ty) => {{
        for word in <$enumeration>::ALL {
            let json = serde_json::to_string(word).expect("a word serialises");
            assert_eq!(json, format!("\"{word}\""));
            assert_eq!(serde_json::from_str::<$enumeration>(&json).ok(), Some(*word));
            assert_eq!(<$enumeration>::from_word(word.as_str()), Some(*word));
        }
        assert!(serde_json::from_str::<$enumeration>("\"nonsense\"").is_err());
        assert_eq!(<$enumeration>::from_word("nonsense"), None);
        <$enumeration>::ALL.iter().map(|word| word.as_str()).collect::<BTreeSet<_>>()
    }};
}

#[test]
fn the_lists_are_the_enums() {
    let enums = BTreeMap::from([
        ("step", words_of!(hook::Step)),
        ("status", words_of!(hook::Status)),
        ("purpose", words_of!(hook::Purpose)),
        ("usable", words_of!(hook::Usable)),
        ("then", words_of!(hook::Then)),
        ("delivery", words_of!(hook::Delivery)),
        ("forwarding", words_of!(hook::Forwarding)),
        ("code", words_of!(hook::RefusalCode)),
    ]);
    assert_eq!(lists(), enums);
}

/// The words after a name in the one comment line that has it: `id: length, classes.`
fn in_comment(interface: &'static str, name: &str) -> BTreeSet<&'static str> {
    let found: Vec<_> = interface
        .lines()
        .filter(|line| line.starts_with('#'))
        .filter_map(|line| line.split_once(name))
        .collect();
    assert_eq!(found.len(), 1, "{name}");
    found[0].1.trim_end_matches('.').split(',').map(str::trim).collect()
}

#[test]
fn the_lists_within_comments_are_the_enums() {
    assert_eq!(in_comment(INTERFACE_HOOK, " id: "), words_of!(hook::RuleId));
    assert_eq!(in_comment(INTERFACE_ADMIN, "it is. state: "), words_of!(admin::PartState));
}
