//! A sign-in through LemonLDAP::NG with our plugin, beside the same portal without it.

use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use parvis_protocol::Client;
use parvis_stand::install::{self, LEMON, say};
use parvis_stand::lemon::Ports;
use parvis_stand::{Lemon, LemonOptions, Scene, SceneOptions, small};
use serde_json::json;

use super::Length;
use super::measure::{Limit, Line, median, number, pairs};
use super::programs::profile;

/// How many times as long a sign-in may take, unless a round trip on the socket is more.
const MOST: f64 = 1.05;
/// Somebody of the stand's campus who has arrived.
const ACTIVE: &str = "cbernard";

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    install::need(LEMON, &mut |line| say(line))?;
    let scene = Scene::start(SceneOptions { profile: profile(length), ..SceneOptions::default() })?;
    let socket = scene.daemon.layout().hook_socket();
    let portal = |plugin: bool, params: &[(&str, &str)]| {
        let mut all = vec![("parvisSocket".to_owned(), socket.display().to_string())];
        all.extend(params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        // One process, so that both are always warm and neither waits for a lock of the other's.
        let options = LemonOptions { plugin, params: all, workers: 1, ..LemonOptions::default() };
        Lemon::start(&scene.slapd, Ports::free()?, &options)
    };
    let (without, with) = (portal(false, &[])?, portal(true, &[])?);
    // No state is active here, so that everybody is asked about.
    let asking = portal(true, &[("parvisActive", "^no such state$")])?;
    let warm = length.of(2, 40, 40);
    for lemon in [&without, &with, &asking] {
        series(lemon, warm)?;
    }
    let bare = round_trip(&socket, length.of(20, 400, 400))?;
    let limit = MOST.max(1.0 + bare / median(&series(&without, warm)?));
    let mut line =
        Line::new("lemonldap, in times of a sign-in without the plugin", vec![], "times", Limit::Most(limit));
    let mut asked =
        Line::new("lemonldap, asking the socket, in the same times", vec![], "times", Limit::None);
    let seen = RefCell::new((&mut line, &mut asked));
    let mut all = [vec![], vec![], vec![]];
    let each = length.of(2, 40, 60);
    pairs(
        length.of(2, 10, 20),
        length.of(2, 40, 60),
        |_| {
            let mut took = [vec![], vec![], vec![]];
            // Each in turn, so that whatever else the machine does is done to all three.
            for round in 0..each {
                let mut turns = [(0, &without), (1, &with), (2, &asking)];
                turns.rotate_left(round % 3);
                for (which, lemon) in turns {
                    if let Some(times) = took.get_mut(which) {
                        times.push(sign_in(lemon)?);
                    }
                }
            }
            let [plain, ours, asks] = &took;
            let (line, asked) = &mut *seen.borrow_mut();
            line.values.push(median(ours) / median(plain));
            asked.values.push(median(asks) / median(plain));
            for (sum, times) in all.iter_mut().zip(took) {
                sum.extend(times);
            }
            Ok(())
        },
        || seen.borrow().0.certain(),
    )?;
    judge_nothing_else(&with, &asking)?;
    let [plain, ours, asks] = &all;
    let note = format!(
        "without {} ms, with {} ms, asking {} ms, a bare round trip on the socket {} ms, the median of all",
        number(median(plain)),
        number(median(ours)),
        number(median(asks)),
        number(bare)
    );
    Ok(vec![line.noted(note), asked])
}

/// What was measured is what is meant: the one passed by the directory, the other by asking.
fn judge_nothing_else(with: &Lemon, asking: &Lemon) -> Result<()> {
    for (lemon, decision) in [(with, "cbernard: passed by the directory"), (asking, "cbernard: passed")] {
        let others = lemon.decisions().into_iter().find(|said| said != decision);
        if let Some(other) = others {
            bail!("what is measured went wrong: {other}");
        }
    }
    Ok(())
}

fn series(lemon: &Lemon, count: usize) -> Result<Vec<f64>> {
    (0..count).map(|_| sign_in(lemon)).collect()
}

/// One sign-in, in milliseconds.
fn sign_in(lemon: &Lemon) -> Result<f64> {
    let person = small().into_iter().find(|person| person.login == ACTIVE).context("nobody has arrived")?;
    let begun = Instant::now();
    let reply = lemon.sign_in(ACTIVE, &person.provisional_password, &[])?;
    let took = begun.elapsed();
    if reply.cookie("lemonldap").is_none() {
        bail!("the portal let nobody in ({}): {}", reply.status, lemon.log());
    }
    Ok(took.as_secs_f64() * 1000.0)
}

/// A connection, the least that can be asked on it, and its answer: the median, in milliseconds.
fn round_trip(socket: &Path, count: usize) -> Result<f64> {
    let one = |_| {
        let begun = Instant::now();
        let mut client = Client::connect(socket, begun + Duration::from_secs(10))?;
        let reply = client.call("org.varlink.service.GetInfo", &json!({}));
        reply.map_err(|error| anyhow!("{error}"))?;
        Ok(begun.elapsed().as_secs_f64() * 1000.0)
    };
    Ok(median(&(0..count).map(one).collect::<Result<Vec<f64>>>()?))
}
