//! The outbox: how fast what is queued leaves, beside the connection code alone with the same messages ready-made.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use parvis_stand::binaries::Profile;
use parvis_stand::{Inbox, Scene, SceneOptions};
use parvisd::mail::{
    Address, Composed, Letter, Locale, MailName, Relay, RelaySettings, Sender, Templates, Values, compose,
};
use parvisd::store::{Commit, Committing, Outcome, Store, Write, open};

use super::Length;
use super::enrolments::{newcomers, options};
use super::idle::resident;
use super::measure::{Limit, Line, median, number, pairs};
use super::refresh::Digesting;
use crate::outbox::{CONFIG, Cast, Mould, store_of};

/// The share of the connection code's own rate.
const LEAST: f64 = 0.8;
/// Connections on both sides.
pub const LINES: usize = 8;
/// Outcomes that a bare connection has under way at once, where it keeps them: all together fill a flush.
const UNDER_WAY: usize = 16;
/// How long any one part may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    let (mut scene, mould) = stopped(length)?;
    Ok(vec![drained(&mut scene, &mould, length)?])
}

/// A scene whose daemon is stopped, and what to fill its outbox with.
pub fn stopped(length: Length) -> Result<(Scene, Mould)> {
    let people = newcomers(1);
    let login = people.first().context("nobody")?.login.clone();
    let base = options(length, people);
    let config = format!("{}{CONFIG}[mail]\nconnections = {LINES}\n", base.config);
    // The hook makes the mould, and is not measured.
    let profile = length.of(Profile::Dev, Profile::Release, Profile::Release);
    let mut scene = Scene::start(SceneOptions { config, profile, ..base })?;
    let mould = Mould::take(&mut scene, &login)?;
    Ok((scene, mould))
}

/// A provider to whom many mails go.
pub const BIG: &str = "big.example";

/// Mails that are due, to domains as people have them.
pub fn due(range: std::ops::Range<usize>) -> impl Iterator<Item = Cast> {
    range.map(|number| {
        // Half of them to one provider, the others to forty.
        let domain = if number % 2 == 0 { BIG.to_owned() } else { format!("d{}.example", number % 40) };
        Cast { number, domain, due_seconds: -60 }
    })
}

fn drained(scene: &mut Scene, mould: &Mould, length: Length) -> Result<Line> {
    let each = length.of(200, 10_000, 10_000);
    // The first pair warms both up.
    let (least, most) = (length.of(1, 11, 11), length.of(1, 15, 21));
    let seen = RefCell::new((Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()));
    let mut next = 1;
    // The messages of the bare client are those that the daemon has sent.
    let mut ready = Vec::new();
    let (scene, nothing) = (RefCell::new(scene), Arc::new(Extra::Nothing));
    pairs(
        least,
        most,
        |index| {
            let mut scene = scene.borrow_mut();
            // The one that goes first may find the machine in another state: by turns. The daemon is stopped while the
            // bare client sends.
            let mut bare = None;
            if index % 2 == 1 {
                bare = Some(send(&scene.inbox, &ready, &nothing)?);
                scene.inbox.forget();
            }
            let ours = drain(&mut scene, mould, next..next + each)?;
            next += each;
            scene.daemon.terminate()?;
            if ready.is_empty() {
                ready = messages(&scene.inbox)?;
            }
            scene.inbox.forget();
            let bare = match bare {
                Some(bare) => bare,
                None => send(&scene.inbox, &ready, &nothing)?,
            };
            scene.inbox.forget();
            let rate = |took: Duration| each as f64 / took.as_secs_f64();
            let mut seen = seen.borrow_mut();
            if index > 0 || length == Length::Smoke {
                seen.0.push(rate(ours.took) / rate(bare));
                seen.1.push(rate(ours.took));
                seen.2.push(rate(bare));
                seen.3.push(ours.cpu.as_secs_f64() * 1e6 / each as f64);
                seen.4.push(ours.memory);
            }
            Ok(())
        },
        || false,
    )?;
    let floors = floors(&scene.borrow().inbox, &ready, length.of(1, 5, 5))?;
    let (shares, ours, bare, cpu, memory) = seen.into_inner();
    let size = ready.iter().map(|mail| mail.bytes.len()).sum::<usize>() / ready.len().max(1);
    let what = format!("{each} queued mails, as a share of the bare connections' rate");
    let note = format!(
        "{} mails/s, {} of the bare connections, {LINES} each, {size} bytes; the daemon's processor time for one \
         {} µs; resident {} MB; the bare connections themselves, {floors}",
        number(median(&ours)),
        number(median(&bare)),
        number(median(&cpu)),
        number(median(&memory)),
    );
    Ok(Line::new(&what, shares, "", Limit::Least(LEAST)).noted(note))
}

