//! `parvis-hook check` of an active person, as a whole process, beside the least that any such program costs.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use parvis_stand::place::Place;
use parvis_stand::run::{self, Running};
use parvis_stand::slapd::{PEOPLE, SERVICE_DN, SERVICE_PASSWORD};
use parvis_stand::{Scene, SceneOptions, Slapd};
use serde_json::json;

use super::Length;
use super::measure::{Limit, Line, median, number, pairs};
use super::programs::{bare_client, bare_server, profile};

/// How many times as long as the bare client `check` may take.
const MOST: f64 = 2.0;
/// Somebody of the stand's campus who has arrived.
const ACTIVE: &str = "cbernard";

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    let scene = Scene::start(SceneOptions { profile: profile(length), ..SceneOptions::default() })?;
    let server = Server::start(length, &scene.slapd)?;
    let mut ours = command(&parvis_stand::binaries::binaries(profile(length))?.parvis_hook);
    ours.args(["check", "--socket"]).arg(scene.daemon.layout().hook_socket()).stdin(Stdio::piped());
    let request = json!({ "login": ACTIVE, "authenticated": true }).to_string();
    let mut bare = command(&bare_client()?);
    bare.arg(server.place.join("socket")).arg(ACTIVE).stdin(Stdio::null());

    let each = length.of(5, 50, 100);
    let mut line = Line::new("check, in times of the bare client", Vec::new(), "times", Limit::Most(MOST));
    let (mut all_ours, mut all_bare) = (Vec::new(), Vec::new());
    let line_seen = std::cell::RefCell::new(&mut line);
    let (least, most) = (length.of(2, 10, 20), length.of(2, 60, 100));
    pairs(
        least,
        most,
        |_| {
            let (mut mine, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..each {
                mine.push(took(&mut ours, Some(&request), "\"allow\":true")?);
                theirs.push(took(&mut bare, None, "found")?);
            }
            line_seen.borrow_mut().values.push(median(&mine) / median(&theirs));
            all_ours.extend(mine);
            all_bare.extend(theirs);
            Ok(())
        },
        || line_seen.borrow().certain(),
    )?;
    let (mine, theirs) = (number(median(&all_ours)), number(median(&all_bare)));
    Ok(vec![line.noted(format!("check {mine} ms, bare client {theirs} ms, the median of all"))])
}

/// The server of the bare client.
struct Server {
    _running: Running,
    place: Place,
}

impl Server {
    fn start(length: Length, slapd: &Slapd) -> Result<Self> {
        let place = Place::new("bare")?;
        let mut command = run::leashed(&bare_server(length)?);
        command.arg(place.join("socket")).args([&slapd.ldaps_url(), SERVICE_DN, PEOPLE]);
        std::fs::write(place.join("password"), SERVICE_PASSWORD)?;
        let (said, says) = std::io::pipe()?;
        command.stdin(std::fs::File::open(place.join("password"))?).stdout(says);
        let running = run::start("bare-server", command)?;
        let mut first = String::new();
        BufReader::new(said).read_line(&mut first)?;
        if first.trim_end() != "listening" {
            bail!("the bare server does not listen");
        }
        Ok(Self { _running: running, place })
    }
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).env_clear();
    command
}

/// How long a process lives, in milliseconds, from before it is made until it is gone; it must say that.
fn took(command: &mut Command, input: Option<&str>, expected: &str) -> Result<f64> {
    let begun = Instant::now();
    let mut child = command.spawn().context("failed to start what is measured")?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(input.as_bytes())?;
    }
    let mut said = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut said)?;
    }
    let status = child.wait()?;
    let took = begun.elapsed();
    if !status.success() || !said.contains(expected) {
        bail!("what is measured went wrong ({status}): {said}");
    }
    Ok(took.as_secs_f64() * 1000.0)
}
