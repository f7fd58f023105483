//! From the start of the process to `READY=1`: with a new store, and with the finished enrolments of years.
//!
//! The store is filled by restoring a backup that is made of a real one: a few hundred people are enrolled, the daemon
//! is asked for its backup, and their records are multiplied under other names.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use parvis_stand::binaries::binaries;
use parvis_stand::{Daemon, Layout, Scene};

use super::Length;
use super::driver::Crowd;
use super::enrolments::{AT_ONCE, newcomers, options};
use super::idle::resident;
use super::many::Template;
use super::measure::{Limit, Line, number};
use super::programs::profile;

/// Milliseconds with a new store.
const MOST_EMPTY: f64 = 100.0;
/// Milliseconds with many finished enrolments.
const MOST_FILLED: f64 = 1000.0;

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    let many = length.of(500, 100_000, 100_000);
    let times = length.of(2, 10, 30);
    let people = newcomers(length.of(16, 256, 256));
    // Where the store is has to be known before the daemon is: a layout of its own.
    let home = Layout::new()?;
    let store = home.state().join("store");
    let mut scene = Scene::start(parvis_stand::SceneOptions {
        store: Some(store.clone()),
        ..options(length, people.clone())
    })?;
    let crowd = Crowd::new(&scene.daemon.layout().hook_socket(), AT_ONCE)?;
    crowd.enrol(&scene.inbox, &people)?;
    drop(crowd);
    let backup = ctl(&scene.daemon, length, ["backup", "-"])?.output()?;
    let template = Template::read(&String::from_utf8_lossy(&backup.stdout))?;

    scene.daemon.terminate()?;
    std::fs::remove_dir_all(&store)?;
    let filled = fill(&scene.daemon, length, &template, many)?;
    // The first start after a restore finds no snapshot of the database: the second is what is promised.
    scene.daemon.restart()?;
    let first = milliseconds(scene.daemon.ready_after());
    let mut starts = Vec::new();
    for _ in 0..times {
        scene.daemon.restart()?;
        starts.push(milliseconds(scene.daemon.ready_after()));
    }
    let memory = resident(&scene.daemon)?;
    let bytes = size(&store)?;
    let mut empty = Vec::new();
    for _ in 0..times {
        scene.daemon.terminate()?;
        std::fs::remove_dir_all(&store)?;
        scene.daemon.restart()?;
        empty.push(milliseconds(scene.daemon.ready_after()));
    }

    let what = format!("start to READY with {many} finished enrolments");
    let each = template.each();
    let note = format!(
        "the first start after the restore {} ms; {} keys each ({} bytes of record, {} of audit), {} bytes on disk; \
         resident {} MB; restored in {} s",
        number(first),
        number(each.keys),
        number(each.record),
        number(each.audit),
        number(bytes as f64 / many as f64),
        number(memory),
        number(filled.as_secs_f64()),
    );
    Ok(vec![
        Line::new("start to READY with a new store", empty, "ms", Limit::Most(MOST_EMPTY)),
        Line::new(&what, starts, "ms", Limit::Most(MOST_FILLED)).noted(note),
        Line::new("keys of a finished enrolment", vec![each.keys], "", Limit::Most(3.0)),
    ])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// `parvisctl` of this daemon.
pub fn ctl(daemon: &Daemon, length: Length, arguments: [&str; 2]) -> Result<Command> {
    let mut command = Command::new(binaries(profile(length))?.parvisctl);
    command.arg("--config").arg(daemon.layout().config_file());
    command.arg("--socket").arg(daemon.layout().admin_socket()).args(arguments);
    command.env("CREDENTIALS_DIRECTORY", daemon.layout().credentials());
    Ok(command)
}

/// Restores so many enrolments into the store of a daemon that is stopped.
fn fill(daemon: &Daemon, length: Length, template: &Template, many: usize) -> Result<Duration> {
    let begun = Instant::now();
    let mut command = ctl(daemon, length, ["restore", "-"])?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let written = child.stdin.take().context("parvisctl has no standard input").and_then(|pipe| {
        let mut out = BufWriter::new(pipe);
        template.write(many, &mut out)?;
        Ok(out.flush()?)
    });
    let status = child.wait()?;
    // What parvisctl did not want to read is a smaller fault than why.
    ensure!(status.success(), "parvisctl restore failed ({status})");
    written.map(|()| begun.elapsed())
}

/// The bytes of all files in a folder, as they are on the disk.
fn size(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let held = entry.metadata()?;
        sum += if held.is_dir() { size(&entry.path())? } else { held.blocks() * 512 };
    }
    Ok(sum)
}
