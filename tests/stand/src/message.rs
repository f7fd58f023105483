//! A received mail, decoded far enough for a test to read it as a person does: RFC 5322 headers with RFC 2047 words,
//! MIME parts (RFC 2045, 2046) in quoted-printable or base64, UTF-8 or Latin-1. It must not be used on hostile mail:
//! what it cannot decode it gives as it came.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use std::fmt::Write;
use std::time::Instant;

/// One mail, as one SMTP transaction brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Counts from 1, in the order of arrival.
    pub number: u64,
    /// The envelope's sender; empty for a bounce.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// As it came, without dot-stuffing, lines ended by CRLF.
    pub raw: Vec<u8>,
    /// When it had come.
    pub come: Instant,
}

impl Message {
    /// The first header of that name, unfolded and decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers(name).into_iter().next()
    }

    /// Every header of that name, unfolded and decoded.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let (head, _) = split(&self.raw);
        let fields = fields(head).into_iter().filter(|(held, _)| held.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| words(&value)).collect()
    }

    /// The subject, or nothing.
    pub fn subject(&self) -> String {
        self.header("Subject").unwrap_or_default()
    }

    /// The text/plain part, with LF line ends.
    pub fn text(&self) -> Option<String> {
        find(&self.raw, "text/plain")
    }

    /// The text/html part, with LF line ends.
    pub fn html(&self) -> Option<String> {
        find(&self.raw, "text/html")
    }

    /// The http and https addresses of the text part, in order; without a text part, those of the HTML part.
    pub fn links(&self) -> Vec<String> {
        match self.text() {
            Some(text) => links(&text),
            None => links(&self.html().unwrap_or_default().replace("&amp;", "&")),
        }
    }

    /// The addresses of the HTML part alone, each once.
    pub fn html_links(&self) -> Vec<String> {
        let mut found = links(&self.html().unwrap_or_default().replace("&amp;", "&"));
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|link| seen.insert(link.clone()));
        found
    }

    /// The mail as people read it: who, what, and the text.
    pub fn readable(&self) -> String {
        let mut page = String::new();
        for name in ["From", "To", "Subject", "Date"] {
            let _ = writeln!(page, "{name}: {}", self.header(name).unwrap_or_default());
        }
        let body = self.text().or_else(|| self.html());
        let _ =
            writeln!(page, "\n{}", body.unwrap_or_else(|| String::from_utf8_lossy(&self.raw).into_owned()));
        page
    }
}

/// Head and body, at the first empty line.
fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n");
    match end.and_then(|at| Some((raw.get(..at + 2)?, raw.get(at + 4..)?))) {
        Some(parts) => parts,
        None => (raw, &[]),
    }
}

fn fields(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head).replace("\r\n ", " ").replace("\r\n\t", " ");
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// The first part of that type, decoded; looks into multiparts.
fn find(raw: &[u8], wanted: &str) -> Option<String> {
    let (head, body) = split(raw);
    let fields = fields(head);
    let field = |name: &str| {
        fields
            .iter()
            .find(|(held, _)| held.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value.as_str())
    };
    let kind = Some(field("Content-Type")).filter(|kind| !kind.is_empty()).unwrap_or("text/plain");
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence.starts_with("multipart/") {
        let boundary = parameter(kind, "boundary")?;
        return parts(body, &boundary).into_iter().find_map(|part| find(part, wanted));
    }
    if essence != wanted {
        return None;
    }
    let bytes = match field("Content-Transfer-Encoding").to_ascii_lowercase().as_str() {
        "quoted-printable" => quoted_printable(body, false),
        "base64" => base64_lines(body),
        _ => body.to_vec(),
    };
    let text = charset(&bytes, &parameter(kind, "charset").unwrap_or_default());
    Some(text.replace("\r\n", "\n"))
}

fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|pair| {
        let (held, given) = pair.split_once('=')?;
        held.trim().eq_ignore_ascii_case(name).then(|| given.trim().trim_matches('"').to_owned())
    })
}

fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let mark = format!("--{boundary}");
    let mut parts = Vec::new();
    let (mut at, mut open) = (0, None);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(mark.as_bytes()) {
            if let Some(start) = open {
                // The line end before a boundary is the boundary's, not the part's (RFC 2046, section 5.1.1).
                parts.extend(body.get(start..at).map(|part| part.strip_suffix(b"\r\n").unwrap_or(part)));
            }
            open = Some(at + line.len());
        }
        at += line.len();
    }
    parts
}

