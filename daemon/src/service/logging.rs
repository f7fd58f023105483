//! Where the log goes: the journal where systemd started us, else the terminal.

use crate::config::LogTarget;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// Libraries that would log whole messages or answers, and are kept from it.
const QUIET: &str = "ldap3=error,lettre=warn,sled=warn,hyper=warn,rustls=warn";

/// Begins to log. The filter is the configuration's, after what keeps the libraries quiet.
pub fn start(filter: &str, target: LogTarget) {
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{QUIET},info")));
    let journal = match target {
        LogTarget::Terminal => None,
        LogTarget::Journal => tracing_journald::layer().ok(),
        // systemd says so where our output is the journal anyway.
        LogTarget::Auto if std::env::var_os("JOURNAL_STREAM").is_some() => tracing_journald::layer().ok(),
        LogTarget::Auto => None,
    };
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match journal {
        Some(journal) => {
            Box::new(journal.with_syslog_identifier("parvisd".to_owned()).with_field_prefix(None))
        }
        None => Box::new(
            tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(false),
        ),
    };
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    if started.is_err() {
        tracing::debug!("the log was started already");
    }
}
