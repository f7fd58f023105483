//! Start, signals, stop.

use super::health::{Board, State};
use super::{EXIT_CONFIG, EXIT_TEMPFAIL, clock, logging, outside, process, sockets};
use crate::audit::Chain;
use crate::config::{Settings, Sources};
use crate::directory::{Directory, DirectoryHealth};
use crate::dossier::key;
use crate::engine::keys::Keys;
use crate::engine::{self, Engine};
use crate::gate::{Gate, Peers, Socket, serve};
use crate::mail::Templates;
use crate::store::{self, Commit, Health, OpenError, Store, Write};
use crate::sweep::Sweeper;
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

/// What was begun must be done by then, after SIGTERM.
const LAST_CALLS: Duration = Duration::from_secs(15);

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
}

async fn live(sources: Sources, settings: Settings) -> ExitCode {
    let parts = match start(sources, settings).await {
        Ok(parts) => parts,
        Err((code, why)) => {
            tracing::error!("{why}");
            return ExitCode::from(code);
        }
    };
    let stop = Arc::new(Notify::new());
    let outbox = match post(&parts.engine.settings()) {
        Ok(post) => Arc::new(Outbox::new(parts.engine.clone(), parts.board.clone(), post)),
        Err(why) => {
            tracing::error!("{why}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let mail = tokio::spawn(deliver(outbox.clone(), stop.clone()));
    let background = [
        tokio::spawn(engine::follow(parts.engine.clone(), parts.board.clone())),
        tokio::spawn(watch_directory(parts.engine.clone(), parts.board.clone())),
        tokio::spawn(watch_store(parts.engine.clone(), parts.board.clone())),
        tokio::spawn(tell_systemd(parts.board.clone())),
        tokio::spawn(dog(parts.engine.clone())),
        tokio::spawn({
            let sweeper = parts.gate.sweeper.clone();
            async move { sweeper.run().await }
        }),
    ];
    tokio::spawn(engine::resume(parts.engine.clone()));
    // Before READY: whoever was told may stop us at once, and must find us listening.
    let listening = Signals::new([SIGHUP, SIGTERM, SIGINT]);
    notify(&[NotifyState::Ready, NotifyState::Status("started")]);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
    signals(&parts, &outbox, listening).await;
    notify(&[NotifyState::Stopping, NotifyState::Status("finishing what was begun")]);
    tracing::info!("stopping");
    background.iter().for_each(tokio::task::JoinHandle::abort);
    let all = u32::try_from(crate::gate::CALLS).unwrap_or(u32::MAX);
    if tokio::time::timeout(LAST_CALLS, parts.gate.under_way.acquire_many(all)).await.is_err() {
        tracing::warn!("some calls did not end in time");
    }
    stop.notify_one();
    let _ = tokio::time::timeout(LAST_CALLS, mail).await;
    match parts.engine.store.close() {
        Ok(()) => tracing::info!("stopped"),
        Err(error) => tracing::error!(%error, "failed to close the store"),
    }
    ExitCode::SUCCESS
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
    board.set("watch", State::Idle, "connecting");
    board.set("mail", State::Idle, "nothing was sent yet");
    let gate = Arc::new(Gate {
        engine: engine.clone(),
        words: Words::shipped(),
        board: board.clone(),
        peers: Peers::default(),
        sweeper: Arc::new(Sweeper::new(engine.clone())),
        since: clock::now(),
        under_way: tokio::sync::Semaphore::new(crate::gate::CALLS),
    });
    let sockets = sockets::open(&settings.gate.hook_socket, &settings.gate.admin_socket)
        .map_err(|why| (EXIT_CONFIG, why))?;
    tokio::spawn(serve(gate.clone(), sockets.hook, Socket::Hook));
    tokio::spawn(serve(gate.clone(), sockets.admin, Socket::Admin));
    Ok(Parts { sources, engine, board, gate })
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
async fn signals(parts: &Parts, outbox: &Outbox, listening: std::io::Result<Signals>) {
    let mut signals = match listening {
        Ok(signals) => signals,
        Err(error) => return tracing::error!(%error, "failed to take signals"),
    };
    while let Some(signal) = signals.next().await {
        if signal != SIGHUP {
            tokio::spawn(async move {
                if signals.next().await.is_some() {
                    std::process::exit(1);
                }
            });
            return;
        }
        reload(parts, outbox);
    }
}

/// SIGHUP: the new configuration is taken whole or not at all.
fn reload(parts: &Parts, outbox: &Outbox) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    match parts.sources.settings() {
        Ok(settings) => {
            let fixed = parts.engine.settings().fixed(&settings);
            if !fixed.is_empty() {
                let keys = fixed.join(", ");
                tracing::error!(%keys, "not reloaded: these keys take a restart (systemctl restart parvisd)");
            } else {
                match post(&settings) {
                    Ok(post) => {
                        outbox.replace(post);
                        parts.engine.reload(Arc::new(settings));
                        parts.gate.peers.forget();
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
            DirectoryHealth::Up { server } => (State::Working, format!("connected to {server}")),
            DirectoryHealth::Down { why, .. } => (State::Down, why.clone()),
        };
        board.set("directory", state, &detail);
        if health.changed().await.is_err() {
            return;
        }
    }
}

async fn watch_store(engine: Arc<Engine>, board: Arc<Board>) {
    loop {
        match engine.store.health() {
            Health::Working => board.set("store", State::Working, "reads and commits work"),
            Health::Full => board.set("store", State::Degraded, "the disk is full: nothing new is accepted"),
            Health::Down(why) => board.set("store", State::Down, &why),
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

/// The watchdog is fed only by proof: the runtime turns, and the store answers.
async fn dog(engine: Arc<Engine>) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    loop {
        let store = engine.store.clone();
        let read = tokio::task::spawn_blocking(move || store.get(&key::own("key")).is_ok());
        if matches!(tokio::time::timeout(period / 2, read).await, Ok(Ok(true))) {
            notify(&[NotifyState::Watchdog]);
        }
        tokio::time::sleep(period / 3).await;
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot tell systemd");
    }
}
