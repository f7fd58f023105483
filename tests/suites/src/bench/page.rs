//! A page of a person at a step, beside the same axum that serves a constant of the same size, and one round trip on the
//! hook socket, which is what a page has to ask.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use parvis_protocol::hook::{Call, OfSession};
use parvis_protocol::{Client, Secret};
use parvis_stand::pages::localhost;
use parvis_stand::{Pages, PagesOptions, Port, Scene, SceneOptions, run};

use super::Length;
use super::measure::{Limit, Line, median, number, pairs};
use super::programs::{bare_page, profile};

/// How many times the constant a page may cost, beside its round trip.
const CONSTANTS: f64 = 3.0;
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    // Built first: a connection that waits for a build is closed meanwhile.
    let bare = bare_page(length)?;
    let port = Port::free()?;
    let base = localhost(&port);
    let config = format!("[pages]\nbase-url = \"{base}\"\n[limits]\naccount-requests = \"100000/1h\"\n");
    let scene = Scene::start(SceneOptions { profile: profile(length), config, ..SceneOptions::default() })?;
    let options = PagesOptions { profile: profile(length), ..PagesOptions::default() };
    let number_of_port = port.number();
    // As in service: at debug, each request is a line.
    let _pages = Pages::on_localhost(&scene, port, PagesOptions { log: "info", ..options })?;
    let session = scene.open("mdurand")?.session;
    let cookie = format!("__Host-parvis={session}; __Host-parvis-form=abcdefghijklmnopqrstuvwxyz012345");
    let mut page = Get::new(number_of_port, "/step", &cookie)?;
    let first = page.once()?;
    ensure!(first.contains("name=\"address\""), "the page is not that of the step: {first:.300}");
    let headers = first.split("\r\n\r\n").next().map_or(0, |head| head.lines().count() - 4);
    let constant = Constant::start(&bare, page.body, headers)?;
    let mut bare = Get::new(constant.port.number(), "/", &cookie)?;
    bare.once()?;
    ensure!(page.body == bare.body, "{} bytes beside {}", page.body, bare.body);
    let socket = scene.daemon.layout().hook_socket();

    let each = length.of(5, 100, 200);
    let what = "a page, in times of three constants and a round trip";
    let mut line = Line::new(what, Vec::new(), "times", Limit::Most(1.0));
    let (mut pages, mut constants, mut trips) = (Vec::new(), Vec::new(), Vec::new());
    let seen = std::cell::RefCell::new(&mut line);
    pairs(
        length.of(2, 10, 20),
        length.of(2, 60, 100),
        |_| {
            let (mut whole, mut least, mut trip) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..each {
                whole.push(took(|| page.once().map(drop))?);
                least.push(took(|| bare.once().map(drop))?);
                trip.push(took(|| state(&socket, &session))?);
            }
            let (whole, least, trip) = (median(&whole), median(&least), median(&trip));
            seen.borrow_mut().values.push(whole / (CONSTANTS * least + trip));
            pages.push(whole);
            constants.push(least);
            trips.push(trip);
            Ok(())
        },
        || seen.borrow().certain(),
    )?;
    let told = |values: &[f64]| number(median(values));
    let note = format!(
        "page {} ms, constant {} ms, round trip {} ms; {} bytes",
        told(&pages),
        told(&constants),
        told(&trips),
        page.body
    );
    Ok(vec![line.noted(note)])
}

/// Milliseconds.
fn took(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

/// The round trip: a connection, `state`, its answer.
fn state(socket: &Path, session: &str) -> Result<()> {
    let mut client = Client::connect(socket, Instant::now() + PATIENCE)?;
    let call = Call::State(OfSession { session: Secret::new(session), locale: None, client: None });
    let reply = client.call(&call.method().full_name(), &call)?;
    ensure!(reply.parameters()?.get().contains("recovery-address"), "state says something else");
    Ok(())
}

/// The same request again and again on one kept connection.
struct Get {
    stream: TcpStream,
    request: String,
    body: usize,
}

impl Get {
    fn new(port: u16, path: &str, cookie: &str) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
        Ok(Self { stream, request, body: 0 })
    }

    /// Head and body.
    fn once(&mut self) -> Result<String> {
        self.stream.write_all(self.request.as_bytes())?;
        let mut all = Vec::with_capacity(16 * 1024);
        let mut buffer = [0; 16 * 1024];
        loop {
            let count = self.stream.read(&mut buffer)?;
            ensure!(count > 0, "the connection ended");
            all.extend(buffer.iter().take(count));
            let Some(head) = all.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(all.get(..head).unwrap_or_default()).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.context("an answer without a length")?.trim().parse()?;
            if all.len() >= head + 4 + length {
                ensure!(text.starts_with("http/1.1 200"), "{text}");
                self.body = length;
                return Ok(String::from_utf8(all)?);
            }
        }
    }
}

/// The server of the constant.
struct Constant {
    _running: run::Running,
    port: Port,
}

impl Constant {
    fn start(program: &Path, bytes: usize, headers: usize) -> Result<Self> {
        let port = Port::free()?;
        let mut command = run::leashed(program);
        command.arg(format!("127.0.0.1:{}", port.number())).args([bytes.to_string(), headers.to_string()]);
        let (said, says) = std::io::pipe()?;
        command.stdin(Stdio::null()).stdout(says);
        let running = run::start("bare-page", command)?;
        let mut first = String::new();
        BufReader::new(said).read_line(&mut first)?;
        if first.trim_end() != "listening" {
            bail!("the constant is not served");
        }
        Ok(Self { _running: running, port })
    }
}
