//! As much of HTTP as it takes to be a browser without a face: one request, one answer. It follows nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};
use url::form_urlencoded::Serializer;

/// An answer, as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    /// 200, 302, 401, 500.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// What follows.
    pub body: String,
}

impl Reply {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Where it sends a browser.
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    /// The cookie of that name that it sets; one that it takes away is none.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}=");
        let given = self.headers.iter().filter(|(own, _)| own == "set-cookie");
        let mut values = given.filter_map(|(_, value)| value.strip_prefix(&prefix)?.split(';').next());
        values.next_back().filter(|value| !value.is_empty() && *value != "0")
    }

    /// The number of the portal's message (`trmsg`), where its page shows one.
    pub fn message(&self) -> Option<&str> {
        self.body.split("trmsg=\"").nth(1)?.split('"').next()
    }
}

/// A form's body.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// One request. HTTP/1.0, so that nothing comes in chunks.
pub(super) fn ask(
    port: u16,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Result<Reply> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    // A header that is given twice is the caller's, the last.
    let mut all: Vec<(&str, &str)> = Vec::new();
    for (name, value) in headers {
        all.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        all.push((name, value));
    }
    let lines: String = all.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut request = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n{lines}");
    if let Some(body) = body {
        let json = body.starts_with('{');
        let kind = if json { "application/json" } else { "application/x-www-form-urlencoded" };
        request.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    request.push_str(body.unwrap_or_default());
    stream.write_all(request.as_bytes())?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    let text = String::from_utf8_lossy(&all).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": "));
    Ok(Reply {
        status: status.with_context(|| format!("no answer: {head:?}"))?,
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
        body: body.to_owned(),
    })
}
