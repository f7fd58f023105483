//! Takes a message apart as a mail program would: headers, encoded words, the two parts.

/// The message's header lines, unfolded: (name, value as it stands).
pub fn headers(message: &str) -> Vec<(String, String)> {
    let head = message.split("\r\n\r\n").next().unwrap();
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded
        .split("\r\n")
        .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The one header of that name, with its encoded words decoded.
pub fn header(message: &str, name: &str) -> String {
    let found: Vec<_> = headers(message).into_iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).collect();
    assert_eq!(found.len(), 1, "{name} stands {} times", found.len());
    decode_words(&found[0].1)
}

/// The parts of a multipart message: (content type, text).
pub fn parts(message: &str) -> Vec<(String, String)> {
    let kind = header(message, "Content-Type");
    let boundary = kind.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let body = message.split_once("\r\n\r\n").unwrap().1;
    let mut parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert!(parts.pop().unwrap().starts_with("--"), "the message does not end with its boundary");
    parts
        .into_iter()
        .skip(1)
        .map(|part| {
            let part = part.strip_prefix("\r\n").unwrap();
            assert_eq!(header(part, "Content-Transfer-Encoding"), "quoted-printable");
            let text = quoted_printable(part.split_once("\r\n\r\n").unwrap().1);
            (header(part, "Content-Type"), text.replace("\r\n", "\n"))
        })
        .collect()
}

/// RFC 2045 section 6.7.
fn quoted_printable(text: &str) -> String {
    let text = text.replace("=\r\n", "");
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'=' {
            let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap()
}

/// RFC 2047: `=?utf-8?b?…?=`, which is all that lettre writes.
fn decode_words(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value.replace("?= =?", "?==?");
    while let Some((before, after)) = rest.split_once("=?utf-8?b?") {
        out.push_str(before);
        let (word, after) = after.split_once("?=").unwrap();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, word).unwrap();
        out.push_str(&String::from_utf8(bytes).unwrap());
        rest = after.to_owned();
    }
    out + &rest
}
