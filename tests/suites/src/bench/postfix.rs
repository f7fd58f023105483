//! The outbox into a real Postfix, beside Postfix's own `smtp-source` on as many connections with one of these messages.
//!
//! Postfix discards what it has queued. How many came is read from its log on both sides, so both are seen by the same eye.

use std::cell::RefCell;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use parvis_stand::{Postfix, PostfixOptions, Scene, install, run};

use super::Length;
use super::mail::{BIG, LINES, stopped, watched};
use super::measure::{Limit, Line, median, number, pairs};
use crate::outbox::{Cast, Mould, store_of};

/// The share of smtp-source's rate.
const LEAST: f64 = 0.9;
/// How long one run may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at the log.
const LOOK: Duration = Duration::from_millis(5);

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    install::need(&[install::POSTFIX], &mut |line| install::say(line))?;
    let each = length.of(100, 2_000, 10_000);
    let discards = "default_transport = discard\nrelay_transport = discard\n";
    let options = PostfixOptions { extra_config: discards.to_owned(), ..PostfixOptions::default() };
    let postfix = Postfix::start(&options)?;
    let (mut scene, mould) = stopped(length)?;
    let (size, message) = message(&mut scene, &mould)?;
    // From now on to Postfix.
    let file = scene.daemon.layout().path().join("conf.d/60-mail.toml");
    std::fs::write(file, format!("[mail]\nport = {}\n", postfix.port()))?;
    let seen = RefCell::new(Seen::default());
    pairs(
        length.of(1, 11, 11),
        length.of(1, 41, 21),
        |pair| {
            let range = 1 + pair * each..1 + (pair + 1) * each;
            // The one that goes first may find the machine in another state: by turns.
            let (mine, other) = if pair % 2 == 0 {
                let mine = drained(&mut scene, &mould, &postfix, range)?;
                (mine, source(&postfix, each, &message)?)
            } else {
                let other = source(&postfix, each, &message)?;
                (drained(&mut scene, &mould, &postfix, range)?, other)
            };
            // The first pair warms both up.
            if pair > 0 || length == Length::Smoke {
                let rates = [mine.took, other].map(|took| each as f64 / took.as_secs_f64());
                seen.borrow_mut().0.push((rates, mine.daemon.as_secs_f64() * 1000.0 / each as f64));
            }
            Ok(())
        },
        || seen.borrow().line(each).certain(),
    )?;
    let seen = seen.into_inner();
    let of = |figure: fn(&Pair) -> f64| number(median(&seen.0.iter().map(figure).collect::<Vec<_>>()));
    let note = format!(
        "{} mails/s, {} of smtp-source, {LINES} connections each, the same {size} bytes; ms of processor time for one: parvisd {}",
        of(|([ours, _], _)| *ours),
        of(|([_, theirs], _)| *theirs),
        of(|(_, daemon)| *daemon),
    );
    Ok(vec![seen.line(each).noted(note)])
}

/// Mails a second, ours and smtp-source's; and milliseconds of the daemon's processor time for one.
type Pair = ([f64; 2], f64);

#[derive(Default)]
struct Seen(Vec<Pair>);

impl Seen {
    fn line(&self, each: usize) -> Line {
        let what = format!("{each} queued mails into Postfix, as a share of smtp-source's rate");
        Line::new(
            &what,
            self.0.iter().map(|([ours, theirs], _)| ours / theirs).collect(),
            "",
            Limit::Least(LEAST),
        )
    }
}

/// Mails that are due, all to one domain, as those of smtp-source: for each domain, Postfix delivers some at a time, while it
/// takes others in.
fn due(range: std::ops::Range<usize>) -> impl Iterator<Item = Cast> {
    range.map(|number| Cast { number, domain: BIG.to_owned(), due_seconds: -60 })
}

/// One of our messages: how many bytes it has, and a file with it, as smtp-source wants it.
fn message(scene: &mut Scene, mould: &Mould) -> Result<(usize, PathBuf)> {
    mould.fill(&store_of(scene), due(0..1))?;
    watched(scene, 1)?;
    scene.daemon.terminate()?;
    let raw = scene.inbox.messages().first().context("no mail has come")?.raw.clone();
    let file = scene.daemon.layout().path().join("message.eml");
    std::fs::write(&file, String::from_utf8(raw.clone())?.replace("\r\n", "\n"))?;
    Ok((raw.len(), file))
}

/// One run, and the daemon's processor time from its start.
struct Drained {
    took: Duration,
    daemon: Duration,
}

fn drained(
    scene: &mut Scene,
    mould: &Mould,
    postfix: &Postfix,
    range: std::ops::Range<usize>,
) -> Result<Drained> {
    let each = range.len();
    mould.fill(&store_of(scene), due(range))?;
    settled();
    let mut log = Log::of(postfix)?;
    scene.daemon.restart()?;
    let took = log.taken(each)?;
    let daemon = scene.daemon.usage()?.cpu;
    // What was taken is settled before the next fill.
    scene.daemon.terminate()?;
    postfix.wait_empty(PATIENCE)?;
    Ok(Drained { took, daemon })
}

fn source(postfix: &Postfix, each: usize, message: &Path) -> Result<Duration> {
    settled();
    let mut log = Log::of(postfix)?;
    let mut command = Command::new(run::program("smtp-source")?);
    command.args(["-d", "-s", &LINES.to_string(), "-m", &each.to_string()]).arg("-F").arg(message);
    // To somebody else each time (`-N`), as ours are: Postfix remembers how it resolved the last address.
    command.args(["-N", "-f", "source@univ.example", "-t", &format!("u@{BIG}")]);
    command.arg(format!("127.0.0.1:{}", postfix.port())).stdin(Stdio::null());
    let mut child = command.spawn().context("failed to run smtp-source")?;
    let took = log.taken(each);
    let status = child.wait()?;
    ensure!(status.success(), "smtp-source failed ({status})");
    postfix.wait_empty(PATIENCE)?;
    took
}

/// Nothing that was written before is still to be written: Postfix waits for the disk with each mail, and would wait for that.
fn settled() {
    nix::unistd::sync();
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