/// What the bare connections do for each mail, besides sending it.
enum Extra {
    /// As they are measured.
    Nothing,
    /// It is written from its templates, like any that is for one person alone.
    Written(Box<Templates>, Sender),
    /// Its outcome is kept: one value, and the key of its place in the queue gone. Nothing waits for the disk but the end.
    Kept(Arc<dyn Store>),
}

/// How much of their rate stays to the bare connections where they do one of the two things that no outbox can leave out:
/// no limit that is above this can be kept, whatever the outbox does.
fn floors(inbox: &Inbox, ready: &[Composed], rounds: usize) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let store =
        open(&folder.path().join("store"), Arc::new(Digesting)).map_err(|error| anyhow!("{error}"))?;
    let templates = Templates::load(None).map_err(|faults| anyhow!("{faults}"))?;
    let nothing = Arc::new(Extra::Nothing);
    let sender = Sender::new("Université", "a@univ.example", None)?;
    let written = Arc::new(Extra::Written(Box::new(templates), sender));
    let kept = Arc::new(Extra::Kept(Arc::clone(&store)));
    let (mut writing, mut keeping) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let timed = |extra: &Arc<Extra>| -> Result<f64> {
            let took = send(inbox, ready, extra)?;
            inbox.forget();
            Ok(took.as_secs_f64())
        };
        let bare = timed(&nothing)?;
        writing.push(bare / timed(&written)?);
        keeping.push(bare / timed(&kept)?);
    }
    store.close().map_err(|error| anyhow!("{error}"))?;
    Ok(format!(
        "writing each mail from its templates: {}, keeping each outcome: {} of their rate",
        number(median(&writing)),
        number(median(&keeping)),
    ))
}

/// What draining took.
pub struct Drained {
    /// From the first mail's arrival to the last's.
    pub took: Duration,
    /// From the start of the process to the first mail's arrival.
    pub first: Duration,
    /// The daemon's processor time meanwhile.
    pub cpu: Duration,
    /// Its resident memory at the end, in millions of bytes.
    pub memory: f64,
}

/// Fills the outbox of a daemon that is stopped, starts it, and waits until all has come. The daemon runs afterwards.
fn drain(scene: &mut Scene, mould: &Mould, range: std::ops::Range<usize>) -> Result<Drained> {
    let each = range.len() as u64;
    mould.fill(&store_of(scene), due(range))?;
    watched(scene, each)
}

/// Starts the daemon, and waits until so many mails have come.
pub fn watched(scene: &mut Scene, each: u64) -> Result<Drained> {
    let before = scene.inbox.last_number();
    let started = Instant::now();
    let inbox = &scene.inbox;
    let daemon = &mut scene.daemon;
    // What opening the store costs is not the mails'.
    let begun = std::thread::scope(|threads| -> Result<Instant> {
        let first = threads.spawn(|| inbox.wait_count(before + 1, PATIENCE).map(|()| Instant::now()));
        daemon.restart()?;
        first.join().map_err(|_| anyhow!("a thread has panicked"))?
    })?;
    let opened = scene.daemon.usage()?.cpu;
    scene.inbox.wait_count(before + each, PATIENCE)?;
    let took = begun.elapsed();
    let cpu = scene.daemon.usage()?.cpu.saturating_sub(opened);
    Ok(Drained { took, first: begun - started, cpu, memory: resident(&scene.daemon)? })
}

