//! Somebody at a web site, without a browser: cookies, redirects and forms, over plain HTTP on loopback.
//!
//! For flows of which a test wants to see each answer. It runs no script, and must not follow anybody off this machine.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use url::Url;

/// A visitor with cookies of their own.
#[derive(Clone, Debug)]
pub struct Visitor {
    cookies: BTreeMap<String, String>,
    headers: Vec<(String, String)>,
    /// Every address that was asked for or redirected to, in order.
    pub trail: Vec<String>,
}

/// What came of a request, after its redirects on this machine.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where it is.
    pub url: Url,
    /// The status.
    pub status: u16,
    /// Its headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its text.
    pub body: String,
}

/// A form of a page: where it is sent, and its fields as they stand.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it goes.
    pub action: Url,
    /// Name and value of each input.
    pub fields: Vec<(String, String)>,
}

const PATIENCE: Duration = Duration::from_secs(60);
const HOPS: usize = 20;
const FORM: &str = "application/x-www-form-urlencoded";

impl Visitor {
    /// One who asks for this language (`Accept-Language`).
    pub fn new(language: &str) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![header("Accept-Language", language), header("User-Agent", "Visitor/1.0")];
        Self { cookies: BTreeMap::new(), headers, trail: vec![] }
    }

    /// A header for every request from now on.
    pub fn header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(own, _)| own != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Follows an address.
    pub fn get(&mut self, url: &str) -> Result<Page> {
        self.follow(Url::parse(url)?, None)
    }

    /// Sends a form, with these fields over its own.
    pub fn submit(&mut self, form: &Form, over: &[(&str, &str)]) -> Result<Page> {
        let mut fields: BTreeMap<&str, &str> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend(over.iter().copied());
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.follow(form.action.clone(), Some(body))
    }

    /// Sends a text of another kind, and follows nothing.
    pub fn post(&mut self, url: &str, kind: &str, body: &str) -> Result<Page> {
        self.ask(&Url::parse(url)?, Some((kind, body)))
    }

    fn follow(&mut self, url: Url, body: Option<String>) -> Result<Page> {
        let (mut url, mut body) = (url, body);
        for _ in 0..HOPS {
            self.trail.push(url.to_string());
            let page = self.ask(&url, body.as_deref().map(|body| (FORM, body)))?;
            let to = match page.header("location") {
                Some(to) if (301..=303).contains(&page.status) => url.join(to)?,
                _ => return Ok(page),
            };
            if to.scheme() != "http" || !matches!(to.host_str(), Some("localhost" | "127.0.0.1")) {
                self.trail.push(to.to_string());
                return Ok(page);
            }
            (url, body) = (to, None);
        }
        bail!("too many redirects: {:#?}", self.trail)
    }

    fn ask(&mut self, url: &Url, body: Option<(&str, &str)>) -> Result<Page> {
        let host = url.host_str().context("an address without a host")?;
        let port = url.port_or_known_default().context("an address without a port")?;
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.cookies.is_empty() {
            let all: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head.push_str(&format!("Cookie: {}\r\n", all.join("; ")));
        }
        if let Some((kind, body)) = body {
            head.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()));
        }
        // The name could lead to an address of another family, on which the stand's servers do not listen.
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{head}\r\n{}", body.map_or("", |(_, body)| body)).as_bytes())?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).with_context(|| format!("no answer from {url}"))?;
        let page = Page::parse(url.clone(), &all)?;
        for (name, value) in page.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = value.split(';').next().unwrap_or_default();
            let (key, value) = pair.split_once('=').with_context(|| format!("a strange {name}"))?;
            match value {
                "" | "deleted" => self.cookies.remove(key),
                _ => self.cookies.insert(key.to_owned(), value.to_owned()),
            };
        }
        Ok(page)
    }
}

impl Page {
    fn parse(url: Url, bytes: &[u8]) -> Result<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("no HTTP answer")?;
        let (head, body) = bytes.split_at(end);
        let head = String::from_utf8_lossy(head).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let body = body.get(4..).unwrap_or_default();
        let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let body = if chunked { unchunked(body) } else { body.to_owned() };
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Self { url, status: status.context("no status")?, headers, body })
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The page's first form.
    pub fn form(&self) -> Result<Form> {
        let from = self.body.find("<form").with_context(|| format!("no form: {}", self.body))?;
        let form = self.body.get(from..).unwrap_or_default();
        let form = form.split("</form>").next().unwrap_or_default();
        let action = attribute(form.split('>').next().unwrap_or_default(), "action").unwrap_or_default();
        let inputs = form.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
        let fields = inputs
            .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())));
        Ok(Form { action: self.url.join(&action)?, fields: fields.collect() })
    }
}

impl Form {
    /// A field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
    let value = rest.split('"').next()?;
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#039;", "'"), ("&amp;", "&")];
    Some(plain.iter().fold(value.to_owned(), |text, (entity, mark)| text.replace(entity, mark)))
}

/// RFC 9112, section 7.1.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let (size, more) = rest.split_at(end);
        let size = usize::from_str_radix(String::from_utf8_lossy(size).trim(), 16).unwrap_or_default();
        let chunk = more.get(2..2 + size).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        all.extend_from_slice(chunk);
        rest = more.get(2 + size + 2..).unwrap_or_default();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_its_hidden_fields() {
        let body = "<form method=\"post\" action=\"?x=1\"><input type=\"hidden\" name=\"a\" value=\"1&amp;2\" />\
                    <input name=\"b\"></form>";
        let url = Url::parse("http://localhost:1/login?y=2").unwrap();
        let page = Page { url, status: 200, headers: vec![], body: body.to_owned() };
        let form = page.form().unwrap();
        assert_eq!(form.action.as_str(), "http://localhost:1/login?x=1");
        assert_eq!((form.field("a"), form.field("b")), (Some("1&2"), Some("")));
    }

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunked(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), b"abcde");
    }
}
