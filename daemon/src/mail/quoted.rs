//! Quoted-printable (RFC 2045 section 6.7): words as lines of at most 76 printable ASCII characters.
//!
//! Runs of what stands for itself are copied whole: most of a message is such runs, and byte by byte this was the largest
//! single part of sending a mail.

/// Characters in a line, and of them the `=` of a soft break.
const LINE: usize = 76;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The words, encoded. Their lines may end in LF or CRLF; ours end in CRLF.
pub(super) fn quoted(words: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(words.len() + words.len() / 4);
    for line in words.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => {
                append(&mut out, line.strip_suffix('\r').unwrap_or(line));
                out.extend_from_slice(b"\r\n");
            }
            None => append(&mut out, line),
        }
    }
    out
}

/// One line without its end.
fn append(out: &mut Vec<u8>, line: &str) {
    // A blank that ends a line is lost on the way.
    let inner = line.trim_end_matches([' ', '\t']);
    let (mut rest, blanks) = line.as_bytes().split_at(inner.len());
    // One character stays free for the `=` of a soft break.
    let mut room = LINE - 1;
    loop {
        let (literal, after) = rest.split_at(run(rest, room));
        out.extend_from_slice(literal);
        room -= literal.len();
        rest = after;
        let Some((next, after)) = rest.split_first() else { break };
        if is_literal(*next) {
            room = broken(out);
        } else {
            room = escaped(out, *next, room);
            rest = after;
        }
    }
    for blank in blanks {
        room = escaped(out, *blank, room);
    }
}

/// How many of the first bytes, at most `room`, stand for themselves.
fn run(bytes: &[u8], room: usize) -> usize {
    let bytes = bytes.get(..room).unwrap_or(bytes);
    // Without a branch, many bytes are looked at together; most lines are of this kind.
    if bytes.iter().fold(true, |all, byte| all & is_literal(*byte)) {
        return bytes.len();
    }
    bytes.iter().take_while(|byte| is_literal(**byte)).count()
}

fn is_literal(byte: u8) -> bool {
    (byte.is_ascii_graphic() && byte != b'=') || matches!(byte, b' ' | b'\t')
}

/// Ends the line softly; the room in the next one.
fn broken(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(b"=\r\n");
    LINE - 1
}

fn escaped(out: &mut Vec<u8>, byte: u8, room: usize) -> usize {
    let room = if room < 3 { broken(out) } else { room };
    out.push(b'=');
    for half in [byte >> 4, byte & 0xF] {
        out.extend(HEX.get(usize::from(half)));
    }
    room - 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(words: &str) -> String {
        String::from_utf8(super::quoted(words)).unwrap()
    }

    #[test]
    fn what_stands_for_itself_and_what_does_not() {
        let cases = [
            ("", ""),
            ("Bonjour.\n", "Bonjour.\r\n"),
            ("a\r\nb\n\nc", "a\r\nb\r\n\r\nc"),
            ("été = 1\n", "=C3=A9t=C3=A9 =3D 1\r\n"),
            ("two blanks \t\nend ", "two blanks=20=09\r\nend=20"),
            (" \n", "=20\r\n"),
            ("a\rb\u{0}", "a=0Db=00"),
            ("\u{200f}😀", "=E2=80=8F=F0=9F=98=80"),
        ];
        for (words, encoded) in cases {
            assert_eq!(quoted(words), encoded, "{words:?}");
        }
    }

    #[test]
    fn a_long_line_is_broken_softly_and_a_short_one_is_not() {
        assert_eq!(quoted(&"a".repeat(75)), "a".repeat(75));
        assert_eq!(quoted(&"a".repeat(76)), format!("{}=\r\na", "a".repeat(75)));
        assert_eq!(quoted(&format!("{}é", "a".repeat(70))), format!("{}=C3=\r\n=A9", "a".repeat(70)));
    }

    proptest! {
        /// Read by somebody else's decoder.
        #[test]
        fn it_is_read_as_it_was_written(words in "([a-zé=. \t😀\r\n\u{0}-\u{7f}]{0,200}\n?){0,4}") {
            let encoded = quoted(&words);
            for line in encoded.split("\r\n") {
                prop_assert!(line.len() <= LINE, "{line:?}");
                prop_assert!(line.bytes().all(|byte| byte == b'=' || is_literal(byte)), "{line:?}");
                prop_assert!(!line.ends_with([' ', '\t']), "{line:?}");
            }
            let read = quoted_printable::decode(&encoded, quoted_printable::ParseMode::Strict).unwrap();
            let read = String::from_utf8(read).unwrap();
            prop_assert_eq!(read, words.replace("\r\n", "\n").replace('\n', "\r\n"));
        }
    }
}
