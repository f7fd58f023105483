//! Distinguished names (RFC 4514) in a form in which two of one name are the same text.
//!
//! Case, the spaces around separators, the way of escaping, the order within a part of several, and, where the server has
//! it so, the alias of an attribute are forgotten. It reads no schema of its own.

use super::schema::Schema;

/// The comparable form; `None`: it is no DN. Parts are separated by a comma, which no value has unescaped.
pub(super) fn comparable(text: &str, schema: &Schema) -> Option<String> {
    if text.trim().is_empty() {
        return Some(String::new());
    }
    let mut parts = Vec::new();
    let mut assertions = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_matches(' ');
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)) {
            return None;
        }
        let (value, separator, after) = value(after)?;
        let value = schema.habits().lower(&value);
        let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
        assertions.push(format!("{}={}", schema.named(name), escaped(&words.join(" "))));
        if separator != Some('+') {
            assertions.sort();
            parts.push(std::mem::take(&mut assertions).join("+"));
        }
        match separator {
            None => return Some(parts.join(",")),
            Some(_) => rest = after,
        }
    }
}

/// A value without its escapes, what ended it, and what follows.
fn value(text: &str) -> Option<(String, Option<char>, &str)> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut chars = text.char_indices();
    let mut ended = (None, "");
    while let Some((at, c)) = chars.next() {
        match c {
            ',' | ';' | '+' => {
                ended = (Some(c), text.get(at + 1..)?);
                break;
            }
            '\\' => {
                let pair = text.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(pair, 16).ok());
                let (_, next) = chars.next()?;
                match pair.filter(|_| next.is_ascii_hexdigit()) {
                    Some(byte) => {
                        chars.next();
                        bytes.push(byte);
                    }
                    None => bytes.extend(next.to_string().bytes()),
                }
            }
            c => bytes.extend(c.to_string().bytes()),
        }
    }
    let value = String::from_utf8(bytes).ok()?;
    Some((value, ended.0, ended.1))
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | ';' | '+' | '=' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<String> {
        comparable(text, &Schema::builtin())
    }

    #[test]
    fn names_forget_how_they_are_written_and_nothing_else() {
        assert_eq!(name("UID = a , DC=test"), name("uid=a,dc=test"));
        assert_eq!(name(r"cn=a\2C  b,dc=test"), name(r"CN=A\, b;dc=test"));
        assert_eq!(name("cn=a+uid=b,dc=test"), name("uid=b + cn=a,dc=test"));
        assert_eq!(name(r"cn=\c3\89t\C3\A9"), name("cn=été"));
        assert_eq!(name("userid=a,dc=test"), name("uid=a,dc=test"));
        assert_ne!(name(r"cn=a\, b,dc=test"), name("cn=a,b=,dc=test"));
        assert_ne!(name(r"cn=a\+uid\=b"), name("cn=a+uid=b"));
        assert_ne!(name("cn=a,cn=b"), name("cn=b,cn=a"));
        for wrong in ["not a dn", "uid=a,b", "=a", "uid=a,", "uid=a\\", r"cn=\ff", "u d=a"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        assert_eq!(name(" "), Some(String::new()));
    }
}
