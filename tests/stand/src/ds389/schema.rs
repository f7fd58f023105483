//! slapd.conf's form of a schema in 389's: LDIF of `cn=schema`, without what the server has already.
//!
//! 389 brings eduPerson and Netscape's mail classes itself. It must not change a definition.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

/// The LDIF for a file in the instance's schema folder; `known` are the names that the server has, in lower case.
pub(super) fn ldif(text: &str, known: &BTreeSet<String>) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let text = lines.map(|line| if line.starts_with(' ') { line.to_owned() } else { format!("\n{line}") });
    let text: String = text.collect::<Vec<String>>().join(" ");
    let mut macros: Vec<(String, String)> = Vec::new();
    let mut ldif = "dn: cn=schema\n".to_owned();
    for statement in text.split('\n') {
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words.as_slice() {
            ["objectidentifier", name, number] => macros.push(((*name).to_owned(), (*number).to_owned())),
            ["attributetype", rest @ ..] => define(&mut ldif, "attributeTypes", rest, &macros, known),
            ["objectclass", rest @ ..] => define(&mut ldif, "objectClasses", rest, &macros, known),
            _ => {}
        }
    }
    ldif
}

fn define(
    ldif: &mut String,
    kind: &str,
    words: &[&str],
    macros: &[(String, String)],
    known: &BTreeSet<String>,
) {
    let text = words.join(" ");
    if names(&text).iter().any(|name| known.contains(name)) {
        return;
    }
    let expanded = words.iter().map(|word| {
        let (name, tail) = word.split_once(':').map_or((*word, None), |(name, tail)| (name, Some(tail)));
        let number = macros.iter().find(|(held, _)| held == name).map(|(_, number)| number);
        match (number, tail) {
            (Some(number), Some(tail)) => format!("{number}.{tail}"),
            (Some(number), None) => number.clone(),
            (None, _) => (*word).to_owned(),
        }
    });
    let expanded: Vec<String> = expanded.collect();
    ldif.push_str(&format!("{kind}: {}\n", expanded.join(" ")));
}

/// The names after each `NAME`, in lower case.
fn names(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in text.split("NAME ").skip(1) {
        let rest = rest.trim_start();
        let list = match rest.strip_prefix('(') {
            Some(several) => several.split(')').next().unwrap_or_default(),
            None => rest.split(' ').next().unwrap_or_default(),
        };
        found.extend(list.split('\'').map(str::trim).filter(|name| !name.is_empty()).map(str::to_lowercase));
    }
    found
}

/// The names that the files of a schema folder define.
pub(super) fn known(folder: &Path) -> Result<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    for file in std::fs::read_dir(folder)? {
        let text = String::from_utf8_lossy(&std::fs::read(file?.path())?).replace("\n ", "");
        known.extend(names(&text));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_are_expanded_and_what_is_known_is_left_out() {
        let text = "# c\nobjectidentifier Ds 1.15\nobjectidentifier Sup 1.7\n\
                    attributetype ( Sup:1 NAME 'one'\n  SYNTAX Ds )\nattributetype ( Sup:2 NAME ( 'two' 'zwei' ) )\n\
                    objectclass ( Sup:3 NAME 'three' SUP top MAY ( one $\n  two ) )\n";
        let known = names("( 9 NAME ( 'Zwei' 'Two' ) DESC 'a' )").into_iter().collect();
        let expected = "dn: cn=schema\nattributeTypes: ( 1.7.1 NAME 'one' SYNTAX 1.15 )\n\
                        objectClasses: ( 1.7.3 NAME 'three' SUP top MAY ( one $ two ) )\n";
        assert_eq!(ldif(text, &known), expected);
    }
}
