//! The outbox into a real Postfix, beside Postfix's own `smtp-source` on as many connections with messages of that size.
//!
//! Postfix discards what it has queued. How many came is read from its log on both sides, so both are seen by the same eye.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use parvis_stand::{Postfix, PostfixOptions, Scene, run};

use super::Length;
use super::mail::{LINES, due, stopped};
use super::measure::{Limit, Line, median, number};
use crate::outbox::{Mould, store_of};

/// The share of smtp-source's rate.
const LEAST: f64 = 0.9;
/// How long one run may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at the log.
const LOOK: Duration = Duration::from_millis(5);

/// Measures and judges.
pub fn run(length: Length, size: usize) -> Result<Vec<Line>> {
    let each = length.of(100, 3_000, 10_000);
    let discards = "default_transport = discard\nrelay_transport = discard\n";
    let options = PostfixOptions { extra_config: discards.to_owned(), ..PostfixOptions::default() };
    let postfix = Postfix::start(&options)?;
    let (mut scene, mould) = stopped(length, Some(postfix.port()))?;
    let (mut ours, mut theirs, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..length.of(1, 11, 21) {
        let range = 1 + pair * each..1 + (pair + 1) * each;
        // The one that goes first may find the machine in another state: by turns.
        let (mine, other) = if pair % 2 == 0 {
            let mine = drained(&mut scene, &mould, &postfix, range)?;
            (mine, source(&postfix, each, size)?)
        } else {
            let other = source(&postfix, each, size)?;
            (drained(&mut scene, &mould, &postfix, range)?, other)
        };
        // The first pair warms both up.
        if pair > 0 || length == Length::Smoke {
            let rate = |took: Duration| each as f64 / took.as_secs_f64();
            ours.push(rate(mine));
            theirs.push(rate(other));
            shares.push(rate(mine) / rate(other));
        }
    }
    let what = format!("{each} queued mails into Postfix, as a share of smtp-source's rate");
    let note = format!(
        "{} mails/s, {} of smtp-source, {LINES} connections each, {size} bytes",
        number(median(&ours)),
        number(median(&theirs)),
    );
    Ok(vec![Line::new(&what, shares, "", Limit::Least(LEAST)).noted(note)])
}

fn drained(
    scene: &mut Scene,
    mould: &Mould,
    postfix: &Postfix,
    range: std::ops::Range<usize>,
) -> Result<Duration> {
    let each = range.len();
    mould.fill(&store_of(scene), due(range))?;
    let mut log = Log::of(postfix)?;
    scene.daemon.restart()?;
    let took = log.taken(each)?;
    // What was taken is settled before the next fill.
    scene.daemon.terminate()?;
    postfix.wait_empty(PATIENCE)?;
    Ok(took)
}

fn source(postfix: &Postfix, each: usize, size: usize) -> Result<Duration> {
    let mut log = Log::of(postfix)?;
    let mut command = Command::new(run::program("smtp-source")?);
    command.args(["-d", "-s", &LINES.to_string(), "-m", &each.to_string(), "-l", &size.to_string()]);
    command.args(["-f", "source@univ.example", "-t", "u0@big.example"]);
    command.arg(format!("127.0.0.1:{}", postfix.port())).stdin(Stdio::null());
    let mut child = command.spawn().context("failed to run smtp-source")?;
    let took = log.taken(each);
    let status = child.wait()?;
    ensure!(status.success(), "smtp-source failed ({status})");
    postfix.wait_empty(PATIENCE)?;
    took
}

/// Postfix's log from now on.
struct Log {
    path: PathBuf,
    at: u64,
}

impl Log {
    fn of(postfix: &Postfix) -> Result<Self> {
        let path = postfix.queue().with_file_name("data").join("maillog");
        let at = std::fs::metadata(&path).with_context(|| path.display().to_string())?.len();
        Ok(Self { path, at })
    }

    /// Waits until Postfix has queued so many; from the first to the last.
    fn taken(&mut self, count: usize) -> Result<Duration> {
        let begun = Instant::now();
        let (mut seen, mut first, mut rest) = (0, None, String::new());
        while begun.elapsed() < PATIENCE {
            let mut file = std::fs::File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.at))?;
            let mut fresh = Vec::new();
            self.at += file.read_to_end(&mut fresh)? as u64;
            rest.push_str(&String::from_utf8_lossy(&fresh));
            let whole = rest.rfind('\n').map_or(0, |end| end + 1);
            seen += rest.drain(..whole).as_str().matches(": message-id=").count();
            if seen > 0 && first.is_none() {
                first = Some(Instant::now());
            }
            if let Some(first) = first.filter(|_| seen >= count) {
                return Ok(first.elapsed());
            }
            std::thread::sleep(LOOK);
        }
        anyhow::bail!("{seen} mails within {PATIENCE:?}, not {count}")
    }
}
