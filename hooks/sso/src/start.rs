//! From the command line to a process that serves, and to its end: arguments, the log, systemd, signals.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::StreamExt;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::house::House;
use crate::keys::{self, Keys};
use crate::serve::Signs;
use crate::settings::{self, Settings};
use crate::{daemon, doors, routes, serve};

const USAGE: &str = "\
parvis-sso [--config FILE] [--activated] [--check]

  --config FILE  default: /etc/parvis/sso.toml, where it exists
  --check        say what is wrong with the configuration, the token and the
                 certificates, and start nothing
  --activated    take the sockets that systemd hands over, and make none
  --help         say this
  --version      say which version this is
";
const DEFAULT: &str = "/etc/parvis/sso.toml";
/// sysexits(3).
const EX_USAGE: u8 = 64;
const EX_TEMPFAIL: u8 = 75;
const EX_CONFIG: u8 = 78;

enum Asked {
    Serve(Option<PathBuf>, bool),
    Check(Option<PathBuf>),
    Say(String),
}

/// Everything.
pub fn run() -> ExitCode {
    match arguments(lexopt::Parser::from_env()) {
        Ok(Asked::Say(text)) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Asked::Check(path)) => {
            match settings::read(path.as_deref()).and_then(|settings| keys::read(&settings)) {
                Ok(_) => ExitCode::SUCCESS,
                Err(faults) => faulty(&faults),
            }
        }
        Ok(Asked::Serve(path, activated)) => match settings::read(path.as_deref()) {
            Ok(settings) => live(settings, activated),
            Err(faults) => faulty(&faults),
        },
        Err(error) => {
            let _ = write!(std::io::stderr(), "parvis-sso: {error}\n\n{USAGE}");
            ExitCode::from(EX_USAGE)
        }
    }
}

fn arguments(mut parser: lexopt::Parser) -> Result<Asked, lexopt::Error> {
    use lexopt::prelude::{Long, Short};
    let (mut path, mut check, mut activated) = (None, false, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("config") => path = Some(PathBuf::from(parser.value()?)),
            Long("check") => check = true,
            Long("activated") => activated = true,
            Long("help") | Short('h') => return Ok(Asked::Say(USAGE.to_owned())),
            Long("version") => {
                return Ok(Asked::Say(format!("parvis-sso {}\n", env!("CARGO_PKG_VERSION"))));
            }
            other => return Err(other.unexpected()),
        }
    }
    let path = path.or_else(|| Some(PathBuf::from(DEFAULT)).filter(|path| path.exists()));
    Ok(if check { Asked::Check(path) } else { Asked::Serve(path, activated) })
}

fn faulty(faults: &[String]) -> ExitCode {
    for fault in faults {
        let _ = writeln!(std::io::stderr(), "parvis-sso: {fault}");
    }
    ExitCode::from(EX_CONFIG)
}

/// The libraries below us could write whole requests: they say warnings only, whatever the configuration has.
fn log(level: LevelFilter) {
    let filter = Targets::new().with_target("parvis_sso", level).with_default(LevelFilter::WARN.min(level));
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let registry = tracing_subscriber::registry();
    let started = match journal {
        Some(journal) => {
            let journal = journal.with_syslog_identifier("parvis-sso".to_owned()).with_field_prefix(None);
            registry.with(journal.with_filter(filter)).try_init()
        }
        None => {
            let terminal = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
            registry.with(terminal.with_target(false).with_ansi(false).with_filter(filter)).try_init()
        }
    };
    if started.is_err() {
        tracing::debug!("the log was started already");
    }
}

fn live(settings: Settings, activated: bool) -> ExitCode {
    log(settings.level);
    let keys = match keys::read(&settings) {
        Ok(keys) => keys,
        Err(faults) => return faulty(&faults),
    };
    let threads = daemon::AT_ONCE + 4;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(threads).build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve_until_told(settings, keys, activated)),
        Err(error) => {
            tracing::error!(%error, "failed to start the runtime");
            ExitCode::from(EX_TEMPFAIL)
        }
    }
}

async fn serve_until_told(settings: Settings, keys: Keys, activated: bool) -> ExitCode {
    let doors = match doors::open(&settings, activated) {
        Ok(doors) => doors,
        Err(why) => {
            tracing::error!("{why}");
            return ExitCode::from(EX_TEMPFAIL);
        }
    };
    let mut signals = match Signals::new([SIGTERM, SIGINT, SIGHUP]) {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "failed to take signals");
            return ExitCode::from(EX_TEMPFAIL);
        }
    };
    for door in &doors {
        let at = door.listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
        tracing::info!("listening on {at} ({})", door.way.name());
    }
    let (stop, stopped) = watch::channel(false);
    let (renewed, renewals) = watch::channel(0);
    let house = Arc::new(House::new(&settings, keys));
    let signs = Signs { stop: stopped, keys: renewals };
    let serving = tokio::spawn(serve::serve(doors, house.clone(), routes::router(house.clone()), signs));
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    while let Some(signal) = signals.next().await {
        if signal != SIGHUP {
            break;
        }
        renew(&settings, &house, &renewed);
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    let _ = stop.send(true);
    let _ = serving.await;
    ExitCode::SUCCESS
}

/// The token and the certificates anew, whole or not at all. Connections that stand on the old ones end.
fn renew(settings: &Settings, house: &House, renewed: &watch::Sender<u64>) {
    match keys::read(settings) {
        Ok(keys) => {
            house.replace(keys);
            renewed.send_modify(|times| *times += 1);
            tracing::info!("the token and the certificates are read again");
        }
        Err(faults) => {
            for fault in faults {
                tracing::error!("{fault}");
            }
            tracing::error!("the token and the certificates in force stay");
        }
    }
}
