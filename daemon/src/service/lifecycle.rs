//! Start, signals, stop.

use super::health::{Board, State};
use super::tasks::{Ended, Tasks};
use super::{EXIT_CONFIG, EXIT_SOFTWARE, EXIT_TEMPFAIL, clock, dog, logging, outside, process, sockets};
use crate::audit::Chain;
use crate::config::{Settings, Sources};
use crate::directory::{Directory, DirectoryHealth};
use crate::dossier::key;
use crate::engine::keys::Keys;
use crate::engine::{self, Engine};
use crate::gate::{Gate, Peers, Socket, Turns, serve};
use crate::mail::Templates;
use crate::store::{self, Commit, Health, OpenError, Store, Write};
use crate::sweep::{Reminders, Sweeper};
use crate::words::Words;
use crate::workers::{Outbox, Post, deliver};
use futures_util::StreamExt;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What was begun must be done by then, after SIGTERM.
const LAST_CALLS: Duration = Duration::from_secs(15);
/// A store that is down for so long stays so: only the next start opens it again, with care. Calls are answered
/// meanwhile that it cannot now.
const STORE_DOWN: Duration = Duration::from_secs(5);

/// The daemon, from start to stop.
pub fn run(config: &Path) -> ExitCode {
    let sources = Sources::of_process(config);
    let settings = match sources.settings() {
        Ok(settings) => settings,
        Err(faults) => {
            logging::start("info", crate::config::LogTarget::Auto);
            for fault in &faults {
                tracing::error!("{fault}");
            }
            tracing::error!("faults in the configuration: {}; `parvisctl check` says the same", faults.len());
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    logging::start(&settings.log.filter, settings.log.target);
    settings.cautions.iter().for_each(|caution| tracing::warn!("{caution}"));
    process::harden();
    process::descriptors(settings.gate.connections as u64 + 256);
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("the TLS library was set up already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8)))
        .max_blocking_threads(32)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(live(sources, settings));
            runtime.shutdown_timeout(Duration::from_secs(1));
            code
        }
        Err(error) => {
            tracing::error!(%error, "failed to start the runtime");
            ExitCode::from(EXIT_TEMPFAIL)
        }
    }
}

/// Everything that runs.
struct Parts {
    sources: Sources,
    engine: Arc<Engine>,
    board: Arc<Board>,
    gate: Arc<Gate>,
    sockets: sockets::Sockets,
}

async fn live(sources: Sources, settings: Settings) -> ExitCode {
    let parts = match start(sources, settings).await {
        Ok(parts) => parts,
        Err((code, why)) => {
            tracing::error!("{why}");
            return ExitCode::from(code);
        }
    };
    // Before anybody is told that it may send one: SIGHUP would end the process.
    let taken = match Signals::new([SIGHUP, SIGTERM, SIGINT]) {
        Ok(taken) => taken,
        Err(error) => {
            tracing::error!(%error, "failed to take signals");
            return ExitCode::from(EXIT_TEMPFAIL);
        }
    };
    let Parts { sources, engine, board, gate, sockets } = parts;
    let stop = Arc::new(Notify::new());
    let outbox = match post(&engine.settings()) {
        Ok(post) => Arc::new(Outbox::new(engine.clone(), board.clone(), post)),
        Err(why) => {
            tracing::error!("{why}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let mut tasks = Tasks::default();
    tasks.start("hook socket", serve(gate.clone(), sockets.hook, Socket::Hook));
    tasks.start("admin socket", serve(gate.clone(), sockets.admin, Socket::Admin));
    tasks.start("watch", engine::follow(engine.clone(), board.clone()));
    tasks.start("directory's health", watch_directory(engine.clone(), board.clone()));
    tasks.start("status", tell_systemd(board.clone()));
    tasks.start("watchdog", dog::feed(engine.store.clone()));
    let sweeper = gate.sweeper.clone();
    tasks.start("sweep", async move { sweeper.run().await });
    let reminders = Reminders::new(engine.clone());
    tasks.start("reminders", async move { reminders.run().await });
    let mut mail = Tasks::default();
    mail.start("outbox", deliver(outbox.clone(), stop.clone()));
    tokio::spawn(engine::resume(engine.clone()));
    notify(&[NotifyState::Ready, NotifyState::Status("started")]);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
    let reload = || reload(&sources, &engine, &gate, &outbox);
    let code = tokio::select! {
        () = signals(taken, reload) => ExitCode::SUCCESS,
        Ended { name, why } = tasks.first() => broken(name, &why),
        Ended { name, why } = mail.first() => broken(name, &why),
        why = watch_store(engine.store.as_ref(), &board) => {
            tracing::error!(%why, "the store is down: stopping, so that the next start can open it safely");
            ExitCode::from(EXIT_TEMPFAIL)
        }
    };
    notify(&[NotifyState::Stopping, NotifyState::Status("finishing what was begun")]);
    tracing::info!("stopping");
    finish(&gate, tasks, mail, &stop).await;
    match engine.store.close() {
        Ok(()) => tracing::info!("stopped"),
        Err(error) => tracing::error!(%error, "failed to close the store"),
    }
    code
}

/// A part that should live as long as the daemon has ended: systemd starts all of them anew.
fn broken(name: &str, why: &str) -> ExitCode {
    tracing::error!(part = name, %why, "a part of the daemon has ended: stopping");
    ExitCode::from(EXIT_SOFTWARE)
}

/// What was begun is ended: calls first, then mails.
async fn finish(gate: &Gate, tasks: Tasks, mut mail: Tasks, stop: &Notify) {
    drop(tasks);
    let all = u32::try_from(crate::gate::CALLS).unwrap_or(u32::MAX);
    if tokio::time::timeout(LAST_CALLS, gate.under_way.acquire_many(all)).await.is_err() {
        tracing::warn!("some calls did not end in time");
    }
    stop.notify_one();
    let _ = tokio::time::timeout(LAST_CALLS, mail.all()).await;
}

async fn start(sources: Sources, settings: Settings) -> Result<Parts, (u8, String)> {
    let settings = Arc::new(settings);
    let keys = Keys::derive(&settings.key);
    let (path, chain) = (settings.store.clone(), Arc::new(Chain::new(keys.audit())));
    let opened = tokio::task::spawn_blocking(move || open(&path, chain)).await;
    let store = opened.map_err(|error| (EXIT_TEMPFAIL, error.to_string()))??;
    same_key(store.as_ref(), &keys).await?;
    let prepared = settings.directory.clone().prepare().map_err(|faults| {
        (EXIT_CONFIG, faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    let directory = Directory::connect(prepared, outside());
    let engine = Arc::new(Engine::new(store, settings.clone(), directory));
    let board = Arc::new(Board::default());
    board.set("watch", State::Beginning, "reading the directory");
    board.set("mail", State::Idle, "nothing was sent yet");
    let gate = Arc::new(Gate {
        engine: engine.clone(),
        words: Words::shipped(),
        board: board.clone(),
        peers: Peers::default(),
        sweeper: Arc::new(Sweeper::new(engine.clone(), board.clone())),
        domains: crate::mail::MailDomains::default(),
        since: clock::now(),
        under_way: tokio::sync::Semaphore::new(crate::gate::CALLS),
        followers: Turns::default(),
        passwords: Turns::default(),
    });
    let sockets = sockets::open(&settings.gate.hook_socket, &settings.gate.admin_socket)
        .map_err(|why| (EXIT_CONFIG, why))?;
    Ok(Parts { sources, engine, board, gate, sockets })
}

fn open(path: &Path, chain: Arc<Chain>) -> Result<Arc<dyn Store>, (u8, String)> {
    let opened: Result<Arc<dyn Store>, OpenError> = store::open(path, chain);
    opened.map_err(|error| {
        let code = match error {
            OpenError::Newer { .. }
            | OpenError::Header { .. }
            | OpenError::NotAStore { .. }
            | OpenError::Damaged { .. } => EXIT_CONFIG,
            OpenError::Locked { .. } | OpenError::NoRoom { .. } | OpenError::Io { .. } => EXIT_TEMPFAIL,
        };
        (code, format!("failed to {error}"))
    })
}

/// Under another key every link, session and audit link of this store would look forged: said at once.
async fn same_key(store: &dyn Store, keys: &Keys) -> Result<(), (u8, String)> {
    let held = store.get(&key::own("key")).map_err(|error| (EXIT_TEMPFAIL, error.to_string()))?;
    match held {
        Some(held) if held.value == keys.fingerprint() => Ok(()),
        Some(_) => Err((
            EXIT_CONFIG,
            "the key is not the one under which this store was written: put the former key back, or begin with an \
             empty store"
                .to_owned(),
        )),
        None => {
            let write = Write::Put { key: key::own("key"), value: keys.fingerprint().to_vec() };
            let commit = store.commit(Commit { writes: vec![write], ..Commit::default() });
            commit.await.map(|_| ()).map_err(|error| (EXIT_TEMPFAIL, format!("failed to write the store: {error}")))
        }
    }
}

fn post(settings: &Settings) -> Result<Post, String> {
    let templates =
        Templates::load(settings.mail.overrides.as_deref()).map_err(|faults| faults.to_string())?;
    if let Err(faults) = templates.check() {
        tracing::warn!(%faults, "templates of the campus's own are broken; the shipped ones are used");
    }
    Ok(Post::new(templates))
}

/// Waits for the signal to stop; a second one stops at once.
async fn signals(mut signals: Signals, reload: impl Fn()) {
    while let Some(signal) = signals.next().await {
        if signal != SIGHUP {
            tokio::spawn(async move {
                if signals.next().await.is_some() {
                    std::process::exit(1);
                }
            });
            return;
        }
        reload();
    }
}

/// SIGHUP: the new configuration is taken whole or not at all.
fn reload(sources: &Sources, engine: &Engine, gate: &Gate, outbox: &Outbox) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    match sources.settings() {
        Ok(settings) => {
            let fixed = engine.settings().fixed(&settings);
            if !fixed.is_empty() {
                let keys = fixed.join(", ");
                tracing::error!(%keys, "not reloaded: these keys take a restart (systemctl restart parvisd)");
            } else {
                match post(&settings) {
                    Ok(post) => {
                        settings.cautions.iter().for_each(|caution| tracing::warn!("{caution}"));
                        process::descriptors(settings.gate.connections as u64 + 256);
                        engine.reload(Arc::new(settings));
                        outbox.replace(post);
                        gate.peers.forget();
                        tracing::info!("the configuration was reloaded");
                    }
                    Err(why) => tracing::error!(%why, "not reloaded: the configuration in force stays"),
                }
            }
        }
        Err(faults) => {
            faults.iter().for_each(|fault| tracing::error!("{fault}"));
            tracing::error!("not reloaded: the configuration in force stays");
        }
    }
    notify(&[NotifyState::Ready]);
}

async fn watch_directory(engine: Arc<Engine>, board: Arc<Board>) {
    let mut health = engine.directory().health();
    loop {
        let (state, detail) = match &*health.borrow_and_update() {
            DirectoryHealth::Connecting => (State::Beginning, "connecting".to_owned()),
            DirectoryHealth::Up { server } => (State::Working, format!("connected to {server}")),
            DirectoryHealth::Down { why, .. } => (State::Down, why.clone()),
        };
        board.set("directory", state, &detail);
        if health.changed().await.is_err() {
            return;
        }
    }
}

/// Says how the store is, for as long as it can be: why it is down, once it was for a while.
async fn watch_store(store: &dyn Store, board: &Board) -> String {
    let mut down: Option<Instant> = None;
    loop {
        let health = store.health();
        board.set_store(&health);
        match health {
            Health::Working | Health::Full => down = None,
            Health::Down(why) if down.is_some_and(|since| since.elapsed() >= STORE_DOWN) => return why,
            Health::Down(_) => down = down.or_else(|| Some(Instant::now())),
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

async fn tell_systemd(board: Arc<Board>) {
    loop {
        notify(&[NotifyState::Status(&board.summary())]);
        board.change().await;
    }
}

pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot tell systemd");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Committing, Head, Held, Linked, StoreError};
    use std::sync::Mutex;

    /// A store that has nothing but a health, which changes at each look; the last one stays.
    struct Patient(Mutex<Vec<Health>>);

    impl Store for Patient {
        fn get(&self, _: &[u8]) -> Result<Option<Held>, StoreError> {
            Ok(None)
        }
        fn scan(&self, _: &[u8], _: &[u8], _: usize) -> Result<Vec<(Vec<u8>, Held)>, StoreError> {
            Ok(Vec::new())
        }
        fn records(&self, _: u64, _: usize) -> Result<Vec<Linked>, StoreError> {
            Ok(Vec::new())
        }
        fn head(&self) -> Head {
            Head { length: 0, link: [0; 32] }
        }
        fn health(&self) -> Health {
            let mut left = self.0.lock().unwrap();
            if left.len() > 1 { left.remove(0) } else { left[0].clone() }
        }
        fn backup(&self, _: &mut dyn std::io::Write) -> std::io::Result<()> {
            Ok(())
        }
        fn close(&self) -> Result<(), StoreError> {
            Ok(())
        }
        fn commit(&self, _: Commit) -> Committing {
            Box::pin(async { Err(StoreError::Full) })
        }
    }

    /// After how many seconds of these healths, one every two seconds, the daemon gives up, within a day.
    async fn check(healths: &[Health], expected: Option<u64>) {
        let (store, board) = (Patient(Mutex::new(healths.to_vec())), Board::default());
        let begun = Instant::now();
        let given_up = tokio::time::timeout(Duration::from_secs(86_400), watch_store(&store, &board)).await;
        assert_eq!(given_up.ok().map(|_| begun.elapsed().as_secs()), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_down_ends_the_daemon_and_a_full_disk_does_not() {
        let down = || Health::Down("EIO".to_owned());
        check(&[Health::Working], None).await;
        check(&[Health::Full], None).await;
        check(&[down()], Some(6)).await;
        check(&[down(), down(), Health::Working, Health::Full], None).await;
        check(&[down(), Health::Working, down()], Some(10)).await;
    }
}
