//! Whole enrolments, many at once, durable on both sides, beside what the same slapd does when it is asked for
//! nothing but the LDAP operations of an enrolment.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use parvis_stand::{InboxOptions, Person, Scene, SceneOptions, SlapdOptions, campus, small};

use super::Length;
use super::bare::{Bare, CONNECTIONS};
use super::driver::Crowd;
use super::measure::{Limit, Line, median, number, pairs};
use super::programs::profile;
use crate::outbox::CONFIG;

/// The share of slapd's own rate that enrolments must reach.
const LEAST: f64 = 0.7;
/// People at once.
pub const AT_ONCE: usize = 64;

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    let (least, most) = (length.of(1, 10, 12), length.of(1, 16, 30));
    let each = length.of(16, 320, 640);
    let people = newcomers(2 * each * most + 64);
    let scene = scene(length, people.clone())?;
    let crowd = Crowd::new(&scene.daemon.layout().hook_socket(), AT_ONCE)?;
    let bare = Bare::new(&scene.slapd)?;
    let (warm, people) = people.split_at(64.min(people.len()));
    let (warm_ours, warm_bare) = warm.split_at(32);
    crowd.enrol(&scene.inbox, warm_ours)?;
    bare.enrol(warm_bare, AT_ONCE)?;
    crowd.clock().words(1);

    let seen = RefCell::new(Seen::default());
    let mut groups = people.chunks_exact(each);
    pairs(
        least,
        most,
        |index| {
            let (ours, theirs) =
                (groups.next().context("too few people")?, groups.next().context("too few people")?);
            // The one that goes first may find the machine in another state: by turns.
            let rate = |took: Duration| each as f64 / took.as_secs_f64();
            let (mine, other) = if index % 2 == 0 {
                let mine = measured(&scene, || crowd.enrol(&scene.inbox, ours))?;
                (mine, measured(&scene, || bare.enrol(theirs, AT_ONCE))?)
            } else {
                let other = measured(&scene, || bare.enrol(theirs, AT_ONCE))?;
                (measured(&scene, || crowd.enrol(&scene.inbox, ours))?, other)
            };
            seen.borrow_mut().add(rate(mine.took), rate(other.took), &mine, &other, each as f64);
            Ok(())
        },
        || seen.borrow().line().certain(),
    )?;
    let seen = seen.into_inner();
    let steps = crowd.clock().words(seen.ours.len() * each);
    Ok(vec![seen.line().noted(format!("{}; ms that one waits, {AT_ONCE} at once: {steps}", seen.note()))])
}

/// So many provisional people.
pub fn newcomers(count: usize) -> Vec<Person> {
    let known = small().len();
    campus(known + count).into_iter().skip(known).collect()
}

/// As it is shipped for: everything durable, and every overlay.
pub fn options(length: Length, people: Vec<Person>) -> SceneOptions {
    SceneOptions {
        slapd: SlapdOptions {
            people,
            durable: true,
            accesslog: true,
            memberof: true,
            unique: true,
            ..SlapdOptions::default()
        },
        inbox: InboxOptions { quick: true, folder: None },
        profile: profile(length),
        config: format!("[directory]\nconnections = {CONNECTIONS}\n\n[log]\nfilter = \"warn\"\n"),
        ..SceneOptions::default()
    }
}

/// A scene of these, without the limits that protect a campus's good name: thousands of people in minutes, all of one mail
/// domain, are more than they allow.
pub fn scene(length: Length, people: Vec<Person>) -> Result<Scene> {
    let base = options(length, people);
    Scene::start(SceneOptions { config: format!("{}{CONFIG}", base.config), ..base })
}

/// One run, and the processor time that each took meanwhile.
struct Measured {
    took: Duration,
    driver: Duration,
    daemon: Duration,
    slapd: Duration,
}

fn measured(scene: &Scene, run: impl FnOnce() -> Result<Duration>) -> Result<Measured> {
    let before = (own()?, scene.daemon.usage()?.cpu, scene.slapd.usage()?.cpu);
    let took = run()?;
    Ok(Measured {
        took,
        driver: own()?.saturating_sub(before.0),
        daemon: scene.daemon.usage()?.cpu.saturating_sub(before.1),
        slapd: scene.slapd.usage()?.cpu.saturating_sub(before.2),
    })
}

/// This process's processor time: the driver's, the inbox's and the bare client's.
fn own() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

#[derive(Default)]
struct Seen {
    shares: Vec<f64>,
    ours: Vec<f64>,
    bare: Vec<f64>,
    /// Milliseconds of processor time an enrolment: driver, daemon, slapd; then bare client and its slapd.
    costs: [Vec<f64>; 5],
}

impl Seen {
    fn add(&mut self, ours: f64, bare: f64, mine: &Measured, other: &Measured, people: f64) {
        self.shares.push(ours / bare);
        self.ours.push(ours);
        self.bare.push(bare);
        let times = [mine.driver, mine.daemon, mine.slapd, other.driver, other.slapd];
        for (kept, time) in self.costs.iter_mut().zip(times) {
            kept.push(time.as_secs_f64() * 1000.0 / people);
        }
    }

    fn line(&self) -> Line {
        let what = "whole enrolments, as a share of the directory's own rate";
        Line::new(what, self.shares.clone(), "", Limit::Least(LEAST))
    }

    fn note(&self) -> String {
        let [driver, daemon, slapd, bare, bare_slapd] =
            self.costs.each_ref().map(|costs| number(median(costs)));
        format!(
            "{} enrolments/s, {} of the bare client; ms of processor time for one: driver and inbox {driver}, \
             parvisd {daemon}, slapd {slapd}; bare client {bare}, its slapd {bare_slapd}",
            number(median(&self.ours)),
            number(median(&self.bare)),
        )
    }
}