/// What has come, as it could be sent again.
pub fn messages(inbox: &Inbox) -> Result<Vec<Composed>> {
    let template = template()?;
    let again = |message: &Arc<parvis_stand::Message>| -> Result<Composed> {
        let to = message.to.first().context("a mail to nobody")?;
        let mut mail = template.clone();
        mail.to = Address::parse(to).map_err(|fault| anyhow!("{to}: {fault}"))?;
        mail.from = Address::parse(&message.from).map_err(|fault| anyhow!("{}: {fault}", message.from))?;
        mail.bytes.clone_from(&message.raw);
        Ok(mail)
    };
    inbox.messages().iter().map(again).collect()
}

fn template() -> Result<Composed> {
    let templates = Templates::load(None).map_err(|faults| anyhow!("{faults}"))?;
    written(
        &templates,
        &Sender::new("Université", "a@univ.example", None)?,
        &Address::parse("a@b.example").map_err(|fault| anyhow!("{fault}"))?,
    )
}

/// The same messages over as many connections, with next to nothing before or after: how long the last was after the first.
fn send(inbox: &Inbox, mails: &[Composed], extra: &Arc<Extra>) -> Result<Duration> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let settings =
        RelaySettings { port: inbox.port(), ..RelaySettings::new("127.0.0.1", "parvis.univ.example") };
    let relay = Relay::new(settings)?;
    let (mails, next) = (Arc::new(mails.to_vec()), Arc::new(AtomicUsize::new(0)));
    let before = inbox.last_number();
    let begun = Instant::now();
    runtime.block_on(async {
        let lines: Vec<_> = (0..LINES)
            .map(|_| {
                let (relay, mails, next, extra) = (relay.clone(), mails.clone(), next.clone(), extra.clone());
                tokio::spawn(async move {
                    let mut connection = relay.connect().await?;
                    let mut kept = VecDeque::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(mail) = mails.get(number) else { break };
                        if !connection.fit().await {
                            connection = relay.connect().await?;
                        }
                        let fresh = match &*extra {
                            Extra::Written(templates, sender) => Some(written(templates, sender, &mail.to)?),
                            Extra::Nothing | Extra::Kept(_) => None,
                        };
                        connection.send(fresh.as_ref().unwrap_or(mail)).await?;
                        if let Extra::Kept(store) = &*extra {
                            kept.push_back(store.commit(outcome(number)));
                        }
                        if kept.len() > UNDER_WAY {
                            committed(kept.pop_front()).await?;
                        }
                    }
                    while !kept.is_empty() {
                        committed(kept.pop_front()).await?;
                    }
                    Ok::<_, anyhow::Error>(())
                })
            })
            .collect();
        for line in lines {
            line.await??;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    inbox.wait_count(before + mails.len() as u64, PATIENCE)?;
    Ok(begun.elapsed())
}

/// The mail of a link.
fn written(templates: &Templates, sender: &Sender, to: &Address) -> Result<Composed> {
    let to = to.to_string();
    let rendered = templates.render(MailName::Link, Locale::Fr, &Values::sample(Locale::Fr, true))?;
    let date = "2026-09-01T12:30:00Z".parse()?;
    let (locale, kind, message_id) = (Locale::Fr, "link", "42@univ.example");
    let letter = Letter {
        to: &to,
        name: None,
        rendered: &rendered,
        locale,
        date,
        message_id,
        kind,
        return_path: None,
    };
    Ok(compose(sender, &letter)?)
}

/// Somebody's record as long as it is when it is pressed, and the audit's.
fn outcome(number: usize) -> Commit {
    let key = format!("p{number:016}").into_bytes();
    let value = (0..480_usize).map(|at| (number >> (at % 16)) as u8).collect();
    Commit {
        writes: vec![Write::Put { key, value }],
        records: vec![number.to_be_bytes().repeat(20)],
        ..Commit::default()
    }
}

async fn committed(commit: Option<Committing>) -> Result<()> {
    let Some(commit) = commit else { return Ok(()) };
    ensure!(matches!(commit.await, Ok(Outcome::Committed(_))), "the bare store refuses");
    Ok(())
}
