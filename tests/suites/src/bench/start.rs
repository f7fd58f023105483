//! From the start of the process to `READY=1`: with a new store, and with the finished enrolments of years.
//!
//! The store is filled by restoring a backup that is made of a real one: a few hundred people are enrolled, the daemon
//! is asked for its backup, and their records are multiplied under other names.

use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use parvis_protocol::Client;
use parvis_protocol::admin::BackupAnswer;
use parvis_stand::{Layout, Scene};

use super::Length;
use super::driver::Crowd;
use super::enrolments::{AT_ONCE, newcomers, options};
use super::idle::resident;
use super::many::Template;
use super::measure::{Limit, Line, number};

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
    let template = Template::read(&backup(&scene.daemon.layout().admin_socket())?)?;

    scene.daemon.terminate()?;
    std::fs::remove_dir_all(&store)?;
    let filled = fill(&template, many, &store)?;
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

/// What the daemon says is in its store, as `parvisctl backup` would write it.
fn backup(socket: &Path) -> Result<String> {
    let mut client = Client::connect(socket, Instant::now() + Duration::from_secs(60))?;
    let none = serde_json::json!({});
    let mut reply = client.call_more("org.parvis.Admin.Backup", &none)?;
    let mut text = String::new();
    loop {
        text.push_str(&reply.read::<BackupAnswer>()?.piece);
        if !reply.continues {
            return Ok(text);
        }
        reply = client.receive()?;
    }
}

/// Restores so many enrolments into the store.
fn fill(template: &Template, many: usize, store: &Path) -> Result<Duration> {
    let begun = Instant::now();
    let (mut read, write) = std::io::pipe()?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || -> Result<()> {
            let mut out = BufWriter::new(write);
            template.write(many, &mut out)?;
            Ok(out.flush()?)
        });
        let restored = parvisd::store::restore(store, &mut read);
        // What is left unread after a failure would hold up the writer.
        let _rest = read.read(&mut [0]);
        drop(read);
        restored.context("failed to restore what was made")?;
        writing.join().map_err(|_| anyhow!("the writer has panicked"))?
    })?;
    Ok(begun.elapsed())
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