fn charset(bytes: &[u8], name: &str) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !name.eq_ignore_ascii_case("iso-8859-1") => text.to_owned(),
        _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn base64_lines(body: &[u8]) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let tight: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    LENIENT.decode(&tight).or_else(|_| STANDARD.decode(&tight)).unwrap_or(tight)
}

/// RFC 2045, section 6.7; with `word`, the Q of RFC 2047, where `_` is a space.
fn quoted_printable(body: &[u8], word: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'=', [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
                out.push(digit(*high) * 16 + digit(*low));
                rest = after;
            }
            (b'_', _) if word => out.push(b' '),
            _ => out.push(*first),
        }
    }
    out
}

/// Decodes the encoded words of a header (RFC 2047); the space between two of them is not text.
fn words(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some((before, decoded, after)) = next_word(rest) {
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        out.push_str(&decoded);
        (rest, after_word) = (after, true);
    }
    out.push_str(rest);
    out
}

fn next_word(text: &str) -> Option<(&str, String, &str)> {
    let (before, inner) = text.split_once("=?")?;
    let (charset_name, inner) = inner.split_once('?')?;
    let (kind, inner) = inner.split_once('?')?;
    let (coded, after) = inner.split_once("?=")?;
    let bytes = match kind {
        "B" | "b" => base64_lines(coded.as_bytes()),
        "Q" | "q" => quoted_printable(coded.as_bytes(), true),
        _ => return None,
    };
    Some((before, charset(&bytes, charset_name), after))
}

fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for piece in text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\'' | '(' | ')')) {
        if let Some(at) = piece.find("http://").or_else(|| piece.find("https://")) {
            let link = piece.get(at..).unwrap_or_default().trim_end_matches(['.', ',', ';', '!']);
            found.push(link.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(raw: &str) -> Message {
        Message {
            number: 1,
            from: String::new(),
            to: vec![],
            raw: raw.replace('\n', "\r\n").into_bytes(),
            come: Instant::now(),
        }
    }

    #[test]
    fn a_multipart_mail_is_read_as_a_person_reads_it() {
        let mail = message(
            "From: Campus <no-reply@univ.example>\nSubject: =?utf-8?B?Vm90cmUgbGllbiBk4oCZ?=\n =?utf-8?Q?acti?= =?utf-8?q?vation_=C3=A9?=\n\
             MIME-Version: 1.0\nContent-Type: multipart/alternative;\n boundary=\"x=y\"\n\n\
             preamble\n--x=y\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: quoted-printable\n\n\
             Bonjour =C3=89l=C3=A9onore,\nhttps://a.example/l?t=3Dabc=\ndef.\n\
             --x=y\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n\
             PGEgaHJlZj0iaHR0cHM6Ly9hLmV4YW1wbGUv\nP2E9MSZhbXA7Yj0yIj5vdWk8L2E+\n--x=y--\nepilogue\n",
        );
        assert_eq!(mail.subject(), "Votre lien d’activation é");
        assert_eq!(mail.text().unwrap(), "Bonjour Éléonore,\nhttps://a.example/l?t=abcdef.");
        assert_eq!(mail.links(), ["https://a.example/l?t=abcdef"]);
        assert_eq!(mail.html().unwrap(), "<a href=\"https://a.example/?a=1&amp;b=2\">oui</a>");
        assert_eq!(mail.html_links(), ["https://a.example/?a=1&b=2"]);
        assert!(mail.readable().contains("Bonjour Éléonore"));
    }

    #[test]
    fn a_plain_mail_without_mime_and_latin_1_are_read() {
        let mail = message("Subject: a_b\nTo: x@y\n\nline one\n\nline three\n");
        assert_eq!(mail.text().unwrap(), "line one\n\nline three\n");
        assert_eq!(mail.subject(), "a_b");
        assert_eq!(mail.html(), None);
        let mail = message(
            "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n=E9t=E9",
        );
        assert_eq!(mail.text().unwrap(), "été");
    }

    #[test]
    fn headers_repeat_and_unfold() {
        let mail = message("Received: one\n two\nReceived: three\nX: =?utf-8?X?bad?=\n\n");
        assert_eq!(mail.headers("received"), ["one two", "three"]);
        assert_eq!(mail.header("X").unwrap(), "=?utf-8?X?bad?=");
        assert_eq!(mail.header("Y"), None);
    }
}
