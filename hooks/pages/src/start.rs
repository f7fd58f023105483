//! From the command line to a process that serves, and to its end: arguments, the log, systemd, signals.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::StreamExt;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::house::House;
use crate::settings::{self, Settings};
use crate::{check, routes, serve};

const USAGE: &str = "\
parvis-pages [--config FILE] [--check [--json]]

  --config FILE  default: /etc/parvis/pages.toml, where it exists
  --check        say what is wrong with the configuration, and start nothing
  --json         say it for programs: what is wrong and what is right
  --help         say this
  --version      say which version this is
";
const DEFAULT: &str = "/etc/parvis/pages.toml";
/// sysexits(3).
const EX_USAGE: u8 = 64;
const EX_TEMPFAIL: u8 = 75;
const EX_CONFIG: u8 = 78;

enum Asked {
    Serve(Option<PathBuf>),
    Check(Option<PathBuf>, bool),
    Say(String),
}

/// Everything.
pub fn run() -> ExitCode {
    match arguments(lexopt::Parser::from_env()) {
        Ok(Asked::Say(text)) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Asked::Check(path, json)) => {
            if check::check(path.as_deref(), json) {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(EX_CONFIG)
            }
        }
        Ok(Asked::Serve(path)) => match settings::read(path.as_deref()) {
            Ok(settings) => live(settings),
            Err(faults) => {
                let _ = std::io::stderr().write_all(check::words(&faults).as_bytes());
                ExitCode::from(EX_CONFIG)
            }
        },
        Err(error) => {
            let _ = write!(std::io::stderr(), "parvis-pages: {error}\n\n{USAGE}");
            ExitCode::from(EX_USAGE)
        }
    }
}

fn arguments(mut parser: lexopt::Parser) -> Result<Asked, lexopt::Error> {
    use lexopt::prelude::{Long, Short};
    let (mut path, mut check, mut json) = (None, false, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("config") => path = Some(PathBuf::from(parser.value()?)),
            Long("check") => check = true,
            Long("json") => json = true,
            Long("help") | Short('h') => return Ok(Asked::Say(USAGE.to_owned())),
            Long("version") => {
                return Ok(Asked::Say(format!("parvis-pages {}\n", env!("CARGO_PKG_VERSION"))));
            }
            other => return Err(other.unexpected()),
        }
    }
    let path = path.or_else(|| Some(PathBuf::from(DEFAULT)).filter(|path| path.exists()));
    match (check, json) {
        (true, json) => Ok(Asked::Check(path, json)),
        (false, false) => Ok(Asked::Serve(path)),
        (false, true) => Err("--json goes with --check".into()),
    }
}

/// The libraries below us could write whole requests: they say warnings only, whatever the configuration has.
fn log(level: LevelFilter) {
    let filter = Targets::new().with_target("parvis_pages", level).with_default(LevelFilter::WARN.min(level));
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let registry = tracing_subscriber::registry();
    let started = match journal {
        Some(journal) => {
            let journal = journal.with_syslog_identifier("parvis-pages".to_owned()).with_field_prefix(None);
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

fn live(settings: Settings) -> ExitCode {
    log(settings.level);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(4).build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve_until_told(settings)),
        Err(error) => {
            tracing::error!(%error, "failed to start the runtime");
            ExitCode::from(EX_TEMPFAIL)
        }
    }
}

async fn serve_until_told(settings: Settings) -> ExitCode {
    let listeners = match serve::open(&settings.listen) {
        Ok(listeners) => listeners,
        Err(why) => {
            tracing::error!("{why}");
            return ExitCode::from(EX_TEMPFAIL);
        }
    };
    let mut signals = match Signals::new([SIGTERM, SIGINT]) {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "failed to take signals");
            return ExitCode::from(EX_TEMPFAIL);
        }
    };
    let (stop, stopped) = watch::channel(false);
    let base = format!("{}{}", settings.origin, settings.base);
    let serving = tokio::spawn(serve::serve(
        listeners,
        routes::router(Arc::new(House::new(settings, stopped.clone()))),
        stopped,
    ));
    tracing::info!("serving {base}");
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    signals.next().await;
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    let _ = stop.send(true);
    let _ = serving.await;
    ExitCode::SUCCESS
}
