//! What the daemon costs while nobody asks anything: processor time and resident memory, fresh and after work.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use parvis_stand::Daemon;

use super::Length;
use super::driver::Crowd;
use super::enrolments::{AT_ONCE, newcomers, scene};
use super::measure::{Limit, Line};

/// The share of one processor, in percent.
const MOST_CPU: f64 = 0.1;
/// Resident memory, in millions of bytes.
const MOST_MEMORY: f64 = 25.0;
/// Enrolments before the second look.
const ENROLMENTS: usize = 320;
/// After its last work, before it counts as idle.
const CALM: Duration = Duration::from_secs(3);

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    let people = newcomers(length.of(16, ENROLMENTS, ENROLMENTS));
    let scene = scene(length, people.clone())?;
    scene.daemon.wait_status("everything works", Duration::from_secs(10))?;
    let time = Duration::from_secs(length.of(1, 10, 60));
    let mut lines = watched(&scene.daemon, time, "fresh")?;
    let crowd = Crowd::new(&scene.daemon.layout().hook_socket(), AT_ONCE)?;
    crowd.enrol(&scene.inbox, &people)?;
    drop(crowd);
    let name = format!("after {} enrolments, {AT_ONCE} at once", people.len());
    lines.extend(watched(&scene.daemon, time, &name)?);
    Ok(lines)
}

/// Processor time over a while, and memory at its end.
fn watched(daemon: &Daemon, time: Duration, when: &str) -> Result<Vec<Line>> {
    std::thread::sleep(CALM.min(time));
    let (begun, before) = (Instant::now(), used(daemon)?);
    std::thread::sleep(time);
    let share = (used(daemon)?.saturating_sub(before)).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
    let (cpu, memory) = (format!("idle, {when}: processor"), format!("idle, {when}: resident memory"));
    Ok(vec![
        Line::new(&cpu, vec![share], "%", Limit::Most(MOST_CPU)).noted(format!("over {} s", time.as_secs())),
        Line::new(&memory, vec![resident(daemon)?], "MB", Limit::Most(MOST_MEMORY)),
    ])
}

/// Resident memory in millions of bytes.
pub fn resident(daemon: &Daemon) -> Result<f64> {
    Ok(daemon.usage()?.resident_kib as f64 * 1024.0 / 1e6)
}

/// Processor time to the nanosecond, ended threads included: `/proc` counts in hundredths of a second.
fn used(daemon: &Daemon) -> Result<Duration> {
    let pid = Pid::from_raw(i32::try_from(daemon.pid()?)?);
    let clock: ClockId = clock_getcpuclockid(pid).context("failed to find the daemon's clock")?;
    Ok(Duration::from(clock.now()?))
}
