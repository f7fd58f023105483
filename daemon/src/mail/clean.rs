//! Words that come from outside (names, replies of servers) made fit to be printed.
//!
//! It decides what characters may pass, never what the words mean.

/// `words` on one line: control characters, line ends and bidirectional controls are gone, white space is single,
/// and what is over `limit` characters is cut with an ellipsis.
pub(crate) fn plain(words: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut gap = false;
    for c in words.chars() {
        if is_gap(c) {
            gap = length > 0;
            continue;
        }
        if is_unprintable(c) {
            continue;
        }
        if length + usize::from(gap) >= limit {
            out.push('…');
            break;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
            length += 1;
        }
        out.push(c);
        length += 1;
    }
    out
}

/// A person's or a campus's name as a display name: [`plain`], and no RFC 2047 encoded word that a reader would decode
/// into what was just taken out.
pub(crate) fn name(words: &str) -> String {
    plain(words, NAME_LIMIT).replace("=?", "= ?")
}

/// The longest name that is printed, in characters.
const NAME_LIMIT: usize = 120;

/// Wraps text that runs from right to left in a first-strong isolate (UAX #9), so that what follows keeps its place.
/// Text without such characters is returned as it is: the marks are litter where they do nothing.
pub(crate) fn isolate(words: &str) -> String {
    if words.chars().any(is_right_to_left) { format!("\u{2068}{words}\u{2069}") } else { words.to_owned() }
}

/// White space, except the no-break kinds: those belong to the words.
fn is_gap(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{A0}' | '\u{202F}' | '\u{2007}')
}

/// Control characters, bidirectional controls, invisible marks and tags. The joiners (U+200C, U+200D) stay: Persian
/// and many emoji need them.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Bidirectional class R or AL, by the blocks that the Unicode database sets aside for them (`DerivedBidiClass`).
fn is_right_to_left(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFE}'
        | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_keeps_words_and_drops_what_moves_the_cursor() {
        assert_eq!(plain("Jeanne\r\nBcc: x@y.fr\0", 80), "Jeanne Bcc: x@y.fr");
        assert_eq!(plain("a\u{202E}b\u{2066}c\u{200F}d\u{FEFF}", 80), "abcd");
        assert_eq!(plain("  a \t b  ", 80), "a b");
        assert_eq!(plain("23\u{202F}h\u{A0}59", 80), "23\u{202F}h\u{A0}59");
        assert_eq!(plain("é".repeat(10).as_str(), 4), "éééé…");
        assert_eq!(plain("abcd", 4), "abcd");
        assert_eq!(plain("\u{1}\u{7f}\u{85}", 4), "");
    }

    #[test]
    fn names_cannot_smuggle_an_encoded_word() {
        assert_eq!(name("=?utf-8?B?4oCu?= x"), "= ?utf-8?B?4oCu?= x");
    }

    #[test]
    fn only_right_to_left_names_are_isolated() {
        assert_eq!(isolate("Jeanne"), "Jeanne");
        assert_eq!(isolate("ليلى"), "\u{2068}ليلى\u{2069}");
        assert_eq!(isolate("Noa נועה"), "\u{2068}Noa נועה\u{2069}");
    }
}
